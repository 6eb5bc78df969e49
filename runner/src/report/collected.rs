//! What is known of a run while it is read.

use super::Run;
use super::track::Track;
use crate::record::{self, MetricId, RunBatch};
use crate::view::{self, Counts, Time};

/// Inputs that are shown of one run.
const INPUTS: usize = 100;

/// What is known of a run.
#[derive(Debug, Default)]
pub(super) struct Collected {
    rows: u64,
    steps: Option<(i64, i64)>,
    times: Option<(f64, f64)>,
    inputs: Vec<String>,
    pub(super) counts: Counts,
    pub(super) muted: u64,
    pub(super) exceptions: usize,
    /// Whether its metrics are shown.
    pub(super) charted: bool,
    /// By metric: its place in `tracks`, counted from 1; 0: none yet.
    places: Vec<u32>,
    pub(super) tracks: Vec<Track>,
    /// Metrics without a track, a bit each.
    others: Vec<u64>,
}

impl Collected {
    pub(super) fn new(charted: bool) -> Self {
        Self {
            charted,
            ..Self::default()
        }
    }

    /// Takes the records of a batch. Texts have rows of their own, which are no
    /// records, but for labels.
    pub(super) fn rows(&mut self, batch: &RunBatch) {
        let mut texts = batch
            .texts
            .iter()
            .filter(|text| text.kind != "label")
            .map(|text| text.row as usize)
            .peekable();
        for (row, (&step, &time)) in batch.steps.iter().zip(&batch.times).enumerate() {
            if texts.next_if_eq(&row).is_some() {
                continue;
            }
            self.rows += 1;
            let (low, high) = self.steps.unwrap_or((step, step));
            self.steps = Some((low.min(step), high.max(step)));
            if time.is_finite() {
                let (low, high) = self.times.unwrap_or((time, time));
                self.times = Some((low.min(time), high.max(time)));
            }
        }
    }

    pub(super) fn input(&mut self, input: &str) {
        let last = self.inputs.last().is_some_and(|last| last == input);
        if !last && self.inputs.len() < INPUTS && !self.inputs.iter().any(|it| it == input) {
            self.inputs.push(input.to_owned());
        }
    }

    /// The track of a metric, and whether it begins here; none if there is no
    /// room for one.
    #[inline]
    pub(super) fn track(
        &mut self,
        metric: MetricId,
        metrics: &[record::Metric],
        may_begin: bool,
    ) -> Option<(&mut Track, bool)> {
        if !self.charted {
            return None;
        }
        let at = metric as usize;
        let place = self.places.get(at).copied().unwrap_or(0) as usize;
        if place > 0 {
            return Some((self.tracks.get_mut(place - 1)?, false));
        }
        if !may_begin {
            return None;
        }
        let track = Track::new(metrics.get(at)?.clone());
        if self.places.len() <= at {
            self.places.resize(at + 1, 0);
        }
        self.tracks.push(track);
        *self.places.get_mut(at)? = self.tracks.len() as u32;
        Some((self.tracks.last_mut()?, true))
    }

    /// Counts a metric that has no track.
    pub(super) fn other(&mut self, metric: MetricId) {
        let (word, bit) = (metric as usize / 64, metric % 64);
        if self.others.len() <= word {
            self.others.resize(word + 1, 0);
        }
        if let Some(word) = self.others.get_mut(word) {
            *word |= 1 << bit;
        }
    }

    /// How many metrics have no track.
    pub(super) fn others(&self) -> u64 {
        let ones = self.others.iter().map(|word| word.count_ones());
        ones.map(u64::from).sum()
    }

    pub(super) fn finish(self, name: &record::Run, limit: usize) -> Run {
        let metrics = self.others() + self.tracks.len() as u64;
        let (first_step, last_step) = self.steps.unzip();
        let (created, last_activity) = self.times.unzip();
        let time = |seconds: f64| Time((seconds * 1000.0).round() as i64);
        let tracks = self.tracks.into_iter().map(|track| track.finish(limit));
        let (metrics_list, series) = tracks.unzip();
        Run {
            row: view::Run {
                project: name.project.to_string(),
                run: name.run.to_string(),
                created: created.map(time),
                last_activity: last_activity.map(time),
                first_step,
                last_step,
                rows: self.rows,
                metrics,
                alerts: self.counts,
                muted: self.muted,
                state: "unknown",
            },
            inputs: self.inputs,
            metrics: metrics_list,
            series,
            alerts: Vec::new(),
            exceptions: Vec::new(),
        }
    }
}
