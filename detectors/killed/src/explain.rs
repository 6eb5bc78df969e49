//! Signals, exit codes and GPU errors in words, and what to do about them.
//!
//! The GPU errors are those of NVIDIA's list of Xid messages.

use runwatch_detector::{NO_RANK, Text};

use crate::rule::{Kind, exit_code as code_of};

/// What happened, as the beginning of a sentence.
pub(crate) fn what(kind: Kind, text: &Text) -> String {
    match kind {
        Kind::Killed => "A process was killed with SIGKILL",
        Kind::Failed => "A process ended with an error",
        Kind::Hung => "A collective operation timed out: this rank waited for one that never came",
        Kind::Nccl => "NCCL reported an error",
        Kind::Gpu => "A GPU call failed",
        Kind::Xid => "The GPU driver reported an error",
        Kind::Cancelled => return format!("The scheduler ended the job{}", due(text)),
        Kind::Actor => "A Ray actor died",
        Kind::Loader => "A worker of the data loader died",
        Kind::Crashed => "A process crashed in native code",
        Kind::Terminated => "The job was asked to end (SIGTERM)",
        Kind::Interrupted => "The job was interrupted (SIGINT)",
    }
    .to_owned()
}

/// A few words.
pub(crate) fn title(kind: Kind, text: &Text, rank: u32) -> String {
    let who = if rank == NO_RANK {
        "Process".to_owned()
    } else {
        format!("Rank {rank}")
    };
    match kind {
        Kind::Killed => format!("{who} was killed (SIGKILL)"),
        Kind::Failed => match code_of(text) {
            Some(code) => format!("{who} ended with exit code {code}"),
            None => format!("{who} ended with an error"),
        },
        Kind::Hung => match text.field("operation") {
            Some(operation) => format!("NCCL timeout in {operation}"),
            None => "NCCL timeout".to_owned(),
        },
        Kind::Nccl => "NCCL error".to_owned(),
        Kind::Gpu => "GPU call failed".to_owned(),
        Kind::Xid => match xid_code(text) {
            Some(code) => format!("GPU error: Xid {code}"),
            None => "GPU error (Xid)".to_owned(),
        },
        Kind::Cancelled => format!("Job cancelled{}", due(text)),
        Kind::Actor => "Ray actor died".to_owned(),
        Kind::Loader => "Data loader worker died".to_owned(),
        Kind::Crashed => format!("{who} crashed"),
        Kind::Terminated => "Job terminated (SIGTERM)".to_owned(),
        Kind::Interrupted => "Job interrupted (SIGINT)".to_owned(),
    }
}

/// ` due to time limit`.
fn due(text: &Text) -> String {
    text.field("reason").map_or_else(String::new, |reason| {
        let reason = match reason {
            "RUNLIMIT" | "CPULIMIT" | "DEADLINE" => "time-limit",
            "MEMLIMIT" | "SWAP" => "memory-limit",
            "PREEMPT" => "preemption",
            "OWNER" | "ADMIN" | "FORCE_OWNER" | "FORCE_ADMIN" => "a-command",
            reason => reason,
        };
        format!(" due to {}", reason.replace('-', " "))
    })
}

/// What an exit code means, if it is not just 1.
pub(crate) fn exit_code(code: i64) -> Option<String> {
    let signal = match code {
        -64..=-1 => -code,
        129..=192 => code - 128,
        2 => return Some("Exit code 2 is usually a wrong command line.".to_owned()),
        126 | 127 => {
            return Some(format!(
                "Exit code {code}: the command was not found or cannot be run."
            ));
        }
        _ => return None,
    };
    let meaning = match signal {
        2 => "SIGINT: somebody pressed Ctrl-C",
        4 => "SIGILL: an instruction that this processor does not have",
        6 => {
            "SIGABRT: a native library gave up (an assertion, NCCL's watchdog, a failed allocation)"
        }
        7 => "SIGBUS: often shared memory that ran out",
        8 => "SIGFPE: a division by zero in native code",
        9 => "SIGKILL: nobody can catch it; often the kernel's out-of-memory killer",
        11 => "SIGSEGV: native code touched memory that is not its own",
        15 => "SIGTERM: the scheduler, the launcher or a person asked it to end",
        _ => return Some(format!("Exit code {code} is signal {signal}.")),
    };
    Some(format!("Exit code {code} is {meaning}."))
}

/// Which error of a GPU a line of the driver names: `NVRM: Xid (PCI:0000:3b:00): 79, …`.
pub(crate) fn xid_code(text: &Text) -> Option<u32> {
    let (_, rest) = text.content.split_once("Xid")?;
    let rest = match rest.split_once("): ") {
        Some((_, rest)) => rest,
        None => rest.trim_start_matches([' ', ':']),
    };
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
}

/// What the GPU error means.
pub(crate) fn xid(text: &Text) -> Option<String> {
    let code = xid_code(text).filter(|_| text.name == "gpu-xid")?;
    let meaning = match code {
        13 | 31 => "an address or instruction that is wrong, usually the program's fault",
        43 | 45 => "the channel of a process that ended was cleaned up, usually a consequence",
        48 | 94 | 95 => "a memory error that could not be corrected (ECC)",
        63 | 64 => "a broken memory page or row is taken out of use",
        74 => "NVLink failed",
        79 => "the GPU has fallen off the bus",
        119 | 120 => "the GPU's own processor does not answer",
        _ => {
            return Some(format!(
                "Xid {code} is explained in NVIDIA's list of Xid errors."
            ));
        }
    };
    Some(format!("Xid {code} is {meaning}."))
}

/// Whether the error is only a consequence or a repair.
pub(crate) fn is_harmless_xid(text: &Text) -> bool {
    matches!(xid_code(text), Some(43 | 45 | 63))
}

/// What to do now.
pub(crate) fn what_to_do(kind: Kind, text: &Text) -> &'static str {
    match kind {
        Kind::Killed => {
            "Look whether memory ran out: `dmesg | grep -i oom` on the node, the job's memory limit \
             (`sacct -j JOB -o MaxRSS,ReqMem,State`), the container's status. If it did, ask for more memory or \
             use fewer loader workers; if not, somebody or the scheduler killed it. Then restart from the last \
             checkpoint."
        }
        Kind::Failed => {
            "The run is over or will hang. Find the first error above this line in the log of the process named \
             (an exception is reported on its own), correct it, and go on from the last checkpoint."
        }
        Kind::Hung => {
            "The rank that does NOT report this is usually the guilty one: it crashed, hangs in the data loader, \
             or took another path through the code. Look at its log and stacks (py-spy dump) before you kill \
             the job, then restart from the last checkpoint. If long evaluation or checkpoints on one rank are \
             normal, raise the timeout of init_process_group."
        }
        Kind::Nccl => {
            "One rank usually fails first: find the earliest error of all ranks. If there is none, run with \
             NCCL_DEBUG=INFO and check network and GPUs of the nodes named."
        }
        Kind::Gpu => {
            "Run again with CUDA_LAUNCH_BLOCKING=1 to see the guilty call. If it does not come again, suspect the \
             GPU: check dmesg for Xid lines and `nvidia-smi -q`."
        }
        Kind::Xid => match xid_code(text) {
            Some(13 | 31) => {
                "Look for an index out of range in the program first (CUDA_LAUNCH_BLOCKING=1). If it comes on one \
                 machine only, treat the GPU as broken."
            }
            Some(43 | 45) => {
                "Look for the error before it: this one follows from the end of a process."
            }
            Some(63) => {
                "The job can go on. Reset the GPU (or restart the node) when the job is done."
            }
            _ => {
                "Take the node out of the job (Slurm: --exclude), restart from the last checkpoint, and have the \
                 GPU reset or replaced. `nvidia-smi -q` on the node shows its state."
            }
        },
        Kind::Cancelled => match text.field("reason") {
            Some("time-limit" | "RUNLIMIT" | "CPULIMIT" | "DEADLINE") => {
                "Submit it again from its last checkpoint, with a longer limit or a chain of jobs; let it save a \
                 checkpoint on the signal before the limit (Slurm --signal)."
            }
            Some("preemption" | "PREEMPT") => {
                "See whether the scheduler has queued it again (Slurm --requeue) and whether it resumes from its \
                 last checkpoint; if not, submit it again."
            }
            Some("node-failure" | "node-fail") => {
                "A node failed. Submit the job again from its last checkpoint, without that node (--exclude)."
            }
            Some("MEMLIMIT" | "SWAP" | "out-of-memory" | "memory") => {
                "Ask for more memory, or use less of it (fewer loader workers), and go on from the last checkpoint."
            }
            _ => {
                "Somebody or the scheduler cancelled it: if it was not you, ask who (`sacct -j JOB -o \
                 State,Reason`). Else submit it again from its last checkpoint."
            }
        },
        Kind::Actor => {
            "Look at the log of the actor (in Ray's session directory, or `ray logs actor`) and at the memory of \
             its node: the usual cause is the out-of-memory killer or the loss of the node. Then restart from \
             the last checkpoint."
        }
        Kind::Loader => {
            "The usual cause is memory: raise the container's --shm-size or the job's memory, or use fewer \
             workers. With num_workers=0 for some steps the real error shows."
        }
        Kind::Crashed => {
            "Look at the native stack (PYTHONFAULTHANDLER=1, a core dump) and at what changed last: versions of \
             CUDA, drivers and compiled packages must fit each other; a bus error is often a full /dev/shm. If \
             it comes on one node only, suspect its memory. Restart from the last checkpoint."
        }
        Kind::Terminated => {
            "If it was not you: look whether the scheduler preempted the job or its time was up, or another rank \
             died first (the launcher then ends the others). Go on from the last checkpoint."
        }
        Kind::Interrupted => "If it was not you, find out who. Go on from the last checkpoint.",
    }
}
