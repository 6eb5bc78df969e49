//! What is out of memory, and when it is told.

use runwatch_detector::text::last_part;
use runwatch_detector::{NO_RANK, Point, Severity, Text};
use serde::{Deserialize, Serialize};

/// Whose memory it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A GPU's or another accelerator's.
    Device,
    /// The machine's.
    Host,
}

impl Kind {
    /// What a text says, if it is about memory.
    #[must_use]
    pub fn of(text: &Text) -> Option<Self> {
        match (text.kind.as_str(), text.name.as_str()) {
            ("event", "cuda-oom") => Some(Self::Device),
            ("event", "host-oom") => Some(Self::Host),
            ("exception", name) if last_part(name) == "MemoryError" => Some(Self::Host),
            ("exception", "ray.exceptions.OutOfMemoryError") => Some(Self::Host),
            ("exception", _) if text.is_out_of_memory() => Some(Self::Device),
            _ => None,
        }
    }

    /// The key of its findings.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Device => "out-of-memory/device",
            Self::Host => "out-of-memory/host",
        }
    }
}

/// Critical, unless the line says that the job goes on.
#[must_use]
pub(crate) fn severity(text: &Text) -> Severity {
    const GOES_ON: [&str; 6] = [
        "skipping",
        "recover",
        "retrying",
        "educing batch",
        "maller batch",
        "alling back",
    ];
    let caught = text.kind == "event" && GOES_ON.iter().any(|word| text.content.contains(word));
    if caught {
        Severity::Warning
    } else {
        Severity::Critical
    }
}

/// What is remembered of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Watch {
    device: Option<Episode>,
    host: Option<Episode>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Episode {
    severity: Severity,
    time: f64,
    step: i64,
    rank: u32,
    /// Every rank that it was told of.
    told: Vec<u32>,
}

/// The most ranks that are told one by one.
const RANKS: usize = 512;

impl Watch {
    /// Whether this is to be told: the first of an episode, the first of a rank,
    /// or worse than what was told. All ranks are one episode. The next begins after `silence`
    /// seconds without any, or when the run has gone back to an earlier step.
    pub fn look(&mut self, kind: Kind, severity: Severity, at: &Point, silence: f64) -> bool {
        let slot = match kind {
            Kind::Device => &mut self.device,
            Kind::Host => &mut self.host,
        };
        let told = slot.as_mut().filter(|episode| {
            let silent = at.time - episode.time > silence;
            // Ranks print at their own pace: only the same one can go back.
            let back = at.rank == episode.rank && at.step < episode.step;
            !silent && !back
        });
        let Some(episode) = told else {
            *slot = Some(Episode {
                severity,
                time: at.time,
                step: at.step,
                rank: at.rank,
                told: vec![at.rank],
            });
            return true;
        };
        if !at.time.is_nan() {
            episode.time = at.time;
        }
        if at.rank == episode.rank {
            episode.step = at.step;
        }
        let worse = severity > episode.severity;
        if worse {
            episode.severity = severity;
        }
        let new =
            at.rank != NO_RANK && !episode.told.contains(&at.rank) && episode.told.len() < RANKS;
        if new {
            episode.told.push(at.rank);
        }
        worse || new
    }
}
