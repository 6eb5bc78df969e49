//! `MLflow`'s file store: `mlruns/EXPERIMENT/RUN/metrics/NAME`.
//!
//! ```text
//! 1795309213665 4.966014277596079 0
//! ```
//!
//! Time, value and step, with one blank between them. The time is in
//! milliseconds, and in seconds in versions before 1.0, which wrote no step.
//! The file's path below `metrics` is the metric's name, and `value` stands for
//! it where there is no such path.

use super::Entry;
use crate::decode::format::{About, Line, Lines, Out};
use crate::decode::number::spelled;
use crate::decode::time;

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "mlflow",
        title: "MLflow's file store, mlruns/*/*/metrics/*",
        example: "1795309213665 4.966014277596079 0",
        step: "the third column",
    },
    begins: b"0123456789",
    new: || Box::new(Lines(read)),
};

fn read(line: &Line<'_>, out: &mut Out<'_>) -> bool {
    if !line.text.first().is_some_and(u8::is_ascii_digit) {
        return false;
    }
    let mut columns = line.text.split(|&byte| byte == b' ');
    let (Some(when), Some(value), step, None) = (
        columns.next(),
        columns.next(),
        columns.next(),
        columns.next(),
    ) else {
        return false;
    };
    let Some(time) = timestamp(when) else {
        return false;
    };
    let (Some(value), Some(step)) = (spelled(value), step.map_or(Some(None), integer)) else {
        return false;
    };
    let path = place(out.input());
    // Two numbers side by side may be anything.
    if path.is_none() && (step.is_none() || when.len() != MILLISECONDS) {
        return false;
    }
    let (run, name) = path.unwrap_or(("", "value"));
    let (run, name) = (run.to_owned(), name.to_owned());
    out.begin();
    out.time(time);
    if is_run(&run) {
        out.run(run.as_bytes());
    }
    if let Some(step) = step {
        out.step(step);
    }
    out.metric(name.as_bytes(), value.0);
    out.end(line)
}

/// The digits of a time in milliseconds, from 2001 to 2286.
const MILLISECONDS: usize = 13;
/// The digits of one in seconds.
const SECONDS: usize = 10;

fn timestamp(text: &[u8]) -> Option<f64> {
    if !matches!(text.len(), SECONDS | MILLISECONDS) {
        return None;
    }
    time::from_number(spelled(text).filter(|(_, integer)| *integer)?.0)
}

/// A whole number; the outer `None` is anything else.
fn integer(text: &[u8]) -> Option<Option<i64>> {
    let text = std::str::from_utf8(text).ok()?;
    text.parse().ok().map(Some)
}

/// The run's and the metric's name, from the path of its file.
fn place(path: &str) -> Option<(&str, &str)> {
    let (before, name) = path.rsplit_once("/metrics/")?;
    let run = before.rsplit('/').next()?;
    (!name.is_empty()).then_some((run, name))
}

/// The metrics of a run are one run, if the store made its name.
fn is_run(name: &str) -> bool {
    name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{formats, records, records_of};

    #[test]
    fn three_columns() {
        let log = "1795309213665 4.5 0\n1795309213665 nan 1\n1795309213666 -inf 2\n";
        assert_eq!(
            records(log),
            [
                "step 0: value=4.5",
                "step 1: value=NaN",
                "step 2: value=-inf"
            ]
        );
        assert_eq!(formats(log), ["mlflow"]);
    }

    #[test]
    fn the_path_names_the_metric() {
        let log = "1795309213665 4.5 10\n";
        let path = "mlruns/0/ab12/metrics/train/loss";
        assert_eq!(records_of(path, log), ["step 10: train/loss=4.5"]);
        // The older form has no step.
        let old = "1541019371 4.5\n1541019372 3.5\n";
        let expected = ["step 1: loss=4.5", "step 2: loss=3.5"];
        assert_eq!(records_of("mlruns/0/ab12/metrics/loss", old), expected);
        assert_eq!(records(old), [""; 0]);
    }

    #[test]
    fn other_numbers_are_not_taken() {
        for text in [
            "1795309213665 4.5 0 1",
            "1795309213665 4.5 0.5",
            "1795309213665  4.5 0",
            "1795309213665 ok 0",
            "17953092136650 4.5 0",
            "100 4.5 0",
            "1541019371 4.5 7",
            "5795309213665 4.5 0",
        ] {
            assert_eq!(records(text), [""; 0], "{text}");
        }
    }
}
