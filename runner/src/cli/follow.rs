//! `runwatch --follow`: files, as they grow.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::anyhow;

use super::Outcome;
use super::live::{Before, Live, Outlets};
use super::options;
use super::output::say;
use super::watch::Args;
use crate::config::Config;
use crate::exit::{Ending, Failure};
use crate::input::find;
use crate::input::follow::{Follow, Seen};
use crate::input::naming::Naming;
use crate::pipeline::Pipeline;
use crate::record::RunId;

/// Looks at the files for each look at the folders for new ones, which costs more.
const LOOKS: u32 = 4;

/// The time between two looks, from the command line.
pub(super) fn interval(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.01..=3600.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("a number of seconds from 0.01 to 3600 is expected".to_owned()),
    }
}

pub(super) fn run(args: &Args) -> Outcome {
    if args.follow.iter().any(|path| path == Path::new("-")) {
        let error = anyhow!("standard input cannot be followed");
        return Err(Failure::new(Ending::Usage, error).hint("leave out `--follow -`"));
    }
    if args.live.halt.is_asked_for() {
        let error = anyhow!("a job whose files are followed cannot be halted");
        return Err(Failure::new(Ending::Usage, error).hint(
            "`runwatch watch DIR --halt critical` asks a job to end by a file in its folder, \
             `runwatch exec` ends one that it has started",
        ));
    }
    let config = &args.live.config()?;
    let pipeline = args.live.pipeline(config)?;
    let outlets = args.live.outlets(config, Before::Again)?;
    let interrupted = interrupts()?;
    args.live.announce(&pipeline);
    let mut naming = Naming::with(&config.paths);
    naming.expect(
        args.follow
            .iter()
            .filter(|path| !find::may_grow(path))
            .map(|path| &**path),
    );
    let mut watched = Watched {
        config,
        quiet: args.live.shown.quiet,
        naming,
        live: None,
        start: Some((pipeline, outlets)),
        folders: Vec::new(),
        files: Vec::new(),
        failed: None,
    };
    let follow = Follow::new(args.follow.clone(), args.from_end);
    watched.follow(follow, args.interval, &interrupted, &mut |_| true)?;
    Ok(watched.finish().max(Ending::Interrupted))
}

/// There is no job whose last words would come: the first Ctrl-C ends it.
pub(super) fn interrupts() -> Result<Receiver<()>, Failure> {
    let (sender, receiver) = channel();
    #[cfg(unix)]
    {
        use signal_hook::consts::{SIGINT, SIGTERM};
        let failed =
            |error| Failure::new(Ending::Usage, anyhow!("cannot listen for signals: {error}"));
        let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]).map_err(failed)?;
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                for (number, _) in signals.forever().enumerate() {
                    if number > 0 {
                        // Asked for a second time: what waits stays in the ledger.
                        std::process::exit(i32::from(Ending::Interrupted.code()));
                    }
                    if sender.send(()).is_err() {
                        return;
                    }
                }
            })
            .map_err(failed)?;
    }
    #[cfg(not(unix))]
    drop(sender);
    Ok(receiver)
}

/// What is made of what was seen in the files.
pub(super) struct Watched<'a> {
    pub(super) config: &'a Config,
    pub(super) quiet: bool,
    pub(super) naming: Naming,
    /// `None` until there is a file, and so a run.
    pub(super) live: Option<Live>,
    pub(super) start: Option<(Pipeline, Outlets)>,
    /// Folders of jobs.
    pub(super) folders: Vec<Folder>,
    /// By input. Files are numbered by us, in the order in which they came.
    pub(super) files: Vec<File>,
    pub(super) failed: Option<Failure>,
}

/// A folder in which a job writes.
pub(super) struct Folder {
    /// As the user named it.
    pub(super) path: PathBuf,
    /// Where it is, however it is named: for the name of its run.
    pub(super) place: PathBuf,
    /// Its run, of which records are expected.
    pub(super) run: Option<RunId>,
}

/// A file that is followed.
pub(super) struct File {
    pub(super) path: PathBuf,
    /// The run of records that name none.
    pub(super) run: String,
    /// The file's number where it is followed.
    number: usize,
    /// Whether bytes came at this look, and at the one before.
    now: bool,
    before: bool,
}

impl Watched<'_> {
    /// Looks at the files until it is interrupted, or `goes_on`, which is asked
    /// when all that is there has been read, says no.
    pub(super) fn follow(
        &mut self,
        mut follow: Follow,
        interval: Duration,
        interrupted: &Receiver<()>,
        goes_on: &mut dyn FnMut(&mut Self) -> bool,
    ) -> Result<(), Failure> {
        for look in 0_u32.. {
            if look.is_multiple_of(LOOKS) {
                follow.scan(&mut |seen| self.see(seen));
            }
            let more = follow.poll(&mut |seen| self.see(seen));
            if let Some(failure) = self.failed.take() {
                return Err(failure);
            }
            self.rest(more);
            if !more && !goes_on(self) {
                break;
            }
            let patience = if more { Duration::ZERO } else { interval };
            if self.wait(patience, interrupted) {
                break;
            }
        }
        Ok(())
    }

    /// Waits so long; true when it is interrupted.
    fn wait(&mut self, patience: Duration, interrupted: &Receiver<()>) -> bool {
        let until = Instant::now() + patience;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let live = self.live.as_ref();
            let patience = live.map_or(left, |live| live.patience(left));
            match interrupted.recv_timeout(patience) {
                Err(RecvTimeoutError::Timeout) => {}
                // Where nobody listens for signals, they end us without this.
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(patience),
                Ok(()) => return true,
            }
            if Instant::now() >= until {
                return false;
            }
            if let Some(live) = &mut self.live {
                live.look();
            }
        }
    }

    pub(super) fn finish(self) -> Ending {
        self.live.map_or(Ending::Fine, |mut live| {
            live.end("unknown");
            live.close(self.quiet, false)
        })
    }

    fn see(&mut self, seen: Seen<'_>) {
        match seen {
            Seen::Note(text) if self.quiet => drop(text),
            Seen::Note(text) => say(&format!("runwatch: {text}")),
            Seen::File(file, path) => self.file(file, path),
            Seen::Anew(file) => {
                let quiet = self.quiet;
                if let Some((live, _)) = self.input(file) {
                    live.anew(quiet);
                }
            }
            Seen::Bytes(file, bytes) => {
                if let Some((live, file)) = self.input(file) {
                    file.now = true;
                    live.take(bytes, true);
                }
            }
        }
    }

    fn file(&mut self, file: usize, path: &Path) {
        let name = path.to_string_lossy();
        let mut folders = self.folders.iter();
        let folder = folders.find(|folder| path.starts_with(&folder.path));
        let place = folder.map(|folder| folder.place_of(path));
        let named = self.naming.of(place.as_deref().unwrap_or(path));
        let run = self.config.run.as_deref().unwrap_or(&named.run);
        if !self.quiet {
            let rank = named
                .rank
                .map_or(String::new(), |rank| format!(", rank {rank}"));
            say(&format!("runwatch: following {name}: run {run}{rank}"));
        }
        match (&mut self.live, self.start.take()) {
            (Some(live), _) => {
                live.add(&name, run, named.rank);
                live.answers(self.files.len(), folder.and_then(|folder| folder.run));
            }
            (None, Some((pipeline, sinks))) => {
                let decoding = options::decoding(self.config, &name, run, named.rank, &pipeline);
                match Live::new(decoding, pipeline, sinks) {
                    Ok(live) => self.live = Some(live),
                    Err(failure) => self.failed = Some(failure),
                }
            }
            // It failed before, which is being said.
            (None, None) => {}
        }
        self.files.push(File {
            path: path.to_owned(),
            run: run.to_owned(),
            number: file,
            now: false,
            before: false,
        });
    }

    /// What watches a file, with that file's turn.
    fn input(&mut self, file: usize) -> Option<(&mut Live, &mut File)> {
        let input = self.files.iter().position(|it| it.number == file)?;
        let live = self.live.as_mut()?.on(input);
        Some((live, &mut self.files[input]))
    }

    /// After a look: files that have gone quiet are told so, and time passes
    /// when all has been read.
    fn rest(&mut self, more: bool) {
        let Some(live) = &mut self.live else {
            return;
        };
        for (input, file) in self.files.iter_mut().enumerate() {
            if file.before && !file.now {
                live.on(input).rest();
            }
            file.before = std::mem::take(&mut file.now);
        }
        if !more {
            live.tick();
        }
    }
}

impl Folder {
    /// Where a file in it is, however the folder is named.
    fn place_of(&self, path: &Path) -> PathBuf {
        let within = path.strip_prefix(&self.path).unwrap_or(path);
        self.place.join(within)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals() {
        assert_eq!(interval("0.5"), Ok(Duration::from_millis(500)));
        for wrong in ["0", "-1", "nan", "1s", "1e9"] {
            assert!(interval(wrong).is_err(), "{wrong}");
        }
    }
}
