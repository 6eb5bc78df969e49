//! With scenes that are made up.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use super::super::{Claim, DEADLINE};
use super::*;
use crate::job::look::Look;
use crate::job::processes::{Process, State};
use crate::job::stacks::parse;

const STACKS: &str = "Thread 1 (idle): \"MainThread\"\n    \
    all_reduce (/x/site-packages/torch/distributed/distributed_c10d.py:2501)\n    \
    train_step (/home/me/project/train.py:88)\n";

fn seen(pid: u32, rank: Option<u32>, kind: Kind, state: char) -> Seen {
    let python = Some(PathBuf::from("/usr/bin/python3.12"));
    Seen {
        process: Process {
            pid,
            parent: 1,
            group: 10,
            session: 10,
            name: "python".to_owned(),
            state: State(state),
            threads: 1,
            cpu: 4200,
            started: 7,
        },
        look: Look {
            command: Some("python train.py".to_owned()),
            program: python,
            complete: true,
            ..Look::default()
        },
        rank,
        kind,
        cpu: Some(0.0),
        stacks: Stacks::NotAsked,
    }
}

fn asked() -> Asked<'static> {
    Asked {
        whose: Whose::Job { leader: 10 },
        deadline: DEADLINE,
        lines: &[],
        behind: "",
    }
}

fn reduces(pid: u32, rank: u32) -> Seen {
    Seen {
        stacks: Stacks::Read(parse(STACKS)),
        ..seen(pid, Some(rank), Kind::Main, 'S')
    }
}

#[test]
fn ranks_in_the_same_place_are_told_together_and_their_stacks_once() {
    let mut spins = seen(13, Some(2), Kind::Main, 'R');
    spins.cpu = Some(0.99);
    let scene = Scene {
        seen: vec![
            reduces(11, 0),
            reduces(12, 1),
            spins,
            seen(14, Some(0), Kind::Helper, 'S'),
            seen(15, Some(0), Kind::Helper, 'S'),
        ],
        ..Scene::default()
    };
    let evidence = compose(&scene, &asked());
    assert_eq!(
        evidence.summary,
        "Ranks 0–1 are in all_reduce, torch/distributed/distributed_c10d.py:2501, called from \
         train_step, project/train.py:88; rank 2 (pid 13) is busy (99 % of a core). \
         5 processes, 4 asleep, 1 busy; 2 workers among them (loading data, for example)."
    );
    let text = evidence.text;
    assert!(text.starts_with("== summary\nRanks 0–1 are in"));
    assert_eq!(
        text.matches("thread MainThread (idle)").count(),
        1,
        "{text}"
    );
    assert!(text.contains("stacks    the same as those of rank 0 (pid 11)\n"));
    assert!(
        text.contains("== other processes\na worker of rank 0 (pid 14): python train.py: asleep\n")
    );
}

#[test]
fn what_hangs_in_the_kernel_comes_first() {
    let mut hangs = seen(12, Some(1), Kind::Main, 'D');
    hangs.look.complete = false;
    hangs.look.command = None;
    hangs.look.place = Some("rpc_wait_bit_killable".to_owned());
    let scene = Scene {
        seen: vec![reduces(11, 0), hangs],
        ..Scene::default()
    };
    let evidence = compose(&scene, &asked());
    let expected = "Look at this first: rank 1 (pid 12) is blocked in the kernel, waits for a \
                    network filesystem (NFS).";
    assert!(evidence.summary.contains(expected), "{}", evidence.summary);
    assert!(
        evidence
            .text
            .contains("it does not let itself be looked at")
    );
}

#[test]
fn what_is_not_there_is_said() {
    let claim = |rank| Claim {
        rank,
        pid: 7,
        host: None,
        seen: f64::NAN,
    };
    let mut scene = Scene {
        seen: vec![reduces(11, 0)],
        gone: vec![claim(3), claim(2)],
        elsewhere: vec![9],
        ..Scene::default()
    };
    scene.seen[0].stacks = Stacks::NoSpy;
    let text = compose(&scene, &asked()).text;
    for part in [
        "Ranks 2–3 are gone",
        "Rank 9 is on another machine",
        "pip install py-spy",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn much_is_cut_at_whole_lines_within_the_bound() {
    let frames: String = (0..28)
        .map(|at| format!("    {} (x.py:{at})\n", "f".repeat(200)))
        .collect();
    let stacks: String = (0..200)
        .map(|at| format!("Thread {at} (idle): \"t{at}\"\n    g{at} (y.py:1)\n{frames}"))
        .collect();
    let scene = Scene {
        seen: (0..100)
            .map(|rank| Seen {
                stacks: Stacks::Read(parse(&stacks.replace("y.py", &format!("y{rank}.py")))),
                ..seen(100 + rank, Some(rank), Kind::Main, 'S')
            })
            .collect(),
        ..Scene::default()
    };
    let lines: Vec<String> = (0..10_000)
        .map(|at| format!("line {at} {}", "x".repeat(100)))
        .collect();
    let streams = [("stdout".to_owned(), lines)];
    let asked = Asked {
        lines: &streams,
        ..asked()
    };
    let text = compose(&scene, &asked).text;
    assert!(
        (40_000..=EVIDENCE_BYTES).contains(&text.len()),
        "{}",
        text.len()
    );
    assert!(text.contains("more lines\n== rank 1 ") && text.contains("line 9999 "));
    assert!(!text.ends_with('…'));
}
