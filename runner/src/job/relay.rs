//! One of the job's output streams, copied to where the user's stream goes.
//!
//! Nothing else may hold it up: what the watcher does not take at once waits in
//! a queue. Between two reads there is a rest, so that a job that writes line
//! by line does not wake it for each.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::frames::{self, Note};
use crate::input::Queue;
use crate::input::queue::Popped;

/// The most bytes that are copied at once.
const CHUNK: usize = 256 << 10;

/// The time between two reads of a busy stream, at most.
const REST: Duration = Duration::from_millis(40);

/// The time between two writes to the watcher.
const REST_OF_TELLER: Duration = Duration::from_millis(100);

/// What a relay reads from and writes to.
#[derive(Debug)]
pub struct Relay {
    /// The number of the stream.
    pub stream: u8,
    /// The job's pipe or terminal.
    pub from: File,
    /// The user's stream.
    pub to: File,
    /// The watcher's pipe.
    pub watcher: File,
}

impl Relay {
    /// The relay that this process was started as: all descriptors are standard
    /// ones.
    ///
    /// # Errors
    /// When they cannot be duplicated.
    pub fn from_stdio(stream: u8) -> io::Result<Self> {
        let copy = |fd: BorrowedFd<'_>| fd.try_clone_to_owned().map(File::from);
        let relay = Self {
            stream,
            from: copy(io::stdin().as_fd())?,
            to: copy(io::stdout().as_fd())?,
            watcher: copy(io::stderr().as_fd())?,
        };
        // No message may get between the frames.
        rustix::stdio::dup2_stderr(File::options().write(true).open("/dev/null")?)?;
        Ok(relay)
    }

    /// Copies until the job's stream ends. The watcher has been told all of it
    /// when this returns, or is gone.
    ///
    /// # Errors
    /// When no thread can be started, or the job's stream cannot be read.
    pub fn run(self) -> io::Result<()> {
        let Self {
            stream,
            from,
            to,
            watcher,
        } = self;
        let queue = Arc::new(Queue::new());
        let waiting = queue.clone();
        let teller = thread::Builder::new()
            .name("teller".into())
            .spawn(move || tell(&waiting, watcher, stream))?;
        let copied = Copier::new(from, to).copy(&mut |bytes| {
            if !teller.is_finished() {
                queue.push(bytes);
            }
        });
        queue.end();
        // What a thread that panicked would have told is lost; nothing else is.
        _ = teller.join();
        copied
    }
}

/// Tells the watcher what is in the queue until that ends or the watcher does.
fn tell(queue: &Queue, mut watcher: File, stream: u8) {
    let mut bytes = Vec::new();
    loop {
        let found = queue.pop(Duration::from_secs(3600));
        let ended = found == Popped::Ended;
        if let Popped::Bytes(first) = found {
            bytes.extend(first);
            while bytes.len() < CHUNK
                && let Popped::Bytes(more) = queue.pop(Duration::ZERO)
            {
                bytes.extend(more);
            }
        }
        for frame in frames::output(stream, &bytes) {
            if watcher.write_all(&frame).is_err() {
                return;
            }
        }
        bytes.clear();
        if ended {
            _ = watcher.write_all(&Note::Closed { stream }.frame());
            return;
        }
        // The next frames will be fuller.
        thread::sleep(REST_OF_TELLER);
    }
}

/// From one descriptor to another.
struct Copier {
    from: File,
    /// None once nobody reads it any more.
    to: Option<File>,
    /// Where pipes are copied without being emptied, so that a relay that is
    /// killed takes nothing with it.
    #[cfg(target_os = "linux")]
    copy: Option<(File, OwnedFd)>,
    buffer: Vec<u8>,
    pace: Pace,
}

impl Copier {
    fn new(from: File, to: File) -> Self {
        Self {
            pace: Pace::new(capacity(&from)),
            #[cfg(target_os = "linux")]
            copy: second_pipe(),
            from,
            to: Some(to),
            buffer: vec![0; CHUNK],
        }
    }

    /// Copies to the end, and shows every byte.
    fn copy(mut self, show: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        loop {
            self.pace.rest();
            let len = self.step()?;
            if len == 0 {
                return Ok(());
            }
            self.pace.took(len);
            show(&self.buffer[..len]);
        }
    }

    /// Copies some bytes, which are in the buffer then; 0 at the end.
    fn step(&mut self) -> io::Result<usize> {
        #[cfg(target_os = "linux")]
        if let Some((reader, writer)) = self.copy.take()
            && self.to.is_some()
            && let Some(len) = self.tee(&reader, &writer)?
        {
            self.copy = Some((reader, writer));
            return Ok(len);
        }
        let len = read(&self.from, &mut self.buffer)?;
        if let Some(to) = &self.to
            && write(to, &self.buffer[..len]).is_err()
        {
            self.to = None;
        }
        Ok(len)
    }

    /// The bytes leave the job's pipe only after they have been written. None
    /// if that cannot be done with what there is.
    #[cfg(target_os = "linux")]
    fn tee(&mut self, reader: &File, writer: &OwnedFd) -> io::Result<Option<usize>> {
        use rustix::pipe::{SpliceFlags, tee};
        let len = loop {
            match tee(&self.from, writer, CHUNK, SpliceFlags::empty()) {
                Err(Errno::INTR) => {}
                Err(_) => return Ok(None),
                Ok(len) => break len,
            }
        };
        let mut have = 0;
        while have < len {
            have += read(reader, &mut self.buffer[have..len])?;
        }
        let written = self.pass(len);
        if let Some(rest) = len.checked_sub(written).filter(|rest| *rest > 0) {
            // Nobody reads it any more: what is left goes nowhere.
            self.to = None;
            let mut sink = vec![0; rest];
            (&self.from).read_exact(&mut sink)?;
        }
        Ok(Some(len))
    }

    /// Moves that many bytes from the job's pipe to the user's stream, and
    /// gives how many went before it broke.
    #[cfg(target_os = "linux")]
    fn pass(&mut self, len: usize) -> usize {
        use rustix::pipe::{SpliceFlags, splice};
        let Some(to) = &self.to else { return 0 };
        let mut done = 0;
        while done < len {
            match splice(&self.from, None, to, None, len - done, SpliceFlags::empty()) {
                Ok(0) => break,
                Ok(more) => done += more,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => wait_for_room(to),
                // A file that is appended to, or a terminal: written, and taken
                // out of the pipe after that.
                Err(Errno::INVAL) => {
                    let rest = done..len;
                    let mut sink = vec![0; rest.len()];
                    if write(to, &self.buffer[rest]).is_err()
                        || (&self.from).read_exact(&mut sink).is_err()
                    {
                        break;
                    }
                    done = len;
                }
                Err(_) => break,
            }
        }
        done
    }
}

/// Reads some bytes; 0 at the end.
fn read(mut from: &File, to: &mut [u8]) -> io::Result<usize> {
    loop {
        match from.read(to) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // The last process that had the other side of a terminal is gone.
            Err(error) if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => return Ok(0),
            other => return other,
        }
    }
}

/// Writes all, also to a stream that others have set not to block.
fn write(mut to: &File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match to.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(len) => bytes = &bytes[len..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => wait_for_room(to),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn wait_for_room(to: &File) {
    let mut fds = [PollFd::new(to, PollFlags::OUT)];
    _ = poll(&mut fds, None);
}

/// How many bytes the job can write before it has to wait.
fn capacity(from: &File) -> usize {
    #[cfg(target_os = "linux")]
    if let Ok(size) = rustix::pipe::fcntl_getpipe_size(from) {
        return size;
    }
    _ = from;
    // A terminal's on Linux.
    8 << 10
}

#[cfg(target_os = "linux")]
fn second_pipe() -> Option<(File, OwnedFd)> {
    use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).ok()?;
    _ = fcntl_setpipe_size(&writer, CHUNK);
    Some((File::from(reader), writer))
}

/// When to read again.
struct Pace {
    /// What fills so much of the job's pipe is too much for a rest as long.
    capacity: usize,
    rest: Duration,
    last: Option<Instant>,
}

impl Pace {
    fn new(capacity: usize) -> Self {
        Self {
            capacity,
            rest: REST,
            last: None,
        }
    }

    /// Rests, unless the last read is longer ago than a rest.
    fn rest(&mut self) {
        if let Some(last) = self.last {
            let left = self.rest.saturating_sub(last.elapsed());
            if !left.is_zero() {
                thread::sleep(left);
            }
        }
    }

    /// Came after a rest: so many bytes.
    fn took(&mut self, len: usize) {
        self.last = Some(Instant::now());
        if len > self.capacity / 4 {
            self.rest /= 2;
        } else if len < self.capacity / 16 {
            self.rest = (self.rest * 2).clamp(Duration::from_micros(250), REST);
        }
    }
}
