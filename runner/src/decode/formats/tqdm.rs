//! Losses beside any tqdm bar, as `set_postfix` shows them.
//!
//! ```text
//! Training:  57%|█████▋    | 8/14 [00:00<00:00, 38.09it/s, loss=0.06]
//! steps:   8%|▊         | 229/2820 [05:25<1:01:21,  1.42s/it, avr_loss=0.09]
//! ```

use super::Entry;
use super::fields::{self, fields};
use crate::decode::format::{About, Format, Line, Out};

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "tqdm",
        title: "tqdm bars with a loss beside them",
        example: "Training:  57%|#####7    | 8/14 [00:00<00:00, 38.09it/s, loss=0.06]",
        step: "the bar's counts, added up",
    },
    begins: b"",
    new: || Box::new(Tqdm::default()),
};

/// The bars of a training follow one another.
#[derive(Default)]
struct Tqdm {
    before: i64,
    last: i64,
}

impl Format for Tqdm {
    fn line(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> bool {
        let Some(bar) = line.bar else { return false };
        if !fields(bar.postfix).any(|field| fields::is_loss(field.name)) {
            return false;
        }
        out.begin();
        let prefix: &[u8] = if is_evaluation(bar.description) {
            b"val/"
        } else {
            out.step(self.step(i64::try_from(bar.current).unwrap_or(i64::MAX)));
            b""
        };
        fields::write(bar.postfix, prefix, out);
        out.end(line)
    }
}

impl Tqdm {
    fn step(&mut self, count: i64) -> i64 {
        if count < self.last {
            self.before = self.before.saturating_add(self.last);
        }
        self.last = count;
        self.before.saturating_add(count)
    }
}

fn is_evaluation(description: &[u8]) -> bool {
    let has = |word: &[u8]| {
        description
            .windows(word.len())
            .any(|part| part.eq_ignore_ascii_case(word))
    };
    (has(b"val") || has(b"test")) && !has(b"train")
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{formats, records};

    #[test]
    fn bars_follow_one_another() {
        let log = "\rTraining:   7%|7   | 1/14 [00:00<00:00, 38.09it/s, loss=0.5]\
            \rTraining: 100%|####| 14/14 [00:00<00:00, 38.09it/s, loss=0.25]\
            \rValidating: 100%|####| 3/3 [00:00<00:00, 38.09it/s, loss=0.75]\
            \rTraining:   7%|7   | 1/14 [00:00<00:00, 38.09it/s, loss=nan]\n";
        assert_eq!(
            records(log),
            [
                "step 1: loss=0.5",
                "step 14: loss=0.25",
                "step 14: val/loss=0.75",
                "step 15: loss=NaN"
            ]
        );
        assert_eq!(formats(log), ["tqdm"]);
    }

    #[test]
    fn other_bars() {
        let log = "Map:  50%|##  | 500/1000 [00:03<00:03, 150.00 examples/s]\n\
            Loading:  50%|##  | 5/10 [00:03<00:03, 1.0s/it, file=3]\n";
        assert!(records(log).is_empty());
    }
}
