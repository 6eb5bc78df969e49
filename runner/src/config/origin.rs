//! Where a setting's value comes from.

use std::fmt;
use std::sync::Arc;

use super::literal::printable;

/// Where a setting's value comes from. The order is the order in which
/// problems are reported.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Origin {
    /// The defaults that come with runwatch or with the detector.
    #[default]
    Default,
    /// The preset of this name.
    Preset(&'static str),
    /// The user's configuration file.
    File {
        /// The path as the user gave it.
        path: Arc<str>,
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
    },
    /// An environment variable.
    Environment(&'static str),
    /// A flag on the command line, whole: `--set loss-spike.window=64`.
    Flag(Arc<str>),
}

impl Origin {
    /// The origin in a word for `config show`: `default`, `runwatch.toml:12`,
    /// `RUNWATCH_RUN`, `--set`.
    #[must_use]
    pub fn short(&self) -> String {
        match self {
            Self::File { path, line, .. } => format!("{}:{line}", printable(path)),
            Self::Flag(flag) => {
                printable(flag.split_whitespace().next().unwrap_or_default()).into_owned()
            }
            Self::Default | Self::Preset(_) | Self::Environment(_) => self.to_string(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => to.write_str("default"),
            Self::File { path, line, column } => {
                write!(to, "{}:{line}:{column}", printable(path))
            }
            Self::Preset(name) => write!(to, "preset {name}"),
            Self::Environment(name) => to.write_str(name),
            Self::Flag(flag) => to.write_str(&printable(flag)),
        }
    }
}
