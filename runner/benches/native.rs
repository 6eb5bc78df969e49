//! The built-in detectors compiled natively, to compare the sandbox with.

use std::collections::BTreeMap;

use anyhow::Result;
use runwatch::alert::{Finding, Severity, State};
use runwatch::describe::Interest;
use runwatch::detect::{Detector, Guest, GuestSource};
use runwatch::sandbox::Fault;
use runwatch::sandbox::instance::{Columns, RowFinding, Series};
use runwatch_detector as sdk;

/// The whole pack, with default parameters.
pub(crate) fn detectors() -> Vec<Detector> {
    vec![
        detector::<advantage_variance::AdvantageVariance>(),
        detector::<clip_fraction::ClipFraction>(),
        detector::<data_stall::DataStall>(),
        detector::<divergence::Divergence>(),
        detector::<entropy_collapse::EntropyCollapse>(),
        detector::<exception::Exception>(),
        detector::<fallback::Fallback>(),
        detector::<gate_collapse::GateCollapse>(),
        detector::<grad_norm::GradNorm>(),
        detector::<heartbeat::Heartbeat>(),
        detector::<killed::Killed>(),
        detector::<kl_explosion::KlExplosion>(),
        detector::<length_explosion::LengthExplosion>(),
        detector::<loss_flatline::LossFlatline>(),
        detector::<loss_spike::LossSpike>(),
        detector::<lr_schedule::LrSchedule>(),
        detector::<non_finite::NonFinite>(),
        detector::<out_of_memory::OutOfMemory>(),
        detector::<outlier::Outlier>(),
        detector::<overfit::Overfit>(),
        detector::<plateau::Plateau>(),
        detector::<reward_collapse::RewardCollapse>(),
        detector::<reward_drift::RewardDrift>(),
        detector::<reward_hacking::RewardHacking>(),
        detector::<straggler::Straggler>(),
        detector::<throughput::Throughput>(),
    ]
}

fn detector<D: sdk::Detector + Send + Sync>() -> Detector {
    let description = D::describe();
    Detector {
        name: description.name.as_str().into(),
        source: Box::new(Source::<D>(std::marker::PhantomData)),
        parameters: description.defaults().0.into_iter().collect(),
        own: false,
    }
}

struct Source<D>(std::marker::PhantomData<D>);

impl<D: sdk::Detector + Send + Sync> GuestSource for Source<D> {
    fn start(&self) -> Result<Box<dyn Guest>> {
        Ok(Box::new(Native::<D> {
            monitors: BTreeMap::new(),
        }))
    }
}

struct Native<D> {
    monitors: BTreeMap<u32, (D, Vec<sdk::Series>)>,
}

impl<D: sdk::Detector> Native<D> {
    fn call(
        &mut self,
        run: u32,
        call: impl FnOnce(&mut D, &[sdk::Series], &mut Vec<sdk::Finding>),
    ) -> Vec<RowFinding> {
        let mut findings = Vec::new();
        if let Some((detector, series)) = self.monitors.get_mut(&run) {
            call(detector, series, &mut findings);
        }
        findings.into_iter().map(finding).collect()
    }
}

fn finding(f: sdk::Finding) -> RowFinding {
    let row = (f.row != sdk::NO_ROW).then_some(f.row);
    let severity = match f.severity {
        sdk::Severity::Info => Severity::Info,
        sdk::Severity::Warning => Severity::Warning,
        sdk::Severity::Critical => Severity::Critical,
    };
    let state = match f.state {
        sdk::State::Firing => State::Firing,
        sdk::State::Resolved => State::Resolved,
    };
    let finding = Finding {
        key: f.key,
        severity,
        state,
        title: f.title,
        message: f.message,
        recommendation: f.recommendation,
        values: f.values,
        halt: None,
        gather: false,
        route: None,
    };
    (row, finding)
}

impl<D: sdk::Detector + Send> Guest for Native<D> {
    fn open(
        &mut self,
        run: u32,
        facts: &[(String, String)],
        parameters: &[(String, String)],
    ) -> Result<Result<(), String>, Fault> {
        let facts = sdk::Facts(facts.to_vec());
        let parameters = sdk::Parameters(parameters.to_vec());
        Ok(D::open(&facts, &parameters).map(|detector| {
            self.monitors.insert(run, (detector, Vec::new()));
        }))
    }

    fn interests(&mut self, run: u32) -> Result<Vec<Interest>, Fault> {
        Ok(self.monitors[&run]
            .0
            .interests()
            .into_iter()
            .map(|i| Interest {
                kind: i.kind,
                pattern: i.pattern,
                options: i.options,
            })
            .collect())
    }

    fn define(&mut self, run: u32, series: &[Series<'_>]) -> Result<(), Fault> {
        if let Some((_, known)) = self.monitors.get_mut(&run) {
            known.extend(series.iter().map(|s| sdk::Series {
                index: s.index,
                name: s.name.to_owned(),
                source: s.source.to_owned(),
            }));
        }
        Ok(())
    }

    fn observe(&mut self, run: u32, c: &Columns<'_>) -> Result<Vec<RowFinding>, Fault> {
        Ok(self.call(run, |detector, series, findings| {
            let batch = sdk::Batch {
                steps: c.steps,
                times: c.times,
                ranks: c.ranks,
                indices: c.indices,
                rows: c.rows,
                values: c.values,
                texts: &[],
                series,
            };
            detector.observe(&batch, findings);
        }))
    }

    fn tick(&mut self, run: u32, now: f64) -> Result<Vec<RowFinding>, Fault> {
        Ok(self.call(run, |detector, _, findings| detector.tick(now, findings)))
    }

    fn finish(&mut self, run: u32, outcome: &str) -> Result<Vec<RowFinding>, Fault> {
        Ok(self.call(run, |detector, _, findings| {
            detector.finish(outcome, findings)
        }))
    }

    fn close(&mut self, run: u32) -> Result<(), Fault> {
        self.monitors.remove(&run);
        Ok(())
    }

    fn save(&mut self, run: u32) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self
            .monitors
            .get(&run)
            .and_then(|(detector, _)| detector.save()))
    }

    fn restore(&mut self, _: u32, _: &[u8]) -> Result<Result<(), String>, Fault> {
        Ok(Err("not needed here".into()))
    }

    fn set_now(&mut self, _: f64) {}
}
