//! What a rule has seen of one rank.

use std::collections::VecDeque;

use runwatch_detector::stats;
use serde::{Deserialize, Serialize};

use crate::names::Names;
use crate::program::Statistic;

/// The last values, windows and texts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    metrics: Vec<Metric>,
    labels: Vec<Option<String>>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Metric {
    last: Option<f64>,
    /// Seconds since 1970 of the last value, if it had a time.
    time: Option<f64>,
    /// The last finite values, the oldest first.
    window: VecDeque<f64>,
}

/// A label's text is kept up to so many bytes.
const LONGEST_TEXT: usize = 256;

impl Seen {
    /// Nothing seen yet of what these names are.
    #[must_use]
    pub fn new(names: &Names) -> Self {
        Self {
            metrics: vec![Metric::default(); names.metrics.len()],
            labels: vec![None; names.labels.len()],
        }
    }

    /// A value of a metric. Only finite ones enter its window.
    pub fn value(&mut self, slot: usize, span: usize, value: f64, time: f64) {
        let Some(metric) = self.metrics.get_mut(slot) else {
            return;
        };
        metric.last = Some(value);
        metric.time = Some(time).filter(|time| !time.is_nan()).or(metric.time);
        if span > 0 && value.is_finite() {
            if metric.window.len() >= span {
                metric.window.pop_front();
            }
            metric.window.push_back(value);
        }
    }

    /// A text of a label.
    pub fn text(&mut self, slot: usize, text: &str) {
        if let Some(label) = self.labels.get_mut(slot) {
            let end = text.floor_char_boundary(LONGEST_TEXT);
            *label = text.get(..end).map(str::to_owned);
        }
    }

    pub(crate) fn last(&self, slot: usize) -> Option<f64> {
        self.metrics.get(slot)?.last
    }

    pub(crate) fn age(&self, slot: usize, now: f64) -> Option<f64> {
        let age = now - self.metrics.get(slot)?.time?;
        (!age.is_nan()).then_some(age.max(0.0))
    }

    pub(crate) fn label(&self, slot: usize) -> Option<&str> {
        self.labels.get(slot)?.as_deref()
    }

    /// A statistic of the last `span` finite values; none before there are so many.
    pub(crate) fn window(&self, statistic: Statistic, slot: usize, span: usize) -> Option<f64> {
        let window = &self.metrics.get(slot)?.window;
        let from = window.len().checked_sub(span)?;
        let values = || window.iter().skip(from).copied();
        let n = span as f64;
        let mean = || values().sum::<f64>() / n;
        Some(match statistic {
            Statistic::Mean => mean(),
            Statistic::Min => values().fold(f64::INFINITY, f64::min),
            Statistic::Max => values().fold(f64::NEG_INFINITY, f64::max),
            Statistic::Median => stats::median(&values().collect::<Vec<_>>()),
            Statistic::Change => values().next_back()? - values().next()?,
            Statistic::Std => {
                let mean = mean();
                (values().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n).sqrt()
            }
            Statistic::Slope => {
                // Σ(i − ī)(x − x̄) / Σ(i − ī)², with Σ(i − ī)² = n(n² − 1)/12.
                let (middle, mean) = ((n - 1.0) / 2.0, mean());
                let sum: f64 = values()
                    .enumerate()
                    .map(|(i, x)| (i as f64 - middle) * (x - mean))
                    .sum();
                sum * 12.0 / (n * (n * n - 1.0))
            }
        })
    }
}
