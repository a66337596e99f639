//! W1 to W4 and the lease: what a leader still waits for before it acts, and what it waited for
//! that now holds. W5 is eligibility and the pause, which hold for every node.

use control::explanation::{About, Ground};
use control::model::Phase;
use election::{Claim, Span, Timing, Wait};

use super::{Subject, ground};

/// The grounds; of another node they are its own to know.
pub(super) fn grounds(about: &Subject<'_>) -> Vec<Ground> {
    let mut found = Vec::new();
    if !about.is_me() {
        if about.leads() && !about.acts() {
            let name = about.name();
            let text = format!("only {name} itself knows its lease and W1 to W4: ask it there");
            found.push(ground(About::Phase, "W1", None, text));
        }
        return found;
    }
    if !about.leads() {
        found.push(ground(About::Claim, "W2", None, claim(about)));
        return found;
    }
    found.push(lease(about));
    match about.status.this.phase {
        Phase::Idle | Phase::Waiting => found.extend(waiting(about)),
        other => found.push(phase(about, other)),
    }
    found
}

fn lease(about: &Subject<'_>) -> Ground {
    match about.status.this.lease_left_ms {
        Some(0) | None => {
            let text = "it has no lease: no quorum has acknowledged its latest heartbeats";
            ground(About::Lease, "L1", Some(false), text)
        }
        Some(left) => {
            let left = Span::from_millis(left);
            let text = format!("a quorum has acknowledged it: its lease runs {left} more");
            ground(About::Lease, "L1", Some(true), text)
        }
    }
}

/// Where a leader is that has begun to act.
fn phase(about: &Subject<'_>, phase: Phase) -> Ground {
    let epoch = about.status.boss.as_ref().map_or(0, |boss| boss.epoch);
    let said = |holds, text: String| ground(About::Phase, "W1 to W5", Some(holds), text);
    match phase {
        Phase::Boss => {
            said(true, format!("W1 to W5 held, and its hooks have promoted it: epoch {epoch}"))
        }
        Phase::Promoting => {
            said(false, format!("W1 to W5 held; its promote hooks still run, epoch {epoch}"))
        }
        Phase::Demoting => said(false, "it lets go in order".to_owned()),
        Phase::Fencing => said(false, "it lost its lease and lets go at once".to_owned()),
        Phase::Idle | Phase::Waiting => said(false, "it does not act yet".to_owned()),
    }
}

/// In the order in which a leader looks: what comes after the first that does not hold has not
/// been looked at yet.
fn waiting(about: &Subject<'_>) -> Vec<Ground> {
    let waits = about.snapshot.waits_for;
    let at = match waits {
        Some(Wait::Paused | Wait::Ineligible | Wait::Spent) => 0,
        Some(Wait::Commit) => 1,
        Some(Wait::Runner | Wait::FenceWindow(_)) => 2,
        Some(Wait::Claim) => 3,
        Some(Wait::Margin) => 4,
        None => 5,
    };
    let mut found = Vec::new();
    if waits == Some(Wait::Spent) {
        let text = "its epoch is spent: it hands over, or wins a new one with R2";
        found.push(ground(About::Phase, "R2", Some(false), text));
    }
    let timing = &about.snapshot.state.timing;
    let steps = [
        (
            1,
            About::Commit,
            "W1",
            "a version of its own term is committed".to_owned(),
            "no version of its own term is committed yet: a majority has not stored it".to_owned(),
        ),
        (2, About::Window, "W2", "what was before has surely let go".to_owned(), window(about)),
        (
            3,
            About::Claim,
            "W3",
            "its claim is committed".to_owned(),
            "its claim is not committed yet: a majority has not stored it".to_owned(),
        ),
        (
            4,
            About::Margin,
            "W4",
            "enough of its lease is left to begin".to_owned(),
            format!("less than {} of its lease is left", timing.promote_margin()),
        ),
    ];
    for (step, subject, rule, held, open) in steps {
        found.push(match step.cmp(&at) {
            std::cmp::Ordering::Less => ground(subject, rule, Some(true), held),
            std::cmp::Ordering::Equal => ground(subject, rule, Some(false), open),
            std::cmp::Ordering::Greater => {
                let name = name(subject);
                ground(subject, rule, None, format!("{name}: looked at when what is before holds"))
            }
        });
    }
    found
}

fn name(subject: About) -> &'static str {
    match subject {
        About::Commit => "the commit of a version of its own term",
        About::Window => "the predecessor's letting go",
        About::Claim => "the commit of its claim",
        _ => "the rest of its lease",
    }
}

fn window(about: &Subject<'_>) -> String {
    match about.snapshot.waits_for {
        Some(Wait::Runner) => {
            "its own executor has not said that nothing of an earlier epoch is active".to_owned()
        }
        Some(Wait::FenceWindow(left)) => {
            let left = left.minus(Span::from_millis(about.status.age_ms));
            format!("{}; {left} left", claim(about))
        }
        _ => claim(about),
    }
}

/// Whose effects may stand, and what a successor waits for because of it.
fn claim(about: &Subject<'_>) -> String {
    let state = &about.snapshot.state;
    match &state.claim {
        Claim::None => "nobody has a claim: a successor would not wait".to_owned(),
        Claim::Unknown => format!(
            "whether somebody has a claim is not known, for the cluster is new: the first boss \
             waits {}",
            state.timing.fence_wait()
        ),
        Claim::Held(held) => {
            let timing = Timing { fence: held.fence, rho_ppm: held.rho_ppm, ..state.timing };
            format!(
                "{} has the claim, epoch {}: a successor waits for its word that it has let go, or \
                 {}",
                held.node,
                held.epoch,
                timing.fence_wait()
            )
        }
    }
}
