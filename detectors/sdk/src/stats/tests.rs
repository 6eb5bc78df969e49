use proptest::prelude::*;

use super::*;

/// The textbook way: sort everything, every time.
fn sorted_median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0
}

fn textbook(values: &[f64]) -> (f64, f64) {
    let logs: Vec<f64> = values.iter().map(|value| value.ln()).collect();
    let centre = sorted_median(&logs);
    let deviations: Vec<f64> = logs.iter().map(|log| (log - centre).abs()).collect();
    (centre, sorted_median(&deviations))
}

fn last(values: &[f64], size: usize) -> &[f64] {
    &values[values.len().saturating_sub(size)..]
}

/// Positive values of every sort: noise, ties, drift, clusters, extremes.
fn positive() -> impl Strategy<Value = Vec<f64>> {
    let piece = prop_oneof![
        (0.01..10.0, 1usize..150).prop_map(|(level, n)| vec![level; n]),
        prop::collection::vec(1.0..3.0, 1..200),
        prop::collection::vec((1u32..5).prop_map(f64::from), 1..200),
        (0.9..1.1, 1usize..150)
            .prop_map(|(rate, n)| (0..n).map(|i| f64::powi(rate, i as i32)).collect()),
        prop::collection::vec(
            prop_oneof![Just(1.0), Just(2.0), Just(1e100), Just(1e-100)],
            1..50
        ),
    ];
    prop::collection::vec(piece, 1..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn log_windows_are_exact_and_their_bound_is_sound(
        values in positive(),
        size in 1usize..140,
        reach in 0.5..20.0,
        every in 1usize..40,
    ) {
        let mut window = LogWindow::new(size, reach, 1e-3);
        for (at, &value) in values.iter().enumerate() {
            let before = last(&values[..at], size);
            prop_assert_eq!(window.len(), before.len());
            if window.surely_within(value) {
                let (centre, mad) = textbook(before);
                let sd = (MAD_TO_SD * mad).max(1e-3);
                prop_assert!(value.ln() < centre + reach * sd);
            }
            if at > 0 && at % every == 0 {
                let (centre, mad) = textbook(before);
                let sd = (MAD_TO_SD * mad).max(1e-3);
                let level = window.level();
                prop_assert!((level.centre - centre).abs() <= 1e-9 * centre.abs().max(1.0));
                prop_assert!((level.sd - sd).abs() <= 1e-9 * sd.max(1.0));
            }
            window.push(value);
        }
    }

    #[test]
    fn rolling_medians_are_exact_and_their_bound_is_sound(
        values in positive(),
        size in 1usize..140,
        every in 1usize..40,
    ) {
        let mut window = RollingMedian::new(size);
        for (at, &value) in values.iter().enumerate() {
            if at > 0 {
                let median = sorted_median(last(&values[..at], size));
                let bound = window.at_least();
                prop_assert!(bound.is_nan() || bound <= median);
                if at % every == 0 {
                    let exact = window.median();
                    prop_assert!((exact - median).abs() <= 1e-12 * median);
                }
            }
            window.push(value);
        }
    }
}

#[test]
fn the_bound_of_a_healthy_window_seldom_fails() {
    let mut window = LogWindow::new(128, 6.0, 1e-3);
    let mut seed = 1u64;
    let mut noise = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 40) as f64 / f64::from(1 << 24)
    };
    let mut exact = 0;
    for at in 0..10_000 {
        let value = 2.0 + 0.1 * (noise() + noise() + noise() + noise());
        if at >= 64 && !window.surely_within(value) {
            window.level();
            exact += 1;
        }
        window.push(value);
    }
    assert!(exact < 200, "{exact} exact answers in 10 000");
}

#[test]
fn empty_windows_give_nan() {
    assert!(RollingMedian::new(8).median().is_nan());
    assert!(LogWindow::new(8, 6.0, 1e-3).level().centre.is_nan());
    assert!(!LogWindow::new(8, 6.0, 1e-3).surely_within(1.0));
    assert!(RollingMedian::new(8).at_least().is_nan());
}

#[test]
fn a_moving_mean_starts_as_an_ordinary_one() {
    let mut ewma = Ewma::new(127);
    for value in [1.0, 2.0, 3.0, 4.0] {
        ewma.push(value);
    }
    assert!((ewma.mean() - 2.5).abs() < 1e-12);
    assert!((ewma.sd() - 1.25f64.sqrt()).abs() < 1e-12);
}
