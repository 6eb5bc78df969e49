use proptest::prelude::*;
use runwatch_detector::testing::{Harness, Row};
use runwatch_detector::{Detector, Facts, Finding, NO_ROW, Parameters, Severity, State};

use super::Heartbeat;

fn defaults() -> Parameters {
    Heartbeat::describe().defaults()
}

/// What happens to a run: a row of a rank (none without ranks), or an end.
#[derive(Debug, Clone, Copy)]
enum Happens {
    Row(i64, u32, f64),
    Finish,
}

/// Plays like the runner: ticks every second from `silence` seconds after the
/// last row on, up to the next row or to `until`.
struct Stream {
    harness: Harness<Heartbeat>,
    silence: f64,
    last: f64,
    found: Vec<(f64, Finding)>,
}

impl Stream {
    fn with(parameters: Parameters) -> Self {
        let silence = parameters.number("silence").unwrap();
        Self {
            harness: Harness::with(parameters).unwrap(),
            silence,
            last: f64::NAN,
            found: Vec::new(),
        }
    }

    fn new() -> Self {
        Self::with(defaults())
    }

    /// Live, since this time.
    fn since(began: f64) -> Self {
        let mut stream = Self::new();
        let facts = Facts(vec![("since".into(), began.to_string())]);
        stream.harness.detector = Heartbeat::open(&facts, &defaults()).unwrap();
        stream.last = began;
        stream
    }

    fn silent_until(&mut self, until: f64) -> &mut Self {
        let mut now = self.last + self.silence;
        while now <= until {
            let found = self.harness.tick(now);
            assert!(found.iter().all(|finding| finding.row == NO_ROW));
            self.found.extend(found.into_iter().map(|it| (now, it)));
            now += 1.0;
        }
        self
    }

    fn play(&mut self, happens: &[Happens]) -> &mut Self {
        for &it in happens {
            match it {
                Happens::Row(step, rank, time) => {
                    self.silent_until(time);
                    let row = Row::new(step, &[]).on(rank).at(time);
                    let found = self.harness.play(&[row], 1);
                    self.found.extend(found.into_iter().map(|it| (time, it)));
                    self.last = self.last.max(time);
                }
                Happens::Finish => {
                    assert_eq!(self.harness.finish("completed"), []);
                }
            }
        }
        self
    }

    fn brief(&self) -> Vec<(f64, &str, &str)> {
        let how = |f: &Finding| match f.state {
            State::Firing => f.severity.name(),
            State::Resolved => "resolved",
        };
        let brief = |(time, f): &(f64, Finding)| {
            (
                *time,
                if f.key == "silence" { "run" } else { "rank" },
                how(f),
            )
        };
        self.found.iter().map(brief).collect()
    }
}

/// Rows of `ranks` ranks every `every` seconds, a tenth of a second apart.
fn beats(ranks: u32, every: f64, steps: std::ops::Range<i64>) -> Vec<Happens> {
    let of_step = |step: i64| {
        (0..ranks).map(move |rank| {
            let time = 1e9 + step as f64 * every + 0.1 * f64::from(rank);
            Happens::Row(step, rank, time)
        })
    };
    steps.flat_map(of_step).collect()
}

#[test]
fn a_run_that_goes_on_is_quiet() {
    let mut stream = Stream::new();
    stream.play(&beats(4, 5.0, 0..1000));
    assert_eq!(stream.brief(), []);
}

#[test]
fn a_silent_run_is_a_warning_then_critical_then_back() {
    let mut stream = Stream::new();
    stream.play(&beats(1, 1.0, 0..100));
    let last = 1e9 + 99.0;
    stream.silent_until(last + 3600.0);
    stream.play(&[Happens::Row(100, 0, last + 3600.0)]);
    assert_eq!(
        stream.brief(),
        [
            (last + 120.0, "run", "warning"),
            (last + 720.0, "run", "critical"),
            (last + 3600.0, "run", "resolved"),
        ]
    );
    let message = &stream.found[0].1.message;
    assert!(
        message.contains("for 2 min; the last was step 99"),
        "{message}"
    );
    assert!(stream.found[0].1.recommendation.contains("py-spy"));
}

#[test]
fn a_run_that_has_ended_is_not_silent() {
    let mut stream = Stream::new();
    stream.play(&beats(2, 1.0, 0..100)).play(&[Happens::Finish]);
    stream.silent_until(2e9_f64.min(1e9 + 10_000.0));
    assert_eq!(stream.brief(), []);
}

#[test]
fn live_nothing_at_all_is_a_warning_after_the_grace() {
    let mut stream = Stream::since(1e9);
    stream.silent_until(1e9 + 3600.0);
    stream.play(&[Happens::Row(0, 0, 1e9 + 3600.0)]);
    let expected = [
        (1e9 + 600.0, "run", "warning"),
        (1e9 + 3600.0, "run", "resolved"),
    ];
    assert_eq!(stream.brief(), expected);
    let message = &stream.found[0].1.message;
    let begins = "Nothing has come since the watch began 10 min ago";
    assert!(message.starts_with(begins), "{message}");
    assert_eq!(stream.found[1].1.title, "The run is heard");
}

#[test]
fn what_was_there_before_the_watch_gives_a_start_its_grace() {
    // An old run, of which the fresh start goes on three hours later.
    let began = 1e9 + 3.0 * 3600.0;
    let mut stream = Stream::since(began);
    for happens in beats(2, 1.0, 0..100) {
        let Happens::Row(step, rank, time) = happens else {
            continue;
        };
        let row = Row::new(step, &[]).on(rank).at(time);
        assert_eq!(stream.harness.play(&[row], 1), []);
    }
    stream.play(&[Happens::Row(100, 0, began + 60.0)]);
    stream.silent_until(began + 600.0);
    assert_eq!(stream.brief(), []);
    stream.silent_until(began + 660.0);
    assert_eq!(stream.brief(), [(began + 660.0, "run", "warning")]);
}

#[test]
fn in_a_review_before_the_first_row_there_is_nothing_to_miss() {
    let mut harness = Harness::<Heartbeat>::new().unwrap();
    for tick in 0..1000 {
        assert_eq!(harness.tick(1e9 + f64::from(tick) * 30.0), []);
    }
}

#[test]
fn a_start_has_its_grace() {
    // Compilation, or a checkpoint that is loaded.
    let mut stream = Stream::new();
    stream.play(&[Happens::Row(0, 0, 1e9), Happens::Row(1, 0, 1e9 + 590.0)]);
    assert_eq!(stream.brief(), []);
    stream.silent_until(1e9 + 590.0 + 5000.0);
    assert_eq!(stream.brief().first().map(|it| it.2), Some("warning"));
}

#[test]
fn a_slow_job_is_given_its_time() {
    // 105 s a step: 20 of them would be 35 minutes.
    let mut stream = Stream::new();
    stream.play(&beats(1, 105.0, 0..50));
    let last = stream.last;
    stream.silent_until(last + 599.0);
    assert_eq!(stream.brief(), []);
    stream.silent_until(last + 601.0);
    assert_eq!(stream.brief().len(), 1);
}

#[test]
fn a_pause_that_ended_teaches() {
    let pause = |stream: &mut Stream, from: i64, seconds: f64| {
        let start = stream.last + seconds;
        for step in 0..50 {
            stream.play(&[Happens::Row(from + step, 0, start + step as f64)]);
        }
    };
    let mut stream = Stream::new();
    stream.play(&[Happens::Row(0, 0, 1e9)]);
    pause(&mut stream, 1, 1.0);
    pause(&mut stream, 51, 300.0);
    assert_eq!(stream.brief().len(), 2, "{:?}", stream.brief());
    // The evaluations to come take as long.
    for at in 2..6 {
        pause(&mut stream, at * 50 + 1, 310.0);
    }
    assert_eq!(stream.brief().len(), 2, "{:?}", stream.brief());
}

#[test]
fn the_time_a_restart_takes_teaches_nothing() {
    let mut stream = Stream::new();
    stream.play(&beats(1, 1.0, 0..100));
    // A crash, half an hour, a resume from step 50.
    let resumed = stream.last + 1800.0;
    for step in 50..150 {
        let time = resumed + (step - 50) as f64;
        stream.play(&[Happens::Row(step, 0, time)]);
    }
    let last = stream.last;
    stream.silent_until(last + 121.0);
    let brief = stream.brief();
    assert_eq!(brief.last(), Some(&(last + 120.0, "run", "warning")));
    assert_eq!(brief.len(), 4, "{brief:?}");
}

#[test]
fn one_silent_rank_is_critical_and_named() {
    let mut rows = beats(4, 5.0, 0..200);
    rows.retain(|it| !matches!(it, Happens::Row(100..180, 2, _)));
    let mut stream = Stream::new();
    stream.play(&rows);
    let brief = stream.brief();
    assert_eq!(brief.len(), 2, "{brief:?}");
    let silent_from = 1e9 + 99.0 * 5.0 + 0.2;
    assert!(brief[0].0 - silent_from <= 126.0, "{brief:?}");
    assert_eq!((brief[0].1, brief[0].2), ("rank", "critical"));
    assert_eq!((brief[1].1, brief[1].2), ("rank", "resolved"));
    let finding = &stream.found[0].1;
    assert_eq!(finding.title, "No sign of life from rank 2");
    assert!(finding.message.contains("4 ranks"), "{}", finding.message);
}

#[test]
fn ranks_wake_up_one_after_the_other() {
    // All pause for an hour; then rank 3 comes half a minute after the others.
    let mut rows = beats(4, 5.0, 0..100);
    for row in beats(4, 5.0, 100..200) {
        if let Happens::Row(step, rank, time) = row {
            let late = if rank == 3 { 25.0 } else { 0.0 };
            rows.push(Happens::Row(step, rank, time + 3600.0 + late));
        }
    }
    rows.sort_by(|a, b| {
        let time = |it: &Happens| match it {
            Happens::Row(_, _, time) => *time,
            Happens::Finish => f64::INFINITY,
        };
        time(a).total_cmp(&time(b))
    });
    let mut stream = Stream::new();
    stream.play(&rows);
    let kinds: Vec<_> = stream.brief().iter().map(|it| (it.1, it.2)).collect();
    assert_eq!(
        kinds,
        [("run", "warning"), ("run", "critical"), ("run", "resolved")]
    );
}

#[test]
fn a_rank_that_only_said_hello_is_not_missed() {
    let mut rows: Vec<_> = (1..8)
        .flat_map(|rank| (0..3).map(move |at| Happens::Row(0, rank, 1e9 + f64::from(at))))
        .collect();
    rows.extend(beats(1, 5.0, 1..500));
    let mut stream = Stream::new();
    stream.play(&rows);
    assert_eq!(stream.brief(), []);
}

#[test]
fn a_rank_that_appears_late_and_clocks_that_differ_are_fine() {
    let mut rows = Vec::new();
    for row in beats(4, 5.0, 0..400) {
        if let Happens::Row(step, rank, time) = row
            && (rank != 3 || step > 150)
        {
            // Rank 1's clock is ten minutes slow.
            let skew = if rank == 1 { -600.0 } else { 0.0 };
            rows.push(Happens::Row(step, rank, time + skew));
        }
    }
    let mut stream = Stream::new();
    stream.play(&rows);
    assert_eq!(stream.brief(), []);
}

#[test]
fn ranks_read_one_file_after_the_other_are_fine() {
    let mut rows = beats(1, 5.0, 0..300);
    for rank in 1..4 {
        let of_rank = beats(4, 5.0, 0..300).into_iter();
        rows.extend(of_rank.filter(|it| matches!(it, Happens::Row(_, r, _) if *r == rank)));
    }
    let mut stream = Stream::new();
    stream.play(&rows);
    assert_eq!(stream.brief(), []);
}

#[test]
fn the_rank_that_stopped_first_is_named_when_all_wait_for_it() {
    let mut rows = beats(8, 5.0, 0..100);
    rows.retain(|it| !matches!(it, Happens::Row(99, 5, _)));
    let mut stream = Stream::new();
    stream.play(&rows);
    let last = stream.last;
    stream.silent_until(last + 200.0);
    let message = &stream.found[0].1.message;
    assert!(
        message.contains("Not at that step yet: rank 5"),
        "{message}"
    );
}

#[test]
fn a_restart_in_a_silence_changes_nothing() {
    let found = |restart: Option<f64>| {
        let mut stream = Stream::new();
        stream.play(&beats(2, 1.0, 0..100));
        let mut now = stream.last + stream.silence;
        let mut found = Vec::new();
        for _ in 0..1000 {
            if restart == Some(now) {
                stream.harness.restart().unwrap();
            }
            found.extend(stream.harness.tick(now));
            now += 1.0;
        }
        found
    };
    let expected = found(None);
    assert_eq!(expected.len(), 2);
    let first = 1e9 + 99.1 + 120.0;
    for after in [0.0, 1.0, 300.0, 600.0, 601.0] {
        assert_eq!(found(Some(first + after)), expected, "{after}");
    }
}

/// The watchdog whose values the `nsa` preset has read only the last line of a
/// file, and was fed by its own dumps; here a fixed limit is enough.
#[test]
fn a_fixed_limit_is_kept() {
    let fixed = defaults()
        .with("silence", 180)
        .with("grace", 180)
        .with("interval-factor", 0)
        .with("longest-factor", 0)
        .with("critical-after", 0);
    let mut stream = Stream::with(fixed);
    stream.play(&beats(1, 30.0, 0..20));
    let last = stream.last;
    stream.silent_until(last + 3600.0);
    assert_eq!(stream.brief(), [(last + 180.0, "run", "critical")]);
}

#[test]
fn rows_without_times_are_signs_of_life() {
    let mut stream = Stream::new();
    for step in 0..100 {
        let row = Row::new(step, &[]);
        assert_eq!(stream.harness.play(&[row], 1), []);
    }
    stream.last = 1e9;
    stream.silent_until(1e9 + 599.0);
    assert_eq!(stream.brief(), []);
    stream.silent_until(1e9 + 601.0);
    assert_eq!(stream.found[0].1.severity, Severity::Warning);
}

#[test]
fn many_ranks_take_bounded_memory() {
    let mut harness = Harness::<Heartbeat>::new().unwrap();
    let rows: Vec<Row> = (0..20_000)
        .map(|at| Row::new(1, &[]).on(at * 7).at(1e9 + f64::from(at)))
        .collect();
    harness.play(&rows, 1024);
    let saved = harness.detector.save().unwrap().len();
    assert!(saved < 4096 * 64, "{saved}");
}

proptest! {
    #[test]
    fn neither_batches_nor_restarts_change_what_is_found(
        cells in prop::collection::vec((-2i64..4, 0u32..4, 0u8..40), 0..300),
        batch in 1usize..50,
        restart in 0usize..300,
    ) {
        let (mut step, mut time) = (0, 1e9);
        let mut rows = Vec::new();
        for (stride, rank, gap) in cells {
            step += stride;
            time += match gap { 0 => f64::NAN, 1..3 => 300.0, 3 => -50.0, gap => f64::from(gap) / 4.0 };
            let stamp = time;
            if time.is_nan() { time = 1e9 + rows.len() as f64 * 10.0; }
            rows.push(Row::new(step, &[]).on(rank).at(stamp));
        }
        let expected = Harness::<Heartbeat>::new().unwrap().play(&rows, 64);
        let mut harness = Harness::<Heartbeat>::new().unwrap();
        let (before, after) = rows.split_at(restart.min(rows.len()));
        let mut findings = harness.play(before, batch);
        harness.restart().unwrap();
        findings.extend(harness.play(after, batch + 1));
        prop_assert_eq!(findings, expected);
    }
}
