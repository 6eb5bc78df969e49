//! Lists that have an end, and how much did not fit.

use super::count;

/// A list that has an end. What is important has as much room beyond it.
#[derive(Debug)]
pub(super) struct Room<T> {
    pub(super) items: Vec<T>,
    room: usize,
    pub(super) left_out: u64,
}

impl<T> Room<T> {
    pub(super) fn new(room: usize) -> Self {
        Self {
            items: Vec::new(),
            room,
            left_out: 0,
        }
    }

    pub(super) fn push(&mut self, item: T, important: bool) {
        let room = self.room << u32::from(important);
        if self.items.len() < room {
            self.items.push(item);
        } else {
            self.left_out += 1;
        }
    }
}

/// How much there was no room for.
#[derive(Debug, Default)]
pub(super) struct Missing {
    pub(super) alerts: u64,
    pub(super) runs: u64,
    /// Runs that are there without their metrics.
    pub(super) charts: u64,
    pub(super) metrics: u64,
    pub(super) exceptions: u64,
    pub(super) inputs: u64,
    pub(super) files: u64,
}

impl Missing {
    pub(super) fn sentences(&self) -> Vec<String> {
        let counts = [
            (self.alerts, "alert", "alerts"),
            (self.runs, "run", "runs"),
            (self.charts, "run's metrics", "runs' metrics"),
            (self.metrics, "metric", "metrics"),
            (self.exceptions, "exception", "exceptions"),
            (
                self.inputs,
                "line of the list of inputs",
                "lines of the list of inputs",
            ),
            (
                self.files,
                "file that is hidden, or no log by the name",
                "files that are hidden, or no logs by the name",
            ),
        ];
        let some = counts.iter().filter(|(number, ..)| *number > 0);
        some.map(|(number, one, many)| count(*number, one, many))
            .collect()
    }
}
