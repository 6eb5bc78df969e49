//! The alert: what a finding becomes once the host has validated, named and
//! let it through. Its JSON form is the same everywhere: file, webhook, query.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The version of the JSON form. Raised when a field is added or changes.
pub const SCHEMA: u32 = 1;

/// How bad it is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    #[default]
    Info,
    /// Look when you can.
    Warning,
    /// Look now.
    Critical,
}

impl Severity {
    /// The severity's name in the contract, in config and on screen.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    /// The severity with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Info, Self::Warning, Self::Critical]
            .into_iter()
            .find(|s| s.name() == name)
    }
}

/// Whether the trouble is there or over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The trouble is there.
    Firing,
    /// The trouble has ended.
    Resolved,
}

/// A claim of a detector about a run, checked for form but not yet judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What is wrong, stable within detector and run.
    pub key: String,
    /// How bad it is.
    pub severity: Severity,
    /// Firing or resolved.
    pub state: State,
    /// A few words.
    pub title: String,
    /// What happened, with numbers.
    pub message: String,
    /// What to do about it; never empty while firing.
    pub recommendation: String,
    /// The numbers of the message, by name.
    pub values: Vec<(String, f64)>,
    /// Why the run should stop, if the detector wishes it.
    pub halt: Option<String>,
    /// Other ranks may say the same at any moment: their alert is to be one.
    pub gather: bool,
    /// The route that the alert should take. Only a name.
    pub route: Option<String>,
}

/// Where in the input an alert comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// The input's name: a path, or `stdin`.
    pub input: String,
    /// The line, from 1.
    pub line: u64,
}

/// Something a person should know. See `docs/alert.md` for the JSON form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Hash of fingerprint, episode and transition: the same input replayed
    /// makes the same ids.
    pub id: String,
    /// [`SCHEMA`].
    pub schema: u32,
    /// Names the trouble: hash of project, run, detector and key.
    pub fingerprint: String,
    /// Which time the trouble is there, from 1.
    pub episode: u64,
    /// The project.
    pub project: String,
    /// The run.
    pub run: String,
    /// The process, if the line named one.
    pub rank: Option<u32>,
    /// Every process that it is about, in order, where the log names them.
    pub ranks: Vec<u32>,
    /// The machine that runwatch runs on.
    pub host: String,
    /// The detector, or `runwatch` for the host's own alerts.
    pub detector: String,
    /// The finding's key.
    pub key: String,
    /// How bad it is.
    pub severity: Severity,
    /// Firing or resolved.
    pub state: State,
    /// The training step, or the record's ordinal where the job prints none.
    pub step: Option<i64>,
    /// RFC 3339 in UTC: the record's own time, else the wall clock when live;
    /// `null` in review of a log without times.
    pub time: Option<String>,
    /// A few words.
    pub title: String,
    /// What happened, with numbers.
    pub message: String,
    /// What to do about it.
    pub recommendation: String,
    /// The numbers of the message; `null` for one that is not finite.
    #[serde(serialize_with = "values_as_map", deserialize_with = "values_of_map")]
    pub values: Vec<(String, f64)>,
    /// Where it was seen.
    pub location: Option<Location>,
    /// The step at which the episode began.
    pub first_step: Option<i64>,
    /// How many findings the episode has had so far, muted ones included.
    pub count: u64,
    /// The route that the detector would have it take; the configuration says
    /// whether there is one of this name.
    pub route: Option<String>,
    /// How the metric that it is about came there.
    pub recent: Option<Recent>,
    /// Why the detector thinks that the run should stop. Only a wish.
    #[serde(default)]
    pub halt: Option<String>,
    /// What the processes of the run were found doing: text in sections, each
    /// under a line `== what`; at most [`EVIDENCE_BYTES`].
    #[serde(default)]
    pub evidence: Option<String>,
}

/// The most bytes of [`Alert::evidence`].
pub const EVIDENCE_BYTES: usize = 64 << 10;

/// The last values of a metric, up to the alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recent {
    /// The metric, as in the alert's values.
    pub metric: String,
    /// The values, the newest last; `null` for one that is not finite.
    #[serde(deserialize_with = "nulls_as_nan")]
    pub values: Vec<f64>,
}

fn nulls_as_nan<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<f64>, D::Error> {
    let values = Vec::<Option<f64>>::deserialize(from)?;
    Ok(values
        .into_iter()
        .map(|value| value.unwrap_or(f64::NAN))
        .collect())
}

fn values_as_map<S: Serializer>(values: &[(String, f64)], to: S) -> Result<S::Ok, S::Error> {
    // serde_json writes a non-finite f64 as null, which is what strict JSON allows.
    to.collect_map(values.iter().map(|(name, value)| (name, value)))
}

fn values_of_map<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<(String, f64)>, D::Error> {
    struct Values;
    impl<'de> serde::de::Visitor<'de> for Values {
        type Value = Vec<(String, f64)>;

        fn expecting(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            to.write_str("an object of numbers or nulls")
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(
            self,
            mut map: A,
        ) -> Result<Self::Value, A::Error> {
            let mut values = Vec::new();
            while let Some((name, value)) = map.next_entry::<String, Option<f64>>()? {
                values.push((name, value.unwrap_or(f64::NAN)));
            }
            Ok(values)
        }
    }
    from.deserialize_map(Values)
}

/// Ranks as people write them: `0–3, 7`. They must be sorted.
pub(crate) fn spans(ranks: &[u32]) -> String {
    let runs = ranks.chunk_by(|a, b| a.checked_add(1) == Some(*b));
    let text = runs.map(|run| match run {
        [first, .., last] => format!("{first}–{last}"),
        one => one.iter().map(ToString::to_string).collect(),
    });
    text.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::spans;

    #[test]
    fn ranks_in_a_row_are_a_span() {
        assert_eq!(spans(&[3]), "3");
        assert_eq!(spans(&[0, 1]), "0–1");
        assert_eq!(spans(&[0, 1, 2, 5, 7, 8]), "0–2, 5, 7–8");
        assert_eq!(spans(&[]), "");
    }
}
