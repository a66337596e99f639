//! The keys of the playground: what each means, what it is called, and the command that does the
//! same to a real cluster. Nothing is done here.

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// Choose the node of that place.
    Choose(usize),
    /// Choose the node after the chosen one.
    Next,
    /// Choose the node before the chosen one.
    Previous,
    /// Do something to the chosen node, or to the boss.
    Do(Action),
    /// Show the keys.
    Help,
    /// End.
    Quit,
}

/// What can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// The host is gone at once.
    Kill,
    /// The process that talks to the network is gone at once.
    KillElector,
    /// The process that acts on the machine is gone at once.
    KillExecutor,
    /// All of it stands still, or goes on.
    Freeze,
    /// The daemon ends in order.
    Stop,
    /// Cut off from all others, or back.
    Partition,
    /// Started, or ended in order and started.
    Restart,
    /// The boss gives up.
    Resign,
    /// Out of service, or back.
    Drain,
    /// The boss hands over to the chosen node.
    Switchover,
}

/// One key as it is told: the letter, what it does in two words, and in a sentence.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    letter: char,
    short: &'static str,
    long: &'static str,
}

/// All letters, in the order in which they are told.
const TOLD: [Told; 12] = [
    Told { letter: 'k', short: "kill host", long: "its host loses power; r switches it on again" },
    Told {
        letter: 'l',
        short: "kill elector",
        long: "by SIGKILL: its executor lets go and starts another",
    },
    Told {
        letter: 'x',
        short: "kill executor",
        long: "by SIGKILL: its elector cleans up and ends; r starts it",
    },
    Told { letter: 'f', short: "freeze", long: "all of it stands still; again: it goes on" },
    Told { letter: 'p', short: "cut off", long: "cut off from all others; again: connected" },
    Told { letter: 's', short: "stop", long: "it ends in order" },
    Told { letter: 'r', short: "(re)start", long: "it starts, or ends in order and starts" },
    Told { letter: 'd', short: "drain", long: "out of service; again: back in service" },
    Told { letter: 'w', short: "switch over", long: "the boss hands over to it" },
    Told { letter: 'e', short: "resign", long: "the boss, whoever that is, gives up" },
    Told { letter: 'h', short: "help", long: "these lines; again: without them" },
    Told { letter: 'q', short: "quit", long: "everything is ended and removed" },
];

/// What a byte from the terminal asks for.
pub(super) fn read(byte: u8) -> Option<Key> {
    Some(match byte {
        b'1'..=b'9' => Key::Choose(usize::from(byte - b'1')),
        b'\t' => Key::Next,
        b'k' => Key::Do(Action::Kill),
        b'l' => Key::Do(Action::KillElector),
        b'x' => Key::Do(Action::KillExecutor),
        b'f' => Key::Do(Action::Freeze),
        b's' => Key::Do(Action::Stop),
        b'p' => Key::Do(Action::Partition),
        b'r' => Key::Do(Action::Restart),
        b'e' => Key::Do(Action::Resign),
        b'd' => Key::Do(Action::Drain),
        b'w' => Key::Do(Action::Switchover),
        b'h' | b'?' => Key::Help,
        // Ctrl-D too, for those who end a shell that way.
        b'q' | 4 => Key::Quit,
        _ => return None,
    })
}

/// Reads keys byte by byte, so that of what an arrow or a function key sends nothing is taken for
/// another key.
#[derive(Debug, Default)]
pub(super) struct Reader(Within);

/// Where in a key's bytes the reader is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Within {
    #[default]
    Nothing,
    Escape,
    Sequence,
}

impl Reader {
    /// The key that this byte ends, if it ends one.
    pub(super) fn push(&mut self, byte: u8) -> Option<Key> {
        let within = std::mem::take(&mut self.0);
        match (within, byte) {
            (_, 0x1b) => self.0 = Within::Escape,
            (Within::Escape, b'[' | b'O') => self.0 = Within::Sequence,
            (Within::Nothing | Within::Escape, _) => return read(byte),
            (Within::Sequence, b'A') => return Some(Key::Previous),
            (Within::Sequence, b'B') => return Some(Key::Next),
            // Its last byte.
            (Within::Sequence, b'@'..=b'~') => {}
            (Within::Sequence, _) => self.0 = Within::Sequence,
        }
        None
    }
}

/// How the chosen node is when the key is pressed: half of the keys take back what they did.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Now {
    pub(super) running: bool,
    pub(super) frozen: bool,
    pub(super) isolated: bool,
    pub(super) drained: bool,
}

/// The same for a real cluster.
pub(super) fn real(action: Action, node: &str, now: Now) -> String {
    match action {
        Action::Kill => format!("pull the plug of {node}"),
        Action::KillElector => format!("on {node}: kill -KILL the bossd that is the elector"),
        Action::KillExecutor => format!("on {node}: systemctl kill --kill-whom=main -s KILL bossd"),
        Action::Freeze if now.frozen => format!("have the virtual machine {node} go on"),
        Action::Freeze => format!("pause the virtual machine {node}"),
        Action::Stop => format!("on {node}: systemctl stop bossd"),
        Action::Partition if now.isolated => format!("plug the network cable of {node} in again"),
        Action::Partition => format!("unplug the network cable of {node}"),
        Action::Restart if now.running => format!("on {node}: systemctl restart bossd"),
        Action::Restart => format!("power {node} on, or there: systemctl start bossd"),
        Action::Resign => "bossctl resign".to_owned(),
        Action::Drain if now.drained => format!("bossctl undrain {node}"),
        Action::Drain => format!("bossctl drain {node}"),
        Action::Switchover => format!("bossctl switchover --to {node}"),
    }
}

/// All keys for the line view.
pub(super) fn help(names: &[&str]) -> String {
    let nodes = names.iter().enumerate().map(|(index, name)| format!("{} {name}", index + 1));
    let told = TOLD.iter().map(|told| format!("{} {}", told.letter, told.short));
    let lines = wrapped(nodes, 74).into_iter().chain(wrapped(told, 74));
    let mut text = String::new();
    for (at, line) in lines.enumerate() {
        text.push_str(if at == 0 { "keys: " } else { "      " });
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// All keys in as few lines of `width` columns as they need.
pub(super) fn legend(nodes: usize, width: usize) -> Vec<String> {
    let choose = if nodes == 1 { "1 choose".to_owned() } else { format!("1-{nodes} choose") };
    let told = TOLD.iter().map(|told| format!("{} {}", told.letter, told.short));
    wrapped(std::iter::once(choose).chain(told), width)
}

/// What each key does, a line each.
pub(super) fn sentences(nodes: usize) -> Vec<String> {
    let mut lines = vec![format!(
        "1-{nodes}, arrows  chooses a node; what the keys below do is done to that one"
    )];
    let told =
        TOLD.iter().map(|Told { letter, short, long }| format!("{letter}  {short:<14} {long}"));
    lines.extend(told);
    lines
}

/// As many words on a line as it takes, two blanks apart.
fn wrapped(words: impl Iterator<Item = String>, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        match lines.last_mut() {
            Some(line) if line.len() + 2 + word.len() <= width => {
                line.push_str("  ");
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Action; 10] = [
        Action::Kill,
        Action::KillElector,
        Action::KillExecutor,
        Action::Freeze,
        Action::Stop,
        Action::Partition,
        Action::Restart,
        Action::Resign,
        Action::Drain,
        Action::Switchover,
    ];

    #[test]
    fn every_letter_that_is_told_is_a_key_and_every_action_has_one() {
        let told: Vec<_> =
            TOLD.iter().filter_map(|it| read(u8::try_from(it.letter).ok()?)).collect();
        assert_eq!(told.len(), TOLD.len());
        for action in ALL {
            assert!(told.contains(&Key::Do(action)), "{action:?}");
        }
        assert!(told.contains(&Key::Help) && told.contains(&Key::Quit));
    }

    #[test]
    fn all_keys_are_told_in_two_lines_and_explained_within_eighty_columns() {
        let legend = legend(9, 80);
        assert_eq!(legend.len(), 2, "{legend:?}");
        assert_eq!(sentences(9).len(), TOLD.len() + 1);
        for line in legend.iter().chain(&sentences(9)).chain([&help(&super::super::NAMES)]) {
            assert!(line.lines().all(|line| line.len() <= 80), "{line}");
        }
        for told in TOLD {
            assert!(help(&["alpha"]).contains(&format!("{} {}", told.letter, told.short)));
        }
    }

    #[test]
    fn what_an_arrow_or_a_function_key_sends_is_no_other_key() {
        let read = |bytes: &[u8]| {
            let mut reader = Reader::default();
            bytes.iter().filter_map(|byte| reader.push(*byte)).collect::<Vec<_>>()
        };
        assert_eq!(read(b"\x1b[A\x1b[B\x1bOB"), [Key::Previous, Key::Next, Key::Next]);
        // Delete, F5, an arrow with Control: digits and letters in them mean nothing.
        assert_eq!(read(b"\x1b[3~\x1b[15~\x1b[1;5D"), []);
        assert_eq!(read(b"\x1bk\x1b\x1bq"), [Key::Do(Action::Kill), Key::Quit]);
    }

    #[test]
    fn a_key_that_takes_back_says_so_for_the_real_cluster_too() {
        let now = Now::default();
        assert_eq!(real(Action::Drain, "beta", now), "bossctl drain beta");
        let drained = Now { drained: true, ..now };
        assert_eq!(real(Action::Drain, "beta", drained), "bossctl undrain beta");
        let isolated = Now { isolated: true, ..now };
        assert!(real(Action::Partition, "beta", isolated).contains("in again"));
        let frozen = Now { frozen: true, ..now };
        assert!(real(Action::Freeze, "beta", frozen).contains("go on"));
        assert!(real(Action::Restart, "beta", now).contains("systemctl start bossd"));
    }
}
