//! What happened: who acted, which hooks were called, what the logs say; the latest of each at the
//! bottom of its panel.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::super::feeds::LogLine;
use super::super::picture::{Picture, Reign};
use super::super::timeline::Before;
use super::super::watch::LOOK_EVERY_MS;
use super::{Paint, fit, put, short_span};

/// From so many columns on the hooks stand beside the timeline.
const WIDE: u16 = 120;
/// What the timeline has of them: one line of it is as long.
const TIMELINE: u16 = 72;

/// Draws the three panels.
pub(super) fn draw(picture: &Picture, paint: Paint, area: Rect, buffer: &mut Buffer) {
    let Rect { x, y, width, height } = area;
    if width >= WIDE {
        let upper = height / 2;
        timeline(picture, paint, Rect::new(x, y, TIMELINE - 1, upper), buffer);
        let right = Rect::new(x + TIMELINE, y, width - TIMELINE, upper);
        hooks(picture, paint, right, buffer);
        log(picture, paint, Rect::new(x, y + upper, width, height - upper), buffer);
        return;
    }
    // A heading without a line below it says nothing.
    let third = if height / 3 >= 2 { height / 3 } else { 0 };
    let first = if third == 0 { height } else { third + u16::from(height % 3 > 1) };
    timeline(picture, paint, Rect::new(x, y, width, first), buffer);
    hooks(picture, paint, Rect::new(x, y + first, width, third), buffer);
    let rest = height - first - third;
    log(picture, paint, Rect::new(x, y + first + third, width, rest), buffer);
}

fn timeline(picture: &Picture, paint: Paint, area: Rect, buffer: &mut Buffer) {
    let mut lines: Vec<_> = picture.reigns.iter().map(|it| reign(it, paint)).collect();
    if let Some(nobody) = picture.nobody_for_ms {
        let ended = picture.reigns.last().and_then(|last| last.until.as_deref()).unwrap_or("");
        let text = format!("{ended:<12} - {:<12} nobody acts, for {nobody} ms", "now");
        lines.push(Line::styled(text, paint.warning()));
    }
    let heading = format!("who acted, seen every {LOOK_EVERY_MS} ms (UTC; epoch; how long)");
    panel(&heading, &lines, paint, area, buffer);
}

fn reign(reign: &Reign, paint: Paint) -> Line<'static> {
    let until = reign.until.as_deref().unwrap_or("now");
    let (node, epoch, long) = (&reign.entry.node, reign.entry.epoch, short_span(reign.for_ms));
    let (before, style) = match reign.entry.before {
        Before::First => (String::new(), Style::new()),
        Before::Nobody(ms) => (format!("gap {ms} ms"), Style::new()),
        Before::Another(ms) => (format!("TWO FOR {ms} ms"), paint.bad()),
    };
    let acts = if reign.until.is_none() { paint.good() } else { Style::new() };
    Line::from(vec![
        Span::raw(format!("{:<12} - {until:<12} ", reign.from)),
        Span::styled(format!("{node:<7.7}"), acts),
        Span::raw(format!(" {epoch:<10} {long:<6}  ")),
        Span::styled(before, style),
    ])
}

fn hooks(picture: &Picture, paint: Paint, area: Rect, buffer: &mut Buffer) {
    let width = usize::from(area.width);
    let line = |call: &String| Line::from(fit(call, width));
    let lines: Vec<_> = picture.calls.iter().map(line).collect();
    panel("hooks called", &lines, paint, area, buffer);
}

fn log(picture: &Picture, paint: Paint, area: Rect, buffer: &mut Buffer) {
    let width = usize::from(area.width);
    let line = |LogLine { node, time, level, text }: &LogLine| {
        let whole = fit(&format!("{time} {node:<7.7} {level:<5} {text}"), width);
        let style = match level.as_str() {
            "WARN" => paint.warning(),
            "ERROR" => paint.bad(),
            _ => Style::new(),
        };
        Line::styled(whole, style)
    };
    let lines: Vec<_> = picture.log.iter().map(line).collect();
    panel("logs", &lines, paint, area, buffer);
}

/// A heading over the latest of the lines.
fn panel(heading: &str, lines: &[Line<'_>], paint: Paint, area: Rect, buffer: &mut Buffer) {
    let width = usize::from(area.width);
    let heading = format!("-- {heading} {}", "-".repeat(width));
    let heading: String = heading.chars().take(width).collect();
    let room = usize::from(area.height.saturating_sub(1));
    let latest = &lines[lines.len().saturating_sub(room)..];
    let heading = Line::styled(heading, paint.heading());
    let all: Vec<_> = std::iter::once(heading).chain(latest.iter().cloned()).collect();
    put(&all, area, buffer);
}
