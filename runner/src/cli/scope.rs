//! Which project, run and time a question is about: what `list`, `get`,
//! `diagnose` and `compare` ask in the same words.

use anyhow::anyhow;
use clap::Args;

use super::times;
use crate::alert::Severity;
use crate::config::list_names;
use crate::deliver::post::wall_clock;
use crate::exit::{Ending, Failure};
use crate::ledger::history::Span;
use crate::ledger::{Filter, Ledger, LedgerError};
use crate::suggest::did_you_mean;
use crate::view;

/// How many names a message shows.
const NAMED: usize = 8;
/// How many rows a table has, unless the user says otherwise.
pub(super) const LIMIT: usize = 50;

/// One run.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Scope {
    /// The project; may be left out where there is only one
    #[arg(long, value_name = "NAME")]
    pub(super) project: Option<String>,
    /// The run; may be left out where there is only one
    #[arg(long, value_name = "NAME")]
    pub(super) run: Option<String>,
}

/// Alerts and what became of them, of all runs or of some.
#[derive(Debug, Clone, Args)]
pub(super) struct Filters {
    /// Of this project
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// Of this run
    #[arg(long, value_name = "NAME")]
    run: Option<String>,
    /// Of this detector
    #[arg(long, value_name = "NAME")]
    pub(super) detector: Option<String>,
    /// At least so severe: info, warning (or warn), critical (or error)
    #[arg(long, value_name = "LEVEL", value_parser = level)]
    pub(super) level: Option<Level>,
    /// From this time on: `2026-11-22T18:00:00+01:00`, or `2h` for two hours ago
    #[arg(long, value_name = "TIME")]
    pub(super) since: Option<String>,
    /// Before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// At most so many, the newest; by default 50, and all as JSON
    #[arg(long, value_name = "NUMBER")]
    pub(super) limit: Option<usize>,
}

/// A severity as the user wrote it.
#[derive(Debug, Clone)]
pub(super) struct Level {
    pub(super) text: String,
    pub(super) severity: Severity,
}

impl Filters {
    pub(super) fn scope(&self) -> Scope {
        Scope {
            project: self.project.clone(),
            run: self.run.clone(),
        }
    }

    /// The filters, and how many are wanted: all, where programs read them.
    pub(super) fn filter(&self, ledger: &Ledger, json: bool) -> Result<Filter, Failure> {
        let limit = match self.limit {
            Some(0) => {
                return Err(wrong("--limit 0 would show nothing").hint("give a number above it"));
            }
            Some(limit) => limit,
            None if json => usize::MAX,
            None => LIMIT,
        };
        let filter = self.unlimited(ledger)?;
        Ok(Filter { limit, ..filter })
    }

    /// The filters with their times read. A project and a run that are named
    /// must be there.
    pub(super) fn unlimited(&self, ledger: &Ledger) -> Result<Filter, Failure> {
        let scope = self.scope();
        let mut project = scope.project(ledger)?;
        if scope.run.is_some()
            && let [one] = scope.runs(ledger, project.as_deref())?.as_slice()
        {
            project = Some(one.project.clone());
        }
        let now = wall_clock();
        Ok(Filter {
            project,
            run: scope.run,
            detector: self.detector.clone(),
            level: self.level.as_ref().map(|level| level.severity),
            since: time(self.since.as_deref(), now)?,
            until: time(self.until.as_deref(), now)?,
            sink: None,
            state: None,
            limit: usize::MAX,
        })
    }
}

impl Scope {
    /// The project that is named, or the only one that there is.
    pub(super) fn project(&self, ledger: &Ledger) -> Result<Option<String>, Failure> {
        let projects = ledger.projects().map_err(|error| unreadable(&error))?;
        match &self.project {
            Some(name) if !projects.contains(name) => {
                let names = projects.iter().map(String::as_str);
                Err(missing("project", name, "in the ledger", names))
            }
            Some(name) => Ok(Some(name.clone())),
            None => Ok(match projects.as_slice() {
                [one] => Some(one.clone()),
                _ => None,
            }),
        }
    }

    /// The project where there must be one.
    pub(super) fn the_project(&self, ledger: &Ledger) -> Result<String, Failure> {
        if let Some(project) = self.project(ledger)? {
            return Ok(project);
        }
        let projects = ledger.projects().map_err(|error| unreadable(&error))?;
        let names = projects.iter().map(String::as_str);
        Err(several("project", None, names, "--project"))
    }

    /// The run where there must be one.
    pub(super) fn the_run(&self, ledger: &Ledger) -> Result<view::Run, Failure> {
        let project = self.project(ledger)?;
        let mut runs = self.runs(ledger, project.as_deref())?;
        match (runs.pop(), runs.is_empty()) {
            (Some(run), true) => Ok(run),
            (None, _) => Err(empty()),
            (Some(last), false) => {
                runs.push(last);
                Err(match &self.run {
                    Some(name) => {
                        let projects = runs.iter().map(|run| run.project.as_str());
                        several("project", Some(name), projects, "--project")
                    }
                    None => {
                        let names = runs.iter().map(|run| run.run.as_str());
                        several("run", None, names, "--run")
                    }
                })
            }
        }
    }

    /// The runs that may be meant, the one heard of last coming first. That
    /// which is named must be there.
    pub(super) fn runs(
        &self,
        ledger: &Ledger,
        project: Option<&str>,
    ) -> Result<Vec<view::Run>, Failure> {
        let Some(name) = &self.run else {
            return view::runs(ledger, project).map_err(|error| unreadable(&error));
        };
        let found = named(ledger, project, name).map_err(|error| unreadable(&error))?;
        if !found.is_empty() {
            return Ok(found);
        }
        let all = view::runs(ledger, project).map_err(|error| unreadable(&error))?;
        let place = project.map_or_else(
            || "in the ledger".to_owned(),
            |project| format!("in the project `{project}`"),
        );
        let names = all.iter().map(|run| run.run.as_str());
        Err(missing("run", name, &place, names))
    }
}

/// The runs of this name, in one project or in all.
fn named(ledger: &Ledger, project: Option<&str>, run: &str) -> Result<Vec<view::Run>, LedgerError> {
    let projects = match project {
        Some(project) => vec![project.to_owned()],
        None => ledger.projects()?,
    };
    let find = |project: &String| view::run(ledger, project, run).transpose();
    projects.iter().filter_map(find).collect()
}

/// How a run gets a history.
pub(super) const HOW: &str = "a watch writes it (`python train.py 2>&1 | runwatch`), and \
                              `runwatch import LOG` adds what was logged before";

/// The runs of these names that have a history, or all; that seen last comes
/// last. Those that are named must be there, and one there must be.
pub(super) fn histories(
    ledger: &Ledger,
    project: Option<&str>,
    names: &[String],
) -> Result<Vec<Span>, Failure> {
    let mut all = ledger.spans(project).map_err(|error| unreadable(&error))?;
    for name in names {
        if !all.iter().any(|span| span.run == *name) {
            let known = all.iter().map(|span| span.run.as_str());
            let hint = did_you_mean(name, known).unwrap_or_else(|| HOW.to_owned());
            return Err(wrong(&format!("there is no history of a run `{name}`")).hint(&hint));
        }
    }
    if all.is_empty() {
        return Err(wrong("there is no history yet").hint(HOW));
    }
    all.retain(|span| names.is_empty() || names.contains(&span.run));
    Ok(all)
}

/// A metric of a run by its printed or its canonical name.
pub(super) fn metric(
    ledger: &Ledger,
    run: &view::Run,
    name: &str,
) -> Result<view::Metric, Failure> {
    let metrics = metrics(ledger, run)?;
    let printed = metrics.iter().find(|metric| metric.name == name);
    let found = printed.or_else(|| metrics.iter().find(|metric| metric.canonical == name));
    found.cloned().ok_or_else(|| {
        let names = metrics.iter().map(|metric| metric.name.as_str());
        missing("metric", name, &format!("in the run `{}`", run.run), names)
    })
}

/// The metrics of a run, in the order in which they appeared first.
pub(super) fn metrics(ledger: &Ledger, run: &view::Run) -> Result<Vec<view::Metric>, Failure> {
    let metrics = ledger.metrics(&run.project, &run.run);
    let metrics = metrics.map_err(|error| unreadable(&error))?;
    Ok(metrics.into_iter().map(view::Metric::from).collect())
}

/// A time on the command line, in milliseconds since 1970.
pub(super) fn time(text: Option<&str>, now: i64) -> Result<Option<i64>, Failure> {
    let Some(text) = text else { return Ok(None) };
    let hint = "write it with its offset (2026-11-22T18:00:00+01:00, or …Z), or how long ago it \
                was: 2h, 3d";
    let time = times::parse(text, now);
    time.map(Some)
        .ok_or_else(|| wrong(&format!("`{text}` is no time")).hint(hint))
}

/// A severity, also by the names that Trackio gives to them.
fn level(text: &str) -> Result<Level, String> {
    let severity = match text {
        "warn" => Severity::Warning,
        "error" => Severity::Critical,
        name => super::delivery::severity(name)?,
    };
    let text = text.to_owned();
    Ok(Level { text, severity })
}

pub(super) fn wrong(what: &str) -> Failure {
    Failure::new(Ending::Usage, anyhow!("{what}"))
}

pub(super) fn unreadable(error: &LedgerError) -> Failure {
    wrong(&error.0)
}

/// Nothing has been watched yet.
fn empty() -> Failure {
    Failure::new(Ending::Input, anyhow!("there is no run in the ledger yet"))
        .hint("`python train.py 2>&1 | runwatch` watches one")
}

/// What is named and is not there, with what may have been meant.
fn missing<'a>(
    what: &str,
    name: &str,
    place: &str,
    others: impl Iterator<Item = &'a str> + Clone,
) -> Failure {
    let error = anyhow!("there is no {what} `{name}` {place}");
    let hint = did_you_mean(name, others.clone()).or_else(|| {
        let listed = shortened(others);
        (!listed.is_empty()).then(|| format!("there are {listed}"))
    });
    let failure = Failure::new(Ending::Input, error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// Several may be meant, and one has to be.
fn several<'a>(
    what: &str,
    run: Option<&str>,
    names: impl Iterator<Item = &'a str> + Clone,
    flag: &str,
) -> Failure {
    if names.clone().next().is_none() {
        return empty();
    }
    let of = run.map_or_else(String::new, |run| format!(" with a run `{run}`"));
    let error = anyhow!("there are several {what}s{of}: {}", shortened(names));
    Failure::new(Ending::Usage, error).hint(format!("say which with {flag}"))
}

/// The first names.
fn shortened<'a>(names: impl Iterator<Item = &'a str> + Clone) -> String {
    let more = names.clone().count().saturating_sub(NAMED);
    let mut text = list_names(names.take(NAMED));
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}
