//! What a sink is given to send: alerts that belong together, and the words
//! that every sink needs.

use std::time::Duration;

use super::sparkline::sparkline;
use crate::alert::{Alert, Severity, State};

/// One or more alerts of the same group, in the order in which they were made.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The idempotency key: the same over all attempts, and no other message
    /// has it. 32 hexadecimal digits.
    pub id: String,
    /// What the alerts have in common, such as the run: 32 hexadecimal digits,
    /// the same for all messages of the group.
    pub group: String,
    /// The alerts; never empty.
    pub entries: Vec<Entry>,
    /// How to write it.
    pub form: Form,
    /// The moment of this attempt, in milliseconds since 1970.
    pub at: i64,
    /// How long it has waited, if that is long enough to be worth saying.
    pub delayed: Option<Duration>,
    /// An earlier attempt may have arrived.
    pub doubtful: bool,
    /// It is a test of the sink, and nothing is wrong.
    pub test: bool,
}

/// An alert, and why it is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The alert.
    pub alert: Alert,
    /// Why it is told now.
    pub notice: Notice,
}

/// Why an alert is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// It has just been made: firing, or resolved.
    New,
    /// It was told before and still holds.
    Reminder,
    /// It was told before, and the run ended while it held.
    Ended,
}

impl Notice {
    /// The name in the ledger and in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Reminder => "reminder",
            Self::Ended => "ended",
        }
    }

    /// The notice with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::New, Self::Reminder, Self::Ended]
            .into_iter()
            .find(|notice| notice.name() == name)
    }
}

/// How a message is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// With everything that the service can show.
    Rich,
    /// Short plain text without any markup: what is tried once when the
    /// service has rejected the rich form.
    Plain,
}

impl Message {
    /// A message with one new alert, as if it had never been tried before, at
    /// this moment (milliseconds since 1970). It has the alert's names.
    #[must_use]
    pub fn one(alert: Alert, at: i64) -> Self {
        Self {
            id: alert.id.clone(),
            group: alert.fingerprint.clone(),
            entries: vec![Entry::new(alert)],
            form: Form::Rich,
            at,
            delayed: None,
            doubtful: false,
            test: false,
        }
    }

    /// The worst severity among what fires, else among all.
    #[must_use]
    pub fn severity(&self) -> Severity {
        let of =
            |entries: &mut dyn Iterator<Item = &Entry>| entries.map(|e| e.alert.severity).max();
        of(&mut self.entries.iter().filter(|entry| entry.fires()))
            .or_else(|| of(&mut self.entries.iter()))
            .unwrap_or(Severity::Info)
    }

    /// Whether any alert in it says that something is wrong now.
    #[must_use]
    pub fn fires(&self) -> bool {
        self.entries.iter().any(Entry::fires)
    }

    /// The first entry, which a message always has.
    #[must_use]
    pub fn first(&self) -> Option<&Entry> {
        self.entries.first()
    }

    /// One line that says it all: `CRITICAL: loss is NaN (run exp1, step 2404)`
    /// or `3 alerts, worst CRITICAL: loss is NaN (run exp1)`.
    #[must_use]
    pub fn title(&self) -> String {
        let worst = self.severity();
        let telling = self
            .entries
            .iter()
            .find(|entry| entry.fires() && entry.alert.severity == worst)
            .or_else(|| self.first());
        let Some(entry) = telling else {
            return String::new();
        };
        let test = if self.test { "[TEST] " } else { "" };
        let head = entry.headline();
        match self.entries.len() {
            1 => format!("{test}{head}"),
            more => format!("{test}{more} alerts, worst {head}"),
        }
    }

    /// Everything as plain text of several lines: for services without
    /// markup, for [`Form::Plain`], and for the text part of an e-mail.
    #[must_use]
    pub fn plain(&self) -> String {
        let mut text = String::new();
        for (at, entry) in self.entries.iter().enumerate() {
            if at > 0 {
                text.push_str("\n\n");
            }
            if self.test {
                text.push_str("[TEST] ");
            }
            text.push_str(&entry.plain());
        }
        text.push_str("\n\n");
        text.push_str(&self.footer());
        text
    }

    /// The last line: what wrote it, its id, and what is odd about it.
    #[must_use]
    pub fn footer(&self) -> String {
        let mut text = format!("runwatch · {}", self.id.get(..12).unwrap_or(&self.id));
        if let Some(delayed) = self.delayed {
            text.push_str(&format!(" · delayed by {}", minutes(delayed)));
        }
        if self.doubtful {
            text.push_str(" · possible duplicate");
        }
        text
    }
}

fn minutes(time: Duration) -> String {
    match time.as_secs() / 60 {
        minutes @ 0..120 => format!("{minutes} min"),
        minutes => format!("{} h", minutes / 60),
    }
}

impl Entry {
    /// An alert that has just been made.
    #[must_use]
    pub fn new(alert: Alert) -> Self {
        let notice = Notice::New;
        Self { alert, notice }
    }

    /// Whether it says that something is wrong now.
    #[must_use]
    pub fn fires(&self) -> bool {
        self.alert.state == State::Firing && self.notice != Notice::Ended
    }

    /// `CRITICAL`, `WARNING`, `INFO`, `RESOLVED`, or `ENDED` when the run is
    /// over and the trouble was not.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match (self.notice, self.alert.state, self.alert.severity) {
            (Notice::Ended, ..) => "ENDED",
            (_, State::Resolved, _) => "RESOLVED",
            (_, _, Severity::Critical) => "CRITICAL",
            (_, _, Severity::Warning) => "WARNING",
            (_, _, Severity::Info) => "INFO",
        }
    }

    /// A coloured disc for services that show emoji. Never the only sign of the
    /// severity: [`label`](Entry::label) says it in words.
    #[must_use]
    pub fn symbol(&self) -> &'static str {
        match self.label() {
            "CRITICAL" => "🔴",
            "WARNING" => "🟠",
            "INFO" => "🔵",
            "RESOLVED" => "🟢",
            _ => "⚪",
        }
    }

    /// The colour of the label, as `0xRRGGBB`.
    #[must_use]
    pub fn colour(&self) -> u32 {
        match self.label() {
            "CRITICAL" => 0xd9_2d_20,
            "WARNING" => 0xf7_90_09,
            "INFO" => 0x2e_90_fa,
            "RESOLVED" => 0x12_b7_6a,
            _ => 0x98_a2_b3,
        }
    }

    /// `CRITICAL: loss is NaN (run exp1, step 2404)`.
    #[must_use]
    pub fn headline(&self) -> String {
        let alert = &self.alert;
        let step = alert
            .step
            .map(|step| format!(", step {step}"))
            .unwrap_or_default();
        format!(
            "{}: {} (run {}{step})",
            self.label(),
            one_line(&alert.title),
            one_line(&alert.run)
        )
    }

    /// What happened, with a word on why it is told again.
    #[must_use]
    pub fn message(&self) -> String {
        let before = match self.notice {
            Notice::New => "",
            Notice::Reminder => "Still firing. ",
            Notice::Ended => "The run ended while this was firing. ",
        };
        format!("{before}{}", self.alert.message)
    }

    /// Where it was seen, as name and value: project (unless it is the default),
    /// run, step, ranks, detector, host, place in the log.
    #[must_use]
    pub fn facts(&self) -> Vec<(&'static str, String)> {
        let alert = &self.alert;
        let mut facts = Vec::new();
        if alert.project != "default" {
            facts.push(("Project", alert.project.clone()));
        }
        facts.push(("Run", alert.run.clone()));
        if let Some(step) = alert.step {
            facts.push(("Step", step.to_string()));
        }
        match alert.ranks.as_slice() {
            [] => {}
            [rank] => facts.push(("Rank", rank.to_string())),
            ranks => facts.push(("Ranks", crate::alert::spans(ranks))),
        }
        facts.push(("Detector", alert.detector.clone()));
        facts.push(("Host", alert.host.clone()));
        if let Some(location) = &alert.location {
            facts.push(("Log", format!("{}:{}", location.input, location.line)));
        }
        facts
    }

    /// The alert as plain text of several lines.
    #[must_use]
    pub fn plain(&self) -> String {
        let mut text = format!("{}\n{}", self.headline(), self.message());
        if self.fires() {
            text.push_str(&format!("\nWhat to do: {}", self.alert.recommendation));
        }
        let facts: Vec<String> = self
            .facts()
            .into_iter()
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        if let Some(recent) = &self.alert.recent {
            let line = sparkline(&recent.values);
            text.push_str(&format!("\n{}: {line}", one_line(&recent.metric)));
        }
        text.push_str(&format!("\n{}", facts.join(" · ")));
        text
    }
}

/// The text without line breaks.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
