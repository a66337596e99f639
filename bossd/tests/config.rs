//! The configuration as an operator meets it: every kind of mistake with the exact text that
//! tells it, the merging of the two files, the canonical text, and the example and the manual
//! beside what the checker accepts.
//!
//! Each `tests/config/NAME.toml` is a wrong file, with `NAME.node.toml` beside it where that
//! matters; `NAME.expected` is what is said about it. `REWRITE_EXPECTED=1 cargo test` writes those
//! anew, to be read before they are committed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use bossd::config::{
    self, Config, ConfigError, LONGEST_CANONICAL, NEED_RESTART, OnFenceFailure, SECTIONS, Scope,
    Source, Sources, canonical_of, differences, differing_keys,
};
use election::{Failback, Kind, NodeId, Span, fence_reserve};

const MEMBERS: &str = r#"
[[member]]
name = "alpha"
address = "10.0.0.1:26770"

[[member]]
name = "beta"
address = "10.0.0.2:26770"

[[member]]
name = "gamma"
address = "10.0.0.3:26770"
"#;

fn sources(cluster: &str, node: Option<&str>) -> Sources {
    let source = |path: &str, text: &str| Source { path: path.into(), text: text.into() };
    Sources {
        cluster: source("cluster.toml", cluster),
        node: node.map(|text| source("node.toml", text)),
        directory: "/etc/boss".into(),
    }
}

fn parse(cluster: &str, node: Option<&str>) -> Result<Config, ConfigError> {
    config::parse(&sources(cluster, node), "alpha")
}

/// A valid file with three members and `more`.
fn with(more: &str) -> String {
    format!("[cluster]\nname = \"web\"\n{MEMBERS}\n{more}")
}

fn valid(cluster: &str, node: Option<&str>) -> Config {
    parse(cluster, node).unwrap_or_else(|error| panic!("{error}"))
}

fn repository(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_kind_of_mistake_is_told_with_its_place_and_a_remedy() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config");
    let mut names: Vec<String> = fs::read_dir(&directory)
        .expect("the samples")
        .filter_map(|entry| entry.expect("a sample").file_name().into_string().ok())
        .filter_map(|file| file.strip_suffix(".toml").map(str::to_owned))
        .filter(|name| name.strip_suffix(".node").is_none())
        .collect();
    names.sort();
    assert!(names.len() >= 15, "{names:?}");
    let rewrite = std::env::var_os("REWRITE_EXPECTED").is_some();
    for name in names {
        let cluster = fs::read_to_string(directory.join(format!("{name}.toml"))).expect(&name);
        let node = fs::read_to_string(directory.join(format!("{name}.node.toml"))).ok();
        let error = parse(&cluster, node.as_deref()).expect_err(&name);
        let said = format!("{error}\n");
        let expected = directory.join(format!("{name}.expected"));
        if rewrite {
            fs::write(&expected, &said).expect("write");
        }
        assert_eq!(said, fs::read_to_string(&expected).unwrap_or_default(), "{name}");
    }
}

#[test]
fn the_problems_of_a_file_come_in_its_order_with_their_bytes() {
    let text = with("[timing]\nlease = 7\nlaese = \"1s\"\n");
    let error = parse(&text, None).expect_err("two mistakes");
    let spans: Vec<_> = error
        .problems()
        .iter()
        .map(|problem| &text[problem.place.as_ref().expect("a place").span.clone()])
        .collect();
    assert_eq!(spans, ["7", "laese"]);
}

#[test]
fn a_file_of_nothing_but_mistakes_is_told_in_bounds() {
    let keys = (0..5_000).map(|n| format!("unknown-{n} = 1\n")).collect::<Vec<_>>().concat();
    let error = parse(&with(&format!("[log]\n{keys}")), None).expect_err("unknown keys");
    assert_eq!(error.problems().len(), 100);
    assert!(error.to_string().ends_with("and 4900 more problems"));
}

#[test]
fn whatever_stands_in_a_file_is_answered_with_a_configuration_or_with_problems() {
    let example = repository("etc/cluster.toml");
    let values = [
        "[]",
        "{}",
        "\"\"",
        "\"x\"",
        "0",
        "-1",
        "9.9e9",
        "true",
        "[1]",
        "[[{}]]",
        "1979-05-27",
        "",
    ];
    let told = |text: &str| {
        for result in [parse(text, None), parse(&with(""), Some(text))] {
            let problems = result.err().map_or(1, |error| error.problems().len());
            assert!(problems > 0, "{text}");
        }
    };
    for line in example.lines().filter(|line| line.contains(" = ")) {
        let (key, _) = line.split_once(" = ").expect("a key and its value");
        let key = key.trim_start_matches('#');
        for value in values {
            told(&example.replacen(line, &format!("{key} = {value}"), 1));
        }
    }
    for section in SECTIONS {
        for value in values {
            told(&format!("{} = {value}", section.name));
            told(&format!("{}.name = {value}", section.name));
        }
    }
    for end in (0..example.len()).step_by(13).filter(|end| example.is_char_boundary(*end)) {
        told(&example[..end]);
    }
}

#[test]
fn an_escape_sequence_never_reaches_the_terminal() {
    let text = "[cluster]\nname = \"\\u001b[2J\"\n\"\\u001b]0;x\" = 1\n\u{7f}".to_owned();
    for text in [text.clone(), text.trim_end_matches('\u{7f}').to_owned() + MEMBERS] {
        let said = parse(&text, None).expect_err("escapes").to_string();
        assert!(!said.chars().any(|c| c.is_control() && c != '\n'), "{said:?}");
    }
}

#[test]
fn the_smallest_file_has_every_default() {
    let config = valid(&with(""), None);
    assert_eq!(config.cluster.name, "web");
    assert!(config.cluster.state.is_unborn());
    assert_eq!(config.node.name, NodeId::new("alpha"));
    assert_eq!(config.node.listen, "10.0.0.1:26770");
    assert_eq!(config.node.user, "boss");
    assert_eq!(config.node.state_directory, PathBuf::from("/var/lib/boss"));
    assert_eq!(config.control.socket, PathBuf::from("/run/boss/control.sock"));
    assert_eq!(config.control.operators, None);
    assert_eq!(config.tls.key, PathBuf::from("/etc/boss/tls/node.key"));
    assert_eq!(config.hooks.timeout, Span::from_secs(30));
    assert_eq!(config.hooks.on_fence_failure, OnFenceFailure::Alarm);
    assert_eq!(config.log.level, tracing::Level::INFO);
    assert_eq!(config.keepalived.instance, "web");
    assert_eq!(config.keepalived.scripts().count(), 0);
    assert_eq!(config.fence, None);
    assert_eq!(config.cluster.state.policy, election::Policy::default());
}

#[test]
fn every_key_has_its_effect() {
    let config = valid(
        r#"
        cluster.name = "w-1"
        member = [
            { name = "alpha", address = "Alpha.Example:1", priority = 254 },
            { name = "beta", address = "[fd00::2]:65535", kind = "witness" },
            { name = "gamma", address = "10.0.0.3:26770", kind = "observer", priority = 1 },
        ]
        [timing]
        profile = "vm"
        heartbeat = "0.1s"
        lease = "1s"
        fence-window = "900ms"
        rho = 0.001
        [election]
        prefer = ["name"]
        failback = "auto"
        failback-delay = "2m"
        hold-off = "10m"
        [node]
        name = "beta"
        listen = "0.0.0.0:7"
        user = "root"
        state-directory = "state"
        run-directory = "run"
        realtime = "off"
        [log]
        level = "trace"
        [control]
        operators = "wheel"
        [tls]
        ca = "tls/ca"
        certificate = "/c"
        key = "./k"
        [hooks]
        directory = "h"
        timeout = "1h"
        runner = "direct"
        on-fence-failure = "command"
        escalation-command = ["bin/off", "now"]
        escalation-timeout = "500ms"
        [fence]
        run = ["bin/fence", "--now"]
        timeout = "0.5s"
        [keepalived]
        instance = "VI_1"
        notify = "ka/notify.sh -q"
        notify-master = "/ka/notify.sh  master now"
        notify-backup = "/ka/backup.sh"
        notify-fault = "/ka/fault.sh"
        notify-stop = "/ka/stop.sh"
        "#,
        None,
    );
    let state = &config.cluster.state;
    let member = |name| state.members.find(&NodeId::new(name)).expect("a member");
    assert_eq!(member("alpha").address.to_string(), "alpha.example:1");
    assert_eq!(member("alpha").priority, 254);
    assert_eq!(member("beta").kind, Kind::Witness);
    assert_eq!((member("gamma").kind, member("gamma").joined), (Kind::Observer, 2));
    assert_eq!(state.timing.heartbeat, Span::from_millis(100));
    assert_eq!(state.timing.lease, Span::from_secs(1));
    assert_eq!((state.timing.fence, state.timing.rho_ppm), (Span::from_millis(900), 1_000));
    assert_eq!(state.policy.failback, Failback::After(Span::from_secs(120)));
    assert_eq!(config.node.listen, "0.0.0.0:7");
    assert_eq!(config.node.state_directory, PathBuf::from("/etc/boss/state"));
    assert_eq!(config.control.socket, PathBuf::from("/etc/boss/run/control.sock"));
    assert!(!config.node.realtime);
    assert_eq!(config.control.operators.as_deref(), Some("wheel"));
    assert_eq!(config.tls.ca, PathBuf::from("/etc/boss/tls/ca"));
    assert_eq!(config.keepalived.instance, "VI_1");
    let scripts: Vec<_> = config
        .keepalived
        .scripts()
        .map(|it| format!("{}: {} {}", it.key, it.path.display(), it.arguments.join(" ")))
        .collect();
    let wanted = [
        "notify-master: /ka/notify.sh master now",
        "notify-backup: /ka/backup.sh ",
        "notify-fault: /ka/fault.sh ",
        "notify-stop: /ka/stop.sh ",
        "notify: /etc/boss/ka/notify.sh -q",
    ];
    assert_eq!(scripts, wanted);
    assert!(config::report(&config).contains("notify-fault           not called"));
    let fence = config.fence.as_ref().expect("a command");
    assert_eq!(fence.argv, ["/etc/boss/bin/fence", "--now"]);
    assert_eq!(fence.timeout, Span::from_millis(500));
    assert!(config::report(&config).contains("a lost peer is ended   /etc/boss/bin/fence within"));
    let argv = vec!["/etc/boss/bin/off".to_owned(), "now".to_owned()];
    let timeout = Span::from_millis(500);
    assert_eq!(config.hooks.on_fence_failure, OnFenceFailure::Command { argv, timeout });
    assert_eq!(config.hooks.urgent_budget(state.timing.fence), Span::from_millis(350));
}

#[test]
fn node_toml_wins_key_by_key_and_only_over_the_sections_of_one_server() {
    let cluster = with("[node]\nname = \"alpha\"\nuser = \"nobody\"\n[log]\nlevel = \"warn\"\n");
    let node = "[node]\nname = \"beta\"\n[hooks]\ntimeout = \"5s\"\n";
    let config = valid(&cluster, Some(node));
    assert_eq!(config.node.name, NodeId::new("beta"));
    assert_eq!(config.node.listen, "10.0.0.2:26770");
    assert_eq!(config.node.user, "nobody");
    assert_eq!(config.log.level, tracing::Level::WARN);
    assert_eq!(config.hooks.timeout, Span::from_secs(5));
    assert_eq!(config.files, [PathBuf::from("cluster.toml"), PathBuf::from("node.toml")]);
}

#[test]
fn the_reserve_of_a_short_fence_window_is_a_quarter_of_it() {
    assert_eq!(fence_reserve(Span::from_millis(50)), Span::from_micros(12_500));
    assert_eq!(fence_reserve(Span::from_millis(800)), Span::from_millis(50));
    let fast = valid(&with("[timing]\nprofile = \"fast\"\n"), None);
    assert_eq!(fast.hooks.urgent_budget(Span::from_millis(50)), Span::from_micros(37_500));
    assert_eq!(fast.hooks.urgent_budget(Span::ZERO), Span::ZERO);
}

#[test]
fn an_escalation_may_take_what_leaves_the_hooks_a_quarter_and_no_more() {
    let escalation = |timeout: &str| {
        let hooks = "[hooks]\non-fence-failure = \"command\"\nescalation-command = [\"/off\"]\n";
        parse(&with(&format!("{hooks}escalation-timeout = \"{timeout}\"\n")), None)
    };
    assert!(escalation("550ms").is_ok());
    let said = escalation("551ms").expect_err("too long").to_string();
    assert!(said.contains("escalation-timeout may be 550 ms at most"), "{said}");
}

#[test]
fn what_ends_the_units_or_the_host_has_its_part_of_the_fence_window() {
    let on = |means: &str| valid(&with(&format!("[hooks]\non-fence-failure = {means}\n")), None);
    let fence = Span::from_millis(800);
    for (means, kept, told) in [
        (
            "\"stop-units\"",
            300,
            "hooks get 450 ms, then the units of boss.target are ended within 300 ms",
        ),
        (
            "\"reboot\"",
            100,
            "hooks get 650 ms, then this host reboots by force, 100 ms before the end",
        ),
        (
            "\"reboot\"\nescalation-timeout = \"20ms\"",
            20,
            "hooks get 730 ms, then this host reboots by force, 20 ms before the end",
        ),
    ] {
        let config = on(means);
        assert_eq!(config.hooks.escalation_budget(), Span::from_millis(kept), "{means}");
        assert_eq!(config.hooks.urgent_budget(fence), Span::from_millis(750 - kept), "{means}");
        let report = config::report(&config);
        assert!(report.contains(&format!("urgent demote          {told}\n")), "{report}");
    }
}

#[test]
fn a_reboot_is_refused_where_bossd_could_not_reboot_the_host() {
    let text = with("[hooks]\non-fence-failure = \"reboot\"\n");
    let parse = |text: &str, may| config::parse_to_act(&sources(text, None), "alpha", may);
    assert!(parse(&text, true).is_ok());
    let error = parse(&text, false).expect_err("it has no right to");
    let place = error.problems()[0].place.as_ref().expect("a place").span.clone();
    assert_eq!(&text[place], "\"reboot\"");
    assert!(error.to_string().contains("as root with CAP_SYS_BOOT"), "{error}");
    assert!(parse(&with(""), false).is_ok());
}

#[test]
fn the_canonical_text_depends_on_what_is_meant_not_on_how_it_is_written() {
    let plain = valid(&with(""), None).cluster.canonical;
    let other = r#"
        # The same, with every default, in another order.
        election = { hold-off = "1m", failback = "never" }
        timing = { rho = 0.005, fence-window = "0.8s", lease = "400ms" }
        member = [
            { address = "10.0.0.1:26770", name = "alpha", kind = "voter", priority = 100 },
            { address = "10.0.0.2:26770", name = "beta" },
            { address = "10.0.0.3:26770", name = "gamma" },
        ]
        cluster.name = "web"
        node.name = "gamma"
        log.level = "debug"
    "#;
    assert_eq!(plain, valid(other, None).cluster.canonical);
    let expected = "\
cluster.name = web
election.failback = never
election.hold-off = 60000ms
election.prefer = priority oldest lowest-address
member.alpha.address = 10.0.0.1:26770
member.alpha.joined = 0
member.alpha.kind = voter
member.alpha.priority = 100
member.beta.address = 10.0.0.2:26770
member.beta.joined = 1
member.beta.kind = voter
member.beta.priority = 100
member.gamma.address = 10.0.0.3:26770
member.gamma.joined = 2
member.gamma.kind = voter
member.gamma.priority = 100
timing.fence-window = 800ms
timing.heartbeat = 80ms
timing.lease = 400ms
timing.margin = 5ms
timing.profile = lan
timing.rho = 5000ppm
timing.slot = 15ms
";
    assert_eq!(plain, expected);
}

#[test]
fn differences_are_named_by_key_and_a_member_that_one_side_lacks_by_its_name() {
    let plain = with("");
    let keys = |other: &str| {
        let (a, b) = (valid(&plain, None), valid(other, None));
        differing_keys(&a.cluster.canonical, &b.cluster.canonical)
    };
    assert_eq!(keys(&plain), Vec::<String>::new());
    assert_eq!(keys(&plain.replace("\"web\"", "\"db\"")), ["cluster.name"]);
    assert_eq!(keys(&with("[timing]\nlease = \"401ms\"\n")), ["timing.lease"]);
    assert_eq!(
        keys(&with("[election]\nfailback = \"auto\"\n")),
        ["election.failback", "election.failback-delay"]
    );
    assert_eq!(keys(&plain.replace("0.2:26770", "0.4:26770")), ["member.beta.address"]);
    let more = "[[member]]\nname = \"delta\"\naddress = \"10.0.0.4:26770\"\nkind = \"observer\"\n";
    assert_eq!(keys(&with(more)), ["member.delta"]);
}

#[test]
fn a_text_from_a_peer_cannot_do_harm() {
    let own = valid(&with(""), None).cluster.canonical;
    assert_eq!(differing_keys("\u{1b}[2J\n", ""), ["?[2J"]);
    assert_eq!(differing_keys("member.x\nmember.y.kind = a\n", "").len(), 2);
    assert!(differing_keys(&own, "").contains(&"member.alpha".to_owned()));
}

#[test]
fn a_running_cluster_is_compared_by_the_order_of_joining_and_without_its_history() {
    let config = valid(&with(""), None);
    let mut state = config.cluster.state.clone();
    state.paused = Some(election::Paused { until: None, reason: "upgrade".into() });
    let later = state.members.iter().map(|(name, member)| {
        let drained = Some(election::Drained { until: None, reason: "disk".into() });
        let incarnation = Some(election::Incarnation(7));
        let joined = member.joined * 10 + 3;
        (name.clone(), election::Member { drained, incarnation, joined, ..member.clone() })
    });
    state.members = election::Members::new(later).expect("the same members");
    assert_eq!(canonical_of("web", &state), config.cluster.canonical);
}

#[test]
fn a_cluster_too_large_for_one_message_is_refused() {
    let name = "x".repeat(55);
    let members = (0..300)
        .map(|n| {
            let kind = if n == 0 { "voter" } else { "observer" };
            let head = format!("[[member]]\nname = \"{name}-{n}\"\nkind = \"{kind}\"\n");
            format!("{head}address = \"10.0.0.1:{}\"\n", n + 1)
        })
        .collect::<Vec<_>>()
        .concat();
    let text = format!("[cluster]\nname = \"web\"\n{members}[node]\nname = \"{name}-0\"\n");
    let error = parse(&text, None).expect_err("too large").to_string();
    assert!(error.contains(&format!("at most {LONGEST_CANONICAL} may be")), "{error}");
    assert!(parse(&text.replace(&name, "node"), None).is_ok());
}

#[test]
fn texts_survive_the_way_to_the_elector() {
    let sources = sources(&with(""), Some("[log]\n"));
    let sent = serde_json::to_string(&sources).expect("texts and UTF-8 paths");
    assert_eq!(serde_json::from_str::<Sources>(&sent).expect("the same"), sources);
}

#[test]
fn files_are_read_whole_and_refused_with_a_remedy() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("cluster.toml");
    let said = |path: &Path| config::read(path).expect_err("unusable").to_string();
    assert!(said(&file).contains("there is no such file"));
    fs::create_dir(&file).expect("a directory");
    assert!(said(&file).contains("is not a plain file"));
    fs::remove_dir(&file).expect("empty");
    fs::write(&file, b"[cluster]\nname = \"\xff\"\n").expect("write");
    assert!(said(&file).contains("line 2 is not UTF-8"), "{}", said(&file));
    fs::write(&file, vec![b'#'; 1024 * 1024 + 1]).expect("write");
    assert!(said(&file).contains("is larger than 1 MiB"));
    assert!(said(&directory.path().join("node.toml")).contains("of one server only"));

    fs::write(&file, with("[tls]\nca = \"my.crt\"\n")).expect("write");
    assert_eq!(config::read(&file).expect("readable").node, None);
    fs::write(directory.path().join("node.toml"), "[log]\nlevel = \"debug\"\n").expect("write");
    let sources = config::read(&file).expect("readable");
    let config = config::parse(&sources, "alpha").expect("valid");
    assert_eq!(config.tls.ca, directory.path().join("my.crt"));
    assert_eq!(config.log.level, tracing::Level::DEBUG);
}

#[test]
fn the_example_is_valid_as_it_is_and_states_the_defaults() {
    let example = repository("etc/cluster.toml");
    let config = valid(&example, None);
    let mut smallest = valid(&with(""), None);
    smallest.files.clone_from(&config.files);
    assert_eq!(config, smallest);

    // What is commented out states a default or is an example: all of it is accepted, in its
    // section, once it has the company that it needs.
    let all = example
        .lines()
        .map(|line| {
            line.strip_prefix('#').filter(|rest| rest.starts_with(lowercase)).unwrap_or(line)
        })
        .collect::<Vec<_>>()
        .join("\n")
        .replace("failback = \"never\"", "failback = \"auto\"")
        .replace("on-fence-failure = \"alarm\"", "on-fence-failure = \"command\"")
        .replace("escalation-command = []", "escalation-command = [\"/bin/true\"]");
    let all = valid(&all, None);
    assert_eq!(all.cluster.state.timing, config.cluster.state.timing);
    assert_eq!(all.cluster.state.policy.failback, Failback::After(Span::from_secs(30)));
}

#[test]
fn example_and_manual_have_every_key_that_is_accepted_and_no_other() {
    let accepted: BTreeSet<String> = SECTIONS
        .iter()
        .flat_map(|section| section.keys.iter().map(|key| format!("{} {key}", section.header())))
        .collect();

    let mut in_example = BTreeSet::new();
    let mut section = String::new();
    for line in repository("etc/cluster.toml").lines() {
        if line.starts_with('[') {
            line.clone_into(&mut section);
        }
        let key = line.trim_start_matches('#').split_once(" = ").map(|(key, _)| key);
        in_example.extend(key.filter(|key| is_key(key)).map(|key| format!("{section} {key}")));
    }
    assert_eq!(in_example, accepted);

    let mut in_manual = BTreeSet::new();
    let mut in_list_of = 0_usize;
    for line in repository("man/cluster.toml.5").lines() {
        let mut words = line.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some(".Ss"), Some(header), _) => header.replace("\\&", "").clone_into(&mut section),
            (Some(".Bl"), ..) => in_list_of += 1,
            (Some(".El"), ..) => in_list_of -= 1,
            (Some(".It"), Some("Cm"), Some(key)) if in_list_of == 1 => {
                in_manual.insert(format!("{section} {key}"));
            }
            _ => {}
        }
    }
    assert_eq!(in_manual, accepted);
}

#[test]
fn the_manual_says_of_each_key_of_a_server_whether_a_reload_takes_it() {
    let page = repository("man/cluster.toml.5");
    for section in SECTIONS.iter().filter(|section| section.scope == Scope::Server) {
        let (_, text) = page.split_once(&format!(".Ss {}\\&\n", section.header())).expect("there");
        let text = text.split("\n.Ss ").next().expect("its text");
        for key in section.keys {
            let (_, about) = text.split_once(&format!(".It Cm {key}\n")).expect("described");
            let about = about.split("\n.It Cm ").next().expect("its text");
            let name = format!("{}.{key}", section.name);
            let needs_restart = NEED_RESTART.iter().any(|(known, _)| *known == name);
            let about = about.split_whitespace().collect::<Vec<_>>().join(" ");
            let told = about.contains("; at a restart: .Dl ");
            assert_eq!(told, needs_restart, "{name}");
            assert_ne!(told, about.contains("; at a reload: .Dl "), "{name}");
        }
    }
}

#[test]
fn the_report_tells_what_is_survived_and_what_to_expect() {
    let report = config::report(&valid(&with(""), None));
    let expected = "\
cluster.toml is valid.

cluster
  name                   web
  this server            alpha, listens on 10.0.0.1:26770
  member alpha           voter, 10.0.0.1:26770, priority 100
  member beta            voter, 10.0.0.2:26770, priority 100
  member gamma           voter, 10.0.0.3:26770, priority 100
  preferred as boss      alpha, then beta, then gamma
  failback               never: a healthy boss stays
  hold-off               60.0 s after a failed promote
  quorum                 2 of 3 votes, survives the loss of 1 server

timing
  profile                lan
  heartbeat              80 ms
  lease                  400 ms
  promise                409 ms, which outlasts a lease
  fence window           800 ms
  a successor            waits 813 ms, which outlasts a fence window
  clock rate error       up to 0.5 %
  between candidates     15 ms

what to expect, without the time of the promote hooks
  host lost              the next boss starts after 1302 ms at worst, 1142 ms at least
  process crashed        825 ms at worst, 75 ms after the demote hooks
  planned switchover     45 ms after the demote hooks
  window without a boss  1302 ms at worst when its host is lost, 982 ms when it is cut off
  stall tolerated        320 ms of the boss's process or host
  urgent demote          hooks get 750 ms, then an alarm
  planned demote         30.0 s at most
";
    assert_eq!(report, expected);
}

#[test]
fn two_votes_and_even_votes_are_warned_of() {
    let only = |names: &[&str]| {
        let members = names
            .iter()
            .enumerate()
            .map(|(n, name)| {
                format!("[[member]]\nname = \"{name}\"\naddress = \"10.0.0.1:{}\"\n", n + 1)
            })
            .collect::<Vec<_>>()
            .concat();
        config::report(&valid(&format!("cluster.name = \"web\"\n{members}"), None))
    };
    let two = only(&["alpha", "beta"]);
    assert!(two.contains("2 of 2 votes, survives no loss\n"), "{two}");
    assert!(two.contains("Add a witness"), "{two}");
    let four = only(&["alpha", "beta", "gamma", "delta"]);
    assert!(four.contains("3 of 4 votes, survives the loss of 1 server\n"), "{four}");
    assert!(four.contains("the cluster survives the loss of 2 servers."), "{four}");
    assert!(only(&["alpha"]).contains("Only one member can become boss"));
}

#[test]
fn differences_are_told_with_both_and_a_member_that_one_side_lacks_as_one() {
    let ours = valid(&with("[timing]\nlease = \"500ms\""), None).cluster.canonical;
    let less = MEMBERS.rsplit_once("[[member]]").expect("three").0;
    let theirs = format!("[cluster]\nname = \"web\"\n{less}\n");
    let theirs = valid(&theirs, None).cluster.canonical;
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        differences(&theirs, &ours),
        [
            ("member.gamma".to_owned(), None, text("10.0.0.3:26770")),
            ("timing.lease".to_owned(), text("400ms"), text("500ms")),
        ]
    );
}

fn lowercase(c: char) -> bool {
    c.is_ascii_lowercase()
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c == '-')
}
