//! The user's command that runs before anything else is done to the job, such
//! as one that saves a checkpoint. It runs in a thread of its own.

use std::io;
use std::process::Command;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;
use std::time::Duration;

use crate::config::units::write_duration;
use crate::deliver::command::{self, Ended};
use crate::deliver::text::{clean, clean_line, cut_bytes, cut_chars};
use crate::secret::scrub;

/// Bytes of a variable: Linux takes 128 KiB, others 32 for all of them.
const VARIABLE_BYTES: usize = 4 << 10;
/// Characters of its output that are told.
const OUTPUT_CHARS: usize = 500;

/// A command on its way.
#[derive(Debug)]
pub(super) struct Hook {
    answer: Receiver<Result<(), String>>,
}

impl Hook {
    /// Starts it; `input` is what it gets on its stdin.
    ///
    /// # Errors
    ///
    /// If there is no thread for it. That it cannot be started is its answer.
    pub(super) fn start(
        words: &[String],
        variables: &[(&str, &str)],
        input: Vec<u8>,
        limit: Duration,
    ) -> io::Result<Self> {
        let (program, arguments) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut command = Command::new(program);
        command.args(arguments);
        for (name, value) in variables {
            command.env(name, cut_bytes(&clean(value), VARIABLE_BYTES).as_ref());
        }
        let (sender, answer) = channel();
        let program = program.clone();
        thread::Builder::new()
            .name("halt hook".to_owned())
            .spawn(move || {
                let ended = command::run(command, input, limit);
                // Nobody waits for it any more if the job has ended meanwhile.
                _ = sender.send(outcome(ended, &program, limit));
            })?;
        Ok(Self { answer })
    }

    /// What became of it, once it is over; an error says what was wrong, to be
    /// read on after "the hook".
    pub(super) fn poll(&self) -> Option<Result<(), String>> {
        match self.answer.try_recv() {
            Ok(answer) => Some(answer),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err("was lost".to_owned())),
        }
    }
}

fn outcome(ended: io::Result<Ended>, program: &str, limit: Duration) -> Result<(), String> {
    let ended = ended.map_err(|error| format!("could not be started: `{program}`: {error}"))?;
    // Before it is cut: half a secret would not be known.
    let output = scrub(&ended.output);
    let output = clean_line(&output);
    let said = match &*cut_chars(&output, OUTPUT_CHARS) {
        "" => String::new(),
        output => format!(": {output}"),
    };
    match ended.status {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(format!("failed with {status}{said}")),
        None => Err(format!("was killed after {}{said}", write_duration(limit))),
    }
}
