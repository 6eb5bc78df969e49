//! The history: the metrics of runs, as they were read.
//!
//! Rows of a run are kept by the thousand in *chunks*: their steps, times and
//! ranks once, and for each metric a *series*, the values it has in these rows.
//! A chart reads one metric of a million rows, so the values of one metric lie
//! together; and a row costs no statement of its own, so that writing keeps up
//! with the fastest stream.
//!
//! What grows beyond its size is thinned, the oldest first: the extremes stay,
//! and the rows around alerts.

mod chunk;
mod inputs;
mod read;
mod recorder;
mod stretch;
#[cfg(test)]
mod tests;
mod thin;
mod write;

pub(super) use self::chunk::register;
pub use self::read::{Metric, Point, Span, Window};
pub use self::recorder::Recorder;
pub use self::stretch::{Cell, Mark, Series, Stretch};
pub use self::write::Caps;
