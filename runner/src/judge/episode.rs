//! The state of one fingerprint: its cooldown and its open episode.
//!
//! The cooldown belongs to the fingerprint and outlives episodes; an episode
//! runs from firing to resolved.

use super::Policy;
use super::compose::Notice;
use crate::alert::Severity;

/// A place in the stream.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// The step, unless the finding belongs to no row.
    pub(super) step: Option<i64>,
    /// The rank that printed it.
    pub(super) rank: Option<u32>,
    /// Seconds since 1970, NaN where unknown.
    pub(super) time: f64,
}

/// The last alert that passed the cooldown.
#[derive(Debug)]
struct Mark {
    at: Moment,
    severity: Severity,
    /// The run has gone back behind the mark: steps say nothing any more.
    steps_over: bool,
    /// Firing findings since, which stand in for steps where those are unknown.
    since: u64,
}

/// When a muted episode is to be announced: both must have been reached.
#[derive(Debug, Clone, Copy)]
pub(super) struct Due {
    /// `None` until the run's first row after the finding.
    pub(super) step: Option<i64>,
    /// Negative infinity where time does not matter.
    pub(super) time: f64,
}

/// A muted finding that will be announced if its episode outlasts the cooldown.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) notice: Notice,
    pub(super) due: Due,
}

/// From firing to resolved.
#[derive(Debug)]
pub(super) struct Episode {
    /// From 1 within the fingerprint.
    pub(super) number: u64,
    /// Where it began.
    pub(super) first_step: Option<i64>,
    /// Firing findings so far, muted ones included.
    pub(super) count: u64,
    /// Alerts so far.
    pub(super) alerts: u32,
    /// The highest severity that was let out; none: nobody has heard of it.
    pub(super) highest: Option<Severity>,
    /// The title of the last alert, for a `resolved` that has none.
    pub(super) title: String,
    /// What to say when the cooldown ends.
    pub(super) pending: Option<Box<Pending>>,
}

/// Everything remembered about one fingerprint.
#[derive(Debug)]
pub(super) struct Trail {
    /// When it was last used, in findings of the run.
    pub(super) touched: u64,
    /// The number of the open or last episode.
    pub(super) episodes: u64,
    /// The open episode.
    pub(super) open: Option<Episode>,
    /// Whether any alert of it was ever let out.
    pub(super) heard: bool,
    mark: Option<Mark>,
}

impl Trail {
    /// A fingerprint not seen before; its episodes are numbered after `episodes`.
    pub(super) fn new(episodes: u64) -> Self {
        Self {
            touched: 0,
            episodes,
            open: None,
            heard: false,
            mark: None,
        }
    }

    /// Counts a firing finding, which opens an episode unless one is open.
    pub(super) fn fire(&mut self, at: &Moment) -> &mut Episode {
        if let Some(mark) = &mut self.mark {
            mark.since += 1;
        }
        if self.open.is_none() {
            self.episodes += 1;
        }
        let episode = self.open.get_or_insert_with(|| Episode {
            number: self.episodes,
            first_step: at.step,
            count: 0,
            alerts: 0,
            highest: None,
            title: String::new(),
            pending: None,
        });
        episode.count += 1;
        episode
    }

    /// Whether a firing of this severity goes out here: it is the first, it is
    /// worse than the last, or the cooldown is over.
    pub(super) fn passes(&self, policy: &Policy, at: &Moment, severity: Severity) -> bool {
        let Some(mark) = &self.mark else { return true };
        severity > mark.severity || mark.cooled(policy, at)
    }

    /// Whether a muted firing of this severity is to be announced when the
    /// cooldown ends. What is less than the episode was announced as adds
    /// nothing, and must not pass for it.
    pub(super) fn worth_announcing(&self, severity: Severity) -> bool {
        let announced = self
            .open
            .as_ref()
            .is_some_and(|episode| episode.highest.is_some());
        !announced
            || self
                .mark
                .as_ref()
                .is_some_and(|mark| severity >= mark.severity)
    }

    /// Keeps a muted finding for the end of the cooldown: the latest of the worst.
    pub(super) fn mute(&mut self, policy: &Policy, notice: Notice) {
        let due = self.due(policy, &notice.at);
        let Some(episode) = &mut self.open else {
            return;
        };
        if let Some(kept) = &episode.pending
            && kept.notice.finding.severity > notice.finding.severity
        {
            return;
        }
        episode.pending = Some(Box::new(Pending { notice, due }));
    }

    fn due(&self, policy: &Policy, at: &Moment) -> Due {
        let mark = self.mark.as_ref();
        let from = mark
            .filter(|mark| !mark.steps_over)
            .and_then(|mark| mark.at.step)
            .or(at.step);
        let time = match (policy.cooldown_seconds, mark) {
            (Some(seconds), Some(mark)) if !mark.at.time.is_nan() => mark.at.time + seconds,
            _ => f64::NEG_INFINITY,
        };
        Due {
            step: from.map(|step| step.saturating_add(policy.cooldown_steps)),
            time,
        }
    }

    /// Starts the cooldown.
    pub(super) fn mark(&mut self, at: Moment, severity: Severity) {
        self.mark = Some(Mark {
            at,
            severity,
            steps_over: false,
            since: 0,
        });
    }

    /// Where the cooldown in steps began, as rank and step.
    pub(super) fn marked_step(&self) -> Option<(Option<u32>, i64)> {
        let mark = self.mark.as_ref().filter(|mark| !mark.steps_over)?;
        Some((mark.at.rank, mark.at.step?))
    }

    /// The rank has gone back to this step: a cooldown that began later is
    /// over, and what is pending waits a cooldown from here.
    pub(super) fn rewind(&mut self, policy: &Policy, rank: Option<u32>, step: i64) {
        let Some(mark) = &mut self.mark else { return };
        if mark.steps_over || mark.at.rank != rank || mark.at.step.is_none_or(|at| at <= step) {
            return;
        }
        mark.steps_over = true;
        if let Some(pending) = self
            .open
            .as_mut()
            .and_then(|episode| episode.pending.as_mut())
        {
            pending.due.step = Some(step.saturating_add(policy.cooldown_steps));
        }
    }
}

impl Mark {
    /// Whether the cooldown is over: in steps, and in seconds if the policy
    /// says so, as far as either is known. A distance of exactly the cooldown
    /// is enough. Where neither is known, findings are counted instead.
    fn cooled(&self, policy: &Policy, at: &Moment) -> bool {
        let cooldown = policy.cooldown_steps.max(0).unsigned_abs();
        let steps = if self.steps_over {
            Some(true)
        } else {
            // Ranks print at their own pace: only the same rank can go back,
            // another one is merely behind, and near is near in either direction.
            self.at.step.zip(at.step).map(|(mark, step)| {
                (self.at.rank == at.rank && step < mark) || mark.abs_diff(step) >= cooldown
            })
        };
        let gap = (at.time - self.at.time).abs();
        let seconds = policy
            .cooldown_seconds
            .filter(|_| !gap.is_nan())
            .map(|limit| gap >= limit);
        match (steps, seconds) {
            (None, None) => self.since >= cooldown,
            (steps, seconds) => steps.unwrap_or(true) && seconds.unwrap_or(true),
        }
    }
}
