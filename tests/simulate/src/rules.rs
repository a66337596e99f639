//! Which rules of protocol.md 3 and 4 decided something: taken where they let something happen,
//! refused where they prevented it. A run in which one of them never did shows nothing about it.

use std::fmt;

use election::{Note, Reason, Refusal, Wait};

macro_rules! rules {
    ($($name:ident $taken:literal $refused:literal,)*) => {
        /// A rule, by its name in protocol.md.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u8)]
        pub(crate) enum Rule { $($name,)* }

        const NAMES: &[&str] = &[$(stringify!($name),)*];
        /// Whether it must have been taken, and must have refused something.
        const MUST: &[(bool, bool)] = &[$(($taken == 1, $refused == 1),)*];
        const COUNT: usize = NAMES.len();
    };
}

rules! {
    T0 1 0, V1 0 1, V2 0 1, V3 1 1, V4 1 1, V5 1 1, V6 1 1, V7 1 1,
    P1 1 1, C1 1 0, C2 1 1, E1 1 0, A1 1 1, A2 1 1, K1 1 0, L1 1 0, L2 1 0,
    R1 1 0, R2 1 0, S1 1 1,
    W1 1 1, W2 1 1, W3 1 1, W4 1 1, W5 1 1,
    X1 1 1, X2 1 1, X3 1 0, X4 1 1, X5 1 0, X6 1 0,
}

/// How often each rule decided something.
#[derive(Clone, Debug)]
pub(crate) struct Exercised {
    taken: [u64; COUNT],
    refused: [u64; COUNT],
}

impl Default for Exercised {
    fn default() -> Self {
        Self { taken: [0; COUNT], refused: [0; COUNT] }
    }
}

impl Exercised {
    pub(crate) fn taken(&mut self, rule: Rule) {
        self.taken[rule as usize] += 1;
    }

    pub(crate) fn refused(&mut self, rule: Rule) {
        self.refused[rule as usize] += 1;
    }

    /// What a node says that it decided, and by which rule.
    pub(crate) fn note(&mut self, note: &Note) {
        match note {
            Note::RefusedVote { pre_vote, refusal, .. } => self.refusal(*pre_vote, refusal),
            Note::Voted { ground: "", .. } => self.taken(Rule::V3),
            Note::BecameLeader { .. } => self.taken(Rule::E1),
            Note::SteppedDown { reason: Reason::LeaseOver | Reason::NoLease, .. } => {
                self.taken(Rule::L2);
            }
            Note::Promoting { .. } => {
                for rule in [Rule::W1, Rule::W2, Rule::W3, Rule::W4, Rule::W5] {
                    self.taken(rule);
                }
            }
            Note::PromiseEnded { rule, .. } => self.by_name(rule, Self::taken),
            Note::Refreshed { rule, .. } => self.by_name(rule, Self::taken),
            Note::Ignored { rule, .. } => self.by_name(rule, Self::refused),
            Note::Committed { .. } => self.taken(Rule::K1),
            Note::Idle { .. } => self.taken(Rule::X4),
            _ => {}
        }
    }

    fn refusal(&mut self, pre_vote: bool, refusal: &Refusal) {
        if pre_vote {
            self.refused(Rule::P1);
        }
        match refusal {
            Refusal::Promise { to, .. } => {
                self.refused(Rule::V1);
                if to.is_none() {
                    self.refused(Rule::S1);
                }
            }
            Refusal::OwnLease { .. } => self.refused(Rule::V2),
            Refusal::OldVersion(_) => {
                self.refused(Rule::V3);
                if !pre_vote {
                    self.taken(Rule::T0);
                }
            }
            Refusal::OldTerm(_) | Refusal::Voted(_) => self.refused(Rule::V3),
            Refusal::Disk | Refusal::NoVote => {}
        }
    }

    /// What a leader waits for.
    pub(crate) fn waits(&mut self, wait: Wait) {
        self.refused(match wait {
            Wait::Commit => Rule::W1,
            Wait::FenceWindow(_) | Wait::Runner => Rule::W2,
            Wait::Claim => Rule::W3,
            Wait::Margin => Rule::W4,
            Wait::Paused | Wait::Ineligible => Rule::W5,
            Wait::Spent => return,
        });
    }

    fn by_name(&mut self, name: &str, count: fn(&mut Self, Rule)) {
        let named = [
            ("V4", Rule::V4),
            ("V5", Rule::V5),
            ("V7", Rule::V7),
            ("C2", Rule::C2),
            ("A2", Rule::A2),
            ("R1", Rule::R1),
            ("R2", Rule::R2),
            ("X4", Rule::X4),
        ];
        if let Some((_, rule)) = named.iter().find(|(known, _)| *known == name) {
            count(self, *rule);
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        let add = |mine: &mut [u64; COUNT], theirs: &[u64; COUNT]| {
            mine.iter_mut().zip(theirs).for_each(|(mine, theirs)| *mine += theirs);
        };
        add(&mut self.taken, &other.taken);
        add(&mut self.refused, &other.refused);
    }

    /// The rules that should have decided something and never did.
    pub(crate) fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        for (index, name) in NAMES.iter().enumerate() {
            let (taken, refused) = MUST[index];
            if taken && self.taken[index] == 0 {
                missing.push(format!("{name} taken"));
            }
            if refused && self.refused[index] == 0 {
                missing.push(format!("{name} refusing"));
            }
        }
        missing
    }
}

impl fmt::Display for Exercised {
    /// `NAME taken/refused`, eight to a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in NAMES.iter().enumerate() {
            if index > 0 && index.is_multiple_of(8) {
                write!(f, "\n{:16}", "")?;
            }
            write!(f, " {name} {}/{}", self.taken[index], self.refused[index])?;
        }
        Ok(())
    }
}
