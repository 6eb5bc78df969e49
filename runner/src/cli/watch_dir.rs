//! `runwatch watch`: the folders in which jobs write.
//!
//! It is `--follow` with more knowledge. All files of a folder are one run; what
//! was there before the watch is history, and no sign that a job hangs; and a
//! job that writes nothing at all is news.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::anyhow;
use clap::Args as ClapArgs;

use super::Outcome;
use super::act::{Act, LOOK, Scene};
use super::follow::{self, Folder, Watched};
use super::live::{self, Before, Live};
use super::options;
use super::output::say;
use crate::alert::Alert;
use crate::config::Config;
use crate::exit::{Ending, Failure};
use crate::halt::{Halting, Settings, Target, random_token};
use crate::input::follow::Follow;
use crate::input::naming::Naming;
use crate::input::{find, heartbeats};
use crate::job::evidence::{self, Asked, Claim, Evidence, Whose};
use crate::ledger::Ledger;
use crate::record::{Run, Word};

/// Watch the folder of a running or finished job: heartbeats of all ranks,
/// CSV files, logs, TensorBoard's events, as they come and grow
///
/// All files of a folder are one run, named after the folder; folders in it are
/// runs of their own. What is there already is read first, and is no sign that
/// the job hangs. Alerts appear on standard error (see docs/watch.md).
#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Args {
    /// The folders; one that is not there yet is waited for
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// Read what is there and end
    #[arg(long)]
    once: bool,
    /// How often to look for more
    #[arg(
        long,
        value_name = "SECONDS",
        default_value = "0.5",
        value_parser = follow::interval
    )]
    interval: Duration,
    #[command(flatten)]
    live: live::Args,
}

/// A last record older than this, in seconds, is worth telling of.
const OLD: f64 = 60.0;

pub(super) fn run(args: &Args) -> Outcome {
    args.live.delivering.close_network()?;
    let folders = folders(args)?;
    let config = &args.live.config()?;
    let pipeline = args.live.pipeline(config)?;
    let outlets = args.live.outlets(config, Before::Again)?;
    let interrupted = follow::interrupts()?;
    args.live.announce(&pipeline);
    let mut naming = Naming::with(&config.paths).by_folder();
    let runs: Vec<String> = folders
        .iter()
        .map(|folder| naming.of(&folder.place.join(ANY)).run)
        .map(|run| config.run.clone().unwrap_or(run))
        .collect();
    let first = runs.first().map_or("", String::as_str);
    // A folder is one run, however often its job begins again.
    let decoding = crate::decode::Options {
        restarts: false,
        ..options::decoding(config, first, first, None, &pipeline)
    };
    let live = Live::without_input(decoding, pipeline, outlets)?;
    let mut watched = Watched {
        config,
        quiet: args.live.shown.quiet,
        naming,
        live: Some(live),
        start: None,
        folders,
        files: Vec::new(),
        failed: None,
    };
    if !args.once {
        watched.expect(&runs);
    }
    let mut history = true;
    let mut over = false;
    let follow = Follow::new(args.paths(), false);
    watched.follow(follow, args.interval, &interrupted, &mut |watched| {
        // From here on, what comes is new: a reason to act, if anything is.
        if std::mem::take(&mut history) {
            watched.read_history(args.once);
            if let Some(live) = watched.live.as_mut().filter(|_| !args.once) {
                live.act(act(config, &watched.folders, &runs, live.ledger().as_ref()));
            }
        }
        over = args.once;
        !over
    })?;
    let ending = watched.finish();
    Ok(if over {
        ending
    } else {
        ending.max(Ending::Interrupted)
    })
}

/// Stands for any file of a folder, where the folder is to be named.
const ANY: &str = "any";

impl Args {
    /// Paths that are a folder or may become one; a pattern is no folder, but
    /// finds some.
    fn paths(&self) -> Vec<PathBuf> {
        let wanted = |path: &&PathBuf| !path.is_file();
        self.folders.iter().filter(wanted).cloned().collect()
    }
}

/// What is done about alerts: evidence is collected from the processes that
/// write the heartbeats, and the jobs of the folders are asked to end.
fn act(config: &Config, folders: &[Folder], runs: &[String], ledger: Option<&Arc<Ledger>>) -> Act {
    let began = seconds(SystemTime::now());
    let settings = Settings::of(config);
    let halting = |(folder, run): (&Folder, &String)| {
        let run = Run::new(&config.project, run);
        let target = Target {
            project: run.project.to_string(),
            run: run.run.to_string(),
            dir: Some(folder.path.clone()),
            token: std::env::var("RUNWATCH_TOKEN").unwrap_or_else(|_| random_token()),
            rank: None,
            began,
            job: None,
        };
        let halting = Halting::new(settings.clone(), target, ledger.cloned());
        (run, halting)
    };
    let jobs = folders.iter().zip(runs);
    let halts = jobs.clone().filter(|_| settings.enabled()).map(halting);
    let places = jobs.map(|(folder, run)| (run.clone(), folder.path.clone()));
    Act::new(halts.collect(), Some(Arc::new(Ranks(places.collect()))))
}

/// The processes that write the heartbeats of runs, by the folders of the runs.
struct Ranks(Vec<(String, PathBuf)>);

impl Scene for Ranks {
    fn look(&self, alert: &Alert, last_lines: &[(String, Vec<String>)]) -> Option<Evidence> {
        let (_, folder) = self.0.iter().find(|(run, _)| *run == alert.run)?;
        let claim = |(rank, pid): (Option<u32>, u32)| Claim {
            rank: rank.unwrap_or_default(),
            pid,
            host: None,
            seen: f64::NAN,
        };
        Some(evidence::collect(&Asked {
            whose: Whose::Ranks(heartbeats::pids(folder).into_iter().map(claim).collect()),
            deadline: LOOK,
            lines: last_lines,
            behind: "",
        }))
    }
}

fn folders(args: &Args) -> Result<Vec<Folder>, Failure> {
    let paths = args.paths();
    let mut files = args.folders.iter().filter(|path| path.is_file());
    if let (Some(file), true) = (files.next(), paths.is_empty()) {
        let file = file.display();
        return Err(
            Failure::new(Ending::Usage, anyhow!("`{file}` is no folder")).hint(format!(
                "`runwatch --follow {file}` watches a file, `runwatch review {file}` reads it"
            )),
        );
    }
    let is_folder = |path: &PathBuf| path.is_dir() || !find::may_grow(path);
    let folder = |path: PathBuf| Folder {
        place: place(&path),
        path,
        run: None,
    };
    Ok(paths.into_iter().filter(is_folder).map(folder).collect())
}

/// Where a folder is: `.` has a name, too.
fn place(path: &Path) -> PathBuf {
    path.canonicalize()
        .or_else(|_| std::path::absolute(path))
        .unwrap_or_else(|_| path.to_owned())
}

impl Watched<'_> {
    /// Expects records in each folder from now on, or in a folder within.
    fn expect(&mut self, runs: &[String]) {
        let Some(live) = &mut self.live else { return };
        for (folder, run) in self.folders.iter_mut().zip(runs) {
            folder.run = live.expect(run);
        }
    }

    /// What was there before has been read: says how old it is, and sees to it
    /// that the silence of a job that is over is not taken for that of one that
    /// hangs.
    fn read_history(&mut self, once: bool) {
        let heard = self.live.as_ref().map(Live::heard).unwrap_or_default();
        let now = seconds(SystemTime::now());
        for (id, run, last) in heard {
            let last = last.or_else(|| self.written(&run)).unwrap_or(now);
            let age = now - last;
            if age >= OLD && !self.quiet {
                let more = if once {
                    ""
                } else {
                    "; waiting for more, Ctrl-C ends"
                };
                say(&format!(
                    "runwatch: {run}: the last record is from {} ago{more}",
                    ago(age)
                ));
            }
            // A process that is there may be what hangs.
            if !self.is_alive(&run)
                && let Some(live) = &mut self.live
            {
                live.tell(id, Word::Last(last));
            }
        }
    }

    /// Whether a process lives here that writes the heartbeats of a run.
    fn is_alive(&self, run: &str) -> bool {
        let files = self.files.iter().filter(|file| file.run == run);
        let folders: BTreeSet<&Path> = files.filter_map(|file| file.path.parent()).collect();
        folders.iter().any(|it| !heartbeats::pids(it).is_empty())
    }

    /// When the files of a run were written last, in seconds since 1970.
    fn written(&self, run: &str) -> Option<f64> {
        let files = self.files.iter().filter(|file| file.run == run);
        let written = files.filter_map(|file| file.path.metadata().ok()?.modified().ok());
        written.map(seconds).reduce(f64::max)
    }
}

fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0.0, |time| time.as_secs_f64())
}

/// `3 h`
fn ago(seconds: f64) -> String {
    match seconds {
        ..5400.0 => format!("{:.0} min", seconds / 60.0),
        ..172_800.0 => format!("{:.0} h", seconds / 3600.0),
        _ => format!("{:.0} days", seconds / 86_400.0),
    }
}
