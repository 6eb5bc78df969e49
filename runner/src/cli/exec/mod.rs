//! `runwatch exec`: a job, wrapped.

#[cfg(unix)]
mod leader;
#[cfg(unix)]
mod verdict;
#[cfg(unix)]
mod watcher;

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::anyhow;
use clap::{Args as ClapArgs, ValueEnum};

use super::halt::Restart;
use super::live;
use crate::config::Config;
use crate::exit::{Ending, Failure};

/// Run a job and watch it: its output passes through, its exit code and
/// signals too, and nothing that happens to runwatch ends it
///
///     runwatch exec -- python train.py --lr 3e-4
#[derive(Debug, Clone, ClapArgs)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// What this process is to do; for runwatch itself
    #[arg(long, value_enum, hide = true)]
    role: Option<Role>,
    /// The stream of a relay; for runwatch itself
    #[arg(long, default_value_t = 0, hide = true)]
    stream: u8,
    /// The folder in which job and runwatch leave each other files, instead of
    /// one that is made for the run and removed with it
    #[arg(long, value_name = "PATH")]
    dir: Option<PathBuf>,
    /// Give the job a terminal even where runwatch has none, so that it writes
    /// line by line
    #[arg(long)]
    tty: bool,
    #[command(flatten)]
    live: live::Args,
    #[command(flatten)]
    restart: Restart,
    /// The program and its arguments
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "CMD"
    )]
    command: Vec<OsString>,
}

impl Args {
    /// The configuration with what the flags change.
    fn config(&self) -> Result<Config, Failure> {
        let mut config = self.live.config()?;
        self.restart.apply(&mut config);
        Ok(config)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Role {
    Relay,
    Watcher,
}

/// Gives the exit code, which is the job's.
#[cfg(not(unix))]
pub(super) fn run(_: &Args) -> Result<u8, Failure> {
    let error = anyhow!("`runwatch exec` needs Unix: there is no other way to it here");
    Err(Failure::new(Ending::Usage, error).hint("try `python train.py 2>&1 | runwatch`"))
}

#[cfg(unix)]
pub(super) use unix::run;

#[cfg(unix)]
mod unix {
    use std::io;
    use std::path::Path;

    use super::*;
    use crate::cli::output::say;
    use crate::cli::watch::run_name;
    use crate::job::environment::{self, Environment};
    use crate::job::folder::{self, Folder};
    use crate::job::keeper::{self, NoJob, Plan};
    use crate::job::relay::Relay;
    use crate::job::{signals, terminal};
    use crate::ledger::usual_path;

    /// The exit codes of a shell for what is no command.
    const CANNOT_EXECUTE: u8 = 126;
    const NOT_FOUND: u8 = 127;

    /// Gives the exit code, which is the job's.
    pub(in crate::cli) fn run(args: &Args) -> Result<u8, Failure> {
        match args.role {
            None => keep(args),
            Some(Role::Relay) => relay(args.stream),
            Some(Role::Watcher) => watcher(args),
        }
    }

    fn keep(args: &Args) -> Result<u8, Failure> {
        let config = args.config()?;
        let Some((program, arguments)) = args.command.split_first() else {
            return Err(Failure::new(
                Ending::Usage,
                anyhow!("there is no command to run"),
            ));
        };
        let (environment, folder) = environment(args, &config)?;
        let ended = keeper::run(Plan {
            program: program.clone(),
            arguments: arguments.to_vec(),
            watcher: std::env::args_os().skip(2).collect(),
            tty: args.tty,
            environment,
            folder,
            flush: config.delivery.flush,
            say,
        });
        match ended {
            Ok(ending) => Ok(ending.imitate()),
            Err(NoJob::Program(error)) => Ok(not_started(program, &error)),
            Err(NoJob::Other(error)) => {
                let error = anyhow!("cannot start the job: {error}");
                Err(Failure::new(Ending::Usage, error)
                    .hint("look at the limits of this user: `ulimit -a`"))
            }
        }
    }

    fn not_started(program: &OsString, error: &io::Error) -> u8 {
        let name = program.to_string_lossy();
        let (code, hint) = match error.kind() {
            io::ErrorKind::NotFound => (NOT_FOUND, "is the name right, and its folder in PATH?"),
            io::ErrorKind::PermissionDenied => {
                (CANNOT_EXECUTE, "may it be executed? `chmod +x` makes it so")
            }
            _ => (CANNOT_EXECUTE, "is it a program for this machine?"),
        };
        let failure =
            Failure::new(Ending::Usage, anyhow!("cannot start `{name}`: {error}")).hint(hint);
        say(&failure.to_string());
        code
    }

    /// What the job is told, and the folder that is made for it alone.
    fn environment(args: &Args, config: &Config) -> Result<(Environment, Option<Folder>), Failure> {
        let variable = |name: &str| std::env::var(name).ok();
        let run = config.run.clone().unwrap_or_else(|| run_name(&variable));
        let made = match &args.dir {
            Some(path) => folder::given(path).map(|path| (path, None)),
            None => Folder::make(&jobs_folder(), &run)
                .map(|folder| (folder.path().to_owned(), Some(folder))),
        };
        let (dir, folder) = made.map_err(|error| {
            let error = anyhow!("cannot make the folder of control files: {error}");
            Failure::new(Ending::Usage, error).hint("name another one with --dir PATH")
        })?;
        let environment = Environment {
            project: config.project.clone(),
            run,
            dir,
            token: environment::token(&variable),
        };
        Ok((environment, folder))
    }

    /// Beside the ledger; without a home among temporary files.
    fn jobs_folder() -> PathBuf {
        let ledger = usual_path(&|name| std::env::var_os(name));
        let state = ledger.as_deref().and_then(Path::parent);
        let state = state.map_or_else(|| std::env::temp_dir().join("runwatch"), Path::to_owned);
        state.join("jobs")
    }

    fn watcher(args: &Args) -> Result<u8, Failure> {
        // Before there are threads.
        let closed = args.live.delivering.close_network();
        helper(c"runwatch")?;
        let folder = Folder::of_environment();
        let ending = super::watcher::run(args, closed);
        if let Some(folder) = folder {
            folder.leave();
        }
        ending.map(Ending::code)
    }

    fn relay(stream: u8) -> Result<u8, Failure> {
        // A name of its own, so that what ends runwatch by its name leaves it.
        helper(c"rw-relay")?;
        let folder = Folder::of_environment();
        let copied = Relay::from_stdio(stream).and_then(Relay::run);
        if let Some(folder) = folder {
            folder.leave();
        }
        Ok(match copied {
            Ok(()) => Ending::Fine.code(),
            Err(_) => Ending::Input.code(),
        })
    }

    fn helper(name: &std::ffi::CStr) -> Result<(), Failure> {
        #[cfg(target_os = "linux")]
        {
            _ = rustix::thread::set_name(name);
        }
        _ = name;
        terminal::never_stop_for_output();
        signals::outlive().map_err(|error| {
            Failure::new(Ending::Usage, anyhow!("cannot listen for signals: {error}"))
        })
    }
}
