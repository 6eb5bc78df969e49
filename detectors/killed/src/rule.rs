//! What an event means, how bad it is, and when it is told.

use runwatch_detector::text::{self, last_part};
use runwatch_detector::told::Told;
use runwatch_detector::{NO_RANK, Point, Severity, Text};
use serde::{Deserialize, Serialize};

use crate::explain;

/// The events that are about processes.
pub(crate) const EVENTS: &[&str] = &[
    "killed",
    "child-failed",
    "exited",
    "nccl-timeout",
    "nccl-error",
    "cuda-error",
    "gpu-xid",
    "slurm-cancelled",
    "lsf-kill",
    "pbs-kill",
    "ray-actor-died",
    "dataloader-died",
    "segfault",
    "bus-error",
    "aborted",
    "fatal-python-error",
    "terminated",
    "interrupted",
];

/// What happened, however it was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// SIGKILL.
    Killed,
    /// A process ended with an error of its own.
    Failed,
    /// A collective operation did not end.
    Hung,
    /// A collective operation failed.
    Nccl,
    /// A GPU call failed.
    Gpu,
    /// The driver reports a GPU error.
    Xid,
    /// The scheduler ended the job.
    Cancelled,
    /// A Ray actor died.
    Actor,
    /// A loader's worker died.
    Loader,
    /// SIGSEGV, SIGBUS, SIGABRT, or a fatal error of the interpreter.
    Crashed,
    /// SIGTERM.
    Terminated,
    /// SIGINT.
    Interrupted,
}

impl Kind {
    /// What an event says; none if another detector reports it.
    #[must_use]
    pub fn of(text: &Text) -> Option<Self> {
        Some(match text.name.as_str() {
            "killed" => Self::Killed,
            "child-failed" | "exited" => Self::of_exit_code(exit_code(text)),
            "nccl-timeout" => Self::Hung,
            // The line that ends a traceback: `exception` has it with its frame.
            "nccl-error" | "cuda-error" if is_raised(&text.content) => return None,
            "nccl-error" => Self::Nccl,
            "cuda-error" => Self::Gpu,
            "gpu-xid" => Self::Xid,
            "slurm-cancelled" | "lsf-kill" | "pbs-kill" => Self::Cancelled,
            "ray-actor-died" => Self::Actor,
            "dataloader-died" => Self::Loader,
            "segfault" | "bus-error" | "aborted" | "fatal-python-error" => Self::Crashed,
            "terminated" => Self::Terminated,
            "interrupted" => Self::Interrupted,
            _ => return None,
        })
    }

    /// Python and launchers negate a signal, shells and containers add 128.
    fn of_exit_code(code: Option<i64>) -> Self {
        match code {
            Some(-9 | 137) => Self::Killed,
            Some(-11 | 139 | -7 | 135 | -6 | 134 | -4 | 132 | -8 | 136) => Self::Crashed,
            Some(-15 | 143) => Self::Terminated,
            Some(-2 | 130) => Self::Interrupted,
            _ => Self::Failed,
        }
    }

    /// The key of its findings.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Killed => "killed/sigkill",
            Self::Failed => "killed/failed",
            Self::Hung => "killed/nccl-timeout",
            Self::Nccl => "killed/nccl-error",
            Self::Gpu => "killed/gpu-error",
            Self::Xid => "killed/gpu-xid",
            Self::Cancelled => "killed/cancelled",
            Self::Actor => "killed/ray-actor",
            Self::Loader => "killed/dataloader",
            Self::Crashed => "killed/crashed",
            Self::Terminated => "killed/sigterm",
            Self::Interrupted => "killed/sigint",
        }
    }
}

/// What is remembered of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Watch {
    told: Told,
    /// An exception of the job's own was printed.
    raised: bool,
}

impl Watch {
    /// Notes an exception. What a launcher raises only repeats the end.
    pub fn exception(&mut self, text: &Text) {
        let name = last_part(&text.name);
        self.raised |= !matches!(name, "ChildFailedError" | "SignalException" | "unknown");
    }

    /// How bad an event is, if it is to be told.
    pub fn look(&mut self, kind: Kind, text: &Text, at: &Point, silence: f64) -> Option<Severity> {
        // Which ranks wait in a collective tells which one does not. All else
        // is one alert, whichever ranks and launchers say so.
        let rank = if kind == Kind::Hung { at.rank } else { NO_RANK };
        let what = format!("{} {}", kind.key(), of_what(kind, text));
        self.told.look(text::hash(&what), rank, at.time, silence)?;
        Some(self.severity(kind, text))
    }

    fn severity(&self, kind: Kind, text: &Text) -> Severity {
        match kind {
            // The exception before it has been told, and is the cause.
            Kind::Failed if self.raised => Severity::Warning,
            Kind::Cancelled if !is_violent(text) => Severity::Warning,
            Kind::Xid if explain::is_harmless_xid(text) => Severity::Warning,
            Kind::Terminated => Severity::Warning,
            Kind::Interrupted => Severity::Info,
            _ => Severity::Critical,
        }
    }
}

/// What tells two of a kind apart: the job that was cancelled, the error of a GPU.
fn of_what(kind: Kind, text: &Text) -> String {
    match kind {
        // A step `31.0` is of the job 31.
        Kind::Cancelled => {
            let job = text.field("job").or(text.field("step")).unwrap_or_default();
            job.split('.').next().unwrap_or_default().to_owned()
        }
        Kind::Xid => explain::xid_code(text).map_or_else(String::new, |code| code.to_string()),
        _ => String::new(),
    }
}

/// Whether the scheduler ended the job for something that it did, and not
/// because its time was up, somebody wanted it, or another job goes first.
fn is_violent(text: &Text) -> bool {
    let reason = text.field("reason").unwrap_or_default();
    const VIOLENT: [&str; 8] = [
        "node-failure",
        "node-fail",
        "out-of-memory",
        "memory",
        "MEMLIMIT",
        "SWAP",
        "UNKNOWN",
        "PROCESSLIMIT",
    ];
    VIOLENT.contains(&reason)
}

/// The exit code that an event names.
pub(crate) fn exit_code(text: &Text) -> Option<i64> {
    text.field("exitcode")?.parse().ok()
}

/// `RuntimeError: CUDA error: …`.
fn is_raised(line: &str) -> bool {
    let Some((name, _)) = line.split_once(": ") else {
        return false;
    };
    let word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.');
    (name.ends_with("Error") || name.ends_with("Exception")) && name.bytes().all(word)
}
