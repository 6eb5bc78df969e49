//! From the configuration to open ways out: the ledger, the policy, the sinks.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;

use super::options::{Configured, host};
use super::output::{count, say};
use crate::airgap;
use crate::alert::{Alert, Finding, Severity, State};
use crate::config::{Config, Sink as SinkSection};
use crate::deliver::dispatch::{Dispatch, Gate, Policy, broken_key};
use crate::deliver::post::{Incident, Mishap, Post, Report, wall_clock};
use crate::deliver::routes::Routes;
use crate::deliver::{Sink, build, sinks};
use crate::exit::{Ending, Failure};
use crate::judge::host_alert;
use crate::ledger::{Ledger, usual_path};
use crate::record::Run;

/// A sink with its name.
pub(super) type Named = (String, Box<dyn Sink>);

/// Where the ledger is, and how far the network may be used.
#[derive(Debug, Clone, Args)]
pub(super) struct Delivering {
    /// Keep alerts and what became of them in this file
    #[arg(long, value_name = "PATH", help_heading = "Delivery")]
    pub(super) ledger: Option<PathBuf>,
    /// Refuse every sink that uses the network, and on Linux have the kernel
    /// refuse this process every socket
    #[arg(long, help_heading = "Delivery")]
    pub(super) air_gapped: bool,
}

/// Which ledger, under which configuration: for commands beside a watch.
#[derive(Debug, Clone, Args)]
pub(super) struct Kept {
    #[command(flatten)]
    pub(super) delivering: Delivering,
    #[command(flatten)]
    configured: Configured,
}

impl Kept {
    pub(super) fn config(&self) -> Result<Config, Failure> {
        Ok(self.configured.load()?.config)
    }

    /// The configuration and the ledger, which is made if need be.
    pub(super) fn open(&self) -> Result<(Config, Ledger), Failure> {
        let config = self.config()?;
        let ledger = self.delivering.ledger(&config)?;
        Ok((config, ledger))
    }

    /// The project and the run that the command line names.
    pub(super) fn named(&self) -> (Option<&str>, Option<&str>) {
        let Configured { project, run, .. } = &self.configured;
        (project.as_deref(), run.as_deref())
    }

    /// The ledger, if there is one.
    pub(super) fn existing(&self, config: &Config) -> Option<Ledger> {
        let path = self.delivering.path(config)?;
        path.exists().then(|| Ledger::open(&path).ok())?
    }
}

/// Which ledger, to look into: for commands whose filters have the names of
/// flags of the configuration.
#[derive(Debug, Clone, Args)]
pub(super) struct Looked {
    /// The ledger
    #[arg(long, value_name = "PATH", help_heading = "Delivery")]
    ledger: Option<PathBuf>,
    /// Read this configuration file instead of ./runwatch.toml
    #[arg(long, value_name = "PATH", help_heading = "Configuration")]
    config: Option<PathBuf>,
}

impl Looked {
    /// The ledger, which is neither made nor changed.
    pub(super) fn open(&self) -> Result<Ledger, Failure> {
        let config = Configured::by_file(self.config.clone()).load()?.config;
        let delivering = Delivering {
            ledger: self.ledger.clone(),
            air_gapped: false,
        };
        let usage = |error| Failure::new(Ending::Usage, error);
        let path = delivering.needed_path(&config)?;
        let is_there = std::fs::metadata(&path).is_ok_and(|file| file.len() > 0);
        if !is_there {
            let error = anyhow!("there is no ledger `{}` yet", path.display());
            return Err(usage(error).hint(
                "a watch makes it (`python train.py 2>&1 | runwatch`); if it is elsewhere, say \
                 where with --ledger PATH",
            ));
        }
        Ledger::open_read_only(&path).map_err(|error| usage(anyhow!(error)))
    }
}

/// A severity on the command line.
pub(super) fn severity(text: &str) -> Result<Severity, String> {
    Severity::from_name(text).ok_or_else(|| "there are info, warning and critical".to_owned())
}

impl Delivering {
    /// Closes the network, if that is asked for. To be called first of all:
    /// before anything is read, and before there are threads.
    pub(super) fn close_network(&self) -> Result<(), Failure> {
        if !self.air_gapped {
            return Ok(());
        }
        airgap::close_network()
            .map(drop)
            .map_err(|error| Failure::new(Ending::Usage, anyhow!(error)))
    }

    /// Opens the ledger and the sinks. Where the ledger cannot be had, alerts
    /// are kept in memory, which is said.
    pub(super) fn open(&self, config: &Config) -> Result<Post, Failure> {
        let sinks = self.sinks(config)?;
        let ledger = self.ledger_or_memory(config)?;
        // What is too old to be of use; if that cannot be done now, next time.
        let keep = i64::try_from(config.delivery.keep.as_millis()).unwrap_or(i64::MAX);
        _ = ledger.forget(wall_clock().saturating_sub(keep));
        let gates = gates(config, &sinks);
        let dispatch = Dispatch::new(policy(config, gates));
        Post::open(ledger, dispatch, sinks).map_err(|error| {
            let error = anyhow!("cannot start a sink's thread: {error}");
            Failure::new(Ending::Usage, error)
        })
    }

    /// The place of the ledger; none without a home.
    pub(super) fn path(&self, config: &Config) -> Option<PathBuf> {
        let given = self
            .ledger
            .clone()
            .or_else(|| config.delivery.ledger.clone());
        given.or_else(|| usual_path(&|name| std::env::var_os(name)))
    }

    /// The same, for commands that are of no use without it.
    pub(super) fn needed_path(&self, config: &Config) -> Result<PathBuf, Failure> {
        self.path(config).ok_or_else(|| {
            let error = anyhow!("there is no home folder to look for the ledger in");
            Failure::new(Ending::Usage, error).hint("say where it is with --ledger PATH")
        })
    }

    /// The ledger, for commands that are of no use without it.
    pub(super) fn ledger(&self, config: &Config) -> Result<Ledger, Failure> {
        let path = self.needed_path(config)?;
        Ledger::open(&path).map_err(|error| {
            Failure::new(Ending::Usage, anyhow!(error))
                .hint("say where the ledger is with --ledger PATH")
        })
    }

    fn ledger_or_memory(&self, config: &Config) -> Result<Ledger, Failure> {
        let failed = match self.path(config).map(|path| Ledger::open(&path)) {
            Some(Ok(ledger)) => {
                if let Some(note) = ledger.note() {
                    say(&format!("runwatch: {note}"));
                }
                return Ok(ledger);
            }
            Some(Err(error)) => error.0,
            None => "there is no home folder for the ledger".to_owned(),
        };
        say(&format!(
            "runwatch: {failed}; alerts are kept in memory until runwatch ends"
        ));
        Ledger::in_memory().map_err(|error| Failure::new(Ending::Usage, anyhow!(error)))
    }

    /// Makes the sinks of the configuration.
    pub(super) fn sinks(&self, config: &Config) -> Result<Vec<Named>, Failure> {
        config
            .sinks
            .iter()
            .map(|sink| Ok((sink.name.clone(), self.sink(sink)?)))
            .collect()
    }

    /// Makes a sink, once it is clear that its secrets can be read.
    pub(super) fn sink(&self, sink: &SinkSection) -> Result<Box<dyn Sink>, Failure> {
        let network = sinks::kind(sink.kind).is_some_and(|kind| kind.network);
        if self.air_gapped && network {
            let error = anyhow!("{}: the sink `{}` uses the network", sink.at, sink.name);
            return Err(Failure::new(Ending::Usage, error)
                .hint("leave out --air-gapped, or switch the sink off with `enabled = false`"));
        }
        for (key, secret) in sink.settings.secrets() {
            secret.read().map_err(|error| {
                let error = anyhow!("{}: `{key}` of the sink `{}`: {error}", sink.at, sink.name);
                Failure::new(Ending::Usage, error)
            })?;
        }
        build(sink.kind, &sink.settings, &sink.transport).map_err(|error| {
            let error = anyhow!("{}: the sink `{}`: {error}", sink.at, sink.name);
            Failure::new(Ending::Usage, error)
        })
    }
}

/// What each sink lets in.
pub(super) fn gates(config: &Config, sinks: &[Named]) -> Vec<Gate> {
    let pairs = config.sinks.iter().zip(sinks);
    pairs
        .map(|(configured, (name, sink))| Gate {
            sink: name.clone(),
            min_severity: configured.min_severity,
            takes_resolved: sink.takes_resolved(),
        })
        .collect()
}

/// Where alerts go.
pub(super) fn policy(config: &Config, sinks: Vec<Gate>) -> Policy {
    let names: Vec<String> = sinks.iter().map(|gate| gate.sink.clone()).collect();
    Policy {
        routes: Routes::new(config.routes.clone(), &names),
        sinks,
        labels: config.labels.clone(),
        inhibitions: config.inhibitions.clone(),
    }
}

/// Sends what waits for these sinks, and says what became of it.
pub(super) fn send_waiting(
    config: &Config,
    ledger: Ledger,
    sinks: Vec<Named>,
) -> Result<Vec<Report>, Failure> {
    let dispatch = Dispatch::new(policy(config, Vec::new()));
    let post = Post::open(ledger, dispatch, sinks)
        .map_err(|error| Failure::new(Ending::Usage, anyhow!(error)))?;
    Ok(post.close(config.delivery.flush, &mut |incident| {
        _ = tell(incident);
        None
    }))
}

/// Says what happened to a sink, and makes the alert that the other sinks get,
/// if it is worth one.
pub(super) fn tell(incident: &Incident) -> Option<Alert> {
    let sink = &incident.sink;
    match &incident.what {
        Mishap::Ledger(error) if sink.is_empty() => {
            say(&format!(
                "runwatch: the ledger cannot be written: {error}; from now on alerts are kept in \
                 memory until runwatch ends"
            ));
            None
        }
        Mishap::Ledger(error) => {
            say(&format!("runwatch: sink `{sink}`: the ledger: {error}"));
            None
        }
        Mishap::Refused(why) => {
            say(&format!(
                "runwatch: sink `{sink}` refuses an alert for good: {why}"
            ));
            None
        }
        Mishap::Broken(why) => {
            let (project, run) = incident.about.as_ref()?;
            let run = Run::new(project, run);
            let time = wall_clock() as f64 / 1000.0;
            Some(host_alert(&run, &host(), time, 1, broken(sink, why)))
        }
    }
}

fn broken(sink: &str, why: &str) -> Finding {
    Finding {
        key: broken_key(sink),
        severity: Severity::Warning,
        state: State::Firing,
        title: format!("Sink {sink} is switched off"),
        message: format!(
            "The sink `{sink}` does not take alerts: {why}. It is switched off until runwatch is \
             started again; what waits for it is kept."
        ),
        recommendation: format!(
            "Mend its section in the configuration (address, token, permissions), try it with \
             `runwatch sink test {sink}`, then send what waits with `runwatch sink resend {sink}`."
        ),
        values: Vec::new(),
        halt: None,
        gather: false,
        route: None,
    }
}

/// Says what was not delivered.
pub(super) fn summarize(reports: &[Report]) -> Ending {
    let mut ending = Ending::Fine;
    for report in reports.iter().filter(|report| !report.is_complete()) {
        let mut line = format!("runwatch: sink `{}`: ", report.sink);
        if report.remaining > 0 {
            let number = count(report.remaining, "alert remains", "alerts remain");
            line.push_str(&format!(
                "{number} to be sent, at the next start or with `runwatch sink resend {}`",
                report.sink
            ));
        }
        if report.refused > 0 {
            let and = if report.remaining > 0 { "; " } else { "" };
            let number = count(report.refused, "alert was", "alerts were");
            line.push_str(&format!("{and}{number} refused"));
        }
        if let Some(error) = &report.last_error {
            line.push_str(&format!(" (last error: {error})"));
        }
        say(&line);
        ending = Ending::Delivery;
    }
    ending
}
