//! Plays a log through one detector: decoded, detected and judged as in a
//! review, in calls of a chosen size.
//!
//! How rows are grouped into calls depends on how fast they arrive, and a
//! detector is saved and restored when runwatch is started again. Neither may
//! change what it finds: [`Way`] has what a detector should be held to.

use std::sync::Arc;

use anyhow::{Context as _, Result};

use super::observed::{Observed, Seen, look};
use crate::alert::Alert;
use crate::decode::{Decoder, Options, Tally};
use crate::detect::{self, GuestSource};
use crate::judge::{HOST_DETECTOR, Judge, Policy};
use crate::load::only;
use crate::pipeline::{Pipeline, SEGMENT_ROWS};
use crate::sandbox::Component;

/// How rows are grouped into calls, and whether the detector is started again
/// on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// A row in each call, as when a job prints slowly.
    EachRow,
    /// As many rows in each call as a review has: all, in a log of no more than
    /// [`SEGMENT_ROWS`].
    OneBatch,
    /// Calls of 1 to 16 rows, by chance.
    Split {
        /// The seed of chance.
        seed: u64,
    },
    /// The same, and before one of the calls the detector is saved, thrown away,
    /// and restored in a new instance.
    Restart {
        /// The seed of chance.
        seed: u64,
        /// The number of calls that there are, from playing the same log in
        /// [`Way::Split`] with the same seed.
        calls: u64,
    },
}

/// The most rows of a call in [`Way::Split`].
const MOST_ROWS: u32 = 16;

impl Way {
    /// What it is called in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::EachRow => "row by row",
            Self::OneBatch => "in one batch",
            Self::Split { .. } => "in random batches",
            Self::Restart { .. } => "saved and restored",
        }
    }

    /// Before which call the detector is started again.
    fn cut(self) -> Option<u64> {
        match self {
            Self::Restart { seed, calls } if calls > 1 => {
                // Another stream of chance than that of the sizes.
                let mut chance = fastrand::Rng::with_seed(!seed);
                Some(chance.u64(1..calls))
            }
            _ => None,
        }
    }

    /// The sizes of the calls.
    fn sizes(self) -> Box<dyn FnMut() -> u32> {
        match self {
            Self::EachRow => Box::new(|| 1),
            Self::OneBatch => Box::new(|| SEGMENT_ROWS),
            Self::Split { seed } | Self::Restart { seed, .. } => {
                let mut chance = fastrand::Rng::with_seed(seed);
                Box::new(move || chance.u32(1..=MOST_ROWS))
            }
        }
    }
}

/// A log, and how it is read.
#[derive(Debug, Clone)]
pub struct Log<'a> {
    /// The name of its input, for locations.
    pub input: &'a str,
    /// The run of rows that name none.
    pub run: &'a str,
    /// What a job has printed, or a file of any format that runwatch reads.
    pub bytes: &'a [u8],
}

/// What came of playing a log.
#[derive(Debug, Clone, PartialEq)]
pub struct Played {
    /// The detector's alerts, in order.
    pub alerts: Vec<Alert>,
    /// What it was shown, what it cost, and what it failed with.
    pub seen: Seen,
    /// What became of the log's lines.
    pub tally: Tally,
    /// The rows of each call, in order.
    pub sizes: Vec<u32>,
    /// Before which call the detector was to be started again.
    pub cut: Option<u64>,
}

impl Played {
    /// Units of fuel per point, rounded down; per row if the detector was shown
    /// rows and no points.
    #[must_use]
    pub fn price(&self) -> u64 {
        let Seen {
            fuel, points, rows, ..
        } = self.seen;
        fuel / if points == 0 { rows } else { points }.max(1)
    }
}

/// Plays a log through a detector with these parameters, which must be valid
/// (see [`resolve`](crate::config::resolve)), on the records' own time.
///
/// # Errors
/// When the detector does not start or refuses its parameters. A fault on the
/// way is no error: see [`Seen::fault`].
pub fn play(
    component: &Component,
    parameters: &[(String, String)],
    log: &Log<'_>,
    way: Way,
) -> Result<Played> {
    let name = component.description.name.as_str();
    play_source(Arc::new(component.clone()), name, parameters, log, way)
}

/// The same, wherever the detector runs.
fn play_source(
    source: Arc<dyn GuestSource>,
    name: &str,
    parameters: &[(String, String)],
    log: &Log<'_>,
    way: Way,
) -> Result<Played> {
    let (source, seen) = Observed::new(source, way.cut());
    let detect = only(detect::Detector {
        name: name.into(),
        source: Box::new(source),
        parameters: parameters.to_vec(),
        own: false,
    })
    .with_context(|| format!("the detector `{name}` does not start"))?;
    let judge = Judge::new(Policy::default(), "localhost".to_owned());
    let mut pipeline = Pipeline::new(detect, judge);
    let mut decoder = Decoder::new(Options {
        input: log.input.into(),
        run: log.run.to_owned(),
        interests: pipeline.interests(),
        ..Options::default()
    });
    let (mut alerts, mut sizes) = (Vec::new(), Vec::new());
    let mut next = way.sizes();
    let mut size = next();
    for line in log.bytes.split_inclusive(|&byte| byte == b'\n') {
        decoder.push(line);
        if decoder.rows() >= size {
            sizes.push(decoder.rows());
            pipeline.submit(decoder.take(), &mut alerts);
            size = next();
        }
    }
    decoder.finish();
    if decoder.rows() > 0 {
        sizes.push(decoder.rows());
    }
    pipeline.submit(decoder.take(), &mut alerts);
    pipeline.finish("unknown", &mut alerts);
    // What the host says about a fault is in `seen`, and told in other words.
    alerts.retain(|alert| alert.detector != HOST_DETECTOR);
    let seen = look(&seen).clone();
    Ok(Played {
        alerts,
        seen,
        tally: decoder.tally(),
        sizes,
        cut: way.cut(),
    })
}

#[cfg(test)]
mod tests;
