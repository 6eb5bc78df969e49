//! The first values of a log that begins in the middle of a run, where there
//! is no window of values to compare with yet.
//!
//! At the start of a run a loss may do anything. Thousands of steps later it
//! lies where it lay. This holds for the mean over tokens in nats; the losses of
//! diffusion and of small fine-tunings, mostly below 1, do jump.

use runwatch_detector::stats::sort;

/// The losses, in nats, of which a few values say what is usual: up to that of
/// guessing among 160 000 tokens.
const NATS: std::ops::Range<f64> = 1.0..12.0;
/// One known value does not show how much they vary. It takes a rise from it by
/// this part, and by so many nats.
const RISE_FROM_ONE: f64 = 0.6;
const NATS_FROM_ONE: f64 = 3.0;
/// So many rises in a row since the log begins are no noise: 5 values are in
/// order in 1 of 120 cases.
const CLIMBS: usize = 4;

/// A value far above the few that are known.
pub(crate) struct Surprise {
    /// Their median, the lower of two.
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// Enough to fire without a second one.
    pub(crate) alone: bool,
    /// Twice as far out as it must be.
    pub(crate) large: bool,
}

/// Compares a value with all known ones, in their order. `rise` is how far above
/// their median it has to be.
pub(crate) fn surprise(known: &[f64], value: f64, rise: f64) -> Option<Surprise> {
    let low = known.iter().copied().fold(f64::INFINITY, f64::min);
    // The cheap bound: most values end here.
    if !NATS.contains(&low) || value < low * (1.0 + rise) {
        return None;
    }
    let high = known.iter().copied().fold(low, f64::max);
    let mut sorted = known.to_vec();
    sort(&mut sorted);
    let median = *sorted.get((sorted.len() - 1) / 2)?;
    let climbs = known.len() >= CLIMBS
        && known.iter().zip(known.iter().skip(1)).all(|(a, b)| a < b)
        && value > high;
    // Few values show little of the range that more would have.
    let ranges = (20.0 / known.len() as f64).max(2.0);
    let above = (value / median).ln();
    let far = above >= rise.ln_1p() && above >= ranges * (high / low).ln();
    let large = far && value >= median * (1.0 + 2.0 * rise);
    let from_one = value >= low * (1.0 + RISE_FROM_ONE) && value - low >= NATS_FROM_ONE;
    let alone = if known.len() == 1 { from_one } else { large };
    (climbs || (far && (known.len() > 1 || from_one))).then_some(Surprise {
        median: if climbs { low } else { median },
        low,
        high,
        alone: climbs || alone,
        large,
    })
}
