//! The keys of the playground: what each means, and the command that does the same to a real
//! cluster. Nothing is done here.

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// Choose the node of that place.
    Choose(usize),
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

/// What a byte from the terminal asks for.
pub(super) fn read(byte: u8) -> Option<Key> {
    Some(match byte {
        b'1'..=b'9' => Key::Choose(usize::from(byte - b'1')),
        b'k' => Key::Do(Action::Kill),
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

/// How the chosen node is when the key is pressed: half of the keys take back what they did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Now {
    pub(super) running: bool,
    pub(super) isolated: bool,
    pub(super) drained: bool,
}

/// The same for a real cluster.
pub(super) fn real(action: Action, node: &str, now: Now) -> String {
    match action {
        Action::Kill => format!("pull the plug of {node}"),
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

/// All keys.
pub(super) fn help(names: &[&str]) -> String {
    let nodes: Vec<_> =
        names.iter().enumerate().map(|(index, name)| format!("{} {name}", index + 1)).collect();
    format!(
        "keys: {}\n      \
         k kill its host   s stop it in order   p cut it off, or back   r start or restart it\n      \
         d drain it, or back   w switch over to it   e the boss resigns   h help   q quit\n",
        nodes.join("   ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_of_the_help_is_a_key() {
        let text = help(&["alpha"]);
        let words: Vec<_> = text.split_whitespace().filter(|word| word.len() == 1).collect();
        assert_eq!(words, ["1", "k", "s", "p", "r", "d", "w", "e", "h", "q"]);
        for word in words {
            assert!(read(word.as_bytes()[0]).is_some(), "{word}");
        }
    }

    #[test]
    fn a_key_that_takes_back_says_so_for_the_real_cluster_too() {
        let now = Now::default();
        assert_eq!(real(Action::Drain, "beta", now), "bossctl drain beta");
        let drained = Now { drained: true, ..now };
        assert_eq!(real(Action::Drain, "beta", drained), "bossctl undrain beta");
        let isolated = Now { isolated: true, ..now };
        assert!(real(Action::Partition, "beta", isolated).contains("in again"));
        assert!(real(Action::Restart, "beta", now).contains("systemctl start bossd"));
    }
}
