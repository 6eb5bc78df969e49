//! One file that grows: what is new in it, and whether it is still the same.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::archive::{self, HEADER};
use super::compressed::Compression;
use super::follow::Seen;

/// The most bytes taken from one file before the others have their turn.
pub(super) const TURN: usize = 1 << 20;
/// The first bytes of a file, by which one begun anew is told from one that grew.
pub(super) const MARK: usize = 64;

/// One file, by its name.
pub(super) struct Tail {
    path: PathBuf,
    state: State,
    /// It was opened before.
    announced: bool,
    /// Take only what comes after the first opening.
    from_end: bool,
    /// The last error, which is not said again.
    problem: Option<io::ErrorKind>,
}

enum State {
    /// Not there, or not to be opened.
    Closed,
    Open(Open),
    /// Not to be followed: compressed, for example.
    Refused,
}

struct Open {
    file: File,
    id: Id,
    read: u64,
    mark: Vec<u8>,
    /// Another file has taken the name: this one gets one more look, for what
    /// its writer had not written yet.
    moved: bool,
    /// It could not be read.
    lost: bool,
}

/// What makes a file the same after its name has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Id(u64, u64);

#[cfg(unix)]
fn id(file: &Metadata) -> Id {
    use std::os::unix::fs::MetadataExt as _;
    Id(file.dev(), file.ino())
}

#[cfg(not(unix))]
fn id(file: &Metadata) -> Id {
    // The moment it was created; where there is none, the mark must do.
    let created = file.created().ok();
    let since = created.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    since.map_or(Id(0, 0), |since| {
        Id(since.as_secs(), since.subsec_nanos().into())
    })
}

impl Tail {
    pub(super) fn new(path: PathBuf, from_end: bool) -> Self {
        Self {
            path,
            state: State::Closed,
            announced: false,
            from_end,
            problem: None,
        }
    }

    /// Looks at the file, and says whether it has more to give at once.
    pub(super) fn poll(&mut self, number: usize, seen: &mut dyn FnMut(Seen<'_>)) -> bool {
        let looked = match &mut self.state {
            State::Refused => return false,
            State::Closed => self.open(number, seen),
            State::Open(_) => Ok(()),
        };
        let looked = looked.and_then(|()| match &mut self.state {
            State::Open(open) => open.poll(number, &self.path, seen),
            _ => Ok(Look::Done),
        });
        match looked {
            Ok(look) => {
                self.problem = None;
                if look == Look::Moved {
                    self.state = State::Closed;
                }
                look != Look::Done
            }
            Err(error) => {
                if let State::Open(open) = &mut self.state {
                    open.lost = true;
                }
                self.failed(&error, seen);
                false
            }
        }
    }

    /// Whether it is this file that is being read, under another name.
    pub(super) fn is_moved(&self, path: &Path, about: &Metadata) -> bool {
        match &self.state {
            State::Open(open) => open.id == id(about) && self.path != path,
            _ => false,
        }
    }

    /// Opens the file. One that is not there is awaited.
    fn open(&mut self, number: usize, seen: &mut dyn FnMut(Seen<'_>)) -> io::Result<()> {
        // Not opened before it is known to be a file: a pipe would keep us.
        let about = fs::metadata(&self.path)?;
        if about.is_dir() {
            // It was not there at first; its files are found now.
            self.state = State::Refused;
            return Ok(());
        }
        if !about.is_file() {
            self.refuse("is no file that could be followed", seen);
            return Ok(());
        }
        let mut file = File::open(&self.path)?;
        let about = file.metadata()?;
        let head = head(&mut file, HEADER)?;
        if Compression::of(&head).is_some() || archive::is_tar(&head) {
            self.refuse("is compressed; try `runwatch review`", seen);
            return Ok(());
        }
        let mut read = 0;
        if std::mem::take(&mut self.from_end) {
            read = about.len();
        }
        file.seek(SeekFrom::Start(read))?;
        if self.announced {
            seen(Seen::Anew(number));
        } else {
            seen(Seen::File(number, &self.path));
        }
        self.announced = true;
        self.state = State::Open(Open {
            id: id(&about),
            mark: head.into_iter().take(MARK).collect(),
            file,
            read,
            moved: false,
            lost: false,
        });
        Ok(())
    }

    fn refuse(&mut self, why: &str, seen: &mut dyn FnMut(Seen<'_>)) {
        self.state = State::Refused;
        let text = format!("`{}` {why}", self.path.display());
        seen(Seen::Note(text));
    }

    /// A file that cannot be read is opened again later: a network filesystem
    /// forgets its files.
    fn failed(&mut self, error: &io::Error, seen: &mut dyn FnMut(Seen<'_>)) {
        let new = self.problem.replace(error.kind()) != Some(error.kind());
        let missing = error.kind() == io::ErrorKind::NotFound;
        if new && !missing {
            let text = format!("cannot read `{}`, trying on: {error}", self.path.display());
            seen(Seen::Note(text));
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// Read to its end, for now.
    Done,
    /// There is more.
    More,
    /// Read to its end, and another file has its name.
    Moved,
}

impl Open {
    fn poll(
        &mut self,
        number: usize,
        path: &Path,
        seen: &mut dyn FnMut(Seen<'_>),
    ) -> io::Result<Look> {
        let about = self.reopened(path)?;
        if about.len() < self.read || !self.mark_stands(about.len())? {
            seen(Seen::Anew(number));
            self.read = 0;
            self.mark.clear();
            self.file.seek(SeekFrom::Start(0))?;
        }
        let bytes = self.take()?;
        if !bytes.is_empty() {
            seen(Seen::Bytes(number, &bytes));
            return Ok(if bytes.len() == TURN {
                Look::More
            } else {
                Look::Done
            });
        }
        match fs::metadata(path) {
            Ok(now) if id(&now) != self.id => {
                let known = std::mem::replace(&mut self.moved, true);
                Ok(if known { Look::Moved } else { Look::Done })
            }
            // Without a name it may still be written to.
            _ => Ok(Look::Done),
        }
    }

    /// What is known of the open file. If the system has forgotten it, the one
    /// of its name is opened in its place, and is the same one if it has the
    /// same beginning.
    fn reopened(&mut self, path: &Path) -> io::Result<Metadata> {
        if let Ok(about) = self.file.metadata()
            && !self.lost
        {
            return Ok(about);
        }
        let file = File::open(path)?;
        let about = file.metadata()?;
        self.file = file;
        self.id = id(&about);
        self.lost = false;
        self.file.seek(SeekFrom::Start(self.read))?;
        Ok(about)
    }

    /// Whether the file begins as it did: one that was cut and has outgrown
    /// its old size since does not. A short mark is made longer.
    fn mark_stands(&mut self, len: u64) -> io::Result<bool> {
        if len == self.read && self.mark.len() == MARK {
            // Nothing new; the mark is looked at when there is.
            return Ok(true);
        }
        let now = head(&mut self.file, MARK)?;
        self.file.seek(SeekFrom::Start(self.read))?;
        let stands = now.starts_with(&self.mark);
        if stands {
            self.mark = now;
        }
        Ok(stands)
    }

    /// What is new, at most a [`TURN`].
    fn take(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = (&self.file).take(TURN as u64).read_to_end(&mut bytes);
        self.read += bytes.len() as u64;
        // What came before an error counts; the error will come again.
        match read {
            Err(error) if bytes.is_empty() => Err(error),
            _ => Ok(bytes),
        }
    }
}

/// The first bytes of a file; leaves it somewhere behind them.
fn head(file: &mut File, len: usize) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(len);
    file.seek(SeekFrom::Start(0))?;
    file.take(len as u64).read_to_end(&mut head)?;
    Ok(head)
}
