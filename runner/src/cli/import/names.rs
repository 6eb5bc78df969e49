//! What runs and metrics are called: as the command line has it, and as they
//! were called before an export.

use std::sync::Arc;

use anyhow::bail;
use memchr::memmem;
use rustc_hash::FxHashMap;

use crate::names::Names;
use crate::record::{Metric, Run, RunId, Segment};

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

/// Whether a file that begins like this is an export of ours.
pub(super) fn is_export(head: &[u8]) -> bool {
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    line.starts_with(b"{\"project\":\"")
        && [&b"\"step\":"[..], b"\"rank\":", b"\"metrics\":{"]
            .iter()
            .all(|key| memmem::find(line, key).is_some())
}

/// Takes the metrics of an export out of the object that they lie in there.
pub(super) fn unwrap(segment: &mut Segment, names: &Names) {
    let unwrapped = segment.metrics.iter().map(|metric| {
        let Some(source) = metric.source.strip_prefix("metrics/") else {
            return metric.clone();
        };
        Metric {
            name: names.canonical(source).unwrap_or(source).into(),
            source: source.into(),
        }
    });
    segment.metrics = Arc::new(unwrapped.collect());
}
