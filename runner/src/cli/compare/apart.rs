//! Whether two runs have parted, and from which step on.
//!
//! Runs are noisy, so a difference at one step says little. They are apart from
//! the first step from which their difference stays on one side, farther off
//! than three times its usual jitter, to the last step that both have; provided
//! that it is at least ten steps, and that they are usually farther apart there
//! than they ever were before, one step in twenty left out.
//!
//! The jitter is that from step to step, by its median: neither a spike nor a
//! slow drift makes it larger. Before it is looked at, the difference is
//! smoothed by a running median of five, so that a spike of one or two steps
//! ends nothing.

/// The values that two runs have at a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pair {
    pub(super) step: i64,
    pub(super) first: f64,
    pub(super) second: f64,
}

/// What can be said of two runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// They have the same values.
    Same,
    /// They stay apart from this step on; whether the second is above the
    /// first, if either is: next to NaN nothing is.
    Apart { step: i64, above: Option<bool> },
    /// They differ, and cannot be told apart.
    Unclear,
    /// There are too few steps that both have.
    TooFew,
}

/// So many steps must be left when they have parted.
const STAY: usize = 10;
/// Times the jitter.
const FAR: f64 = 3.0;
/// Steps to each side over which the difference is smoothed.
const SIDE: usize = 2;
/// Of the gaps before, those that count.
const MOST: f64 = 0.95;
/// From the median of absolute values to the standard deviation, where the
/// values are normal.
const NORMAL: f64 = 1.4826;

/// Compares two runs by the steps that both have, in order.
pub(super) fn verdict(pairs: &[Pair]) -> Verdict {
    if !pairs.is_empty() && pairs.iter().all(|pair| difference(pair) == 0.0) {
        return Verdict::Same;
    }
    if pairs.len() < STAY {
        return Verdict::TooFew;
    }
    let raw: Vec<f64> = pairs.iter().map(difference).collect();
    let smooth: Vec<f64> = (0..raw.len()).map(|at| around(&raw, at)).collect();
    let far = FAR * jitter(&raw);
    let is_beyond = |value: f64, above: bool| match above {
        true => value > far,
        false => value < -far,
    };
    let Some(above) = smooth.last().map(|last| *last > 0.0) else {
        return Verdict::TooFew;
    };
    let stays = smooth.iter().rev().take_while(|it| is_beyond(**it, above));
    let start = smooth.len() - stays.count();
    let (before, after) = smooth.split_at(start);
    let farther = before.is_empty() || quantile(after, 0.5) > quantile(before, MOST);
    match pairs.get(start) {
        Some(pair) if after.len() >= STAY && farther => {
            let rest = pairs.get(start..).unwrap_or_default();
            let finite = rest
                .iter()
                .any(|it| it.first.is_finite() && it.second.is_finite());
            let above = finite.then_some(above);
            Verdict::Apart {
                step: pair.step,
                above,
            }
        }
        _ => Verdict::Unclear,
    }
}

/// The second above the first; infinite where only one of them is a number.
fn difference(pair: &Pair) -> f64 {
    let Pair { first, second, .. } = *pair;
    let same = first == second || first.is_nan() && second.is_nan();
    match second - first {
        _ if same => 0.0,
        difference if difference.is_nan() => f64::INFINITY,
        difference => difference,
    }
}

/// The median of the values around a place.
fn around(values: &[f64], at: usize) -> f64 {
    let to = values.len().min(at + SIDE + 1);
    let mut near = values
        .get(at.saturating_sub(SIDE)..to)
        .unwrap_or_default()
        .to_vec();
    near.sort_unstable_by(f64::total_cmp);
    near.get(near.len() / 2).copied().unwrap_or(0.0)
}

/// How far a value usually is from the one before, as a standard deviation.
fn jitter(values: &[f64]) -> f64 {
    let leaps: Vec<f64> = values
        .windows(2)
        .filter_map(|two| Some((two.last()? - two.first()?).abs()))
        .filter(|leap| leap.is_finite())
        .collect();
    let scale = match quantile(&leaps, 0.5) * NORMAL {
        // Values that seldom change, such as counts.
        0.0 => leaps.iter().sum::<f64>() / leaps.len().max(1) as f64,
        scale => scale,
    };
    // The difference of two values spreads more than one of them does.
    scale / f64::sqrt(2.0)
}

/// The value below which this part of the absolute values lies.
fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sizes: Vec<f64> = values.iter().map(|value| value.abs()).collect();
    sizes.sort_unstable_by(f64::total_cmp);
    let at = (sizes.len().saturating_sub(1) as f64 * part).round() as usize;
    sizes.get(at).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noise of -1 to 1, the same every time.
    fn noise(state: &mut u64) -> f64 {
        *state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) as f64 / f64::from(1_u32 << 30) - 1.0
    }

    /// Two noisy runs, to the second of which `more` is added.
    fn pairs(steps: i64, seed: u64, more: impl Fn(i64) -> f64) -> Vec<Pair> {
        let mut state = seed;
        let pair = |step: i64| Pair {
            step,
            first: 2.0 + 0.1 * noise(&mut state),
            second: 2.0 + 0.1 * noise(&mut state) + more(step),
        };
        (0..steps).map(pair).collect()
    }

    fn parted(verdict: Verdict) -> (i64, Option<bool>) {
        match verdict {
            Verdict::Apart { step, above } => (step, above),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_leap_is_found_where_it_is() {
        let leap = |step: i64| if step >= 600 { 1.0 } else { 0.0 };
        assert_eq!(parted(verdict(&pairs(1000, 1, leap))), (600, Some(true)));
        let fall = |step: i64| if step >= 600 { -1.0 } else { 0.0 };
        assert_eq!(parted(verdict(&pairs(1000, 1, fall))), (600, Some(false)));
    }

    #[test]
    fn a_slow_drift_is_found_when_it_leaves_the_noise() {
        let drift = |step: i64| (step - 300).max(0) as f64 * 0.001;
        let (step, above) = parted(verdict(&pairs(2000, 2, drift)));
        assert!((400..700).contains(&step), "{step}");
        assert_eq!(above, Some(true));
    }

    #[test]
    fn a_spike_is_no_parting_and_ends_none() {
        let spike = |step| if (500..502).contains(&step) { 9.0 } else { 0.0 };
        assert_eq!(verdict(&pairs(1000, 3, spike)), Verdict::Unclear);
        let leap =
            |step: i64| f64::from(u8::from(step >= 200)) - 4.0 * f64::from(u8::from(step == 700));
        assert_eq!(parted(verdict(&pairs(1000, 3, leap))).0, 200);
    }

    #[test]
    fn noise_alone_is_not_told_apart() {
        for seed in 0..200 {
            assert_eq!(
                verdict(&pairs(300, seed, |_| 0.0)),
                Verdict::Unclear,
                "{seed}"
            );
            let wander = |step: i64| (step as f64 / 40.0).sin();
            assert_eq!(
                verdict(&pairs(300, seed, wander)),
                Verdict::Unclear,
                "{seed}"
            );
        }
    }

    #[test]
    fn what_differs_from_the_beginning_is_apart_from_the_beginning() {
        assert_eq!(parted(verdict(&pairs(100, 4, |_| 1.0))), (0, Some(true)));
    }

    #[test]
    fn a_run_that_is_nan_has_parted() {
        let mut both = pairs(100, 5, |_| 0.0);
        for pair in &mut both[40..] {
            pair.second = f64::NAN;
        }
        assert_eq!(parted(verdict(&both)), (40, None));
        for pair in &mut both[40..] {
            pair.first = f64::NAN;
        }
        assert_eq!(verdict(&both), Verdict::Unclear);
    }

    #[test]
    fn equal_runs_and_few_steps() {
        let equal: Vec<Pair> = pairs(50, 6, |_| 0.0)
            .iter()
            .map(|it| Pair {
                second: it.first,
                ..*it
            })
            .collect();
        assert_eq!(verdict(&equal), Verdict::Same);
        assert_eq!(verdict(&pairs(9, 6, |_| 5.0)), Verdict::TooFew);
        assert_eq!(verdict(&[]), Verdict::TooFew);
    }
}
