//! The mirrors of what an operator sets for the whole cluster: timing and policy.

use election::{
    Criterion, Failback, LONGEST_PROMISE, MOST_MEMBERS, Policy, Profile, Settings, Span, Timing,
};
use serde::{Deserialize, Serialize};

use super::{SchemaError, document};

/// [`Settings`], on its way to the leader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingsDoc {
    timing: TimingDoc,
    policy: PolicyDoc,
    priorities: Vec<(String, u8)>,
}

/// [`Timing`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TimingDoc {
    profile: String,
    heartbeat_ns: u64,
    lease_ns: u64,
    fence_ns: u64,
    rho_ppm: u32,
    slot_ns: u64,
    margin_ns: u64,
}

/// [`Policy`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PolicyDoc {
    prefer: Vec<String>,
    failback_after_ns: Option<u64>,
    hold_off_ns: u64,
}

impl From<&Settings> for SettingsDoc {
    fn from(settings: &Settings) -> Self {
        let Settings { timing, policy, priorities } = settings;
        let priorities = priorities.iter().map(|(name, priority)| (name.to_string(), *priority));
        Self { timing: timing.into(), policy: policy.into(), priorities: priorities.collect() }
    }
}

impl TryFrom<SettingsDoc> for Settings {
    type Error = SchemaError;

    fn try_from(doc: SettingsDoc) -> Result<Self, SchemaError> {
        let SettingsDoc { timing, policy, priorities } = doc;
        if priorities.len() > MOST_MEMBERS {
            return Err(SchemaError::value("the number of priorities", priorities.len()));
        }
        let named = |(name, priority): (String, u8)| Ok((document::node(&name)?, priority));
        Ok(Self {
            timing: timing.try_into()?,
            policy: policy.try_into()?,
            priorities: priorities.into_iter().map(named).collect::<Result<_, SchemaError>>()?,
        })
    }
}

impl From<&Timing> for TimingDoc {
    fn from(timing: &Timing) -> Self {
        let Timing { profile, heartbeat, lease, fence, rho_ppm, slot, margin } = timing;
        Self {
            profile: profile.name().to_owned(),
            heartbeat_ns: heartbeat.as_nanos(),
            lease_ns: lease.as_nanos(),
            fence_ns: fence.as_nanos(),
            rho_ppm: *rho_ppm,
            slot_ns: slot.as_nanos(),
            margin_ns: margin.as_nanos(),
        }
    }
}

impl TryFrom<TimingDoc> for Timing {
    type Error = SchemaError;

    fn try_from(doc: TimingDoc) -> Result<Self, SchemaError> {
        let TimingDoc { profile, heartbeat_ns, lease_ns, fence_ns, rho_ppm, slot_ns, margin_ns } =
            doc;
        let known = Profile::ALL.into_iter().find(|known| known.name() == profile);
        let timing = Self {
            profile: known.ok_or_else(|| SchemaError::value("a profile", &profile))?,
            heartbeat: Span::from_nanos(heartbeat_ns),
            lease: Span::from_nanos(lease_ns),
            fence: Span::from_nanos(fence_ns),
            rho_ppm,
            slot: Span::from_nanos(slot_ns),
            margin: Span::from_nanos(margin_ns),
        };
        timing.check().map_err(|e| SchemaError::value("the timing", e))?;
        if timing.slot > LONGEST_PROMISE {
            return Err(SchemaError::value("a slot", timing.slot));
        }
        Ok(timing)
    }
}

impl From<&Policy> for PolicyDoc {
    fn from(policy: &Policy) -> Self {
        let Policy { prefer, failback, hold_off } = policy;
        Self {
            prefer: prefer.iter().map(|criterion| criterion.name().to_owned()).collect(),
            failback_after_ns: match failback {
                Failback::Never => None,
                Failback::After(delay) => Some(delay.as_nanos()),
            },
            hold_off_ns: hold_off.as_nanos(),
        }
    }
}

impl TryFrom<PolicyDoc> for Policy {
    type Error = SchemaError;

    fn try_from(doc: PolicyDoc) -> Result<Self, SchemaError> {
        let PolicyDoc { prefer, failback_after_ns, hold_off_ns } = doc;
        if prefer.len() > Criterion::ALL.len() {
            return Err(SchemaError::value("the number of criteria", prefer.len()));
        }
        let criterion = |name: String| {
            let known = Criterion::ALL.into_iter().find(|known| known.name() == name);
            known.ok_or_else(|| SchemaError::value("a criterion", name))
        };
        Ok(Self {
            prefer: prefer.into_iter().map(criterion).collect::<Result<_, _>>()?,
            failback: failback_after_ns
                .map_or(Failback::Never, |ns| Failback::After(Span::from_nanos(ns))),
            hold_off: Span::from_nanos(hold_off_ns),
        })
    }
}
