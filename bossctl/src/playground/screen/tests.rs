//! The screen as a person sees it, against golden files: letters, and which of them are painted.
//! `BLESS=1` writes them anew, to be looked at.

use std::path::Path;

use control::model::{Posture, Quorum};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::super::feeds::LogLine;
use super::super::picture::Reign;
use super::super::timeline::{Before, Entry};
use super::*;

fn own(standing: Standing, lease_ms: Option<(u64, u64)>) -> Own {
    Own { standing, term: 1_790_000_007, lease_ms }
}

fn node(name: &str, state: State, own: Option<Own>, link: Option<Link>, notes: &[&str]) -> Row {
    let notes = notes.iter().map(|note| (*note).to_owned()).collect();
    Row { name: name.to_owned(), state, own, link, notes }
}

fn reign(node: &str, epoch: u64, from: &str, until: Option<&str>, before: Before) -> Reign {
    let until = until.map(str::to_owned);
    let entry = Entry { node: node.to_owned(), epoch, from_ms: 0, until_ms: None, before };
    Reign { from: from.to_owned(), until, for_ms: 4_333, entry }
}

/// Alpha was lost, beta took over, gamma is drained and cut off.
fn picture() -> Picture {
    let connected = Link { connected: true, rtt_us: Some(412), seen_ms: Some(37) };
    let lost = Link { connected: false, rtt_us: Some(398), seen_ms: Some(95_000) };
    let beta = Some(own(Standing::Leader, Some((310, 400))));
    let reasons =
        ["2 of 3 voters connected, 2 needed: no further voter may be lost; lost: alpha", "more"];
    let boss = control::model::Boss {
        node: "beta".to_owned(),
        epoch: 1_790_000_007,
        address: "127.0.0.1:4711".to_owned(),
        since_ms: Some(252_000),
        phase: Phase::Boss,
    };
    let log = |node: &str, at: u32, level: &str, text: &str| LogLine {
        node: node.to_owned(),
        time: format!("12:00:{at:02}.123"),
        level: level.to_owned(),
        text: text.to_owned(),
    };
    Picture {
        now: "12:00:09.321".to_owned(),
        whole: Some(Whole {
            seer: "beta".to_owned(),
            posture: Posture {
                level: Level::Degraded,
                reasons: reasons.map(str::to_owned).to_vec(),
            },
            boss: Some(boss),
            quorum: Quorum { voters: 3, needed: 2, connected: 2 },
            paused: false,
        }),
        rows: vec![
            node("alpha", State::Ended, None, Some(lost), &["signal 9"]),
            node("beta", State::Up(Phase::Boss), beta, None, &[]),
            node(
                "gamma",
                State::Up(Phase::Idle),
                Some(own(Standing::Follower, None)),
                Some(connected),
                &["cut", "drained"],
            ),
        ],
        chosen: 2,
        reigns: vec![
            reign("alpha", 1_790_000_003, "12:00:01.000", Some("12:00:05.333"), Before::First),
            reign("beta", 1_790_000_007, "12:00:06.467", None, Before::Nobody(1_134)),
        ],
        nobody_for_ms: None,
        calls: vec![
            "12:00:01 alpha promote epoch 1790000003".to_owned(),
            "12:00:01 beta follow epoch 1790000003".to_owned(),
            "12:00:05 alpha host-died".to_owned(),
            "12:00:06 beta promote epoch 1790000007".to_owned(),
        ],
        log: vec![
            log(
                "beta",
                5,
                "WARN",
                "alpha is lost: nothing heard of it for 400 ms, and this line is long",
            ),
            log("beta", 6, "INFO", "beta became boss, epoch 1790000007 (votes beta, gamma)"),
        ],
        said: vec![
            "real cluster: pull the plug of alpha".to_owned(),
            "answer: \u{1b}[2Jdone".into(),
        ],
        help: false,
    }
}

fn drawn(picture: &Picture, colour: bool, width: u16, height: u16) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
    let paint = Paint { colour };
    terminal.draw(|frame| draw(picture, paint, frame.buffer_mut())).expect("drawn");
    terminal.backend().buffer().clone()
}

/// The lines of the buffer, one letter for each cell.
fn lines(buffer: &Buffer, letter: impl Fn(&ratatui::buffer::Cell) -> String) -> String {
    let mut text = String::new();
    for y in 0..buffer.area.height {
        let line: String = (0..buffer.area.width).map(|x| letter(&buffer[(x, y)])).collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn letters(buffer: &Buffer) -> String {
    lines(buffer, |cell| cell.symbol().to_owned())
}

/// `b` is bold, `!` is bold on a painted ground, a capital is a colour.
fn paints(buffer: &Buffer) -> String {
    lines(buffer, |cell| {
        let reversed = cell.modifier.contains(Modifier::REVERSED);
        let letter = match cell.fg {
            Color::Reset if reversed => "!",
            Color::Reset if cell.modifier.contains(Modifier::BOLD) => "b",
            Color::Reset => " ",
            Color::Cyan => "C",
            Color::Green => "G",
            Color::Yellow => "Y",
            Color::Red if reversed => "R",
            _ => "?",
        };
        letter.to_owned()
    })
}

#[track_caller]
fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/screen").join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, text).expect("written");
    }
    let wanted = std::fs::read_to_string(&path).expect("the golden file");
    assert_eq!(text, wanted, "{name} differs:\n{text}");
}

#[test]
fn eighty_columns_have_room_for_all_of_it() {
    let (plain, painted) = (drawn(&picture(), false, 80, 24), drawn(&picture(), true, 80, 24));
    golden("80x24.txt", &letters(&plain));
    golden("80x24-plain.txt", &paints(&plain));
    golden("80x24-colour.txt", &paints(&painted));
    assert_eq!(letters(&plain), letters(&painted), "colour changes no letter");
}

#[test]
fn a_wide_terminal_shows_the_hooks_beside_the_timeline() {
    let (plain, painted) = (drawn(&picture(), false, 120, 40), drawn(&picture(), true, 120, 40));
    golden("120x40.txt", &letters(&plain));
    golden("120x40-plain.txt", &paints(&plain));
    golden("120x40-colour.txt", &paints(&painted));
    assert_eq!(letters(&plain), letters(&painted), "colour changes no letter");
}

#[test]
fn without_colour_no_cell_has_one() {
    let buffer = drawn(&picture(), false, 120, 40);
    assert!(buffer.content.iter().all(|it| it.fg == Color::Reset && it.bg == Color::Reset));
}

#[test]
fn the_keys_are_explained_on_a_key() {
    let picture = Picture { help: true, ..picture() };
    golden("80x24-help.txt", &letters(&drawn(&picture, false, 80, 24)));
}

#[test]
fn nobody_and_two_at_once_are_told_in_words() {
    let mut picture = picture();
    picture.whole = None;
    picture.reigns[1] =
        reign("beta", 1_790_000_007, "12:00:05.321", Some("12:00:06.000"), Before::Another(12));
    picture.nobody_for_ms = Some(3_321);
    let text = letters(&drawn(&picture, false, 80, 24));
    assert!(text.starts_with("boss playground UNKNOWN: no node answers"), "{text}");
    assert!(text.contains("TWO FOR 12 ms"), "{text}");
    assert!(text.contains("12:00:06.000 - now          nobody acts, for 3321 ms"), "{text}");
}

#[test]
fn nine_nodes_leave_room_for_what_happened_and_the_keys() {
    let mut picture = picture();
    let row = picture.rows[2].clone();
    picture.rows =
        super::super::NAMES.map(|name| Row { name: name.to_owned(), ..row.clone() }).into();
    picture.chosen = 8;
    let text = letters(&drawn(&picture, false, 80, 24));
    for word in [">9 iota", "beta    1790000007", "beta promote", "became boss", "q quit"] {
        assert!(text.contains(word), "no {word} in\n{text}");
    }
}

#[test]
fn no_size_is_too_small_or_odd() {
    for help in [false, true] {
        let picture = Picture { help, ..picture() };
        for (width, height) in (1..=130).flat_map(|width| (1..=45).map(move |it| (width, it))) {
            drawn(&picture, true, width, height);
        }
    }
}

#[test]
fn a_gauge_is_empty_only_when_nothing_is_left() {
    for (left, gauge) in [(0, "........ 0"), (1, "#....... 1"), (200, "####.... 200")] {
        assert_eq!(lease((left, 400)), gauge);
    }
    assert_eq!(lease((500, 400)), "######## 500");
    assert_eq!(lease((5, 0)), "........ 5");
}
