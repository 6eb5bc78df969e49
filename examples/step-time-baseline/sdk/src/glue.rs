//! The component's side of the contract. Nothing here is for detector authors:
//! [`export!`](crate::export) uses it.

use std::cell::RefCell;
use std::marker::PhantomData;

use crate::{Batch, Detector, Facts, Parameters, Series, Text};

#[doc(hidden)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../wit",
        world: "detector-component",
        pub_export_macro: true,
        export_macro_name: "export_glue",
        default_bindings_module: "runwatch_detector::glue::bindings",
    });
}

use bindings::exports::runwatch::detector::detector as contract;
use bindings::runwatch::detector::log as host_log;

pub(crate) fn log(level: &str, message: &str) {
    host_log::log(level, message);
}

/// The exported component for a detector type.
pub struct Component<D>(PhantomData<D>);

/// A monitor of a detector type, with the series announced so far.
pub struct Monitor<D> {
    inner: RefCell<(D, Vec<Series>)>,
}

impl<D: Detector> contract::Guest for Component<D> {
    type Monitor = Monitor<D>;

    fn describe() -> contract::Description {
        let description = D::describe();
        contract::Description {
            name: description.name,
            version: description.version,
            summary: description.summary,
            parameters: description
                .parameters
                .into_iter()
                .map(|p| bindings::runwatch::detector::types::Parameter {
                    name: p.name,
                    kind: p.kind.name().to_owned(),
                    default: p.default,
                    unit: p.unit,
                    doc: p.doc,
                    limits: p.limits,
                })
                .collect(),
            facts: description.facts,
        }
    }
}

impl<D: Detector> Monitor<D> {
    fn collect(
        &self,
        call: impl FnOnce(&mut D, &[Series], &mut Vec<crate::Finding>),
    ) -> Vec<contract::Finding> {
        let mut inner = self.inner.borrow_mut();
        let (detector, series) = &mut *inner;
        let mut findings = Vec::new();
        call(detector, series, &mut findings);
        findings
            .into_iter()
            .map(|f| contract::Finding {
                key: f.key,
                severity: f.severity.name().to_owned(),
                state: f.state.name().to_owned(),
                row: f.row,
                title: f.title,
                message: f.message,
                recommendation: f.recommendation,
                values: f.values,
                facts: f.facts,
            })
            .collect()
    }
}

impl<D: Detector> contract::GuestMonitor for Monitor<D> {
    fn open(
        run: Vec<(String, String)>,
        parameters: Vec<(String, String)>,
    ) -> Result<contract::Monitor, String> {
        let run = Facts(run);
        let parameters = Parameters(parameters);
        let detector = D::open(&run, &parameters)?;
        Ok(contract::Monitor::new(Self {
            inner: RefCell::new((detector, Vec::new())),
        }))
    }

    fn interests(&self) -> Vec<contract::Interest> {
        let interests = self.inner.borrow().0.interests();
        interests
            .into_iter()
            .map(|i| contract::Interest {
                kind: i.kind,
                pattern: i.pattern,
                options: i.options,
            })
            .collect()
    }

    fn define(&self, series: Vec<contract::Series>) {
        self.inner
            .borrow_mut()
            .1
            .extend(series.into_iter().map(|s| Series {
                index: s.index,
                name: s.name,
                source: s.source,
            }));
    }

    fn observe(
        &self,
        steps: Vec<i64>,
        times: Vec<f64>,
        ranks: Vec<u32>,
        indices: Vec<u32>,
        rows: Vec<u32>,
        values: Vec<f64>,
        texts: Vec<contract::Text>,
    ) -> Vec<contract::Finding> {
        let texts: Vec<Text> = texts
            .into_iter()
            .map(|t| Text {
                row: t.row,
                kind: t.kind,
                name: t.name,
                content: t.content,
                fields: t.fields,
            })
            .collect();
        self.collect(|detector, series, findings| {
            let batch = Batch {
                steps: &steps,
                times: &times,
                ranks: &ranks,
                indices: &indices,
                rows: &rows,
                values: &values,
                texts: &texts,
                series,
            };
            detector.observe(&batch, findings);
        })
    }

    fn tick(&self, now: f64) -> Vec<contract::Finding> {
        self.collect(|detector, _, findings| detector.tick(now, findings))
    }

    fn finish(&self, outcome: String) -> Vec<contract::Finding> {
        self.collect(|detector, _, findings| detector.finish(&outcome, findings))
    }

    fn save(&self) -> Option<Vec<u8>> {
        self.inner.borrow().0.save()
    }

    fn restore(&self, state: Vec<u8>) -> Result<(), String> {
        self.inner.borrow_mut().0.restore(&state)
    }
}
