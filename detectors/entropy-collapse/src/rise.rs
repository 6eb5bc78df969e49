//! The other way to lose a policy: its entropy runs away upward, for one rank.

use runwatch_detector::Severity;
use serde::{Deserialize, Serialize};

use super::Settings;

/// Entropy far above its start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Explosion {
    /// The entropy now.
    pub entropy: f64,
    /// The entropy at the start.
    pub start: f64,
    /// Critical when the reward has fallen as well.
    pub severity: Severity,
}

/// What one value shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Risen {
    /// Nothing to report.
    Nothing,
    /// It is far above its start.
    Began(Explosion),
    /// By now the reward has fallen as well.
    Worse(Explosion),
    /// It is over.
    Over {
        /// Because the run went back.
        resumed: bool,
    },
}

/// What is remembered.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Rise {
    /// Values in a row that were too high, or not.
    high: usize,
    calm: usize,
    open: Option<Severity>,
}

impl Rise {
    /// Forgets the streak; true if that ends an episode.
    pub(super) fn restart(&mut self) -> bool {
        std::mem::take(self).open.is_some()
    }

    /// Looks at the next value. `fallen` tells whether the reward has.
    #[inline]
    pub(super) fn look(
        &mut self,
        settings: &Settings,
        entropy: f64,
        start: f64,
        fallen: impl FnOnce() -> bool,
    ) -> Risen {
        if entropy > settings.rise * start && entropy > start + settings.rise_nats {
            self.high = self.high.saturating_add(1);
            self.calm = 0;
        } else {
            self.calm = self.calm.saturating_add(1);
            self.high = 0;
        }
        if self.open.is_some() && self.calm >= settings.rows {
            self.open = None;
            return Risen::Over { resumed: false };
        }
        if self.high < settings.rows || self.open == Some(Severity::Critical) {
            return Risen::Nothing;
        }
        let severity = if fallen() {
            Severity::Critical
        } else {
            Severity::Warning
        };
        let explosion = Explosion {
            entropy,
            start,
            severity,
        };
        match self.open {
            None => {
                self.open = Some(severity);
                Risen::Began(explosion)
            }
            Some(before) if severity > before => {
                self.open = Some(severity);
                Risen::Worse(explosion)
            }
            Some(_) => Risen::Nothing,
        }
    }
}
