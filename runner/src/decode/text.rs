//! Lines that are no records: what detectors look for in them, the exceptions
//! that tracebacks tell, and the events that single lines tell.

use memchr::memmem;

use super::Inner;
use super::event::Event;
use super::format::Line;
use super::runs::{NO_RUN, NO_SLOT};
use super::time;
use super::traceback::Exception;
use crate::record::{Mask, NO_RANK, RunId, Text};

/// A row with a text and no numbers.
struct Said<'a> {
    run: RunId,
    step: i64,
    time: f64,
    rank: Option<u32>,
    line: u64,
    mask: Mask,
    kind: &'static str,
    name: &'a str,
    content: String,
    fields: Vec<(String, String)>,
}

impl Inner {
    /// Takes a line that no reader of records took.
    pub(super) fn plain_line(&mut self, line: &Line<'_>) {
        self.memory.tracebacks.text(line);
        self.raise();
        self.tell_events(line);
        self.needles(line);
    }

    /// Tells what a line says that something happened.
    pub(super) fn tell_events(&mut self, line: &Line<'_>) {
        for event in self.memory.events.line(line.number, line.text, line.rank) {
            self.tell(line, event);
        }
    }

    /// The same for a line of torchrun's report.
    pub(super) fn tell_report(&mut self, line: &Line<'_>) {
        for event in self
            .memory
            .events
            .report_line(line.number, line.text, line.rank)
        {
            self.tell(line, event);
        }
    }

    /// Shows a line to detectors that look for a text in it.
    pub(super) fn needles(&mut self, line: &Line<'_>) {
        let interests = self.options.interests.clone();
        for (needle, mask) in interests.needles() {
            if memmem::find(line.text, needle.as_bytes()).is_none() {
                continue;
            }
            let Some(run) = self.runs.default() else {
                return;
            };
            let step = self.runs.state(run).step;
            self.say(Said {
                run,
                step,
                time: self.now,
                rank: line.rank,
                line: line.number,
                mask: *mask,
                kind: "text",
                name: needle,
                content: String::from_utf8_lossy(line.text).into_owned(),
                fields: Vec::new(),
            });
        }
    }

    /// Makes rows of the exceptions that are complete.
    pub(super) fn raise(&mut self) {
        if self.memory.tracebacks.done.is_empty() {
            return;
        }
        for exception in std::mem::take(&mut self.memory.tracebacks.done) {
            self.runs.focus.died = true;
            self.raised(exception);
        }
    }

    fn raised(&mut self, exception: Exception) {
        let mask = self.options.interests.exception(&exception.name);
        if mask == 0 {
            return;
        }
        let origin = exception.origin;
        let fields = [
            ("frame", exception.frame),
            ("traceback", Some(exception.text)),
            ("chain", joined(&exception.chain)),
            ("host", origin.host),
            ("context", origin.context.map(str::to_owned)),
        ];
        self.say(Said {
            run: origin.run,
            step: origin.step,
            time: self.time_of(origin.stamp.as_deref()),
            rank: origin.rank,
            line: origin.line,
            mask,
            kind: "exception",
            name: &exception.name,
            content: exception.message,
            fields: fields
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), value?)))
                .collect(),
        });
    }

    fn tell(&mut self, line: &Line<'_>, event: Event) {
        if event.name == "child-failed" {
            // The processes are dead: their exceptions come first, for they are
            // the cause.
            self.memory.tracebacks.release();
            self.raise();
        }
        self.runs.focus.died |= event.is_fatal();
        let mask = self.options.interests.event(event.name);
        if mask == 0 {
            return;
        }
        let (run, step) = self.runs.latest();
        self.say(Said {
            run,
            step,
            time: self.time_of(line.stamp),
            rank: event.rank,
            line: line.number,
            mask,
            kind: "event",
            name: event.name,
            content: event.content,
            fields: event
                .fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        });
    }

    fn say(&mut self, said: Said<'_>) {
        if said.run == NO_RUN {
            return;
        }
        let state = self.runs.state(said.run);
        if state.slot == NO_SLOT {
            state.slot = self.segment.batches.len() as u32;
            let mut batch = self.spare.pop().unwrap_or_default();
            batch.run = said.run;
            self.segment.batches.push(batch);
        }
        let batch = &mut self.segment.batches[state.slot as usize];
        let rank = said.rank.unwrap_or(NO_RANK);
        let rows = &mut self.segment.rows;
        let row = batch.push(said.step, said.time, rank, said.line, rows);
        batch.mask |= said.mask;
        batch.texts.push(Text {
            row,
            mask: said.mask,
            kind: said.kind,
            name: said.name.to_owned(),
            content: said.content,
            fields: said.fields,
        });
    }

    /// The time of a row that names none: what the logger's prefix says, or the
    /// wall clock when live. A stamp without a zone cannot be set beside that:
    /// the training may run in another zone than UTC.
    pub(super) fn time_of(&self, stamp: Option<&[u8]>) -> f64 {
        stamp
            .and_then(time::from_stamp)
            .filter(|stamp| stamp.zoned || self.now.is_nan())
            .map_or(self.now, |stamp| stamp.seconds)
    }
}

fn joined(chain: &[String]) -> Option<String> {
    (!chain.is_empty()).then(|| chain.join("\n"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::decode::{Decoder, Interests, Options};

    const TIME: f64 = 1_735_786_800.5; // 2025-01-02 03:00:00.5

    fn times(input: &str, now: Option<f64>) -> Vec<f64> {
        let mut decoder = Decoder::new(Options {
            interests: Arc::new(Interests::everything()),
            ..Options::default()
        });
        if let Some(now) = now {
            decoder.set_now(now);
        }
        decoder.push(input.as_bytes());
        decoder.finish();
        let mut segment = decoder.take();
        segment
            .batches
            .drain(..)
            .flat_map(|batch| batch.times)
            .collect()
    }

    #[test]
    fn a_row_without_a_time_has_the_prefixs() {
        for record in [
            "step 5 | loss 2.5 | lr 1e-4",
            "{\"step\": 5, \"loss\": 2.5}",
            "{'loss': 2.5, 'epoch': 0.5}",
            "Traceback (most recent call last):\n  File \"a.py\", line 1, in f\nValueError: no",
            "Killed",
        ] {
            let line = format!("2025-01-02 03:00:00,500 - root - INFO - {record}\n");
            assert_eq!(times(&line, None), [TIME], "{record}");
        }
        let own = "2025-01-02 03:00:00,500 - root - INFO - {\"step\": 5, \"loss\": 2.5, \"time\": 1735786900}";
        assert_eq!(times(own, None), [1_735_786_900.0]);
        assert!(times("[11/01 18:06:04] step 5 | loss 2.5 | lr 1e-4", None)[0].is_nan());
    }

    #[test]
    fn live_only_a_stamp_with_a_zone_is_a_time() {
        let now = TIME + 3_600.0;
        let record = "step 5 | loss 2.5 | lr 1e-4";
        assert_eq!(
            times(&format!("2025-01-02 03:00:00,500 {record}"), Some(now)),
            [now]
        );
        assert_eq!(
            times(&format!("2025-01-02T03:00:00.5Z {record}"), Some(now)),
            [TIME]
        );
    }
}
