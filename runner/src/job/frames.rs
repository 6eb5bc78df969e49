//! What the watcher is told, as it travels through a pipe.
//!
//! A frame is at most [`MAX`] bytes long, which a pipe takes from one of
//! several writers in one piece. It begins with four bytes: what it is (`o` for
//! output, `n` for a note), the stream, and the length of what follows, low
//! byte first. A note is JSON.

use std::io::{self, ErrorKind, Read};

use serde::{Deserialize, Serialize};

use super::ending::JobEnding;

/// The most bytes of a frame: `PIPE_BUF` on Linux. Where it is less, frames of
/// two relays might mix, and there is only one writer on such systems.
pub const MAX: usize = 4096;

const HEADER: usize = 4;

/// The most bytes of output in a frame.
pub const PAYLOAD: usize = MAX - HEADER;

/// What the watcher is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    /// The job wrote.
    Output {
        /// 0 is standard output, 1 standard error where that is apart.
        stream: u8,
        /// What it wrote; a line may go on in the next frame.
        bytes: Vec<u8>,
    },
    /// Something happened.
    Note(Note),
}

/// What happened to the job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "note", rename_all = "kebab-case")]
pub enum Note {
    /// It was started; also the first word to a watcher that takes over.
    Started {
        /// Which start of it, from 1.
        attempt: u32,
        /// Its process, and the leader of its group.
        pid: u32,
        /// When, in seconds since 1970.
        began: f64,
    },
    /// All that can write to this stream is gone.
    Closed {
        /// As in [`Frame::Output`].
        stream: u8,
    },
    /// The keeper was told to end, and has passed that on.
    Interrupted {
        /// By this signal.
        signal: i32,
    },
    /// It ended, and all of its output has come.
    Ended {
        /// Which start of it, from 1.
        attempt: u32,
        /// How.
        ending: JobEnding,
        /// When, in seconds since 1970.
        at: f64,
    },
}

impl Note {
    /// The bytes of its frame.
    #[must_use]
    pub fn frame(&self) -> Vec<u8> {
        let body = serde_json::to_vec(self).unwrap_or_default();
        frame(b'n', 0, &body)
    }
}

/// The frames of some output, each to be written in one piece.
pub fn output(stream: u8, bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    bytes
        .chunks(PAYLOAD)
        .map(move |bytes| frame(b'o', stream, bytes))
}

fn frame(kind: u8, stream: u8, body: &[u8]) -> Vec<u8> {
    let [low, high, ..] = body.len().to_le_bytes();
    let mut frame = Vec::with_capacity(HEADER + body.len());
    frame.extend([kind, stream, low, high]);
    frame.extend(body);
    frame
}

/// Frames out of a stream of bytes, however it is cut.
#[derive(Debug)]
pub struct Reader<R> {
    from: R,
    buffer: Vec<u8>,
    /// What of the buffer is still to be read.
    begin: usize,
    end: usize,
}

impl<R: Read> Reader<R> {
    /// Reads from here.
    pub fn new(from: R) -> Self {
        Self {
            from,
            buffer: vec![0; MAX],
            begin: 0,
            end: 0,
        }
    }

    /// The next frame; none at the end, even if that cuts a frame off.
    ///
    /// # Errors
    /// When nothing can be read, or this is no stream of frames.
    pub fn next_frame(&mut self) -> io::Result<Option<Frame>> {
        if !self.fill(HEADER)? {
            return Ok(None);
        }
        let [kind, stream, low, high] = self.header();
        let length = usize::from(u16::from_le_bytes([low, high]));
        if length > PAYLOAD {
            return Err(broken("a frame is too long"));
        }
        if !self.fill(HEADER + length)? {
            return Ok(None);
        }
        let body = &self.waiting()[HEADER..HEADER + length];
        let frame = match kind {
            b'o' => Frame::Output {
                stream,
                bytes: body.to_vec(),
            },
            b'n' => Frame::Note(serde_json::from_slice(body)?),
            _ => return Err(broken("a frame is of no known kind")),
        };
        self.begin += HEADER + length;
        Ok(Some(frame))
    }

    /// Whether the next frame is here already.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.begin < self.end
    }

    fn waiting(&self) -> &[u8] {
        &self.buffer[self.begin..self.end]
    }

    fn header(&self) -> [u8; HEADER] {
        let mut header = [0; HEADER];
        header.copy_from_slice(&self.waiting()[..HEADER]);
        header
    }

    /// Reads until so many bytes wait. False if the end comes before.
    fn fill(&mut self, wanted: usize) -> io::Result<bool> {
        while self.end - self.begin < wanted {
            self.buffer.copy_within(self.begin..self.end, 0);
            self.end -= self.begin;
            self.begin = 0;
            match self.from.read(&mut self.buffer[self.end..]) {
                Ok(0) => return Ok(false),
                Ok(len) => self.end += len,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

fn broken(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Hands out so many bytes at a read, in turn.
    struct Pieces<'a> {
        rest: &'a [u8],
        sizes: Vec<usize>,
    }

    impl Read for Pieces<'_> {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let size = self.sizes.pop().unwrap_or(7).min(to.len());
            self.rest.read(&mut to[..size])
        }
    }

    fn read(from: impl Read) -> io::Result<Vec<Frame>> {
        let mut reader = Reader::new(from);
        let mut frames = Vec::new();
        while let Some(frame) = reader.next_frame()? {
            frames.push(frame);
        }
        Ok(frames)
    }

    /// To be read back exactly, as JSON's numbers need not be.
    fn seconds() -> impl Strategy<Value = f64> {
        any::<u32>().prop_map(f64::from)
    }

    fn notes() -> impl Strategy<Value = Note> {
        let ending = prop_oneof![
            any::<i32>().prop_map(JobEnding::Exited),
            any::<i32>().prop_map(JobEnding::Killed),
        ];
        prop_oneof![
            any::<(u32, u32, u32)>().prop_map(|(attempt, pid, began)| {
                Note::Started {
                    attempt,
                    pid,
                    // Exact in JSON, too.
                    began: f64::from(began) / 4.0,
                }
            }),
            any::<u8>().prop_map(|stream| Note::Closed { stream }),
            any::<i32>().prop_map(|signal| Note::Interrupted { signal }),
            (any::<u32>(), ending, seconds()).prop_map(|(attempt, ending, at)| Note::Ended {
                attempt,
                ending,
                at,
            }),
        ]
    }

    /// Frames and their bytes, as they are written.
    fn written() -> impl Strategy<Value = (Vec<Frame>, Vec<Vec<u8>>)> {
        let output = (0..2_u8, prop::collection::vec(any::<u8>(), 1..10_000));
        let one = prop_oneof![
            notes().prop_map(|note| (vec![Frame::Note(note.clone())], vec![note.frame()])),
            output.prop_map(|(stream, all)| {
                let frames = all.chunks(PAYLOAD).map(|bytes| Frame::Output {
                    stream,
                    bytes: bytes.to_vec(),
                });
                (frames.collect(), output_frames(stream, &all))
            }),
        ];
        prop::collection::vec(one, 0..12).prop_map(|all| {
            let (frames, bytes): (Vec<_>, Vec<_>) = all.into_iter().unzip();
            (frames.concat(), bytes.concat())
        })
    }

    fn output_frames(stream: u8, bytes: &[u8]) -> Vec<Vec<u8>> {
        super::output(stream, bytes).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn frames_come_out_as_they_went_in_however_they_are_cut(
            (frames, pieces) in written(),
            sizes in prop::collection::vec(1..5000_usize, 0..40),
        ) {
            prop_assert!(pieces.iter().all(|piece| piece.len() <= MAX));
            let bytes = pieces.concat();
            prop_assert_eq!(read(Pieces { rest: &bytes, sizes }).unwrap(), frames);
        }

        #[test]
        fn a_frame_that_is_cut_off_is_left_out(
            (frames, pieces) in written(),
            cut in any::<prop::sample::Index>(),
        ) {
            let bytes = pieces.concat();
            let cut = cut.index(bytes.len() + 1);
            let read = read(&bytes[..cut]).unwrap();
            prop_assert_eq!(&read[..], &frames[..read.len()]);
            let whole: usize = pieces[..read.len()].iter().map(Vec::len).sum();
            prop_assert!(whole <= cut);
            prop_assert!(pieces.get(read.len()).is_none_or(|next| whole + next.len() > cut));
        }

        #[test]
        fn any_bytes_are_frames_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            _ = read(&bytes[..]);
        }
    }
}
