//! `inject KIND A>B [env=TERM] ...`: a message that a rule needs and that the world would not send
//! by itself at that moment. `env` is the envelope's term; without it, the sender's own.

use std::sync::Arc;

use election::{Epoch, Facts, Message, NodeId, Phase, Span, Term, Version, VoteKind, Word};

use super::Stage;
use super::words::{number, value};
use crate::world::{ElectorInput, HostId};

impl Stage {
    pub(super) fn inject(&mut self, kind: &str, way: &str, words: &[&str]) -> Result<(), String> {
        let (from, to) = *self.ways(way)?.first().ok_or("no way")?;
        let own = self.term_of(from)?;
        let env = number(words, "env").unwrap_or(own);
        let term = Term(number(words, "term").unwrap_or(env));
        let version = self.version_of(from, words)?;
        let message = match kind {
            "released" => {
                Message::Released { epoch: Epoch(number(words, "epoch").unwrap_or(0)), term }
            }
            "confirmed" => {
                let name = value(words, "node").ok_or("which node?")?;
                let node = self.host(name)?;
                let incarnation = self.world()?.hosts[node].incarnation;
                Message::Confirmed { node: NodeId::new(name), incarnation, term }
            }
            "take-over" => Message::TakeOver { version, window: Span::ZERO },
            "vote" => Message::Vote { version, kind: VoteKind::Normal },
            "refresh" => Message::Vote { version, kind: VoteKind::Refresh },
            "pre-vote" => Message::PreVote { proposed: term, version, attempt: 1, rank: 0 },
            "pre-vote-reply" => {
                let attempt = number(words, "attempt").unwrap_or(1);
                let promise_left = Span::ZERO;
                Message::PreVoteReply {
                    attempt,
                    refusal: None,
                    version,
                    better: None,
                    promise_left,
                }
            }
            "heartbeat" => Message::Heartbeat {
                seq: number(words, "seq").unwrap_or(1),
                version,
                promise: Span::from_millis(number(words, "promise").unwrap_or(500)),
                phase: Phase::Waiting,
                epoch: None,
            },
            "heartbeat-reply" => {
                let seq = Some(number(words, "seq").unwrap_or(1));
                Message::HeartbeatReply { seq, version, facts: Facts::default() }
            }
            "publish" => {
                let disk = &self.world()?.hosts[from].disk.hard.state;
                let mut state = (**disk).clone();
                state.version = version;
                Message::Publish { state: Arc::new(state) }
            }
            _ => return Err(format!("no message: {kind}")),
        };
        self.world()?.inject(from, to, env, message);
        self.world()?.advance(Span::ZERO);
        Ok(())
    }

    /// A word from the executor that is older than the last permit.
    pub(super) fn idle_word(&mut self, name: &str, epoch: &str) -> Result<(), String> {
        let host = self.host(name)?;
        let epoch = Epoch(epoch.parse().map_err(|_| format!("no epoch: {epoch}"))?);
        self.world()?.elector_input(host, ElectorInput::Word(Word::Idle { epoch }));
        Ok(())
    }

    fn term_of(&mut self, host: HostId) -> Result<u64, String> {
        let world = self.world()?;
        let live = world.snapshot(host).map(|snapshot| snapshot.term);
        Ok(live.unwrap_or(world.hosts[host].disk.hard.term).0)
    }

    /// `version=TERM.INDEX`, or the sender's own.
    fn version_of(&mut self, host: HostId, words: &[&str]) -> Result<Version, String> {
        let own = self.world()?.hosts[host].disk.hard.state.version;
        let Some(text) = value(words, "version") else { return Ok(own) };
        let parsed = text.split_once('.').and_then(|(term, index)| {
            Some(Version { term: Term(term.parse().ok()?), index: index.parse().ok()? })
        });
        parsed.ok_or_else(|| format!("no version: {text}"))
    }
}
