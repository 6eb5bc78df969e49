//! The configuration as the rest of the program sees it: typed and valid.

use std::path::PathBuf;
use std::time::Duration;

use super::origin::Origin;
use super::tree::Value;
use crate::alert::Severity;
use crate::decode::Pattern;
use crate::deliver::inhibit::Rule;
use crate::deliver::routes::Route;
use crate::deliver::{Settings, Transport};
use crate::halt::{By, On, Reach, Usr1};

/// The configuration. `default.toml` says what each setting means.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The project of runs that name none.
    pub project: String,
    /// The run of records that name none; none if it is to be derived.
    pub run: Option<String>,
    /// Every known detector by name, those that are off included.
    pub detectors: Vec<Detector>,
    /// What a detector may use up.
    pub limits: Limits,
    /// When a detector that fails is given up.
    pub faults: Faults,
    /// Which findings become alerts.
    pub alerts: Alerts,
    /// Bounds on what is read.
    pub decode: Decode,
    /// The user's canonical names: as printed, canonical.
    pub names: Vec<(String, String)>,
    /// `[pattern.*]`: lines of formats that only the user knows.
    pub patterns: Vec<Pattern>,
    /// `[input]`: regular expressions that name the run and the rank of a path.
    pub paths: Vec<String>,
    /// `[rule.*]`: conditions that the user wrote.
    pub rules: Vec<super::rules::Rule>,
    /// `[sinks.*]`: ways out for alerts, those that are on.
    pub sinks: Vec<Sink>,
    /// `[[routes]]`: which alerts go where; none: all go everywhere.
    pub routes: Vec<Route>,
    /// `[[inhibit]]`: which alerts mute which, the built-in rules included.
    pub inhibitions: Vec<Rule>,
    /// `[labels]`: what all alerts are labelled with.
    pub labels: Vec<(String, String)>,
    /// `[delivery]`: the ledger and the way out.
    pub delivery: Delivery,
    /// `[history]`.
    pub history: History,
    /// `[halt]`: when a run is ended, and how.
    pub halt: Halt,
    /// `[restart]`: when a job is started again.
    pub restart: Restart,
    /// How the console looks.
    pub console: Console,
    /// The file of alerts as JSON lines; none if there is none.
    pub file: Option<PathBuf>,
}

/// A detector, built in or the user's own.
#[derive(Debug, Clone, PartialEq)]
pub struct Detector {
    /// The name in the configuration.
    pub name: String,
    /// Whether it watches.
    pub enabled: bool,
    /// The component; none for a built-in one.
    pub path: Option<PathBuf>,
    /// The digest that the component must have, in lower-case hexadecimal.
    pub sha256: Option<String>,
    /// Its own memory limit in bytes, instead of [`Limits::memory`].
    pub memory: Option<usize>,
    /// Its own time limit, instead of [`Limits::timeout`].
    pub timeout: Option<Duration>,
    /// Whether it is refused when it asks for what the sandbox denies.
    pub strict_imports: bool,
    /// How far its critical alerts halt, instead of [`Halt::up_to`].
    pub halt: Option<Reach>,
    /// The user's parameters, unchecked: [`resolve`](super::resolve) checks
    /// them once the detector has described itself.
    pub parameters: Vec<Given>,
}

/// A detector's parameter as the user gave it.
#[derive(Debug, Clone, PartialEq)]
pub struct Given {
    /// The name.
    pub name: String,
    /// The value.
    pub value: Value,
    /// Where the name stands.
    pub key: Origin,
    /// Where the value stands.
    pub at: Origin,
}

/// `[limits]`: what one detector may use up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Memory in bytes.
    pub memory: usize,
    /// Wall time of one call.
    pub timeout: Duration,
    /// Bytes handed to the host in one call.
    pub output: usize,
    /// Findings of one call.
    pub findings: usize,
    /// Bytes of one finding.
    pub finding_bytes: usize,
    /// Log lines of one call.
    pub log_lines: usize,
}

/// `[faults]`: when a detector that fails is given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults {
    /// How many faults are forgiven…
    pub budget: u32,
    /// …within this time; one more puts the detector into quarantine.
    pub within: Duration,
}

/// `[alerts]`: which findings become alerts.
#[derive(Debug, Clone, PartialEq)]
pub struct Alerts {
    /// Steps between two alerts about the same trouble.
    pub cooldown_steps: u64,
    /// Seconds between two alerts about the same trouble; none if time does not count.
    pub cooldown_seconds: Option<f64>,
    /// Warnings and infos per run.
    pub max_per_run: u64,
    /// Criticals per run, a count of their own.
    pub critical_reserve: u64,
    /// The least severity that becomes an alert.
    pub min_severity: Severity,
    /// Whether rlwatch's policy is in force.
    pub rlwatch: bool,
}

/// `[decode]`: bounds on what is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decode {
    /// The longest line in bytes.
    pub max_line: usize,
    /// The most metric names.
    pub max_metrics: usize,
    /// The most runs.
    pub max_runs: usize,
    /// Whether trainings that follow each other in one log are runs of their own.
    pub restarts: bool,
}

/// `[delivery]`: the ledger and the way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Where the ledger is; none: its usual place.
    pub ledger: Option<PathBuf>,
    /// How long sinks may take to send what waits when the program ends.
    pub flush: Duration,
    /// How long alerts are remembered.
    pub keep: Duration,
}

/// `[history]`: the metrics that the ledger remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct History {
    /// Whether there is one.
    pub enable: bool,
    /// The most bytes of a run.
    pub run_size: usize,
    /// The most bytes of all runs.
    pub total_size: usize,
}

/// `[halt]`: when a run is ended, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Halt {
    /// Which alerts halt their run.
    pub on: On,
    /// How far it goes.
    pub up_to: Reach,
    /// Whether it is only said.
    pub dry_run: bool,
    /// The command that is run first; empty for none.
    pub hook: Vec<String>,
    /// How long that may take.
    pub hook_timeout: Duration,
    /// How long the job has after the control files.
    pub file_timeout: Duration,
    /// Why SIGUSR1 is sent.
    pub usr1: Usr1,
    /// How long the job has after it.
    pub usr1_timeout: Duration,
    /// How long the job has after SIGTERM.
    pub term_timeout: Duration,
    /// Which watcher of a run halts it.
    pub by: By,
}

/// `[restart]`: when a job is started again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Restart {
    /// After it was halted.
    pub on_halt: bool,
    /// After it ended by itself, and not well.
    pub on_crash: bool,
    /// How often in a row.
    pub attempts: u32,
    /// How long to wait before the first; each further one waits twice as long.
    pub backoff: Duration,
    /// Steps further than before after which an attempt was of use.
    pub progress: u64,
    /// The time within which the same crash does not happen twice.
    pub window: Duration,
}

/// A way out for alerts.
#[derive(Debug, Clone, PartialEq)]
pub struct Sink {
    /// The name in the configuration.
    pub name: String,
    /// The name of its type.
    pub kind: &'static str,
    /// What is less than this does not go there.
    pub min_severity: Severity,
    /// How it reaches its service.
    pub transport: Transport,
    /// What its type takes.
    pub settings: Settings,
    /// Where its section stands.
    pub at: Origin,
}

/// `[console]`: how the console looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Console {
    /// How alerts are drawn.
    pub style: Style,
    /// Whether in colour.
    pub color: Color,
}

/// How alerts are drawn on the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// A panel on a terminal, else plain.
    #[default]
    Auto,
    /// A framed panel.
    Panel,
    /// Lines of text.
    Plain,
    /// Nothing.
    Off,
}

/// Whether the console is in colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}
