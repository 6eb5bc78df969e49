//! How a detector can fail, by name.

use std::fmt;

use wasmtime::{Trap, WasmBacktrace};

use super::limits::{Limits, MemoryExceeded};
use super::wasi::{Denied, Exited};

/// What kind of limit, trap or broken promise it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// The detector panicked, aborted or exited.
    Panic,
    /// A call took longer than its wall-time limit.
    Deadline,
    /// The detector wanted more memory than its limit.
    Memory,
    /// The detector recursed too deep.
    Stack,
    /// The detector called something it has no right to.
    DeniedImport,
    /// A finding breaks the contract.
    BadFinding,
    /// A call returned more than its limit of findings or bytes.
    Flood,
    /// Any other trap, such as an access out of bounds.
    Trap,
}

impl FaultKind {
    /// The name in alerts and documentation.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Panic => "panic",
            Self::Deadline => "deadline",
            Self::Memory => "memory",
            Self::Stack => "stack",
            Self::DeniedImport => "denied-import",
            Self::BadFinding => "bad-finding",
            Self::Flood => "flood",
            Self::Trap => "trap",
        }
    }

    /// What the user can do about it.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::Panic => "The text above comes from the detector; report it to its author.",
            Self::Deadline => {
                "If the machine is merely busy, raise `timeout` for this detector; otherwise it loops and its author should know."
            }
            Self::Memory => {
                "If the detector really needs more, raise `memory` for it; otherwise it leaks and its author should know."
            }
            Self::Stack => "The detector recurses without end; report it to its author.",
            Self::DeniedImport => {
                "Detectors have no files and no network by design. If you did not write this detector, ask yourself why it wants them."
            }
            Self::BadFinding => {
                "The detector breaks the contract in wit/; report it to its author."
            }
            Self::Flood => "The detector returns too much at once; report it to its author.",
            Self::Trap => "The detector is broken; report it to its author.",
        }
    }
}

/// One failure of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What kind.
    pub kind: FaultKind,
    /// The contract's function: `observe`, `tick`, ….
    pub call: &'static str,
    /// What happened, in a sentence without a full stop.
    pub message: String,
    /// The last lines that the detector wrote to standard error or the log.
    pub output: Vec<String>,
    /// The innermost frames: of an exception, or demangled.
    pub frames: Vec<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}: {}", self.kind.name(), self.call, self.message)
    }
}

impl std::error::Error for Fault {}

/// Frames shown with a fault.
const FRAMES: usize = 5;

impl Fault {
    /// A fault that the host found, not the machine.
    pub(crate) fn found(kind: FaultKind, call: &'static str, message: String) -> Self {
        Self {
            kind,
            call,
            message,
            output: Vec::new(),
            frames: Vec::new(),
        }
    }

    /// Names what a failed call ended with, whose limit was `fuel` if it was not
    /// time.
    pub(super) fn from_error(
        error: &wasmtime::Error,
        call: &'static str,
        limits: &Limits,
        fuel: Option<u64>,
        output: Vec<String>,
    ) -> Self {
        let root = error.root_cause().to_string();
        let (kind, message) = if let Some(memory) = error.downcast_ref::<MemoryExceeded>() {
            (FaultKind::Memory, memory.to_string())
        } else if let Some(denied) = error.downcast_ref::<Denied>() {
            (FaultKind::DeniedImport, denied.to_string())
        } else if let Some(exited) = error.downcast_ref::<Exited>() {
            (FaultKind::Panic, exited.to_string())
        } else if let Some(trap) = error.downcast_ref::<Trap>() {
            match trap {
                Trap::Interrupt => (
                    FaultKind::Deadline,
                    format!("interrupted after {:.1} s", limits.timeout.as_secs_f64()),
                ),
                Trap::OutOfFuel => (
                    FaultKind::Deadline,
                    format!(
                        "interrupted after {} units of fuel",
                        fuel.unwrap_or_default()
                    ),
                ),
                Trap::StackOverflow => (FaultKind::Stack, "the stack is used up".to_owned()),
                Trap::UnreachableCodeReached => {
                    let text = output
                        .iter()
                        .rev()
                        .find(|line| line.contains("panicked at"));
                    let message = text.map_or("the detector aborted", |_| "the detector panicked");
                    (FaultKind::Panic, message.to_owned())
                }
                other => (FaultKind::Trap, other.to_string()),
            }
        } else if root.contains("fuel") {
            // wasmtime keeps the type of this error to itself; the text is
            // checked by a test.
            (
                FaultKind::Flood,
                "one call pushed more bytes to the host than its limit".to_owned(),
            )
        } else if root.contains("cannot allocate another handle") {
            // Handles live in the host's memory, and wasmtime counts them; of
            // the error's type and the test the same is true.
            (
                FaultKind::Memory,
                "holds more handles than the host has room for".to_owned(),
            )
        } else {
            (FaultKind::Trap, root)
        };
        let frames = error
            .downcast_ref::<WasmBacktrace>()
            .map(readable_frames)
            .unwrap_or_default();
        let fault = Self {
            kind,
            call,
            message,
            output,
            frames,
        };
        match kind {
            FaultKind::Panic | FaultKind::Trap => fault.named_by_exception(),
            _ => fault,
        }
    }

    /// Where a language's glue has told of an exception before it gave up, that
    /// is what happened: the machine's own frames show an interpreter at work.
    fn named_by_exception(mut self) -> Self {
        let begin = |line: &String| line.starts_with(UNCAUGHT);
        let Some(at) = self.output.iter().rposition(begin) else {
            return self;
        };
        let frame = |line: &String| Some(line.strip_prefix(FRAME)?.to_owned());
        let mut told = self.output.split_off(at).into_iter();
        let first = told.next().unwrap_or_default();
        let told: Vec<String> = told.collect();
        let frames: Vec<String> = told.iter().map_while(frame).collect();
        self.output.extend(told.into_iter().skip(frames.len()));
        Self {
            kind: FaultKind::Panic,
            message: first.trim_start_matches(UNCAUGHT).to_owned(),
            frames,
            ..self
        }
    }
}

/// How the glue of a language begins when it tells the log, at level `error`,
/// of an exception that nobody caught: `Uncaught ValueError: no such key`.
const UNCAUGHT: &str = "error: Uncaught ";
/// How each line after that begins, from the innermost frame to the outermost:
/// `    at app.py:12 in observe`.
const FRAME: &str = "    at ";

/// The innermost frames with names as their authors wrote them, from the first
/// that is not the language's own: how a panic works inside helps nobody.
fn readable_frames(backtrace: &WasmBacktrace) -> Vec<String> {
    let names: Vec<String> = backtrace
        .frames()
        .iter()
        // The alternate form leaves out the hash; other languages' names pass
        // through as they are.
        .filter_map(|frame| {
            Some(format!(
                "{:#}",
                rustc_demangle::demangle(frame.func_name()?)
            ))
        })
        .collect();
    let own = names.iter().position(|name| !is_runtime(name)).unwrap_or(0);
    names.into_iter().skip(own).take(FRAMES).collect()
}

/// Whether a function belongs to Rust's runtime or the C library.
fn is_runtime(name: &str) -> bool {
    let name = name.trim_start_matches(['<', '&']);
    [
        "std::", "core::", "alloc::", "__rust", "rust_", "dlmalloc", "wasip2::",
    ]
    .iter()
    .any(|start| name.starts_with(start))
        || ["abort", "exit", "_Exit", "malloc", "realloc", "calloc"].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_names_the_fault() {
        let fault = |lines: &[&str]| {
            let text = "the detector aborted".to_owned();
            let fault = Fault::found(FaultKind::Trap, "observe", text);
            let output = lines.iter().map(|&line| line.to_owned()).collect();
            Fault { output, ..fault }.named_by_exception()
        };
        let told = fault(&[
            "info: error: Uncaught is a word",
            "error: Uncaught ValueError: no such key",
            "    at app.py:12 in find",
            "    at app.py:30 in observe",
            "info: and more",
        ]);
        assert_eq!(
            told.to_string(),
            "panic in observe: ValueError: no such key"
        );
        assert_eq!(told.frames, ["app.py:12 in find", "app.py:30 in observe"]);
        assert_eq!(
            told.output,
            ["info: error: Uncaught is a word", "info: and more"]
        );
        let silent = fault(&["info: error: Uncaught is a word"]);
        assert_eq!(silent.to_string(), "trap in observe: the detector aborted");
    }
}
