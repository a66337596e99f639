//! What is kept of a storm that failed: every host's log, what the witnesses wrote, the storm's own
//! story, and all of it in one line of time.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use harness::boot_ns;

use super::Storm;
use crate::site::Site;

/// Copies it into a directory.
pub fn keep(storm: &Storm, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    let mut all = Vec::new();
    for host in 0..storm.site.size() {
        let node = storm.site.node(host);
        all.extend(timed_log(&storm.site, host));
        fs::copy(node.log(), to.join(format!("{}.log", node.name)))?;
    }
    let witnessed = fs::read_to_string(storm.site.dir().join("witness.log")).unwrap_or_default();
    for line in witnessed.lines() {
        let (at_ns, text) = line.split_once(' ').unwrap_or(("0", line));
        all.push((at_ns.parse().unwrap_or(0), format!("WITNESS {text}")));
    }
    fs::write(to.join("witness.log"), witnessed)?;
    all.extend(storm.story.iter().map(|(at_ns, text)| (*at_ns, format!("STORM {text}"))));
    for (host, stretch) in storm.site.address().served() {
        all.push((stretch.from_ns, format!("CLIENT answered by host {host}")));
        all.push((stretch.to_ns, format!("CLIENT last answer of host {host}")));
    }
    all.sort_by_key(|(at_ns, _)| *at_ns);
    let lines = all.iter().map(|(at_ns, text)| format!("{:>14.6} {text}\n", *at_ns as f64 / 1e9));
    fs::write(to.join("all.log"), lines.collect::<String>())
}

/// The lines of a host's log, with their times on the clock that everything else goes by.
pub(super) fn timed_log(site: &Site, host: usize) -> Vec<(u64, String)> {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let wall = u64::try_from(wall).unwrap_or(u64::MAX);
    let booted_ns = wall.saturating_sub(boot_ns());
    let node = site.node(host);
    let log = fs::read(node.log()).unwrap_or_default();
    let lines = timed(&String::from_utf8_lossy(&log), wall, &node.name);
    lines.into_iter().map(|(at_ns, line)| (at_ns.saturating_sub(booted_ns), line)).collect()
}

/// The lines of a node's log with their times since 1970. Where its clock was stepped, a line stands
/// where the one before it does.
fn timed(log: &str, wall_ns: u64, name: &str) -> Vec<(u64, String)> {
    let mut at_ns = 0;
    let line = |line: &str| {
        let read = line.split(' ').next().and_then(wall_clock_ns);
        if let Some(read) = read.filter(|read| read.abs_diff(wall_ns) < DAY_NS) {
            at_ns = at_ns.max(read);
        }
        (at_ns, format!("{name} {line}"))
    };
    log.lines().map(line).collect()
}

/// `2026-11-21T15:28:50.391249Z`, in nanoseconds since 1970.
fn wall_clock_ns(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let number = |text: &str| text.parse::<u64>().ok();
    let date: Vec<_> = date.split('-').map(number).collect::<Option<_>>()?;
    let (clock, micros) = time.split_once('.')?;
    let clock: Vec<_> = clock.split(':').map(number).collect::<Option<_>>()?;
    let ([year, month, day], [hours, minutes, seconds]) =
        (*date.as_slice().first_chunk()?, *clock.first_chunk()?);
    let seconds = days(year, month, day)? * 86_400 + hours * 3_600 + minutes * 60 + seconds;
    Some(seconds * 1_000_000_000 + number(micros)? * 1_000)
}

/// Days since 1970, by counting years from March on.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let (years, months) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = years * 365 + years / 4 - years / 100 + years / 400 + (months * 153 + 2) / 5 + day;
    days.checked_sub(719_469)
}

const DAY_NS: u64 = 86_400_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_line_is_read() {
        assert_eq!(wall_clock_ns("1970-01-01T00:00:00.000001Z"), Some(1_000));
        assert_eq!(wall_clock_ns("2000-03-01T00:00:00.000000Z"), Some(951_868_800_000_000_000));
        assert_eq!(wall_clock_ns("2026-11-21T15:28:50.391249Z"), Some(1_795_274_930_391_249_000));
        assert_eq!(wall_clock_ns("stack backtrace:"), None);
    }

    #[test]
    fn a_line_of_a_stepped_clock_stands_where_the_one_before_does() {
        let log = "2026-11-21T15:28:50.391249Z a\n2036-11-21T15:28:50.391249Z b\nc\n";
        let times = timed(log, 1_795_274_930_000_000_000, "alpha");
        let at = 1_795_274_930_391_249_000;
        let expected = [(at, "a"), (at, "b"), (at, "c")];
        for ((at, line), (wanted, end)) in times.iter().zip(expected) {
            assert!(*at == wanted && line.starts_with("alpha ") && line.ends_with(end), "{line}");
        }
    }
}
