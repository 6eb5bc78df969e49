//! `runwatch detector watch`: the loop of somebody who writes a rule. Save, and
//! see what it finds now.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args as ClapArgs;

use super::build::open;
use crate::alert::{Alert, State};
use crate::author::build::build;
use crate::author::cases::parameters;
use crate::author::golden::{Change, changes};
use crate::author::play::{Log, Way, play};
use crate::author::project::Project;
use crate::author::sources::snapshot;
use crate::cli::Outcome;
use crate::cli::follow::interrupts;
use crate::cli::output::{count, grouped, print};
use crate::config::resolve;
use crate::deliver::text::clean_line;
use crate::exit::{Ending, Failure};
use crate::load::Loader;
use crate::sandbox::Component;

/// How often the files are looked at. An editor that saves several has this
/// long to finish.
const INTERVAL: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Watch {
    /// The project's folder
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
    /// Play this log instead of the cases in tests/; repeat for several
    #[arg(long, value_name = "FILE")]
    log: Vec<PathBuf>,
    /// Build and play once, and end
    #[arg(long)]
    once: bool,
}

pub(super) fn run(args: &Watch) -> Outcome {
    let loader = Loader::new().map_err(|error| Failure::new(Ending::Detector, error))?;
    // A project that cannot be read is a slip now, and an error to mend later.
    open(&args.folder)?;
    let interrupted = interrupts()?;
    let mut rounds = Rounds {
        args,
        loader,
        before: BTreeMap::new(),
    };
    loop {
        let seen = rounds.files();
        let ended = rounds.round();
        if args.once {
            return ended.map(|()| Ending::Fine);
        }
        if let Err(failure) = ended {
            print(&format!("{failure}\n"));
        }
        print("\nwatching for changes; Ctrl-C ends it\n");
        let mut last = seen;
        // Changed, and no longer changing.
        let mut changed = false;
        loop {
            if pause(&interrupted) {
                return Ok(Ending::Interrupted);
            }
            let now = rounds.files();
            let same = now == last;
            last = now;
            if changed && same {
                break;
            }
            changed |= !same;
        }
        print("\n");
    }
}

/// Waits a little; true if the user has had enough.
fn pause(interrupted: &Receiver<()>) -> bool {
    match interrupted.recv_timeout(INTERVAL) {
        Ok(()) => true,
        Err(RecvTimeoutError::Timeout) => false,
        Err(RecvTimeoutError::Disconnected) => {
            // Where there are no signals to wait for.
            std::thread::sleep(INTERVAL);
            false
        }
    }
}

/// One build after the other.
struct Rounds<'a> {
    args: &'a Watch,
    loader: Loader,
    /// What each log gave in the last round that could be played.
    before: BTreeMap<PathBuf, Vec<String>>,
}

impl Rounds<'_> {
    /// Every file on which a round depends.
    fn files(&self) -> crate::author::sources::Snapshot {
        let mut files = snapshot(&self.args.folder);
        for log in &self.args.log {
            files.extend(snapshot(log));
        }
        files
    }

    fn round(&mut self) -> Result<(), Failure> {
        let project = open(&self.args.folder)?;
        let begin = Instant::now();
        let built = build(&project, &self.loader, &mut |line| {
            print(&format!("{line}\n"));
        })?;
        print(&format!(
            "ok: {}, {} bytes, in {:.1} s\n",
            built.file.display(),
            grouped(built.component.size as u64),
            begin.elapsed().as_secs_f64()
        ));
        let logs = match self.args.log.as_slice() {
            [] => cases(&project),
            logs => logs.to_vec(),
        };
        if logs.is_empty() {
            print("there is no log to play: add tests/CASE/input.log, or name one with --log\n");
        }
        for log in logs {
            self.play(&built.component, &project, &log)?;
        }
        Ok(())
    }

    fn play(
        &mut self,
        component: &Component,
        project: &Project,
        log: &Path,
    ) -> Result<(), Failure> {
        let played =
            Played::new(component, log).map_err(|error| Failure::new(Ending::Input, error))?;
        let before = self.before.get(log);
        let told = changes(before.unwrap_or(&played.lines), &played.lines);
        let name = log.strip_prefix(&project.folder).unwrap_or(log).display();
        let is_news = |change: &&Change| !matches!(change, Change::Same(_));
        let changed = told.iter().filter(is_news).count() as u64;
        let note = match (before, changed) {
            (None, _) => String::new(),
            (Some(_), 0) => ", as before".to_owned(),
            (Some(_), _) => format!(", {}", count(changed, "change", "changes")),
        };
        print(&format!("\n{name}: {}{note}\n", played.counts()));
        for change in told {
            print(&match change {
                Change::Same(line) => format!("  {line}\n"),
                Change::Missing(line) => format!("- {line}\n"),
                Change::Extra(line) => format!("+ {line}\n"),
            });
        }
        self.before.insert(log.to_owned(), played.lines);
        Ok(())
    }
}

/// What came of a log.
#[derive(Default)]
struct Played {
    alerts: u64,
    faults: u64,
    /// An alert is a line; a fault has more to say.
    lines: Vec<String>,
}

impl Played {
    fn new(component: &Component, log: &Path) -> anyhow::Result<Self> {
        let bytes =
            std::fs::read(log).with_context(|| format!("cannot read `{}`", log.display()))?;
        let given = parameters(&log.with_file_name("config.toml"))?;
        let given = resolve(&component.description, &given)?;
        let log = Log {
            input: &log.to_string_lossy(),
            run: "run",
            bytes: &bytes,
        };
        let found = play(component, &given, &log, Way::OneBatch)?;
        let mut played = Self {
            alerts: found.alerts.len() as u64,
            lines: found.alerts.iter().map(line).collect(),
            ..Self::default()
        };
        if let Some(fault) = found.seen.fault {
            played.faults = 1;
            played.lines.push(format!("FAULT {fault}"));
            let said = fault.output.iter().map(|line| format!("  {line}"));
            let frames = fault.frames.iter().map(|frame| format!("  in {frame}"));
            played.lines.extend(said.chain(frames));
        }
        Ok(played)
    }

    /// `2 alerts`, `0 alerts, 1 fault`.
    fn counts(&self) -> String {
        let alerts = count(self.alerts, "alert", "alerts");
        match self.faults {
            0 => alerts,
            faults => format!("{alerts}, {}", count(faults, "fault", "faults")),
        }
    }
}

/// The logs of the project's cases, in order of name.
fn cases(project: &Project) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(project.folder.join("tests"));
    let entries = entries.into_iter().flatten().flatten();
    let mut logs: Vec<PathBuf> = entries
        .map(|entry| entry.path().join("input.log"))
        .filter(|log| log.is_file())
        .collect();
    logs.sort();
    logs
}

/// An alert in one line.
fn line(alert: &Alert) -> String {
    let what = match alert.state {
        State::Firing => alert.severity.name(),
        State::Resolved => "resolved",
    };
    let step = alert
        .step
        .map_or(String::new(), |step| format!("step {step} · "));
    let key = &alert.key;
    let text = format!("{what:<8} {step}{key}: {}. {}", alert.title, alert.message);
    clean_line(&text).into_owned()
}
