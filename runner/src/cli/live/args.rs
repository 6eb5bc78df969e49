//! What every live watch can be told on the command line.

use clap::Args as ClapArgs;

use super::{Before, Outlets};
use crate::cli::delivery::Delivering;
use crate::cli::halt::Halt;
use crate::cli::options::{self, Configured, Shown};
use crate::cli::output::say;
use crate::config::Config;
use crate::exit::Failure;
use crate::pipeline::Pipeline;

/// Flags of live watches.
///
/// Clap names a group after the struct; that of the command is `Args`, too.
#[derive(Debug, Clone, ClapArgs)]
#[group(skip)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    pub(in crate::cli) shown: Shown,
    #[command(flatten)]
    pub(in crate::cli) delivering: Delivering,
    /// Keep alerts only, and not what the metrics were
    #[arg(long, help_heading = "Delivery")]
    no_history: bool,
    #[command(flatten)]
    pub(in crate::cli) halt: Halt,
    #[command(flatten)]
    configured: Configured,
}

impl Args {
    /// The configuration with what the flags change.
    pub(in crate::cli) fn config(&self) -> Result<Config, Failure> {
        let mut config = self.configured.load()?.config;
        self.halt.apply(&mut config);
        Ok(config)
    }

    /// Says something that is no alert, unless only alerts are wanted.
    pub(in crate::cli) fn note(&self, text: &str) {
        if !self.shown.quiet {
            say(&format!("runwatch: {text}"));
        }
    }

    /// The detectors and the judge.
    pub(in crate::cli) fn pipeline(&self, config: &Config) -> Result<Pipeline, Failure> {
        options::pipeline(config, 1, true, |text| self.note(&text))
    }

    /// The ways out.
    pub(in crate::cli) fn outlets(
        &self,
        config: &Config,
        before: Before,
    ) -> Result<Outlets, Failure> {
        let history = !self.no_history;
        Outlets::open(self.shown, &self.delivering, history, config, before)
    }

    /// Says who watches.
    pub(in crate::cli) fn announce(&self, pipeline: &Pipeline) {
        self.note(&format!("watching with {}", options::watchers(pipeline)));
    }
}
