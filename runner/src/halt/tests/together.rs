//! Several watchers of one run.

use super::*;
use crate::ledger::Ledger;

struct Rank {
    job: Fake,
    halting: Halting,
    told: Vec<Finding>,
}

impl Rank {
    fn new(rank: u32, with: Settings, place: &Meeting<'_>) -> Self {
        let job = Fake::dying_of(Signal::Kill);
        let mut target = target(place.dir, place.token, Some(&job));
        target.rank = Some(rank);
        let ledger = place
            .ledger
            .map(|path| Arc::new(Ledger::open(path).unwrap()));
        Self {
            job,
            halting: Halting::new(with, target, ledger),
            told: Vec::new(),
        }
    }

    fn tick(&mut self, now: f64) {
        self.told.extend(self.halting.tick(now));
    }
}

struct Meeting<'a> {
    dir: Option<&'a Path>,
    ledger: Option<&'a Path>,
    token: &'a str,
}

/// Two ranks that see the same trouble, `seconds` long.
fn both(first: &mut Rank, second: &mut Rank, seconds: u32) {
    first.halting.consider(&sample(), LATER);
    second.halting.consider(&sample(), LATER);
    for second_of in 0..seconds {
        let now = LATER + f64::from(second_of);
        first.tick(now);
        second.tick(now);
    }
}

const OBSERVED: (&str, State, Severity) = ("halt", State::Firing, Severity::Info);

#[test]
fn exactly_one_halts_and_all_end() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = dir.path().join("ledger.sqlite");
    let folder = dir.path().join("run");
    let places = [
        (Some(&*folder), None),
        (None, Some(&*ledger)),
        (Some(&*folder), Some(&*ledger)),
    ];
    for (number, (dir, ledger)) in places.into_iter().enumerate() {
        let token = format!("slurm-{number}-0");
        let place = Meeting {
            dir,
            ledger,
            token: &token,
        };
        let mut first = Rank::new(0, settings(|_| {}), &place);
        let mut second = Rank::new(1, settings(|_| {}), &place);
        both(&mut first, &mut second, 95);
        assert_eq!(keys(&first.told), [FIRING]);
        assert_eq!(keys(&second.told), [OBSERVED]);
        assert_eq!(
            second.told[0].title,
            "Another watcher halts the run: the loss is NaN"
        );
        for rank in [&first, &second] {
            assert_eq!(rank.job.got(), [Signal::Term, Signal::Kill], "{number}");
        }
        let told = second.halting.ended("exit status 0", LATER + 96.0);
        let resolved = ("halt", State::Resolved, Severity::Info);
        assert_eq!(keys(&told), [resolved]);
    }
}

#[test]
fn who_sees_nothing_itself_joins_in() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = dir.path().join("ledger.sqlite");
    // Each has a folder of its own, which only its trainer knows.
    let folders = ["a", "b"].map(|name| dir.path().join(name));
    let place = |folder: usize| Meeting {
        dir: Some(&folders[folder]),
        ledger: Some(&ledger),
        token: "slurm-7-0",
    };
    let mut first = Rank::new(0, settings(|_| {}), &place(0));
    let mut second = Rank::new(1, settings(|_| {}), &place(1));
    second.tick(LATER - 1.0);
    first.halting.consider(&sample(), LATER);
    first.tick(LATER);
    second.tick(LATER + 0.5);
    assert_eq!(keys(&second.told), [OBSERVED]);
    assert!(folders[1].join(".HALT").exists());
    second.tick(LATER + 59.0);
    assert_eq!(second.job.got(), []);
    second.tick(LATER + 61.0);
    assert_eq!(second.job.got(), [Signal::Term]);
}

#[test]
fn how_far_it_goes_is_for_the_first_to_say() {
    let dir = tempfile::tempdir().unwrap();
    let place = Meeting {
        dir: Some(dir.path()),
        ledger: None,
        token: "slurm-7-0",
    };
    let mut first = Rank::new(0, settings(|halt| halt.up_to = Reach::File), &place);
    let mut second = Rank::new(1, settings(|_| {}), &place);
    first.halting.consider(&sample(), LATER);
    for seconds in 0..300 {
        first.tick(LATER + f64::from(seconds));
        second.tick(LATER + f64::from(seconds));
    }
    assert!(first.job.got().is_empty() && second.job.got().is_empty());
}

#[test]
fn a_folder_may_be_left_to_rank_0() {
    let dir = tempfile::tempdir().unwrap();
    let place = Meeting {
        dir: Some(dir.path()),
        ledger: None,
        token: "slurm-7-0",
    };
    let with = || settings(|halt| halt.by = By::RankZero);
    let mut zero = Rank::new(0, with(), &place);
    let mut one = Rank::new(1, with(), &place);
    one.halting.consider(&sample(), LATER);
    one.tick(LATER + 90.0);
    assert!(!one.halting.is_halting() && one.job.got().is_empty());
    zero.halting.consider(&sample(), LATER + 91.0);
    zero.tick(LATER + 91.0);
    one.tick(LATER + 92.0);
    assert!(one.halting.is_halting());
    let unknown = || settings(|halt| halt.by = By::RankZero);
    let mut halting = halting(unknown(), None, Some(&Fake::stubborn()));
    halting.consider(&sample(), LATER);
    assert!(halting.is_halting());
}

#[test]
fn another_start_of_the_run_is_not_concerned() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = dir.path().join("ledger.sqlite");
    let place = |token| Meeting {
        dir: None,
        ledger: Some(&ledger),
        token,
    };
    let mut first = Rank::new(0, settings(|_| {}), &place("slurm-7-0"));
    first.halting.consider(&sample(), LATER);
    first.tick(LATER);
    first.job.end();
    first.halting.ended("exit status 0", LATER + 5.0);
    let mut next = Rank::new(0, settings(|_| {}), &place("slurm-7-1"));
    next.tick(LATER + 6.0);
    assert!(!next.halting.is_halting());
    // The same token, used again: two `srun` in one allocation.
    let mut target = target(None, "slurm-7-0", None);
    target.began = LATER + 10.0;
    let ledger = Arc::new(Ledger::open(&ledger).unwrap());
    let mut again = Halting::new(settings(|_| {}), target, Some(ledger));
    assert_eq!(again.tick(LATER + 11.0), []);
    assert!(!again.is_halting());
}

#[test]
fn tokens_made_at_random_meet_in_the_ledger() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = dir.path().join("ledger.sqlite");
    let tokens = [random_token(), random_token()];
    assert_ne!(tokens[0], tokens[1]);
    let place = |number: usize| Meeting {
        dir: None,
        ledger: Some(&ledger),
        token: &tokens[number],
    };
    let mut first = Rank::new(0, settings(|_| {}), &place(0));
    let mut second = Rank::new(1, settings(|_| {}), &place(1));
    both(&mut first, &mut second, 2);
    assert_eq!(keys(&first.told), [FIRING]);
    assert_eq!(keys(&second.told), [OBSERVED]);
}

#[test]
fn a_watcher_that_is_started_again_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let place = Meeting {
        dir: Some(dir.path()),
        ledger: None,
        token: "t-1",
    };
    let mut first = Rank::new(0, settings(|_| {}), &place);
    first.halting.consider(&sample(), LATER);
    first.tick(LATER);
    drop(first);
    let mut again = Rank::new(0, settings(|_| {}), &place);
    again.tick(LATER + 10.0);
    assert_eq!(keys(&again.told), [OBSERVED]);
    again.tick(LATER + 70.0);
    assert_eq!(again.job.got(), [Signal::Term]);
}

/// While one runs its hook, the other neither runs it too nor signals its job.
#[cfg(unix)]
#[test]
fn a_hook_is_run_once_and_waited_for() {
    for with_ledger in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let ledger = dir.path().join("ledger.sqlite");
        let folder = dir.path().join("run");
        let place = Meeting {
            dir: Some(&folder),
            ledger: with_ledger.then_some(&*ledger),
            token: "t-1",
        };
        let with = || settings(|halt| halt.hook = vec!["sleep".to_owned(), "30".to_owned()]);
        let mut first = Rank::new(0, with(), &place);
        let mut second = Rank::new(1, with(), &place);
        both(&mut first, &mut second, 59);
        assert_eq!((keys(&first.told), second.told.len()), (vec![FIRING], 0));
        assert!(!second.halting.is_halting());
        first.tick(LATER + 60.0);
        second.tick(LATER + 61.0);
        assert_eq!(keys(&second.told), [OBSERVED]);
        assert!(second.job.got().is_empty());
    }
}
