//! An alert that nobody made: for whoever tries a sink, a template or a test.

use crate::alert::{Alert, Location, Recent, SCHEMA, Severity, State};

/// An alert with something in every field.
pub(crate) fn sample() -> Alert {
    Alert {
        id: "0123456789abcdef0123456789abcdef".to_owned(),
        schema: SCHEMA,
        fingerprint: "fedcba9876543210fedcba9876543210".to_owned(),
        episode: 1,
        project: "default".to_owned(),
        run: "train".to_owned(),
        rank: Some(3),
        ranks: vec![3],
        host: "gpu-7".to_owned(),
        detector: "non-finite".to_owned(),
        key: "loss".to_owned(),
        severity: Severity::Critical,
        state: State::Firing,
        step: Some(2404),
        time: Some("2023-11-14T22:13:20Z".to_owned()),
        title: "loss is NaN".to_owned(),
        message: "loss was 2.31 at step 2403 and is NaN at step 2404.".to_owned(),
        recommendation: "Stop the run, go back to the last good checkpoint, and lower the \
                         learning rate."
            .to_owned(),
        values: vec![("loss".to_owned(), f64::NAN), ("last".to_owned(), 2.31)],
        location: Some(Location {
            input: "train.log".to_owned(),
            line: 17,
        }),
        first_step: Some(2404),
        count: 1,
        route: None,
        recent: Some(Recent {
            metric: "loss".to_owned(),
            values: vec![2.4, 2.31, f64::NAN],
        }),
        halt: Some("the loss is NaN".to_owned()),
        evidence: None,
    }
}
