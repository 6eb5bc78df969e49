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

/// The place before the first key of a line.
pub(crate) const START: KeyId = 0;
/// A key that is not kept, because there are too many.
pub(crate) const REFUSED: KeyId = 1;

pub(crate) struct Key {
    name: Box<[u8]>,
    /// The first eight bytes of the name, and which of them count.
    head: u64,
    head_mask: u64,
    /// The key that followed this one last.
    next: KeyId,
    pub(crate) role: Role,
    /// What a line with this key is likely to be.
    pub(crate) evidence: Evidence,
    pub(crate) metric: MetricId,
    /// Who wants every value, and who wants only edges.
    pub(crate) all: Mask,
    pub(crate) edges: Mask,
    /// Who wants its text, as a label.
    pub(crate) label: Mask,
}

pub(crate) struct Keys {
    keys: Vec<Key>,
    by_name: FxHashMap<Box<[u8]>, KeyId>,
    names: Names,
    interests: Arc<Interests>,
    metrics: Arc<Vec<Metric>>,
    limit: usize,
    /// Fields that were not kept because there were too many names.
    pub(crate) refused: u64,
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
            refused: 0,
        };
        keys.push(b""); // START
        keys.push(b""); // REFUSED
        keys
    }

    /// Every metric known so far.
    pub(crate) fn metrics(&self) -> &Arc<Vec<Metric>> {
        &self.metrics
    }

    #[inline]
    pub(crate) fn get(&self, id: KeyId) -> &Key {
        &self.keys[id as usize]
    }

    /// The key whose name stands at the beginning of `text`, ended by `quote`,
    /// if it is the one that was predicted to follow `previous`.
    #[inline]
    pub(crate) fn predicted(
        &self,
        previous: KeyId,
        text: &[u8],
        quote: u8,
    ) -> Option<(KeyId, usize)> {
        let id = self.keys[previous as usize].next;
        let key = &self.keys[id as usize];
        let len = key.name.len();
        let head: &[u8; 8] = text.first_chunk()?;
        if u64::from_le_bytes(*head) & key.head_mask != key.head || id == START {
            return None;
        }
        if len > 8 && text.get(8..len)? != &key.name[8..] {
            return None;
        }
        (*text.get(len)? == quote).then_some((id, len))
    }

    /// The key with this name, which followed `previous`.
    pub(crate) fn intern(&mut self, previous: KeyId, name: &[u8]) -> KeyId {
        let id = match self.by_name.get(name) {
            Some(&id) => id,
            None if self.keys.len() >= self.limit => {
                self.refused += 1;
                return REFUSED;
            }
            None => self.push(name),
        };
        self.keys[previous as usize].next = id;
        id
    }

    fn push(&mut self, name: &[u8]) -> KeyId {
        // Bounded by `limit`, far below u32::MAX.
        let id = self.keys.len() as KeyId;
        let mut head = [0; 8];
        let mut mask = [0; 8];
        for (at, &byte) in name.iter().take(8).enumerate() {
            head[at] = byte;
            mask[at] = 0xff;
        }
        let mut key = Key {
            name: name.into(),
            head: u64::from_le_bytes(head),
            head_mask: u64::from_le_bytes(mask),
            next: START,
            role: Role::Value,
            evidence: Evidence::None,
            metric: 0,
            all: 0,
            edges: 0,
            label: 0,
        };
        if id > REFUSED {
            let printed = String::from_utf8_lossy(name);
            let canonical = self.names.canonical(&printed);
            let shown = canonical.unwrap_or(&printed);
            key.role = names::role(&printed);
            key.evidence = canonical.map_or(Evidence::None, evidence);
            let wanted = self.interests.metric(shown);
            key.all = wanted.all;
            key.edges = wanted.edges;
            key.label = self.interests.label(&printed);
            key.metric = self.metrics.len() as MetricId;
            let metric = Metric {
                name: shown.into(),
                source: printed.as_ref().into(),
            };
            Arc::make_mut(&mut self.metrics).push(metric);
            self.by_name.insert(name.into(), id);
        }
        self.keys.push(key);
        id
    }
}

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
