//! Who may read and who may change things over the control socket: a pure decision over user and
//! group ids, and the look-up of those ids in the system's databases. The socket's own mode
//! (0660) is the first door; this is the second.

use std::ffi::CString;

use nix::unistd::{Gid, Group, Uid, User, getgrouplist, getuid};

/// The users and groups that count.
#[derive(Clone, Debug)]
pub struct Access {
    /// Root and the daemon's own user.
    pub(super) owners: Vec<u32>,
    /// The group that may read.
    pub(super) readers: Option<u32>,
    /// The group that may also change things, with the name that the operator gave it.
    pub(super) operators: Option<(String, u32)>,
}

/// What a caller may do; each includes the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rights {
    /// Ask what kind of service this is.
    Nothing,
    /// Ask for the status.
    Read,
    /// Ask for changes.
    Change,
}

impl Access {
    /// Looks the groups up once. One that does not exist has nobody in it, which is said in the
    /// log; without an operators' group that is no loss of safety, only of convenience.
    pub fn look_up(readers: &str, operators: Option<&str>) -> Self {
        Self {
            owners: vec![0, getuid().as_raw()],
            readers: group_id(readers),
            operators: operators
                .and_then(|name| group_id(name).map(|group| (name.to_owned(), group))),
        }
    }

    /// Whether there is a group, beside root, that may change things.
    pub fn has_operators(&self) -> bool {
        self.operators.is_some()
    }

    /// Whether the user alone decides: no group has to be looked at.
    pub fn owns(&self, uid: u32) -> bool {
        self.owners.contains(&uid)
    }

    /// What a user who is in these groups may do.
    pub fn decide(&self, uid: u32, groups: &[u32]) -> Rights {
        let operates =
            self.operators.as_ref().is_some_and(|(_, operators)| groups.contains(operators));
        if self.owns(uid) || operates {
            Rights::Change
        } else if self.readers.is_some_and(|readers| groups.contains(&readers)) {
            Rights::Read
        } else {
            Rights::Nothing
        }
    }

    /// Who could do what was refused, for the caller to read.
    pub fn needed_for(&self, right: Rights) -> String {
        match (right, &self.operators) {
            (Rights::Change, Some((name, _))) => format!("root or the group {name}"),
            (Rights::Change, None) => {
                "root; the key `operators` of [control] names a group that may, too".to_owned()
            }
            (Rights::Read | Rights::Nothing, _) => "root or the group of the socket".to_owned(),
        }
    }
}

/// All groups of a user, by the user database. The process id that came with the connection is
/// not asked: it may have been given to another process since, and the user id may not.
///
/// This can block for as long as the database (a directory service, perhaps) takes.
pub fn groups_of(uid: u32, primary: u32) -> Vec<u32> {
    let known = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    let listed = known
        .and_then(|user| CString::new(user.name).ok().map(|name| (name, user.gid)))
        .and_then(|(name, gid)| getgrouplist(&name, gid).ok())
        .unwrap_or_default();
    listed.into_iter().map(Gid::as_raw).chain([primary]).collect()
}

fn group_id(name: &str) -> Option<u32> {
    match Group::from_name(name) {
        Ok(Some(group)) => Some(group.gid.as_raw()),
        Ok(None) => {
            tracing::info!("there is no group {name}: nobody has rights on the socket by it");
            None
        }
        Err(error) => {
            tracing::warn!("the group {name} cannot be looked up ({error}): nobody is in it");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: u32 = 0;
    const DAEMON: u32 = 990;
    const SOMEBODY: u32 = 1000;
    const READERS: u32 = 991;
    const OPERATORS: u32 = 992;

    fn access() -> Access {
        Access {
            owners: vec![ROOT, DAEMON],
            readers: Some(READERS),
            operators: Some(("boss-admin".to_owned(), OPERATORS)),
        }
    }

    #[test]
    fn root_and_the_daemon_itself_may_do_everything_in_any_group() {
        assert_eq!(access().decide(ROOT, &[]), Rights::Change);
        assert_eq!(access().decide(DAEMON, &[5]), Rights::Change);
    }

    #[test]
    fn groups_give_what_they_are_for_in_any_place_of_the_list() {
        assert_eq!(access().decide(SOMEBODY, &[5, READERS]), Rights::Read);
        assert_eq!(access().decide(SOMEBODY, &[OPERATORS, 5]), Rights::Change);
        assert_eq!(access().decide(SOMEBODY, &[READERS, OPERATORS]), Rights::Change);
        assert_eq!(access().decide(SOMEBODY, &[5]), Rights::Nothing);
    }

    #[test]
    fn the_group_of_root_is_not_root() {
        assert_eq!(access().decide(SOMEBODY, &[0]), Rights::Nothing);
    }

    #[test]
    fn groups_that_do_not_exist_have_nobody() {
        let access = Access { owners: vec![ROOT], readers: None, operators: None };
        assert_eq!(access.decide(SOMEBODY, &[READERS, OPERATORS]), Rights::Nothing);
        assert!(access.needed_for(Rights::Change).contains("operators"));
    }

    #[test]
    fn the_primary_group_of_the_connection_counts_even_for_an_unknown_user() {
        assert!(groups_of(u32::MAX - 7, READERS).contains(&READERS));
    }
}
