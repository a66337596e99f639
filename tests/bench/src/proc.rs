//! What the kernel counts of processes and of a host's network, as plain numbers.

use std::fs;
use std::ops::Sub;

use network::Space;
use network::command::run;
use nix::unistd::Pid;

/// Memory of these processes in kilobytes, each shared page counted in parts (PSS).
pub fn pss_kb(pids: &[Pid]) -> u64 {
    let of = |pid: &Pid| {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
        line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0)
    };
    pids.iter().map(of).sum()
}

/// Time on a processor of all threads of these processes, in nanoseconds.
pub fn cpu_ns(pids: &[Pid]) -> u64 {
    let tasks = pids.iter().flat_map(|pid| {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        tasks.map(|task| task.path().join("schedstat"))
    });
    let of = |path| {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.split_whitespace().next().and_then(|first| first.parse::<u64>().ok()).unwrap_or(0)
    };
    tasks.map(of).sum()
}

/// Bytes that these processes had the kernel write to a disk.
pub fn disk_bytes(pids: &[Pid]) -> u64 {
    let of = |pid: &Pid| {
        let text = fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("write_bytes:"));
        line.and_then(|rest| rest.trim().parse::<u64>().ok()).unwrap_or(0)
    };
    pids.iter().map(of).sum()
}

/// Those of these processes that run a program of this file name.
pub fn running(pids: impl IntoIterator<Item = Pid>, program: &str) -> Vec<Pid> {
    let runs = |pid: &Pid| {
        let exe = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
        exe.file_name().is_some_and(|name| name == program)
    };
    pids.into_iter().filter(runs).collect()
}

/// The parent of a process.
pub fn parent(pid: Pid) -> Option<Pid> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    line.trim().parse().ok().map(Pid::from_raw)
}

/// What went through a host's network, in both directions, with the headers of Ethernet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

/// Until now.
pub fn traffic(space: &Space) -> Result<Traffic, String> {
    let text = run("ip", &["-n", space.name(), "-s", "-j", "link", "show", "dev", "eth0"])?;
    let links: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| format!("ip -s -j: {error}"))?;
    let count = |direction: &str, what: &str| {
        links[0]["stats64"][direction][what].as_u64().ok_or_else(|| format!("no {what} in {text}"))
    };
    Ok(Traffic {
        packets: count("rx", "packets")? + count("tx", "packets")?,
        bytes: count("rx", "bytes")? + count("tx", "bytes")?,
    })
}

impl Sub for Traffic {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self { packets: self.packets - before.packets, bytes: self.bytes - before.bytes }
    }
}
