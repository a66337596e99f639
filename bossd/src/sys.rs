//! What needs the kernel directly: to reboot this host by force, and to be kept from waiting behind
//! other processes. A boss whose loop stands still for a lease loses it, so that the election's thread
//! runs with a realtime priority and the memory of both processes stays in memory, where the limits
//! allow it.
//!
//! The executor is not realtime. It waits for children, and a wait4(2) of the kernel throws away what
//! /proc has of the child: it spins while another process looks at that, and a realtime thread leaves
//! the other one no processor. Seen with a `pgrep` at the wrong moment: 950 ms, until the kernel's
//! throttle ended it, in the middle of an urgent demote.

use std::fs;
use std::io;

use nix::errno::Errno;
use nix::libc;
use nix::sys::mman::{MlockAllFlags, mlockall};
use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
use tracing::info;

/// The priority among realtime processes: before all that is none, and behind the threads of the
/// kernel that serve interrupts, which have 50.
const PRIORITY: i32 = 10;

/// Numbers of the kernel's `linux/capability.h`.
const CAP_IPC_LOCK: u32 = 14;
const CAP_SYS_BOOT: u32 = 22;
const CAP_SYS_NICE: u32 = 23;

/// Whether this process could reboot the host it is on: root alone is not enough in a sandbox.
pub fn may_reboot() -> bool {
    has_capability(CAP_SYS_BOOT)
}

/// Reboots at once: nothing is stopped, nothing is written back, nobody is asked. Gives back only
/// why it could not.
pub fn reboot_now() -> io::Error {
    match reboot(RebootMode::RB_AUTOBOOT) {
        Err(errno) => errno.into(),
        Ok(never) => match never {},
    }
}

/// Gives this thread a realtime priority, and says once whether it got one. What it starts, threads and
/// processes, does not inherit it. For a thread that waits for no child.
pub fn run_in_realtime() {
    match become_realtime() {
        Ok(()) => info!("the election runs with realtime priority {PRIORITY}"),
        Err(why) => info!("the election is not realtime: {why}"),
    }
}

/// Keeps the memory of this process from being paged out, and says once whether it is. `who` is the
/// process.
pub fn stay_in_memory(who: &str) {
    match lock_memory() {
        Ok(()) => info!("the memory of the {who} is locked"),
        Err(why) => info!("the memory of the {who} is not locked: {why}"),
    }
}

fn become_realtime() -> Result<(), String> {
    let (limit, _) = getrlimit(Resource::RLIMIT_RTPRIO).map_err(|errno| errno.to_string())?;
    if limit < PRIORITY.unsigned_abs().into() && !has_capability(CAP_SYS_NICE) {
        return Err(format!("limit {limit} (LimitRTPRIO={PRIORITY} in the unit)"));
    }
    set_scheduler().map_err(|error| format!("{error} (RestrictRealtime= in the unit?)"))
}

/// Round robin, and a child or thread begins as any other process does: hooks are nobody's election.
#[expect(unsafe_code, reason = "no safe wrapper of it is in nix")]
fn set_scheduler() -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: PRIORITY };
    let policy = libc::SCHED_RR | libc::SCHED_RESET_ON_FORK;
    // SAFETY: the kernel reads one sched_param behind the pointer, which lives through the call; 0 is
    // the calling thread.
    Errno::result(unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) })?;
    Ok(())
}

/// What is touched is locked, and no more is made resident for it: a node stays as small as it is.
fn lock_memory() -> Result<(), String> {
    let (limit, _) = getrlimit(Resource::RLIMIT_MEMLOCK).map_err(|errno| errno.to_string())?;
    // With a limit the call succeeds, and the stack of the next thread does not fit any more.
    if limit != RLIM_INFINITY && !has_capability(CAP_IPC_LOCK) {
        return Err(format!("limit {} KiB (LimitMEMLOCK=infinity in the unit)", limit / 1024));
    }
    let on_fault = MlockAllFlags::from_bits_retain(libc::MCL_ONFAULT);
    let flags = MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE | on_fault;
    mlockall(flags).map_err(|errno| errno.to_string())
}

/// Whether this process has a capability in effect.
fn has_capability(number: u32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    effective_capabilities(&status).is_some_and(|set| set >> number & 1 == 1)
}

/// The line `CapEff` of /proc/self/status.
fn effective_capabilities(status: &str) -> Option<u64> {
    let set = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(set.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_capabilities_in_effect_are_read_from_the_kernels_text() {
        let status = "Name:\tbossd\nCapPrm:\t0000000000000000\nCapEff:\t0000000000400000\n";
        assert_eq!(effective_capabilities(status), Some(1 << CAP_SYS_BOOT));
        assert_eq!(effective_capabilities("Name:\tbossd\n"), None);
    }

    /// On a thread of its own, for the others of this process stay as they are.
    #[test]
    fn a_thread_becomes_realtime_where_it_may_and_what_it_starts_does_not() {
        let tried = std::thread::spawn(|| {
            become_realtime()?;
            let policy = |stat: &str| {
                let stat = fs::read_to_string(stat).expect("a process that is there");
                let after_name = stat.rsplit_once(')').expect("a name").1.to_owned();
                after_name.split_whitespace().nth(38).expect("a policy").to_owned()
            };
            assert_eq!(policy("/proc/thread-self/stat"), libc::SCHED_RR.to_string());
            let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("sleep");
            assert_eq!(policy(&format!("/proc/{}/stat", child.id())), "0");
            child.kill().expect("ours");
            child.wait().expect("ours");
            let thread = std::thread::spawn(move || policy("/proc/thread-self/stat"));
            assert_eq!(thread.join().expect("it ends"), "0");
            Ok::<(), String>(())
        });
        if let Err(why) = tried.join().expect("no assertion failed") {
            println!("SKIPPED a_thread_becomes_realtime: {why}");
        }
    }
}
