//! What an end most likely was, and what to do about it.

/// What an end most likely was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guess {
    /// The kernel killed it for want of memory.
    OutOfMemory,
    /// SIGKILL, and not by the kernel as far as that can be seen.
    KilledFromOutside,
    /// SIGSEGV.
    Segmentation,
    /// SIGBUS.
    Bus,
    /// SIGILL.
    IllegalInstruction,
    /// SIGFPE.
    Arithmetic,
    /// SIGABRT.
    Aborted,
    /// SIGTERM, SIGINT, SIGHUP or SIGQUIT.
    AskedToEnd,
    /// SIGUSR1 or SIGUSR2, for which it had no handler.
    Unhandled,
    /// SIGPIPE.
    NobodyReads,
    /// SIGXCPU or SIGXFSZ.
    Limit,
    /// A GPU has failed.
    Gpu,
    /// A disk is full.
    DiskFull,
    /// The command is not there or cannot be executed.
    NoCommand,
    /// It ended by itself with an error.
    Failed,
    /// Nothing is known.
    Unknown,
}

/// What points to it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Clues {
    /// The signal that ended it, or a process of its.
    pub(super) signal: Option<i32>,
    pub(super) code: Option<i32>,
    /// The job's own groups count a kill.
    pub(super) memory: bool,
    /// The kernel's log has one, of whomever.
    pub(super) memory_in_log: bool,
    pub(super) gpu: bool,
    pub(super) disk: bool,
}

pub(super) fn guess(clues: &Clues) -> Guess {
    let has_failed = clues.code.is_some_and(|code| code != 0);
    match clues.signal {
        Some(9) if clues.memory || clues.memory_in_log => Guess::OutOfMemory,
        Some(9) => Guess::KilledFromOutside,
        Some(6 | 11 | 7) if clues.gpu => Guess::Gpu,
        Some(7) => Guess::Bus,
        Some(11) => Guess::Segmentation,
        Some(4) => Guess::IllegalInstruction,
        Some(8) => Guess::Arithmetic,
        Some(6) => Guess::Aborted,
        Some(1 | 2 | 3 | 15) => Guess::AskedToEnd,
        Some(10 | 12) => Guess::Unhandled,
        Some(13) => Guess::NobodyReads,
        Some(24 | 25) => Guess::Limit,
        Some(_) => Guess::Unknown,
        // A worker was killed, and the job gave up.
        None if has_failed && clues.memory => Guess::OutOfMemory,
        None if has_failed && clues.gpu => Guess::Gpu,
        None if has_failed && clues.disk => Guess::DiskFull,
        None if matches!(clues.code, Some(126 | 127)) => Guess::NoCommand,
        None if has_failed => Guess::Failed,
        None => Guess::Unknown,
    }
}

impl Guess {
    /// In a few words; nothing where the ending says it all.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::OutOfMemory => "out of memory",
            Self::KilledFromOutside => "from outside, by a scheduler or a person?",
            Self::Segmentation => "segmentation fault",
            Self::Bus => "bus error, often a full /dev/shm",
            Self::IllegalInstruction => "illegal instruction",
            Self::Arithmetic => "arithmetic error",
            Self::Aborted => "aborted, often by CUDA, NCCL or an assertion",
            Self::AskedToEnd => "asked to end",
            Self::Unhandled => "no handler for this signal",
            Self::NobodyReads => "nobody reads its output any more",
            Self::Limit => "over a limit of the shell",
            Self::Gpu => "a GPU has failed",
            Self::DiskFull => "the disk is full",
            Self::NoCommand => "no such command",
            Self::Failed | Self::Unknown => "",
        }
    }
}

/// What to do about it.
#[must_use]
pub fn recommendation(guess: &Guess) -> &'static str {
    match guess {
        Guess::OutOfMemory => {
            "Give the job more memory, or let it use less: fewer data loader workers, a smaller \
             `prefetch_factor`, no list of tensors that grows with the steps. Then go on from the \
             last checkpoint."
        }
        Guess::KilledFromOutside => {
            "Ask who sent it: the scheduler (`sacct -j JOB`, `kubectl describe pod`) for its time \
             and memory limits, then the kernel's log (`dmesg -T`) for `Out of memory`. Go on from \
             the last checkpoint."
        }
        Guess::Segmentation | Guess::IllegalInstruction | Guess::Arithmetic => {
            "A library crashed, not Python: run with `python -X faulthandler` to see where. Check \
             that the packages with native code were built for this Python, CUDA and CPU."
        }
        Guess::Bus => {
            "Look at `df -h /dev/shm`: data loader workers pass tensors through it. In Docker use \
             `--shm-size` or `--ipc=host`, or fewer workers. A file that shrank while it was \
             mapped does the same."
        }
        Guess::Aborted => {
            "The lines before the end name who gave up. With CUDA, run once with \
             `CUDA_LAUNCH_BLOCKING=1`; if it was NCCL's watchdog, look for the rank that went \
             missing."
        }
        Guess::AskedToEnd => {
            "If nobody meant it, look at the scheduler: a time limit, a preemption or a machine \
             that goes down ask like that. Go on from the last checkpoint."
        }
        Guess::Unhandled => {
            "Whoever sent this signal expected a handler that saves a checkpoint or shows stacks; \
             install one in the job, or do not send it."
        }
        Guess::NobodyReads => "Look at what the job's output is piped into: that ended first.",
        Guess::Limit => "Look at `ulimit -a`: the time of the CPU or the size of files is limited.",
        Guess::Gpu => {
            "Look at `nvidia-smi -q` and `dmesg`, take the machine out of service if it comes \
             again, and go on from the last checkpoint on another one."
        }
        Guess::DiskFull => {
            "Make room, and check that the last checkpoint is whole before going on from it."
        }
        Guess::NoCommand => "Check the command's spelling, its path and that it may be executed.",
        Guess::Failed => {
            "The last lines and the traceback say what went wrong. Mend it, then go on from the \
             last checkpoint."
        }
        Guess::Unknown => "Look at the last lines of the job, then at the scheduler's own log.",
    }
}
