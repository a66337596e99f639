//! From the status document to text for people: one screen of 80 columns, the same words as the
//! logs. Nothing is computed about the cluster here; the posture comes from the daemon.

mod explain;
mod history;
mod hooks;
mod page;
mod preview;
mod reload;

use std::ffi::OsStr;
use std::fmt::Write;
use std::time::Duration;

use control::model::{Boss, Drained, HeldOff, Kind, Member, Paused, Phase, Standing, Status};

pub use explain::explanation;
pub use history::history;
pub use hooks::{hooks, plan};
pub use page::plain;
use page::{COLUMNS, Page, duration, round_trip, wall_clock};
pub use preview::{candidates, preview};
pub use reload::{problems, reload};

/// With more members than this, observers are only counted: the rest must stay in sight.
const ROWS: usize = 16;
/// How many transitions are shown.
const HISTORY: usize = 3;
/// The longest name that a table shows whole.
const NAME: usize = 20;

/// Colour is for a terminal whose user has not said no (a set, non-empty `NO_COLOR`).
pub fn colour_wanted(terminal: bool, no_color: Option<&OsStr>) -> bool {
    terminal && no_color.is_none_or(OsStr::is_empty)
}

/// A distance in time.
pub fn span(span: Duration) -> String {
    duration(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}

/// The whole cluster.
pub fn status(status: &Status, colour: bool) -> String {
    let mut page = Page::new(colour);
    page.item("cluster", &cluster(status));
    if status.shadow {
        page.item("SHADOW", "it elects and shows, and runs no hook (bossd --shadow)");
    }
    page.item("boss", &boss(status));
    if let Some(Paused { reason, until_s }) = &status.paused {
        page.item("paused", &until_resumed(reason.as_ref(), *until_s));
    }
    let quorum = status.quorum;
    page.item(
        "quorum",
        &format!(
            "{} of {} voters connected, {} needed",
            quorum.connected, quorum.voters, quorum.needed
        ),
    );
    page.item("node", &this_node(status));
    page.item("timing", &timing(status));
    page.blank();
    table(status, &mut page);
    if !status.history.is_empty() {
        page.blank();
    }
    for (at, past) in status.history.iter().take(HISTORY).enumerate() {
        let label = if at == 0 { "history" } else { "" };
        page.item(label, &format!("epoch {}: {} ({})", past.epoch, past.node, past.cause));
    }
    page.blank();
    page.posture(status);
    page.text
}

/// One member in detail, with the posture of the cluster.
pub fn member(status: &Status, member: &Member, colour: bool) -> String {
    let mut page = Page::new(colour);
    page.item("cluster", &cluster(status));
    page.item("member", &format!("{} at {}", member.name, member.address));
    let votes = if member.voter { "votes" } else { "does not vote" };
    let life = member.incarnation.as_deref().unwrap_or("not yet known");
    page.item(
        "",
        &format!(
            "{}, {votes}, priority {}, incarnation {life}",
            kind(member.kind),
            member.priority
        ),
    );
    page.item("standing", standing(status, member));
    let rtt = member.rtt_us.map(|us| format!(", round trip {}", round_trip(us)));
    page.item("link", &format!("{}{}", link(status, member), rtt.unwrap_or_default()));
    if member.name == status.node {
        page.item("node", &this_node(status));
        certificate(status, &mut page);
        page.item("hooks", &hooks::runner(&status.this.runner));
        demotes(status, &mut page);
    } else if let Some(certificate) = &member.certificate {
        let (day, left) = (day(certificate.not_after_s), certificate.days_left);
        page.item("proof", &format!("until {day}, {left} days left, by its own word"));
    }
    for note in notes(member) {
        page.item("note", &note);
    }
    page.blank();
    page.posture(status);
    page.text
}

/// What the answering node proves with who it is.
fn certificate(status: &Status, page: &mut Page) {
    let Some(certificate) = &status.certificate else { return };
    let text = format!(
        "until {}, {} days left; its authority until {}, {} days left",
        day(certificate.not_after_s),
        certificate.days_left,
        day(certificate.authority_not_after_s),
        certificate.authority_days_left,
    );
    page.item("proof", &text);
    page.item("", &certificate.fingerprint);
    if let Some(trouble) = &certificate.trouble {
        page.item("", trouble);
    }
}

fn day(seconds: i64) -> String {
    wall_clock(u64::try_from(seconds).unwrap_or_default())
}

/// How long the hooks of the answering node took to let go.
fn demotes(status: &Status, page: &mut Page) {
    let this = &status.this;
    for (at, time) in this.demotes.iter().enumerate() {
        let label = if at == 0 { "demotes" } else { "" };
        let how = match (time.urgent, time.ok) {
            (true, true) => " (urgent)",
            (true, false) => " (urgent, failed)",
            (false, true) => "",
            (false, false) => " (failed)",
        };
        page.item(
            label,
            &format!(
                "{}: last {}{how}, worst {}, of {}",
                time.hook,
                duration(time.last_ms),
                duration(time.worst_ms),
                time.count
            ),
        );
    }
    if !this.demotes.is_empty() {
        let room = duration(this.urgent_demote_ms);
        page.item("", &format!("an emergency leaves all hooks together {room}"));
    }
}

fn cluster(status: &Status) -> String {
    let seen = match status.age_ms {
        0..2_000 => "sees it".to_owned(),
        age => format!("saw it {} ago", duration(age)),
    };
    format!("{}, as {} {seen} (bossd {})", status.cluster, status.node, status.version)
}

fn boss(status: &Status) -> String {
    let Some(Boss { node, epoch, address, since_ms, phase }) = &status.boss else {
        return "none".to_owned();
    };
    let since = since_ms.map(|since| format!(", since {}", duration(since))).unwrap_or_default();
    match phase {
        Phase::Boss => format!("{node} at {address}, epoch {epoch}{since}"),
        other => format!("{node} at {address}, epoch {epoch}, {}", phase_name(*other)),
    }
}

fn until_resumed(reason: Option<&String>, until_s: Option<u64>) -> String {
    let until = until_s.map_or_else(|| "it is resumed".to_owned(), wall_clock);
    let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
    format!("nobody new becomes boss until {until}{reason}")
}

fn this_node(status: &Status) -> String {
    let this = &status.this;
    let mut text = format!(
        "{}: {}, {}, term {}, state {}.{}",
        status.node,
        standing_name(this.standing),
        phase_name(this.phase),
        this.term,
        this.state_version.term,
        this.state_version.index,
    );
    if let Some(left) = this.lease_left_ms {
        let _ = write!(text, "; lease left {}", duration(left));
    }
    if let Some(left) = this.promise_left_ms {
        let to = this.promise_to.as_deref().unwrap_or("nobody");
        let _ = write!(text, "; promise to {to}, {} left", duration(left));
    }
    if let (false, Some(why)) = (this.eligible, &this.why_not) {
        let _ = write!(text, "; not eligible: {why}");
    }
    let _ = write!(text, "; pid {}", status.pids.elector);
    if let Some(executor) = status.pids.executor {
        let _ = write!(text, ", executor {executor}");
    }
    // Above a third of the lease a pause begins to matter (protocol.md 7).
    if status.max_loop_gap_us / 1_000 > status.timing.lease_ms / 3 {
        let _ = write!(text, "; longest pause {}", duration(status.max_loop_gap_us / 1_000));
    }
    text
}

fn timing(status: &Status) -> String {
    let timing = &status.timing;
    format!(
        "{}: heartbeat {}, lease {}, promise {}, fence window {}",
        timing.profile,
        duration(timing.heartbeat_ms),
        duration(timing.lease_ms),
        duration(timing.promise_ms),
        duration(timing.fence_ms),
    )
}

fn table(status: &Status, page: &mut Page) {
    let crowd = status.members.len() > ROWS;
    let (counted, shown): (Vec<&Member>, Vec<&Member>) = status
        .members
        .iter()
        .partition(|member| crowd && member.kind == Kind::Observer && member.name != status.node);
    let longest = shown.iter().map(|member| member.name.chars().count()).max().unwrap_or_default();
    let width = longest.clamp("member".len(), NAME);

    page.line(&format!(
        "  {:<width$}  {:<8} {:>4}  {:<13} {:<15} {:>7}",
        "member", "kind", "prio", "standing", "link", "rtt"
    ));
    for member in shown {
        row(status, member, width, page);
    }
    if !counted.is_empty() {
        let lost = counted.iter().filter(|member| !member.connected).count();
        page.line(&format!(
            "  and {} observers, {lost} of them not connected (see --json)",
            counted.len()
        ));
    }
}

fn row(status: &Status, member: &Member, width: usize, page: &mut Page) {
    let name: String = member.name.chars().take(width).collect();
    let line = format!(
        "{} {:<width$}  {:<8} {:>4}  {:<13} {:<15} {:>7}",
        if member.boss { '*' } else { ' ' },
        name,
        kind(member.kind),
        member.priority,
        standing(status, member),
        link(status, member),
        member.rtt_us.map_or_else(|| "-".to_owned(), round_trip),
    );
    let notes = notes(member).join("; ");
    if notes.is_empty() {
        page.line(&line);
    } else if line.chars().count() + 2 + notes.chars().count() <= COLUMNS {
        page.line(&format!("{line}  {notes}"));
    } else {
        page.line(&line);
        page.wrapped("", 4, &notes);
    }
}

/// What is unusual about a member.
fn notes(member: &Member) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(Drained { reason, until_s }) = &member.drained {
        let reason = reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        let until = until_s.map(|until| format!(" until {}", wall_clock(until)));
        notes.push(format!("drained{}{reason}", until.unwrap_or_default()));
    }
    if let Some(HeldOff { left_ms, failures, cause }) = &member.held_off {
        let times = match failures {
            0 | 1 => String::new(),
            many => format!(", {many} failures"),
        };
        notes.push(format!("held off {}{times}: {cause}", duration(*left_ms)));
    }
    if member.hooks_ok == Some(false) {
        notes.push("cannot run its hooks".to_owned());
    }
    notes
}

/// A member's part, as far as the answering node can tell.
fn standing(status: &Status, member: &Member) -> &'static str {
    let boss = status.boss.as_ref().filter(|boss| boss.node == member.name);
    match boss {
        Some(boss) if boss.phase != Phase::Idle => phase_name(boss.phase),
        _ if member.leader => "leader",
        _ if member.name == status.node => standing_name(status.this.standing),
        _ if member.connected => "follower",
        _ => "unknown",
    }
}

fn link(status: &Status, member: &Member) -> String {
    match member.last_seen_ms {
        _ if member.name == status.node => "this node".to_owned(),
        _ if member.connected => "up".to_owned(),
        Some(seen) => format!("lost {}", duration(seen)),
        None => "never seen".to_owned(),
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Voter => "voter",
        Kind::Witness => "witness",
        Kind::Observer => "observer",
    }
}

pub(crate) fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Idle => "idle",
        Phase::Waiting => "waiting",
        Phase::Promoting => "promoting",
        Phase::Boss => "boss",
        Phase::Demoting => "demoting",
        Phase::Fencing => "fencing",
    }
}

fn standing_name(standing: Standing) -> &'static str {
    match standing {
        Standing::Follower => "follower",
        Standing::PreCandidate => "pre-candidate",
        Standing::Candidate => "candidate",
        Standing::Leader => "leader",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three_nodes() -> Status {
        serde_json::from_str(include_str!("../../control/tests/status.json")).expect("golden")
    }

    #[test]
    fn three_nodes_fit_on_a_screen() {
        let text = status(&three_nodes(), false);
        assert_eq!(text, include_str!("../tests/status.txt"));
        assert!(text.lines().all(|line| line.chars().count() <= COLUMNS));
        assert!(text.lines().count() <= 24);
    }

    #[test]
    fn one_member_is_shown_in_detail() {
        let all = three_nodes();
        let text = member(&all, all.member("gamma").expect("a member"), false);
        assert_eq!(text, include_str!("../tests/member.txt"));
    }

    #[test]
    fn a_pause_is_shown_with_its_end_and_its_reason() {
        let mut paused = three_nodes();
        assert!(!status(&paused, false).contains("paused"));
        paused.paused = Some(Paused { reason: None, until_s: None });
        let text = status(&paused, false);
        assert!(
            text.contains("\npaused   nobody new becomes boss until it is resumed\n"),
            "{text}"
        );
        let reason = Some("upgrade".to_owned());
        paused.paused = Some(Paused { reason, until_s: Some(1_790_000_000) });
        let text = status(&paused, false);
        assert!(text.contains("until 2026-09-21 14:13 UTC (upgrade)\n"), "{text}");
        assert!(text.lines().count() <= 24);
    }

    #[test]
    fn the_node_that_answers_tells_how_long_its_hooks_take_to_let_go() {
        let all = three_nodes();
        let text = member(&all, all.member("beta").expect("a member"), false);
        let wanted = "\
hooks    each in a unit of its own (auto: systemd has started this bossd as
         root)
demotes  10-address: last 14 ms (urgent), worst 31 ms, of 6
         20-database: last 2.1 s, worst 2.1 s, of 6
         an emergency leaves all hooks together 750 ms
";
        assert!(text.contains(wanted), "{text}");
        assert!(!status(&all, false).contains("10-address"), "the screen has no room for it");
    }

    #[test]
    fn the_node_that_answers_tells_until_when_its_certificate_is_valid() {
        let all = three_nodes();
        let text = member(&all, all.member("beta").expect("a member"), false);
        let wanted = "\
proof    until 2028-08-16 00:53 UTC, 690 days left; its authority until
         2036-07-18 13:20 UTC, 3584 days left
         5B:1D:0C:77
";
        assert!(text.contains(wanted), "{text}");
    }

    #[test]
    fn a_shadow_is_called_so_at_the_top() {
        let mut shadow = three_nodes();
        shadow.shadow = true;
        let text = status(&shadow, false);
        assert!(text.lines().nth(1).is_some_and(|line| line.starts_with("SHADOW")), "{text}");
        assert!(text.lines().count() <= 24);
    }

    #[test]
    fn colour_is_for_terminals_that_did_not_say_no() {
        assert!(colour_wanted(true, None));
        assert!(colour_wanted(true, Some(OsStr::new(""))));
        assert!(!colour_wanted(true, Some(OsStr::new("1"))));
        assert!(!colour_wanted(false, None));
        let coloured = status(&three_nodes(), true);
        assert!(coloured.contains("\x1b[1;33mDEGRADED\x1b[0m: "));
        assert_eq!(
            coloured.replace("\x1b[1;33m", "").replace("\x1b[0m", ""),
            status(&three_nodes(), false)
        );
    }

    #[test]
    fn what_others_wrote_does_not_command_the_terminal() {
        let mut hostile = three_nodes();
        let reason = Some("\x1b[2J\u{9b}H\nSAFE".to_owned());
        hostile.members[0].drained = Some(Drained { reason, until_s: None });
        hostile.posture.reasons = vec!["\x1b]0;title\x07".to_owned()];
        let text = status(&hostile, false);
        assert!(text.chars().all(|char| char == '\n' || !char.is_control()), "{text:?}");
        assert!(!text.lines().any(|line| line.starts_with("SAFE")));
    }

    #[test]
    fn a_crowd_of_observers_is_counted() {
        let mut crowd = three_nodes();
        for number in 0..200 {
            let mut observer = crowd.members[0].clone();
            observer.name = format!("observer-{number}");
            observer.kind = Kind::Observer;
            (observer.boss, observer.leader, observer.voter) = (false, false, false);
            observer.connected = number >= 3;
            crowd.members.push(observer);
        }
        let text = status(&crowd, false);
        assert!(text.contains("and 200 observers, 3 of them not connected"), "{text}");
        assert!(text.lines().count() <= 25, "{text}");
    }

    #[test]
    fn times_are_told_in_the_units_that_matter() {
        let cases = [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_250, "1.2 s"),
            (34_000, "34 s"),
            (95_000, "1 min 35 s"),
            (7_500_000, "2 h 5 min"),
            (273_600_000, "3 d 4 h"),
        ];
        for (ms, text) in cases {
            assert_eq!(duration(ms), text);
        }
        assert_eq!((round_trip(412).as_str(), round_trip(83_000).as_str()), ("0.4 ms", "83 ms"));
    }
}
