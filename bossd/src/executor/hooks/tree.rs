//! Ends what a hook has started, without cgroups: the executor is a subreaper, so that whoever is
//! orphaned below it becomes its child, and repeated walks of /proc find and kill until nothing is
//! left. What shall live is [`Spared`].
//!
//! Each child of ours that is not spared, and was not there before the hook started, is taken for
//! the hook's: at most one hook runs at a time. So a process that a service of an EARLIER hook
//! orphans during this one dies with this one's tree: a kill follows only a failure, and the demote
//! after it lets go of that service as well. Without [`become_subreaper`] nobody is adopted and only
//! descendants that a walk has seen are found, together with the hook's process group.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex};

use election::Span;
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill as send, killpg};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use super::cgroup;
use crate::clock;

/// Makes this process the parent of all that is orphaned below it. Once, at the executor's start.
pub fn become_subreaper() -> io::Result<()> {
    Ok(prctl::set_child_subreaper(true)?)
}

/// Children of ours that are no hook's leftovers: the elector, and whatever else the executor starts
/// and waits for itself. Each must be in here as long as it is not waited for, or a walk kills it,
/// or takes its exit status. What lies below a spared process is spared as well.
#[derive(Debug, Clone, Default)]
pub struct Spared {
    pids: Arc<Mutex<BTreeSet<i32>>>,
}

/// Spares a process until dropped.
#[derive(Debug)]
#[must_use]
pub struct SparedGuard {
    pid: i32,
    spared: Spared,
}

impl Spared {
    /// Spares the child `pid`. Call it right after its start, before anything is awaited.
    pub fn spare(&self, pid: u32) -> SparedGuard {
        let pid = as_pid(pid);
        self.pids.lock().expect("no holder panics").insert(pid);
        SparedGuard { pid, spared: self.clone() }
    }

    fn contains(&self, pid: i32) -> bool {
        self.pids.lock().expect("no holder panics").contains(&pid)
    }
}

impl Drop for SparedGuard {
    fn drop(&mut self) {
        self.spared.pids.lock().expect("no holder panics").remove(&self.pid);
    }
}

/// All below us at a moment: what is there before a hook starts is not its own. Not children alone,
/// for a service whose parent is just about to exit is adopted a moment later.
#[derive(Debug)]
pub struct Bystanders(BTreeSet<Process>);

impl Bystanders {
    /// Those that are there now.
    pub fn now() -> Self {
        let kin = Kin::look();
        let mut known = kin.children_of(std::process::id().cast_signed()).into_iter().collect();
        kin.add_descendants(&mut known);
        Self(known)
    }
}

/// Kills the tree of the hook that was started as `root`, whether `root` itself still runs or not.
/// Gives the processes that were still there after [`KILL_WITHIN`].
pub async fn kill(root: u32, bystanders: &Bystanders, spared: &Spared) -> Vec<i32> {
    let root = as_pid(root);
    // Nobody else can have its number: it is our child and not waited for, or it is gone.
    let ours = |process: &Process| process.parent == std::process::id().cast_signed();
    let known: BTreeSet<_> = Process::read(root).into_iter().filter(ours).collect();
    let left = hunt(known, Some(root), |kin| {
        let mut adopted = adopted(kin, spared);
        adopted.retain(|process| !bystanders.0.contains(process));
        adopted
    });
    left.await
}

/// Kills all of a unit and what descends from its main process, wherever that was moved to.
pub async fn kill_unit(unit: &str, main: &Watched) -> Vec<i32> {
    let known = main.0.still_lives().then_some(main.0);
    hunt(known.into_iter().collect(), None, |_| {
        let members = cgroup::members(|name| name == unit);
        members.into_iter().filter_map(Process::read).filter(|process| process.lives).collect()
    })
    .await
}

/// A process that somebody else has started, told from a later one with the same number.
#[derive(Debug)]
pub struct Watched(Process);

impl Watched {
    /// The process with this number; None when it has ended.
    pub fn of(pid: i32) -> Option<Self> {
        Process::read(pid).filter(|process| process.lives).map(Self)
    }

    /// Whether it still runs.
    pub fn lives(&self) -> bool {
        self.0.still_lives()
    }
}

/// Kills everything below us but what is spared, whatever started it: for the escalation at the end
/// of the fence window, when services of successful promote hooks must not live on either.
pub async fn kill_leftovers(spared: &Spared) -> Vec<i32> {
    let left = hunt(BTreeSet::new(), None, |kin| adopted(kin, spared)).await;
    reap_adopted(spared);
    left
}

/// Takes the exit status of orphans that have ended, each by its own number. The executor calls it
/// when a child has ended, so that services which hooks left behind do not stay as zombies.
pub fn reap_adopted(spared: &Spared) {
    if !adopts() {
        return;
    }
    for child in Kin::look().children_of(std::process::id().cast_signed()) {
        if !child.lives && !spared.contains(child.pid) {
            // An error means that it is gone already, which is what was wanted.
            let _ = waitpid(Pid::from_raw(child.pid), Some(WaitPidFlag::WNOHANG));
        }
    }
}

/// Kills `known`, all below them and all that `adopted` finds, walk after walk.
async fn hunt(
    mut known: BTreeSet<Process>,
    mut group: Option<i32>,
    adopted: impl Fn(&Kin) -> Vec<Process>,
) -> Vec<i32> {
    let give_up = clock::now().plus(KILL_WITHIN);
    let mut quiet_walks = 0;
    for walk in 1.. {
        let kin = Kin::look();
        known.extend(adopted(&kin));
        kin.add_descendants(&mut known);
        known.retain(Process::still_lives);
        // The walk came first: killing the group orphans those who left it.
        if let Some(group) = group.take() {
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
        // A process that dies between the two halves of a walk hands us its children after we
        // looked for them; the second quiet walk sees them.
        quiet_walks = if known.is_empty() { quiet_walks + 1 } else { 0 };
        if quiet_walks == 2 || (walk >= LEAST_WALKS && give_up.over_when_either(clock::now())) {
            break;
        }
        for process in &known {
            let _ = send(Pid::from_raw(process.pid), Signal::SIGKILL);
        }
        if !known.is_empty() && clock::pause(BETWEEN_WALKS).await.is_err() {
            tokio::task::yield_now().await;
        }
    }
    known.into_iter().map(|process| process.pid).collect()
}

/// Children of ours that nobody waits for: orphans from below a hook.
fn adopted(kin: &Kin, spared: &Spared) -> Vec<Process> {
    if !adopts() {
        return Vec::new();
    }
    let mut children = kin.children_of(std::process::id().cast_signed());
    children.retain(|child| child.lives && !spared.contains(child.pid));
    children
}

fn adopts() -> bool {
    prctl::get_child_subreaper().unwrap_or(false)
}

fn as_pid(pid: u32) -> i32 {
    i32::try_from(pid).expect("the kernel's process numbers end at 2^22")
}

/// A process, told from a later one with the same number by when it started.
#[derive(Debug, Clone, Copy)]
struct Process {
    pid: i32,
    start: u64,
    parent: i32,
    lives: bool,
}

impl Process {
    fn read(pid: i32) -> Option<Self> {
        let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
        // The name stands in parentheses and may hold anything, parentheses too.
        let after_name = stat.iter().rposition(|byte| *byte == b')')? + 1;
        let rest = std::str::from_utf8(&stat[after_name..]).ok()?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        Some(Self {
            pid,
            start: fields.get(19)?.parse().ok()?,
            parent: fields.get(1)?.parse().ok()?,
            lives: !matches!(*fields.first()?, "Z" | "X" | "x"),
        })
    }

    fn still_lives(&self) -> bool {
        Self::read(self.pid).is_some_and(|now| now == *self && now.lives)
    }

    fn identity(&self) -> (i32, u64) {
        (self.pid, self.start)
    }
}

impl PartialEq for Process {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for Process {}

impl PartialOrd for Process {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Process {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.identity().cmp(&other.identity())
    }
}

/// Who is whose child: from the kernel's own lists where it keeps them, which costs no more than the
/// tree is large, else from one reading of all of /proc.
enum Kin {
    Lists,
    All(BTreeMap<i32, Vec<i32>>),
}

impl Kin {
    fn look() -> Self {
        if std::path::Path::new("/proc/thread-self/children").exists() {
            return Self::Lists;
        }
        Self::read_all()
    }

    fn read_all() -> Self {
        let mut all = BTreeMap::<i32, Vec<i32>>::new();
        for process in numbers_in("/proc").into_iter().filter_map(Process::read) {
            all.entry(process.parent).or_default().push(process.pid);
        }
        Self::All(all)
    }

    fn children_of(&self, parent: i32) -> Vec<Process> {
        let pids = match self {
            Self::Lists => listed_children(parent),
            Self::All(all) => all.get(&parent).cloned().unwrap_or_default(),
        };
        let still_its_child = |process: &Process| process.parent == parent;
        pids.into_iter().filter_map(Process::read).filter(still_its_child).collect()
    }

    fn add_descendants(&self, known: &mut BTreeSet<Process>) {
        let mut ahead: Vec<Process> = known.iter().copied().collect();
        while let Some(process) = ahead.pop() {
            for child in self.children_of(process.pid) {
                if known.insert(child) {
                    ahead.push(child);
                }
            }
        }
    }
}

/// The kernel keeps the list by the thread that forked.
fn listed_children(parent: i32) -> Vec<i32> {
    let tasks = format!("/proc/{parent}/task");
    let lists = numbers_in(&tasks).into_iter().filter_map(|thread| {
        // A thread that has ended meanwhile has given its children to another.
        std::fs::read_to_string(format!("{tasks}/{thread}/children")).ok()
    });
    lists
        .flat_map(|list| {
            list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()
        })
        .collect()
}

fn numbers_in(directory: &str) -> Vec<i32> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

/// The fence window gives the kill 50 ms (protocol.md 4); this leaves some for what follows.
const KILL_WITHIN: Span = Span::from_millis(40);

/// However late it is: one walk to find, one to find what was forked meanwhile, one to see the end.
const LEAST_WALKS: u32 = 3;

/// Long enough for a killed process to end, short beside the whole.
const BETWEEN_WALKS: Span = Span::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_lists_and_all_of_proc_name_the_same_child() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let me = std::process::id().cast_signed();
        for kin in [Kin::look(), Kin::read_all()] {
            let children = kin.children_of(me);
            let found = children.iter().find(|process| process.pid == child.id().cast_signed());
            assert!(found.is_some_and(|process| process.lives && process.still_lives()));
        }
        let before = Process::read(child.id().cast_signed()).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!before.still_lives());
    }
}
