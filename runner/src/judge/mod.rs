//! Policy: which findings become alerts.
//!
//! Pure logic. Nothing here reads a clock, a file or chance, so the same
//! findings in the same order always make the same alerts with the same ids.
//! `docs/alert.md` states the rules for users; in short:
//!
//! - A **fingerprint** (project, run, detector, key) has **episodes**, from
//!   firing to resolved.
//! - Each alert let out starts the fingerprint's **cooldown**. Within it a
//!   firing of the same or a lower severity is muted, a higher one is not. If
//!   the episode is still open when the cooldown ends, one "still firing"
//!   alert says so, whether or not the detector repeats itself.
//! - A per-run **cap** bounds warnings and infos; criticals have a reserve.
//!
//! Memory is bounded per run, see [`MAX_FINGERPRINTS`].

mod cap;
mod compose;
mod episode;
mod gather;
mod identity;
mod muted;
mod rlwatch;
#[cfg(test)]
mod tests;
mod watch;

use rustc_hash::FxHashMap;

pub(crate) use self::compose::rfc3339;
pub use self::compose::{HOST_DETECTOR, host_alert};
use self::compose::{Letterhead, Notice};
use self::episode::Moment;
use self::gather::Gathering;
pub use self::identity::Fingerprint;
use self::identity::Transition;
use self::muted::{Notes, Told};
use self::rlwatch::Gate;
pub use self::watch::MAX_FINGERPRINTS;
use self::watch::Watch;
use crate::alert::{Alert, Finding, Location, Severity, State};
use crate::ledger::Muted;
use crate::record::{NO_RANK, Run, RunId};

/// What to let out.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// The distance in steps from the last alert of a fingerprint at which the
    /// next one passes. Where steps are unknown and seconds do not decide
    /// either, this many findings stand in for it.
    pub cooldown_steps: i64,
    /// If set, this many seconds must have passed as well, where times are known.
    pub cooldown_seconds: Option<f64>,
    /// The most warnings and infos per run.
    pub max_alerts_per_run: usize,
    /// The most criticals per run, counted apart.
    pub critical_reserve: usize,
    /// What is less than this never becomes an alert.
    pub min_severity: Severity,
    /// Do as rlwatch does, with its defects: see `judge/rlwatch.rs`.
    pub rlwatch: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            cooldown_steps: 100,
            cooldown_seconds: None,
            max_alerts_per_run: 50,
            critical_reserve: 50,
            min_severity: Severity::Info,
            rlwatch: false,
        }
    }
}

/// Where and when a finding was made.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The run's names.
    pub run: &'a Run,
    /// The run.
    pub run_id: RunId,
    /// The detector.
    pub detector: &'a str,
    /// The rank, if the line named one.
    pub rank: Option<u32>,
    /// The step of the finding's row; none from `tick` and `finish`.
    pub step: Option<i64>,
    /// Seconds since 1970, NaN where unknown. When live, give the wall clock
    /// where the record has no time of its own.
    pub time: f64,
    /// The input's name.
    pub input: &'a str,
    /// The line, from 1.
    pub line: Option<u64>,
}

/// What became of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is an alert.
    LetOut,
    /// It is counted, and no more.
    Suppressed(Reason),
}

/// Why a finding did not become an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Too close to the last alert of the same fingerprint.
    Cooldown,
    /// The run has made its share of alerts.
    Cap,
    /// Less than [`Policy::min_severity`].
    MinSeverity,
    /// The end of something that nobody was told of.
    Unannounced,
    /// Another rank's alert names this rank as well.
    OtherRank,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 5] = [
        Self::Cooldown,
        Self::Cap,
        Self::MinSeverity,
        Self::Unannounced,
        Self::OtherRank,
    ];

    /// The reason's name in summaries and in the ledger.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cooldown => "cooldown",
            Self::Cap => "cap",
            Self::MinSeverity => "min-severity",
            Self::Unannounced => "unannounced",
            Self::OtherRank => "other-rank",
        }
    }
}

/// How many findings were suppressed, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Suppressed([u64; Reason::ALL.len()]);

impl Suppressed {
    /// The count of one reason.
    #[must_use]
    pub fn count(&self, reason: Reason) -> u64 {
        self.0[reason as usize]
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    fn add(&mut self, reason: Reason, count: u64) {
        self.0[reason as usize] += count;
    }
}

/// Knows the highest number of an episode that a run had in earlier watches.
#[derive(Default)]
struct Earlier(Option<Episodes>);

/// The highest number of an episode that a run has had.
pub type Episodes = Box<dyn Fn(&Run) -> u64 + Send>;

impl Earlier {
    fn episodes(&self, run: &Run) -> u64 {
        self.0.as_ref().map_or(0, |highest| highest(run))
    }
}

impl std::fmt::Debug for Earlier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Earlier")
    }
}

/// Turns findings into alerts.
///
/// Feed it in the order of the stream: for each row of a run first the row's
/// findings, then [`Judge::progress`]; at the end of the run [`Judge::finish`].
#[derive(Debug)]
pub struct Judge {
    policy: Policy,
    host: String,
    watches: FxHashMap<RunId, Watch>,
    gathering: Gathering,
    gates: FxHashMap<RunId, Gate>,
    suppressed: Suppressed,
    earlier: Earlier,
    /// None: nobody wants to know.
    muted: Option<Notes>,
}

impl Judge {
    /// A judge for the runs that `host` watches.
    #[must_use]
    pub fn new(mut policy: Policy, host: String) -> Self {
        policy.cooldown_steps = policy.cooldown_steps.max(0);
        Self {
            policy,
            host,
            watches: FxHashMap::default(),
            gathering: Gathering::default(),
            gates: FxHashMap::default(),
            suppressed: Suppressed::default(),
            earlier: Earlier::default(),
            muted: None,
        }
    }

    /// From now on numbers the episodes of a run after the highest number that
    /// it had in earlier watches. Without this, what comes again is taken for
    /// the same input read again, and makes the same alerts.
    pub fn number_after(&mut self, earlier: Episodes) {
        self.earlier = Earlier(Some(earlier));
    }

    /// Judges a finding, and appends the alerts that follow from it.
    pub fn finding(&mut self, seen: &Seen<'_>, finding: Finding, out: &mut Vec<Alert>) -> Verdict {
        let told = self.muted.as_ref().map(|_| Told::of(&finding));
        let verdict = self.judge(seen, finding, out);
        if let (Some(told), Some(notes), Verdict::Suppressed(reason)) =
            (told, &mut self.muted, verdict)
        {
            notes.add(seen, told, reason);
        }
        verdict
    }

    /// From now on remembers what was suppressed, until it is
    /// [taken](Judge::take_muted).
    pub fn keep_muted(&mut self) {
        self.muted.get_or_insert_default();
    }

    /// What was suppressed since the last time, if it is kept.
    pub fn take_muted(&mut self) -> Vec<Muted> {
        self.muted.as_mut().map(Notes::take).unwrap_or_default()
    }

    fn judge(&mut self, seen: &Seen<'_>, finding: Finding, out: &mut Vec<Alert>) -> Verdict {
        if self.policy.rlwatch {
            return self.as_rlwatch(seen, finding, out);
        }
        let fingerprint = Fingerprint::new(seen.run, seen.detector, &finding.key);
        let watch = self
            .watches
            .entry(seen.run_id)
            .or_insert_with(|| Watch::new(seen.run.clone(), self.earlier.episodes(seen.run)));
        let gathers = seen
            .rank
            .filter(|_| finding.gather && finding.state == State::Firing);
        let known =
            gathers.is_some_and(|rank| self.gathering.join(fingerprint, rank, finding.severity));
        if !known {
            self.gathering.settle(fingerprint, out);
        }
        let told = out.len();
        let (policy, host) = (&self.policy, self.host.as_str());
        let verdict = match finding.state {
            State::Firing if known => {
                watch.trail(fingerprint).fire(&seen.moment());
                Verdict::Suppressed(Reason::OtherRank)
            }
            State::Firing => Self::firing(policy, host, watch, fingerprint, seen, finding, out),
            State::Resolved => Self::resolved(host, watch, fingerprint, seen, finding, out),
        };
        if verdict == Verdict::LetOut {
            let alerts = out.split_off(told);
            match gathers {
                Some(_) => alerts
                    .into_iter()
                    .for_each(|alert| self.gathering.hold(fingerprint, alert)),
                None => {
                    self.gathering.release_run(seen.run, out);
                    out.extend(alerts);
                }
            }
        }
        if let Verdict::Suppressed(reason) = verdict {
            self.suppressed.add(reason, 1);
        }
        verdict
    }

    fn as_rlwatch(&mut self, seen: &Seen<'_>, finding: Finding, out: &mut Vec<Alert>) -> Verdict {
        let gate = self.gates.entry(seen.run_id).or_default();
        let step = seen.step.unwrap_or_default();
        let passed = match finding.state {
            State::Firing => gate.pass(&self.policy, seen.detector, finding.severity, step),
            State::Resolved => Err(Reason::Unannounced),
        };
        if let Err(reason) = passed {
            self.suppressed.add(reason, 1);
            return Verdict::Suppressed(reason);
        }
        let letterhead = Letterhead {
            host: &self.host,
            run: seen.run,
        };
        out.push(letterhead.lone(seen.notice(finding), gate.sent));
        Verdict::LetOut
    }

    fn firing(
        policy: &Policy,
        host: &str,
        watch: &mut Watch,
        fingerprint: Fingerprint,
        seen: &Seen<'_>,
        finding: Finding,
        out: &mut Vec<Alert>,
    ) -> Verdict {
        let at = seen.moment();
        let severity = finding.severity;
        let trail = watch.trail(fingerprint);
        trail.fire(&at);
        if severity < policy.min_severity {
            return Verdict::Suppressed(Reason::MinSeverity);
        }
        if trail.passes(policy, &at, severity) {
            let notice = seen.notice(finding);
            let fired = Transition::Fired;
            return if watch.announce(policy, host, fingerprint, notice, fired, out) {
                Verdict::LetOut
            } else {
                Verdict::Suppressed(Reason::Cap)
            };
        }
        // No use in keeping what the cap would withhold anyway; it also bounds
        // how many texts are kept.
        if trail.worth_announcing(severity) && watch.cap.has_room(policy, severity) {
            watch.mute(policy, fingerprint, seen.notice(finding));
        }
        Verdict::Suppressed(Reason::Cooldown)
    }

    fn resolved(
        host: &str,
        watch: &mut Watch,
        fingerprint: Fingerprint,
        seen: &Seen<'_>,
        mut finding: Finding,
        out: &mut Vec<Alert>,
    ) -> Verdict {
        watch.settle(fingerprint);
        let episode = watch
            .trails
            .get_mut(&fingerprint)
            .and_then(|trail| trail.open.take());
        let Some(mut episode) = episode else {
            return Verdict::Suppressed(Reason::Unannounced);
        };
        let Some(severity) = episode.highest else {
            return Verdict::Suppressed(Reason::Unannounced);
        };
        compose::resolved(&mut finding, &mut episode, severity);
        episode.alerts += 1;
        let letterhead = Letterhead {
            host,
            run: seen.run,
        };
        out.push(letterhead.alert(
            seen.notice(finding),
            fingerprint,
            &episode,
            Transition::Resolved,
        ));
        Verdict::LetOut
    }

    /// Whether [`Judge::progress`] can do anything for the run at present. If
    /// not, its rows need not be walked.
    #[must_use]
    pub fn pending(&self, run: RunId) -> bool {
        self.watches.get(&run).is_some_and(Watch::is_waiting)
    }

    /// The rank has printed a row with this step: announces episodes that were
    /// muted and have outlasted the cooldown, and notices a run that goes back
    /// to a checkpoint. Costs two comparisons for a row that changes nothing.
    pub fn progress(
        &mut self,
        run: RunId,
        rank: Option<u32>,
        step: i64,
        time: f64,
        out: &mut Vec<Alert>,
    ) {
        let Some(watch) = self.watches.get_mut(&run) else {
            return;
        };
        if watch.concerns(step, time) {
            let at = Moment {
                step: Some(step),
                rank,
                time,
            };
            let withheld = watch.progress(&self.policy, &self.host, at, out);
            self.suppressed.add(Reason::Cap, withheld);
        }
    }

    /// [`Judge::progress`] for several rows, whose columns have one length. Each
    /// alert comes with the number of its row.
    pub fn progress_rows(
        &mut self,
        run: RunId,
        steps: &[i64],
        times: &[f64],
        ranks: &[u32],
        out: &mut Vec<(usize, Alert)>,
    ) {
        let Some(watch) = self.watches.get_mut(&run) else {
            return;
        };
        let mut alerts = Vec::new();
        let rows = steps.iter().zip(times).zip(ranks);
        for (row, ((&step, &time), &rank)) in rows.enumerate() {
            if !watch.concerns(step, time) {
                continue;
            }
            let at = Moment {
                step: Some(step),
                rank: Some(rank).filter(|&rank| rank != NO_RANK),
                time,
            };
            let withheld = watch.progress(&self.policy, &self.host, at, &mut alerts);
            self.suppressed.add(Reason::Cap, withheld);
            out.extend(alerts.drain(..).map(|alert| (row, alert)));
        }
    }

    /// The run is over at this step and time: announces the open episodes that
    /// the cooldown has kept from being announced so far, and what the cap
    /// withheld; then forgets the run but for its cap and the numbers that
    /// ids are made of. A second call finds nothing to say.
    pub fn finish(&mut self, run: RunId, step: Option<i64>, time: f64, out: &mut Vec<Alert>) {
        let Some(watch) = self.watches.get_mut(&run) else {
            return;
        };
        let at = Moment {
            step,
            rank: None,
            time,
        };
        let withheld = watch.finish(&self.policy, &self.host, at, out);
        self.suppressed.add(Reason::Cap, withheld);
    }

    /// Lets alerts go that waited for other ranks: the stream is at this time
    /// (NaN where unknown) and line.
    pub fn release(&mut self, now: f64, line: Option<u64>, out: &mut Vec<Alert>) {
        self.gathering.release(now, line, out);
    }

    /// Lets every alert go that waits for other ranks: no more will come.
    pub fn release_all(&mut self, out: &mut Vec<Alert>) {
        self.gathering.release_all(out);
    }

    /// What was suppressed so far, over all runs.
    #[must_use]
    pub fn suppressed(&self) -> Suppressed {
        self.suppressed
    }
}

impl Seen<'_> {
    fn moment(&self) -> Moment {
        Moment {
            step: self.step,
            rank: self.rank,
            time: self.time,
        }
    }

    fn notice(&self, finding: Finding) -> Notice {
        Notice {
            detector: self.detector.to_owned(),
            rank: self.rank,
            at: self.moment(),
            location: self.line.map(|line| Location {
                input: self.input.to_owned(),
                line,
            }),
            finding,
        }
    }
}
