//! Which unit a process belongs to, as the kernel says: by the path of its control group, in every tree
//! of groups that there is, so that nobody has to know where they are mounted.

use std::fs;

/// The processes of all units whose names are `wanted`.
pub fn members(wanted: impl Fn(&str) -> bool) -> Vec<i32> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| is_in(*pid, &wanted)).collect()
}

/// Whether a process is in a unit whose name is `wanted`. One that is gone is in none.
pub fn is_in(pid: i32, wanted: impl Fn(&str) -> bool) -> bool {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    has_unit(&groups, wanted)
}

/// The same of what /proc/PID/cgroup says: a line per tree, its last part the path. What a unit makes
/// below its own group belongs to it as well.
fn has_unit(groups: &str, wanted: impl Fn(&str) -> bool) -> bool {
    let paths = groups.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    paths.flat_map(|path| path.split('/')).any(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_found_in_either_tree_and_below_its_own_group() {
        let is = |unit: &'static str| move |part: &str| part == unit;
        assert!(has_unit("0::/system.slice/a.service\n", is("a.service")));
        assert!(has_unit("0::/system.slice/a.service/below\n", is("a.service")));
        let both = "12:pids:/x\n1:name=systemd:/system.slice/a:b.service\n0::/x\n";
        assert!(has_unit(both, is("a:b.service")));
        assert!(!has_unit(both, is("a.service")));
        assert!(!has_unit("", is("a.service")));
    }
}
