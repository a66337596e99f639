//! `cluster NAMES [profile= prefer= failback= hold-off= fence= heartbeat= lease= hooks-timeout=
//! escalation= witness= observer= priority.X= address.X= joined.X=]`: a new world.

use election::{
    Address, ClusterState, Criterion, DEFAULT_PRIORITY, Failback, Kind, Member, Members, NodeId,
    Policy, Profile, Span, Timing,
};

use super::Stage;
use super::words::span;
use crate::world::{Settings, World};

impl Stage {
    pub(super) fn cluster(&mut self, words: &[&str]) -> Result<(), String> {
        let names = words.iter().filter(|word| !word.contains('=')).enumerate();
        let mut members: Vec<(NodeId, Member)> = names.map(member).collect();
        let mut timing = Timing::of(Profile::Lan);
        let mut policy = Policy::default();
        let mut settings = Settings { hooks_timeout: Span::from_secs(2), escalation: Span::ZERO };
        for (key, value) in words.iter().filter_map(|word| word.split_once('=')) {
            match key {
                "profile" => timing = Timing::of(profile(value)?),
                "fence" => timing.fence = span(value)?,
                "heartbeat" => timing.heartbeat = span(value)?,
                "lease" => timing.lease = span(value)?,
                "prefer" => policy.prefer = criteria(value)?,
                "failback" => policy.failback = Failback::After(span(value)?),
                "hold-off" => policy.hold_off = span(value)?,
                "hooks-timeout" => settings.hooks_timeout = span(value)?,
                "escalation" => settings.escalation = span(value)?,
                "witness" | "observer" => {
                    find(&mut members, value)?.kind =
                        if key == "witness" { Kind::Witness } else { Kind::Observer };
                }
                _ => set_member(&mut members, key, value)?,
            }
        }
        timing.check().map_err(|error| error.to_string())?;
        let members = Members::new(members).map_err(|error| error.to_string())?;
        let state = ClusterState::unborn(members, timing, policy);
        self.world = Some(World::new(&state, settings, self.broken));
        self.mark = (0, 0);
        self.line = 0;
        Ok(())
    }
}

fn member((index, name): (usize, &&str)) -> (NodeId, Member) {
    let host = u8::try_from(index + 1).expect("few hosts");
    let member = Member {
        address: Address::Ip(([10, 0, 0, host], 26770).into()),
        kind: Kind::Voter,
        priority: DEFAULT_PRIORITY,
        incarnation: None,
        joined: u32::from(host),
        drained: None,
    };
    (NodeId::new(name), member)
}

fn set_member(members: &mut [(NodeId, Member)], key: &str, value: &str) -> Result<(), String> {
    let (what, name) = key.split_once('.').ok_or_else(|| format!("no key: {key}"))?;
    let member = find(members, name)?;
    let bad = |_| format!("no value for {key}: {value}");
    match what {
        "priority" => member.priority = value.parse().map_err(bad)?,
        "joined" => member.joined = value.parse().map_err(bad)?,
        "address" => {
            let address = value.parse().map_err(|_| format!("no address: {value}"))?;
            member.address = Address::Ip(address);
        }
        _ => return Err(format!("no key: {key}")),
    }
    Ok(())
}

fn find<'a>(members: &'a mut [(NodeId, Member)], name: &str) -> Result<&'a mut Member, String> {
    let found = members.iter_mut().find(|(node, _)| node.as_str() == name);
    found.map(|(_, member)| member).ok_or_else(|| format!("no member: {name}"))
}

fn profile(name: &str) -> Result<Profile, String> {
    let found = Profile::ALL.into_iter().find(|profile| profile.name() == name);
    found.ok_or_else(|| format!("no profile: {name}"))
}

fn criteria(list: &str) -> Result<Vec<Criterion>, String> {
    let one = |name: &str| {
        let found = Criterion::ALL.into_iter().find(|criterion| criterion.name() == name);
        found.ok_or_else(|| format!("no criterion: {name}"))
    };
    list.split(',').map(one).collect()
}
