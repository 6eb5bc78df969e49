//! openpi, which trains with JAX.
//!
//! ```text
//! Step 100: grad_norm=1.0490, loss=0.0786, param_norm=1379.7463
//! ```

use memchr::memmem;

use super::Entry;
use crate::decode::cursor::Cursor;
use crate::decode::format::{About, Line, Lines, Out};
use crate::decode::keyvalue::Value;
use crate::decode::split::Pairs;

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "openpi",
        title: "openpi (JAX)",
        example: "Step 100: grad_norm=1.0490, loss=0.0786, param_norm=1379.7463",
        step: "`Step`",
    },
    begins: b"S",
    new: || Box::new(Lines(|line, out| read(line, out).is_some())),
};

fn read(line: &Line<'_>, out: &mut Out<'_>) -> Option<()> {
    let mut at = Cursor::new(line.text);
    at.word(b"Step ")?;
    let step = at.digits()?;
    at.word(b": ")?;
    // A model that reasons prints `Step 1: x=5`.
    memmem::find(at.rest, b"loss=")?;
    out.begin();
    out.step(step);
    let mut pairs = Pairs::new(at.rest, b'=');
    for (key, value) in &mut pairs {
        let Value::Number(value) = value else {
            return None;
        };
        if key.contains(&b' ') {
            return None;
        }
        out.number(key, value);
    }
    (pairs.is_done() && out.end(line)).then_some(())
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{formats, records};

    #[test]
    fn lines() {
        let log = "\r\rStep 100: grad_norm=1.5, loss=nan, param_norm=1379.5\n";
        assert_eq!(
            records(log),
            ["step 100: grad_norm=1.5 loss=NaN param_norm=1379.5"]
        );
        assert_eq!(formats(log), ["openpi"]);
    }

    #[test]
    fn what_is_not_taken() {
        for text in [
            "Step 1: x=5\n",
            "Step 1: the loss=5\n",
            "Step 1: loss=5 and so on\n",
        ] {
            assert!(!formats(text).contains(&"openpi"), "{text}");
        }
        // Orbax tells of its checkpoints so.
        let event = "07:08:09.010 [I] {'step': 300, 'event_type': 'save', 'checkpointer_duration_secs': 0.5}\n";
        assert!(records(event).is_empty());
    }
}
