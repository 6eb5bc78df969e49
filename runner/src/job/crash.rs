//! The alert about a job that has ended badly.

use std::fmt::Write as _;
use std::time::Duration;

use super::ending::JobEnding;
use super::evidence::age;
use super::postmortem::{Facts, Guess, recommendation, signal_name};
use crate::alert::{EVIDENCE_BYTES, Finding, Severity, State};
use crate::deliver::text::{clean_line, cut_bytes, cut_chars};

/// The key of a job that ended badly.
pub const CRASHED: &str = "job-crashed";
/// The key of a job that was ended by its user.
pub const ENDED: &str = "job-ended";

/// Last lines that are shown.
const LINES: usize = 20;
/// Characters of what the title quotes.
const TITLE_CHARS: usize = 100;

/// How a job ended.
#[derive(Debug, Clone, Copy)]
pub struct End<'a> {
    /// None if it is not known.
    pub ending: Option<JobEnding>,
    /// Which start of the job this was, from 1.
    pub attempt: u32,
    /// How long it ran.
    pub ran: Duration,
    /// Its last lines.
    pub lines: &'a [String],
    /// Its last traceback of Python, if there was one.
    pub traceback: Option<&'a str>,
    /// What the machine says.
    pub facts: &'a Facts,
    /// The user asked it to end: Ctrl-C, or SIGTERM to runwatch.
    pub asked: bool,
}

/// The finding and its evidence; none for a job that ended well.
#[must_use]
pub fn finding(end: &End<'_>) -> Option<(Finding, String)> {
    if end.ending.is_some_and(JobEnding::is_success) {
        return None;
    }
    let ended = end.asked && is_by_request(end);
    let advice = if ended {
        "Nothing, if that was meant."
    } else {
        recommendation(&end.facts.guess)
    };
    let finding = Finding {
        key: if ended { ENDED } else { CRASHED }.to_owned(),
        severity: if ended {
            Severity::Info
        } else {
            Severity::Critical
        },
        state: State::Firing,
        title: title(end, ended),
        message: message(end, ended),
        recommendation: advice.to_owned(),
        values: values(end),
        halt: None,
        gather: false,
        route: None,
    };
    Some((finding, evidence(end)))
}

/// Whether it ended of what its user sent. A Python that is interrupted ends
/// with 1 or 130.
fn is_by_request(end: &End<'_>) -> bool {
    const REQUESTS: [i32; 4] = [1, 2, 3, 15];
    match end.ending {
        Some(JobEnding::Killed(signal)) => REQUESTS.contains(&signal) || signal == 9,
        Some(JobEnding::Exited(_)) => {
            !matches!(end.facts.guess, Guess::OutOfMemory | Guess::NoCommand)
        }
        None => true,
    }
}

fn title(end: &End<'_>, ended: bool) -> String {
    if ended {
        return "The job was ended by its user".to_owned();
    }
    let reason = match (end.ending, error(end)) {
        (Some(JobEnding::Exited(_)), Some(error)) if end.facts.guess == Guess::Failed => error,
        _ => end.facts.guess.words().to_owned(),
    };
    let how = match end.ending {
        Some(JobEnding::Exited(code)) => format!("The job ended with exit code {code}"),
        Some(JobEnding::Killed(signal)) => format!("The job was killed by {}", signal_name(signal)),
        None => "The job ended, nobody knows how".to_owned(),
    };
    if reason.is_empty() {
        how
    } else {
        format!("{how}: {reason}")
    }
}

/// The line of the traceback that names the exception.
fn error(end: &End<'_>) -> Option<String> {
    let mut lines = end.traceback?.lines().rev();
    let line = lines.find(|line| !line.trim().is_empty() && !line.starts_with(' '))?;
    let line = clean_line(line.trim());
    Some(cut_chars(&crate::secret::scrub(&line), TITLE_CHARS).into_owned())
}

fn message(end: &End<'_>, ended: bool) -> String {
    let how = match end.ending {
        Some(ending) => format!("It ended with {ending}"),
        None => "How it ended is not known".to_owned(),
    };
    let attempt = if end.attempt > 1 {
        format!(" (attempt {})", end.attempt)
    } else {
        String::new()
    };
    let mut text = format!("{how} after {}{attempt}.", age(end.ran.as_secs()));
    if ended {
        return text;
    }
    for sentence in &end.facts.sentences {
        _ = write!(text, " {sentence}");
    }
    crate::secret::scrub(&text).into_owned()
}

fn values(end: &End<'_>) -> Vec<(String, f64)> {
    let (name, number) = match end.ending {
        Some(JobEnding::Exited(code)) => ("exit_code", Some(code)),
        Some(JobEnding::Killed(signal)) => ("signal", Some(signal)),
        None => ("", None),
    };
    let mut values = vec![("seconds".to_owned(), end.ran.as_secs_f64())];
    values.extend(number.map(|number| (name.to_owned(), f64::from(number))));
    values.push(("attempt".to_owned(), f64::from(end.attempt)));
    values
}

fn evidence(end: &End<'_>) -> String {
    let mut text = String::new();
    let mut section = |title: &str, lines: &[&str]| {
        if !lines.is_empty() {
            _ = writeln!(text, "== {title}");
            for line in lines {
                // A line cannot pass for a section, nor drive a terminal.
                let line = clean_line(line);
                let line = cut_chars(&line, 1000);
                let guard = if line.starts_with("== ") { " " } else { "" };
                _ = writeln!(text, "{guard}{line}");
            }
        }
    };
    let host: Vec<&str> = end.facts.sentences.iter().map(String::as_str).collect();
    section("host", &host);
    let traceback: Vec<&str> = end.traceback.unwrap_or_default().lines().collect();
    let from = traceback.len().saturating_sub(200);
    section("traceback", traceback.get(from..).unwrap_or_default());
    let from = end.lines.len().saturating_sub(LINES);
    let last: Vec<&str> = end.lines.iter().skip(from).map(String::as_str).collect();
    section("last lines", &last);
    cut_bytes(&crate::secret::scrub(&text), EVIDENCE_BYTES).into_owned()
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const TRACEBACK: &str = "Traceback (most recent call last):\n  File \"train.py\", line 7, in <module>\n    \
                             main()\nValueError: lr must not be negative\n";

    fn facts(guess: Guess, sentence: &str) -> Facts {
        Facts {
            guess,
            sentences: vec![sentence.to_owned()],
        }
    }

    fn end(ending: JobEnding, facts: &Facts) -> End<'_> {
        End {
            ending: Some(ending),
            attempt: 1,
            ran: Duration::from_secs(125),
            lines: &[],
            traceback: None,
            facts,
            asked: false,
        }
    }

    #[test]
    fn a_job_that_ends_well_is_no_alert() {
        let facts = facts(Guess::Unknown, "");
        assert_eq!(finding(&end(JobEnding::Exited(0), &facts)), None);
    }

    #[test]
    fn the_title_says_what_killed_it() {
        let facts = facts(Guess::OutOfMemory, "The kernel killed a process.");
        let (found, _) = finding(&end(JobEnding::Killed(9), &facts)).unwrap();
        assert_eq!(found.title, "The job was killed by SIGKILL: out of memory");
        assert_eq!(
            found.message,
            "It ended with signal 9 (SIGKILL) after 2 min 5 s. The kernel killed a process."
        );
        assert_eq!(
            (found.key.as_str(), found.severity),
            (CRASHED, Severity::Critical)
        );
        assert!(found.recommendation.contains("more memory"));
        assert!(found.values.contains(&("signal".to_owned(), 9.0)));
    }

    #[test]
    fn an_exception_is_in_the_title_and_everything_in_the_evidence() {
        let facts = facts(Guess::Failed, "Exit code 1: an exception.");
        let lines: Vec<String> = (0..30).map(|at| format!("step {at}")).collect();
        let (found, evidence) = finding(&End {
            traceback: Some(TRACEBACK),
            lines: &lines,
            attempt: 2,
            ..end(JobEnding::Exited(1), &facts)
        })
        .unwrap();
        assert_eq!(
            found.title,
            "The job ended with exit code 1: ValueError: lr must not be negative"
        );
        assert!(found.message.contains("(attempt 2)"));
        let titles: Vec<&str> = evidence
            .lines()
            .filter(|line| line.starts_with("== "))
            .collect();
        assert_eq!(titles, ["== host", "== traceback", "== last lines"]);
        assert!(
            !evidence.contains("step 9\n")
                && evidence.ends_with("step 10\n".replace("10", "29").as_str())
        );
    }

    #[test]
    fn what_the_user_ended_is_no_crash() {
        let facts = facts(Guess::AskedToEnd, "");
        for ending in [
            JobEnding::Killed(2),
            JobEnding::Exited(130),
            JobEnding::Exited(1),
        ] {
            let asked = End {
                asked: true,
                ..end(ending, &facts)
            };
            let (found, _) = finding(&asked).unwrap();
            assert_eq!(
                (found.key.as_str(), found.severity),
                (ENDED, Severity::Info)
            );
        }
        // It was asked, but crashed on the way.
        let asked = End {
            asked: true,
            ..end(JobEnding::Killed(11), &facts)
        };
        assert_eq!(finding(&asked).unwrap().0.key, CRASHED);
    }
}
