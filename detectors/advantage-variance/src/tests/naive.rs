//! The leaps of the spread as they are meant: the median is taken of each
//! window, whether or not it can matter.

use proptest::collection::vec;
use proptest::prelude::*;
use runwatch_detector::state::Recovery;
use runwatch_detector::stats::median;
use runwatch_detector::testing::Noise;
use runwatch_detector::{Detector, Facts};

use crate::spread::{Leap, Seen, Spread};
use crate::{Robust, Settings};

#[derive(Default)]
struct Naive {
    /// Clipped, for the baseline, and as they came, for the start.
    clipped: Vec<f64>,
    values: Vec<f64>,
    start: f64,
    hits: Vec<bool>,
    open: Option<(Leap, Recovery)>,
}

impl Naive {
    fn look(&mut self, set: &Settings, value: f64) -> Option<Seen> {
        self.values.push(value);
        if self.values.len() == 50 {
            self.start = median(&self.values);
        }
        let judged = self.clipped.len().checked_sub(32);
        let window = &self.clipped[self.clipped.len().saturating_sub(128)..];
        let before = median(window);
        let Some(judged) = judged else {
            self.clipped.push(value);
            return None;
        };
        self.clipped.push(if before > 0.0 {
            value.min(set.ratio * before)
        } else {
            value
        });
        let ratio = if before > 0.0 { value / before } else { 0.0 };
        self.hits.push(ratio > set.ratio);
        let hit = ratio > set.ratio;
        let again = self.hits.iter().rev().take(3).filter(|hit| **hit).count() >= 2;
        let known = self.values.len() >= 50 && self.start > 0.0;
        let grown = judged % 33 == 32 && known && before > set.slow * self.start;
        let leap = |before, ratio, slow| Leap {
            before,
            ratio,
            slow,
        };
        let Some((first, recovery)) = &mut self.open else {
            let leap = if hit && (again || ratio > set.single) {
                leap(before, ratio, false)
            } else if grown {
                leap(self.start, before / self.start, true)
            } else {
                return None;
            };
            if leap.slow {
                self.start = leap.before * leap.ratio;
            }
            self.open = Some((leap, Recovery::default()));
            return Some(Seen::Leapt(leap));
        };
        let limit = if first.slow { set.slow } else { set.ratio };
        let back = value <= limit * first.before;
        let how = recovery.watch(hit, back, set.hold, 512)?;
        let first = *first;
        self.open = None;
        Some(Seen::Over(first, Some(how)))
    }
}

proptest! {
    #[test]
    fn bounds_change_nothing(
        pieces in vec((prop_oneof![Just(0.0), Just(1.0), 0.01..30.0], 0.0..1.0_f64, 0.99..1.02_f64, 1_usize..150), 1..8),
    ) {
        let set = Robust::open(&Facts::default(), &super::defaults()).unwrap().settings;
        let (mut spread, mut naive) = (Spread::default(), Naive::default());
        let mut noise = Noise::new(4);
        let mut step = 0;
        for (level, sd, grows, length) in pieces {
            let mut level: f64 = level;
            for _ in 0..length {
                step += 1;
                level *= grows;
                let noise: f64 = 1.0 + sd * noise.normal();
                let value = level * noise.abs();
                let [_, seen] = spread.look(&set, step, value);
                prop_assert_eq!(seen, naive.look(&set, value), "step {}", step);
            }
        }
    }
}
