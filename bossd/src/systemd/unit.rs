//! Transient units: what one is started with, and the words of the service manager about it. The
//! signals are subscribed to before the start, so that nothing of a short life is missed; a unit's
//! last change says how its process ended, so that nobody has to ask for a unit that is gone.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::os::fd::OwnedFd;
use std::pin::Pin;

use zbus::export::futures_core::Stream;
use zbus::message::Type;
use zbus::zvariant::{Fd, ObjectPath, OwnedValue, Value};
use zbus::{Connection, MatchRule, MessageStream};

const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const SYSTEMD: &str = "org.freedesktop.systemd1";
const AT: &str = "/org/freedesktop/systemd1";

/// A service that is made for one run of a program.
#[derive(Debug)]
pub struct Transient {
    /// With `.service`.
    pub name: String,
    /// For people.
    pub description: String,
    /// The program, then all of its arguments with its own name.
    pub command: (String, Vec<String>),
    /// NAME=value.
    pub environment: Vec<String>,
    /// After this long systemd itself ends it, in microseconds.
    pub most_us: u64,
}

impl Transient {
    /// Has it started with these as its standard input, output and error. An answer means that systemd
    /// is about to.
    pub async fn start(self, bus: &Connection, pipes: [OwnedFd; 3]) -> zbus::Result<()> {
        let Self { name, description, command: (program, arguments), environment, most_us } = self;
        let [input, output, error] = pipes.map(|pipe| Value::from(Fd::from(pipe)));
        let properties: Vec<(&str, Value<'_>)> = vec![
            ("Description", description.into()),
            // Started once the program itself is, and not just forked.
            ("Type", "exec".into()),
            ("ExecStart", Value::from(vec![(program, arguments, false)])),
            ("Environment", environment.into()),
            ("StandardInputFileDescriptor", input),
            ("StandardOutputFileDescriptor", output),
            ("StandardErrorFileDescriptor", error),
            // Whatever it has started ends with it, and nobody is asked to.
            ("KillMode", "control-group".into()),
            ("KillSignal", 9_i32.into()),
            ("TimeoutStopUSec", 1_000_000_u64.into()),
            ("RuntimeMaxUSec", most_us.into()),
            ("IgnoreSIGPIPE", false.into()),
            // It must start while the host shuts down as well.
            ("DefaultDependencies", false.into()),
            ("CollectMode", "inactive-or-failed".into()),
        ];
        let others: Vec<(&str, Vec<(&str, Value<'_>)>)> = Vec::new();
        let body = (name, "fail", properties, others);
        bus.call_method(Some(SYSTEMD), AT, Some(MANAGER), "StartTransientUnit", &body).await?;
        Ok(())
    }
}

/// Asks systemd to say what happens to units; it is silent until somebody has.
pub async fn subscribe(bus: &Connection) -> zbus::Result<()> {
    bus.call_method(Some(SYSTEMD), AT, Some(MANAGER), "Subscribe", &()).await?;
    Ok(())
}

/// What systemd says of one unit.
#[derive(Debug)]
pub struct Watch {
    stream: MessageStream,
    known: Known,
}

/// What is known of it by now.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Known {
    /// As waitid(2) has it: 1 exited, 2 killed, 3 dumped; 0 while it runs.
    code: i32,
    status: i32,
    /// It was more than made.
    begun: bool,
    over: bool,
}

/// How the main process of a unit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With this status.
    Exited(i32),
    /// By this signal.
    Signalled(i32),
    /// systemd did not say.
    Unknown,
}

impl Watch {
    /// Begins to listen. Before the start of the unit.
    pub async fn begin(bus: &Connection, unit: &str) -> zbus::Result<Self> {
        let rule = MatchRule::builder()
            .msg_type(Type::Signal)
            .sender(SYSTEMD)?
            .interface("org.freedesktop.DBus.Properties")?
            .member("PropertiesChanged")?
            .path(object_path(unit))?
            .build();
        let stream = MessageStream::for_match_rule(rule, bus, None).await?;
        Ok(Self { stream, known: Known::default() })
    }

    /// How the main process ended, as far as systemd has said; others of the unit may be left.
    pub fn end(&self) -> End {
        self.known.end()
    }

    /// Nothing of the unit is left.
    pub fn is_over(&self) -> bool {
        self.known.over
    }

    /// Waits until it is over; false when the connection is. Cancelling loses nothing.
    pub async fn over(&mut self) -> bool {
        while !self.known.over {
            let next = std::future::poll_fn(|cx| Pin::new(&mut self.stream).poll_next(cx)).await;
            let Some(Ok(message)) = next else { return false };
            // The bus sees to it that what is sent to all comes from systemd, but anybody may send
            // something to us alone.
            if message.header().destination().is_some() {
                continue;
            }
            let body = message.body();
            let changed: zbus::Result<(String, HashMap<String, OwnedValue>, Vec<String>)> =
                body.deserialize();
            if let Ok((_, values, _)) = changed {
                self.known.learn(&values);
            }
        }
        true
    }
}

impl Known {
    fn learn(&mut self, values: &HashMap<String, OwnedValue>) {
        let number = |name: &str| values.get(name).and_then(|value| i32::try_from(value).ok());
        if let Some(code) = number("ExecMainCode") {
            self.code = code;
        }
        if let Some(status) = number("ExecMainStatus") {
            self.status = status;
        }
        let state = values.get("ActiveState").and_then(|value| <&str>::try_from(value).ok());
        match state {
            // What is only made is inactive as well.
            Some("inactive") => self.over |= self.begun || self.code != 0,
            Some("failed") => self.over = true,
            Some(_) => self.begun = true,
            None => {}
        }
    }

    fn end(&self) -> End {
        match self.code {
            1 => End::Exited(self.status),
            2 | 3 => End::Signalled(self.status),
            _ => End::Unknown,
        }
    }
}

/// What the bus calls a unit: whatever is no letter or digit is written as its code.
fn object_path(unit: &str) -> ObjectPath<'static> {
    let mut path = format!("{AT}/unit/");
    for (at, byte) in unit.bytes().enumerate() {
        if byte.is_ascii_alphabetic() || (byte.is_ascii_digit() && at > 0) {
            path.push(char::from(byte));
        } else {
            let _ = write!(path, "_{byte:02x}");
        }
    }
    ObjectPath::try_from(path).expect("nothing but letters, digits and underscores")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(list: &[(&str, Value<'_>)]) -> HashMap<String, OwnedValue> {
        let owned = |value: &Value<'_>| value.try_to_owned().expect("no descriptor");
        list.iter().map(|(name, value)| ((*name).to_owned(), owned(value))).collect()
    }

    #[test]
    fn a_unit_has_the_name_on_the_bus_that_systemd_gives_it() {
        let path = object_path("boss-hook-10-a.service");
        assert_eq!(path.as_str(), "/org/freedesktop/systemd1/unit/boss_2dhook_2d10_2da_2eservice");
        assert_eq!(object_path("1a").as_str(), "/org/freedesktop/systemd1/unit/_31a");
    }

    #[test]
    fn a_unit_is_over_when_systemd_says_so_and_not_when_its_process_has_ended() {
        let mut known = Known::default();
        known.learn(&values(&[("ActiveState", "active".into()), ("ExecMainCode", 0_i32.into())]));
        assert!(!known.over);
        known.learn(&values(&[("ExecMainCode", 1_i32.into()), ("ExecMainStatus", 3_i32.into())]));
        assert!(!known.over, "others of it may be left");
        known.learn(&values(&[("ActiveState", "failed".into())]));
        assert!(known.over);
        assert_eq!(known.end(), End::Exited(3));
    }

    #[test]
    fn a_signal_and_an_end_that_was_not_told_are_no_success() {
        let mut known = Known::default();
        known.learn(&values(&[("ActiveState", "inactive".into())]));
        assert!(!known.over, "it is not started yet");
        known.learn(&values(&[("ActiveState", "activating".into())]));
        known.learn(&values(&[("ActiveState", "inactive".into())]));
        assert!(known.over);
        assert_eq!(known.end(), End::Unknown);
        known.learn(&values(&[("ExecMainCode", 2_i32.into()), ("ExecMainStatus", 9_i32.into())]));
        assert_eq!(known.end(), End::Signalled(9));
    }
}
