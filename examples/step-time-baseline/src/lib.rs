//! `step-time-baseline`: a metric leaves the range that was normal in this run.
//!
//! No limit has to be known beforehand: the rule learns the range from the
//! first values of each series, and keeps it. A slow change, to which a moving
//! average would get used, is seen as well as a sudden one.

use runwatch_detector::prelude::*;
use runwatch_detector::stats::{self, MAD_TO_SD};
use runwatch_detector::{show, state};
use serde::{Deserialize, Serialize};

/// Watches one run.
pub struct Baseline {
    settings: Settings,
    watches: Keyed<Watch>,
}

/// The parameters.
struct Settings {
    metric: String,
    skip: usize,
    learn: usize,
    spread: f64,
    change: f64,
    times: usize,
}

/// One series of one rank.
#[derive(Default, Serialize, Deserialize)]
struct Watch {
    /// Values passed over: the first steps compile, warm caches, open files.
    skipped: usize,
    /// What is learned from; empty once the range is known.
    first: Vec<f64>,
    normal: Option<Range>,
    /// Values in a row on the other side of the range's edge than before.
    against: usize,
    reported: Latch,
}

/// What is normal.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Range {
    median: f64,
    low: f64,
    high: f64,
}

impl Range {
    /// Learns from values, of which up to half may be wild: median and median
    /// absolute deviation do not move with them.
    fn of(values: &[f64], settings: &Settings) -> Self {
        let median = stats::median(values);
        let off: Vec<f64> = values.iter().map(|value| (value - median).abs()).collect();
        let spread = settings.spread * MAD_TO_SD * stats::median(&off);
        // A metric that hardly moves must not fire when it moves a little.
        let width = spread.max(settings.change * median.abs());
        Self {
            median,
            low: median - width,
            high: median + width,
        }
    }

    fn contains(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

impl Watch {
    /// Takes a value in; the range once it is known.
    fn learn(&mut self, value: f64, settings: &Settings) -> Option<Range> {
        if self.normal.is_some() {
            return self.normal;
        }
        if self.skipped < settings.skip {
            self.skipped += 1;
            return None;
        }
        self.first.push(value);
        if self.first.len() >= settings.learn {
            let values = std::mem::take(&mut self.first);
            self.normal = Some(Range::of(&values, settings));
        }
        None
    }
}

impl Detector for Baseline {
    fn describe() -> Description {
        Description::new(
            "step-time-baseline",
            "0.1.0",
            "A metric leaves the range that it had when the run began",
        )
        .parameter(Parameter::text("metric", "step_time").doc("The metric, by its canonical name."))
        .parameter(
            Parameter::integer("skip", 10)
                .unit("values")
                .min(0)
                .max(100_000)
                .doc("How many values to pass over first: what warms up is not normal."),
        )
        .parameter(
            Parameter::integer("learn", 100)
                .unit("values")
                .min(5)
                .max(stats::LONGEST as u32)
                .doc("How many values to learn from after that."),
        )
        .parameter(
            Parameter::number("spread", 6.0)
                .unit("standard deviations")
                .min(1.0)
                .max(100.0)
                .doc("How far from the median is still normal, measured robustly."),
        )
        .parameter(
            Parameter::number("change", 0.25)
                .unit("ratio")
                .min(0.0)
                .max(100.0)
                .doc("And how far at least, as a share of the median."),
        )
        .parameter(
            Parameter::integer("times", 10)
                .unit("values")
                .min(1)
                .max(10_000)
                .doc("How many values in a row must be outside, or inside again."),
        )
        .doc(
            "Learns the median and the spread (median absolute deviation) of the first `learn` \
             values after `skip`, for each series and rank, and never again. Fires when `times` \
             values in a row are farther from the median than `spread` robust standard \
             deviations and than `change` of the median; resolves when as many in a row are \
             inside again. Values that are not finite are left out.",
        )
    }

    fn open(_run: &Facts, parameters: &Parameters) -> Result<Self, String> {
        let settings = Settings {
            metric: parameters.text("metric")?.to_owned(),
            skip: parameters.count("skip")?,
            learn: parameters.count("learn")?,
            spread: parameters.number("spread")?,
            change: parameters.number("change")?,
            times: parameters.count("times")?,
        };
        if settings.metric.trim().is_empty() {
            return Err("`metric` is empty: there is nothing to learn".to_owned());
        }
        Ok(Self {
            settings,
            watches: Keyed::default(),
        })
    }

    fn interests(&self) -> Vec<Interest> {
        vec![Interest::metric(&self.settings.metric)]
    }

    fn observe(&mut self, batch: &Batch<'_>, findings: &mut Vec<Finding>) {
        let settings = &self.settings;
        for point in batch.points().filter(|point| point.value.is_finite()) {
            let watch = self.watches.of(&point, Watch::default);
            let Some(normal) = watch.learn(point.value, settings) else {
                continue;
            };
            let is_outside = !normal.contains(point.value);
            watch.against = if is_outside == watch.reported.is_set() {
                0
            } else {
                watch.against + 1
            };
            if watch.against < settings.times {
                continue;
            }
            watch.against = 0;
            let name = batch.name(point.series);
            // A trouble of each rank's own: one machine may be slow.
            let key = if point.rank == runwatch_detector::NO_RANK {
                format!("range {name}")
            } else {
                format!("range {name} rank {}", point.rank)
            };
            let key = runwatch_detector::text::key(&key);
            findings.push(if watch.reported.set() {
                left(&key, name, &point, &normal, settings)
            } else {
                watch.reported.clear();
                returned(&key, name, &point, &normal)
            });
        }
    }

    fn save(&self) -> Option<Vec<u8>> {
        state::save(&self.watches)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), String> {
        self.watches = state::restore(state)?;
        Ok(())
    }
}

fn left(key: &str, name: &str, point: &Point, normal: &Range, settings: &Settings) -> Finding {
    let side = if point.value > normal.high {
        "above"
    } else {
        "below"
    };
    Finding::warning(key, point.row)
        .title(format!(
            "{} is not what it was",
            runwatch_detector::text::cut(name, 80)
        ))
        .message(format!(
            "{name} is {} at {}, {side} its normal range of {} to {} (median {}), for {}.",
            show::number(point.value),
            show::place(point),
            show::number(normal.low),
            show::number(normal.high),
            show::number(normal.median),
            show::count(settings.times, "value"),
        ))
        .recommendation(
            "Compare with what changed at that step: another job on the machine, a slower data \
             source, a throttled GPU, longer sequences. If this is how it should be, raise \
             `change` or `spread`.",
        )
        .value("value", point.value)
        .value("low", normal.low)
        .value("high", normal.high)
}

fn returned(key: &str, name: &str, point: &Point, normal: &Range) -> Finding {
    Finding::resolved(key, point.row)
        .title(format!(
            "{} is normal again",
            runwatch_detector::text::cut(name, 80)
        ))
        .message(format!(
            "{name} is {} at {}, and was {} when the run began.",
            show::number(point.value),
            show::place(point),
            show::number(normal.median),
        ))
}

export!(Baseline);

#[cfg(test)]
mod tests {
    use runwatch_detector::testing::{Harness, rows};

    use super::Baseline;

    /// A metric around 1 for 200 values, with an outlier now and then.
    fn usual() -> Vec<f64> {
        let value = |at: u32| 1.0 + f64::from(at % 7) * 0.01 + f64::from(u32::from(at % 31 == 0));
        (0..200).map(value).collect()
    }

    fn found(values: &[f64], batch: usize) -> usize {
        let mut harness = Harness::<Baseline>::new().expect("the defaults are fine");
        harness.play(&rows("step_time", values), batch).len()
    }

    #[test]
    fn outliers_are_no_change() {
        assert_eq!(found(&usual(), 16), 0);
    }

    #[test]
    fn a_new_level_is_told_once_and_its_end_as_well() {
        let slow = [usual(), vec![1.5; 50]].concat();
        let back = [slow.clone(), vec![1.0; 50]].concat();
        // How rows are grouped into calls must not matter: try several ways.
        for batch in [1, 7, 1000] {
            assert_eq!(found(&slow, batch), 1);
            assert_eq!(found(&back, batch), 2);
        }
    }
}
