//! One line's worth of fields, before it is known to be a record.

use super::keys::{Key, KeyId, Keys, REFUSED, START};
use super::number::{number, spelled};
use super::time;
use crate::names::Role;
use crate::record::{Mask, MetricId, NO_RANK};

/// The fields of one line. Reused from line to line, so that the hot path
/// allocates nothing.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Row {
    pub(crate) values: Vec<Field>,
    /// Texts of labels that somebody asked for.
    pub(crate) labels: Vec<(KeyId, Mask, String)>,
    /// The explicit step and its priority: the smallest wins.
    pub(crate) step: Option<(u8, i64)>,
    /// An epoch printed as a whole number.
    pub(crate) epoch: Option<i64>,
    /// The epoch, which may be printed as a fraction.
    pub(crate) progress: Option<f64>,
    /// The first metric, by which kinds of rows are told apart.
    pub(crate) lead: KeyId,
    /// The step's name says that it counts through the run, or that it counts
    /// the batches of an epoch.
    pub(crate) global: bool,
    pub(crate) local: bool,
    /// Seconds since 1970.
    pub(crate) time: Option<f64>,
    pub(crate) rank: Option<u32>,
    /// The run's and project's names; meaningful if the flag is set.
    pub(crate) run: Vec<u8>,
    pub(crate) has_run: bool,
    pub(crate) project: Vec<u8>,
    pub(crate) has_project: bool,
    /// How strongly the fields say that this is a record.
    pub(crate) evidence: Evidence,
    /// Whether a value is a measurement and not a setting such as `lr`.
    pub(crate) measures: bool,
    /// The fields tell that something happened beside the training.
    aside: bool,
    /// The line is about a call of a session.
    session: bool,
    /// The line stands beside the training's own: an evaluation, or the end of
    /// an epoch.
    pub(crate) evaluation: bool,
    /// Numbers that are no step, time or name, wanted or not.
    numbers: u32,
    /// Fields whose name is one too many.
    pub(crate) refused: u32,
}

/// A number of a line, and what its key says of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Field {
    /// The number, or zero for one that was not read.
    pub(crate) value: f64,
    /// Where in the text a number begins that was not read; zero if it was.
    pub(crate) unread: usize,
    pub(crate) metric: MetricId,
    /// Who wants every value, and who wants only edges.
    pub(crate) all: Mask,
    pub(crate) edges: Mask,
}

impl Field {
    /// The number, which may not have been read of the text yet.
    #[inline(always)]
    pub(crate) fn read(&self, text: &[u8]) -> f64 {
        if self.unread == 0 {
            return self.value;
        }
        let text = text.get(self.unread..).unwrap_or_default();
        number(text).map_or(self.value, |(value, ..)| value)
    }
}

/// What makes a line with fields a record and not a dump of a configuration.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Evidence {
    /// Nothing.
    #[default]
    None,
    /// A name from the table that configurations have as well, such as `lr`.
    Weak,
    /// A step, an epoch, or a name that only measurements have.
    Strong,
}

/// Steps are exact integers; beyond this an f64 is not.
const MAX_STEP: f64 = 9_007_199_254_740_992.0;

impl Row {
    /// Forgets the fields and keeps the memory.
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.values.clear();
        self.labels.clear();
        self.step = None;
        self.epoch = None;
        self.progress = None;
        self.lead = START;
        self.global = false;
        self.local = false;
        self.time = None;
        self.rank = None;
        self.has_run = false;
        self.has_project = false;
        self.evidence = Evidence::None;
        self.measures = false;
        self.aside = false;
        self.session = false;
        self.evaluation = false;
        self.numbers = 0;
        self.refused = 0;
    }

    /// Whether the fields make a record, given the least evidence that the line needs.
    #[inline]
    pub(crate) fn is_record(&self, least: Evidence) -> bool {
        let says = self.step.is_some() || self.numbers > 0 || self.session;
        self.evidence >= least && !self.aside && says
    }

    /// Takes a number. `integer` says that it was printed without a point.
    #[inline(always)]
    pub(crate) fn number(&mut self, keys: &Keys, id: KeyId, value: f64, integer: bool) {
        let key = keys.get(id);
        if key.role == Role::Value {
            self.value(key, id, value, 0);
        } else if key.role == Role::Session {
            self.label(keys, id, value.to_string().as_bytes());
        } else {
            self.number_with_role(key, value, integer);
        }
    }

    /// Takes note of a finite number that begins at this place of the text, of
    /// a key that is indifferent to its value.
    #[inline(always)]
    pub(crate) fn unread(&mut self, keys: &Keys, id: KeyId, at: usize) {
        self.value(keys.get(id), id, 0.0, at);
    }

    #[inline(always)]
    fn value(&mut self, key: &Key, id: KeyId, value: f64, unread: usize) {
        self.evidence = self.evidence.max(key.evidence);
        self.measures |= key.evidence != Evidence::Weak;
        if self.lead == START {
            self.lead = id;
        }
        if id == REFUSED {
            self.refused += 1;
        } else {
            self.push(key, value, unread);
        }
    }

    /// Takes a number of a name that means nothing else.
    pub(crate) fn metric(&mut self, keys: &Keys, id: KeyId, value: f64) {
        let key = keys.get(id);
        self.evidence = self.evidence.max(key.evidence);
        self.measures |= key.evidence != Evidence::Weak;
        if id == REFUSED {
            self.refused += 1;
        } else {
            self.push(key, value, 0);
        }
    }

    /// Takes a list of numbers, as it was printed: the samples of a step, a
    /// value of the metric each. A list of anything else passes by.
    pub(crate) fn samples(&mut self, keys: &Keys, id: KeyId, list: &[u8]) {
        if !keys.get(id).samples {
            return;
        }
        let inner = list.get(1..list.len().saturating_sub(1));
        for item in inner
            .unwrap_or_default()
            .split(|&byte| byte == b',')
            .take(MAX_SAMPLES)
        {
            let Some((value, _)) = spelled(item.trim_ascii()) else {
                return;
            };
            self.metric(keys, id, value);
        }
    }

    /// Whether there is a number that is no step, time or name.
    pub(crate) fn has_numbers(&self) -> bool {
        self.numbers > 0
    }

    #[inline(always)]
    fn push(&mut self, key: &Key, value: f64, unread: usize) {
        // A value that nobody wants is not worth keeping.
        if key.all | key.edges != 0 {
            self.values.push(Field {
                value,
                unread,
                metric: key.metric,
                all: key.all,
                edges: key.edges,
            });
        }
        self.numbers += 1;
    }

    fn number_with_role(&mut self, key: &Key, value: f64, integer: bool) {
        match key.role {
            Role::Value => {}
            // A session that is a number is a label as well.
            Role::Session => {}
            Role::Message => self.push(key, value, 0),
            Role::Step(priority) => {
                if value.abs() <= MAX_STEP && self.step.is_none_or(|(best, _)| priority < best) {
                    self.step = Some((priority, value as i64));
                    self.evidence = Evidence::Strong;
                }
            }
            Role::Epoch => {
                self.evidence = Evidence::Strong;
                self.progress = Some(value);
                if integer && value.abs() <= MAX_STEP {
                    self.epoch = Some(value as i64);
                }
                self.push(key, value, 0);
            }
            Role::Time => match time::from_number(value) {
                Some(time) => self.time = Some(time),
                None => self.push(key, value, 0),
            },
            Role::Rank => {
                if value >= 0.0 && value < f64::from(NO_RANK) {
                    self.rank = Some(value as u32);
                }
            }
            Role::Run => self.set_run(value.to_string().as_bytes()),
            Role::Project => self.set_project(value.to_string().as_bytes()),
        }
    }

    /// Takes a text, which may be a number in quotes.
    pub(crate) fn text(&mut self, keys: &Keys, id: KeyId, text: &[u8]) {
        if id == REFUSED {
            self.refused += 1;
            return;
        }
        let key = keys.get(id);
        match key.role {
            Role::Run => self.set_run(text),
            Role::Project => self.set_project(text),
            Role::Session => self.label(keys, id, text),
            Role::Time => {
                if let Some(time) = time::from_text(text) {
                    self.time = Some(time);
                } else if let Some((value, integer)) = spelled(text) {
                    self.number(keys, id, value, integer);
                }
            }
            role => {
                if let Some((value, integer)) = spelled(text) {
                    self.number(keys, id, value, integer);
                    return;
                }
                self.aside |= role == Role::Message && is_aside(text);
                if matches!(role, Role::Value | Role::Message) {
                    self.label(keys, id, text);
                }
            }
        }
    }

    /// Takes a text that is no number, whatever it looks like.
    pub(crate) fn label(&mut self, keys: &Keys, id: KeyId, text: &[u8]) {
        let key = keys.get(id);
        if key.role == Role::Session && !text.is_empty() {
            self.session = true;
            self.evidence = Evidence::Strong;
        }
        if matches!(key.role, Role::Value | Role::Message | Role::Session) && key.label != 0 {
            let text = String::from_utf8_lossy(text).into_owned();
            self.labels.push((id, key.label, text));
        }
    }

    pub(crate) fn set_run(&mut self, name: &[u8]) {
        self.run.clear();
        self.run
            .extend_from_slice(&name[..name.len().min(MAX_NAME)]);
        self.has_run = true;
    }

    pub(crate) fn set_project(&mut self, name: &[u8]) {
        self.project.clear();
        self.project
            .extend_from_slice(&name[..name.len().min(MAX_NAME)]);
        self.has_project = true;
    }
}

/// Samples kept of a step.
const MAX_SAMPLES: usize = 4096;

/// Bytes kept of a run's or project's name.
const MAX_NAME: usize = 256;

/// Whether a heartbeat's message says that the process starts, loads or is
/// looked into. Its record has a step and the memory in use, and is no step of
/// the training: a stalled job dumps its stacks.
fn is_aside(message: &[u8]) -> bool {
    matches!(message, b"boot" | b"watchdog_dump")
        || message.ends_with(b"_loader_ready")
        || message.ends_with(b"_loader_error")
}

#[cfg(test)]
mod tests {
    use crate::decode::{Decoder, Interests, Options};

    #[test]
    fn a_list_is_read_where_it_is_the_samples_of_a_step() {
        let lines = "{\"step\": 1, \"rewards\": [0.5, 1, NaN], \"betas\": [0.9, 0.95]}\n\
                     {'step': 2, 'rewards': [-2.0, inf], 'shape': (3, 4)}\n\
                     {\"step\": 3, \"rewards\": [\"a\", 2]}\n";
        let mut decoder = Decoder::new(Options {
            interests: Interests::everything().into(),
            ..Options::default()
        });
        decoder.push(lines.as_bytes());
        decoder.finish();
        let segment = decoder.take();
        let batch = &segment.batches[0];
        let values: Vec<_> = batch
            .values
            .iter()
            .map(|value| format!("{} {}", value.row, value.value))
            .collect();
        assert_eq!(values, ["0 0.5", "0 1", "0 NaN", "1 -2", "1 inf"]);
        assert_eq!(
            &*segment.metrics[batch.values[0].metric as usize].name,
            "rewards"
        );
    }

    #[test]
    fn calls_of_a_session_are_records() {
        let records = |line: &str| {
            let mut decoder = Decoder::new(Options::default());
            decoder.push(line.as_bytes());
            decoder.finish();
            decoder.tally().records
        };
        let call = "\"provider\": \"a\", \"model\": \"b\"";
        assert_eq!(records(&format!("{{\"session_id\": \"s1\", {call}}}\n")), 1);
        assert_eq!(records(&format!("{{\"session_id\": 7, {call}}}\n")), 1);
        assert_eq!(records(&format!("{{\"session_id\": \"\", {call}}}\n")), 0);
        assert_eq!(records(&format!("{{{call}}}\n")), 0);
    }

    #[test]
    fn heartbeats_that_are_no_steps() {
        let mut decoder = Decoder::new(Options::default());
        for message in ["boot", "fineweb_loader_ready", "progress", "watchdog_dump"] {
            let line =
                format!("{{\"ts\": 1.7e9, \"step\": 3, \"msg\": \"{message}\", \"mem\": 5}}\n");
            decoder.push(line.as_bytes());
        }
        decoder.push(b"{\"step\": 4, \"msg\": 7}\n");
        decoder.finish();
        assert_eq!(decoder.tally().records, 2);
    }
}
