//! What it costs when nothing happens: memory, processor time, traffic and writes while one acts and
//! two follow; then memory after many changes, and what a change writes. One start serves all four
//! parts, and whichever are asked for are measured.

use std::time::Duration;

use harness::{boot_ns, until};
use network::Space;
use nix::unistd::Pid;

use crate::contender::{Bare, Contender, Fault, HOSTS, promotes};
use crate::field::{self, Settings, pass, together};
use crate::proc::{cpu_ns, disk_bytes, pss_kb, traffic};
use crate::results::Part;
use crate::trace::Trace;

/// The parts' names.
pub const MEMORY: &str = "memory";
/// Processor time.
pub const CPU: &str = "cpu";
/// Packets and bytes.
pub const TRAFFIC: &str = "traffic";
/// Writes.
pub const DISK: &str = "disk";

/// The parts that are asked for.
#[derive(Debug, Default)]
pub struct Parts {
    /// Memory.
    pub memory: Option<Part>,
    /// Processor time.
    pub cpu: Option<Part>,
    /// Packets and bytes.
    pub traffic: Option<Part>,
    /// Writes.
    pub disk: Option<Part>,
}

/// Runs them; who took part, to be judged. Each part is kept as soon as it is whole.
pub fn run(
    settings: &Settings,
    parts: &mut Parts,
    mut keep: impl FnMut(&str, &Part) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<Box<dyn Contender>>> {
    let Parts { memory, cpu, traffic, disk } = parts;
    let mut asked: Vec<_> = [&mut *memory, cpu, traffic, disk].into_iter().flatten().collect();
    let mut all = field::start(settings, &mut asked);
    let bare = [80, 20].map(Bare::start);
    let until_ns = boot_ns() + nanoseconds(settings.idle);
    // Where a start has left something to do, it is done by then.
    pass(SOON);
    if let Some(part) = memory.as_mut() {
        part.add("run", "minutes", settings.idle.as_secs_f64() / 60.0);
        remember(part, &mut all, &bare, "start");
    }
    if cpu.is_some() || traffic.is_some() || disk.is_some() {
        window(settings, &mut all, &bare, (cpu, traffic, disk));
        for (name, part) in [(CPU, &*cpu), (TRAFFIC, &*traffic)] {
            part.as_ref().map_or(Ok(()), |part| keep(name, part))?;
        }
        eprintln!("  idle: processor time and traffic are counted");
    }
    if let Some(part) = memory.as_mut() {
        pass(Duration::from_nanos(until_ns.saturating_sub(boot_ns())));
        remember(part, &mut all, &bare, "idle");
        for contender in &mut all {
            for (what, figure) in contender.own_figures() {
                part.add(&contender.name(), &what, figure);
            }
        }
        eprintln!("  memory: now {} changes", settings.failovers);
        let made = together(&mut all, |contender| {
            let changes = change(contender, settings.failovers, settings.failovers_limit);
            vec![("changes".to_owned(), f64::from(changes))]
        });
        for (name, figures) in made {
            for (what, figure) in figures {
                part.add(&name, &what, figure);
            }
        }
        remember(part, &mut all, &bare, "changes done");
        keep(MEMORY, part)?;
    }
    if let Some(part) = disk.as_mut() {
        writes(settings, &mut all, part);
        keep(DISK, part)?;
    }
    Ok(all)
}

/// The memory of each host's daemon, in megabytes.
fn remember(part: &mut Part, all: &mut [Box<dyn Contender>], bare: &[Bare], when: &str) {
    for contender in all {
        contender.settled();
        for host in 0..HOSTS {
            part.add(&contender.name(), when, megabytes(&contender.daemon(host)));
        }
    }
    for bare in bare {
        part.enter(bare.name(), bare.configured());
        for host in 0..HOSTS {
            part.add(&bare.name(), when, megabytes(&bare.daemon(host)));
        }
    }
}

fn megabytes(pids: &[Pid]) -> f64 {
    pss_kb(pids) as f64 / 1024.0
}

/// A host that is watched for a while.
struct Watched<'a> {
    name: String,
    role: &'static str,
    pids: Vec<Pid>,
    space: &'a Space,
}

type Counts<'a> = (&'a mut Option<Part>, &'a mut Option<Part>, &'a mut Option<Part>);

/// Counts for a window, on the host that acts and on one that follows.
fn window(
    settings: &Settings,
    all: &mut [Box<dyn Contender>],
    bare: &[Bare],
    (cpu, net, disk): Counts<'_>,
) {
    let acting: Vec<usize> = all.iter_mut().map(|contender| contender.settled()).collect();
    let before: Vec<_> = all.iter().map(|it| promotes(&it.lines()).len()).collect();
    let mut watched = Vec::new();
    for (contender, host) in all.iter().zip(&acting) {
        for (role, host) in [("boss", *host), ("follower", (host + 1) % HOSTS)] {
            let (name, pids) = (contender.name(), contender.daemon(host));
            watched.push(Watched { name, role, pids, space: contender.lan().host(host) });
        }
    }
    for bare in bare {
        for (role, host) in [("boss", 0), ("follower", 1)] {
            let (name, pids) = (bare.name(), bare.daemon(host));
            watched.push(Watched { name, role, pids, space: bare.lan().host(host) });
        }
        for part in [&mut *cpu, net].into_iter().flatten() {
            part.enter(bare.name(), bare.configured());
        }
    }
    let count = |it: &Watched<'_>| {
        let traffic = traffic(it.space).unwrap_or_else(|why| panic!("{why}"));
        (boot_ns(), cpu_ns(&it.pids), traffic, disk_bytes(&it.pids))
    };
    let first: Vec<_> = watched.iter().map(count).collect();
    pass(settings.window);
    for (it, first) in watched.iter().zip(first) {
        let last = count(it);
        let seconds = (last.0 - first.0) as f64 / 1e9;
        let Watched { name, role, .. } = it;
        if let Some(part) = cpu.as_mut() {
            let percent = (last.1 - first.1) as f64 / 1e7 / seconds;
            part.add(name, role, percent);
        }
        if let Some(part) = net.as_mut() {
            let traffic = last.2 - first.2;
            part.add(name, &format!("{role}, packets"), traffic.packets as f64 / seconds);
            part.add(name, &format!("{role}, bytes"), traffic.bytes as f64 / seconds);
        }
        if let Some(part) = disk.as_mut() {
            part.add(name, &format!("idle, {role}, bytes"), (last.3 - first.3) as f64 / seconds);
        }
    }
    drop(watched);
    for (contender, before) in all.iter().zip(before) {
        let name = contender.name();
        let changes = promotes(&contender.lines()).len() - before;
        // The figures are then not those of a quiet cluster, and the table says so.
        for part in [&mut *cpu, net].into_iter().flatten().filter(|_| changes > 0) {
            part.add(&name, "changes meanwhile", changes as f64);
        }
    }
}

/// Makes changes, every second one unplanned where both can be; how many.
fn change(contender: &mut dyn Contender, count: u32, limit: Duration) -> u32 {
    let end = boot_ns() + nanoseconds(limit);
    for done in 0..count {
        if boot_ns() > end {
            return done;
        }
        change_once(contender, done % 2 == 0);
    }
    count
}

/// One change, planned if it can be; who acted before.
fn change_once(contender: &mut dyn Contender, planned: bool) -> usize {
    let host = contender.settled();
    let begun = boot_ns();
    let planned = (planned || !contender.knows(Fault::Unplugged)) && contender.hand_on(host);
    if !planned {
        contender.inflict(Fault::Unplugged, host);
    }
    let what = format!("the next action of {}", contender.name());
    until(&what, || contender.acted_after(begun));
    if !planned {
        contender.mend(Fault::Unplugged, host);
    }
    host
}

/// What is made durable: while nothing happens, and by a change. One after the other, for tracing
/// slows down whatever else runs.
fn writes(settings: &Settings, all: &mut [Box<dyn Contender>], part: &mut Part) {
    let (time, changes) = settings.writes;
    part.add("run", "seconds", time.as_secs_f64());
    for contender in all.iter_mut().filter(|contender| contender.bears_tracing()) {
        let name = contender.name();
        let host = contender.settled();
        let traces = [host, (host + 1) % HOSTS].map(|host| Trace::attach(&contender.daemon(host)));
        pass(time);
        for (role, trace) in ["boss", "follower"].into_iter().zip(traces) {
            part.add(&name, &format!("idle, {role}, fsyncs"), trace.calls() as f64);
        }
        for planned in [true, false] {
            let kind = if planned { "planned" } else { "vote" };
            let can = if planned { contender.plans() } else { contender.knows(Fault::Unplugged) };
            for _ in 0..if can { changes } else { 0 } {
                for (who, calls) in writes_of_a_change(contender.as_mut(), planned) {
                    part.add(&name, &format!("{kind}, {who}"), calls);
                }
            }
        }
    }
}

/// How often each of the three made something durable.
fn writes_of_a_change(contender: &mut dyn Contender, planned: bool) -> Vec<(&'static str, f64)> {
    contender.settled();
    let traces: Vec<_> = (0..HOSTS).map(|host| Trace::attach(&contender.daemon(host))).collect();
    let old = change_once(contender, planned);
    let new = contender.settled();
    let calls = traces.into_iter().map(Trace::calls).enumerate();
    let who = |host| match host {
        host if host == new => "the next",
        host if host == old => "the one before",
        _ => "the third",
    };
    calls.map(|(host, calls)| (who(host), calls as f64)).collect()
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// After the start.
const SOON: Duration = Duration::from_secs(5);
