use proptest::prelude::*;
use runwatch_detector::testing::{Harness, Noise, Row};
use runwatch_detector::{Detector, Finding, Severity, State};

use super::Overfit;

fn play(rows: &[Row]) -> Vec<Finding> {
    Harness::<Overfit>::new().unwrap().play(rows, 64)
}

/// 20 training rows before each evaluation; the training loss falls or not.
fn run(evaluations: &[f64], falls: bool) -> Vec<Row> {
    let mut noise = Noise::new(7);
    let mut rows = Vec::new();
    for (at, &eval) in evaluations.iter().enumerate() {
        for row in 0..20 {
            let step = (at * 20 + row) as i64 * 50;
            let level = if falls {
                1.0 / (1.0 + step as f64 / 2000.0)
            } else {
                1.0
            };
            let loss = level * (1.0 + 0.02 * noise.normal());
            rows.push(Row::new(step, &[("loss", loss)]));
        }
        let step = (at as i64 + 1) * 1000 - 50;
        rows.push(Row::new(step, &[("eval_loss", eval)]));
    }
    rows
}

const WHISPER: [f64; 5] = [0.335, 0.3075, 0.352, 0.42, 0.468];

#[test]
fn overfitting_is_found_after_two_evaluations() {
    let findings = play(&run(&WHISPER, true));
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].severity, Severity::Warning);
    // With the first training loss after the evaluation.
    assert_eq!(findings[0].row, 21 * 4);
    let message = &findings[0].message;
    assert!(
        message.contains("its best of 0.3075 at step 1950"),
        "{message}"
    );
    assert!(findings[0].recommendation.contains("word error rate"));
}

#[test]
fn without_a_falling_training_loss_it_is_none() {
    assert_eq!(play(&run(&WHISPER, false)), []);
    let mut rows = run(&WHISPER, true);
    rows.retain(|row| row.metrics[0].0 == "eval_loss");
    assert_eq!(play(&rows), []);
}

#[test]
fn healthy_evaluations_are_quiet() {
    assert_eq!(play(&run(&[0.9, 0.8, 0.7, 0.71, 0.7, 0.69, 0.7], true)), []);
    // One high, then better; and noise that was seen before.
    assert_eq!(
        play(&run(&[0.9, 0.8, 0.9, 0.79, 0.85, 0.87, 0.78], true)),
        []
    );
    let mut nan = WHISPER;
    nan[3] = f64::NAN;
    nan[4] = f64::INFINITY;
    assert_eq!(play(&run(&nan, true)), []);
    assert_eq!(play(&run(&WHISPER.map(|it| it - 1.0), true)), []);
}

#[test]
fn noisy_evaluations_need_a_larger_rise() {
    let noisy = [1.9, 2.6, 1.84, 2.7, 1.85, 2.5, 2.3, 2.749, 2.2];
    assert_eq!(play(&run(&noisy, true)), []);
}

#[test]
fn an_evaluation_may_print_a_value_per_batch_or_be_repeated() {
    let mut rows = Vec::new();
    for (at, row) in run(&[0.9, 0.8, 0.79, 0.78, 0.77], true)
        .into_iter()
        .enumerate()
    {
        let eval = row.metrics[0].1;
        let is_eval = row.metrics[0].0 == "eval_loss";
        rows.push(row.clone());
        if is_eval {
            rows.extend(
                [0.7, 1.6, 1.2].map(|part| Row::new(row.step, &[("eval_loss", part * eval)])),
            );
        } else if at > 21 {
            rows.push(Row::new(row.step, &[("eval_loss", 0.91)]));
        }
    }
    assert_eq!(play(&rows), []);
}

#[test]
fn the_last_evaluation_is_judged_when_the_run_ends() {
    let mut harness = Harness::<Overfit>::new().unwrap();
    assert_eq!(harness.play(&run(&WHISPER[..3], true), 64), []);
    assert_eq!(harness.finish("completed"), []);
    let mut harness = Harness::<Overfit>::new().unwrap();
    assert_eq!(harness.play(&run(&[0.3075, 0.352, 0.42], true), 64), []);
    assert_eq!(harness.finish("completed").len(), 1);
}

#[test]
fn it_is_over_when_the_loss_is_back() {
    let evaluations = [0.335, 0.3075, 0.352, 0.42, 0.468, 0.31, 0.36, 0.38];
    let findings = play(&run(&evaluations, true));
    let states: Vec<State> = findings.iter().map(|f| f.state).collect();
    assert_eq!(states[..2], [State::Firing, State::Resolved]);
    assert_eq!(findings[1].row, 21 * 6);
}

#[test]
fn a_resume_forgets_the_best() {
    let mut rows = run(&WHISPER, true);
    let mut again = run(&WHISPER[2..], true);
    again.iter_mut().for_each(|row| row.step += 500);
    rows.append(&mut again);
    let findings = play(&rows);
    assert_eq!(findings[1].title, "Run resumed", "{findings:?}");
    assert_eq!(findings[1].state, State::Resolved);
}

#[test]
fn each_rank_is_judged_and_all_share_an_episode() {
    let rows: Vec<Row> = run(&WHISPER, true)
        .into_iter()
        .flat_map(|row| [row.clone().on(0), row.on(1)])
        .collect();
    assert_eq!(play(&rows).len(), 1);
}

#[test]
fn a_value_that_says_nothing_blinds_nothing() {
    let harness = Harness::<Overfit>::new().unwrap();
    // The training loss, of which the mean is known by then.
    harness.assert_not_blinded(&run(&WHISPER, true), 80, f64::NAN);
    let harness = Harness::<Overfit>::new().unwrap();
    harness.assert_not_blinded(&run(&WHISPER, true), 62, f64::NAN);
}

proptest! {
    #[test]
    fn neither_batches_nor_restarts_change_what_is_found(
        evaluations in prop::collection::vec(
            prop_oneof![5 => 0.2..0.6, 1 => Just(f64::NAN), 1 => Just(-1.0), 1 => Just(0.0)],
            1..30,
        ),
        back in prop::option::of(0usize..30),
        batch in 1usize..50,
        restart in 0usize..600,
    ) {
        let mut rows = run(&evaluations, true);
        if let Some(back) = back {
            rows.iter_mut().skip(back * 21).for_each(|row| row.step -= 2000);
        }
        let expected = play(&rows);
        let mut harness = Harness::<Overfit>::new().unwrap();
        let (before, after) = rows.split_at(restart.min(rows.len()));
        let mut findings = harness.play(before, batch);
        harness.restart().unwrap();
        findings.extend(harness.play(after, batch + 1));
        prop_assert_eq!(findings, expected);
    }

    #[test]
    fn the_first_firing_has_its_reasons(
        evaluations in prop::collection::vec(0.2..0.6f64, 1..30),
    ) {
        let findings = play(&run(&evaluations, true));
        if let Some(first) = findings.first() {
            let at = first.row as usize / 21 - 1;
            let best = evaluations[..=at].iter().copied().fold(f64::INFINITY, f64::min);
            prop_assert!(evaluations[at] > 1.05 * best && evaluations[at - 1] > 1.05 * best);
            prop_assert_eq!(Overfit::describe().name, first.key.clone());
        }
    }
}
