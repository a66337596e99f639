//! Who holds the shared address, and whether two ever did at once, from what is seen of one host
//! after the other. Pure.

use std::fmt;

/// Two hosts that held the address at the same moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Double {
    /// One.
    pub first: usize,
    /// The other.
    pub second: usize,
    /// When it was seen, on `CLOCK_BOOTTIME`.
    pub at_ns: u64,
    /// Where it was seen.
    pub how: &'static str,
}

/// Looks at hosts in turn. That two were seen with it shortly after one another proves nothing: the
/// first may have handed it on in between. That the first still has it afterwards does.
#[derive(Debug)]
pub(crate) struct Looks {
    // Per host: the last look that found it there, and whether all since did.
    last: Vec<Option<u64>>,
    unbroken: Vec<bool>,
    count: u64,
}

impl Looks {
    pub(crate) fn new(hosts: usize) -> Self {
        Self { last: vec![None; hosts], unbroken: vec![false; hosts], count: 0 }
    }

    /// The next look; another host that held it while this one did, if there is one.
    pub(crate) fn look(&mut self, host: usize, has: bool) -> Option<usize> {
        self.count += 1;
        if !has {
            self.unbroken[host] = false;
            return None;
        }
        let before = self.last[host].replace(self.count).filter(|_| self.unbroken[host]);
        self.unbroken[host] = true;
        let before = before?;
        let between = |last: Option<u64>| last.is_some_and(|last| last > before);
        (0..self.last.len()).find(|other| *other != host && between(self.last[*other]))
    }

    /// Who had it when last looked at.
    pub(crate) fn holders(&self) -> Vec<usize> {
        (0..self.last.len()).filter(|host| self.unbroken[*host]).collect()
    }
}

/// Answers to questions that reach every host at once: two to one of them are two holders.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    latest: Vec<(u64, usize)>,
}

impl Answers {
    /// An answer; who else answered the same question, if anybody did.
    pub(crate) fn answer(&mut self, question: u64, host: usize) -> Option<usize> {
        let other = |(asked, by): &&(u64, usize)| *asked == question && *by != host;
        let other = self.latest.iter().find(other).map(|(_, by)| *by);
        if self.latest.len() == REMEMBERED {
            self.latest.remove(0);
        }
        self.latest.push((question, host));
        other
    }
}

impl fmt::Display for Double {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, second, at_ns, how } = self;
        write!(f, "hosts {first} and {second} held the shared address at {at_ns} ({how})")
    }
}

/// More than are on their way at any time.
const REMEMBERED: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_handed_on_between_two_looks_is_no_double() {
        let mut looks = Looks::new(2);
        for (host, has) in [(0, true), (1, false), (0, true), (1, true), (0, false), (1, true)] {
            assert_eq!(looks.look(host, has), None);
        }
        assert_eq!(looks.holders(), [1]);
        // And back again.
        for (host, has) in [(0, false), (1, false), (0, true), (1, false), (0, true)] {
            assert_eq!(looks.look(host, has), None);
        }
    }

    #[test]
    fn two_that_keep_it_are_seen() {
        let mut looks = Looks::new(3);
        for (host, has) in [(0, true), (1, false), (2, true)] {
            assert_eq!(looks.look(host, has), None);
        }
        assert_eq!(looks.look(0, true), Some(2));
    }

    #[test]
    fn one_that_has_it_for_one_look_only_is_seen_too() {
        let mut looks = Looks::new(2);
        for (host, has) in [(0, true), (1, true)] {
            assert_eq!(looks.look(host, has), None);
        }
        assert_eq!(looks.look(1, false), None);
        assert_eq!(looks.look(0, true), Some(1));
    }

    #[test]
    fn two_answers_to_one_question_are_seen_and_two_of_one_host_are_not() {
        let mut answers = Answers::default();
        assert_eq!(answers.answer(1, 0), None);
        assert_eq!(answers.answer(1, 0), None);
        assert_eq!(answers.answer(2, 1), None);
        assert_eq!(answers.answer(1, 1), Some(0));
    }
}
