//! The playground on the full screen: looks, draws, obeys a key, and begins again. What is seen is
//! gathered by [`Watch`] and [`Feeds`], what it means is a [`Picture`], how that looks is decided in
//! [`screen`].

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

use super::cluster::Cluster;
use super::desk::Desk;
use super::feeds::Feeds;
use super::interrupt::Interrupt;
use super::keys::Key;
use super::picture::{self, Hands, Picture, Reign};
use super::screen::{self, Paint};
use super::terminal::{self, Keyboard, Seat};
use super::timeline::{Entry, Timeline};
use super::watch::Watch;
use super::{PlaygroundError, TIME_OF_DAY, boot_ms, time_of_day};

/// Starts the nodes and obeys keys until the user has enough.
pub(super) fn run(
    cluster: &mut Cluster,
    paint: Paint,
    interrupt: &Interrupt,
) -> Result<(), PlaygroundError> {
    let _seat = Seat::for_screen()?;
    let mut terminal = Terminal::new(CrosstermBackend::new(io::stdout())).map_err(drawing)?;
    cluster.start_all()?;
    let mut live = Live::new(cluster);
    let mut keyboard = Keyboard::default();
    while !interrupt.was_caught() && terminal::is_ours() {
        let picture = live.look();
        // The size is asked for at each turn: a window that changes is filled anew.
        terminal
            .draw(|frame| screen::draw(&picture, paint, frame.buffer_mut()))
            .map_err(drawing)?;
        match keyboard.wait(DRAW_EVERY_MS)? {
            Some(Key::Quit) => break,
            Some(key) => live.obey(key),
            None => {}
        }
        live.desk.start_what_was_stopped_for_it()?;
    }
    Ok(())
}

struct Live<'a> {
    watch: Watch,
    feeds: Feeds,
    desk: Desk<'a>,
    said: Vec<String>,
    help: bool,
    /// When the boot clock was zero: read once, so that a moment is told the same at each look.
    zero: jiff::Timestamp,
}

impl<'a> Live<'a> {
    fn new(cluster: &'a mut Cluster) -> Self {
        let (watch, feeds) = (Watch::start(cluster), Feeds::of(cluster));
        let zero = jiff::Timestamp::now() - jiff::SignedDuration::from_millis(signed(boot_ms()));
        Self { watch, feeds, desk: Desk::new(cluster), said: Vec::new(), help: false, zero }
    }

    fn look(&mut self) -> Picture {
        self.feeds.look();
        self.said.extend(self.desk.answers());
        let surplus = self.said.len().saturating_sub(MOST_SAID);
        self.said.drain(..surplus);
        let hands: Vec<_> = (0..self.desk.cluster.size()).map(|index| self.hands(index)).collect();
        let (heard, now_ms) = (self.watch.heard(), boot_ms());
        let seer = picture::seer(&heard.sights, &hands);
        let seer = seer.and_then(|at| heard.sights[at].as_ref()).map(|sight| &sight.status);
        let rows = hands.iter().zip(&heard.sights);
        Picture {
            now: time_of_day(),
            whole: seer.map(picture::whole),
            rows: rows.map(|(it, sight)| picture::row(it, sight.as_ref(), seer, now_ms)).collect(),
            chosen: self.desk.chosen(),
            reigns: self.reigns(&heard.timeline, now_ms),
            nobody_for_ms: heard.timeline.nobody_for_ms(now_ms),
            calls: self.feeds.calls.iter().cloned().collect(),
            log: self.feeds.log.iter().cloned().collect(),
            said: self.said.clone(),
            help: self.help,
        }
    }

    fn hands(&mut self, index: usize) -> Hands {
        let cluster = &mut *self.desk.cluster;
        let isolated = cluster.is_isolated(index);
        let node = cluster.node_mut(index);
        Hands {
            name: node.name.clone(),
            running: node.is_running(),
            frozen: node.is_frozen(),
            isolated,
            ended: node.ended().map(how),
        }
    }

    fn reigns(&self, timeline: &Timeline, now_ms: u64) -> Vec<Reign> {
        let at = |ms: u64| {
            let at = self.zero + jiff::SignedDuration::from_millis(signed(ms));
            at.strftime(TIME_OF_DAY).to_string()
        };
        let reign = |entry: Entry| Reign {
            from: at(entry.from_ms),
            until: entry.until_ms.map(at),
            for_ms: entry.until_ms.unwrap_or(now_ms).saturating_sub(entry.from_ms),
            entry,
        };
        timeline.entries().into_iter().map(reign).collect()
    }

    fn obey(&mut self, key: Key) {
        match key {
            Key::Choose(index) => self.desk.choose(index),
            Key::Next => self.desk.choose_next(),
            Key::Previous => self.desk.choose_previous(),
            Key::Do(action) => self.said.push(format!("real cluster: {}", self.desk.act(action))),
            Key::Help => self.help = !self.help,
            // The loop's.
            Key::Quit => {}
        }
    }
}

fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

/// How a daemon ended, in as few letters as there is room for.
fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("status {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}

fn drawing(source: io::Error) -> PlaygroundError {
    PlaygroundError::Terminal { what: "draw on the terminal", source }
}

/// A tenth of a second looks immediate.
const DRAW_EVERY_MS: u8 = 100;
/// More than any screen shows.
const MOST_SAID: usize = 20;
