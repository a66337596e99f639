//! Text to type: times, rates, names, addresses. Each says what is wrong with a text and what to
//! write instead; where the text stands is the caller's business.

use std::net::{IpAddr, SocketAddr};

use control::identity::{MAX_NAME, NameOf, check_name};
use election::{Address, Span};

use super::error::shown;

/// What is wrong with a value, and what to write instead.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) help: String,
}

impl Wrong {
    pub(super) fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into() }
    }
}

/// A time: a decimal number and its unit.
pub(super) fn parse_span(text: &str) -> Result<Span, Wrong> {
    let (number, unit) = number_and_unit(text);
    let nanos_per_unit = match unit {
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "" if !number.is_empty() => {
            let help =
                format!("write \"{number}ms\", \"{number}s\", \"{number}m\" or \"{number}h\"");
            return Err(Wrong::new(format!("{} has no unit", shown(text)), help));
        }
        _ => return Err(Wrong::new(format!("{} is not a time", shown(text)), A_TIME)),
    };
    scaled(number, nanos_per_unit)
        .map(Span::from_nanos)
        .ok_or_else(|| Wrong::new(format!("{} is not a time", shown(text)), A_TIME))
}

/// As the operator would write it.
pub(super) fn written(span: Span) -> String {
    let fits = |nanos| span > Span::ZERO && span.as_nanos().is_multiple_of(nanos);
    let units = [(3_600_000_000_000, "h"), (60_000_000_000, "m"), (1_000_000_000, "s")];
    match units.into_iter().find(|(nanos, _)| fits(*nanos)) {
        Some((nanos, unit)) => format!("{}{unit}", span.as_nanos() / nanos),
        None => format!("{}ms", span.as_millis()),
    }
}

/// A rate error in parts per million, from `"0.5%"`.
pub(super) fn parse_percent(text: &str) -> Result<u32, Wrong> {
    let (number, unit) = number_and_unit(text);
    let ppm = if unit == "%" { scaled(number, 10_000) } else { None };
    ppm.and_then(|ppm| u32::try_from(ppm).ok())
        .ok_or_else(|| Wrong::new(format!("{} is not a rate", shown(text)), A_RATE))
}

/// A rate error in parts per million, from the digits of a number such as `0.005`.
pub(super) fn parse_fraction(digits: &str) -> Result<u32, Wrong> {
    scaled(digits, 1_000_000)
        .and_then(|ppm| u32::try_from(ppm).ok())
        .ok_or_else(|| Wrong::new(format!("{} is not a rate", shown(digits)), A_RATE))
}

/// A cluster's or a member's name. It becomes a label of the names in certificates, which is
/// where the rule comes from.
pub(super) fn parse_name(text: &str) -> Result<&str, Wrong> {
    // The rule is the certificates': names stand in them. A cluster's name has the same.
    if check_name(NameOf::Node, text).is_ok() {
        return Ok(text);
    }
    // A full host name stands for its first label, as it does where no name is given.
    let label = text.split('.').next().unwrap_or_default();
    let tidied: String = label
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' })
        .take(MAX_NAME)
        .collect();
    let rule = format!("1 to {MAX_NAME} of a-z, 0-9 and -, no - at either end");
    let help = match tidied.trim_matches('-') {
        "" => rule,
        instead => format!("{rule}; for example \"{instead}\""),
    };
    Err(Wrong::new(format!("{} is not a name", shown(text)), help))
}

/// Where to listen or to reach somebody: `host:port` or `address:port`.
pub(super) fn parse_address(text: &str) -> Result<Address, Wrong> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        let canonical = SocketAddr::new(address.ip().to_canonical(), address.port());
        let address = if address.ip() == canonical.ip() { address } else { canonical };
        check_port(&address.port().to_string(), text)?;
        return Ok(Address::Ip(address));
    }
    if let Ok(ip) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Err(no_port(text, &SocketAddr::new(ip, DEFAULT_PORT).to_string()));
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        check_host(text, text)?;
        return Err(no_port(text, &format!("{text}:{DEFAULT_PORT}")));
    };
    check_host(host, text)?;
    Ok(Address::Host(host.to_lowercase(), check_port(port, text)?))
}

/// An address that the other members can send to.
pub(super) fn parse_member_address(text: &str) -> Result<Address, Wrong> {
    let address = parse_address(text)?;
    let Address::Ip(ip) = &address else { return Ok(address) };
    let why = match ip.ip() {
        ip if ip.is_unspecified() => "means every address of a host",
        ip if ip.is_multicast() => "is a multicast address",
        IpAddr::V4(ip) if ip.is_broadcast() => "is a broadcast address",
        IpAddr::V6(ip) if ip.is_unicast_link_local() => {
            "is link-local, and the interface differs from host to host"
        }
        IpAddr::V4(_) | IpAddr::V6(_) => return Ok(address),
    };
    let help = "give the address at which the other members reach this one; what to listen on is \
                [node] listen";
    Err(Wrong::new(format!("{} {why}", shown(text)), help))
}

/// The name of a user or a group of this host.
pub(super) fn parse_account(text: &str) -> Result<&str, Wrong> {
    let plain = |b: u8| b.is_ascii_graphic() && b != b':' && b != b'/';
    if (1..=LONGEST_ACCOUNT).contains(&text.len()) && text.bytes().all(plain) {
        return Ok(text);
    }
    Err(Wrong::new(format!("{} is not the name of a user or group", shown(text)), "see getent(1)"))
}

/// The digits in front and what follows them.
fn number_and_unit(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

/// `number * scale`, exactly, or None: a configuration is compared by its values, so nothing is
/// rounded.
fn scaled(number: &str, scale: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > MOST_DECIMALS {
        return None;
    }
    let divisor = 10_u64.pow(u32::try_from(fraction.len()).ok()?);
    let part = fraction.parse::<u64>().ok()?.checked_mul(scale)?;
    if !part.is_multiple_of(divisor) {
        return None;
    }
    whole.parse::<u64>().ok()?.checked_mul(scale)?.checked_add(part / divisor)
}

fn check_port(port: &str, text: &str) -> Result<u16, Wrong> {
    match port.parse::<u16>() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(Wrong::new(
            format!("the port of {} is not 1 to 65535", shown(text)),
            format!("the usual port is {DEFAULT_PORT}"),
        )),
    }
}

fn check_host(host: &str, text: &str) -> Result<(), Wrong> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // A last label of digits alone is a mistyped IPv4 address, never a host name (RFC 3696).
    let number = |label: &str| label.bytes().all(|b| b.is_ascii_digit());
    let last = host.rsplit('.').next().unwrap_or_default();
    if host.len() <= 253 && host.split('.').all(label) && !number(last) {
        return Ok(());
    }
    let help = format!(
        "write \"10.0.0.1:{DEFAULT_PORT}\", \"[fd00::1]:{DEFAULT_PORT}\" or \
         \"alpha.example.org:{DEFAULT_PORT}\""
    );
    Err(Wrong::new(format!("{} is not an address or a host name, with a port", shown(text)), help))
}

fn no_port(text: &str, instead: &str) -> Wrong {
    Wrong::new(format!("{} has no port", shown(text)), format!("write \"{instead}\""))
}

/// The UDP port that the examples use.
pub(super) const DEFAULT_PORT: u16 = 26770;
/// What a time looks like.
pub(super) const A_TIME: &str = "a time is a number with ms, s, m or h: \"80ms\", \"1.5s\", \"2m\"";
/// What a rate looks like.
pub(super) const A_RATE: &str =
    "write a percentage such as \"0.5%\" or a number such as 0.005, in whole millionths";
/// Longer than useradd(8) allows.
const LONGEST_ACCOUNT: usize = 64;
/// Finer than a nanosecond in every unit.
const MOST_DECIMALS: usize = 9;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_exact() {
        let nanos = |text| parse_span(text).map(Span::as_nanos).ok();
        assert_eq!(nanos("80ms"), Some(80_000_000));
        assert_eq!(nanos("1.5s"), Some(1_500_000_000));
        assert_eq!(nanos(" 2 m "), Some(120_000_000_000));
        assert_eq!(nanos("0.000001ms"), Some(1));
        for wrong in ["", "80", "ms", "1.s", ".5s", "1..5s", "-1s", "1e3ms", "3d", "0.0000001ms"] {
            assert_eq!(nanos(wrong), None, "{wrong}");
        }
        assert_eq!(nanos("99999999999999999999s"), None);
        assert_eq!(nanos("18446744073709551615h"), None);
    }

    #[test]
    fn rates_are_exact() {
        assert_eq!(parse_percent("0.5%"), Ok(5_000));
        assert_eq!(parse_percent("2 %"), Ok(20_000));
        assert_eq!(parse_fraction("0.005"), Ok(5_000));
        assert_eq!(parse_fraction("0"), Ok(0));
        for wrong in ["-0.1", "nan", "inf", "5e-3", "0.0000001"] {
            assert!(parse_fraction(wrong).is_err(), "{wrong}");
        }
        assert!(parse_percent("0.5").is_err());
    }

    #[test]
    fn names_are_labels() {
        for good in ["a", "alpha-1", "9", &"x".repeat(63)] {
            assert_eq!(parse_name(good), Ok(good));
        }
        for wrong in ["", "-a", "a-", "a_b", "A", "a.b", "ä", &"x".repeat(64)] {
            assert!(parse_name(wrong).is_err(), "{wrong}");
        }
        let help = parse_name("Web_1").expect_err("upper case").help;
        assert!(help.ends_with("for example \"web-1\""), "{help}");
    }

    #[test]
    fn addresses_are_told_apart_from_host_names() {
        let ip = |text: &str| Address::Ip(text.parse().expect("an address"));
        assert_eq!(parse_address("10.0.0.1:7"), Ok(ip("10.0.0.1:7")));
        assert_eq!(parse_address("[fd00::1]:7"), Ok(ip("[fd00::1]:7")));
        assert_eq!(parse_address("[::ffff:10.0.0.1]:7"), Ok(ip("10.0.0.1:7")));
        assert_eq!(parse_address("Alpha.Example:7"), Ok(Address::Host("alpha.example".into(), 7)));
        let wrong = [
            "",
            ":7",
            "10.0.0:7",
            "10.0.0.256:7",
            "fd00::1:x",
            "a b:7",
            "a..b:7",
            "a:0",
            "a:65536",
            "10.0.0.1:0",
            "a:",
            "[fd00::1]",
            "10.0.0.1",
            "alpha",
        ];
        for wrong in wrong {
            assert!(parse_address(wrong).is_err(), "{wrong}");
        }
        let help = |text| parse_address(text).expect_err("no port").help;
        assert_eq!(help("fd00::1"), "write \"[fd00::1]:26770\"");
        assert_eq!(help("alpha"), "write \"alpha:26770\"");
    }

    #[test]
    fn a_member_must_be_reachable_by_the_others() {
        for wrong in ["0.0.0.0:7", "[::]:7", "224.0.0.1:7", "255.255.255.255:7", "[fe80::1]:7"] {
            assert!(parse_member_address(wrong).is_err(), "{wrong}");
        }
        assert!(parse_member_address("127.0.0.1:7").is_ok());
    }
}
