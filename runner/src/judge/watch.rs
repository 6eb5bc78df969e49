//! The state of one run: its fingerprints, what is pending, and when to look.
//!
//! Bounded: at most [`MAX_FINGERPRINTS`] fingerprints of some 200 bytes each,
//! whatever a detector sends. Texts are kept only for episodes that were let
//! out or may be, and the cap bounds those.

use rustc_hash::FxHashMap;

use super::Policy;
use super::cap::Cap;
use super::compose::{Letterhead, Notice, still_firing};
use super::episode::{Moment, Trail};
use super::identity::{Fingerprint, Transition};
use crate::alert::{Alert, Severity};
use crate::record::Run;

/// The most fingerprints remembered per run. Beyond it some are forgotten:
/// first those of which nothing was ever let out, closed ones before open
/// ones, then the others likewise; among equals the longest unused.
pub const MAX_FINGERPRINTS: usize = 4096;

/// How many of them are forgotten when there is room for no more.
const FORGOTTEN_AT_ONCE: usize = 256;

/// Everything remembered about one run.
#[derive(Debug)]
pub(super) struct Watch {
    run: Run,
    pub(super) trails: FxHashMap<Fingerprint, Trail>,
    /// Fingerprints with something pending, in the order of their muting.
    pending: Vec<Fingerprint>,
    /// No pending one is due before this step,
    due_step: i64,
    /// nor before this time.
    due_time: f64,
    /// No cooldown began after this step: a row below it may have gone back.
    highest_mark: i64,
    /// The same by rank. May be too high after a trail was forgotten.
    rank_marks: FxHashMap<Option<u32>, i64>,
    /// No forgotten fingerprint, nor one of an earlier watch, had an episode with
    /// a higher number, so that one that comes back makes new ids.
    forgotten: u64,
    findings: u64,
    pub(super) cap: Cap,
}

impl Watch {
    /// Episodes are numbered after `episodes`.
    pub(super) fn new(run: Run, episodes: u64) -> Self {
        Self {
            run,
            trails: FxHashMap::default(),
            pending: Vec::new(),
            due_step: i64::MAX,
            due_time: f64::INFINITY,
            highest_mark: i64::MIN,
            rank_marks: FxHashMap::default(),
            forgotten: episodes,
            findings: 0,
            cap: Cap::default(),
        }
    }

    /// Whether a row can change anything.
    pub(super) fn is_waiting(&self) -> bool {
        !self.pending.is_empty() || self.highest_mark > i64::MIN
    }

    /// Whether this row can change anything: two comparisons for most rows.
    #[inline]
    pub(super) fn concerns(&self, step: i64, time: f64) -> bool {
        // An unknown time cannot hold anything back, hence not `time >= due_time`.
        let early = step < self.due_step || time < self.due_time;
        !early || step < self.highest_mark
    }

    /// The trail of a fingerprint, new if need be.
    pub(super) fn trail(&mut self, fingerprint: Fingerprint) -> &mut Trail {
        if self.trails.len() >= MAX_FINGERPRINTS && !self.trails.contains_key(&fingerprint) {
            self.forget_some();
        }
        self.findings += 1;
        let trail = self
            .trails
            .entry(fingerprint)
            .or_insert_with(|| Trail::new(self.forgotten));
        trail.touched = self.findings;
        trail
    }

    /// Forgets the trails that will be missed least. Several at once, so that
    /// endless keys do not cost a search each.
    fn forget_some(&mut self) {
        let mut trails: Vec<_> = self
            .trails
            .iter()
            .map(|(fingerprint, trail)| {
                (
                    (trail.heard, trail.open.is_some(), trail.touched),
                    *fingerprint,
                )
            })
            .collect();
        trails.select_nth_unstable_by_key(FORGOTTEN_AT_ONCE, |(order, _)| *order);
        for (_, fingerprint) in trails.iter().take(FORGOTTEN_AT_ONCE) {
            self.settle(*fingerprint);
            if let Some(trail) = self.trails.remove(fingerprint) {
                self.forgotten = self.forgotten.max(trail.episodes);
            }
        }
    }

    /// Keeps a muted finding for the end of the cooldown.
    pub(super) fn mute(&mut self, policy: &Policy, fingerprint: Fingerprint, notice: Notice) {
        let Some(trail) = self.trails.get_mut(&fingerprint) else {
            return;
        };
        trail.mute(policy, notice);
        if !self.pending.contains(&fingerprint) {
            self.pending.push(fingerprint);
        }
        self.schedule();
    }

    /// Nothing is pending any more for this fingerprint.
    pub(super) fn settle(&mut self, fingerprint: Fingerprint) {
        if let Some(episode) = self
            .trails
            .get_mut(&fingerprint)
            .and_then(|trail| trail.open.as_mut())
        {
            episode.pending = None;
        }
        if let Some(at) = self
            .pending
            .iter()
            .position(|pending| *pending == fingerprint)
        {
            self.pending.remove(at);
            self.schedule();
        }
    }

    /// Finds out when to look at what is pending.
    fn schedule(&mut self) {
        self.due_step = i64::MAX;
        self.due_time = f64::INFINITY;
        for fingerprint in &self.pending {
            let episode = self
                .trails
                .get(fingerprint)
                .and_then(|trail| trail.open.as_ref());
            if let Some(pending) = episode.and_then(|episode| episode.pending.as_ref()) {
                // Without a step the next row sets one, so look at it.
                self.due_step = self.due_step.min(pending.due.step.unwrap_or(i64::MIN));
                self.due_time = self.due_time.min(pending.due.time);
            }
        }
    }

    /// The run has printed a row: announces what is due. Returns how many
    /// announcements the cap withheld.
    pub(super) fn progress(
        &mut self,
        policy: &Policy,
        host: &str,
        at: Moment,
        out: &mut Vec<Alert>,
    ) -> u64 {
        let mut withheld = 0;
        let Some(step) = at.step else { return withheld };
        if self
            .rank_marks
            .get(&at.rank)
            .is_some_and(|mark| step < *mark)
        {
            self.trails
                .values_mut()
                .for_each(|trail| trail.rewind(policy, at.rank, step));
            self.survey();
        }
        for fingerprint in self.pending.clone() {
            let episode = self
                .trails
                .get_mut(&fingerprint)
                .and_then(|trail| trail.open.as_mut());
            let Some(pending) = episode.and_then(|episode| episode.pending.as_mut()) else {
                continue;
            };
            let due = pending
                .due
                .step
                .get_or_insert(step.saturating_add(policy.cooldown_steps));
            let early = step < *due || at.time < pending.due.time;
            if !early && !self.announce_pending(policy, host, fingerprint, at, false, out) {
                withheld += 1;
            }
        }
        self.schedule();
        withheld
    }

    /// Finds out anew below which steps a row has gone back.
    fn survey(&mut self) {
        self.rank_marks.clear();
        for (rank, step) in self.trails.values().filter_map(Trail::marked_step) {
            let mark = self.rank_marks.entry(rank).or_insert(step);
            *mark = step.max(*mark);
        }
        self.highest_mark = self.rank_marks.values().copied().max().unwrap_or(i64::MIN);
    }

    fn announce_pending(
        &mut self,
        policy: &Policy,
        host: &str,
        fingerprint: Fingerprint,
        at: Moment,
        ended: bool,
        out: &mut Vec<Alert>,
    ) -> bool {
        let episode = self
            .trails
            .get_mut(&fingerprint)
            .and_then(|trail| trail.open.as_mut());
        let Some(episode) = episode else { return false };
        let Some(pending) = episode.pending.take() else {
            return false;
        };
        let mut notice = Notice {
            at,
            ..pending.notice
        };
        still_firing(&mut notice.finding, episode, ended);
        self.announce(
            policy,
            host,
            fingerprint,
            notice,
            Transition::StillFiring,
            out,
        )
    }

    /// Lets an alert of the open episode out, if the cap has room for it.
    ///
    /// One that is withheld starts the cooldown too: what is counted as
    /// withheld is then alerts, not findings.
    pub(super) fn announce(
        &mut self,
        policy: &Policy,
        host: &str,
        fingerprint: Fingerprint,
        notice: Notice,
        transition: Transition,
        out: &mut Vec<Alert>,
    ) -> bool {
        self.settle(fingerprint);
        if self.rank_marks.len() > MAX_FINGERPRINTS {
            // Ranks come from the log and may be endless; trails are not.
            self.survey();
        }
        let at = notice.at;
        let severity = notice.finding.severity;
        let letterhead = Letterhead {
            host,
            run: &self.run,
        };
        let Some(trail) = self.trails.get_mut(&fingerprint) else {
            return false;
        };
        trail.mark(at, severity);
        if let Some(step) = at.step {
            let mark = self.rank_marks.entry(at.rank).or_insert(step);
            *mark = step.max(*mark);
            self.highest_mark = step.max(self.highest_mark);
        }
        if !self.cap.take(policy, severity, &notice.detector) {
            if let Some(finding) = self.cap.announcement(policy, severity) {
                out.push(letterhead.own(at, self.cap.told, finding));
            }
            return false;
        }
        trail.heard = true;
        let Some(episode) = &mut trail.open else {
            return false;
        };
        episode.alerts += 1;
        episode.highest = episode.highest.max(Some(severity));
        episode.title.clone_from(&notice.finding.title);
        out.push(letterhead.alert(notice, fingerprint, episode, transition));
        true
    }

    /// The run is over: announces the episodes that nobody has heard of, and
    /// what the cap withheld. Returns how many of these the cap withheld.
    pub(super) fn finish(
        &mut self,
        policy: &Policy,
        host: &str,
        at: Moment,
        out: &mut Vec<Alert>,
    ) -> u64 {
        let mut withheld = 0;
        for fingerprint in std::mem::take(&mut self.pending) {
            let episode = self
                .trails
                .get(&fingerprint)
                .and_then(|trail| trail.open.as_ref());
            let unheard = episode.is_some_and(|episode| episode.highest.is_none());
            if unheard && !self.announce_pending(policy, host, fingerprint, at, true, out) {
                withheld += 1;
            }
        }
        if let Some(finding) = self.cap.account()
            && policy.min_severity <= Severity::Info
        {
            out.push(
                Letterhead {
                    host,
                    run: &self.run,
                }
                .own(at, self.cap.told, finding),
            );
        }
        self.forgotten = self
            .trails
            .values()
            .map(|t| t.episodes)
            .fold(self.forgotten, u64::max);
        self.trails = FxHashMap::default();
        self.survey();
        self.schedule();
        withheld
    }
}
