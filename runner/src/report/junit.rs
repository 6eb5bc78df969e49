//! Test results in the form of JUnit, which every CI system shows: a run is a
//! suite, a detector is a case, and an alert is its failure.

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use super::{Report, Run, WORST_FIRST, count};
use crate::alert::{Alert, Severity};
use crate::deliver::text::clean;
use crate::judge::HOST_DETECTOR;

/// The report as XML.
///
/// # Errors
///
/// If it cannot be written as XML, which does not happen.
pub fn junit(report: &Report) -> anyhow::Result<String> {
    let mut results = quick_junit::Report::new("runwatch");
    for run in &report.runs {
        results.add_test_suite(suite(report, run));
    }
    let unread: Vec<TestCase> = report
        .skipped
        .iter()
        .filter_map(|input| {
            let status = error(input.unread()?);
            Some(case(&input.input, "inputs", status))
        })
        .collect();
    if !unread.is_empty() {
        let mut suite = TestSuite::new("inputs");
        suite.add_test_cases(unread);
        results.add_test_suite(suite);
    }
    if !report.left_out.is_empty()
        && let Some(suite) = results.test_suites.first_mut()
    {
        suite.set_system_out(format!("Left out: {}.", report.left_out.join(", ")));
    }
    Ok(results.to_string()?)
}

/// A case for each detector, whether it found something or not.
fn suite(report: &Report, run: &Run) -> TestSuite {
    let name = run.name();
    let mut suite = TestSuite::new(plain(&name));
    let known = report.detectors.iter().map(|it| it.name.as_str());
    let mut detectors: Vec<&str> = known.chain([HOST_DETECTOR]).collect();
    for alert in run.firing() {
        if !detectors.contains(&alert.detector.as_str()) {
            detectors.push(&alert.detector);
        }
    }
    for detector in detectors {
        let of = |alert: &&Alert| alert.detector == detector;
        let alerts: Vec<&Alert> = run.firing().filter(of).collect();
        // Of our own there is nothing to say as long as all is well.
        if detector != HOST_DETECTOR || !alerts.is_empty() {
            suite.add_test_case(result(detector, &name, &alerts));
        }
    }
    suite
}

/// What a detector found, the worst first.
fn result(detector: &str, run: &str, alerts: &[&Alert]) -> TestCase {
    let mut failures: Vec<&Alert> = Vec::new();
    for severity in WORST_FIRST {
        failures.extend(
            alerts
                .iter()
                .filter(|alert| alert.severity == severity)
                .copied(),
        );
    }
    let infos = failures
        .iter()
        .position(|alert| alert.severity == Severity::Info)
        .map(|at| failures.split_off(at))
        .unwrap_or_default();
    let status = match failures.split_first() {
        None => TestCaseStatus::success(),
        Some((worst, others)) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            let mut message = worst.title.clone();
            if !others.is_empty() {
                let more = count(others.len() as u64, "alert", "alerts");
                message.push_str(&format!(" (and {more} more)"));
            }
            status.set_message(plain(&message));
            status.set_type(worst.severity.name());
            status.set_description(plain(&described(&failures)));
            status
        }
    };
    let mut case = case(detector, run, status);
    let first = failures.iter().find_map(|alert| alert.location.as_ref());
    if let Some(location) = first {
        case.extra
            .insert("file".into(), plain(&location.input).into());
        case.extra
            .insert("line".into(), location.line.to_string().into());
    }
    if !infos.is_empty() {
        case.set_system_out(plain(&described(&infos)));
    }
    case
}

fn case(name: &str, class: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(plain(name), status);
    case.set_classname(plain(class));
    case
}

fn error(problem: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status.set_message(plain(problem));
    status
}

/// Alerts in full, a paragraph each.
fn described(alerts: &[&Alert]) -> String {
    let texts: Vec<String> = alerts.iter().map(|alert| one(alert)).collect();
    texts.join("\n\n")
}

fn one(alert: &Alert) -> String {
    let mut text = format!("{}: {}", alert.severity.name(), alert.title);
    if let Some(step) = alert.step {
        text.push_str(&format!(" (step {step})"));
    }
    for part in [&alert.message, &alert.recommendation] {
        text.push('\n');
        text.push_str(part);
    }
    if let Some(location) = &alert.location {
        text.push_str(&format!("\n{}:{}", location.input, location.line));
    }
    text
}

/// A text that XML can hold, with what cannot be seen made visible.
fn plain(text: &str) -> String {
    clean(text).replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::testing::{hostile, report};
    use super::*;
    use proptest::prelude::*;

    /// Whether XML 1.0 allows the character.
    fn is_xml(c: char) -> bool {
        matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
    }

    proptest! {
        #[test]
        fn no_text_leaves_its_place(text in hostile()) {
            let xml = junit(&report(&text)).unwrap();
            prop_assert!(xml.chars().all(is_xml));
            let back = quick_junit::Report::deserialize_from_str(&xml).unwrap();
            prop_assert_eq!((back.tests, back.failures, back.errors), (2, 1, 1));
            let case = &back.test_suites[0].test_cases[0];
            prop_assert_eq!(case.name.as_str(), "loss-spike");
            let TestCaseStatus::NonSuccess { ty, .. } = &case.status else {
                panic!("{xml}");
            };
            prop_assert_eq!(ty.as_deref(), Some("critical"));
        }
    }
}
