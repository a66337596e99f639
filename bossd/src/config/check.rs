//! From the tables of the files to the checked [`Config`]: what the values mean, one by one and
//! together. Everything that is wrong is found in one go. This file has the cluster-wide part,
//! `server` the sections of this server.

use std::collections::BTreeMap;

use election::{
    Address, ClusterState, Criterion, DEFAULT_PRIORITY, Failback, Kind, LONGEST_HOLD_OFF, Member,
    Members, MembersError, NodeId, Policy, Profile, Span, Timing, TimingError,
};
use toml::de::DeValue;

use super::canonical::{LONGEST_CANONICAL, canonical_of};
use super::error::shown;
use super::fence::check_fence;
use super::file::{Documents, Table, in_key, parse_choice};
use super::keepalived::check_keepalived;
use super::problems::{At, Given, Problems};
use super::values::{
    A_RATE, Wrong, parse_fraction, parse_member_address, parse_name, parse_percent, parse_span,
    written,
};
use super::{Checked, ClusterConfig, Config, ConfigError, Sources, server};

/// Checks the texts. `host_name` is who this server is if `[node] name` does not say it.
pub fn parse(sources: &Sources, host_name: &str) -> Result<Config, ConfigError> {
    parse_to_act(sources, host_name, true)
}

/// The same for the process that is to act by it: what it has no rights for is refused as well.
pub fn parse_to_act(
    sources: &Sources,
    host_name: &str,
    may_reboot: bool,
) -> Result<Config, ConfigError> {
    let mut problems = Problems::new(sources);
    let documents = Documents::parse(sources, &mut problems);
    if problems.syntax_failed() {
        return Err(problems.into_error());
    }
    let config = check(&documents, sources, host_name, &mut problems);
    if !may_reboot {
        server::refuse_reboot(&documents.section("hooks"), &mut problems);
    }
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        _ => Err(problems.into_error()),
    }
}

/// None, or what is made of defaults, if there are problems.
fn check(
    documents: &Documents<'_>,
    sources: &Sources,
    host_name: &str,
    problems: &mut Problems<'_>,
) -> Option<Config> {
    let name = check_cluster_name(documents, problems);
    let listed = check_members(documents, problems);
    let timing = check_timing(&documents.section("timing"), problems);
    let policy = check_election(&documents.section("election"), problems);
    let node_table = documents.section("node");
    let node = server::check_node(&node_table, &listed, host_name, &sources.directory, problems);
    let log = server::check_log(&documents.section("log"), problems);
    let control = server::check_control(
        &documents.section("control"),
        node.as_ref(),
        &sources.directory,
        problems,
    );
    let tls = server::check_tls(&documents.section("tls"), &sources.directory, problems);
    let hooks_table = documents.section("hooks");
    let hooks = server::check_hooks(&hooks_table, &sources.directory, problems);
    let fence = check_fence(&documents.section("fence"), &sources.directory, problems);
    let keepalived = check_keepalived(
        &documents.section("keepalived"),
        name.as_deref(),
        &sources.directory,
        problems,
    );
    if let (Some(timing), Some(hooks)) = (&timing, &hooks) {
        server::check_fence_window(&hooks_table, hooks, timing.fence, problems);
    }
    let state = ClusterState::unborn(listed.members?, timing?, policy);
    let cluster = check_size(name?, state, problems);
    let files = std::iter::once(&sources.cluster).chain(&sources.node);
    let files = files.map(|source| source.path.clone()).collect();
    let (node, hooks) = (node?, hooks?);
    Some(Config {
        files,
        cluster,
        node,
        log,
        control,
        tls,
        hooks,
        fence,
        keepalived,
        checked: Checked,
    })
}

fn check_cluster_name(documents: &Documents<'_>, problems: &mut Problems<'_>) -> Option<String> {
    let table = documents.section("cluster");
    if !documents.mentions("cluster") {
        let help = "add [cluster] and, below it, name = \"web\"";
        problems.add_near(None, Wrong::new("has no section [cluster]", help));
    }
    Some(table.required("name", "\"web\"", parse_name, problems)?.value.to_owned())
}

/// The `[[member]]` sections: each one's head, for what concerns one of them, and all of them if
/// they are right together.
pub(super) struct Listed {
    /// In the order of the file.
    pub(super) heads: Vec<Head>,
    members: Option<Members>,
}

/// Who a member is and where; None is what is wrong or missing.
#[derive(Clone)]
pub(super) struct Head {
    pub(super) name: Option<NodeId>,
    pub(super) address: Option<Address>,
}

fn check_members(documents: &Documents<'_>, problems: &mut Problems<'_>) -> Listed {
    if !documents.mentions("member") {
        let help = "add a section [[member]] with name = \"alpha\" and address = \
                    \"10.0.0.1:26770\" for each server";
        problems.add_near(None, Wrong::new("has no [[member]]", help));
        return Listed { heads: Vec::new(), members: None };
    }
    check_each_member(&documents.repeated("member"), problems)
}

fn check_each_member(tables: &[Table<'_>], problems: &mut Problems<'_>) -> Listed {
    let before = problems.count();
    let (mut names, mut addresses) = (Unique::new("name"), Unique::new("address"));
    let mut heads = Vec::new();
    let mut complete = Vec::new();
    for (joined, table) in (0_u32..).zip(tables) {
        let name = table.required("name", "\"alpha\"", parse_name, problems);
        let address =
            table.required("address", "\"10.0.0.1:26770\"", parse_member_address, problems);
        if let Some(name) = &name {
            names.note(name.value, &name.at, problems);
        }
        if let Some(address) = &address {
            addresses.note(&address.value.to_string(), &address.at, problems);
        }
        let kind = table.choice("kind", &KINDS.map(|kind| (kind.name(), kind)), problems);
        let priority = table.integer("priority", PRIORITIES, problems);
        let head = Head {
            name: name.map(|given| NodeId::new(given.value)),
            address: address.map(|given| given.value),
        };
        if let Head { name: Some(name), address: Some(address) } = head.clone() {
            let kind = kind.map_or(Kind::Voter, |given| given.value);
            let priority = priority.map_or(DEFAULT_PRIORITY, |given| given.value);
            let (incarnation, drained) = (None, None);
            let member = Member { address, kind, priority, incarnation, joined, drained };
            complete.push((name, member));
        }
        heads.push(head);
    }
    let right_so_far = problems.count() == before && !tables.is_empty();
    let members = if right_so_far { check_together(complete, tables, problems) } else { None };
    Listed { heads, members }
}

fn check_together(
    list: Vec<(NodeId, Member)>,
    tables: &[Table<'_>],
    problems: &mut Problems<'_>,
) -> Option<Members> {
    let error = match Members::new(list) {
        Ok(members) => return Some(members),
        Err(error) => error,
    };
    let help = match error {
        MembersError::NoVoter => "write kind = \"voter\", the default, at one member at least",
        MembersError::TooManyVoters(_) => "write kind = \"observer\" at those that only follow",
        MembersError::TooManyMembers(_) => "make two clusters of it",
        MembersError::Twice(_) => "give each member a name of its own",
    };
    let first_kind = tables.iter().find_map(|table| table.place_of("kind"));
    let at = match error {
        MembersError::NoVoter => first_kind.as_ref().or(tables[0].at()),
        _ => tables.last().and_then(Table::at),
    };
    problems.add_near(at, Wrong::new(error.to_string(), help));
    None
}

/// Finds a value that two members have.
struct Unique {
    key: &'static str,
    seen: BTreeMap<String, At>,
}

impl Unique {
    fn new(key: &'static str) -> Self {
        Self { key, seen: BTreeMap::new() }
    }

    fn note(&mut self, value: &str, at: &At, problems: &mut Problems<'_>) {
        let key = self.key;
        match self.seen.get(value) {
            None => {
                self.seen.insert(value.to_owned(), at.clone());
            }
            Some(first) => {
                let line = problems.line(first);
                let message = format!("{key} {} is taken by the member of {line}", shown(value));
                let help = format!("give each member its own {key}");
                problems.add(at, Wrong::new(message, help));
            }
        }
    }
}

fn check_timing(table: &Table<'_>, problems: &mut Problems<'_>) -> Option<Timing> {
    let before = problems.count();
    let profiles = Profile::ALL.map(|profile| (profile.name(), profile));
    let profile = table.choice("profile", &profiles, problems);
    let mut timing = Timing::of(profile.map_or(Profile::Lan, |profile| profile.value));
    let mut span = |key, into: &mut Span| {
        if let Some(given) = table.time(key, parse_span, problems) {
            *into = given.value;
        }
    };
    span("heartbeat", &mut timing.heartbeat);
    span("lease", &mut timing.lease);
    span("fence-window", &mut timing.fence);
    if let Some(rho) = check_rho(table, problems) {
        timing.rho_ppm = rho;
    }
    if problems.count() == before {
        check_relations(table, timing, problems);
    }
    (problems.count() == before).then_some(timing)
}

fn check_rho(table: &Table<'_>, problems: &mut Problems<'_>) -> Option<u32> {
    let Given { value, at } = table.value("rho")?;
    let parsed = match value {
        DeValue::String(text) => parse_percent(text),
        DeValue::Float(number) => parse_fraction(number.as_str()),
        DeValue::Integer(number) => parse_fraction(&number.to_string()),
        _ => Err(Wrong::new("neither a string nor a number", A_RATE)),
    };
    let parsed = parsed.map_err(|wrong| in_key("rho", wrong)).and_then(|ppm| {
        if ppm >= LEAST_RHO_PPM {
            return Ok(ppm);
        }
        let message = "`rho` is below 0.01 %, and no clock of a server is that good";
        Err(Wrong::new(message, "the default, \"0.5%\", allows for a bad clock"))
    });
    Some(problems.sort_out(parsed, at)?.value)
}

/// The relations between the times (protocol.md 7), each at the key that breaks it. The core
/// tells one error at a time; what is broken is set right for the next look.
fn check_relations(table: &Table<'_>, mut timing: Timing, problems: &mut Problems<'_>) {
    let sound = Timing::of(timing.profile);
    let mut blamed = Vec::new();
    if timing.fence < SHORTEST_FENCE_WINDOW && timing.fence > Span::ZERO {
        let message = format!("fence-window is {}, but must hold the demote hooks", timing.fence);
        let help = format!("no process starts and ends in less than {SHORTEST_FENCE_WINDOW}");
        problems.add_near(table.place_of("fence-window").as_ref(), Wrong::new(message, help));
    }
    while let Err(error) = timing.check() {
        let (key, help) = match error {
            TimingError::HeartbeatTooShort(_) => ("heartbeat", "make the heartbeat longer"),
            TimingError::LeaseTooShort { .. } => {
                ("lease", "make the lease longer or the heartbeat shorter")
            }
            TimingError::PromiseTooLong(_) => ("lease", "make the lease shorter"),
            TimingError::FenceOutOfRange(_) => ("fence-window", "from 10 ms to a minute or so"),
            TimingError::RhoTooLarge(_) => ("rho", "the default is \"0.5%\""),
        };
        // A value that is not in the file comes from the profile: the fault is in one that is.
        let at = [key, "heartbeat", "lease"].iter().find_map(|key| table.place_of(key));
        if blamed.contains(&key) {
            return;
        }
        blamed.push(key);
        problems.add_near(at.as_ref().or(table.at()), Wrong::new(error.to_string(), help));
        match error {
            TimingError::HeartbeatTooShort(_) => timing.heartbeat = sound.heartbeat,
            TimingError::LeaseTooShort { least, .. } => timing.lease = least,
            TimingError::PromiseTooLong(_) => timing.lease = timing.heartbeat.times(4),
            TimingError::FenceOutOfRange(_) => timing.fence = sound.fence,
            TimingError::RhoTooLarge(_) => timing.rho_ppm = sound.rho_ppm,
        }
    }
}

fn check_election(table: &Table<'_>, problems: &mut Problems<'_>) -> Policy {
    let default = Policy::default();
    let prefer = check_prefer(table, problems).unwrap_or(default.prefer);
    let failback = table.choice("failback", &[("never", false), ("auto", true)], problems);
    let delay = table.time(
        "failback-delay",
        |text| parse_span_within(text, Span::ZERO, LONGEST_FAILBACK_DELAY),
        problems,
    );
    let auto = failback.is_some_and(|failback| failback.value);
    if let (Some(delay), false) = (&delay, auto) {
        let message = "`failback-delay` has no effect with failback = \"never\"";
        let help = "remove it, or write failback = \"auto\"";
        problems.add(&delay.at, Wrong::new(message, help));
    }
    let delay = delay.map_or(DEFAULT_FAILBACK_DELAY, |delay| delay.value);
    let hold_off = table.time(
        "hold-off",
        |text| parse_span_within(text, SHORTEST_HOLD_OFF, LONGEST_HOLD_OFF),
        problems,
    );
    Policy {
        prefer,
        failback: if auto { Failback::After(delay) } else { Failback::Never },
        hold_off: hold_off.map_or(default.hold_off, |hold_off| hold_off.value),
    }
}

fn check_prefer(table: &Table<'_>, problems: &mut Problems<'_>) -> Option<Vec<Criterion>> {
    let Given { value: list, at } = table.strings("prefer", problems)?;
    let criteria = Criterion::ALL.map(|criterion| (criterion.name(), criterion));
    if list.is_empty() {
        let help = "write prefer = [\"priority\", \"oldest\", \"lowest-address\"], the default";
        problems.add(&at, Wrong::new("`prefer` is empty", help));
    }
    let mut prefer = Vec::new();
    for Given { value: text, at } in list {
        let parsed = parse_choice(text, &criteria).map_err(|wrong| in_key("prefer", wrong));
        let parsed = parsed.and_then(|criterion| {
            if prefer.contains(&criterion) {
                let message = format!("`prefer` has {} twice", shown(text));
                return Err(Wrong::new(message, "the first one decides; remove the other"));
            }
            Ok(criterion)
        });
        prefer.extend(problems.sort_out(parsed, at).map(|given| given.value));
    }
    Some(prefer)
}

/// The canonical text travels in one message (protocol.md 6), so it is bounded.
fn check_size(name: String, state: ClusterState, problems: &mut Problems<'_>) -> ClusterConfig {
    let canonical = canonical_of(&name, &state);
    if canonical.len() > LONGEST_CANONICAL {
        let message = format!(
            "the cluster-wide part is {} bytes long in full, at most {LONGEST_CANONICAL} may be",
            canonical.len()
        );
        let help = "shorten the members' names and host names, or use addresses";
        problems.add_near(None, Wrong::new(message, help));
    }
    ClusterConfig { name, state, canonical }
}

/// A time that must be in a range.
pub(super) fn parse_span_within(text: &str, least: Span, most: Span) -> Result<Span, Wrong> {
    let span = parse_span(text)?;
    if (least..=most).contains(&span) {
        return Ok(span);
    }
    let help = format!("from {} to {}", written(least), written(most));
    Err(Wrong::new(format!("{} is out of range", shown(text)), help))
}

const KINDS: [Kind; 3] = [Kind::Voter, Kind::Witness, Kind::Observer];
/// 0 and 255 stay free for meanings that other tools give them.
const PRIORITIES: (u8, u8) = (1, 254);
/// 100 ppm: what a good crystal drifts with the temperature. Below it P would not outlast L.
const LEAST_RHO_PPM: u32 = 100;
/// Less than it takes to start and end a process.
const SHORTEST_FENCE_WINDOW: Span = Span::from_millis(10);
/// A better node must be healthy for this long, if the file says nothing.
const DEFAULT_FAILBACK_DELAY: Span = Span::from_secs(30);
/// Beyond a day it is not a delay but a decision: `failback = "never"`.
const LONGEST_FAILBACK_DELAY: Span = Span::from_secs(24 * 3600);
/// A shorter one would let a node whose promote fails take over again at once.
const SHORTEST_HOLD_OFF: Span = Span::from_millis(100);
