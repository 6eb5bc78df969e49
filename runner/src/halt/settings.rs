//! What the configuration says about halting: which alerts, and how far.

use std::time::Duration;

use crate::alert::{Alert, Severity, State};
use crate::config::{self, Config};
use crate::deliver::matcher::Facts;
use crate::deliver::routes::Routes;
use crate::judge::HOST_DETECTOR;

/// How far a halt goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Reach {
    /// Nowhere: nothing is halted.
    Off,
    /// Control files ask the job to end.
    File,
    /// Then signals do: SIGUSR1 if it is asked for, and SIGTERM.
    Signal,
    /// Then SIGKILL ends it.
    #[default]
    Kill,
}

impl Reach {
    /// The name in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::File => "file",
            Self::Signal => "signal",
            Self::Kill => "kill",
        }
    }

    /// The reach of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Off, Self::File, Self::Signal, Self::Kill]
            .into_iter()
            .find(|reach| reach.name() == name)
    }
}

/// Which alerts halt the run that they are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum On {
    /// None.
    #[default]
    Off,
    /// Those whose detector asks for it.
    Asked,
    /// The critical ones.
    Critical,
    /// The critical ones and the warnings.
    Warning,
}

/// Why SIGUSR1 is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Usr1 {
    /// It is not.
    #[default]
    Off,
    /// The job saves a checkpoint.
    Checkpoint,
    /// The job writes down where its threads are.
    Stacks,
}

/// Which watcher of a run with several processes halts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum By {
    /// Whichever comes first.
    #[default]
    Any,
    /// The one of rank 0, or one that knows of no rank.
    RankZero,
}

/// When a run is halted, and how.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `[halt]`.
    pub halt: config::Halt,
    /// The detectors with a word of their own about their critical alerts.
    pub detectors: Vec<(String, Reach)>,
    /// The routes, some with a word about their alerts.
    pub routes: Routes,
    /// The labels that matchers of routes may name.
    pub labels: Vec<(String, String)>,
}

impl Settings {
    /// What the configuration says.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let own = config.detectors.iter();
        let own = own.filter_map(|it| Some((it.name.clone(), it.halt?)));
        Self {
            halt: config.halt.clone(),
            detectors: own.collect(),
            routes: Routes::new(config.routes.clone(), &[]),
            labels: config.labels.clone(),
        }
    }

    /// Whether any alert may halt a run.
    #[must_use]
    pub fn enabled(&self) -> bool {
        let routes = self.routes.routes().iter().filter_map(|route| route.halt);
        let own = self.detectors.iter().map(|(_, reach)| *reach);
        self.halt.on != On::Off || own.chain(routes).any(|reach| reach > Reach::Off)
    }

    /// How far this alert halts its run; [`Reach::Off`] if not at all.
    #[must_use]
    pub fn reach(&self, alert: &Alert) -> Reach {
        // What runwatch says of itself is no trouble of the run's.
        if alert.state != State::Firing || alert.detector == HOST_DETECTOR {
            return Reach::Off;
        }
        let own = self.of_detector(alert);
        own.or_else(|| self.of_route(alert))
            .unwrap_or_else(|| self.of_all(alert))
    }

    fn of_detector(&self, alert: &Alert) -> Option<Reach> {
        let (_, reach) = self
            .detectors
            .iter()
            .find(|(name, _)| *name == alert.detector)?;
        (*reach == Reach::Off || alert.severity == Severity::Critical).then_some(*reach)
    }

    /// The first that says something, of the routes that take the alert.
    fn of_route(&self, alert: &Alert) -> Option<Reach> {
        let facts = Facts::new(alert, &self.labels);
        let routes = self.routes.explain(&facts).into_iter();
        routes
            .filter(|it| it.why.taken())
            .find_map(|it| it.route.halt)
    }

    fn of_all(&self, alert: &Alert) -> Reach {
        let halts = match self.halt.on {
            On::Off => false,
            On::Asked => alert.halt.is_some(),
            On::Critical => alert.severity == Severity::Critical,
            On::Warning => alert.severity >= Severity::Warning,
        };
        if halts { self.halt.up_to } else { Reach::Off }
    }

    /// How long the job has after a step.
    pub(super) fn patience(&self, step: super::ladder::Step) -> Duration {
        use super::ladder::{LAST_PATIENCE, Step};
        match step {
            Step::Hook => self.halt.hook_timeout,
            Step::Files => self.halt.file_timeout,
            Step::Usr1 => self.halt.usr1_timeout,
            Step::Term => self.halt.term_timeout,
            Step::Kill => LAST_PATIENCE,
        }
    }
}
