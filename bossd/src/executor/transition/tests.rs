//! The queue of transitions: what overtakes what, and what must not be forgotten.

use election::{Marker, Permit, Span};

use super::super::bench::{Bench, LONG, eventually, run};
use super::notify::BETWEEN_REASSERTS;
use super::*;

const NOTE: &str = "echo \"$1 ${0##*/}\" >>@/log";
/// Says that it has begun, and hangs when it is asked to.
const HANGS: &str = "echo \"$1 ${0##*/}\" >>@/log; [ \"$1\" != WHICH ] || exec sleep 60";

struct Queue {
    bench: Bench,
    machine: Rc<RefCell<Executor>>,
    transitions: Transitions,
    outcomes: mpsc::UnboundedReceiver<Outcome>,
}

impl Queue {
    fn new(bench: Bench) -> Self {
        let fence = Span::from_millis(800);
        let now = clock::now();
        let machine = Executor::start(now, Marker::Missing, None, fence, Span::ZERO, LONG);
        let machine = Rc::new(RefCell::new(machine));
        let (sender, outcomes) = mpsc::unbounded_channel();
        let transitions = Transitions::new(&bench.environment(), machine.clone(), sender);
        Self { bench, machine, transitions, outcomes }
    }

    fn permit(&mut self, epoch: u64) {
        let fence = Span::from_millis(800);
        let until = clock::now().plus(LONG);
        let permit = Permit { epoch: Epoch(epoch), until, fence };
        self.machine.borrow_mut().handle_permit(clock::now(), permit);
        self.transitions.promote(Epoch(epoch));
    }

    fn demote(&mut self, epoch: u64, within: Span, urgent: bool) {
        self.transitions.demote(Epoch(epoch), clock::now().plus(within), urgent);
    }

    fn follow(&mut self, boss: &str) {
        let current = Some(boss.to_owned());
        let facts = HookFacts { current, ..self.transitions.facts.clone() };
        self.transitions.follow(facts);
    }

    /// The next outcome that decides something, or None when none is under way.
    async fn next(&mut self) -> Option<Outcome> {
        while !matches!(self.transitions.running, Running::Nothing) {
            let outcome = self.outcomes.recv().await.expect("we hold a sender");
            if let Some(outcome) = self.transitions.finished(outcome) {
                return Some(outcome);
            }
        }
        None
    }

    async fn logged(&self, line: &str) {
        eventually(|| self.bench.lines("log").iter().any(|found| found == line)).await;
    }
}

#[test]
fn a_promote_ends_a_running_follow_and_all_that_it_started() {
    run(async {
        let bench = Bench::new();
        let body = "[ $1 != follow ] || { sh -c 'echo $$ >@/pid; exec sleep 60' & wait; }";
        bench.hook("10-a", &format!("{NOTE}; {body}"));
        let mut queue = Queue::new(bench);
        queue.follow("beta");
        eventually(|| queue.bench.lines("pid").len() == 1).await;
        queue.permit(3);
        assert!(matches!(queue.next().await, Some(Outcome::Promoted { success: true })));
        assert_eq!(queue.bench.lines("log"), ["follow 10-a", "promote 10-a"]);
        let pid = queue.bench.lines("pid").concat();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        assert!(stat.is_empty() || stat.contains(") Z "), "it goes on beside the promote: {stat}");
    });
}

#[test]
fn a_demote_overtakes_a_promote_that_waits_for_a_follow_to_end_and_no_hook_is_called() {
    run(async {
        let bench = Bench::new();
        bench.hook("10-a", &HANGS.replace("WHICH", "follow"));
        let mut queue = Queue::new(bench);
        queue.follow("beta");
        queue.logged("follow 10-a").await;
        queue.permit(3);
        queue.demote(3, LONG, true);
        assert!(matches!(queue.next().await, Some(Outcome::Demoted { success: true })));
        assert_eq!(queue.bench.lines("log"), ["follow 10-a"], "nothing had started");
    });
}

#[test]
fn a_demote_that_overtakes_a_promote_demotes_what_had_started_and_only_that() {
    run(async {
        let bench = Bench::new();
        bench.hook("10-a", NOTE);
        bench.hook("20-b", &HANGS.replace("WHICH", "promote"));
        bench.hook("30-c", NOTE);
        let mut queue = Queue::new(bench);
        queue.permit(3);
        queue.logged("promote 20-b").await;
        queue.demote(3, LONG, false);
        queue.demote(3, LONG, true);
        assert!(matches!(queue.next().await, Some(Outcome::Demoted { success: true })));
        let all = ["promote 10-a", "promote 20-b", "demote 20-b", "demote 10-a"];
        assert_eq!(queue.bench.lines("log"), all);
        assert!(queue.next().await.is_none(), "there is one outcome");
    });
}

#[test]
fn a_demote_that_becomes_urgent_after_a_hook_failed_asks_each_hook_once_more() {
    run(async {
        let bench = Bench::new();
        // In the order of the demote: 20-b fails at first, then 10-a takes its time.
        bench.hook("20-b", &format!("{NOTE}; [ $1 = promote ] || [ -n \"$BOSS_URGENT\" ]"));
        let waits = "while [ $1 = demote ] && [ ! -e @/go ]; do sleep 0.01; done";
        bench.hook("10-a", &format!("{NOTE}; {waits}"));
        let mut queue = Queue::new(bench);
        queue.permit(3);
        assert!(matches!(queue.next().await, Some(Outcome::Promoted { success: true })));
        queue.demote(3, LONG, false);
        queue.logged("demote 10-a").await;
        queue.demote(3, LONG.times(2), true);
        // Told once more while it runs, and shorter.
        queue.demote(3, LONG, true);
        queue.bench.touch("go");
        assert!(matches!(queue.next().await, Some(Outcome::Demoted { success: true })));
        let demotes = queue.bench.lines("log").iter().filter(|l| l.starts_with("demote")).count();
        assert_eq!(demotes, 4);
    });
}

#[test]
fn an_urgent_limit_that_comes_after_the_last_hook_ended_is_not_lost() {
    run(async {
        let bench = Bench::new();
        bench.hook("10-a", &format!("{NOTE}; [ $1 = promote ] || [ -n \"$BOSS_URGENT\" ]"));
        let mut queue = Queue::new(bench);
        queue.permit(3);
        assert!(matches!(queue.next().await, Some(Outcome::Promoted { success: true })));
        queue.demote(3, LONG, false);
        // The outcome waits to be read while the limit arrives.
        let outcome = queue.outcomes.recv().await.expect("the demote ends");
        queue.demote(3, LONG, true);
        assert!(queue.transitions.finished(outcome).is_none());
        assert!(matches!(queue.next().await, Some(Outcome::Demoted { success: true })));
    });
}

#[test]
fn a_follow_that_comes_while_this_node_lets_go_runs_once_it_is_idle() {
    run(async {
        let bench = Bench::new();
        bench.hook("10-a", NOTE);
        let mut queue = Queue::new(bench);
        queue.permit(3);
        assert!(matches!(queue.next().await, Some(Outcome::Promoted { .. })));
        queue.machine.borrow_mut().handle_promoted(clock::now(), true);
        queue.machine.borrow_mut().handle_demote(clock::now(), Epoch(3));
        queue.demote(3, LONG, false);
        queue.follow("beta");
        assert!(matches!(queue.next().await, Some(Outcome::Demoted { success: true })));
        assert!(queue.next().await.is_none(), "not before the machine says that it is idle");
        queue.machine.borrow_mut().handle_demoted(clock::now(), true);
        queue.transitions.start_follow();
        assert!(matches!(queue.next().await, Some(Outcome::Notified)));
        assert_eq!(queue.bench.lines("log"), ["promote 10-a", "demote 10-a", "follow 10-a"]);
    });
}

#[test]
fn of_several_follows_the_newest_runs_and_none_outlives_a_promote() {
    run(async {
        let bench = Bench::new();
        let hangs = "[ \"$1 $BOSS_CURRENT\" != 'follow beta' ] || exec sleep 60";
        bench.hook("10-a", &format!("echo \"$1 $BOSS_CURRENT\" >>@/log; {hangs}"));
        let mut queue = Queue::new(bench);
        queue.follow("beta");
        queue.logged("follow beta").await;
        queue.follow("gamma");
        queue.permit(3);
        assert!(matches!(queue.next().await, Some(Outcome::Promoted { success: true })));
        queue.transitions.start_follow();
        assert!(queue.next().await.is_none());
        assert_eq!(queue.bench.lines("log").len(), 2, "gamma was boss before this node");
    });
}

#[test]
fn a_stop_ends_a_running_follow() {
    run(async {
        let bench = Bench::new();
        bench.hook("10-a", &HANGS.replace("WHICH", "follow"));
        let mut queue = Queue::new(bench);
        queue.follow("beta");
        queue.logged("follow 10-a").await;
        queue.transitions.stop();
        assert!(matches!(queue.next().await, Some(Outcome::Stopped)));
        assert_eq!(queue.bench.lines("log"), ["follow 10-a", "stop 10-a"]);
    });
}

#[test]
fn a_promote_with_a_hook_that_cannot_be_trusted_fails_and_has_nothing_to_let_go() {
    run(async {
        let bench = Bench::new();
        bench.hook("10-a", &format!("{NOTE}; chmod 777 @/hooks.d/10-a"));
        let mut queue = Queue::new(bench);
        queue.permit(3);
        assert!(matches!(queue.next().await, Some(Outcome::Promoted { success: true })));
        queue.demote(3, LONG, false);
        queue.next().await;
        queue.permit(4);
        let outcome = queue.outcomes.recv().await.expect("it says so");
        let outcome = queue.transitions.finished(outcome);
        assert!(matches!(outcome, Some(Outcome::Promoted { success: false })));
        queue.demote(4, LONG, false);
        assert!(matches!(queue.next().await, Some(Outcome::Demoted { success: true })));
        assert_eq!(queue.bench.lines("log"), ["promote 10-a"]);
    });
}

impl Queue {
    /// Promoted, by the machine's word too.
    async fn acting(bench: Bench, epoch: u64) -> Self {
        let mut queue = Self::new(bench);
        queue.permit(epoch);
        assert!(matches!(queue.next().await, Some(Outcome::Promoted { success: true })));
        queue.machine.borrow_mut().handle_promoted(clock::now(), true);
        queue
    }

    fn reassert(&mut self, epoch: u64, reason: &str) {
        let reason = reason.to_owned();
        let facts = HookFacts { reason, ..self.transitions.facts.clone() };
        self.transitions.reassert(Epoch(epoch), facts);
        self.transitions.start_reassert(clock::now());
    }
}

#[test]
fn a_reassert_calls_what_was_promoted_and_the_next_one_waits_its_time() {
    run(async {
        let bench = Bench::new();
        bench.hook("10-a", &format!("{NOTE}; [ $1 = promote ] || echo \"$BOSS_REASON\" >>@/why"));
        let mut queue = Queue::acting(bench, 3).await;
        queue.bench.hook("20-new", NOTE);
        queue.reassert(3, "beta is back");
        assert!(matches!(queue.next().await, Some(Outcome::Notified)));
        assert_eq!(queue.bench.lines("log"), ["promote 10-a", "reassert 10-a"]);
        // A link that comes and goes: both wait, and the newest counts.
        queue.reassert(3, "beta is back again");
        queue.reassert(3, "gamma is back");
        assert!(queue.next().await.is_none(), "too soon");
        queue.transitions.start_reassert(clock::now().plus(BETWEEN_REASSERTS));
        assert!(matches!(queue.next().await, Some(Outcome::Notified)));
        assert_eq!(queue.bench.lines("why"), ["beta is back", "gamma is back"]);
    });
}

#[test]
fn nothing_is_reasserted_before_the_promote_after_the_demote_or_for_another_epoch() {
    run(async {
        let bench = Bench::new();
        bench.hook("10-a", NOTE);
        let mut queue = Queue::new(bench);
        queue.reassert(3, "nobody is boss");
        queue.permit(3);
        queue.reassert(3, "the promote runs");
        assert!(matches!(queue.next().await, Some(Outcome::Promoted { success: true })));
        // Promoted by its own word, and its permit revoked before the machine heard of that.
        queue.machine.borrow_mut().handle_revoke(clock::now(), Epoch(3));
        queue.transitions.start_reassert(clock::now());
        assert!(queue.next().await.is_none());
        queue.demote(3, LONG, true);
        queue.reassert(3, "it lets go");
        assert!(matches!(queue.next().await, Some(Outcome::Demoted { success: true })));
        queue.machine.borrow_mut().handle_demoted(clock::now(), true);
        queue.transitions.start_reassert(clock::now());
        assert!(queue.next().await.is_none());
        queue.permit(5);
        assert!(matches!(queue.next().await, Some(Outcome::Promoted { success: true })));
        queue.machine.borrow_mut().handle_promoted(clock::now(), true);
        queue.reassert(3, "late");
        assert!(queue.next().await.is_none());
        assert_eq!(queue.bench.lines("log"), ["promote 10-a", "demote 10-a", "promote 10-a"]);
    });
}

#[test]
fn a_demote_ends_a_running_reassert() {
    run(async {
        let bench = Bench::new();
        bench.hook("10-a", &HANGS.replace("WHICH", "reassert"));
        let mut queue = Queue::acting(bench, 3).await;
        queue.reassert(3, "beta is back");
        queue.logged("reassert 10-a").await;
        queue.demote(3, LONG, true);
        assert!(matches!(queue.next().await, Some(Outcome::Demoted { success: true })));
        assert_eq!(queue.bench.lines("log"), ["promote 10-a", "reassert 10-a", "demote 10-a"]);
    });
}

/// The shape of the general script that keepalived's own manual and monitoring plugins use: four
/// arguments, a state file that somebody reads, an unknown state is an error.
const GENERAL: &str = r#"
kind=$1 name=$2 state=$3 priority=$4
case "$state" in
MASTER | BACKUP | FAULT) echo "$kind $name is in $state state, $priority" >>@/log ;;
*) echo "unknown state $state" >>@/log; exit 1 ;;
esac"#;
/// The shape that many how-tos use: one script, called with a word for each state.
const WORDS: &str = r#"
case "$1" in
master | backup | fault) echo "changed to be $1, $# words" >>@/log ;;
*) echo "usage: $0 master|backup|fault" >&2; exit 1 ;;
esac"#;

fn keepalived() -> Bench {
    let mut bench = Bench::new();
    bench.hook("10-a", NOTE);
    // Not hooks themselves: they are not executable in hooks.d but named in the file.
    bench.hook(".notify.sh", GENERAL);
    bench.hook(".words.sh", WORDS);
    bench.configure(
        "[keepalived]\ninstance = \"VI_1\"\nnotify = \"@/hooks.d/.notify.sh\"\n\
         notify-master = \"@/hooks.d/.words.sh master\"\n\
         notify-backup = \"@/hooks.d/.words.sh backup\"\n",
    );
    bench
}

#[test]
fn scripts_written_for_keepalived_are_told_of_each_change_once_and_in_its_order() {
    run(async {
        let mut queue = Queue::new(keepalived());
        queue.follow("beta");
        assert!(matches!(queue.next().await, Some(Outcome::Notified)));
        queue.permit(3);
        assert!(matches!(queue.next().await, Some(Outcome::Promoted { success: true })));
        queue.demote(3, LONG, false);
        assert!(matches!(queue.next().await, Some(Outcome::Demoted { success: true })));
        queue.machine.borrow_mut().handle_promoted(clock::now(), true);
        queue.machine.borrow_mut().handle_revoke(clock::now(), Epoch(3));
        queue.machine.borrow_mut().handle_demoted(clock::now(), true);
        queue.follow("gamma");
        assert!(matches!(queue.next().await, Some(Outcome::Notified)));
        queue.transitions.stop();
        assert!(matches!(queue.next().await, Some(Outcome::Stopped)));
        let told = [
            "follow 10-a",
            "changed to be backup, 1 words",
            "INSTANCE VI_1 is in BACKUP state, 100",
            "promote 10-a",
            "changed to be master, 1 words",
            "INSTANCE VI_1 is in MASTER state, 100",
            "changed to be backup, 1 words",
            "INSTANCE VI_1 is in BACKUP state, 100",
            "demote 10-a",
            // It is BACKUP already.
            "follow 10-a",
            "stop 10-a",
            "unknown state STOP",
        ];
        assert_eq!(queue.bench.lines("log"), told);
    });
}

#[test]
fn a_script_for_keepalived_that_fails_fails_the_promote_and_is_told_again_when_a_demote_failed() {
    run(async {
        let bench = keepalived();
        bench.hook(".notify.sh", "echo \"$3\" >>@/log; [ ! -e @/broken-$3 ]");
        bench.touch("broken-MASTER");
        bench.touch("broken-BACKUP");
        let mut queue = Queue::new(bench);
        queue.permit(3);
        assert!(matches!(queue.next().await, Some(Outcome::Promoted { success: false })));
        queue.demote(3, LONG, false);
        assert!(matches!(queue.next().await, Some(Outcome::Demoted { success: false })));
        std::fs::remove_file(queue.bench.path("broken-BACKUP")).expect("there");
        queue.demote(3, LONG, true);
        assert!(matches!(queue.next().await, Some(Outcome::Demoted { success: true })));
        let told = queue.bench.lines("log").into_iter().filter(|line| !line.contains(' '));
        assert_eq!(told.collect::<Vec<_>>(), ["MASTER", "BACKUP", "BACKUP"]);
    });
}

#[test]
fn after_a_reload_a_demote_calls_what_its_promote_has_called_scripts_included() {
    run(async {
        let mut queue = Queue::new(keepalived());
        queue.permit(3);
        assert!(matches!(queue.next().await, Some(Outcome::Promoted { success: true })));
        let elsewhere = queue.bench.path("elsewhere");
        std::fs::create_dir(&elsewhere).expect("ours");
        let mut config = (*queue.transitions.config).clone();
        config.hooks.directory = elsewhere;
        config.keepalived = KeepalivedConfig::default();
        queue.transitions.set_config(Rc::new(config));
        queue.demote(3, LONG, false);
        assert!(matches!(queue.next().await, Some(Outcome::Demoted { success: true })));
        let wanted = [
            "changed to be backup, 1 words",
            "INSTANCE VI_1 is in BACKUP state, 100",
            "demote 10-a",
        ];
        assert_eq!(queue.bench.lines("log")[3..], wanted);
        // From here on the other ones count, and there are none.
        queue.machine.borrow_mut().handle_revoke(clock::now(), Epoch(3));
        queue.machine.borrow_mut().handle_demoted(clock::now(), true);
        queue.transitions.stop();
        assert!(matches!(queue.next().await, Some(Outcome::Stopped)));
        assert_eq!(queue.bench.lines("log").len(), 6);
    });
}

#[test]
fn a_shadow_acts_and_lets_go_and_calls_nothing() {
    run(async {
        let mut queue = Queue::new(keepalived());
        let config = (*queue.transitions.config).clone().in_shadow();
        queue.transitions.set_config(Rc::new(config));
        queue.follow("beta");
        assert!(matches!(queue.next().await, Some(Outcome::Notified)));
        queue.permit(3);
        assert!(matches!(queue.next().await, Some(Outcome::Promoted { success: true })));
        queue.demote(3, LONG, true);
        assert!(matches!(queue.next().await, Some(Outcome::Demoted { success: true })));
        queue.transitions.stop();
        assert!(matches!(queue.next().await, Some(Outcome::Stopped)));
        assert!(queue.bench.lines("log").is_empty());
    });
}
