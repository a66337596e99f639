//! What the log is told about those who are no peers, and how often: whoever can reach the port can
//! knock as fast as it likes, and shall not fill the disk with it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use election::Span;
use tracing::{debug, warn};

use super::gate::Knock;
use super::setback::Setback;
use crate::clock::now;
use crate::elector::allowance::Allowance;

/// The lines about strangers.
#[derive(Debug)]
pub(super) struct Lines(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    /// What was last said of each, by name or address.
    said: BTreeMap<String, Setback>,
    refusals: Allowance,
    turned_away: Allowance,
}

impl Lines {
    pub(super) fn new() -> Self {
        let now = now();
        Self(Mutex::new(Inner {
            said: BTreeMap::new(),
            refusals: Allowance::new(REFUSALS, BETWEEN_LINES, now),
            turned_away: Allowance::new(1, BETWEEN_LINES, now),
        }))
    }

    /// A stranger was refused. The line, if it is to be known: news, and not too many of it.
    pub(super) fn refused(
        &self,
        name: Option<&str>,
        address: SocketAddr,
        setback: &Setback,
    ) -> Option<String> {
        let who = name.map_or_else(|| address.ip().to_string(), str::to_owned);
        let reason = setback.text(&who);
        // Whoever merely knocks and goes is no news; scanners do.
        if matches!(setback, Setback::Failed(_)) || !self.is_news(&who, setback) {
            debug!("{reason} ({address})");
            return None;
        }
        let Some(missed) = self.lock().refusals.take(now()) else {
            debug!("{reason} ({address})");
            return None;
        };
        warn!("{reason} ({address}){}", left_out(missed));
        Some(reason)
    }

    /// The gate is full.
    pub(super) fn turned_away(&self, knock: Knock) {
        let Knock { ip, is_members, .. } = knock;
        if let Some(missed) = self.lock().turned_away.take(now()) {
            warn!("{}{}", turned_away(ip, is_members), left_out(missed));
        }
    }

    fn is_news(&self, who: &str, setback: &Setback) -> bool {
        let mut inner = self.lock();
        if inner.said.get(who) == Some(setback) {
            return false;
        }
        if inner.said.len() >= MAX_STRANGERS {
            inner.said.clear();
        }
        inner.said.insert(who.to_owned(), setback.clone());
        true
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic aborts the process; nothing can be left half done behind this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn turned_away(ip: IpAddr, is_members: bool) -> String {
    let who = if is_members {
        "where a member is: see what runs there, and whether somebody forges its address"
    } else {
        "where no member is: keep it off this port with the firewall"
    };
    format!(
        "turned away a connection from {ip}, {who}. More are introducing themselves than a cluster \
         needs; the connected peers are not affected"
    )
}

/// The end of a line, for those that were not said before it.
pub(super) fn left_out(lines: u64) -> String {
    if lines == 0 { String::new() } else { format!(" ({lines} more like this before it)") }
}

/// Strangers remembered, so that each is logged once; then it starts over.
const MAX_STRANGERS: usize = 64;
/// Lines about refused strangers at once,
const REFUSALS: u32 = 16;
/// and then one in this time: six a minute are read, and fill no disk.
pub(super) const BETWEEN_LINES: Span = Span::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_different_strangers_get_a_bounded_number_of_lines() {
        let lines = Lines::new();
        let address = SocketAddr::from(([192, 0, 2, 1], 1));
        let told = |n: u32| {
            let why = Setback::Refused(format!("reason {n}"));
            lines.refused(Some(&format!("n{n}")), address, &why).is_some()
        };
        assert_eq!((0..1_000).filter(|n| told(*n)).count(), 16);
    }

    #[test]
    fn the_same_of_the_same_stranger_is_said_once() {
        let lines = Lines::new();
        let address = SocketAddr::from(([192, 0, 2, 1], 1));
        let why = Setback::Refused("no".to_owned());
        assert!(lines.refused(None, address, &why).is_some_and(|line| line.contains("192.0.2.1")));
        assert_eq!(lines.refused(None, address, &why), None);
        assert_eq!(lines.refused(None, address, &Setback::Failed("gone".to_owned())), None);
    }
}
