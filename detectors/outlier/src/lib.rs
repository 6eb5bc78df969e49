//! `outlier`: a metric of which nothing is known leaves the range it had.
//!
//! The score is in `score.rs`, the rule in `rule.rs`; this file says what it is
//! called, what can be set, and what people read.

use runwatch_detector::prelude::*;
use runwatch_detector::show::{count, number, place};
use runwatch_detector::state::{self, Ended, Episode};
use runwatch_detector::{NO_RANK, Severity};

mod rule;
mod score;
mod season;

pub use rule::{Seen, Settings, Strange, Watch};
pub use score::{Look, Reading, Record, Score};

/// The most bytes of a metric's name that are shown.
const LONGEST_NAME: usize = 100;

/// Watches the chosen metrics of one run.
pub struct Outlier {
    settings: Settings,
    state: State,
}

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct State {
    watches: Keyed<Watch>,
    /// One per series: the ranks of a run usually go astray together.
    episodes: Keyed<Episode>,
}

impl Detector for Outlier {
    fn describe() -> Description {
        Description::new(
            "outlier",
            "0.1.0",
            "A chosen metric leaves the range it always had",
        )
        .parameter(
            Parameter::list("metrics", &[])
                .unit("names")
                .doc("Metrics to watch; `*` stands for any run of characters. None: it is off."),
        )
        .parameter(
            Parameter::text("severity", "info")
                .unit("severity")
                .choices(&["info", "warning"])
                .doc("How bad an outlier of these metrics is."),
        )
        .parameter(
            Parameter::number("score", 0.9)
                .unit("score")
                .min(0)
                .max(1)
                .doc("The anomaly score that makes a hit; 0.95 is strict, 0.8 sensitive."),
        )
        .parameter(
            Parameter::number("beyond", 0.2)
                .unit("ratio")
                .min(0)
                .max(10)
                .doc("How far outside of its range so far a hit must be, in units of that range."),
        )
        .parameter(
            Parameter::number("change", 0.1)
                .unit("ratio")
                .min(0)
                .max(100)
                .doc("How far from its mean a hit must be as well, in units of that mean."),
        )
        .parameter(
            Parameter::integer("hold", 10)
                .unit("values")
                .min(1)
                .max(10_000)
                .doc("How many values in a row must be back before it is over."),
        )
        .parameter(
            Parameter::boolean("scores", false)
                .doc("Report the score of every value as an info, for benchmarks."),
        )
        .doc(include_str!("doc.md"))
    }

    fn open(_run: &Facts, parameters: &Parameters) -> Result<Self, String> {
        Ok(Self {
            settings: Settings::new(parameters)?,
            state: State::default(),
        })
    }

    fn interests(&self) -> Vec<Interest> {
        let metrics = self.settings.metrics.iter();
        metrics.map(|metric| Interest::metric(metric)).collect()
    }

    fn observe(&mut self, batch: &Batch<'_>, findings: &mut Vec<Finding>) {
        let Self { settings, state } = self;
        for point in batch.points() {
            let watch = state.watches.of(&point, Watch::default);
            let seen = watch.look(settings, point.step, point.time, point.value);
            if settings.scores {
                let score = Finding::info("score", point.row)
                    .title("Score")
                    .recommendation("Compare it with labels.");
                findings.push(score.value("score", watch.latest()));
                continue;
            }
            if seen == Seen::Nothing {
                continue;
            }
            let all_ranks = Point {
                rank: NO_RANK,
                ..point
            };
            let episode = state.episodes.of(&all_ranks, Episode::default);
            let name = batch.name(point.series);
            match seen {
                Seen::Strange(strange) if episode.join(settings.severity) => {
                    findings.push(fired(&point, name, &strange, settings.severity));
                }
                Seen::Over(strange, how) if episode.leave() => {
                    findings.push(over(&point, name, &strange, how, settings));
                }
                _ => {}
            }
        }
    }

    fn save(&self) -> Option<Vec<u8>> {
        state::save(&self.state)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), String> {
        self.state = state::restore(state)?;
        Ok(())
    }
}

/// The name, or as much of it as fits into a key and a title.
fn short(name: &str) -> &str {
    let end = name.floor_char_boundary(LONGEST_NAME);
    name.get(..end).unwrap_or(name)
}

fn key(point: &Point, name: &str) -> String {
    if name.len() > LONGEST_NAME {
        // Names that begin alike are told apart by the series' index.
        format!("outlier/{}~{}", short(name), point.series)
    } else {
        format!("outlier/{name}")
    }
}

fn fired(point: &Point, name: &str, strange: &Strange, severity: Severity) -> Finding {
    let Record {
        reading,
        now,
        low,
        high,
        ..
    } = strange.record;
    let (side, limit) = if now > high {
        ("above", high)
    } else {
        ("below", low)
    };
    let key = key(point, name);
    let name = short(name);
    let (value, seen) = (number(point.value), count(strange.seen as usize, "value"));
    let (low, high) = (number(low), number(high));
    let at = place(point);
    let what = match reading {
        Reading::Value => format!(
            "`{name}` is {value} at {at}, {side} the range of {low} to {high} of the {seen} before."
        ),
        Reading::Level => format!(
            "The moving mean of `{name}` is {} at {at} (the value is {value}), {side} its range of \
             {low} to {high} over the {seen} before.",
            number(now)
        ),
        Reading::Season => format!(
            "The last values of `{name}`, up to {value} at {at}, differ from what is usual at this time \
             of day by {} on average, {side} the range of {low} to {high} of the {seen} before.",
            number(now)
        ),
    };
    let title = match reading {
        Reading::Season => format!("{name} is unusual for this time of day: {value}"),
        _ => format!("{name} {side} all before: {value}"),
    };
    Finding::firing(&key, severity, point.row)
        .title(title)
        .message(what)
        .recommendation(format!(
            "Look at `{name}` around this step, and at what changed then: code, data, another job on \
             the same machines. This detector knows nothing about the metric but its past; if such \
             values are fine, set `score` of `outlier` higher or take the metric out of its `metrics`."
        ))
        .value("value", point.value)
        .value("score", strange.score)
        .value("limit", limit)
}

fn over(
    point: &Point,
    name: &str,
    strange: &Strange,
    how: Option<Ended>,
    settings: &Settings,
) -> Finding {
    let key = key(point, name);
    let name = short(name);
    let (value, at) = (number(point.value), place(point));
    let (low, high) = (number(strange.record.low), number(strange.record.high));
    let (title, message) = match how {
        Some(Ended::Recovered) => (
            format!("{name} is back"),
            format!(
                "`{name}` is {value} at {at}, after {} back between {low} and {high}.",
                count(settings.hold, "reading"),
            ),
        ),
        Some(Ended::Settled) => (
            format!("{name} settled elsewhere"),
            format!(
                "`{name}` is {value} at {at}. It has not come back between {low} and {high}, and \
                 nothing new has happened for long: it is now watched as it is.",
            ),
        ),
        None => (
            "Run resumed".to_owned(),
            format!(
                "The run went on from {at} with {value} for `{name}`; what was known about it before \
                 holds no longer.",
            ),
        ),
    };
    Finding::resolved(&key, point.row)
        .title(title)
        .message(message)
        .value("value", point.value)
}

export!(Outlier);

#[cfg(test)]
mod tests;
