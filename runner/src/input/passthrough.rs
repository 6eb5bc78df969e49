//! Standard input to standard output, byte for byte and at once.
//!
//! This is the one thing that must go on working if everything else fails, so
//! it knows nothing but two file descriptors and a queue that never blocks.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;

use super::queue::Queue;

/// As much as a pipe holds by default.
const CHUNK: usize = 64 << 10;

/// Copies `from` to `to` until `from` ends, and every byte to the queue as well.
///
/// When nobody reads `to` any more, copying to it stops and watching goes on:
/// a closed viewer must not end the training job, which a broken pipe would.
///
/// # Errors
/// When `from` cannot be read.
pub fn copy(mut from: impl Read, mut to: Option<impl Write>, queue: &Queue) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        let len = match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(len) => len,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let bytes = &buffer[..len];
        if let Some(out) = &mut to
            && out.write_all(bytes).and_then(|()| out.flush()).is_err()
        {
            to = None;
        }
        queue.push(bytes);
    }
}

/// Starts the copy from standard input on a thread of its own. It ends the
/// queue when standard input ends.
///
/// # Errors
/// When the descriptors cannot be duplicated or no thread can start.
pub fn start(queue: Arc<Queue>, to_stdout: bool) -> io::Result<()> {
    // Plain descriptors: Rust's own handles would buffer.
    let from = stdin()?;
    let to = if to_stdout { stdout().ok() } else { None };
    std::thread::Builder::new()
        .name("passthrough".into())
        .spawn(move || {
            // An unreadable input is an ended one; there is nobody to tell twice.
            let _ = copy(from, to, &queue);
            queue.end();
        })?;
    Ok(())
}

/// Standard input, unbuffered.
#[cfg(unix)]
pub(crate) fn stdin() -> io::Result<File> {
    use std::os::fd::AsFd;
    Ok(File::from(io::stdin().as_fd().try_clone_to_owned()?))
}

#[cfg(unix)]
fn stdout() -> io::Result<File> {
    use std::os::fd::AsFd;
    Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?))
}

/// Standard input, unbuffered.
#[cfg(not(unix))]
pub(crate) fn stdin() -> io::Result<File> {
    use std::os::windows::io::AsHandle;
    Ok(File::from(io::stdin().as_handle().try_clone_to_owned()?))
}

#[cfg(not(unix))]
fn stdout() -> io::Result<File> {
    use std::os::windows::io::AsHandle;
    Ok(File::from(io::stdout().as_handle().try_clone_to_owned()?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::input::queue::Popped;

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_reader_does_not_end_the_watch() {
        let queue = Queue::new();
        let input: Vec<u8> = (0..200_000_u32).map(|n| n as u8).collect();
        copy(&input[..], Some(Closed), &queue).unwrap();
        let mut seen = Vec::new();
        while let Popped::Bytes(bytes) = queue.pop(Duration::ZERO) {
            seen.extend(bytes);
        }
        assert!(seen == input);
    }
}
