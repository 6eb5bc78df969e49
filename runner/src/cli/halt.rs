//! The flags about halting, and about starting again: what they change in the
//! configuration.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::config::{Config, units};
use crate::halt::{On, Reach, Settings};

/// Whether runs are halted.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(super) struct Halt {
    /// End a run that wastes its machines: at any `critical` alert, at a
    /// `warning` too, or where the detector `asked` for it; `dry-run` only says
    /// what would be done; `off` whatever the configuration says
    #[arg(long, value_name = "WHEN", help_heading = "Halting")]
    halt: Option<When>,
}

impl Halt {
    /// Whether it was said on the command line that runs are to be halted.
    pub(super) fn is_asked_for(self) -> bool {
        !matches!(self.halt, None | Some(When::Off))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum When {
    Off,
    Asked,
    Warning,
    Critical,
    DryRun,
}

impl Halt {
    /// Changes the configuration as the flag says.
    pub(super) fn apply(self, config: &mut Config) {
        match self.halt {
            None => {}
            Some(When::Off) => off(config),
            Some(When::Asked) => config.halt.on = On::Asked,
            Some(When::Warning) => config.halt.on = On::Warning,
            Some(When::Critical) => config.halt.on = On::Critical,
            Some(When::DryRun) => {
                config.halt.dry_run = true;
                if !Settings::of(config).enabled() {
                    config.halt.on = On::Critical;
                }
            }
        }
    }
}

/// Nothing halts, whichever detector or route says so.
fn off(config: &mut Config) {
    config.halt.on = On::Off;
    let detectors = config.detectors.iter_mut().map(|it| &mut it.halt);
    let routes = config.routes.iter_mut().map(|it| &mut it.halt);
    for halt in detectors.chain(routes) {
        *halt = halt.map(|_| Reach::Off);
    }
}

/// Whether a job that ended is started again.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Restart {
    /// Start the job again after it was halted, or after a crash; may be given
    /// twice
    #[arg(long, value_name = "WHEN", help_heading = "Halting")]
    restart: Vec<After>,
    /// How often in a row, without progress
    #[arg(long, value_name = "NUMBER", help_heading = "Halting")]
    restart_attempts: Option<u32>,
    /// How long to wait before; twice as long with each attempt
    #[arg(long, value_name = "DURATION", value_parser = duration, help_heading = "Halting")]
    restart_backoff: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum After {
    OnHalt,
    OnCrash,
}

impl Restart {
    /// Changes the configuration as the flags say.
    pub(super) fn apply(&self, config: &mut Config) {
        let settings = &mut config.restart;
        if !self.restart.is_empty() {
            settings.on_halt = self.restart.contains(&After::OnHalt);
            settings.on_crash = self.restart.contains(&After::OnCrash);
        }
        settings.attempts = self.restart_attempts.unwrap_or(settings.attempts);
        settings.backoff = self.restart_backoff.unwrap_or(settings.backoff);
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let longest = Duration::from_secs(24 * 3600);
    units::parse_duration(text)
        .filter(|duration| *duration <= longest)
        .ok_or_else(|| "a duration up to 24h such as \"30s\" is expected".to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::config::{Flags, Place, load};

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        halt: Halt,
        #[command(flatten)]
        restart: Restart,
    }

    fn with(file: &str, flags: &[&str]) -> Config {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("runwatch.toml"), file).unwrap();
        let place = Place {
            folder: folder.path(),
            variable: &|_| None,
        };
        let mut config = load(&Flags::default(), &place, &["non-finite"])
            .unwrap()
            .config;
        let words = std::iter::once(&"runwatch").chain(flags);
        let cli = Cli::try_parse_from(words).unwrap();
        cli.halt.apply(&mut config);
        cli.restart.apply(&mut config);
        config
    }

    #[test]
    fn the_flag_changes_what_halts() {
        for (flag, on) in [
            ("asked", On::Asked),
            ("warning", On::Warning),
            ("critical", On::Critical),
            ("off", On::Off),
        ] {
            let config = with(
                "[halt]\non = \"asked\"\nup-to = \"file\"",
                &["--halt", flag],
            );
            assert_eq!((config.halt.on, config.halt.up_to), (on, Reach::File));
            assert!(!config.halt.dry_run);
        }
        assert!(Cli::try_parse_from(["runwatch", "--halt", "always"]).is_err());
    }

    #[test]
    fn off_on_the_command_line_is_off_everywhere() {
        let file = "[detectors.non-finite]\nhalt = \"kill\"\n\
                    [[routes]]\nsinks = []\nhalt = \"file\"\n";
        assert!(Settings::of(&with(file, &[])).enabled());
        assert!(!Settings::of(&with(file, &["--halt", "off"])).enabled());
    }

    #[test]
    fn a_dry_run_is_of_what_is_configured_or_of_criticals() {
        let config = with("", &["--halt", "dry-run"]);
        assert_eq!((config.halt.on, config.halt.dry_run), (On::Critical, true));
        let config = with("[halt]\non = \"asked\"", &["--halt", "dry-run"]);
        assert_eq!((config.halt.on, config.halt.dry_run), (On::Asked, true));
        let file = "[detectors.non-finite]\nhalt = \"kill\"";
        let config = with(file, &["--halt", "dry-run"]);
        assert_eq!((config.halt.on, config.halt.dry_run), (On::Off, true));
    }

    #[test]
    fn when_to_start_again() {
        let file = "[restart]\non = [\"crash\"]\nattempts = 5\nbackoff = \"1m\"";
        let settings = with(file, &[]).restart;
        assert_eq!((settings.on_halt, settings.on_crash), (false, true));
        assert_eq!(settings.attempts, 5);
        let flags = ["--restart", "on-halt", "--restart-attempts", "1"];
        let settings = with(file, &flags).restart;
        assert_eq!((settings.on_halt, settings.on_crash), (true, false));
        assert_eq!(settings.attempts, 1);
        assert_eq!(settings.backoff, Duration::from_secs(60));
        let both = [
            "--restart=on-halt",
            "--restart=on-crash",
            "--restart-backoff=5s",
        ];
        let settings = with(file, &both).restart;
        assert!(settings.on_halt && settings.on_crash);
        assert_eq!(settings.backoff, Duration::from_secs(5));
    }
}
