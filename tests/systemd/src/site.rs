//! Three machines on a network, boss installed on them from its package, and the watch over them: what
//! the hooks wrote, into one file that all of them see.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::process::id;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use control::client::Client;
use control::model::Status;
use harness::judge::{Effect, HOST_DIED, judge, parse};
use harness::{Acting, Seen, agreed, boot_ns, until};
use network::{Lan, address};

use crate::machine::{Machine, PREFIX, SHARED, hosts, sweep_disks};
use crate::packages::Packages;
use crate::tree::Tree;

/// What the machines are called.
pub const NAMES: [&str; 3] = ["alpha", "beta", "gamma"];

/// The whole of a test. In this order it is taken down.
#[derive(Debug)]
pub struct Site {
    machines: Vec<Machine>,
    /// Those whose bossd the test has stopped.
    stopped: Vec<bool>,
    _lan: Lan,
    shared: Shared,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
}

impl Site {
    /// So many machines, booted, with the package in the shared directory and not installed.
    pub fn booted(tree: &Tree, packages: &Packages, count: usize) -> Self {
        let lan = done(Lan::new(count));
        sweep_disks();
        let shared = Shared::make();
        for (from, to) in [(&packages.deb, "boss.deb"), (&packages.newer_deb, "boss-later.deb")] {
            fs::copy(from, shared.path.join(to)).expect("a package that was found");
        }
        fs::copy(harness::witness(), shared.path.join("10-witness")).expect("it was built");
        let make =
            |host: usize| Machine::new(tree, NAMES[host], lan.host(host).name(), &shared.path);
        let machines = (0..count).map(|host| done(make(host))).collect();
        let mut site = Self { machines, stopped: vec![true; count], _lan: lan, shared };
        site.at_once(Machine::boot);
        site
    }

    /// Three machines with the package installed and configured, certificates and hooks in place.
    pub fn configured(tree: &Tree, packages: &Packages) -> Self {
        Self::configured_some(tree, packages, NAMES.len())
    }

    /// So many of them.
    pub fn configured_some(tree: &Tree, packages: &Packages, count: usize) -> Self {
        let mut site = Self::booted(tree, packages, count);
        site.at_once(|machine| drop(machine.done(&format!("dpkg --install {SHARED}/boss.deb"))));
        let first = &site.machines[0];
        first.done(&format!("bossctl ca init --dir {SHARED}/ca test"));
        let config = site.shared.path.join("cluster.toml");
        fs::write(config, configuration(count)).expect("our own file");
        for name in &NAMES[..count] {
            first.done(&format!(
                "bossctl ca issue --dir {SHARED}/ca --config {SHARED}/cluster.toml \
                 --bundle {SHARED}/{name}.bundle {name}"
            ));
        }
        site.at_once(|machine| {
            let name = machine.name();
            machine.done(&format!(
                "bossctl install-bundle {SHARED}/{name}.bundle &&
                 ln -s {SHARED}/witness.log /etc/boss/witness.log &&
                 install -m 0755 {SHARED}/10-witness /etc/boss/hooks.d/ &&
                 bossd --check"
            ));
        });
        site
    }

    /// The same, with bossd started everywhere, and a boss.
    pub fn started(tree: &Tree, packages: &Packages) -> (Self, Acting) {
        let mut site = Self::configured(tree, packages);
        let boss = site.start_all();
        (site, boss)
    }

    /// Enables and starts bossd everywhere; who is the boss then.
    pub fn start_all(&mut self) -> Acting {
        self.at_once(|machine| drop(machine.done("systemctl enable --quiet --now bossd")));
        self.stopped.fill(false);
        self.boss()
    }

    /// Does something on all machines at once.
    pub fn at_once(&mut self, what: impl Fn(&mut Machine) + Sync) {
        thread::scope(|scope| {
            let what = &what;
            let all: Vec<_> = self
                .machines
                .iter_mut()
                .map(|machine| scope.spawn(move || what(machine)))
                .collect();
            for one in all {
                if let Err(panic) = one.join() {
                    std::panic::resume_unwind(panic);
                }
            }
        });
    }

    /// A machine by its place.
    pub fn machine(&self, host: usize) -> &Machine {
        &self.machines[host]
    }

    /// All but one.
    pub fn others(&self, but: usize) -> Vec<usize> {
        (0..self.machines.len()).filter(|host| *host != but).collect()
    }

    /// Stops bossd on a machine.
    pub fn stop(&mut self, host: usize) {
        self.machines[host].done("systemctl stop bossd");
        self.stopped[host] = true;
    }

    /// Starts it again.
    pub fn start(&mut self, host: usize) {
        self.machines[host].done("systemctl start bossd");
        self.stopped[host] = false;
    }

    /// The start of it that fails; what systemctl said.
    pub fn fail_to_start(&mut self, host: usize) -> String {
        let output = self.machines[host].run("systemctl start bossd");
        assert!(!output.success, "it started: {}", output.text);
        self.stopped[host] = true;
        output.text
    }

    /// Does not wait for an answer of this machine's bossd any more: it cannot start.
    pub fn count_out(&mut self, host: usize) {
        self.stopped[host] = true;
    }

    /// Takes the power of a machine, and writes that down for the judge.
    pub fn power_off(&mut self, host: usize) {
        self.machines[host].power_off();
        let line = format!("{} {} {HOST_DIED} - end\n", boot_ns(), NAMES[host]);
        let log = OpenOptions::new().create(true).append(true).open(self.witnessed());
        log.and_then(|mut log| log.write_all(line.as_bytes())).expect("our own log");
    }

    /// Gives it power again; bossd is enabled on it.
    pub fn power_on(&mut self, host: usize) {
        self.machines[host].boot();
    }

    /// Has it reboot in order.
    pub fn reboot(&mut self, host: usize) {
        self.machines[host].reboot();
    }

    /// Waits until one reboots that nobody has told to, and until it is up again.
    pub fn reboots_by_itself(&mut self, host: usize) {
        self.machines[host].reboots();
    }

    /// Waits for a boss that all agree on.
    pub fn boss(&self) -> Acting {
        until("a boss that all who run agree on", || agreed(&self.seen()))
    }

    /// Waits for one with a later epoch.
    pub fn boss_after(&self, before: &Acting) -> Acting {
        until(&format!("a boss after {before:?}"), || {
            agreed(&self.seen()).filter(|acting| acting.epoch > before.epoch)
        })
    }

    /// Waits until all who run agree on this very boss.
    pub fn agree_on(&self, boss: &Acting) {
        until(&format!("all agree on {boss:?}"), || {
            agreed(&self.seen()).filter(|acting| acting == boss).map(drop)
        });
    }

    /// That this boss had not to wait for the fence window: by what it knew nothing acted any more.
    pub fn nobody_waited(&self, boss: &Acting) {
        let line = self.machines[boss.index].logged(&format!("became boss, epoch {} ", boss.epoch));
        assert!(!line.contains("waited out"), "{line}");
    }

    /// What each says of itself now.
    pub fn seen(&self) -> Vec<Seen> {
        let one = |(machine, stopped): (&Machine, &bool)| {
            if *stopped || !machine.is_on() {
                return Seen::Down;
            }
            status(machine).map_or(Seen::Silent, |status| Seen::Up(Box::new(status)))
        };
        self.machines.iter().zip(&self.stopped).map(one).collect()
    }

    /// Judges what the hooks wrote; `acting` is who is boss now.
    pub fn judge(&self, acting: Option<&Acting>) -> Vec<Effect> {
        let text = fs::read_to_string(self.witnessed()).unwrap_or_default();
        parse(&text)
            .and_then(|lines| judge(&lines, acting.map(|acting| acting.name.as_str())))
            .unwrap_or_else(|violation| panic!("{violation}\n{text}"))
    }

    fn witnessed(&self) -> PathBuf {
        self.shared.path.join("witness.log")
    }
}

fn status(machine: &Machine) -> Option<Status> {
    let socket = machine.path("/run/boss/control.sock");
    let document = Client::connect(&socket, PATIENCE).ok()?.status().ok()?;
    serde_json::from_value(document).ok()
}

/// As in the README, with hold-offs so short that a test can go on at once.
fn configuration(count: usize) -> String {
    let head = "[cluster]\nname = \"test\"\n[election]\nhold-off = \"1s\"\n".to_owned();
    NAMES[..count].iter().enumerate().fold(head, |text, (host, name)| {
        let address = address(host);
        format!("{text}[[member]]\nname = \"{name}\"\naddress = \"{address}:26770\"\n")
    })
}

impl Shared {
    fn make() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = hosts().join(format!("{PREFIX}{}-shared-{number}", id()));
        fs::create_dir_all(&path).expect("a directory in our own target directory");
        Self { path }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let witnessed = fs::read_to_string(self.path.join("witness.log")).unwrap_or_default();
            eprintln!("--- what the witnesses wrote:\n{witnessed}");
        }
        drop(fs::remove_dir_all(&self.path));
    }
}

fn done<T>(result: Result<T, String>) -> T {
    result.unwrap_or_else(|why| panic!("{why}"))
}

/// A daemon that takes longer to answer is silent.
const PATIENCE: Duration = Duration::from_secs(1);
static NEXT: AtomicU32 = AtomicU32::new(0);
