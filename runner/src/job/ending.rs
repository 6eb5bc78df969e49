//! How a job ended, and how to end like it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobEnding {
    /// By itself, with this exit code.
    Exited(i32),
    /// By this signal.
    Killed(i32),
}

impl JobEnding {
    /// Whether it ended by itself with 0.
    #[must_use]
    pub fn is_success(self) -> bool {
        self == Self::Exited(0)
    }

    /// The exit code of a shell's command that ended so.
    #[must_use]
    pub fn code(self) -> u8 {
        let code = match self {
            Self::Exited(code) => code & 0xff,
            Self::Killed(signal) => 128 + (signal & 0x7f),
        };
        u8::try_from(code).unwrap_or(u8::MAX)
    }

    /// Ends this process in the same way. Gives the exit code where that takes
    /// no signal, or the signal cannot be had.
    #[cfg(unix)]
    #[must_use]
    pub fn imitate(self) -> u8 {
        if let Self::Killed(signal) = self {
            use rustix::process::{Resource, Rlimit, setrlimit};
            // The job's core dump is the one of interest.
            let none = Rlimit {
                current: Some(0),
                maximum: Some(0),
            };
            _ = setrlimit(Resource::Core, none);
            _ = signal_hook::low_level::emulate_default_handler(signal);
        }
        self.code()
    }
}

impl fmt::Display for JobEnding {
    /// `exit code 1`, `signal 9 (SIGKILL)`.
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(to, "exit code {code}"),
            Self::Killed(signal) => {
                write!(to, "signal {signal}")?;
                #[cfg(unix)]
                if let Some(name) = signal_hook::low_level::signal_name(*signal) {
                    write!(to, " ({name})")?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_a_shell() {
        assert_eq!(JobEnding::Exited(3).code(), 3);
        assert_eq!(JobEnding::Exited(256 + 3).code(), 3);
        assert_eq!(JobEnding::Killed(9).code(), 137);
        assert!(JobEnding::Exited(0).is_success());
        assert!(!JobEnding::Killed(0).is_success());
    }

    #[test]
    #[cfg(unix)]
    fn in_words() {
        assert_eq!(JobEnding::Exited(1).to_string(), "exit code 1");
        assert_eq!(JobEnding::Killed(11).to_string(), "signal 11 (SIGSEGV)");
        assert_eq!(JobEnding::Killed(99).to_string(), "signal 99");
    }
}
