//! `runwatch --follow`: files, as they grow.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::anyhow;

use super::Outcome;
use super::live::{Before, Live, Outlets};
use super::options;
use super::output::say;
use super::watch::{self, Args};
use crate::config::Config;
use crate::exit::{Ending, Failure};
use crate::input::find;
use crate::input::follow::{Follow, Seen};
use crate::input::naming::Naming;
use crate::pipeline::Pipeline;

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
    let mut loaded = args.configured.load()?;
    args.halt.apply(&mut loaded.config);
    let config = &loaded.config;
    let quiet = args.shown.quiet;
    let note = |text: &str| {
        if !quiet {
            say(&format!("runwatch: {text}"));
        }
    };
    let pipeline = options::pipeline(config, 1, true, |text| note(&text))?;
    let outlets = watch::outlets(args, config, Before::Again)?;
    let interrupted = interrupts()?;
    note(&format!("watching with {}", options::watchers(&pipeline)));
    let mut naming = Naming::with(&config.paths);
    naming.expect(
        args.follow
            .iter()
            .filter(|path| !find::may_grow(path))
            .map(|path| &**path),
    );
    let mut watched = Watched {
        config,
        quiet,
        naming,
        live: None,
        start: Some((pipeline, outlets)),
        active: Vec::new(),
        failed: None,
    };
    let mut follow = Follow::new(args.follow.clone(), args.from_end);
    for look in 0_u32.. {
        if look.is_multiple_of(LOOKS) {
            follow.scan(&mut |seen| watched.see(seen));
        }
        let more = follow.poll(&mut |seen| watched.see(seen));
        if let Some(failure) = watched.failed {
            return Err(failure);
        }
        watched.rest(more);
        let patience = if more { Duration::ZERO } else { args.interval };
        match interrupted.recv_timeout(patience) {
            Err(RecvTimeoutError::Timeout) => {}
            // Where nobody listens for signals, they end us without this.
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(patience),
            Ok(()) => break,
        }
    }
    let ending = watched.live.map_or(Ending::Fine, |mut live| {
        live.end("unknown");
        live.close(quiet, false)
    });
    Ok(ending.max(Ending::Interrupted))
}

/// There is no job whose last words would come: the first Ctrl-C ends it.
fn interrupts() -> Result<Receiver<()>, Failure> {
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
struct Watched<'a> {
    config: &'a Config,
    quiet: bool,
    naming: Naming,
    /// `None` until there is a file, and so a run.
    live: Option<Live>,
    start: Option<(Pipeline, Outlets)>,
    /// By input, whether bytes came at this look and at the one before. Files
    /// are numbered by us, in the order in which they came.
    active: Vec<Active>,
    failed: Option<Failure>,
}

struct Active {
    /// The file's number where it is followed.
    file: usize,
    now: bool,
    before: bool,
}

impl Watched<'_> {
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
                if let Some((live, active)) = self.input(file) {
                    active.now = true;
                    live.take(bytes, true);
                }
            }
        }
    }

    fn file(&mut self, file: usize, path: &Path) {
        let name = path.to_string_lossy();
        let named = self.naming.of(path);
        let run = self.config.run.as_deref().unwrap_or(&named.run);
        if !self.quiet {
            let rank = named
                .rank
                .map_or(String::new(), |rank| format!(", rank {rank}"));
            say(&format!("runwatch: following {name}: run {run}{rank}"));
        }
        match (&mut self.live, self.start.take()) {
            (Some(live), _) => live.add(&name, run, named.rank),
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
        self.active.push(Active {
            file,
            now: false,
            before: false,
        });
    }

    /// What watches a file, with that file's turn.
    fn input(&mut self, file: usize) -> Option<(&mut Live, &mut Active)> {
        let input = self.active.iter().position(|active| active.file == file)?;
        let live = self.live.as_mut()?.on(input);
        Some((live, &mut self.active[input]))
    }

    /// After a look: files that have gone quiet are told so, and time passes
    /// when all has been read.
    fn rest(&mut self, more: bool) {
        let Some(live) = &mut self.live else {
            return;
        };
        for (input, active) in self.active.iter_mut().enumerate() {
            if active.before && !active.now {
                live.on(input).rest();
            }
            active.before = std::mem::take(&mut active.now);
        }
        if !more {
            live.tick();
        }
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
