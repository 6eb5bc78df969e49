//! Every rule of the policy, at its boundary.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use Severity::{Critical, Info, Warning};

/// A judge of one run with a short way to feed it.
struct Bench {
    judge: Judge,
    run: Run,
    out: Vec<Alert>,
    time: f64,
    rank: Option<u32>,
}

impl Bench {
    fn new(policy: Policy) -> Self {
        Self {
            judge: Judge::new(policy, "gpu-7".to_owned()),
            run: Run {
                project: "default".into(),
                run: "train".into(),
            },
            out: Vec::new(),
            time: f64::NAN,
            rank: None,
        }
    }

    fn feed(&mut self, step: Option<i64>, finding: Finding) -> Verdict {
        let seen = Seen {
            run: &self.run,
            run_id: 0,
            detector: "kl",
            rank: self.rank,
            step,
            time: self.time,
            input: "train.log",
            line: step.map(|step| step.unsigned_abs() + 1),
        };
        self.judge.finding(&seen, finding, &mut self.out)
    }

    /// A finding on a row, and the row itself.
    fn fire(&mut self, step: i64, severity: Severity) -> Verdict {
        self.fire_key(step, severity, "kl")
    }

    fn fire_key(&mut self, step: i64, severity: Severity, key: &str) -> Verdict {
        let verdict = self.feed(Some(step), firing(key, severity));
        self.row(step);
        verdict
    }

    fn resolve(&mut self, step: i64) -> Verdict {
        let verdict = self.feed(Some(step), resolved("kl"));
        self.row(step);
        verdict
    }

    fn row(&mut self, step: i64) {
        self.judge
            .progress(0, self.rank, step, self.time, &mut self.out);
    }

    fn finish(&mut self) {
        self.judge.finish(0, Some(9999), self.time, &mut self.out);
    }

    /// Steps, severities and titles of all alerts so far.
    fn said(&self) -> Vec<(i64, Severity, &str)> {
        self.out
            .iter()
            .map(|a| (a.step.unwrap_or(-1), a.severity, a.title.as_str()))
            .collect()
    }

    fn ids(&self) -> Vec<&str> {
        self.out.iter().map(|alert| alert.id.as_str()).collect()
    }
}

fn firing(key: &str, severity: Severity) -> Finding {
    Finding {
        key: key.to_owned(),
        severity,
        state: State::Firing,
        title: "KL is high".to_owned(),
        message: "kl is 0.9.".to_owned(),
        recommendation: "Lower the learning rate.".to_owned(),
        values: vec![("kl".to_owned(), 0.9)],
        halt: None,
        gather: false,
        route: None,
    }
}

fn resolved(key: &str) -> Finding {
    let (title, message, recommendation) = (String::new(), String::new(), String::new());
    Finding {
        state: State::Resolved,
        title,
        message,
        recommendation,
        ..firing(key, Info)
    }
}

const MUTED: Verdict = Verdict::Suppressed(Reason::Cooldown);
const CAPPED: Verdict = Verdict::Suppressed(Reason::Cap);
const FIRED: &str = "KL is high";
const STILL: &str = "KL is high (still firing)";

#[test]
fn first_alert_has_everything() {
    let mut bench = Bench::new(Policy::default());
    bench.time = 1_700_000_000.5;
    bench.rank = Some(3);
    assert_eq!(bench.fire(7, Warning), Verdict::LetOut);
    let alert = &bench.out[0];
    let id = Fingerprint::new(&bench.run, "kl", "kl").alert_id(1, 1, Transition::Fired);
    let expected = Alert {
        id,
        schema: crate::alert::SCHEMA,
        fingerprint: Fingerprint::new(&bench.run, "kl", "kl").to_string(),
        episode: 1,
        project: "default".to_owned(),
        run: "train".to_owned(),
        rank: Some(3),
        ranks: vec![3],
        host: "gpu-7".to_owned(),
        detector: "kl".to_owned(),
        key: "kl".to_owned(),
        severity: Warning,
        state: State::Firing,
        step: Some(7),
        time: Some("2023-11-14T22:13:20.500Z".to_owned()),
        title: "KL is high".to_owned(),
        message: "kl is 0.9.".to_owned(),
        recommendation: "Lower the learning rate.".to_owned(),
        values: vec![("kl".to_owned(), 0.9)],
        location: Some(Location {
            input: "train.log".to_owned(),
            line: 8,
        }),
        first_step: Some(7),
        count: 1,
        route: None,
        recent: None,
        halt: None,
        evidence: None,
    };
    assert_eq!(*alert, expected);
}

#[test]
fn exactly_the_cooldown_passes() {
    let mut bench = Bench::new(Policy::default());
    assert_eq!(bench.fire(5, Warning), Verdict::LetOut);
    assert_eq!(bench.fire(104, Warning), MUTED);
    assert_eq!(bench.fire(105, Warning), Verdict::LetOut);
    // The finding itself went out, so there is nothing left to announce.
    assert_eq!(bench.said(), [(5, Warning, FIRED), (105, Warning, FIRED)]);
    assert_eq!(bench.out[1].first_step, Some(5));
    assert_eq!(bench.out[1].count, 3);
    bench.row(1000);
    bench.finish();
    assert_eq!(bench.out.len(), 2);
    assert_eq!(bench.judge.suppressed().count(Reason::Cooldown), 1);
    assert_eq!(bench.judge.suppressed().total(), 1);
}

#[test]
fn a_higher_severity_preempts() {
    let mut bench = Bench::new(Policy::default());
    bench.fire(137, Warning);
    assert_eq!(bench.fire(138, Warning), MUTED);
    assert_eq!(bench.fire(180, Critical), Verdict::LetOut);
    assert_eq!(bench.fire(279, Critical), MUTED);
    assert_eq!(bench.fire(280, Critical), Verdict::LetOut);
    let expected = [
        (137, Warning, FIRED),
        (180, Critical, FIRED),
        (280, Critical, FIRED),
    ];
    assert_eq!(bench.said(), expected);
}

#[test]
fn a_lower_severity_is_muted_within_the_cooldown() {
    let mut bench = Bench::new(Policy::default());
    bench.fire(0, Critical);
    assert_eq!(bench.fire(1, Warning), MUTED);
    assert_eq!(bench.fire(99, Warning), MUTED);
    // It was announced as critical: the muted warnings are no news of that.
    bench.row(500);
    assert_eq!(bench.said(), [(0, Critical, FIRED)]);
    assert_eq!(bench.fire(501, Warning), Verdict::LetOut);
    assert_eq!(bench.said()[1], (501, Warning, FIRED));
}

#[test]
fn still_firing_when_the_cooldown_ends() {
    let mut bench = Bench::new(Policy::default());
    bench.fire(10, Warning);
    bench.fire(11, Warning);
    bench.fire(12, Warning);
    bench.row(109);
    assert_eq!(bench.out.len(), 1);
    bench.row(110);
    assert_eq!(bench.said()[1], (110, Warning, STILL));
    assert_eq!(
        bench.out[1].message,
        "Still firing, since step 10, 3 findings so far. kl is 0.9."
    );
    assert_eq!(bench.out[1].count, 3);
    assert_eq!(bench.out[1].first_step, Some(10));
    assert_eq!(bench.out[1].location.as_ref().unwrap().line, 13);
    // No nagging: nothing was muted since.
    bench.row(1000);
    assert_eq!(bench.out.len(), 2);
}

#[test]
fn an_announced_episode_does_not_repeat_by_itself() {
    let mut bench = Bench::new(Policy::default());
    bench.fire(10, Critical);
    (11..2000).for_each(|step| bench.row(step));
    bench.finish();
    assert_eq!(bench.out.len(), 1);
}

#[test]
fn an_episode_that_opens_within_the_cooldown_is_not_lost() {
    // The golden stream entropy_recover_recollapse: a latching detector.
    let mut bench = Bench::new(Policy::default());
    bench.fire(84, Warning);
    bench.fire(109, Critical);
    bench.resolve(120);
    assert_eq!(bench.fire(154, Warning), MUTED);
    assert_eq!(bench.fire(179, Critical), MUTED);
    (180..400).for_each(|step| bench.row(step));
    let expected = [
        (84, Warning, FIRED),
        (109, Critical, FIRED),
        (120, Critical, FIRED),
        (209, Critical, STILL),
    ];
    assert_eq!(bench.said(), expected);
    assert_eq!(bench.out[3].first_step, Some(154));
    assert_eq!(bench.out[3].count, 2);
}

#[test]
fn a_muted_warning_of_a_new_episode_is_announced_after_a_critical_one() {
    let mut bench = Bench::new(Policy::default());
    bench.fire(0, Critical);
    bench.resolve(10);
    bench.fire(20, Warning);
    bench.row(100);
    assert_eq!(bench.said()[2], (100, Warning, STILL));
}

#[test]
fn a_muted_episode_that_ends_in_the_cooldown_stays_muted() {
    let mut bench = Bench::new(Policy::default());
    bench.fire(0, Warning);
    bench.resolve(10);
    bench.fire(20, Warning);
    assert_eq!(bench.resolve(99), Verdict::Suppressed(Reason::Unannounced));
    bench.row(300);
    bench.finish();
    assert_eq!(bench.out.len(), 2);
}

#[test]
fn resolved_on_the_row_where_the_cooldown_ends() {
    let mut bench = Bench::new(Policy::default());
    bench.fire(0, Warning);
    bench.resolve(10);
    bench.fire(20, Warning);
    bench.resolve(100);
    assert_eq!(bench.out.len(), 2);
}

#[test]
fn an_unheard_episode_is_announced_when_the_run_ends() {
    let mut bench = Bench::new(Policy::default());
    bench.fire(0, Critical);
    bench.resolve(10);
    bench.fire(20, Critical);
    bench.finish();
    assert_eq!(bench.said()[2], (9999, Critical, STILL));
    let message = "Still firing when the run ended, since step 20, 1 finding so far. kl is 0.9.";
    assert_eq!(bench.out[2].message, message);
    bench.finish();
    assert_eq!(bench.out.len(), 3);
}

#[test]
fn resolved_carries_the_highest_severity_and_defaults() {
    let mut bench = Bench::new(Policy::default());
    bench.fire(0, Critical);
    bench.fire(100, Warning);
    assert_eq!(bench.resolve(150), Verdict::LetOut);
    let alert = &bench.out[2];
    assert_eq!((alert.severity, alert.state), (Critical, State::Resolved));
    assert_eq!(alert.title, "KL is high");
    assert_eq!(alert.message, "KL is high");
    assert_eq!(alert.recommendation, "No action needed.");
    assert_eq!((alert.first_step, alert.count), (Some(0), 2));
    assert_eq!(bench.resolve(151), Verdict::Suppressed(Reason::Unannounced));
}

#[test]
fn resolved_without_an_episode_is_swallowed() {
    let mut bench = Bench::new(Policy::default());
    assert_eq!(bench.resolve(1), Verdict::Suppressed(Reason::Unannounced));
    assert!(bench.out.is_empty());
}

#[test]
fn steps_that_go_back_reset_the_cooldown() {
    // The golden stream cooldown_rewind.
    let mut bench = Bench::new(Policy::default());
    let steps = (0..300).chain(100..300);
    for step in steps {
        if step == 150 || step == 299 {
            bench.fire(step, Critical);
        } else {
            bench.row(step);
        }
    }
    let steps: Vec<_> = bench.said().iter().map(|said| said.0).collect();
    assert_eq!(steps, [150, 299, 150, 299]);
    let mut ids = bench.ids();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4);
}

#[test]
fn a_row_that_goes_back_resets_the_cooldown_of_a_later_finding() {
    let mut bench = Bench::new(Policy::default());
    bench.fire(299, Warning);
    assert!(bench.judge.pending(0));
    bench.row(200);
    assert_eq!(bench.fire(310, Warning), Verdict::LetOut);
}

#[test]
fn what_is_pending_waits_a_cooldown_from_where_the_run_goes_on() {
    let mut bench = Bench::new(Policy::default());
    bench.fire(299, Warning);
    bench.resolve(310);
    bench.fire(350, Warning);
    bench.row(200);
    bench.row(299);
    assert_eq!(bench.out.len(), 2);
    bench.row(300);
    assert_eq!(bench.said()[2], (300, Warning, STILL));
}

#[test]
fn a_rank_that_lags_has_not_gone_back() {
    let mut bench = Bench::new(Policy::default());
    bench.rank = Some(0);
    bench.fire(500, Critical);
    bench.rank = Some(1);
    bench.row(499);
    assert_eq!(bench.fire(499, Critical), MUTED);
    assert_eq!(bench.fire(401, Critical), MUTED);
    assert_eq!(bench.fire(400, Critical), Verdict::LetOut);
}

#[test]
fn seconds_must_have_passed_as_well() {
    let mut bench = Bench::new(Policy {
        cooldown_seconds: Some(60.0),
        ..Policy::default()
    });
    bench.time = 1000.0;
    bench.fire(0, Warning);
    bench.time = 1059.9;
    assert_eq!(bench.fire(200, Warning), MUTED);
    bench.row(300);
    assert_eq!(bench.out.len(), 1);
    bench.time = 1060.0;
    bench.row(301);
    assert_eq!(bench.said()[1], (301, Warning, STILL));
    bench.time = 1120.0;
    assert_eq!(bench.fire(400, Warning), MUTED);
    assert_eq!(bench.fire(401, Warning), Verdict::LetOut);
}

#[test]
fn a_resume_does_not_reset_seconds() {
    let mut bench = Bench::new(Policy {
        cooldown_seconds: Some(60.0),
        ..Policy::default()
    });
    bench.time = 1000.0;
    bench.fire(500, Warning);
    bench.time = 1010.0;
    assert_eq!(bench.fire(300, Warning), MUTED);
}

#[test]
fn unknown_times_leave_the_decision_to_steps() {
    let mut bench = Bench::new(Policy {
        cooldown_seconds: Some(60.0),
        ..Policy::default()
    });
    bench.fire(0, Warning);
    assert_eq!(bench.fire(99, Warning), MUTED);
    bench.row(100);
    assert_eq!(bench.said()[1], (100, Warning, STILL));
}

#[test]
fn unknown_steps_are_decided_by_seconds() {
    let mut bench = Bench::new(Policy {
        cooldown_seconds: Some(60.0),
        ..Policy::default()
    });
    bench.time = 0.0;
    assert_eq!(bench.feed(None, firing("kl", Warning)), Verdict::LetOut);
    bench.time = 59.0;
    assert_eq!(bench.feed(None, firing("kl", Warning)), MUTED);
    bench.time = 60.0;
    assert_eq!(bench.feed(None, firing("kl", Warning)), Verdict::LetOut);
}

#[test]
fn unknown_steps_and_times_are_decided_by_counting() {
    let mut bench = Bench::new(Policy::default());
    let let_out: Vec<_> = (1..=300)
        .filter(|_| bench.feed(None, firing("kl", Warning)) == Verdict::LetOut)
        .collect();
    assert_eq!(let_out, [1, 101, 201]);
}

#[test]
fn a_muted_finding_without_a_step_waits_from_the_next_row() {
    let mut bench = Bench::new(Policy::default());
    bench.feed(None, firing("kl", Warning));
    bench.feed(None, firing("kl", Warning));
    bench.row(40);
    bench.row(139);
    assert_eq!(bench.out.len(), 1);
    bench.row(140);
    assert_eq!(bench.said()[1], (140, Warning, STILL));
    let message = "Still firing, 2 findings so far. kl is 0.9.";
    assert_eq!(bench.out[1].message, message);
}

#[test]
fn less_than_the_minimum_is_counted_only() {
    let mut bench = Bench::new(Policy {
        min_severity: Warning,
        ..Policy::default()
    });
    assert_eq!(
        bench.fire(0, Info),
        Verdict::Suppressed(Reason::MinSeverity)
    );
    assert_eq!(bench.resolve(1), Verdict::Suppressed(Reason::Unannounced));
    bench.fire(2, Info);
    assert_eq!(bench.fire(3, Warning), Verdict::LetOut);
    assert_eq!((bench.out[0].first_step, bench.out[0].count), (Some(2), 2));
    assert_eq!(bench.judge.suppressed().count(Reason::MinSeverity), 2);
}

#[test]
fn no_cooldown_lets_everything_out() {
    let mut bench = Bench::new(Policy {
        cooldown_steps: 0,
        ..Policy::default()
    });
    assert_eq!(bench.fire(1, Warning), Verdict::LetOut);
    assert_eq!(bench.fire(1, Warning), Verdict::LetOut);
    assert_eq!(bench.feed(None, firing("kl", Warning)), Verdict::LetOut);
}

#[test]
fn runs_and_keys_do_not_mute_each_other() {
    let mut bench = Bench::new(Policy::default());
    assert_eq!(bench.fire_key(0, Warning, "a"), Verdict::LetOut);
    assert_eq!(bench.fire_key(0, Warning, "b"), Verdict::LetOut);
    let other = Run {
        project: "default".into(),
        run: "eval".into(),
    };
    let seen = Seen {
        run: &other,
        run_id: 1,
        detector: "kl",
        rank: None,
        step: Some(0),
        time: f64::NAN,
        input: "eval.log",
        line: None,
    };
    let verdict = bench
        .judge
        .finding(&seen, firing("a", Warning), &mut bench.out);
    assert_eq!(verdict, Verdict::LetOut);
    assert_eq!(bench.out[2].location, None);
}

#[test]
fn the_same_input_makes_the_same_alerts() {
    let replay = || {
        let mut bench = Bench::new(Policy {
            max_alerts_per_run: 5,
            ..Policy::default()
        });
        for step in 0..2000 {
            match step % 97 {
                0 => _ = bench.fire(step, Warning),
                13 => _ = bench.fire(step, Critical),
                50 => _ = bench.resolve(step),
                _ => bench.row(step),
            }
        }
        bench.finish();
        bench.out
    };
    let alerts = replay();
    assert_eq!(alerts, replay());
    let mut ids: Vec<_> = alerts.iter().map(|alert| &alert.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), alerts.len());
}

#[test]
fn the_cap_holds_and_says_so_once() {
    let mut bench = Bench::new(Policy {
        max_alerts_per_run: 3,
        ..Policy::default()
    });
    for (step, key) in (0..).zip(["a", "b", "c"]) {
        assert_eq!(bench.fire_key(step, Warning, key), Verdict::LetOut);
    }
    assert_eq!(bench.out.len(), 3, "reaching the cap exactly is no news");
    assert_eq!(bench.fire_key(4, Warning, "d"), CAPPED);
    assert_eq!(bench.fire_key(5, Info, "e"), CAPPED);
    assert_eq!(bench.out.len(), 4);
    let told = &bench.out[3];
    assert_eq!(
        (told.detector.as_str(), told.key.as_str()),
        ("runwatch", "alert-cap")
    );
    assert_eq!((told.severity, told.step), (Warning, Some(4)));
    assert_eq!(told.title, "Alert cap reached for warnings and infos");
    let message = "This run has made 3 warnings and infos, its limit. Further ones are withheld \
                   and counted. Criticals still go out. Noisiest detectors: kl (4).";
    assert_eq!(told.message, message);
    assert!(
        told.recommendation.contains("kl (4)"),
        "{}",
        told.recommendation
    );

    assert_eq!(bench.fire_key(6, Critical, "d"), Verdict::LetOut);
    // The end of what was announced still goes out.
    assert_eq!(bench.feed(Some(7), resolved("a")), Verdict::LetOut);
    assert_eq!(
        bench.feed(Some(7), resolved("e")),
        Verdict::Suppressed(Reason::Unannounced)
    );

    bench.out.clear();
    bench.finish();
    assert_eq!(bench.said(), [(9999, Info, "2 alerts withheld by the cap")]);
    let message = "The cap withheld 0 criticals and 2 warnings and infos of this run. By \
                   detector: kl (2).";
    assert_eq!(bench.out[0].message, message);
    assert_eq!(bench.judge.suppressed().count(Reason::Cap), 2);
    bench.finish();
    assert_eq!(bench.out.len(), 1);
}

#[test]
fn criticals_have_a_reserve_of_their_own() {
    let mut bench = Bench::new(Policy {
        max_alerts_per_run: 1,
        critical_reserve: 2,
        ..Policy::default()
    });
    assert_eq!(bench.fire_key(0, Critical, "a"), Verdict::LetOut);
    assert_eq!(bench.fire_key(1, Critical, "b"), Verdict::LetOut);
    assert_eq!(bench.fire_key(2, Critical, "c"), CAPPED);
    assert_eq!(bench.fire_key(3, Critical, "d"), CAPPED);
    assert_eq!(bench.fire_key(4, Warning, "e"), Verdict::LetOut);
    let titles = bench.said();
    assert_eq!(titles[2], (2, Critical, "Alert cap reached for criticals"));
    assert_eq!(titles.len(), 4);
}

#[test]
fn what_the_cap_withholds_is_counted_in_alerts() {
    let mut bench = Bench::new(Policy {
        max_alerts_per_run: 0,
        ..Policy::default()
    });
    (0..200).for_each(|step| _ = bench.fire(step, Warning));
    bench.finish();
    assert_eq!(bench.out.len(), 2);
    assert_eq!(bench.out[1].title, "2 alerts withheld by the cap");
    assert_eq!(bench.judge.suppressed().count(Reason::Cap), 2);
    assert_eq!(bench.judge.suppressed().count(Reason::Cooldown), 198);
}

#[test]
fn the_cap_names_the_noisiest_three() {
    let mut bench = Bench::new(Policy {
        max_alerts_per_run: 10,
        ..Policy::default()
    });
    let run = bench.run.clone();
    for (n, detector) in ["a", "b", "b", "c", "c", "c", "d", "d", "d", "d", "e"]
        .iter()
        .enumerate()
    {
        let key = n.to_string();
        let seen = Seen {
            run: &run,
            run_id: 0,
            detector,
            rank: None,
            step: Some(0),
            time: f64::NAN,
            input: "",
            line: None,
        };
        bench
            .judge
            .finding(&seen, firing(&key, Info), &mut bench.out);
    }
    let message = &bench.out[10].message;
    assert!(
        message.ends_with("Noisiest detectors: d (4), c (3), b (2), 2 more."),
        "{message}"
    );
}

#[test]
fn endless_keys_are_bounded() {
    let mut bench = Bench::new(Policy::default());
    bench.fire_key(0, Warning, "first");
    for n in 0..10_000 {
        bench.rank = Some(n);
        bench.fire_key(1, Warning, &format!("key-{n}"));
    }
    assert_eq!(bench.out.len(), 51);
    assert!(bench.judge.watches[&0].trails.len() <= MAX_FINGERPRINTS);
    // What people were told of is the last to be forgotten.
    bench.rank = None;
    assert_eq!(bench.feed(Some(2), resolved("first")), Verdict::LetOut);
    // One that was forgotten and returns makes no id twice.
    bench.fire_key(3, Critical, "key-100");
    bench.finish();
    let total = bench.out.len();
    let mut ids = bench.ids();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), total);
}

#[test]
fn a_run_that_comes_back_makes_new_ids() {
    let mut bench = Bench::new(Policy::default());
    bench.fire(0, Warning);
    bench.finish();
    bench.fire(0, Warning);
    assert_eq!(bench.out.len(), 2);
    assert_ne!(bench.out[0].id, bench.out[1].id);
}

/// A finding that each rank may make.
fn on_each_rank(bench: &mut Bench, rank: u32, severity: Severity) -> Verdict {
    bench.rank = Some(rank);
    let finding = Finding {
        gather: true,
        route: None,
        ..firing("ValueError", severity)
    };
    bench.feed(Some(7), finding)
}

#[test]
fn the_same_on_many_ranks_is_one_alert() {
    let mut bench = Bench::new(Policy::default());
    bench.time = 1000.0;
    assert_eq!(on_each_rank(&mut bench, 3, Critical), Verdict::LetOut);
    assert!(bench.out.is_empty(), "it waits for the others");
    for rank in [0, 1, 3] {
        let verdict = on_each_rank(&mut bench, rank, Critical);
        assert_eq!(verdict, Verdict::Suppressed(Reason::OtherRank));
    }
    // The clock that counts is not the log's, which may be hours off.
    for now in [500.0, 501.9] {
        bench.judge.release(now, None, &mut bench.out);
        assert!(bench.out.is_empty());
    }
    bench.judge.release(502.0, None, &mut bench.out);
    let alert = &bench.out[0];
    assert_eq!(
        (alert.rank, alert.ranks.as_slice()),
        (Some(3), &[0, 1, 3][..])
    );
    assert_eq!(alert.count, 4);
    assert_eq!(alert.message, "kl is 0.9. Also on ranks 0–1.");
    assert_eq!(bench.out.len(), 1);
}

#[test]
fn without_times_an_alert_waits_for_so_many_lines_or_for_the_end() {
    let mut bench = Bench::new(Policy::default());
    on_each_rank(&mut bench, 0, Critical);
    bench.judge.release(f64::NAN, Some(10_007), &mut bench.out);
    assert!(bench.out.is_empty());
    bench.judge.release(f64::NAN, Some(10_008), &mut bench.out);
    assert_eq!(bench.out.len(), 1);
    let mut bench = Bench::new(Policy::default());
    on_each_rank(&mut bench, 0, Critical);
    bench.judge.release_all(&mut bench.out);
    assert_eq!(bench.out[0].ranks, [0]);
    assert_eq!(bench.out[0].message, "kl is 0.9.");
}

#[test]
fn something_worse_does_not_wait_with_the_lesser() {
    let mut bench = Bench::new(Policy::default());
    on_each_rank(&mut bench, 0, Warning);
    assert_eq!(on_each_rank(&mut bench, 1, Critical), Verdict::LetOut);
    assert_eq!(bench.said(), [(7, Warning, "KL is high")]);
    bench.judge.release_all(&mut bench.out);
    assert_eq!(bench.said()[1], (7, Critical, "KL is high"));
}

#[test]
fn the_policy_of_rlwatch_mutes_by_detector_and_severity_and_for_good() {
    let mut bench = Bench::new(Policy {
        rlwatch: true,
        cooldown_steps: 10,
        max_alerts_per_run: 4,
        ..Policy::default()
    });
    let mut verdict = |step, severity| bench.fire(step, severity) == Verdict::LetOut;
    assert!(
        verdict(0, Critical) && verdict(3, Warning),
        "a lesser severity passes"
    );
    assert!(
        !verdict(9, Critical) && verdict(10, Critical),
        "equality passes"
    );
    assert!(!verdict(0, Critical), "a step back mutes");
    assert!(
        verdict(30, Warning) && !verdict(60, Critical),
        "the cap takes criticals too"
    );
    bench.resolve(70);
    bench.finish();
    let mut ids = bench.ids();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4);
}

#[test]
fn nothing_is_pending_in_a_healthy_run() {
    let mut bench = Bench::new(Policy::default());
    assert!(!bench.judge.pending(0));
    bench.row(1);
    bench.finish();
    assert!(bench.out.is_empty());
}

/// What a stream may hold, step by step.
#[derive(Debug, Clone)]
enum Event {
    Fire(Severity, u8),
    Resolve(u8),
    Jump(i64),
    Forward(i64),
}

fn event() -> impl Strategy<Value = Event> {
    let severity = prop_oneof![Just(Info), Just(Warning), Just(Critical)];
    prop_oneof![
        4 => (severity, 0u8..3).prop_map(|(severity, key)| Event::Fire(severity, key)),
        1 => (0u8..3).prop_map(Event::Resolve),
        1 => (-200i64..0).prop_map(Event::Jump),
        4 => (1i64..60).prop_map(Event::Forward),
    ]
}

proptest! {
    /// A critical is suppressed only where a critical of the same fingerprint
    /// went out less than a cooldown before it, and none of the rows since lay
    /// behind that one.
    #[test]
    fn a_critical_is_never_muted_by_a_lesser_one(events in prop::collection::vec(event(), 0..200)) {
        let mut bench = Bench::new(Policy {
            max_alerts_per_run: 2,
            critical_reserve: usize::MAX,
            ..Policy::default()
        });
        let mut step = 0i64;
        // The last critical let out by key.
        let mut criticals: [Option<i64>; 3] = [None; 3];
        for event in events {
            let before = bench.out.len();
            match event {
                Event::Fire(severity, key) => {
                    let verdict = bench.fire_key(step, severity, &key.to_string());
                    if severity == Critical && verdict != Verdict::LetOut {
                        let last = criticals[usize::from(key)];
                        prop_assert!(last.is_some_and(|last| (0..100).contains(&(step - last))));
                    }
                }
                Event::Resolve(key) => {
                    bench.feed(Some(step), resolved(&key.to_string()));
                    bench.row(step);
                }
                Event::Jump(by) => step += by,
                Event::Forward(by) => step += by,
            }
            bench.row(step);
            for alert in &bench.out[before..] {
                prop_assert!(!alert.recommendation.is_empty());
                if alert.severity == Critical && alert.state == State::Firing {
                    criticals[alert.key.parse::<usize>().unwrap()] = alert.step;
                }
            }
        }
        let lesser = bench.out.iter().filter(|alert| {
            alert.severity < Critical && alert.detector == "kl" && alert.state == State::Firing
        });
        prop_assert!(lesser.count() <= 2);
        let count = bench.out.len();
        let mut ids = bench.ids();
        ids.sort_unstable();
        ids.dedup();
        prop_assert_eq!(ids.len(), count);
    }
}
