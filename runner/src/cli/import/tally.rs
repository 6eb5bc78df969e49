//! What came in, in a sentence.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use crate::alert::Alert;
use crate::cli::output::{count, say};
use crate::ledger::{Ledger, Result};
use crate::record::Run;

/// What was imported so far.
#[derive(Default)]
pub(super) struct Imported {
    /// The runs with a history, and the rows that each had before.
    runs: BTreeMap<(String, String), u64>,
    /// The runs of new alerts.
    told: BTreeSet<(String, String)>,
    alerts: u64,
    known: u64,
}

impl Imported {
    /// Takes note of a run before anything is added to it.
    pub(super) fn before(&mut self, run: &Run, ledger: &Ledger) -> Result<()> {
        let name = (run.project.to_string(), run.run.to_string());
        if let Entry::Vacant(place) = self.runs.entry(name) {
            let (project, run) = place.key();
            let rows = ledger.span(project, run)?.map_or(0, |span| span.rows);
            place.insert(rows);
        }
        Ok(())
    }

    /// Takes note of so many alerts, of which these are new.
    pub(super) fn alerts(&mut self, number: usize, new: &[&Alert]) {
        self.alerts += new.len() as u64;
        self.known += number.saturating_sub(new.len()) as u64;
        let names = new.iter().map(|it| (it.project.clone(), it.run.clone()));
        self.told.extend(names);
    }

    /// Nothing was found in an input.
    pub(super) fn empty(&self, input: &str) {
        say(&format!(
            "runwatch: {input}: no records; `runwatch decode --list` shows the formats that \
             runwatch reads"
        ));
    }

    /// All of it, by what the ledger has now.
    pub(super) fn text(&self, ledger: &Ledger) -> Result<String> {
        let mut rows = 0;
        let mut metrics = BTreeSet::new();
        let mut runs = self.told.clone();
        for (name, before) in &self.runs {
            let (project, run) = name;
            let now = ledger.span(project, run)?.map_or(0, |span| span.rows);
            if now > *before {
                rows += now - before;
                runs.insert(name.clone());
                let of_run = ledger.metrics(project, run)?;
                metrics.extend(of_run.into_iter().map(|metric| metric.source));
            }
        }
        let mut text = if runs.is_empty() {
            "nothing new".to_owned()
        } else {
            format!(
                "imported {}: {}, {}, {}",
                count(runs.len() as u64, "run", "runs"),
                count(rows, "record", "records"),
                count(metrics.len() as u64, "metric", "metrics"),
                count(self.alerts, "alert", "alerts")
            )
        };
        if runs.is_empty() && !self.runs.is_empty() {
            let known = count(self.runs.len() as u64, "run was", "runs were");
            text.push_str(&format!(": {known} there already"));
        }
        if self.known > 0 {
            let known = count(self.known, "alert was", "alerts were");
            text.push_str(&format!("; {known} there already"));
        }
        Ok(text)
    }
}
