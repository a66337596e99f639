//! From a picture to the cells of a terminal: a pure function. Plain letters only, so that it can be
//! read on every terminal; colour and weight say nothing that a word does not say too. 80 columns
//! and 24 lines have room for all of it, wider ones show what happened side by side.

mod panels;

use std::time::Duration;

use control::model::{Level, Phase, Standing};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use super::keys;
use super::picture::{Link, Own, Picture, Row, State, Whole};
use crate::render::{phase_name, plain, span};

/// Whether there is colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Paint {
    /// Without it there is still bold.
    pub(super) colour: bool,
}

impl Paint {
    fn colour(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    fn heading(self) -> Style {
        self.colour(Color::Cyan).add_modifier(Modifier::BOLD)
    }

    fn good(self) -> Style {
        self.colour(Color::Green).add_modifier(Modifier::BOLD)
    }

    fn warning(self) -> Style {
        self.colour(Color::Yellow).add_modifier(Modifier::BOLD)
    }

    fn bad(self) -> Style {
        self.colour(Color::Red).add_modifier(Modifier::BOLD | Modifier::REVERSED)
    }
}

/// Draws the picture into the whole of the buffer.
pub(super) fn draw(picture: &Picture, paint: Paint, buffer: &mut Buffer) {
    let area = buffer.area;
    let width = usize::from(area.width);
    let (top, bottom) = (top(picture, paint, width), bottom(picture, paint, width));
    // On a small terminal the keys keep a third, the nodes have what they need, the rest is for
    // what happened.
    let below = height(&bottom).min(area.height / 3);
    let above = height(&top).min(area.height - below);
    let middle = area.height - above - below;
    let part = |y: u16, height: u16| Rect::new(area.x, area.y + y, area.width, height);
    put(&top, part(0, above), buffer);
    if picture.help {
        let lines = keys::sentences(picture.rows.len()).into_iter().map(Line::from);
        put(&lines.collect::<Vec<_>>(), part(above, middle), buffer);
    } else {
        panels::draw(picture, paint, part(above, middle), buffer);
    }
    put(&bottom, part(above + middle, below), buffer);
}

fn height(lines: &[Line<'_>]) -> u16 {
    u16::try_from(lines.len()).unwrap_or(u16::MAX)
}

/// As many of the lines as there is room for.
fn put(lines: &[Line<'_>], area: Rect, buffer: &mut Buffer) {
    for (y, line) in (area.top()..area.bottom()).zip(lines) {
        buffer.set_line(area.x, y, line, area.width);
    }
}

/// A text in no more than so many columns, without what a terminal would act on.
fn fit(text: &str, columns: usize) -> String {
    let text = plain(text);
    if text.chars().count() <= columns {
        return text;
    }
    let kept = text.chars().take(columns.saturating_sub(CUT.len()));
    kept.chain(CUT.chars()).take(columns).collect()
}

/// What stands for what was cut off.
const CUT: &str = "...";

/// The verdict, the boss, the nodes.
fn top(picture: &Picture, paint: Paint, width: usize) -> Vec<Line<'static>> {
    let mut lines = vec![verdict(picture, paint, width), boss(picture, width)];
    lines.push(Line::styled(fit(COLUMNS, width), paint.heading()));
    let rows = picture.rows.iter().enumerate();
    lines.extend(rows.map(|(at, it)| row(it, at, at == picture.chosen, paint)));
    lines
}

fn verdict(picture: &Picture, paint: Paint, width: usize) -> Line<'static> {
    let (word, style, why) = match &picture.whole {
        None => ("UNKNOWN", paint.warning(), "no node answers".to_owned()),
        Some(Whole { posture, .. }) => {
            let (word, style) = match posture.level {
                Level::Safe => ("SAFE", paint.good()),
                Level::Degraded => ("DEGRADED", paint.warning()),
                Level::Unsafe => ("UNSAFE", paint.bad()),
            };
            (word, style, posture.reasons.join("; "))
        }
    };
    let title = "boss playground ";
    let used = title.len() + word.len() + 2 + picture.now.len() + 1;
    let room = width.saturating_sub(used);
    let why = fit(&why, room);
    Line::from(vec![
        Span::styled(title, paint.heading()),
        Span::styled(word, style),
        Span::raw(if why.is_empty() { "  " } else { ": " }),
        Span::raw(format!("{why:<room$} ")),
        Span::raw(picture.now.clone()),
    ])
}

fn boss(picture: &Picture, width: usize) -> Line<'static> {
    let Some(whole) = &picture.whole else { return Line::default() };
    let boss = match &whole.boss {
        None => "no boss".to_owned(),
        Some(boss) if boss.phase == Phase::Boss => {
            let since = boss.since_ms.map(|ms| format!(", {}", span(Duration::from_millis(ms))));
            format!("boss {}, epoch {}{}", boss.node, boss.epoch, since.unwrap_or_default())
        }
        Some(boss) => {
            let phase = phase_name(boss.phase);
            format!("{} is {phase}, epoch {}", boss.node, boss.epoch)
        }
    };
    let paused = if whole.paused { " | PAUSED" } else { "" };
    let (votes, all) = (whole.quorum.connected, whole.quorum.voters);
    let text = format!("{boss}{paused} | votes {votes} of {all} | as {} sees it", whole.seer);
    Line::from(fit(&text, width))
}

/// What the columns of [`row`] are called.
const COLUMNS: &str = "   node    state     standing  term       lease, ms    link   heard  notes";

fn row(row: &Row, at: usize, chosen: bool, paint: Paint) -> Line<'static> {
    let (state, style) = state(row.state, paint);
    let mark = if chosen { '>' } else { ' ' };
    let name = format!("{mark}{} {:<7.7} ", at + 1, plain(&row.name));
    let name_style = if chosen { Style::new().add_modifier(Modifier::BOLD) } else { Style::new() };
    let (standing, term, lease) = own(row.own.as_ref());
    let (link, heard) = link(row.link.as_ref());
    let lost = row.link.as_ref().is_some_and(|link| !link.connected);
    Line::from(vec![
        Span::styled(name, name_style),
        Span::styled(format!("{state:<9}"), style),
        Span::raw(format!(" {standing:<9} {term:<10} {lease:<12} ")),
        Span::styled(format!("{link:<6}"), if lost { paint.warning() } else { Style::new() }),
        Span::raw(format!(" {heard:<6} {}", plain(&row.notes.join(",")))),
    ])
}

fn state(state: State, paint: Paint) -> (&'static str, Style) {
    match state {
        State::Silent => ("silent", paint.warning()),
        State::Frozen => ("frozen", paint.warning()),
        State::Ended => ("ended", paint.bad()),
        State::Up(Phase::Boss) => ("boss", paint.good()),
        State::Up(Phase::Idle) => ("idle", Style::new()),
        State::Up(Phase::Fencing) => ("fencing", paint.bad()),
        State::Up(phase) => (phase_name(phase), paint.warning()),
    }
}

fn own(own: Option<&Own>) -> (&'static str, String, String) {
    let Some(own) = own else { return ("-", "-".to_owned(), String::new()) };
    let standing = match own.standing {
        Standing::Follower => "follower",
        Standing::PreCandidate => "pre-cand.",
        Standing::Candidate => "candidate",
        Standing::Leader => "leader",
    };
    (standing, own.term.to_string(), own.lease_ms.map(lease).unwrap_or_default())
}

/// A gauge and the figure: `######.. 310`.
fn lease((left, whole): (u64, u64)) -> String {
    let full = (left.min(whole) * GAUGE).div_ceil(whole.max(1));
    let gauge: String = (0..GAUGE).map(|at| if at < full { '#' } else { '.' }).collect();
    format!("{gauge} {left}")
}

/// The cells of a gauge.
const GAUGE: u64 = 8;

fn link(link: Option<&Link>) -> (String, String) {
    let Some(link) = link else { return ("-".to_owned(), "-".to_owned()) };
    let seen = link.seen_ms.map_or_else(|| "never".to_owned(), short_span);
    let rtt = match (link.connected, link.rtt_us) {
        (false, _) => "lost".to_owned(),
        (true, None) => "up".to_owned(),
        (true, Some(us @ 0..100_000)) => format!("{}.{}ms", us / 1_000, us % 1_000 / 100),
        (true, Some(us)) => short_span(us / 1_000),
    };
    (rtt, seen)
}

/// A distance in time in six letters.
fn short_span(ms: u64) -> String {
    match ms / 1_000 {
        0 => format!("{ms} ms"),
        seconds @ 1..10 => format!("{seconds}.{} s", ms % 1_000 / 100),
        seconds @ 10..60 => format!("{seconds} s"),
        seconds @ 60..3_600 => format!("{} min", seconds / 60),
        seconds @ 3_600..86_400 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

/// What keys came to, and the keys.
fn bottom(picture: &Picture, paint: Paint, width: usize) -> Vec<Line<'static>> {
    let skipped = picture.said.len().saturating_sub(SAID);
    let said = picture.said.iter().skip(skipped).map(|line| Line::from(fit(line, width)));
    let mut lines: Vec<_> = said.collect();
    lines.resize_with(SAID, Line::default);
    let legend = keys::legend(picture.rows.len(), width).into_iter();
    lines.extend(legend.map(|line| Line::styled(fit(&line, width), paint.heading())));
    lines
}

/// How many lines what keys came to has.
const SAID: usize = 2;

#[cfg(test)]
mod tests;
