use super::*;

fn window(frozen: bool, warmup: u64, size: usize) -> Window {
    Window {
        warmup,
        size,
        frozen,
    }
}

#[test]
fn a_level_is_a_mean_and_a_population_deviation() {
    let level = Level::of([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0].into_iter());
    assert_eq!((level.mean, level.sd), (5.0, 2.0));
    assert_eq!(Level::of([3.0].into_iter()).floored_sd(), FLOOR);
    assert!(Level::of([f64::NAN].into_iter()).floored_sd().is_nan());
}

#[test]
fn a_rolling_baseline_leaves_the_current_value_out() {
    let window = window(false, 20, 100);
    let mut baseline = Baseline::default();
    let mut levels = (0..300).map(|at| baseline.push(&window, f64::from(at)));
    // The 20th value is the first to be judged, by the 19 before it.
    assert_eq!(levels.position(|level| level.is_some()), Some(19));
    let level = levels.nth(179).flatten().map(|level| level.mean);
    // Values 100 to 198, when 199 comes.
    assert_eq!(level, Some(149.0));
}

#[test]
fn a_frozen_baseline_holds_the_value_that_fills_it() {
    let window = window(true, 20, 100);
    let mut baseline = Baseline::default();
    let levels: Vec<_> = (0..300)
        .map(|at| {
            baseline
                .push(&window, f64::from(at))
                .map(|level| level.mean)
        })
        .collect();
    assert_eq!(levels[98], Some(48.5), "until then it rolls");
    assert_eq!((levels[99], levels[299]), (Some(49.5), Some(49.5)));
}

#[test]
fn nan_poisons_a_window_until_it_has_left() {
    let window = window(false, 0, 20);
    let mut baseline = Baseline::default();
    let mut level = |value| baseline.push(&window, value).map(|level| level.mean);
    for _ in 0..9 {
        assert_eq!(level(1.0), None, "fewer than ten values are no baseline");
    }
    assert_eq!(level(f64::NAN), Some(1.0));
    for _ in 0..19 {
        assert!(level(1.0).is_some_and(f64::is_nan));
    }
    assert_eq!(level(1.0), Some(1.0));
}
