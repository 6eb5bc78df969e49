//! Stacks of Python processes, by `py-spy dump` where that is installed.
//!
//! It is asked not to stop the process: a process that is looked at must go on
//! as if it were not, even if py-spy dies meanwhile.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How to get it.
pub const HINT: &str =
    "`pip install py-spy` in the environment of the job shows where it is next time";

/// The most that is read of a dump.
const DUMP_BYTES: u64 = 4 << 20;
/// A process that runs on meanwhile cannot always be read.
const TRIES: usize = 4;
/// Frames that are shown of a stack: the innermost and the outermost.
const FRAMES: (usize, usize) = (24, 6);
/// How often we look whether it has ended.
const LOOK: Duration = Duration::from_millis(10);

/// A thread of a Python process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    /// Its name, or its number where it has none.
    pub name: String,
    /// `idle`, `active`, `active+gil`.
    pub state: String,
    /// The frames, the innermost first.
    pub frames: Vec<Frame>,
}

/// A call that has not returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The function.
    pub function: String,
    /// The file with its line, if known.
    pub place: String,
    /// Whether it is of Python or of an installed package, not of the job.
    pub is_library: bool,
}

impl Frame {
    fn parse(line: &str) -> Self {
        let (function, place) = match line.strip_suffix(')').and_then(|it| it.rsplit_once(" (")) {
            Some((function, place)) => (function, place),
            None => (line, ""),
        };
        let (place, is_library) = shorten(place);
        Self {
            function: function.to_owned(),
            place: place.to_owned(),
            is_library,
        }
    }

    /// `step, train.py:12`, with no more of the path than tells the file.
    fn brief(&self) -> String {
        let mut parts = self.place.rsplitn(3, '/');
        let short = match (self.is_library, parts.next(), parts.next()) {
            (false, Some(file), Some(folder)) if !folder.is_empty() => format!("{folder}/{file}"),
            _ => self.place.clone(),
        };
        format!("{}, {short}", self.function)
    }
}

/// A path without the folder in which all packages are, and whether it is in one.
fn shorten(path: &str) -> (&str, bool) {
    for folder in ["/site-packages/", "/dist-packages/"] {
        if let Some((_, rest)) = path.rsplit_once(folder) {
            return (rest, true);
        }
    }
    let standard = path.find("/lib/python").and_then(|at| {
        let rest = path.get(at + "/lib/python".len()..)?;
        rest.split_once('/')
    });
    match standard {
        Some((_, rest)) => (rest, true),
        // What Python makes itself: `<frozen importlib._bootstrap>`.
        None => (path, path.starts_with('<')),
    }
}

/// Where py-spy is: beside the Python of the process, else in `PATH`.
#[must_use]
pub fn find(pid: u32, program: Option<&Path>, command: Option<&str>) -> Option<PathBuf> {
    // A virtual environment shows in the first word of the command only.
    let first = command.and_then(|it| it.split(' ').next()).map(Path::new);
    let folder = first
        .and_then(Path::parent)
        .filter(|it| *it != Path::new(""));
    let of_command = folder.map(|folder| match folder.is_absolute() {
        true => folder.to_owned(),
        false => Path::new(&format!("/proc/{pid}/cwd")).join(folder),
    });
    let beside = program.and_then(Path::parent).map(Path::to_owned);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = of_command.into_iter().chain(beside);
    folders
        .chain(std::env::split_paths(OsStr::new(&path)))
        .map(|folder| folder.join("py-spy"))
        .find(|path| path.is_file())
}

/// The stacks of a Python process.
///
/// # Errors
///
/// Why there are none, in a few words.
pub fn dump(py_spy: &Path, pid: u32, until: Instant) -> Result<Vec<Thread>, String> {
    let mut failed = String::new();
    for _ in 0..TRIES {
        match run(py_spy, pid, until)? {
            Ok(text) => {
                let threads = parse(&text);
                if !threads.is_empty() {
                    return Ok(threads);
                }
                "it shows no thread".clone_into(&mut failed);
            }
            Err(error) => failed = error,
        }
    }
    Err(format!("py-spy could not read it: {failed}"))
}

/// One try: what it wrote, or what it said against it.
fn run(py_spy: &Path, pid: u32, until: Instant) -> Result<Result<String, String>, String> {
    let no_file = |error| format!("no temporary file for py-spy: {error}");
    let mut output = tempfile::tempfile().map_err(no_file)?;
    let mut errors = tempfile::tempfile().map_err(no_file)?;
    let mut command = Command::new(py_spy);
    command
        .args(["dump", "--nonblocking", "--full-filenames", "--pid"])
        .arg(pid.to_string())
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(output.try_clone().map_err(no_file)?)
        .stderr(errors.try_clone().map_err(no_file)?);
    let started = command.spawn();
    let mut child = started.map_err(|error| format!("py-spy could not be started: {error}"))?;
    match wait(&mut child, until) {
        None => Err("py-spy did not return in time".to_owned()),
        Some(true) => Ok(Ok(text(&mut output))),
        Some(false) => Ok(Err(reason(&text(&mut errors)))),
    }
}

/// Whether it succeeded; none if it did not end in time.
fn wait(child: &mut Child, until: Instant) -> Option<bool> {
    while Instant::now() < until {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status.success()),
            Ok(None) => sleep(LOOK),
            Err(_) => return Some(false),
        }
    }
    _ = child.kill();
    // It may hang in the kernel with the process that it reads: then it is left.
    let last = Instant::now() + 20 * LOOK;
    while Instant::now() < last && matches!(child.try_wait(), Ok(None)) {
        sleep(LOOK);
    }
    None
}

fn text(file: &mut File) -> String {
    let mut bytes = Vec::new();
    _ = file.rewind();
    _ = file.take(DUMP_BYTES).read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What an error of py-spy says: its last cause, and what to do about the
/// commonest.
fn reason(errors: &str) -> String {
    let lines = errors.lines().map(str::trim);
    let lines = lines.take_while(|line| !line.starts_with("Stack backtrace"));
    let cause = lines
        .filter(|line| !line.is_empty())
        .last()
        .unwrap_or_default();
    // Causes are numbered.
    let cause = match cause.split_once(": ") {
        Some((number, cause)) if number.bytes().all(|it| it.is_ascii_digit()) => cause,
        _ => cause,
    };
    let cause = crate::deliver::text::clean_line(cause);
    let cause = crate::deliver::text::cut_chars(&cause, 200);
    if cause.to_ascii_lowercase().contains("permission denied") {
        return format!("{cause} (it needs the capability SYS_PTRACE, or to be run as root)");
    }
    cause.into_owned()
}

/// Reads what `py-spy dump` writes.
#[must_use]
pub fn parse(text: &str) -> Vec<Thread> {
    let mut threads: Vec<Thread> = Vec::new();
    for line in text.lines() {
        if let Some(header) = line.strip_prefix("Thread ") {
            threads.extend(header_of(header));
        } else if let Some(frame) = line.strip_prefix("    ")
            && !frame.starts_with(' ')
            && !frame.is_empty()
            && let Some(thread) = threads.last_mut()
        {
            thread.frames.push(Frame::parse(frame));
        }
    }
    // The main thread is what most look for.
    threads.sort_by_key(|thread| thread.name != "MainThread");
    threads
}

/// `7451 (idle): "MainThread"`.
fn header_of(header: &str) -> Option<Thread> {
    let (number, rest) = header.split_once(" (")?;
    let (state, name) = rest.split_once(')')?;
    let name = name.trim_start_matches(": ").trim_matches('"');
    Some(Thread {
        name: if name.is_empty() { number } else { name }.to_owned(),
        state: state.to_owned(),
        frames: Vec::new(),
    })
}

/// Where a process is: the innermost call of its main thread, and what of the
/// job's own code has called that. None if no thread has a frame.
#[must_use]
pub fn place(threads: &[Thread]) -> Option<String> {
    let frames = &threads
        .iter()
        .find(|thread| !thread.frames.is_empty())?
        .frames;
    let inner = frames.first()?;
    let own = frames.iter().find(|frame| !frame.is_library);
    Some(match own.filter(|own| *own != inner) {
        Some(own) => format!("{}, called from {}", inner.brief(), own.brief()),
        None => inner.brief(),
    })
}

/// Whether two processes are in the same places.
#[must_use]
pub fn are_same(a: &[Thread], b: &[Thread]) -> bool {
    let frames = |it: &'_ [Thread]| it.iter().map(|it| it.frames.clone()).collect::<Vec<_>>();
    frames(a) == frames(b)
}

/// The stacks as text, threads with the same frames together.
#[must_use]
pub fn write(threads: &[Thread]) -> String {
    let mut groups: Vec<(Vec<&str>, &Thread)> = Vec::new();
    for thread in threads {
        let same = |(_, first): &&mut (Vec<&str>, &Thread)| first.frames == thread.frames;
        match groups.iter_mut().find(same) {
            Some((names, _)) => names.push(&thread.name),
            None => groups.push((vec![&thread.name], thread)),
        }
    }
    let mut text = String::new();
    for (names, thread) in groups {
        let (first, more) = (names.first().unwrap_or(&""), names.len() - 1);
        _ = write!(text, "thread {first} ({})", thread.state);
        _ = match more {
            0 => writeln!(text),
            _ => writeln!(text, ", and {more} more in the same place"),
        };
        write_frames(&mut text, &thread.frames);
    }
    text
}

fn write_frames(text: &mut String, frames: &[Frame]) {
    let (inner, outer) = FRAMES;
    let skipped = frames.len().saturating_sub(inner + outer);
    for (at, frame) in frames.iter().enumerate() {
        if skipped > 0 && at == inner {
            _ = writeln!(text, "    … {skipped} more");
        }
        if skipped == 0 || at < inner || at >= inner + skipped {
            _ = writeln!(text, "    {}, {}", frame.function, frame.place);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const DUMP: &str = r#"Process 4242: /opt/venv/bin/python train.py
Python v3.11.7 (/usr/bin/python3.11)

Thread 4250 (idle): "waiter"
    wait (/usr/lib/python3.11/threading.py:320)
    get (/usr/lib/python3.11/queue.py:171)
Thread 4251 (idle): "other"
    wait (/usr/lib/python3.11/threading.py:320)
    get (/usr/lib/python3.11/queue.py:171)
Thread 4242 (active+gil): "MainThread"
    all_reduce (/opt/venv/lib/python3.11/site-packages/torch/distributed/distributed_c10d.py:2501)
    wrapper (/opt/venv/lib/python3.11/site-packages/torch/distributed/c10d_logger.py:83)
    train_step (/home/me/project/train.py:88)
    <module> (/home/me/project/train.py:120)
Thread 0x7F12 (idle)
    <lambda> (<frozen importlib._bootstrap>:1)
"#;

    #[test]
    fn a_dump_is_read() {
        let threads = parse(DUMP);
        let names: Vec<&str> = threads.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["MainThread", "waiter", "other", "0x7F12"]);
        assert_eq!(threads[0].state, "active+gil");
        assert_eq!(
            place(&threads).unwrap(),
            "all_reduce, torch/distributed/distributed_c10d.py:2501, \
             called from train_step, project/train.py:88"
        );
        assert!(threads[3].frames[0].is_library);
        assert!(parse("error: no such process\n").is_empty());
        assert_eq!(place(&[]), None);
    }

    #[test]
    fn threads_in_the_same_place_are_shown_once() {
        let text = write(&parse(DUMP));
        assert_eq!(
            text,
            "thread MainThread (active+gil)\n\
             \x20   all_reduce, torch/distributed/distributed_c10d.py:2501\n\
             \x20   wrapper, torch/distributed/c10d_logger.py:83\n\
             \x20   train_step, /home/me/project/train.py:88\n\
             \x20   <module>, /home/me/project/train.py:120\n\
             thread waiter (idle), and 1 more in the same place\n\
             \x20   wait, threading.py:320\n\
             \x20   get, queue.py:171\n\
             thread 0x7F12 (idle)\n\
             \x20   <lambda>, <frozen importlib._bootstrap>:1\n"
        );
    }

    #[test]
    fn deep_stacks_are_shortened_in_the_middle() {
        let frames: String = (0..1000)
            .map(|at| format!("    f{at} (x.py:{at})\n"))
            .collect();
        let text = write(&parse(&format!(
            "Thread 1 (idle): \"MainThread\"\n{frames}"
        )));
        assert!(
            text.contains("    f23, x.py:23\n    … 970 more\n    f994, x.py:994\n"),
            "{text}"
        );
    }

    #[test]
    fn errors_of_py_spy_in_a_few_words() {
        let error = "Error: Failed to get stack traces\n\nCaused by:\n    0: Failed to read\n    \
                     1: No such file or directory (os error 2)\n\nStack backtrace:\n   0: main\n";
        assert_eq!(reason(error), "No such file or directory (os error 2)");
        assert!(
            reason("Error: Permission Denied: Try running again with elevated")
                .contains("SYS_PTRACE")
        );
    }
}
