//! The tables: of the recorded figures for people, in RESULTS.md between two marks, and the short one
//! that README.md quotes. Every figure is the median of its runs, with the least and the most.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, bail};

use crate::contender::Fault;
use crate::results::{Part, Results};
use crate::wanted::{self, Verdict};
use crate::{failover, idle, unwanted};

/// Writes both files.
pub fn write_all(results: &Results) -> anyhow::Result<()> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    put(&own.join("RESULTS.md"), "<!-- bench -->", "<!-- end of bench -->", &render(results))?;
    let Some(short) = short(results) else { return Ok(()) };
    put(&own.join("../../README.md"), "<!-- figures -->", "<!-- end of figures -->", &short)
}

/// What a part is shown as.
type Section = fn(&Part) -> String;

/// Puts a text between its marks.
fn put(path: &Path, from: &str, to: &str, text: &str) -> anyhow::Result<()> {
    let whole = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let marked = whole.split_once(from).and_then(|(head, rest)| {
        let (_, tail) = rest.split_once(to)?;
        Some(format!("{head}{from}\n{text}{to}{tail}"))
    });
    let Some(marked) = marked else { bail!("{} has no {from} and {to}", path.display()) };
    fs::write(path, marked).with_context(|| path.display().to_string())
}

/// All of it.
pub fn render(results: &Results) -> String {
    let mut text = String::new();
    let verdicts = wanted::judge(results);
    if !verdicts.is_empty() {
        text.push_str("## What was wanted\n\n");
        line(&mut text, ["what", "wanted", "measured", ""].map(str::to_owned).as_slice());
        rule(&mut text, 4);
        for Verdict { what, wanted, measured, holds } in verdicts {
            let word = if holds { "yes" } else { "**no**" };
            line(&mut text, &[what, wanted, measured, word.to_owned()]);
        }
        text.push('\n');
    }
    let sections: [(&str, Section); 6] = [
        (failover::PART, of_failover),
        (idle::MEMORY, of_memory),
        (idle::CPU, of_cpu),
        (idle::TRAFFIC, of_traffic),
        (idle::DISK, of_disk),
        (unwanted::PART, of_unwanted),
    ];
    for (name, section) in sections {
        if let Some(part) = results.part(name) {
            text.push_str(&section(part));
            let Part { recorded, commit, machine, command, .. } = part;
            let _ = writeln!(text, "\n{recorded}, commit {commit}, {machine}: `{command}`\n");
        }
    }
    let mut known: Vec<&(String, String)> = Vec::new();
    for entry in sections.iter().filter_map(|(name, _)| results.part(name)).flat_map(contenders) {
        if !known.iter().any(|(name, _)| *name == entry.0) {
            known.push(entry);
        }
    }
    if !known.is_empty() {
        text.push_str("## Who took part\n\n");
        for (name, configured) in known {
            let _ = writeln!(text, "- **{name}**: {configured}.");
        }
    }
    text
}

fn contenders(part: &Part) -> impl Iterator<Item = &(String, String)> {
    part.contenders.iter()
}

fn of_failover(part: &Part) -> String {
    let mut text = "## From a fault to the start of the next action\n\nMilliseconds, median (least to \
                    most). The action is a program that notes the time, started as a hook, as \
                    `notify_master`, or as the command of `etcdctl lock`. `two at once` is how often \
                    two of them acted at the same time, where it is known.\n\n"
        .to_owned();
    let mut columns: Vec<_> = Fault::MEASURED.map(Fault::name).to_vec();
    columns.insert(1, BOUND);
    columns.insert(2, "host lost, a leader only");
    columns.push(DOUBLES);
    table(&mut text, part, &columns, |part, name, what| match what {
        DOUBLES => spread(part, name, what, count),
        _ => spread(part, name, what, milliseconds),
    });
    if let Some(disk) = part.median("disk", "durable write") {
        let _ = writeln!(
            text,
            "\nA durable write (write, fsync, rename, fsync of the directory) took {disk:.2} ms where \
             all of them had their state. `bound` is what `bossd --check` computes."
        );
    }
    text
}

fn of_memory(part: &Part) -> String {
    let minutes = part.median("run", "minutes").unwrap_or(f64::NAN);
    let mut text = format!(
        "## Memory\n\nMegabytes of a host's daemon, all its processes, pages that it shares counted in \
         parts (PSS), each host from its own copy of the binary; median of the three hosts (least to \
         most). At the start, after {minutes} minutes, and after that many changes of master, every \
         second of boss's by a failure of the network. etcd is its server alone. Libraries of the \
         system are shared with the other hosts of this machine, which is to the good of keepalived, \
         that has most of them.\n\n"
    );
    let columns = ["start", "idle", "changes", "changes done"];
    table(&mut text, part, &columns, |part, name, what| match what {
        "changes" => spread(part, name, what, count),
        _ => spread(part, name, what, two_places),
    });
    text.push_str(
        "\nThe loop of the election in that time, before the changes, in milliseconds:\n\n",
    );
    text.push_str(&loop_gaps(part));
    text
}

fn of_cpu(part: &Part) -> String {
    let mut text =
        "## Processor time\n\nPercent of one processor, all threads by schedstat, over a \
                    minute in which all of them run side by side.\n\n"
            .to_owned();
    table(&mut text, part, &["boss", "follower", CHANGES], |part, name, what| {
        spread(part, name, what, two_places)
    });
    text
}

fn of_traffic(part: &Part) -> String {
    let mut text =
        "## Traffic\n\nPer second, in and out together, with the headers of Ethernet.\n\n"
            .to_owned();
    let columns = ["boss, packets", "boss, bytes", "follower, packets", "follower, bytes", CHANGES];
    table(&mut text, part, &columns, |part, name, what| spread(part, name, what, count));
    text
}

fn of_disk(part: &Part) -> String {
    let seconds = part.median("run", "seconds").unwrap_or(f64::NAN);
    let mut text = format!(
        "## Writes\n\nAt idle: bytes per second that the kernel wrote for the daemon, in the minute of \
         the processor times, and calls of the fsync family in {seconds} s, by strace. At a change, \
         those calls of each host: planned, and after the failure of the network of whoever acted.\
         \n\n"
    );
    let idle = ["idle, boss, bytes", "idle, boss, fsyncs", "idle, follower, bytes"];
    let rest = ["idle, follower, fsyncs", "planned, the one before", "planned, the next"];
    let vote = ["planned, the third", "vote, the one before", "vote, the next", "vote, the third"];
    let columns: Vec<_> = idle.into_iter().chain(rest).chain(vote).collect();
    table(&mut text, part, &columns, |part, name, what| spread(part, name, what, count));
    text
}

fn of_unwanted(part: &Part) -> String {
    let figure = |what: &str| part.median("run", what).unwrap_or(f64::NAN);
    let mut text = format!(
        "## Changes that nobody wanted\n\nIn {} minutes, with {} processors kept busy by as many \
         threads and {} % of what each host sends to each other lost.\n\n",
        figure("minutes"),
        figure("busy processors"),
        figure("loss"),
    );
    table(&mut text, part, &["failovers"], |part, name, what| spread(part, name, what, count));
    text.push_str("\nThe loop of the election in that time, in milliseconds:\n\n");
    text.push_str(&loop_gaps(part));
    text
}

fn loop_gaps(part: &Part) -> String {
    let mut text = String::new();
    let columns = [
        "loop gap p99.9, boss",
        "loop gap, longest, boss",
        "loop gap p99.9, follower",
        "loop gap, longest, follower",
        FAILED,
    ];
    table(&mut text, part, &columns, |part, name, what| match what {
        FAILED => spread(part, name, what, count),
        _ => spread(part, name, what, two_places),
    });
    text
}

/// A line for each contender that has any of these figures, a column for each figure that any has.
fn table(
    text: &mut String,
    part: &Part,
    columns: &[&str],
    cell: impl Fn(&Part, &str, &str) -> Option<String>,
) {
    let names: Vec<&str> = contenders(part).map(|(name, _)| name.as_str()).collect();
    let cell = |name: &str, what: &str| cell(part, name, what);
    let shown: Vec<&str> = columns
        .iter()
        .copied()
        .filter(|what| names.iter().any(|name| cell(name, what).is_some()))
        .collect();
    let mut head = vec![String::new()];
    head.extend(shown.iter().map(|what| (*what).to_owned()));
    line(text, &head);
    rule(text, head.len());
    for name in names {
        let cells: Vec<_> = shown.iter().map(|what| cell(name, what)).collect();
        if cells.iter().any(Option::is_some) {
            let mut words = vec![format!("**{name}**")];
            words.extend(cells.into_iter().map(Option::unwrap_or_default));
            line(text, &words);
        }
    }
}

fn line(text: &mut String, words: &[String]) {
    let _ = writeln!(text, "| {} |", words.join(" | "));
}

fn rule(text: &mut String, columns: usize) {
    let _ = writeln!(text, "|{}", "---|".repeat(columns));
}

/// Median, least and most; only the first where all are the same.
fn spread(part: &Part, name: &str, what: &str, print: fn(f64) -> String) -> Option<String> {
    let figures = part.figures(name, what)?;
    let [median, least, most] = [figures.median(), figures.least(), figures.most()].map(print);
    let same = median == least && median == most;
    Some(if same { median } else { format!("{median} ({least} to {most})") })
}

fn milliseconds(ms: f64) -> String {
    if ms < 100.0 { format!("{ms:.1}") } else { format!("{ms:.0}") }
}

fn two_places(figure: f64) -> String {
    format!("{figure:.2}")
}

fn count(figure: f64) -> String {
    format!("{figure:.0}")
}

/// Hooks that took longer than the fence window.
const FAILED: &str = "demotes that failed";
const DOUBLES: &str = "two at once";
/// Shown only where there were any.
const CHANGES: &str = "changes meanwhile";

/// What README.md quotes: medians, a line for each contender. None before faults were measured.
fn short(results: &Results) -> Option<String> {
    let failover = results.part(failover::PART)?;
    let ms = |name: &str, what: &str| {
        failover.median(name, what).map(|ms| format!("{} ms", milliseconds(ms)))
    };
    let memory = |name: &str| {
        let figures = results.part(idle::MEMORY)?.figures(name, "changes done")?;
        Some(format!("{:.1} MB", figures.most()))
    };
    let cpu = |name: &str| {
        let part = results.part(idle::CPU)?;
        let (boss, follower) = (part.median(name, "boss")?, part.median(name, "follower")?);
        Some(format!("{boss:.2} %, {follower:.2} %"))
    };
    let unwanted = |name: &str| results.part(unwanted::PART)?.median(name, "failovers").map(count);
    let mut text = String::new();
    let head = [
        "",
        "its server is lost",
        "at worst, by `--check`",
        "its network process is killed",
        "its main process is killed",
        "stopped in order",
        "memory",
        "processor: master, follower",
        "unwanted changes",
    ];
    line(&mut text, &head.map(str::to_owned));
    rule(&mut text, head.len());
    for (name, _) in contenders(failover) {
        let cells = [
            ms(name, Fault::HostLost.name()),
            ms(name, BOUND),
            ms(name, Fault::NetworkKilled.name()),
            ms(name, Fault::MainKilled.name()),
            ms(name, Fault::Stopped.name()),
            memory(name),
            cpu(name),
            unwanted(name),
        ];
        let mut words = vec![name.clone()];
        words.extend(cells.into_iter().map(|cell| cell.unwrap_or_else(|| "-".to_owned())));
        line(&mut text, &words);
    }
    let runs = failover.rows.iter().find(|row| row.what == Fault::HostLost.name());
    let _ = writeln!(
        text,
        "\nTimes are to the start of the next master's action, medians of {} runs on hosts of their own \
         (network\nnamespaces, {}). Memory after many changes, the largest of the three; processor time \
         when nothing happens;\nunwanted changes in {} minutes with all processors busy and {} % loss. \
         Spread, configurations and the\nrest: [tests/bench/RESULTS.md](tests/bench/RESULTS.md); \
         `cargo run --release -p bench` measures yours.",
        runs.map_or(0, |row| row.values.len()),
        failover.machine,
        figure(results.part(unwanted::PART), "minutes"),
        figure(results.part(unwanted::PART), "loss"),
    );
    Some(text)
}

/// Of the run itself.
fn figure(part: Option<&Part>, what: &str) -> String {
    part.and_then(|part| part.median("run", what)).map_or_else(|| "no".to_owned(), count)
}

const BOUND: &str = "bound, worst";
