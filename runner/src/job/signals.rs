//! Signals that come to the keeper.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::Sender;
use std::thread;

use rustix::process::Signal;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;

use super::keeper::Event;
use super::processes;

/// Those that are meant for the job.
const FORWARDED: [i32; 7] = [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGTSTP];

/// Passes signals on as events. What was ignored from the start, as `nohup`
/// does it, stays so: for the job, too.
///
/// # Errors
/// When a signal cannot be caught, or no thread be started.
pub(super) fn listen(events: Sender<Event>) -> io::Result<()> {
    let ignored = processes::signals(std::process::id(), "SigIgn");
    let caught = FORWARDED.into_iter().chain([SIGCHLD]);
    let mut signals = Signals::new(caught.filter(|signal| !processes::has(ignored, *signal)))?;
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            for signal in signals.forever() {
                if events.send(Event::Signal(signal)).is_err() {
                    return;
                }
            }
        })?;
    Ok(())
}

/// Lets this process outlive signals that are sent to everything by name: a
/// relay or a watcher ends when the job's output does.
///
/// # Errors
/// When a signal cannot be caught.
pub fn outlive() -> io::Result<()> {
    for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2] {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
    }
    Ok(())
}

/// The signal of this number, if it has a name.
pub(super) fn named(signal: i32) -> Option<Signal> {
    Signal::from_named_raw(signal)
}
