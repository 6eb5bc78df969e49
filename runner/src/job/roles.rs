//! The keeper's helpers: this program, started again as relay or watcher.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Pid;
use serde::{Deserialize, Serialize};

use super::frames::Note;
use super::keeper::Event;
use super::relay::Relay;
use super::streams::{Source, frame_pipe};

/// How often the watcher is started again.
const WATCHERS: u32 = 4;

/// How often a relay is; then its work is done in the keeper.
const RELAYS: u32 = 50;

/// The exit code of a panic.
const PANICKED: i32 = 101;

/// What the watcher wants of the keeper: a JSON line each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "kebab-case")]
pub enum Order {
    /// After [`Note::Ended`]: the job is to be started again after so many seconds.
    Restart {
        /// Seconds.
        after: f64,
    },
    /// The job is being ended, and nothing of it is to be left.
    Halting {
        /// In a few words.
        why: String,
    },
    /// After [`Note::Ended`]: all has been read, and there are only messages
    /// left to deliver.
    Finishing,
}

/// This program in another role.
fn role(name: &str, role: &str, more: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
    // Also when the file has been replaced meanwhile.
    #[cfg(target_os = "linux")]
    let program = OsString::from("/proc/self/exe");
    #[cfg(not(target_os = "linux"))]
    let program = std::env::current_exe().map_or_else(|_| "runwatch".into(), OsString::from);
    let mut command = Command::new(program);
    command
        .arg0(name)
        .args(["exec", "--role", role])
        .args(more)
        .process_group(0);
    command
}

/// One stream's relay, which is started again when it dies.
#[derive(Debug)]
pub(super) struct RelayProcess {
    pub(super) source: Source,
    at_work: AtWork,
    starts: u32,
}

#[derive(Debug)]
enum AtWork {
    Process(Child),
    Thread(JoinHandle<()>),
    Nobody,
}

impl RelayProcess {
    pub(super) fn start(source: Source, watcher: &OwnedFd) -> Self {
        let mut relay = Self {
            source,
            at_work: AtWork::Nobody,
            starts: 0,
        };
        relay.again(watcher);
        relay
    }

    /// The process, while there is one.
    pub(super) fn pid(&self) -> Option<Pid> {
        match &self.at_work {
            AtWork::Process(child) => Some(Pid::from_child(child)),
            _ => None,
        }
    }

    /// Whether the stream has ended.
    pub(super) fn is_done(&self) -> bool {
        match &self.at_work {
            AtWork::Process(_) => false,
            AtWork::Thread(thread) => thread.is_finished(),
            AtWork::Nobody => true,
        }
    }

    /// Whether there is something that it has yet to copy.
    pub(super) fn has_more(&self) -> bool {
        let mut fds = [PollFd::new(&self.source.from, PollFlags::IN)];
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        poll(&mut fds, Some(&at_once)).is_ok() && fds[0].revents().contains(PollFlags::IN)
    }

    /// Starts it again if it has died.
    pub(super) fn look(&mut self, watcher: &OwnedFd) {
        let AtWork::Process(child) = &mut self.at_work else {
            return;
        };
        match child.try_wait() {
            Ok(None) => {}
            Ok(Some(status)) if status.success() => self.at_work = AtWork::Nobody,
            _ => self.again(watcher),
        }
    }

    fn again(&mut self, watcher: &OwnedFd) {
        self.starts += 1;
        let child = if self.starts > RELAYS {
            Err(io::ErrorKind::Other.into())
        } else {
            self.spawn(watcher)
        };
        self.at_work = match child {
            Ok(child) => AtWork::Process(child),
            Err(_) => match self.in_thread(watcher) {
                Ok(thread) => AtWork::Thread(thread),
                Err(_) => AtWork::Nobody,
            },
        };
    }

    fn spawn(&self, watcher: &OwnedFd) -> io::Result<Child> {
        // None of the user's words, by which it might be killed with the others.
        let stream = self.source.stream.to_string();
        role("rw-relay", "relay", ["--stream", &stream, "--", "job"])
            .stdin(self.source.from.try_clone()?)
            .stdout(self.source.to.try_clone()?)
            .stderr(watcher.try_clone()?)
            .spawn()
    }

    fn in_thread(&self, watcher: &OwnedFd) -> io::Result<JoinHandle<()>> {
        let relay = Relay {
            stream: self.source.stream,
            from: File::from(self.source.from.try_clone()?),
            to: File::from(self.source.to.try_clone()?),
            watcher: File::from(watcher.try_clone()?),
        };
        thread::Builder::new().name("relay".into()).spawn(move || {
            // Nothing can be done for an unreadable stream.
            _ = relay.run();
        })
    }
}

/// The watcher, which is started again a few times when it dies.
#[derive(Debug)]
pub(super) struct Watcher {
    arguments: Vec<OsString>,
    variables: Vec<(&'static str, OsString)>,
    events: Sender<Event>,
    /// Where frames come out; closed once nobody is to read them.
    reader: Option<OwnedFd>,
    writer: OwnedFd,
    notes: Sender<Note>,
    child: Option<Child>,
    starts: u32,
    /// What one that takes over has to be told.
    state: Vec<Note>,
}

impl Watcher {
    /// One that is yet to be started, and to which can be written already.
    ///
    /// # Errors
    /// When there is no pipe or thread to be had.
    pub(super) fn new(
        arguments: Vec<OsString>,
        variables: Vec<(&'static str, OsString)>,
        events: Sender<Event>,
    ) -> io::Result<Self> {
        let (reader, writer) = frame_pipe()?;
        let (notes, waiting) = channel();
        let to = File::from(writer.try_clone()?);
        thread::Builder::new()
            .name("notes".into())
            .spawn(move || write_notes(&waiting, to))?;
        Ok(Self {
            arguments,
            variables,
            events,
            reader: Some(reader),
            writer,
            notes,
            child: None,
            starts: 0,
            state: Vec::new(),
        })
    }

    /// Where relays write.
    pub(super) fn pipe(&self) -> &OwnedFd {
        &self.writer
    }

    /// Starts it. False if that cannot be.
    pub(super) fn start(&mut self) -> bool {
        self.starts += 1;
        let child = self.spawn();
        if child.is_err() {
            self.reader = None;
        }
        self.child = child.ok();
        self.child.is_some()
    }

    fn spawn(&self) -> io::Result<Child> {
        let Some(reader) = &self.reader else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let mut child = role("runwatch", "watcher", &self.arguments)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(reader.try_clone()?)
            .stdout(Stdio::piped())
            .spawn()?;
        if let Some(orders) = child.stdout.take() {
            let events = self.events.clone();
            thread::Builder::new()
                .name("orders".into())
                .spawn(move || read_orders(orders, &events))?;
        }
        Ok(child)
    }

    /// Tells it something, without waiting for it.
    pub(super) fn tell(&mut self, note: Note) {
        match note {
            Note::Started { .. } => self.state = vec![note.clone()],
            Note::Ended { .. } => self.state.push(note.clone()),
            _ => {}
        }
        _ = self.notes.send(note);
    }

    /// The process, while there is one.
    pub(super) fn pid(&self) -> Option<Pid> {
        self.child.as_ref().map(Pid::from_child)
    }

    /// Whether it has ended, and none takes over.
    pub(super) fn is_gone(&self) -> bool {
        self.child.is_none()
    }

    /// Starts it again if it has died. False if it is given up.
    pub(super) fn look(&mut self) -> bool {
        let Some(child) = &mut self.child else {
            return true;
        };
        let status = match child.try_wait() {
            Ok(None) => return true,
            Ok(Some(status)) => Some(status),
            Err(_) => None,
        };
        self.child = None;
        if status.is_some_and(has_finished) {
            self.reader = None;
            return true;
        }
        if self.starts < WATCHERS && self.start() {
            for note in self.state.clone() {
                _ = self.notes.send(note);
            }
            return true;
        }
        self.reader = None;
        false
    }

    /// Ends it, whatever it is at.
    pub(super) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            _ = child.kill();
            _ = child.wait();
        }
    }
}

/// Whether it ended by itself.
fn has_finished(status: ExitStatus) -> bool {
    status.signal().is_none() && status.code() != Some(PANICKED)
}

fn write_notes(notes: &Receiver<Note>, mut to: File) {
    for note in notes {
        if to.write_all(&note.frame()).is_err() {
            return;
        }
    }
}

fn read_orders(from: ChildStdout, events: &Sender<Event>) {
    for line in BufReader::new(from).lines() {
        let Ok(line) = line else { return };
        // What is no order is a mistake that must not cost the job anything.
        let Ok(order) = serde_json::from_str(&line) else {
            continue;
        };
        if events.send(Event::Order(order)).is_err() {
            return;
        }
    }
}
