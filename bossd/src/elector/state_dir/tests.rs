//! A state directory is believed whole or not at all, and what it takes is on the disk.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

use election::{Address, Kind, Member, Members, Policy, Profile, Term, Timing};

use nix::unistd::Uid;

use super::*;

struct Bench {
    home: tempfile::TempDir,
    owner: Owner,
    unborn: ClusterState,
}

impl Bench {
    fn new() -> Self {
        let member = Member {
            address: Address::Host("alpha.example".into(), 26770),
            kind: Kind::Voter,
            priority: 100,
            incarnation: None,
            joined: 0,
            drained: None,
        };
        let alpha = NodeId::new("alpha");
        let members = Members::new([(alpha.clone(), member)]).expect("valid");
        let timing = Timing::of(Profile::Lan);
        Self {
            home: tempfile::tempdir().expect("a directory"),
            owner: Owner { clusters: vec![ClusterId(7)], node: alpha },
            unborn: ClusterState::unborn(members, timing, Policy::default()),
        }
    }

    fn path(&self) -> PathBuf {
        self.home.path().join("state-directory")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    fn open(&self) -> Result<StateDir, StateDirError> {
        StateDir::open(&self.path(), &self.owner, &self.unborn, Expect::AnyLife)
    }

    /// A directory with a vote in it, closed again.
    fn voted(&self) -> HardState {
        let mut dir = self.open().expect("an empty directory opens");
        let hard = self.vote(&dir, 9);
        dir.write(hard.clone()).expect("writable");
        hard
    }

    fn vote(&self, dir: &StateDir, term: u64) -> HardState {
        let voted_for = Some(self.owner.node.clone());
        HardState { term: Term(term), voted_for, ..dir.stored().hard.clone() }
    }
}

#[test]
fn a_first_start_has_made_its_incarnation_durable() {
    let bench = Bench::new();
    let first = bench.open().expect("an empty directory opens").stored().incarnation;
    assert_eq!(bench.open().expect("it opens again").stored().incarnation, first);
}

#[test]
fn a_vote_is_there_after_a_restart() {
    let bench = Bench::new();
    let hard = bench.voted();
    assert_eq!(bench.open().expect("it opens").stored().hard, hard);
}

#[test]
fn what_a_start_believes_it_has_written_itself() {
    let bench = Bench::new();
    bench.voted();
    let before = fs::metadata(bench.file(STATE)).expect("there");
    let generation = bench.open().expect("it opens").stored().generation;
    let after = fs::metadata(bench.file(STATE)).expect("there");
    // The copy of a write whose fsync failed may be in memory only: it must not be what counts.
    assert_ne!(before.ino(), after.ino(), "the file is the old one");
    assert_eq!(generation, 3);
}

#[test]
fn a_state_torn_at_any_byte_is_refused_and_left_as_it_is() {
    let bench = Bench::new();
    bench.voted();
    let whole = fs::read(bench.file(STATE)).expect("readable");
    for length in 0..whole.len() {
        fs::write(bench.file(STATE), &whole[..length]).expect("writable");
        let refused = bench.open().err();
        assert!(matches!(refused, Some(StateDirError::Unusable { .. })), "{length}: {refused:?}");
        assert_eq!(fs::read(bench.file(STATE)).expect("readable"), whole[..length]);
    }
}

#[test]
fn a_state_with_any_bit_turned_or_any_byte_replaced_is_refused() {
    let bench = Bench::new();
    bench.voted();
    let whole = fs::read(bench.file(STATE)).expect("readable");
    let kept = fs::read(bench.file(PREVIOUS)).expect("there is one");
    let damages = (0..8).map(|bit| 1 << bit).chain([0xff]);
    for (index, damage) in damages.flat_map(|x: u8| (0..whole.len()).map(move |at| (at, x))) {
        let mut bytes = whole.clone();
        bytes[index] ^= damage;
        // What is judged is the file: the directory's own steps are the other tests' subject.
        let text = String::from_utf8_lossy(&bytes);
        assert!(state_file::parse(&text).is_err(), "byte {index}, damage {damage:02x}: {text}");
    }
    for index in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[index] ^= 1;
        fs::write(bench.file(STATE), &bytes).expect("writable");
        let refused = bench.open().expect_err("damaged");
        assert!(matches!(refused, StateDirError::Unusable { .. }), "byte {index}: {refused}");
        assert!(refused.to_string().contains("state.previous"), "{refused}");
    }
    // The generation before was there all the time, and nobody took it for the state.
    assert_eq!(fs::read(bench.file(PREVIOUS)).expect("there"), kept);
}

#[test]
fn a_state_of_a_later_version_says_so() {
    let bench = Bench::new();
    bench.voted();
    let text = fs::read_to_string(bench.file(STATE)).expect("readable");
    fs::write(bench.file(STATE), text.replacen("boss-state 1 ", "boss-state 2 ", 1)).expect("ok");
    let refused = bench.open().expect_err("newer").to_string();
    assert!(refused.contains("written by a later version"), "{refused}");
}

#[test]
fn a_state_of_another_node_or_cluster_is_refused_with_both_names() {
    let bench = Bench::new();
    bench.voted();
    for owner in [
        Owner { clusters: vec![ClusterId(8)], ..bench.owner.clone() },
        Owner { node: NodeId::new("beta"), ..bench.owner.clone() },
    ] {
        let refused = StateDir::open(&bench.path(), &owner, &bench.unborn, Expect::AnyLife)
            .expect_err("foreign");
        assert!(matches!(refused, StateDirError::Foreign { .. }), "{refused}");
        let wanted = format!("{} of cluster", owner.node);
        assert!(refused.to_string().contains(&wanted), "{refused}");
    }
}

#[test]
fn a_missing_state_beside_a_previous_one_is_not_a_new_life() {
    let bench = Bench::new();
    bench.voted();
    fs::remove_file(bench.file(STATE)).expect("there");
    assert!(matches!(bench.open(), Err(StateDirError::Missing { .. })));
    assert!(matches!(own_claim(&bench.path()), Err(StateDirError::Missing { .. })));
}

#[test]
fn what_a_crash_left_of_a_write_is_passed_over() {
    let bench = Bench::new();
    let hard = bench.voted();
    fs::write(bench.file(TEMPORARY), "boss-state 1 99 torn").expect("writable");
    assert_eq!(bench.open().expect("it opens").stored().hard, hard);
}

#[test]
fn a_second_daemon_is_kept_out_for_as_long_as_the_first_has_it() {
    let bench = Bench::new();
    let first = bench.open().expect("it opens");
    assert!(matches!(bench.open(), Err(StateDirError::InUse { .. })));
    drop(first);
    bench.open().expect("it is free again");
}

#[test]
fn a_full_disk_refuses_a_write_and_the_old_state_stands() {
    let bench = Bench::new();
    let hard = bench.voted();
    let mut dir = bench.open().expect("it opens");
    // To write to this device is to write to a full disk.
    symlink("/dev/full", bench.file(TEMPORARY)).expect("a link");
    let (stands, error) = dir.write(bench.vote(&dir, 10)).expect_err("full");
    assert!(stands, "{error}");
    assert_eq!(dir.stored().hard, hard);
    drop(dir);
    // Full at the start too: what is there is made sure of, and it opens.
    assert_eq!(bench.open().expect("it opens").stored().hard, hard);
    fs::remove_file(bench.file(TEMPORARY)).expect("there");
    let mut dir = bench.open().expect("it opens");
    let next = bench.vote(&dir, 11);
    dir.write(next.clone()).expect("there is room again");
    drop(dir);
    assert_eq!(bench.open().expect("it opens").stored().hard, next);
}

#[test]
fn a_failed_fsync_is_final() {
    let bench = Bench::new();
    bench.voted();
    let mut dir = bench.open().expect("it opens");
    // This device takes every write and cannot be synced.
    symlink("/dev/null", bench.file(TEMPORARY)).expect("a link");
    let (stands, error) = dir.write(bench.vote(&dir, 10)).expect_err("no fsync");
    assert!(!stands, "{error}");
}

#[test]
fn a_storage_thread_says_of_each_write_what_became_of_it() {
    let bench = Bench::new();
    let dir = bench.open().expect("it opens");
    let (first, second) = (bench.vote(&dir, 5), bench.vote(&dir, 6));
    let (sender, mut said) = tokio::sync::mpsc::unbounded_channel();
    let storage = Storage::spawn(dir, sender).expect("a thread");
    storage.write(Write { generation: 1, hard: first.clone() });
    let done = said.blocking_recv();
    let durable = Written { generation: 1, durable: true };
    assert!(matches!(done, Some(StorageEvent::Done { written, .. }) if written == durable));
    symlink("/dev/full", bench.file(TEMPORARY)).expect("a link");
    storage.write(Write { generation: 2, hard: second.clone() });
    let refused = said.blocking_recv();
    let not = Written { generation: 2, durable: false };
    assert!(
        matches!(refused, Some(StorageEvent::Done { written, refused: Some(_), .. }) if written == not)
    );
    fs::remove_file(bench.file(TEMPORARY)).expect("there");
    symlink("/dev/null", bench.file(TEMPORARY)).expect("a link");
    storage.write(Write { generation: 3, hard: second });
    assert!(matches!(said.blocking_recv(), Some(StorageEvent::Broken(_))));
    drop(storage);
    assert!(said.blocking_recv().is_none(), "the thread has ended");
    fs::remove_file(bench.file(TEMPORARY)).expect("there");
    assert_eq!(bench.open().expect("it opens").stored().hard, first);
}

#[test]
fn an_own_claim_is_found_by_node_and_incarnation() {
    let bench = Bench::new();
    assert_eq!(own_claim(&bench.path()).expect("no directory"), None);
    let mut dir = bench.open().expect("it opens");
    let incarnation = dir.stored().incarnation;
    for (life, found) in [(incarnation, Some(election::Epoch(4))), (Incarnation(1), None)] {
        let mut state = bench.unborn.clone();
        state.version = election::Version { term: Term(4), index: 2 };
        state.claim = election::Claim::Held(election::Held {
            node: bench.owner.node.clone(),
            incarnation: life,
            epoch: election::Epoch(4),
            fence: Span::from_millis(800),
            rho_ppm: 5_000,
        });
        dir.write(HardState { state: state.into(), ..bench.vote(&dir, 4) }).expect("writable");
        assert_eq!(own_claim(&bench.path()).expect("readable"), found);
    }
}

#[test]
fn a_state_that_is_ahead_of_its_own_term_is_refused_though_its_checksum_is_right() {
    let bench = Bench::new();
    let mut dir = bench.open().expect("it opens");
    let mut state = bench.unborn.clone();
    state.version = election::Version { term: Term(8), index: 2 };
    dir.write(HardState { state: state.into(), ..bench.vote(&dir, 7) }).expect("writable");
    drop(dir);
    let refused = bench.open().expect_err("ahead").to_string();
    assert!(refused.contains("its cluster state is of term 8, its own term is 7"), "{refused}");
    assert!(own_claim(&bench.path()).is_err());
}

#[test]
fn an_older_generation_in_the_place_of_the_state_is_refused() {
    let bench = Bench::new();
    bench.voted();
    let kept = fs::read(bench.file(PREVIOUS)).expect("there is one");
    let newest = fs::read(bench.file(STATE)).expect("readable");
    // By hand, from the previous one: both are generation 1 then.
    fs::write(bench.file(STATE), &kept).expect("writable");
    let refused = bench.open().expect_err("older").to_string();
    assert!(refused.contains("generation 1") && refused.contains("state.previous"), "{refused}");
    assert_eq!(fs::read(bench.file(STATE)).expect("readable"), kept, "left as it is");
    // From a backup: the previous one is generation 2 by now.
    fs::write(bench.file(STATE), &newest).expect("writable");
    drop(bench.open().expect("the right one"));
    fs::write(bench.file(STATE), &kept).expect("writable");
    assert!(matches!(bench.open(), Err(StateDirError::Older { found: 1, previous: 2, .. })));
}

#[test]
fn what_a_crash_between_keeping_and_renaming_leaves_is_no_older_generation() {
    let bench = Bench::new();
    let hard = bench.voted();
    // As a second name, and as a copy where a file cannot have two, beside what was to come.
    fs::remove_file(bench.file(PREVIOUS)).expect("there");
    fs::hard_link(bench.file(STATE), bench.file(PREVIOUS)).expect("linked");
    assert_eq!(bench.open().expect("it opens").stored().hard, hard);
    fs::copy(bench.file(STATE), bench.file(PREVIOUS)).expect("copied");
    fs::write(bench.file(TEMPORARY), "boss-state 1 9").expect("writable");
    assert_eq!(bench.open().expect("it opens").stored().hard, hard);
    // And a previous one that a full disk cut off proves nothing.
    fs::write(bench.file(PREVIOUS), "boss-state 1 9999 ").expect("writable");
    assert_eq!(bench.open().expect("it opens").stored().hard, hard);
}

#[test]
fn a_directory_that_others_could_write_is_refused_with_the_remedy() {
    let bench = Bench::new();
    bench.voted();
    for (path, bad, good) in [(bench.path(), 0o770, 0o700), (bench.file(STATE), 0o602, 0o600)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(bad)).expect("ours");
        let refused = bench.open().expect_err("open to others").to_string();
        let remedy = format!("chmod {good:o} {}", path.display());
        assert!(refused.contains(&remedy) && refused.contains(&format!("{bad:04o}")), "{refused}");
        fs::set_permissions(&path, fs::Permissions::from_mode(good)).expect("ours");
    }
    drop(bench.open().expect("repaired"));
    if !Uid::effective().is_root() {
        println!(
            "SKIPPED a_directory_that_others_could_write_is_refused_with_the_remedy: the half \
                  about its owner needs root"
        );
        return;
    }
    for path in [bench.path(), bench.file(STATE)] {
        chown(&path, Some(65_534), None).expect("as root");
        let refused = bench.open().expect_err("another's").to_string();
        assert!(refused.contains("belongs to nobody") && refused.contains("chown -R"), "{refused}");
        chown(&path, Some(0), None).expect("as root");
    }
    drop(bench.open().expect("repaired"));
}

#[test]
fn a_directory_that_was_removed_under_a_daemon_is_not_a_new_life() {
    let bench = Bench::new();
    bench.voted();
    let again = || StateDir::open(&bench.path(), &bench.owner, &bench.unborn, Expect::TheSameLife);
    drop(again().expect("it is there"));
    fs::remove_dir_all(bench.path()).expect("ours");
    assert!(matches!(again(), Err(StateDirError::Vanished { .. })));
    assert!(!bench.path().exists(), "nothing was made in its place");
    fs::create_dir(bench.path()).expect("made");
    assert!(matches!(again(), Err(StateDirError::Vanished { .. })), "empty is not better");
}
