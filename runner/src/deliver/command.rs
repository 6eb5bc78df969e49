//! Runs a command of the operator's within bounds: a time limit, and no more
//! of its output than its end.

use std::io::{self, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How much of the output is kept: its end says why it failed.
const OUTPUT_BYTES: usize = 4 << 10;
/// How often we look whether it has ended.
const LOOK: Duration = Duration::from_millis(10);
/// How long output may still come after the end. A process that the command
/// left behind may hold the pipe open for ever.
const LINGER: Duration = Duration::from_millis(200);

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its status; none if the time was up and it was killed.
    pub(crate) status: Option<ExitStatus>,
    /// The end of what it wrote to stdout and stderr.
    pub(crate) output: String,
}

/// Runs a command with this on its stdin. It gets a process group of its own,
/// which is killed when the time is up, so that a script leaves nothing behind.
///
/// # Errors
///
/// If it could not be started.
pub(crate) fn run(mut command: Command, input: Vec<u8>, limit: Duration) -> io::Result<Ended> {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let began = Instant::now();
    let mut child = command.spawn()?;
    let output = Arc::new(Mutex::new(Vec::new()));
    let (open, ends) = mpsc::channel();
    if let Err(error) = attach(&mut child, input, &output, &open) {
        end(&mut child);
        return Err(error);
    }
    drop(open);
    let status = wait(&mut child, began, limit)?;
    // Nothing is ever sent: this returns when both pipes are closed.
    let _ = ends.recv_timeout(LINGER);
    let output = output.lock().unwrap_or_else(PoisonError::into_inner);
    let output = whole_words(&output);
    Ok(Ended {
        status,
        output: String::from_utf8_lossy(output).trim().to_owned(),
    })
}

/// The output without the word that its cut has gone through: half a secret
/// would not be known for one.
fn whole_words(output: &[u8]) -> &[u8] {
    if output.len() < OUTPUT_BYTES {
        return output;
    }
    let space = output.iter().position(u8::is_ascii_whitespace);
    space.and_then(|at| output.get(at..)).unwrap_or_default()
}

/// Writes and reads in threads of their own: a command that does not read its
/// input, or that writes without end, holds up nobody.
fn attach(
    child: &mut Child,
    input: Vec<u8>,
    output: &Arc<Mutex<Vec<u8>>>,
    open: &Sender<()>,
) -> io::Result<()> {
    let start = |work: Box<dyn FnOnce() + Send>| {
        thread::Builder::new()
            .name("command".to_owned())
            .spawn(work)
            .map(drop)
    };
    if let Some(mut stdin) = child.stdin.take() {
        // That it does not read its input is no error.
        start(Box::new(move || _ = stdin.write_all(&input)))?;
    }
    let pipes: [Option<Box<dyn Read + Send>>; 2] = [
        child.stdout.take().map(|pipe| Box::new(pipe) as _),
        child.stderr.take().map(|pipe| Box::new(pipe) as _),
    ];
    for pipe in pipes.into_iter().flatten() {
        let (output, open) = (Arc::clone(output), open.clone());
        start(Box::new(move || {
            keep_the_end(pipe, &output);
            drop(open);
        }))?;
    }
    Ok(())
}

fn keep_the_end(mut pipe: impl Read, kept: &Mutex<Vec<u8>>) {
    let mut piece = [0; 4096];
    while let Ok(read @ 1..) = pipe.read(&mut piece) {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(piece.get(..read).unwrap_or_default());
        let surplus = kept.len().saturating_sub(OUTPUT_BYTES);
        kept.drain(..surplus);
    }
}

/// The status, or none if the time was up.
fn wait(child: &mut Child, began: Instant, limit: Duration) -> io::Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if began.elapsed() >= limit {
            end(child);
            return Ok(None);
        }
        thread::sleep(LOOK);
    }
}

/// Kills the command and whatever it has started.
fn end(child: &mut Child) {
    #[cfg(unix)]
    {
        use rustix::process::{Pid, Signal, kill_process_group};
        // It was not waited for yet, so that its number is still its own.
        let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn sh(script: &str, input: &str, limit: Duration) -> Ended {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        run(command, input.into(), limit).unwrap()
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn reads_its_input_and_keeps_the_end_of_its_output() {
        let ended = sh("cat; echo sorry >&2; exit 3", "hello\n", LONG);
        assert_eq!(ended.status.unwrap().code(), Some(3));
        assert!(ended.output.contains("hello") && ended.output.contains("sorry"));
        let ended = sh("yes | head -c 1000000; echo done", "", LONG);
        assert!((4000..=OUTPUT_BYTES).contains(&ended.output.len()));
        assert!(ended.output.ends_with("y\ndone"));
        let ended = sh("printf 'secret%04096d done' 0", "", LONG);
        assert_eq!(ended.output, "done");
    }

    #[test]
    fn input_that_is_not_read_is_no_matter() {
        let much = "x".repeat(1 << 20);
        assert!(sh("exec true", &much, LONG).status.unwrap().success());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn it_is_killed_with_what_it_started() {
        // The first waits for the second, whose number it has told.
        let script = "trap '' TERM; sleep 1000 & echo $!; wait";
        let ended = sh(script, "", Duration::from_secs(2));
        assert!(ended.status.is_none());
        let pid: u32 = ended.output.parse().unwrap();
        // Who is killed needs a moment to die.
        let began = Instant::now();
        while is_alive(pid) && began.elapsed() < LONG {
            thread::yield_now();
        }
        assert!(!is_alive(pid));
    }

    #[cfg(target_os = "linux")]
    fn is_alive(pid: u32) -> bool {
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat"));
        state.is_ok_and(|text| !text.contains(") Z "))
    }

    #[test]
    fn what_it_leaves_behind_holds_up_nobody() {
        let ended = sh("sleep 20 & echo $!", "", LONG);
        assert!(ended.status.unwrap().success());
        Command::new("kill").arg(&ended.output).status().unwrap();
    }

    #[test]
    fn what_is_not_there_cannot_be_started() {
        let error = run(Command::new("/nonexistent/x"), Vec::new(), LONG).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
