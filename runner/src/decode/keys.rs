//! Printed keys as small numbers.
//!
//! A training stream prints the same keys line after line, mostly in the same
//! order. Each key therefore remembers which key followed it last, so that a
//! reader can compare bytes with a prediction instead of hashing; a wrong
//! prediction costs one hash and nothing else, whatever the order of the keys.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::interest::Interests;
use super::row::Evidence;
use crate::names::{self, Names, Role};
use crate::record::{Mask, Metric, MetricId};

/// A printed key; an index into [`Keys`].
pub(crate) type KeyId = u32;

/// Bytes of the longest name that is kept. Names of nested values begin with the
/// names around them: without a bound, a line of a megabyte makes gigabytes.
const MAX_NAME: usize = 1 << 10;
/// Bytes of the longest lead that is kept: a name, and a few blanks.
const MAX_LEAD: usize = 2 * MAX_NAME;

/// The place before the first key of a line.
pub(crate) const START: KeyId = 0;
/// A key that is not kept, because there are too many.
pub(crate) const REFUSED: KeyId = 1;

pub(crate) struct Key {
    name: Box<[u8]>,
    /// How the key was printed last, from the comma or brace before it to its
    /// value.
    lead: Vec<u8>,
    /// The first eight bytes of `lead`, and which of them count.
    head: u64,
    head_mask: u64,
    /// The last eight bytes of `lead`, if it is longer than eight.
    tail: u64,
    /// The eight bytes behind the head, and eight more, if it is longer than
    /// these and the tail.
    middle: [u64; 2],
    /// The two keys that followed this one last, the latest first: two orders
    /// that take turns cost no more than one.
    next: [KeyId; 2],
    pub(crate) role: Role,
    /// Whether a list of numbers is this metric's values.
    pub(crate) samples: bool,
    /// What a line with this key is likely to be.
    pub(crate) evidence: Evidence,
    pub(crate) metric: MetricId,
    /// Who wants every value, and who wants only edges.
    pub(crate) all: Mask,
    pub(crate) edges: Mask,
    /// Who wants its text, as a label.
    pub(crate) label: Mask,
    /// Nobody wants to know its numbers while they are finite, and they mean
    /// nothing else.
    pub(crate) indifferent: bool,
}

pub(crate) struct Keys {
    keys: Vec<Key>,
    by_name: FxHashMap<Box<[u8]>, KeyId>,
    names: Names,
    interests: Arc<Interests>,
    metrics: Arc<Vec<Metric>>,
    limit: usize,
}

impl Keys {
    /// A table that keeps at most `limit` names.
    pub(crate) fn new(names: Names, interests: Arc<Interests>, limit: usize) -> Self {
        let mut keys = Self {
            keys: Vec::new(),
            by_name: FxHashMap::default(),
            names,
            interests,
            metrics: Arc::default(),
            limit: limit + 2,
        };
        keys.push(b""); // START
        keys.push(b""); // REFUSED
        keys
    }

    /// From now on others want to know, of the keys that are known as of all.
    pub(crate) fn ask(&mut self, interests: Arc<Interests>) {
        for key in self.keys.iter_mut().skip(REFUSED as usize + 1) {
            let Some(metric) = self.metrics.get(key.metric as usize) else {
                continue;
            };
            key.ask(&interests, metric);
        }
        self.interests = interests;
    }

    /// Every metric known so far.
    pub(crate) fn metrics(&self) -> &Arc<Vec<Metric>> {
        &self.metrics
    }

    #[inline]
    pub(crate) fn get(&self, id: KeyId) -> &Key {
        &self.keys[id as usize]
    }

    /// The key that stands at the beginning of `text`, if it is one of those
    /// that were predicted to follow `previous`, and where its value begins.
    #[inline(always)]
    pub(crate) fn predicted(&mut self, previous: KeyId, text: &[u8]) -> Option<(KeyId, usize)> {
        let [first, second] = self.keys[previous as usize].next;
        if let Some(len) = self.keys[first as usize].leads(text) {
            return Some((first, len));
        }
        let len = self.keys[second as usize].leads(text)?;
        self.keys[previous as usize].next = [second, first];
        Some((second, len))
    }

    /// The key with this name, which followed `previous`. `lead` is how it was
    /// printed, from the comma or brace before it to its value.
    pub(crate) fn learn(&mut self, previous: KeyId, name: &[u8], lead: &[u8]) -> KeyId {
        let id = self.intern(previous, name);
        if id != REFUSED && lead.len() <= MAX_LEAD {
            self.keys[id as usize].set_lead(lead);
        }
        id
    }

    /// The key with this name, which followed `previous`.
    #[inline]
    pub(crate) fn intern(&mut self, previous: KeyId, name: &[u8]) -> KeyId {
        let likely = self.keys[previous as usize].next[0];
        if *self.keys[likely as usize].name == *name && likely > REFUSED {
            return likely;
        }
        self.look_up(previous, name)
    }

    #[inline(never)]
    fn look_up(&mut self, previous: KeyId, name: &[u8]) -> KeyId {
        if name.len() > MAX_NAME {
            return REFUSED;
        }
        let id = match self.by_name.get(name) {
            Some(&id) => id,
            None if self.keys.len() >= self.limit && !self.is_needed(name) => return REFUSED,
            None => self.push(name),
        };
        let next = &mut self.keys[previous as usize].next;
        if next[0] != id {
            *next = [id, next[0]];
        }
        id
    }

    /// Whether a name beyond the limit is kept all the same: steps, times and
    /// names of runs belong to records, not to metrics.
    fn is_needed(&self, name: &[u8]) -> bool {
        self.keys.len() < self.limit + MAX_NEEDED && names::role_of(name) != Role::Value
    }

    fn push(&mut self, name: &[u8]) -> KeyId {
        // Bounded by `limit`, far below u32::MAX.
        let id = self.keys.len() as KeyId;
        let mut key = Key {
            name: name.into(),
            lead: Vec::new(),
            // No eight bytes are equal to this: a key without a lead is not found.
            head: 1,
            head_mask: 0,
            tail: 0,
            middle: [0; 2],
            next: [START; 2],
            role: Role::Value,
            samples: false,
            evidence: Evidence::None,
            metric: 0,
            all: 0,
            edges: 0,
            label: 0,
            indifferent: true,
        };
        if id > REFUSED {
            let printed = String::from_utf8_lossy(name);
            let canonical = self.names.canonical(&printed);
            let shown = canonical.unwrap_or(&printed);
            key.role = names::role(&printed);
            key.evidence = canonical.map_or(Evidence::None, evidence);
            // Also as an export has them.
            let bare = printed.strip_prefix("metrics/").unwrap_or(&printed);
            let bare = self.names.canonical(bare).unwrap_or(bare);
            key.samples = names::SAMPLES.contains(&bare);
            key.metric = self.metrics.len() as MetricId;
            let metric = Metric {
                name: shown.into(),
                source: printed.as_ref().into(),
            };
            key.ask(&self.interests, &metric);
            Arc::make_mut(&mut self.metrics).push(metric);
            self.by_name.insert(name.into(), id);
        }
        self.keys.push(key);
        id
    }
}

impl Key {
    /// Finds out who wants to know of it.
    fn ask(&mut self, interests: &Interests, metric: &Metric) {
        let wanted = interests.metric(&metric.name);
        self.all = wanted.all;
        self.edges = wanted.edges;
        self.label = interests.label(&metric.source);
        self.indifferent = self.role == Role::Value && wanted.all == 0;
    }

    /// The length of the lead, if `text` begins with it.
    #[inline(always)]
    fn leads(&self, text: &[u8]) -> Option<usize> {
        let len = self.lead.len();
        if u64::from_le_bytes(*text.first_chunk()?) & self.head_mask != self.head {
            return None;
        }
        if len > 8 {
            // The words overlap unless the lead is a multiple of eight long.
            if word(text, len - 8)? != self.tail
                || len > 16 && word(text, 8)? != self.middle[0]
                || len > 24 && word(text, 16)? != self.middle[1]
                || len > 32 && text[24..len - 8] != self.lead[24..len - 8]
            {
                return None;
            }
        }
        Some(len)
    }

    fn set_lead(&mut self, lead: &[u8]) {
        if self.lead == lead {
            return;
        }
        self.lead.clear();
        self.lead.extend_from_slice(lead);
        let mut head = [0; 8];
        let mut mask = [0; 8];
        for (at, &byte) in lead.iter().take(8).enumerate() {
            head[at] = byte;
            mask[at] = 0xff;
        }
        self.head = u64::from_le_bytes(head);
        self.head_mask = u64::from_le_bytes(mask);
        let last = lead.len().saturating_sub(8);
        self.tail = word(lead, last).unwrap_or_default();
        self.middle = [8, 16].map(|at| word(lead, at).unwrap_or_default());
    }
}

/// Eight bytes of a text.
#[inline(always)]
fn word(text: &[u8], at: usize) -> Option<u64> {
    let bytes = text.get(at..)?.first_chunk()?;
    Some(u64::from_le_bytes(*bytes))
}

/// Spellings of steps, times and names of runs that are kept beyond the limit.
const MAX_NEEDED: usize = 64;

/// Configurations have these names as well as records.
const IN_CONFIGS: [&str; 9] = [
    "momentum",
    "skipped_steps",
    "lr",
    "epoch",
    "loss_scale",
    "tokens_seen",
    "samples_seen",
    "data_time",
    "response_length",
];

fn evidence(canonical: &str) -> Evidence {
    if IN_CONFIGS.contains(&canonical) {
        Evidence::Weak
    } else {
        Evidence::Strong
    }
}
