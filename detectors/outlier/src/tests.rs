use proptest::prelude::*;
use runwatch_detector::testing::{Harness, Noise, Row, rows};
use runwatch_detector::{
    Description, Detector, Finding, Kind, Parameter, Parameters, Severity, State,
};

use super::{Outlier, Score};

/// Two weeks of five minutes each.
const FORTNIGHT: usize = 14 * 288;

fn defaults() -> Parameters {
    Outlier::describe().defaults()
}

fn watching() -> Harness<Outlier> {
    Harness::with(defaults().with("metrics", "queue*")).unwrap()
}

fn play(values: &[f64]) -> Vec<Finding> {
    watching().play(&rows("queue", values), 64)
}

fn noisy(n: usize) -> Vec<f64> {
    let mut noise = Noise::new(7);
    (0..n).map(|_| 50.0 + noise.normal()).collect()
}

fn brief(findings: &[Finding]) -> Vec<(u32, State, Severity)> {
    findings
        .iter()
        .map(|f| (f.row, f.state, f.severity))
        .collect()
}

/// The scores of values five minutes apart.
fn scores(values: &[f64]) -> Vec<f64> {
    let mut score = Score::new();
    let timed = values.iter().enumerate();
    timed
        .map(|(at, &value)| score.score(1.4e9 + 300.0 * at as f64, value))
        .collect()
}

fn largest(scores: &[f64]) -> f64 {
    scores.iter().copied().fold(0.0, f64::max)
}

/// Busy from 9 to 18, with noise.
fn daily(at: usize, noise: &mut Noise) -> f64 {
    let hour = at % 288 / 12;
    let busy = if (9..18).contains(&hour) { 80.0 } else { 20.0 };
    busy + noise.normal()
}

#[test]
fn it_is_off_unless_asked() {
    let detector = Harness::<Outlier>::new().unwrap().detector;
    assert_eq!(detector.interests(), []);
    let interests = watching().detector.interests();
    assert_eq!(interests.len(), 1);
    assert_eq!(interests[0].pattern, "queue*");
}

#[test]
fn ordinary_series_are_quiet() {
    assert_eq!(play(&noisy(5000)), []);
    assert_eq!(play(&[7.0; 2000]), []);
    assert_eq!(play(&[0.0; 2000]), []);
    let drift: Vec<f64> = (0..5000).map(f64::from).collect();
    assert_eq!(play(&drift), []);
    let mut noise = Noise::new(11);
    let around_zero: Vec<f64> = (0..30_000).map(|_| noise.normal()).collect();
    assert_eq!(play(&around_zero), []);
    let waves: Vec<f64> = (0..5000).map(|at| (f64::from(at) / 40.0).sin()).collect();
    assert_eq!(play(&waves), []);
    let falling: Vec<f64> = (1..5000).map(|at| 2.0 + 9.0 / f64::from(at)).collect();
    assert_eq!(play(&falling), []);
}

#[test]
fn a_spike_fires_once_and_is_resolved() {
    let mut values = noisy(1000);
    values[600..603].copy_from_slice(&[80.0, 90.0, 70.0]);
    let findings = play(&values);
    assert_eq!(
        brief(&findings),
        [
            (600, State::Firing, Severity::Info),
            (612, State::Resolved, Severity::Info),
        ]
    );
    assert_eq!(findings[0].key, "outlier/queue");
    assert_eq!(findings[0].title, "queue above all before: 80");
    assert!(findings[0].message.contains("of the 600 values before"));
    assert!(!findings[0].recommendation.is_empty());
}

#[test]
fn a_step_fires_once_and_settles() {
    let mut values = noisy(3000);
    values[1500..].iter_mut().for_each(|value| *value -= 30.0);
    let findings = play(&values);
    assert_eq!(findings.len(), 2, "{findings:?}");
    assert_eq!(findings[0].row, 1500);
    assert!(findings[0].title.contains("below all before"));
    assert!(findings[1].title.contains("settled"));
}

#[test]
fn a_small_change_is_not_worth_a_word() {
    // Strange for a series this still, but only by 4 % of its mean.
    let mut values: Vec<f64> = noisy(1000)
        .iter()
        .map(|v| 50.0 + (v - 50.0) / 50.0)
        .collect();
    values[600] = 52.0;
    assert_eq!(play(&values), []);
    let sensitive = defaults().with("metrics", "queue").with("change", 0.01);
    let mut harness = Harness::<Outlier>::with(sensitive).unwrap();
    assert_eq!(harness.play(&rows("queue", &values), 64)[0].row, 600);
}

#[test]
fn severity_is_what_the_user_says() {
    let mut harness = Harness::<Outlier>::with(
        defaults()
            .with("metrics", "queue")
            .with("severity", "warning"),
    )
    .unwrap();
    let mut values = noisy(300);
    values[250] = 99.0;
    let findings = harness.play(&rows("queue", &values), 64);
    assert_eq!(findings[0].severity, Severity::Warning);
}

#[test]
fn ranks_share_an_episode_and_series_do_not() {
    let mut values = noisy(400);
    values[300] = 99.0;
    let rows: Vec<Row> = values
        .iter()
        .zip(0..)
        .flat_map(|(&value, step)| {
            let row = Row::new(
                step,
                &[("queue", value), ("queue2", value), ("other", value)],
            );
            [row.clone().on(0), row.on(1)]
        })
        .collect();
    let findings = watching().play(&rows, 64);
    let firing = |f: &&Finding| f.state == State::Firing;
    let keys: Vec<&str> = findings.iter().filter(firing).map(|f| &*f.key).collect();
    assert_eq!(keys, ["outlier/queue", "outlier/queue2"]);
    assert_eq!(findings.len(), 4);
    assert!(findings[0].message.contains("on rank 0"));
    assert_eq!(findings[2].row, 310 * 2 + 1);
}

#[test]
fn values_that_are_not_finite_neither_blind_nor_fire() {
    let mut values = noisy(1000);
    for at in (0..600).step_by(7) {
        values[at] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY][at % 3];
    }
    assert_eq!(play(&values[..600]), []);
    values[700] = 90.0;
    values[701] = f64::NAN;
    assert_eq!(play(&values)[0].row, 700);
    // The largest numbers there are do not turn into NaN or infinity inside.
    let wild = [f64::MAX, f64::MIN, 1e300, 5e-324, 0.0, -1e300];
    let scores = scores(&wild.repeat(FORTNIGHT / 6));
    assert!(scores.iter().all(|score| (0.0..1.0).contains(score)));
}

#[test]
fn a_resume_ends_the_episode_and_starts_the_warm_up_again() {
    let mut rows = rows("queue", &noisy(500));
    rows[300].metrics[0].1 = 99.0;
    for (row, step) in rows[305..].iter_mut().zip(200..) {
        row.step = step;
    }
    // Within the warm-up after it.
    rows[350].metrics[0].1 = 99.0;
    let findings = watching().play(&rows, 64);
    assert_eq!(
        brief(&findings),
        [
            (300, State::Firing, Severity::Info),
            (305, State::Resolved, Severity::Info),
        ]
    );
    assert_eq!(findings[1].title, "Run resumed");
}

#[test]
fn scores_depend_on_neither_unit_nor_offset() {
    let mut values = noisy(3000);
    values[2000] = 60.0;
    let changed: Vec<f64> = values.iter().map(|value| value * 1024.0 - 4096.0).collect();
    for (a, b) in scores(&values).iter().zip(scores(&changed)) {
        assert!((a - b).abs() < 1e-3, "{a} {b}");
    }
}

#[test]
fn a_day_without_its_usual_shape_is_strange() {
    let mut noise = Noise::new(5);
    let mut values: Vec<f64> = (0..FORTNIGHT).map(|at| daily(at, &mut noise)).collect();
    let healthy = scores(&values);
    assert!(largest(&healthy[750..]) < 0.9);
    // Day 10 stays at night: no value is new.
    let day = 10 * 288;
    values[day..day + 288].fill(20.0);
    let scores = scores(&values);
    assert!(largest(&scores[day + 108..day + 216]) > 0.9);
}

#[test]
fn a_clean_square_wave_is_not_strange() {
    let wave: Vec<f64> = (0..FORTNIGHT)
        .map(|at| if at % 288 < 144 { 20.1 } else { 80.3 })
        .collect();
    assert!(largest(&scores(&wave)[600..]) < 0.5);
}

#[test]
fn spikes_that_become_frequent_are_strange() {
    let spiky = |at: usize, every: usize| if at.is_multiple_of(every) { 60.0 } else { 10.0 };
    let values: Vec<f64> = (0..4000)
        .map(|at| spiky(at, if at < 3000 { 50 } else { 4 }))
        .collect();
    let mut score = Score::new();
    let scores: Vec<f64> = values.iter().map(|v| score.score(f64::NAN, *v)).collect();
    assert!(largest(&scores[200..3000]) < 0.5);
    assert!(largest(&scores[3000..3100]) > 0.95);
}

#[test]
fn a_climb_is_one_event() {
    let mut values = noisy(2000);
    for (at, value) in values[1000..1100].iter_mut().enumerate() {
        *value += at as f64;
    }
    let strong = scores(&values).iter().filter(|&&score| score > 0.6).count();
    assert!((1..12).contains(&strong), "{strong}");
}

#[test]
fn a_series_needs_less_than_a_kibibyte() {
    let mut harness = watching();
    let timed: Vec<Row> = rows("queue", &noisy(FORTNIGHT))
        .into_iter()
        .zip(0..)
        .map(|(row, at)| row.at(1.4e9 + 300.0 * f64::from(at)))
        .collect();
    harness.play(&timed, 64);
    let saved = harness.detector.save().unwrap();
    assert!(saved.len() < 1024, "{}", saved.len());
    let in_memory = size_of::<super::Watch>() + 96 * size_of::<(f32, u8)>();
    assert!(in_memory < 1024 + 256, "{in_memory}");
    assert!(size_of::<Score>() + 96 * size_of::<(f32, u8)>() < 1024);
}

#[test]
fn a_long_name_fits_into_key_and_title() {
    let name = format!("queue/{}", "ä".repeat(300));
    let mut values = noisy(300);
    values[250] = 99.0;
    let findings = watching().play(&rows(&name, &values), 64);
    assert!(findings[0].key.len() <= 128);
    assert!(findings[0].title.len() <= 200);
}

#[test]
fn every_parameter_has_a_doc() {
    let Description { parameters, .. } = Outlier::describe();
    // A switch has no unit.
    let has_unit = |it: &Parameter| it.kind == Kind::Boolean || !it.unit.is_empty();
    assert!(
        parameters
            .iter()
            .all(|it| !it.doc.is_empty() && has_unit(it))
    );
}

/// Rows as no healthy run has them, and as all have them.
fn any_rows() -> impl Strategy<Value = Vec<Row>> {
    let odd = prop_oneof![
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        Just(0.0),
        Just(f64::MAX),
        Just(f64::MIN),
        Just(5e-324),
    ];
    let piece = prop_oneof![
        4 => (-5.0..5.0, 0.0..0.1, 1usize..200, any::<u64>()).prop_map(|(level, sd, n, seed)| {
            let mut noise = Noise::new(seed);
            (0..n)
                .map(|_| level * (1.0 + sd * noise.normal()))
                .collect::<Vec<f64>>()
        }),
        1 => (-5.0..5.0, 1usize..200).prop_map(|(level, n)| vec![level; n]),
        1 => prop::collection::vec(odd, 1..5),
        1 => prop::collection::vec(20.0..200.0, 1..4),
    ];
    let stride = prop_oneof![8 => Just(1i64), 1 => Just(-50), 1 => Just(500)];
    let pace = prop_oneof![4 => Just(600.0), 1 => Just(f64::NAN), 1 => Just(-1e5)];
    prop::collection::vec((piece, stride, pace), 1..10).prop_map(|pieces| {
        let (mut step, mut time) = (0, 1.4e9);
        let mut rows = Vec::new();
        for (values, jump, pace) in pieces {
            step += jump - 1;
            for value in values {
                step += 1;
                let at = time + pace;
                time = if at.is_nan() { time } else { at };
                rows.push(Row::new(step, &[("queue", value)]).at(at));
            }
        }
        rows
    })
}

#[test]
fn a_value_that_says_nothing_blinds_nothing() {
    let mut values = noisy(2000);
    values[1500..1510].fill(500.0);
    watching().assert_not_blinded(&rows("queue", &values), 1500, f64::NAN);
}

proptest! {
    #[test]
    fn scores_are_between_0_and_1(rows in any_rows()) {
        let mut score = Score::new();
        for row in &rows {
            let strange = score.score(row.time, row.metrics[0].1);
            prop_assert!((0.0..1.0).contains(&strange), "{}", strange);
        }
    }

    #[test]
    fn neither_batches_nor_restarts_change_what_is_found(
        rows in any_rows(),
        batch in 1usize..50,
        restart in 0usize..500,
    ) {
        let expected = watching().play(&rows, 64);
        let mut harness = watching();
        let (before, after) = rows.split_at(restart.min(rows.len()));
        let mut findings = harness.play(before, batch);
        harness.restart().unwrap();
        findings.extend(harness.play(after, batch + 1));
        prop_assert_eq!(findings, expected);
    }
}
