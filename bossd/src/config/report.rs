//! What `bossd --check` says about a valid configuration: who takes part, what losses it
//! survives, and what to expect of its timing.

use std::fmt::{self, Write as _};

use election::{Failback, Kind, NodeId, Timing, ranking};

use super::{Config, OnFenceFailure};

/// The report, for people.
pub fn report(config: &Config) -> String {
    let mut report = Report(String::new());
    report.files(config);
    report.members(config);
    report.quorum(config);
    report.timing(config);
    report.bounds(config);
    report.scripts(config);
    report.0
}

struct Report(String);

impl Report {
    fn files(&mut self, config: &Config) {
        let files: Vec<_> = config.files.iter().map(|file| file.display().to_string()).collect();
        let verb = if files.len() == 1 { "is" } else { "are" };
        let _ = writeln!(self.0, "{} {verb} valid.", files.join(" and "));
    }

    fn members(&mut self, config: &Config) {
        let (cluster, node) = (&config.cluster, &config.node);
        let state = &cluster.state;
        self.heading("cluster");
        self.line("name", &cluster.name);
        self.line("this server", &format_args!("{}, listens on {}", node.name, node.listen));
        for (name, member) in state.members.iter() {
            let kind = member.kind.name();
            let (address, priority) = (&member.address, member.priority);
            let what = format!("{kind}, {address}, priority {priority}");
            self.line(&format!("member {name}"), &what);
        }
        let order = ranking(&state.members, &state.policy.prefer, |_, m| m.kind == Kind::Voter);
        let order: Vec<_> = order.into_iter().map(NodeId::as_str).collect();
        self.line("preferred as boss", &order.join(", then "));
        match state.policy.failback {
            Failback::Never => self.line("failback", &"never: a healthy boss stays"),
            Failback::After(delay) => {
                let after = format!("when a better node has been healthy for {delay}");
                self.line("failback", &after);
            }
        }
        self.line("hold-off", &format_args!("{} after a failed promote", state.policy.hold_off));
    }

    fn quorum(&mut self, config: &Config) {
        let members = &config.cluster.state.members;
        let votes = members.voting().count();
        let survived = votes - members.quorum();
        let eligible = members.iter().filter(|(_, member)| member.kind == Kind::Voter).count();
        let of = format!("{} of {votes} votes, {}", members.quorum(), survives(survived));
        self.line("quorum", &of);
        if eligible == 1 {
            self.note("Only one member can become boss: when it is lost, there is no boss.");
        }
        match votes {
            2 => self.note(
                "Two votes survive no loss. Add a witness: the same bossd on any third machine, \
                 kind = \"witness\", no hooks, no root.",
            ),
            n if n % 2 == 0 => self.note(&format!(
                "{n} votes survive no more than {} do. One more, a witness for example, and the \
                 cluster {}.",
                n - 1,
                survives(survived + 1)
            )),
            _ => {}
        }
    }

    /// Of those for keepalived, what would not be as there.
    fn scripts(&mut self, config: &Config) {
        if config.keepalived.fault.is_some() {
            self.heading("scripts for keepalived");
            self.line(
                "notify-fault",
                &"not called in this version: a server that cannot be boss is told BACKUP",
            );
        }
    }

    fn timing(&mut self, config: &Config) {
        let timing = &config.cluster.state.timing;
        self.heading("timing");
        self.line("profile", &timing.profile.name());
        self.line("heartbeat", &timing.heartbeat);
        self.line("lease", &timing.lease);
        self.line("promise", &format_args!("{}, which outlasts a lease", timing.promise()));
        self.line("fence window", &timing.fence);
        let waits = format!("waits {}, which outlasts a fence window", timing.fence_wait());
        self.line("a successor", &waits);
        self.line("clock rate error", &format_args!("up to {} %", percent(timing)));
        self.line("between candidates", &timing.slot);
    }

    fn bounds(&mut self, config: &Config) {
        let timing = &config.cluster.state.timing;
        let votes = config.cluster.state.members.voting().count();
        let bounds = timing.bounds(u32::try_from(votes).unwrap_or(u32::MAX));
        let urgent = config.hooks.urgent_budget(timing.fence);
        let crash = urgent.plus(bounds.elector_crash);
        let cut_off = bounds.host_loss_worst.minus(bounds.stall_tolerated);
        self.heading("what to expect, without the time of the promote hooks");
        self.line(
            "host lost",
            &format_args!(
                "the next boss starts after {} at worst, {} at least",
                bounds.host_loss_worst, bounds.host_loss_least
            ),
        );
        self.line(
            "process crashed",
            &format_args!("{crash} at worst, {} after the demote hooks", bounds.elector_crash),
        );
        self.line(
            "planned switchover",
            &format_args!("{} after the demote hooks", bounds.graceful),
        );
        self.line(
            "window without a boss",
            &format_args!(
                "{} at worst when its host is lost, {cut_off} when it is cut off",
                bounds.host_loss_worst
            ),
        );
        self.line(
            "stall tolerated",
            &format_args!("{} of the boss's process or host", bounds.stall_tolerated),
        );
        self.line("urgent demote", &urgent_demote(config));
        self.line("planned demote", &format_args!("{} at most", config.hooks.timeout));
        if let Some(fence) = &config.fence {
            let (program, timeout) = (&fence.argv[0], fence.timeout);
            let what =
                format!("{program} within {timeout}; exit 0 ends the wait for its fence window");
            self.line("a lost peer is ended", &what);
        }
    }

    fn heading(&mut self, text: &str) {
        let _ = writeln!(self.0, "\n{text}");
    }

    fn line(&mut self, label: &str, value: &dyn fmt::Display) {
        let _ = writeln!(self.0, "  {label:<22} {value}");
    }

    fn note(&mut self, text: &str) {
        let _ = writeln!(self.0, "  {:<22} {text}", "");
    }
}

fn urgent_demote(config: &Config) -> String {
    let hooks = config.hooks.urgent_budget(config.cluster.state.timing.fence);
    match &config.hooks.on_fence_failure {
        OnFenceFailure::Alarm => format!("hooks get {hooks}, then an alarm"),
        OnFenceFailure::StopUnits { timeout } => {
            format!("hooks get {hooks}, then the units of boss.target are ended within {timeout}")
        }
        OnFenceFailure::Reboot { timeout } => {
            format!("hooks get {hooks}, then this host reboots by force, {timeout} before the end")
        }
        OnFenceFailure::Command { argv, timeout } => {
            format!("hooks get {hooks}, then {} gets {timeout}", argv[0])
        }
    }
}

fn survives(losses: usize) -> String {
    match losses {
        0 => "survives no loss".to_owned(),
        1 => "survives the loss of 1 server".to_owned(),
        n => format!("survives the loss of {n} servers"),
    }
}

fn percent(timing: &Timing) -> f64 {
    f64::from(timing.rho_ppm) / 10_000.0
}
