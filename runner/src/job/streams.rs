//! Through what the job writes: pipes, and pseudoterminals where the user has a
//! terminal.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::Stdio;

use rustix::fs::fstat;

use super::terminal::{Window, is_terminal, pseudoterminal};

/// What a pipe is made to hold, in bytes, where the system allows it.
const PIPE: usize = 1 << 20;

/// One of the job's streams, as a relay gets it.
#[derive(Debug)]
pub(super) struct Source {
    /// 0 is standard output, 1 standard error.
    pub(super) stream: u8,
    /// What the job wrote comes out here.
    pub(super) from: OwnedFd,
    /// Where the user wants it.
    pub(super) to: OwnedFd,
    /// Whether the job has a terminal there.
    pub(super) terminal: bool,
}

/// All that the job writes to.
#[derive(Debug)]
pub(super) struct Streams {
    pub(super) sources: Vec<Source>,
    pub(super) stdout: Stdio,
    pub(super) stderr: Stdio,
    /// The window of the first that is a terminal.
    pub(super) window: Option<Window>,
}

impl Streams {
    /// Makes them like our own standard output and standard error. With `tty`
    /// they are terminals in any case.
    ///
    /// # Errors
    /// When there is no pipe or terminal to be had.
    pub(super) fn like_ours(tty: bool) -> io::Result<Self> {
        let (stdout, stderr) = (io::stdout(), io::stderr());
        let (out, err) = (stdout.as_fd(), stderr.as_fd());
        let (first, job_out) = source(0, out, tty)?;
        let mut sources = vec![first];
        let job_err = if same_file(out, err) {
            // One for both keeps the order.
            job_out.try_clone()?
        } else {
            let (second, job_err) = source(1, err, tty)?;
            sources.push(second);
            job_err
        };
        Ok(Self {
            window: Window::of(out).or_else(|| Window::of(err)),
            sources,
            stdout: job_out.into(),
            stderr: job_err.into(),
        })
    }
}

/// One stream, and the job's side of it.
fn source(stream: u8, user: BorrowedFd<'_>, tty: bool) -> io::Result<(Source, OwnedFd)> {
    let like = is_terminal(user).then_some(user);
    let terminal = tty || like.is_some();
    let (from, job) = if terminal {
        pseudoterminal(like)?
    } else {
        pipe()?
    };
    let source = Source {
        stream,
        from,
        to: user.try_clone_to_owned()?,
        terminal,
    };
    Ok((source, job))
}

/// A pipe that holds much, so that its writer seldom waits.
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = io::pipe()?;
    let (reader, writer) = (OwnedFd::from(reader), OwnedFd::from(writer));
    enlarge(&writer);
    Ok((reader, writer))
}

/// A pipe for frames. On Linux each read gives one write, so that a reader that
/// is killed takes whole frames with it.
pub(super) fn frame_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    #[cfg(target_os = "linux")]
    {
        use rustix::pipe::{PipeFlags, pipe_with};
        if let Ok((reader, writer)) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::DIRECT) {
            enlarge(&writer);
            return Ok((reader, writer));
        }
    }
    pipe()
}

fn enlarge(pipe: &OwnedFd) {
    #[cfg(target_os = "linux")]
    {
        // A user may have a limit for all of them together: then it stays small.
        _ = rustix::pipe::fcntl_setpipe_size(pipe, PIPE);
    }
    _ = (pipe, PIPE);
}

fn same_file(one: BorrowedFd<'_>, other: BorrowedFd<'_>) -> bool {
    match (fstat(one), fstat(other)) {
        (Ok(one), Ok(other)) => (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino),
        _ => false,
    }
}
