//! The file, its tables, and what is written there all at once or not at all.

#![allow(clippy::unwrap_used)]

mod deliveries;

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tempfile::TempDir;

use super::alerts::{self, Muted};
use super::{Durability, Ledger, LedgerError, usual_path};
use crate::alert::Severity;

const NOW: i64 = 1_700_000_000_000;

fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state").join("ledger.sqlite");
    (folder, path)
}

fn number(ledger: &Ledger, query: &str) -> i64 {
    ledger
        .read(|connection| Ok(connection.query_row(query, [], |row| row.get(0))?))
        .unwrap()
}

fn text(ledger: &Ledger, query: &str) -> String {
    ledger
        .read(|connection| Ok(connection.query_row(query, [], |row| row.get(0))?))
        .unwrap()
}

fn why(path: &Path) -> String {
    Ledger::open(path).err().unwrap().0
}

#[test]
fn an_empty_file_becomes_a_ledger_and_stays_one() {
    let (_folder, path) = place();
    for _ in 0..2 {
        let ledger = Ledger::open(&path).unwrap();
        assert_eq!(number(&ledger, "SELECT count(*) FROM delivery"), 0);
        assert_eq!(number(&ledger, "PRAGMA user_version"), 4);
        assert_eq!(text(&ledger, "PRAGMA journal_mode"), "wal");
        assert_eq!(number(&ledger, "PRAGMA foreign_keys"), 1);
        assert_eq!((ledger.path(), ledger.note()), (Some(&*path), None));
    }
}

#[test]
fn what_is_written_is_there_when_it_is_opened_again() {
    let (_folder, path) = place();
    Ledger::open(&path)
        .unwrap()
        .add_silence("s1", "{}", NOW)
        .unwrap();
    let silences = Ledger::open(&path).unwrap().silences(false).unwrap();
    assert_eq!(silences, [("s1".to_owned(), "{}".to_owned())]);
}

#[test]
fn another_programs_database_is_not_touched() {
    let (_folder, path) = place();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let theirs = Connection::open(&path).unwrap();
    theirs
        .execute_batch("CREATE TABLE history (url TEXT)")
        .unwrap();
    let before = std::fs::read(&path).unwrap();
    assert!(
        why(&path).ends_with("it is another program's database"),
        "{}",
        why(&path)
    );
    assert!(why(&path).starts_with(&format!("cannot open the ledger `{}`", path.display())));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn what_is_no_database_is_not_touched() {
    let (_folder, path) = place();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let text = "step 1 loss 2.31\n".repeat(100);
    std::fs::write(&path, &text).unwrap();
    assert!(why(&path).contains("not a database"), "{}", why(&path));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn a_newer_ledger_is_not_touched() {
    let (_folder, path) = place();
    drop(Ledger::open(&path).unwrap());
    let newer = Connection::open(&path).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    drop(newer);
    assert!(why(&path).contains("a newer runwatch (version 99, this one knows 4)"));
    assert!(why(&path).contains("--ledger"));
    let version: i64 = Connection::open(&path)
        .unwrap()
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .unwrap();
    assert_eq!(version, 99);
}

#[cfg(unix)]
#[test]
fn only_its_owner_can_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, path) = place();
    let ledger = Ledger::open(&path).unwrap();
    ledger.add_silence("s1", "{}", NOW).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    let files: Vec<_> = std::fs::read_dir(path.parent().unwrap()).unwrap().collect();
    assert!(files.len() >= 2, "the log is beside the database");
    for file in files {
        let file = file.unwrap().path();
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[test]
fn a_place_that_cannot_be_is_named() {
    let (folder, _) = place();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let path = file.join("ledger.sqlite");
    assert!(
        why(&path).contains(&path.display().to_string()),
        "{}",
        why(&path)
    );
    assert!(why(folder.path()).contains(&folder.path().display().to_string()));
}

/// Several programs that begin at the same moment.
#[test]
fn a_new_ledger_can_be_opened_by_several_at_once() {
    for _ in 0..5 {
        let (_folder, path) = place();
        let path = path.as_path();
        std::thread::scope(|scope| {
            let open = |at| {
                scope.spawn(move || {
                    let ledger = Ledger::open(path)?;
                    ledger.add_silence(&format!("s{at}"), "{}", NOW)
                })
            };
            let all: Vec<_> = (0..6).map(open).collect();
            for one in all {
                one.join().unwrap().unwrap();
            }
        });
        assert_eq!(
            Ledger::open(path).unwrap().silences(false).unwrap().len(),
            6
        );
    }
}

#[test]
fn a_change_that_fails_leaves_nothing() {
    let ledger = Ledger::in_memory().unwrap();
    for durability in [Durability::Process, Durability::Power] {
        let failed = ledger.write(durability, |tx| {
            tx.execute("INSERT INTO silence VALUES ('s1', '{}', 0, NULL)", [])?;
            Err::<(), _>(LedgerError("the disk is full".to_owned()))
        });
        assert_eq!(failed, Err(LedgerError("the disk is full".to_owned())));
        assert!(ledger.silences(true).unwrap().is_empty());
        assert_eq!(number(&ledger, "PRAGMA synchronous"), 1);
    }
}

#[test]
fn a_panic_in_a_change_leaves_nothing_and_a_ledger_that_works() {
    let ledger = Ledger::in_memory().unwrap();
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        ledger.write(Durability::Process, |tx| {
            tx.execute("INSERT INTO silence VALUES ('s1', '{}', 0, NULL)", [])?;
            panic!("a mistake of ours");
            #[allow(unreachable_code)]
            Ok(())
        })
    }));
    assert!(panic.is_err());
    assert!(ledger.silences(true).unwrap().is_empty());
    ledger.add_silence("s2", "{}", NOW).unwrap();
    assert_eq!(ledger.silences(true).unwrap().len(), 1);
}

#[test]
fn in_retreat_it_goes_on_in_memory_and_leaves_the_file_as_it_is() {
    let (_folder, path) = place();
    let ledger = Ledger::open(&path).unwrap();
    ledger.add_silence("s1", "{}", NOW).unwrap();
    ledger.retreat().unwrap();
    assert!(ledger.silences(false).unwrap().is_empty());
    ledger.add_silence("s2", "{}", NOW).unwrap();
    let kept = Ledger::open(&path).unwrap().silences(false).unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].0, "s1");
}

#[test]
fn others_changes_are_noticed_and_ones_own_are_not() {
    let (_folder, path) = place();
    let (mine, theirs) = (Ledger::open(&path).unwrap(), Ledger::open(&path).unwrap());
    let before = mine.version().unwrap();
    mine.add_silence("s1", "{}", NOW).unwrap();
    assert_eq!(mine.version().unwrap(), before);
    theirs.add_silence("s2", "{}", NOW).unwrap();
    assert_ne!(mine.version().unwrap(), before);
}

#[test]
fn silences_are_removed_by_the_beginning_of_their_id_and_kept_as_history() {
    let ledger = Ledger::in_memory().unwrap();
    for (at, id) in ["ab1", "ab2", "cd3"].into_iter().enumerate() {
        ledger.add_silence(id, "{}", NOW - at as i64).unwrap();
    }
    let mut removed = ledger.remove_silence("ab", NOW).unwrap();
    removed.sort_unstable();
    assert_eq!(removed, ["ab1", "ab2"]);
    assert!(ledger.remove_silence("ab", NOW).unwrap().is_empty());
    let ids = |all| -> Vec<String> {
        ledger
            .silences(all)
            .unwrap()
            .into_iter()
            .map(|kept| kept.0)
            .collect()
    };
    assert_eq!(ids(false), ["cd3"]);
    assert_eq!(
        ids(true),
        ["cd3", "ab2", "ab1"],
        "in the order in which they were made"
    );
}

#[test]
fn what_is_old_is_forgotten_but_what_waits_is_not() {
    use crate::alert::Alert;
    use crate::deliver::Notice;
    use crate::ledger::{NewDelivery, Standing};
    let ledger = Ledger::in_memory().unwrap();
    let alert = |id: &str| Alert {
        id: id.to_owned(),
        ..crate::deliver::sample()
    };
    ledger
        .write(Durability::Process, |tx| {
            for (id, made) in [("sent", NOW), ("waits", NOW), ("young", NOW + 2)] {
                let alert = alert(id);
                alerts::insert(tx, &alert, made)?;
                let standing = match id {
                    "waits" => Standing::Pending,
                    _ => Standing::Suppressed("as the test wants"),
                };
                let new = NewDelivery {
                    alert: &alert,
                    sink: "team",
                    notice: Notice::New,
                    ordinal: 0,
                    route: 0,
                    grouping: "",
                    due: made,
                    standing,
                };
                super::deliveries::insert(tx, &new, made)?;
            }
            Ok(())
        })
        .unwrap();
    assert_eq!(ledger.forget(NOW + 1).unwrap(), 1);
    assert!(ledger.alert("sent").unwrap().is_none());
    assert!(ledger.alert("waits").unwrap().is_some() && ledger.alert("young").unwrap().is_some());
    assert_eq!(number(&ledger, "SELECT count(*) FROM delivery"), 2);
    assert_eq!(ledger.forget(NOW + 1).unwrap(), 0);
}

fn muted(key: &str, count: u64, steps: Option<(i64, i64)>) -> Muted {
    Muted {
        fingerprint: format!("trouble {key}"),
        reason: "cooldown",
        project: "default".to_owned(),
        run: "train".to_owned(),
        detector: "loss-spike".to_owned(),
        key: key.to_owned(),
        severity: Severity::Warning,
        title: format!("title of {key}"),
        count,
        steps,
    }
}

fn mute(ledger: &Ledger, all: &[Muted]) {
    ledger
        .write(Durability::Process, |tx| {
            all.iter().try_for_each(|one| alerts::mute(tx, one, NOW))
        })
        .unwrap();
}

#[test]
fn what_is_muted_is_counted_by_trouble_and_reason() {
    let ledger = Ledger::in_memory().unwrap();
    let worse = Muted {
        severity: Severity::Critical,
        ..muted("x", 2, Some((5, 9)))
    };
    let milder = Muted {
        severity: Severity::Info,
        title: "the last title".to_owned(),
        ..muted("x", 3, Some((12, 20)))
    };
    let capped = Muted {
        reason: "cap",
        ..muted("x", 1, None)
    };
    mute(&ledger, &[worse, milder, capped, muted("x", 4, None)]);
    let row = text(
        &ledger,
        "SELECT concat_ws(' ', count, severity, first_step, last_step, title) FROM muted
         WHERE reason = 'cooldown'",
    );
    assert_eq!(row, "9 2 5 20 title of x");
    assert_eq!(
        number(&ledger, "SELECT count FROM muted WHERE reason = 'cap'"),
        1
    );
}

#[test]
fn what_is_muted_is_bounded_per_run_and_none_is_lost() {
    let ledger = Ledger::in_memory().unwrap();
    let flood: Vec<Muted> = (0..3000)
        .map(|at| muted(&format!("x{at}"), 1, None))
        .collect();
    mute(&ledger, &flood);
    assert_eq!(number(&ledger, "SELECT count(*) FROM muted"), 1025);
    assert_eq!(number(&ledger, "SELECT sum(count) FROM muted"), 3000);
    assert_eq!(
        number(&ledger, "SELECT count FROM muted WHERE key = '*'"),
        3000 - 1024
    );
    // What is known is still counted by itself, and another run has its own room.
    mute(&ledger, &[muted("x7", 5, None)]);
    assert_eq!(
        number(&ledger, "SELECT count FROM muted WHERE key = 'x7'"),
        6
    );
    let elsewhere = Muted {
        run: "other".to_owned(),
        fingerprint: "other trouble".to_owned(),
        ..muted("x", 1, None)
    };
    mute(&ledger, &[elsewhere]);
    assert_eq!(
        number(&ledger, "SELECT count(*) FROM muted WHERE run = 'other'"),
        1
    );
}

#[test]
fn the_usual_place() {
    let at = |state: Option<&str>, home: Option<&str>| {
        usual_path(&|name| match name {
            "XDG_STATE_HOME" => state.map(Into::into),
            "HOME" => home.map(Into::into),
            _ => None,
        })
    };
    let usual = Some(PathBuf::from(
        "/home/ada/.local/state/runwatch/ledger.sqlite",
    ));
    assert_eq!(at(None, Some("/home/ada")), usual);
    assert_eq!(at(Some("relative"), Some("/home/ada")), usual);
    let state = Some(PathBuf::from("/state/runwatch/ledger.sqlite"));
    assert_eq!(at(Some("/state"), Some("/home/ada")), state);
    assert_eq!(at(None, None), None);
}
