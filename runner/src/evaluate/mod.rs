//! How right the detectors are: alerts against labels.
//!
//! A label says what happened in a run and when, or that nothing did where a
//! naive rule would think so. `docs/evaluate.md` states the rules of counting.

mod interval;
mod labels;
pub mod nab;
mod score;

pub use interval::{upper_rate, upper_share};
pub use labels::{Label, Labels, What};
pub use score::{Fired, History, PerDetector, Report, Verdict, score};
