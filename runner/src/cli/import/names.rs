//! Project and run as the command line has them, whatever a log calls itself.

use anyhow::bail;
use rustc_hash::FxHashMap;
use std::sync::Arc;

use crate::record::{Run, RunId, Segment};

/// Names that go before those of the log.
pub(super) struct Override<'a> {
    project: Option<&'a str>,
    run: Option<&'a str>,
    /// Two runs of a log must not become one.
    given: FxHashMap<Run, RunId>,
}

impl<'a> Override<'a> {
    pub(super) fn new(project: Option<&'a str>, run: Option<&'a str>) -> Self {
        Self {
            project,
            run,
            given: FxHashMap::default(),
        }
    }

    /// Names the runs of a segment.
    ///
    /// # Errors
    ///
    /// If two of them would have the same name.
    pub(super) fn apply(&mut self, segment: &mut Segment) -> anyhow::Result<()> {
        if self.project.is_none() && self.run.is_none() {
            return Ok(());
        }
        let mut runs = (*segment.runs).clone();
        for batch in &segment.batches {
            let Some(run) = runs.get_mut(batch.run as usize) else {
                continue;
            };
            self.name(run);
            let first = *self.given.entry(run.clone()).or_insert(batch.run);
            if first != batch.run {
                bail!(
                    "it holds several runs, which cannot all be `{}/{}`: import it without --run",
                    run.project,
                    run.run
                );
            }
        }
        segment.runs = Arc::new(runs);
        Ok(())
    }

    fn name(&self, run: &mut Run) {
        if let Some(project) = self.project {
            run.project = project.into();
        }
        if let Some(name) = self.run {
            // `NAME#2` is the second training in a log.
            let again = run.run.strip_prefix(name);
            if !again.is_some_and(|rest| rest.is_empty() || rest.starts_with('#')) {
                run.run = name.into();
            }
        }
    }
}
