//! `ClearML`'s offline sessions, `metrics.jsonl`.
//!
//! ```text
//! [{"timestamp": 1795308497227, "type": "training_stats_scalar", "iter": 0,
//!   "metric": "loss", "variant": "train", "value": 4.95, …}, …]
//! ```
//!
//! Each line is an array of events. A scalar is a record; its metric is called
//! `metric/variant`. Plots, images and console lines are other types.

use jiter::{Jiter, NumberAny, NumberInt, Peek};
use memchr::memmem;

use super::Entry;
use crate::decode::format::{About, Line, Lines, Out};
use crate::decode::number::spelled;
use crate::decode::time;

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "clearml",
        title: "ClearML's offline sessions",
        example: r#"[{"type": "training_stats_scalar", "iter": 0, "metric": "loss", "variant": "train", "value": 4.95}]"#,
        step: "`iter`",
    },
    begins: b"[",
    new: || Box::new(Lines(read)),
};

/// The type of an event stands among its first keys.
const FIRST_EVENT: usize = 1_000;

fn read(line: &Line<'_>, out: &mut Out<'_>) -> bool {
    let text = line.text;
    if !text.starts_with(b"[")
        || !text[1..].trim_ascii_start().starts_with(b"{")
        || memmem::find(&text[..text.len().min(FIRST_EVENT)], b"\"training_").is_none()
    {
        return false;
    }
    // A line that breaks off has its events up to there.
    let _ = events(text, line, out);
    true
}

fn events(text: &[u8], line: &Line<'_>, out: &mut Out<'_>) -> jiter::JiterResult<()> {
    let mut json = Jiter::new(text).with_allow_inf_nan();
    let mut more = json.next_array()?.is_some();
    while more {
        let event = Event::read(&mut json)?;
        if let Some(value) = event.value
            && event.kind == b"training_stats_scalar"
        {
            out.begin();
            event.time.into_iter().for_each(|time| out.time(time));
            out.step(event.step);
            out.metric(&event.name(), value);
            out.end(line);
        }
        more = json.array_step()?.is_some();
    }
    Ok(())
}

/// What an event says of itself.
#[derive(Default)]
struct Event {
    kind: Vec<u8>,
    metric: Vec<u8>,
    variant: Vec<u8>,
    step: i64,
    time: Option<f64>,
    value: Option<f64>,
}

impl Event {
    fn read(json: &mut Jiter<'_>) -> jiter::JiterResult<Self> {
        let mut event = Self::default();
        let mut key = json.next_object()?.map(|key| key.as_bytes().to_vec());
        while let Some(name) = key {
            match json.peek()? {
                Peek::String => event.text(&name, json.known_str()?.as_bytes()),
                peek @ (Peek::Null | Peek::True | Peek::False | Peek::Array | Peek::Object) => {
                    json.known_skip(peek)?;
                }
                peek => event.number(&name, as_f64(&json.known_number(peek)?)),
            }
            key = json.next_key()?.map(|key| key.as_bytes().to_vec());
        }
        Ok(event)
    }

    fn text(&mut self, key: &[u8], text: &[u8]) {
        match key {
            b"type" => self.kind = text.to_vec(),
            b"metric" => self.metric = text.to_vec(),
            b"variant" => self.variant = text.to_vec(),
            b"value" => self.value = spelled(text).map(|(value, _)| value),
            _ => {}
        }
    }

    fn number(&mut self, key: &[u8], number: f64) {
        match key {
            b"iter" => self.step = number as i64,
            b"timestamp" => self.time = time::from_number(number),
            b"value" => self.value = Some(number),
            _ => {}
        }
    }

    fn name(&self) -> Vec<u8> {
        if self.variant.is_empty() {
            return self.metric.clone();
        }
        [&self.metric, b"/".as_slice(), &self.variant].concat()
    }
}

fn as_f64(number: &NumberAny) -> f64 {
    match number {
        NumberAny::Int(NumberInt::Int(integer)) => *integer as f64,
        // No step and no time has so many digits.
        NumberAny::Int(NumberInt::BigInt(_)) => f64::NAN,
        NumberAny::Float(float) => *float,
    }
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{formats, records};

    fn scalar(step: u32, variant: &str, value: &str) -> String {
        format!(
            "{{\"timestamp\": 1795308497227, \"type\": \"training_stats_scalar\", \"task\": \"t\", \
             \"iter\": {step}, \"metric\": \"loss\", \"variant\": \"{variant}\", \"value\": {value}}}"
        )
    }

    #[test]
    fn scalars() {
        let plot =
            r#"{"type": "plot", "iter": 1, "metric": "x", "variant": "y", "plot_str": "{}"}"#;
        let first = [
            scalar(0, "train", "2.5"),
            plot.into(),
            scalar(1, "train", "NaN"),
        ];
        let second = [scalar(1, "val", "3"), scalar(2, "", "1e-3")];
        let log = format!("[{}]\n[{}]\n", first.join(", "), second.join(","));
        let expected = [
            "step 0: loss/train=2.5",
            "step 1: loss/train=NaN",
            "step 1: loss/val=3",
            "step 2: loss=0.001",
        ];
        assert_eq!(records(&log), expected);
        assert_eq!(formats(&log), ["clearml"]);
    }

    #[test]
    fn a_torn_line() {
        let log = format!("[{}, {{\"type\": \"training_st", scalar(3, "train", "2.5"));
        assert_eq!(records(log), ["step 3: loss/train=2.5"]);
    }

    #[test]
    fn other_arrays_are_not_taken() {
        assert_eq!(formats(r#"[{"step": 1, "loss": 2}]"#), ["json-document"]);
        assert_eq!(records(r"[training_] step"), [""; 0]);
    }
}
