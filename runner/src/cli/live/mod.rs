//! Detection while it happens, of one input or of several in turn.

mod args;
mod inputs;
mod outlets;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::anyhow;
use rustc_hash::{FxHashMap, FxHashSet};

pub(super) use self::args::Args;
use self::inputs::{Input, last_lines};
pub(super) use self::outlets::{Before, Outlets};
use super::act::Act;
use super::delivery;
use super::options::host;
use super::output::{count, say, summarize};
use crate::alert::{Alert, Finding, Severity, State};
use crate::decode::{self, Decoder};
use crate::deliver::owner;
use crate::deliver::post::{Post, wall_clock};
use crate::deliver::print::Spooler;
use crate::exit::{Ending, Failure};
use crate::judge::{HOST_DETECTOR, host_alert};
use crate::ledger::history::Recorder;
use crate::ledger::{Ledger, Muted};
use crate::pipeline::{Pipeline, SEGMENT_ROWS};
use crate::record::{Run, RunId, Segment, Text, Word};

/// Alerts that may wait for one printer.
const WAITING: usize = 1024;

/// How often own detectors that are at work are asked for what they found.
const SOON: Duration = Duration::from_millis(20);

/// How often the ledger is told what the detectors did, in milliseconds.
const ACCOUNT: i64 = 5000;

/// Streams that are being watched.
pub(super) struct Live {
    decoder: Decoder,
    inputs: Vec<Input>,
    /// The input whose stream the decoder has; none before the first.
    current: usize,
    /// By run that has records: the last time that one had of its own, in
    /// seconds since 1970.
    heard: FxHashMap<RunId, Option<f64>>,
    /// Runs of which no input that is to have records of them had any yet.
    awaited: FxHashSet<RunId>,
    pub(super) pipeline: Pipeline,
    spooler: Spooler,
    post: Option<Post>,
    recorder: Option<Recorder>,
    flush: Duration,
    /// None: alerts are told and nothing else.
    act: Option<Act>,
    /// The exception that the job printed last.
    exception: Option<Text>,
    /// The fingerprint of the critical trouble that was told last.
    cause: Option<String>,
    /// The number of our own last alert.
    own: u64,
    alerts: Vec<Alert>,
    fired: u64,
    /// When the ledger is told next what the detectors did, in milliseconds
    /// since 1970.
    account: i64,
    /// Nothing but alerts is said.
    quiet: bool,
}

impl Live {
    /// Watches one input, which is number 0.
    pub(super) fn new(
        decoding: decode::Options,
        pipeline: Pipeline,
        outlets: Outlets,
    ) -> Result<Self, Failure> {
        let (name, run, rank) = (decoding.input.clone(), decoding.run.clone(), decoding.rank);
        let mut live = Self::without_input(decoding, pipeline, outlets)?;
        live.add(&name, &run, rank);
        live.on(0);
        Ok(live)
    }

    /// Watches nothing yet.
    pub(super) fn without_input(
        mut decoding: decode::Options,
        mut pipeline: Pipeline,
        outlets: Outlets,
    ) -> Result<Self, Failure> {
        let Outlets {
            printers,
            post,
            history,
            flush,
            before,
            quiet,
        } = outlets;
        if let Some(post) = &post {
            pipeline.keep_muted();
            number_after(&mut pipeline, post, before);
        }
        let no_thread = |what: &'static str| {
            move |error| Failure::new(Ending::Usage, anyhow!("cannot start {what}: {error}"))
        };
        let spooler = Spooler::new(printers, WAITING).map_err(no_thread("a sink's thread"))?;
        // A ledger in memory is no place for it.
        let ledger = post
            .as_ref()
            .map(Post::ledger)
            .filter(|ledger| ledger.path().is_some());
        let recorder = match (history, ledger) {
            (Some(caps), Some(ledger)) => {
                decoding.interests = Arc::new((*decoding.interests).clone().with_history());
                let recorder = Recorder::start(ledger.clone(), caps, owner::me(), wall_clock);
                Some(recorder.map_err(no_thread("the thread of the history"))?)
            }
            _ => None,
        };
        Ok(Self {
            decoder: Decoder::new(decoding),
            inputs: Vec::new(),
            current: usize::MAX,
            heard: FxHashMap::default(),
            awaited: FxHashSet::default(),
            pipeline,
            spooler,
            post,
            recorder,
            flush,
            act: None,
            exception: None,
            cause: None,
            own: 0,
            alerts: Vec::new(),
            fired: 0,
            account: 0,
            quiet,
        })
    }

    /// From now on acts on alerts, too.
    pub(super) fn act(&mut self, act: Act) {
        self.act = Some(act);
    }

    /// Says of a run what its records cannot.
    pub(super) fn tell(&mut self, run: RunId, word: Word) {
        self.process();
        self.decoder.set_now(now());
        self.decoder.tell(run, word);
        self.hand_over();
        self.send();
    }

    /// Takes bytes; `caught_up` says that no more are waiting, so that there is
    /// no reason to wait for a fuller batch.
    pub(super) fn take(&mut self, bytes: &[u8], caught_up: bool) {
        self.decoder.set_now(now());
        if self.act.is_some()
            && let Some(input) = self.inputs.get_mut(self.current)
        {
            input.last_lines.take(bytes);
        }
        self.decoder.push(bytes);
        if caught_up || self.decoder.rows() >= SEGMENT_ROWS {
            self.process();
        }
    }

    /// The input went quiet.
    pub(super) fn rest(&mut self) {
        self.decoder.set_now(now());
        self.decoder.release();
        self.process();
    }

    /// Time passes with nothing to read.
    pub(super) fn tick(&mut self) {
        self.process();
        self.pipeline.tick(now(), &mut self.alerts);
        self.send();
    }

    /// How long to wait for input where that is usual: less while an own detector
    /// is at work, whose alerts go out as soon as they are there. Then
    /// [`Self::look`], and wait on.
    pub(super) fn patience(&self, usual: Duration) -> Duration {
        match self.pipeline.is_busy() {
            true => usual.min(SOON),
            false => usual,
        }
    }

    /// Sends what own detectors have found by now.
    pub(super) fn look(&mut self) {
        self.pipeline.look(&mut self.alerts);
        if !self.alerts.is_empty() {
            self.send();
        }
    }

    fn process(&mut self) {
        if self.decoder.rows() > 0 {
            self.hand_over();
        }
        // Between segments: nothing is decoded for the detectors before.
        if self.pipeline.renew() {
            let interests = self.pipeline.interests();
            self.decoder.ask(match self.recorder {
                Some(_) => Arc::new((*interests).clone().with_history()),
                None => interests,
            });
        }
        self.send();
    }

    fn hand_over(&mut self) {
        let mut segment = self.decoder.take();
        self.note(&mut segment);
        self.pipeline.submit(segment, &mut self.alerts);
        let spent = self.pipeline.collect(&mut self.alerts);
        if let (Some(_), Some(segment)) = (&self.act, &spent)
            && let Some(exception) = last_exception(segment)
        {
            self.exception = Some(exception.clone());
        }
        let spent = match (&mut self.recorder, spent) {
            (Some(recorder), Some(segment)) if segment.rows > 0 => recorder.record(segment),
            (_, spent) => spent,
        };
        if let Some(spent) = spent {
            self.decoder.recycle(spent);
        }
    }

    /// Notes which runs are heard.
    fn note(&mut self, segment: &mut Segment) {
        for batch in &segment.batches {
            let latest = self.heard.entry(batch.run).or_default();
            // A row that has no time has that of the wall clock.
            let own = batch.times.last().filter(|time| **time != segment.now);
            *latest = own.copied().into_iter().chain(*latest).reduce(f64::max);
        }
        let input = self.inputs.get(self.current);
        let answered = input.and_then(|input| input.answers);
        if let Some(run) = answered
            && segment.rows > 0
            && self.awaited.remove(&run)
            && segment.batches.iter().all(|batch| batch.run != run)
        {
            // Its records name runs of their own.
            segment.words.push((run, Word::Last(f64::NEG_INFINITY)));
        }
    }

    fn send(&mut self) {
        for note in self.pipeline.take_notes() {
            if !self.quiet {
                say(&format!("runwatch: {note}"));
            }
        }
        let mut alerts = std::mem::take(&mut self.alerts);
        if let Some(act) = &mut self.act {
            alerts = act.gather(alerts, &|| last_lines(&self.inputs), now());
        }
        let muted = self.pipeline.take_muted();
        self.deliver(alerts, &muted);
        self.go_on_halting();
        let now = wall_clock();
        if let Some(post) = &mut self.post {
            post.tick(now);
            // What the other sinks are told of one that is broken.
            let own = post.incidents().iter().filter_map(delivery::tell).collect();
            self.deliver(own, &[]);
        }
        if now >= self.account {
            self.account = now + ACCOUNT;
            self.note_detectors(now);
        }
    }

    /// Hands alerts to all ways out, and to the ledger what was muted.
    fn deliver(&mut self, alerts: Vec<Alert>, muted: &[Muted]) {
        let alerts: Vec<Arc<Alert>> = alerts.into_iter().map(Arc::new).collect();
        for alert in &alerts {
            self.fired += u64::from(alert.state == State::Firing);
            self.spooler.send(alert);
            self.note_cause(alert);
            if let Some(act) = &mut self.act {
                act.consider(alert, now());
            }
        }
        if let Some(post) = &mut self.post {
            post.send(&alerts, muted, wall_clock());
        }
    }

    fn note_cause(&mut self, alert: &Alert) {
        let is_trouble = alert.state == State::Firing && alert.severity == Severity::Critical;
        if is_trouble && alert.detector != HOST_DETECTOR {
            self.cause = Some(alert.fingerprint.clone());
        }
    }

    /// Time passes for a halt.
    fn go_on_halting(&mut self) {
        let findings = self.act.as_mut().map(|act| act.tick(now()));
        for (run, finding) in findings.unwrap_or_default() {
            self.say(&run, finding, None);
        }
    }

    /// The job is over, and how, to be read on after "the job ended".
    pub(super) fn job_ended(&mut self, how: &str) {
        let findings = self.act.as_mut().map(|act| act.ended(how, now()));
        for (run, finding) in findings.unwrap_or_default() {
            self.say(&run, finding, None);
        }
    }

    /// Why the run was or is being halted, if it is.
    pub(super) fn halted(&self) -> Option<&str> {
        self.act.as_ref()?.halted()
    }

    /// Tells something that we know ourselves of a run, with what shows it.
    pub(super) fn say(&mut self, run: &Run, finding: Finding, evidence: Option<String>) {
        let ledger = self.post.as_ref().map(Post::ledger);
        let earlier = ledger.and_then(|it| it.episodes(&run.project, &run.run, false).ok());
        let episode = earlier.unwrap_or_default().max(self.own) + 1;
        let alert = host_alert(run, &host(), now(), episode, finding);
        self.own = episode;
        let step = self.pipeline.last_step();
        self.deliver(
            vec![Alert {
                step,
                evidence,
                ..alert
            }],
            &[],
        );
    }

    /// The trouble that was told last, of the critical ones, by its fingerprint.
    pub(super) fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// The ledger, if there is one.
    pub(super) fn ledger(&self) -> Option<Arc<Ledger>> {
        Some(self.post.as_ref()?.ledger().clone())
    }

    /// The exception that the job printed last, if something is to be done about
    /// alerts.
    pub(super) fn exception(&self) -> Option<&Text> {
        self.exception.as_ref()
    }

    /// Tells the ledger what the detectors did. That nobody could read it is no
    /// reason to say anything: alerts say it where they cannot be written.
    fn note_detectors(&self, now: i64) {
        let ledger = self.post.as_ref().map(Post::ledger);
        let Some(ledger) = ledger.filter(|ledger| ledger.path().is_some()) else {
            return;
        };
        let run = self.pipeline.runs().last();
        let about = run.map(|run| (&*run.project, &*run.run));
        _ = ledger.note_detectors(&owner::me(), about, &self.pipeline.accounts(), now);
    }

    /// The streams are over: last words of the detectors. `outcome` says how the
    /// runs ended, in the words of the contract.
    pub(super) fn end(&mut self, outcome: &'static str) {
        for input in 0..self.inputs.len() {
            self.on(input).decoder.finish();
            self.process();
            let tally = self.decoder.tally();
            self.inputs[input].tally = Some(tally);
        }
        self.pipeline.finish(outcome, &mut self.alerts);
        self.send();
        let held = self.act.as_mut().map(Act::release).unwrap_or_default();
        self.deliver(held, &[]);
    }

    /// Closes the ways out, then says the summary. `over` says that the runs have
    /// ended, too.
    pub(super) fn close(mut self, quiet: bool, over: bool) -> Ending {
        self.note_detectors(wall_clock());
        if let Some((rows, why)) = self.recorder.take().and_then(|it| it.close(over)) {
            let rows = count(rows, "record is", "records are");
            say(&format!("runwatch: {rows} missing in the history: {why}"));
        }
        let mut ending = Ending::Fine;
        if let Some(mut post) = self.post.take() {
            let now = wall_clock();
            for run in self.pipeline.runs().iter().filter(|_| over) {
                post.ended(&run.project, &run.run, now);
            }
            let spooler = &self.spooler;
            let reports = post.close(self.flush, &mut |incident| {
                let alert = Arc::new(delivery::tell(incident)?);
                spooler.send(&alert);
                Some(alert)
            });
            ending = delivery::summarize(&reports);
        }
        for report in self.spooler.close(self.flush) {
            if !report.is_complete() && !report.broken_pipe {
                say(&format!("runwatch: {report}"));
                ending = ending.max(Ending::Delivery);
            }
        }
        if self.pipeline.quarantined() {
            ending = ending.max(Ending::Detector);
        }
        if !quiet {
            for input in &self.inputs {
                if let Some(tally) = &input.tally {
                    summarize(&input.name, tally);
                }
            }
            say(&format!(
                "runwatch: {}",
                count(self.fired, "alert", "alerts")
            ));
        }
        ending
    }
}

fn number_after(pipeline: &mut Pipeline, post: &Post, before: Before) {
    if before == Before::Again {
        return;
    }
    let (ledger, ended) = (post.ledger().clone(), before == Before::Continued);
    pipeline.number_after(Box::new(move |run| {
        // A ledger that cannot be read says so where it is written.
        ledger
            .episodes(&run.project, &run.run, ended)
            .unwrap_or_default()
    }));
}

fn last_exception(segment: &Segment) -> Option<&Text> {
    let texts = segment.batches.iter().flat_map(|batch| &batch.texts);
    texts.rev().find(|text| text.kind == "exception")
}

/// The wall clock, in seconds since 1970.
fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |time| time.as_secs_f64())
}
