use proptest::prelude::*;
use runwatch_detector::testing::{Harness, Noise, Row, rows};
use runwatch_detector::{Detector, Finding, Parameters, State};

use super::Rule;

fn rule(when: &str, rows: u32) -> Parameters {
    Rule::describe()
        .defaults()
        .with("name", "mine")
        .with("when", when)
        .with("rows", rows)
        .with("title", "loss is {0}")
        .with("message", "loss is {0}, its mean {1}")
        .with("recommendation", "do something")
        .with("shown", "loss\tm:loss\nmean(loss, 4)\tw:mean:4:loss")
}

fn play(parameters: Parameters, rows: &[Row]) -> Vec<Finding> {
    Harness::<Rule>::with(parameters).unwrap().play(rows, 7)
}

fn brief(findings: &[Finding]) -> Vec<(u32, State)> {
    findings.iter().map(|it| (it.row, it.state)).collect()
}

#[test]
fn it_fires_after_so_many_rows_and_ends_after_as_many() {
    let values = [1.0, 5.0, 1.0, 5.0, 5.0, 5.0, 1.0, 5.0, 1.0, 1.0, 1.0];
    let found = play(rule("m:loss #2 >", 2), &rows("loss", &values));
    assert_eq!(brief(&found), [(4, State::Firing), (9, State::Resolved)]);
    assert_eq!(found[0].key, "mine");
    assert_eq!(found[0].title, "loss is 5");
    assert_eq!(found[0].message, "loss is 5, its mean 4");
    assert_eq!(found[0].values[1], ("mean(loss, 4)".to_owned(), 4.0));
}

#[test]
fn what_is_unknown_decides_nothing_but_where_the_other_side_does() {
    let run = rows("loss", &[9.0; 6]);
    assert_eq!(play(rule("m:loss m:other >", 1), &run), []);
    assert_eq!(play(rule("m:loss m:other > not", 1), &run), []);
    assert_eq!(play(rule("m:loss m:other > m:loss #2 > and", 1), &run), []);
    let either = play(rule("m:loss m:other > m:loss #2 > or", 1), &run);
    assert_eq!(brief(&either), [(0, State::Firing)]);
    // A window is unknown until it is full.
    let full = play(rule("w:mean:4:loss #2 >", 1), &run);
    assert_eq!(brief(&full), [(3, State::Firing)]);
}

#[test]
fn statistics_are_what_they_are_called() {
    let run = rows("loss", &[1.0, 7.0, 3.0, 5.0]);
    for (statistic, value) in [
        ("mean", 4.0),
        ("min", 1.0),
        ("max", 7.0),
        ("median", 4.0),
        ("std", 5.0_f64.sqrt()),
        ("slope", 0.8),
        ("change", 4.0),
    ] {
        let when = format!("w:{statistic}:4:loss #{value} - abs #1e-12 <");
        assert_eq!(
            brief(&play(rule(&when, 1), &run)),
            [(3, State::Firing)],
            "{statistic}"
        );
    }
}

#[test]
fn nan_is_seen_and_enters_no_window() {
    let run = rows("loss", &[1.0, 1.0, f64::NAN, 1.0, 1.0]);
    assert_eq!(play(rule("m:loss isnan", 1), &run).len(), 2);
    assert_eq!(play(rule("m:loss #0 < m:loss #5 > or", 1), &run), []);
    let mean = play(rule("w:mean:4:loss #1 ==", 1), &run);
    assert_eq!(brief(&mean), [(4, State::Firing)]);
}

#[test]
fn labels_steps_and_choices() {
    let row = |step, model: &str| Row::new(step, &[("loss", 1.0)]).text("label", "model", model);
    let run = [row(1, "big"), row(2, "big"), row(3, "small one")];
    let found = play(rule("l:model $small%20one ==", 1), &run);
    assert_eq!(brief(&found), [(2, State::Firing)]);
    let chosen = play(rule("step #2 >= m:loss #1 == l:model $x == if", 1), &run);
    assert_eq!(brief(&chosen), [(1, State::Firing)]);
}

#[test]
fn an_age_grows_without_rows() {
    let mut harness = Harness::<Rule>::with(rule("a:loss #60 >", 1)).unwrap();
    let row = |time| Row::new(1, &[("loss", 1.0)]).at(time);
    assert_eq!(harness.play(&[row(1000.0)], 1), []);
    assert_eq!(harness.tick(1060.0), []);
    assert_eq!(harness.tick(1061.0).len(), 1);
    assert_eq!(harness.tick(1070.0), []);
    assert_eq!(
        brief(&harness.play(&[row(1080.0)], 1)),
        [(1, State::Resolved)]
    );
}

#[test]
fn ranks_are_watched_apart_and_told_of_once() {
    let row = |step, rank, loss| Row::new(step, &[("loss", loss)]).on(rank);
    let run = [
        row(1, 0, 5.0),
        row(1, 1, 5.0),
        row(2, 0, 1.0),
        row(2, 1, 5.0),
        row(3, 1, 1.0),
    ];
    let found = play(rule("m:loss #2 >", 1), &run);
    assert_eq!(brief(&found), [(0, State::Firing), (4, State::Resolved)]);
}

#[test]
fn a_resume_starts_afresh() {
    let mut run = rows("loss", &[5.0; 6]);
    run.extend(rows("loss", &[5.0; 3]));
    let found = play(rule("w:mean:4:loss #2 >", 1), &run);
    assert_eq!(brief(&found), [(3, State::Firing), (6, State::Resolved)]);
}

#[test]
fn nonsense_is_refused() {
    for when in ["m:loss #2", ">", "m:loss >", "foo", "w:mode:4:loss", "#x"] {
        assert!(Harness::<Rule>::with(rule(when, 1)).is_err(), "{when}");
    }
    assert!(
        Harness::<Rule>::new()
            .unwrap()
            .play(&rows("loss", &[1.0]), 1)
            .is_empty()
    );
}

proptest! {
    #[test]
    fn batches_and_restarts_change_nothing(seed in any::<u64>(), batch in 1usize..40, cut in 0usize..200) {
        let mut noise = Noise::new(seed);
        let values: Vec<f64> = (0..200).map(|_| noise.normal()).collect();
        let run = rows("loss", &values);
        let when = "w:mean:4:loss #0.3 > m:loss #0 > and";
        let whole = play(rule(when, 2), &run);
        let mut harness = Harness::<Rule>::with(rule(when, 2)).unwrap();
        let mut parts = harness.play(&run[..cut], batch);
        harness.restart().unwrap();
        parts.extend(harness.play(&run[cut..], batch));
        prop_assert_eq!(whole, parts);
    }
}
