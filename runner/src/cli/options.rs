//! The flags that several subcommands share, and what is built from them.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::anyhow;
use clap::Args;

use crate::config::{self, Color, Config, Flags, Loaded, Place, Style};
use crate::decode::{self, Interests};
use crate::deliver::print::console::{Console, Form, colour_wanted};
use crate::deliver::print::file::AlertFile;
use crate::deliver::print::{PrintError, Printer};
use crate::detect::fault_file::usual_folder;
use crate::detect::{Budget, Detect, Settings};
use crate::exit::{Ending, Failure};
use crate::judge::{Judge, Policy};
use crate::ledger::history::Caps;
use crate::load::{Loader, builtin_names};
use crate::lock;
use crate::names::Names;
use crate::pipeline::Pipeline;
use crate::reload::Reload;

/// Which configuration, and what the command line changes in it.
#[derive(Debug, Clone, Args)]
pub(super) struct Configured {
    /// Read this configuration file instead of ./runwatch.toml
    #[arg(long, value_name = "PATH", help_heading = "Configuration")]
    config: Option<PathBuf>,
    /// The project of runs that name none
    #[arg(long, value_name = "NAME", help_heading = "Configuration")]
    pub(super) project: Option<String>,
    /// The run of records that name none
    #[arg(long, value_name = "NAME", help_heading = "Configuration")]
    pub(super) run: Option<String>,
    /// Thresholds that belong together: robust (the default), rlwatch, nsa
    #[arg(long, value_name = "NAME", help_heading = "Configuration")]
    preset: Option<String>,
    /// Switch a detector on, or off with `=off`, or add a component by its path
    #[arg(long, value_name = "NAME[=off]|PATH", help_heading = "Configuration")]
    detector: Vec<String>,
    /// Set a detector's parameter, as in `--set loss-spike.window=64`
    #[arg(
        long,
        value_name = "DETECTOR.PARAMETER=VALUE",
        help_heading = "Configuration"
    )]
    set: Vec<String>,
    /// Take no detectors of your own but those in runwatch.lock
    #[arg(long, help_heading = "Configuration")]
    locked: bool,
    /// Understand the variables of other tools, such as TRACKIO_WEBHOOK_URL
    #[arg(long, help_heading = "Configuration")]
    compat_env: bool,
}

impl Configured {
    /// Nothing but the file, for commands that have flags of the other names.
    pub(super) fn by_file(config: Option<PathBuf>) -> Self {
        Self {
            config,
            project: None,
            run: None,
            preset: None,
            detector: Vec::new(),
            set: Vec::new(),
            locked: false,
            compat_env: false,
        }
    }

    pub(super) fn load(&self) -> Result<Loaded, Failure> {
        let flags = Flags {
            config: self.config.clone(),
            project: self.project.clone(),
            run: self.run.clone(),
            preset: self.preset.clone(),
            set: self.set.clone(),
            detector: self.detector.clone(),
            compat_env: self.compat_env,
        };
        let place = Place {
            folder: Path::new(""),
            variable: &|name| std::env::var_os(name),
        };
        let mut loaded = config::load(&flags, &place, &builtin_names())?;
        if self.locked {
            lock::pin(&mut loaded)?;
        }
        Ok(loaded)
    }
}

/// The width of panels that do not go to a terminal.
pub(super) const PLAIN_WIDTH: usize = 100;

/// What is shown, and how.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Shown {
    /// One line per alert instead of a panel
    #[arg(long)]
    pub(super) plain: bool,
    /// Nothing but alerts: no notes and no summary
    #[arg(long, short)]
    pub(super) quiet: bool,
}

impl Shown {
    /// The console's form; `None` when it is off.
    pub(super) fn form(self, config: &Config) -> Option<Form> {
        match config.console.style {
            Style::Off => None,
            _ if self.plain => Some(Form::Plain),
            Style::Plain => Some(Form::Plain),
            Style::Auto | Style::Panel => Some(Form::Panel),
        }
    }
}

/// Whether to use colour on a stream.
pub(super) fn colour(config: &Config, terminal: bool) -> bool {
    let variable = |name: &str| std::env::var_os(name);
    match config.console.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            let (no_color, term) = (variable("NO_COLOR"), variable("TERM"));
            terminal && colour_wanted(no_color.as_deref(), term.as_deref())
        }
    }
}

/// The name of this machine, in alerts and in the facts of a run.
pub(super) fn host() -> String {
    gethostname::gethostname().to_string_lossy().into_owned()
}

/// Loads the detectors and puts the pipeline together.
pub(super) fn pipeline(
    config: &Config,
    threads: usize,
    live: bool,
    note: impl FnMut(String),
) -> Result<Pipeline, Failure> {
    let loader = Loader::new().map_err(|error| Failure::new(Ending::Detector, error))?;
    let detectors = loader.enabled(config, note)?;
    let failed = |error| Failure::new(Ending::Detector, error);
    let changes = match live {
        true => Reload::new(loader, config, &host(), &detectors)
            .start()
            .map_err(failed)?,
        false => None,
    };
    let settings = Settings {
        shards: threads,
        budget: Budget {
            faults: config.faults.budget as usize,
            seconds: config.faults.within.as_secs_f64(),
        },
        host: host(),
        live,
        faults: usual_folder(&|name| std::env::var_os(name)),
    };
    let detect = Detect::new(detectors, &settings).map_err(failed)?;
    let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let policy = Policy {
        cooldown_steps: i64::try_from(config.alerts.cooldown_steps).unwrap_or(i64::MAX),
        cooldown_seconds: config.alerts.cooldown_seconds,
        max_alerts_per_run: count(config.alerts.max_per_run),
        critical_reserve: count(config.alerts.critical_reserve),
        min_severity: config.alerts.min_severity,
        rlwatch: config.alerts.rlwatch,
    };
    let mut pipeline = Pipeline::new(detect, Judge::new(policy, host()));
    if let Some(changes) = changes {
        pipeline.follow(changes);
    }
    Ok(pipeline)
}

/// Who watches, in words: a few by name, many by number.
pub(super) fn watchers(pipeline: &Pipeline) -> String {
    match pipeline.detectors() {
        [] => "no detector".to_owned(),
        few if few.len() <= 6 => few.join(", "),
        many => format!("{} detectors", many.len()),
    }
}

/// What the decoder needs to know to feed a pipeline.
pub(super) fn decoding(
    config: &Config,
    input: &str,
    run: &str,
    rank: Option<u32>,
    pipeline: &Pipeline,
) -> decode::Options {
    decoding_for(config, input, run, rank, pipeline.interests())
}

/// What the decoder needs to know to decode what these interests ask for.
pub(super) fn decoding_for(
    config: &Config,
    input: &str,
    run: &str,
    rank: Option<u32>,
    interests: Arc<Interests>,
) -> decode::Options {
    decode::Options {
        input: Arc::from(input),
        project: config.project.clone(),
        run: config.run.clone().unwrap_or_else(|| run.to_owned()),
        rank,
        names: Names::with(&config.names),
        interests,
        max_line: config.decode.max_line,
        max_metrics: config.decode.max_metrics,
        max_runs: config.decode.max_runs,
        restarts: config.decode.restarts,
        format: None,
        patterns: config.patterns.clone(),
    }
}

/// How large the history may grow.
pub(super) fn caps(config: &Config) -> Caps {
    Caps {
        run: config.history.run_size as u64,
        total: config.history.total_size as u64,
    }
}

/// The file of alerts, if the configuration names one.
pub(super) fn alert_file(config: &Config) -> Result<Option<Box<dyn Printer>>, Failure> {
    let Some(path) = &config.file else {
        return Ok(None);
    };
    let file = AlertFile::open(path).map_err(|error: PrintError| {
        Failure::new(Ending::Usage, anyhow!("{error}"))
            .hint("set another `path` in `[file]`, or remove it")
    })?;
    Ok(Some(Box::new(file)))
}

/// A console on standard error.
pub(super) fn stderr_console(config: &Config, form: Form) -> Box<dyn Printer> {
    let stderr = io::stderr();
    let terminal = stderr.is_terminal();
    let colour = colour(config, terminal);
    Box::new(Console::new(
        stderr,
        form,
        colour,
        (!terminal).then_some(PLAIN_WIDTH),
    ))
}
