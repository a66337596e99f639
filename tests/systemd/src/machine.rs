//! One booted host: systemd as the first process of a container, with a disk of its own that
//! outlives a reboot and a loss of power, and the network namespace that it is given. Commands run on
//! it as root.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio, id};
use std::sync::atomic::{AtomicU32, Ordering};

use harness::until;
use network::command::run;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::cgroup::Groups;
use crate::packages::target;
use crate::tree::Tree;

/// A host. It is gone, with its disk, when this is dropped.
#[derive(Debug)]
pub struct Machine {
    name: String,
    label: String,
    space: String,
    shared: PathBuf,
    disk: PathBuf,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    /// None until it has a first process.
    leader: Option<Pid>,
    nspawn: Child,
    // After the processes that are in them.
    _groups: Groups,
}

/// What a command said and how it ended.
#[derive(Debug, Clone)]
pub struct Output {
    /// Exit status 0.
    pub success: bool,
    /// Standard output and standard error, in this order.
    pub text: String,
}

impl Machine {
    /// A disk over the tree for a host of this name in a network namespace. It does not run yet.
    /// What is in `shared` is in [`SHARED`] on it.
    pub fn new(tree: &Tree, name: &str, space: &str, shared: &Path) -> Result<Self, String> {
        let label = format!("{PREFIX}{}-{}-{name}", id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let disk = hosts().join(&label);
        let machine = Self {
            name: name.to_owned(),
            label: label.clone(),
            space: space.to_owned(),
            shared: shared.to_owned(),
            disk,
            running: None,
        };
        for part in ["upper", "work", "root"] {
            let path = machine.disk.join(part);
            fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        }
        let (at, lower) = (machine.disk.display(), tree.path().display());
        let layers = format!("lowerdir={lower},upperdir={at}/upper,workdir={at}/work");
        // The name of the device is how the next test finds it, should this one be killed.
        run("mount", &["-t", "overlay", &label, "-o", &layers, &format!("{at}/root")])?;
        Ok(machine)
    }

    /// The same without a network: a disk to install something on, which is never booted.
    pub fn disk(tree: &Tree, name: &str) -> Result<Self, String> {
        sweep_disks();
        Self::new(tree, name, "none", &hosts())
    }

    /// Its disk as this process reaches it, whether it runs or not.
    pub fn root(&self) -> PathBuf {
        self.disk.join("root")
    }

    /// Its host name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it has power.
    pub fn is_on(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.leader.is_some())
    }

    /// A path of the running host as this process reaches it.
    pub fn path(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.leader()))
    }

    /// What we call the process that the machine calls `pid`.
    pub fn outside(&self, pid: &str) -> String {
        let inside = |outside: &Pid| {
            let status = fs::read_to_string(format!("/proc/{outside}/status")).unwrap_or_default();
            let ids = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
            ids.and_then(|ids| ids.split_whitespace().next_back()).map(str::to_owned)
        };
        let found =
            processes(&self.space).into_iter().find(|it| inside(it).as_deref() == Some(pid));
        found.unwrap_or_else(|| panic!("{}: there is no process {pid}", self.name)).to_string()
    }

    fn leader(&self) -> Pid {
        let leader = self.running.as_ref().and_then(|running| running.leader);
        leader.unwrap_or_else(|| panic!("{} does not run", self.name))
    }

    /// Gives it power, and waits until its systemd has started everything.
    pub fn boot(&mut self) {
        assert!(self.running.is_none(), "{} runs", self.name);
        let groups = Groups::make(&self.label).unwrap_or_else(|why| panic!("{why}"));
        let log = File::create(self.disk.join("console")).expect("a file on our own disk");
        let enter = format!("{}exec systemd-nspawn \"$@\"", groups.enter());
        let nspawn = Command::new("sh")
            .args(["-c", &enter, "sh", "--quiet", "--boot", "--register=no", "--keep-unit"])
            .args(["--settings=no", "--link-journal=no", "--resolv-conf=off", "--timezone=off"])
            .arg(format!("--directory={}", self.disk.join("root").display()))
            // For hooks that move addresses; the network is the host's own.
            .arg("--capability=CAP_NET_ADMIN")
            .arg(format!("--machine={}", self.label))
            .arg(format!("--hostname={}", self.name))
            .arg(format!("--network-namespace-path=/run/netns/{}", self.space))
            .arg(format!("--bind={}:{SHARED}", self.shared.display()))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("a shell");
        self.running = Some(Running { leader: None, nspawn, _groups: groups });
        self.booted();
    }

    /// Has it reboot in order, by its own systemd, and waits until it is up again.
    pub fn reboot(&mut self) {
        let ordered = self.run("systemctl reboot");
        assert!(ordered.success, "{}: {}", self.name, ordered.text);
        self.reboots();
    }

    /// Waits until it has begun to reboot, whoever asked for it, and until it is up again.
    pub fn reboots(&mut self) {
        let name = self.name.clone();
        // What a machine's firmware does is ours to do: systemd-nspawn ends.
        until(&format!("{name} has shut down"), || {
            let ended = self.running.as_mut()?.nspawn.try_wait();
            ended.expect("our own child")
        });
        self.running.as_mut().expect("it was given power").leader = None;
        self.power_off();
        self.boot();
    }

    /// Waits for a first process, and for all that it starts.
    fn booted(&mut self) {
        let what = format!("{} has a first process", self.name);
        let leader = until(&what, || {
            let nspawn = &mut self.running.as_mut()?.nspawn;
            if let Ok(Some(status)) = nspawn.try_wait() {
                let console = fs::read_to_string(self.disk.join("console")).unwrap_or_default();
                panic!("systemd-nspawn ended with {status}: {console}");
            }
            first_process(&self.space)
        });
        self.running.as_mut().expect("it was given power").leader = Some(leader);
        until(&format!("{} has booted", self.name), || {
            let state = self.run("systemctl is-system-running").text;
            ["running", "degraded"].contains(&state.trim()).then_some(())
        });
    }

    /// Takes its power: nothing on it gets a chance to do anything.
    pub fn power_off(&mut self) {
        let Some(mut running) = self.running.take() else { return };
        match running.leader {
            // With the first process of its namespace the kernel ends all of them.
            Some(leader) => drop(kill(leader, Signal::SIGKILL)),
            None => drop(running.nspawn.kill()),
        }
        let _ = running.nspawn.wait();
        if !std::thread::panicking() {
            until(&format!("{} is dead", self.name), || {
                processes(&self.space).is_empty().then_some(())
            });
        }
    }

    /// Runs a shell's line to its end.
    pub fn run(&self, line: &str) -> Output {
        // What hangs on a machine must not hang the tests.
        let output = Command::new("timeout")
            .args(["--kill-after=5", COMMAND_LIMIT, "nsenter"])
            .args(["--target", &self.leader().to_string(), "--all", "--wd"])
            .args(["sh", "-c", line])
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .env("SYSTEMD_PAGER", "")
            .stdin(Stdio::null())
            .output()
            .expect("timeout and nsenter can be run");
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.push_str(&String::from_utf8_lossy(&output.stderr));
        Output { success: output.status.success(), text }
    }

    /// The same for a line that must succeed; what it said.
    pub fn done(&self, line: &str) -> String {
        let output = self.run(line);
        assert!(output.success, "{}: {line}\n{}", self.name, output.text);
        output.text
    }

    /// One property of a unit.
    pub fn property(&self, unit: &str, property: &str) -> String {
        let line = format!("systemctl show --value --property={property} {unit}");
        self.done(&line).trim().to_owned()
    }

    /// What the journal of this boot has of bossd.
    pub fn journal(&self) -> String {
        self.done("journalctl --boot --no-pager --output=cat --unit=bossd.service")
    }

    /// Waits until the journal of this boot has this text of bossd; gives the line.
    pub fn logged(&self, text: &str) -> String {
        until(&format!("{text:?} in the journal of {}", self.name), || {
            self.journal().lines().find(|line| line.contains(text)).map(str::to_owned)
        })
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() && self.is_on() {
            let lines = self.run("journalctl --no-pager --lines=80 --output=short-monotonic");
            eprintln!("--- {}, the end of its journal:\n{}", self.name, lines.text);
        }
        self.power_off();
        let root = self.disk.join("root").display().to_string();
        drop(run("umount", &["--lazy", &root]));
        // systemd-nspawn leaves it behind where /run is on a disk.
        drop(fs::remove_dir(Path::new("/run/systemd/nspawn/propagate").join(&self.label)));
        drop(fs::remove_dir_all(&self.disk));
    }
}

/// The first process of a container in this network namespace, as this process calls it.
fn first_process(space: &str) -> Option<Pid> {
    processes(space).into_iter().find(|pid| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let ids = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
        ids.is_some_and(|ids| {
            let ids: Vec<_> = ids.split_whitespace().collect();
            ids.len() > 1 && ids.last() == Some(&"1")
        })
    })
}

fn processes(space: &str) -> Vec<Pid> {
    let inside = run("ip", &["netns", "pids", space]).unwrap_or_default();
    inside.lines().filter_map(|pid| pid.trim().parse().ok()).map(Pid::from_raw).collect()
}

/// Where the disks of all machines are.
pub(crate) fn hosts() -> PathBuf {
    target().join("systemd-hosts")
}

/// Removes the disks of tests that were killed; their mounts and processes went with the sweep of
/// `network`, which knows the same names.
pub(crate) fn sweep_disks() {
    for entry in fs::read_dir(hosts()).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(is_left) {
            drop(fs::remove_dir_all(entry.path()));
        }
    }
}

/// Whether a name is one of ours and its owner is gone.
pub(crate) fn is_left(name: &str) -> bool {
    let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
    let pid: Option<u32> = owner.and_then(|owner| owner.parse().ok());
    pid.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists())
}

/// Seconds; nothing takes a quarter of it.
const COMMAND_LIMIT: &str = "60";
/// As the names of `network` begin, whose sweep removes mounts of such names.
pub(crate) const PREFIX: &str = "boss-net-";
/// Where all machines of a test see the same directory.
pub(crate) const SHARED: &str = "/mnt/shared";
static NEXT: AtomicU32 = AtomicU32::new(0);
