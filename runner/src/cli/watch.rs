//! `runwatch` without a subcommand: standard input, live, or files as they grow.

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use clap::Args as ClapArgs;

use super::act::Act;
use super::live::{self, Before, Live};
use super::options;
use super::output::say;
use super::{Outcome, follow};
use crate::config::Config;
use crate::deliver::post::wall_clock;
use crate::exit::{Ending, Failure};
use crate::halt::{Halting, Settings, Target, random_token};
use crate::input::queue::Popped;
use crate::input::{Queue, passthrough};
use crate::ledger::Ledger;
use crate::record::Run;

#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Args {
    /// Watch files as they grow instead of standard input: files, folders and
    /// patterns in quotes, also of what is not there yet
    #[arg(long, value_name = "PATH", num_args = 1.., help_heading = "Following")]
    pub(super) follow: Vec<PathBuf>,
    /// Begin at the end of files that are there already
    #[arg(long, requires = "follow", help_heading = "Following")]
    pub(super) from_end: bool,
    /// How often to look for more
    #[arg(
        long,
        value_name = "SECONDS",
        default_value = "0.5",
        value_parser = follow::interval,
        requires = "follow",
        help_heading = "Following"
    )]
    pub(super) interval: Duration,
    /// The folder in which to leave the job control files when it is to be
    /// halted; $RUNWATCH_DIR if not given
    #[arg(
        long,
        value_name = "PATH",
        conflicts_with = "follow",
        help_heading = "Halting"
    )]
    pub(super) dir: Option<PathBuf>,
    #[command(flatten)]
    pub(super) live: live::Args,
}

/// How often time passes for detectors when nothing comes in.
pub(super) const IDLE: Duration = Duration::from_millis(500);

pub(super) fn run(args: &Args) -> Outcome {
    let closed = args.live.delivering.close_network();
    if !args.follow.is_empty() {
        closed?;
        return follow::run(args);
    }
    if io::stdin().is_terminal() {
        let error = anyhow!("nothing is piped in");
        return Err(Failure::new(Ending::Usage, error).hint(
            "try `python train.py 2>&1 | runwatch`, `runwatch --follow run.log`, \
             `runwatch review run.log`, or `runwatch demo`",
        ));
    }
    // First of all, whatever may fail below: the job's output goes on.
    let queue = Arc::new(Queue::new());
    passthrough::start(queue.clone(), true).map_err(|error| {
        Failure::new(
            Ending::Input,
            anyhow!(error).context("cannot read standard input"),
        )
    })?;
    let result = closed.and_then(|()| watch(args, &queue));
    // A wrong configuration must not cost the job its output, nor kill it with
    // a broken pipe.
    result.or_else(|failure| {
        say(&failure.to_string());
        pass_through(&queue);
        Ok(failure.ending)
    })
}

/// Copies standard input to standard output and does nothing else: for a
/// command line that cannot be understood at the end of a job's pipe.
pub(super) fn only_pass_through() {
    let queue = Arc::new(Queue::new());
    if passthrough::start(queue.clone(), true).is_ok() {
        pass_through(&queue);
    }
}

fn pass_through(queue: &Queue) {
    say("runwatch: not watching; the output passes through unchanged");
    while queue.pop(Duration::from_secs(3600)) != Popped::Ended {}
}

fn watch(args: &Args, queue: &Arc<Queue>) -> Outcome {
    let config = &args.live.config()?;
    let pipeline = args.live.pipeline(config)?;
    let variable = |name: &str| std::env::var(name).ok();
    let decoding = options::decoding(config, "stdin", &run_name(&variable), None, &pipeline);
    let outlets = args.live.outlets(config, before())?;
    let run = decoding.run.clone();
    let mut live = Live::new(decoding, pipeline, outlets)?;
    if let Some(halting) = halting(args, config, &run, live.ledger())? {
        live.act(Act::new(vec![halting], None));
    }
    // That nothing comes at all is worth an alert, too.
    let expected = live.expect(&run);
    live.answers(0, expected);
    let interrupted = interrupts(queue)?;
    args.live.announce(&live.pipeline);
    let mut quiet_from = Instant::now();
    loop {
        let left = IDLE.saturating_sub(quiet_from.elapsed());
        match queue.pop(live.patience(left)) {
            Popped::Bytes(bytes) => live.take(&bytes, queue.is_empty()),
            Popped::Nothing if quiet_from.elapsed() < IDLE => {
                live.look();
                continue;
            }
            Popped::Nothing => {
                live.rest();
                live.tick();
            }
            Popped::Ended => break,
        }
        quiet_from = Instant::now();
    }
    let dropped = queue.dropped();
    if dropped > 0 {
        say(&format!(
            "runwatch: {dropped} bytes passed through unwatched: no room to keep them"
        ));
    }
    // A job that we no longer listen to may go on.
    let over = !interrupted.load(Ordering::Relaxed);
    live.end("unknown");
    let ending = live.close(args.live.shown.quiet, over);
    Ok(if interrupted.load(Ordering::Relaxed) {
        ending.max(Ending::Interrupted)
    } else {
        ending
    })
}

/// Variables that name the run which a job is, from the tracker's own name to
/// the scheduler's, with what is put before it.
const RUN_VARIABLES: &[(&str, &str)] = &[
    ("WANDB_RUN_ID", ""),
    ("MLFLOW_RUN_ID", ""),
    ("SLURM_JOB_ID", "slurm-"),
    ("LSB_JOBID", "lsf-"),
    ("PBS_JOBID", "pbs-"),
];

/// The run of a live stream that names none: what the job's environment calls
/// it, else the moment it began.
pub(super) fn run_name(variable: &dyn Fn(&str) -> Option<String>) -> String {
    RUN_VARIABLES
        .iter()
        .find_map(|(name, before)| {
            let value = variable(name).filter(|value| !value.is_empty())?;
            Some(format!("{before}{value}"))
        })
        .unwrap_or_else(|| jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S").to_string())
}

/// Halts the job by control files: there is nothing else that it could be
/// reached by through a pipe.
fn halting(
    args: &Args,
    config: &Config,
    run: &str,
    ledger: Option<Arc<Ledger>>,
) -> Result<Option<(Run, Halting)>, Failure> {
    let settings = Settings::of(config);
    let dir = args.dir.clone();
    let dir = dir.or_else(|| std::env::var_os("RUNWATCH_DIR").map(PathBuf::from));
    if !settings.enabled() {
        return Ok(None);
    }
    if dir.is_none() && args.live.halt.is_asked_for() && settings.halt.hook.is_empty() {
        let error =
            anyhow!("a job at the other end of a pipe can be asked to halt in a folder only");
        return Err(Failure::new(Ending::Usage, error).hint(
            "name the folder where it looks for `.HALT` with `--dir PATH`, or let runwatch start \
             it: `runwatch exec -- python train.py`",
        ));
    }
    let target = Target {
        project: config.project.clone(),
        run: run.to_owned(),
        dir,
        token: std::env::var("RUNWATCH_TOKEN").unwrap_or_else(|_| random_token()),
        rank: None,
        began: wall_clock() as f64 / 1000.0,
        job: None,
    };
    let run = Run::new(&config.project, run);
    Ok(Some((run, Halting::new(settings, target, ledger))))
}

/// A file can be read again; what comes through a pipe has never been before,
/// unless the watch was ended in the middle of it.
fn before() -> Before {
    match passthrough::stdin().and_then(|stdin| stdin.metadata()) {
        Ok(stdin) if stdin.is_file() => Before::Again,
        _ => Before::Continued,
    }
}

/// The first Ctrl-C is meant for the job, whose last words are worth watching;
/// the second ends the watch. SIGTERM ends it at once.
fn interrupts(queue: &Arc<Queue>) -> Result<Arc<AtomicBool>, Failure> {
    let interrupted = Arc::new(AtomicBool::new(false));
    #[cfg(unix)]
    {
        use signal_hook::consts::{SIGINT, SIGTERM};
        let failed =
            |error| Failure::new(Ending::Usage, anyhow!("cannot listen for signals: {error}"));
        let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]).map_err(failed)?;
        let (flag, queue) = (interrupted.clone(), queue.clone());
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                let mut interrupts = 0;
                for signal in signals.forever() {
                    interrupts += 1;
                    if flag.load(Ordering::Relaxed) {
                        // Asked for a second time: what waits stays in the ledger.
                        std::process::exit(i32::from(Ending::Interrupted.code()));
                    }
                    if signal == SIGTERM || interrupts == 2 {
                        flag.store(true, Ordering::Relaxed);
                        queue.end();
                    } else if interrupts == 1 {
                        say(
                            "runwatch: watching until the job ends; press Ctrl-C again to stop now",
                        );
                    }
                }
            })
            .map_err(failed)?;
    }
    Ok(interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_names_the_run() {
        let with = |set: &[&str]| {
            let set: Vec<String> = set.iter().map(|name| (*name).to_owned()).collect();
            run_name(&move |name| set.iter().any(|set| set == name).then(|| "7".to_owned()))
        };
        assert_eq!(with(&["SLURM_JOB_ID"]), "slurm-7");
        assert_eq!(with(&["SLURM_JOB_ID", "WANDB_RUN_ID"]), "7");
        assert_eq!(
            run_name(&|_| Some(String::new())).len(),
            "20260131-120000".len()
        );
    }
}
