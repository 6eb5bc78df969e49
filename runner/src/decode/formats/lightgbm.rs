//! LightGBM: the Python package and the command line.
//!
//! ```text
//! [12]    training's binary_logloss: 0.342757    valid_1's auc: 0.941984
//! [12]    cv_agg's binary_logloss: 0.342757 + 0.0125
//! [LightGBM] [Info] Iteration:12, training binary_logloss : 0.342757
//! ```

use super::Entry;
use super::xgboost::round;
use crate::decode::cursor::Cursor;
use crate::decode::format::{About, Format, Line, Out};

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "lightgbm",
        title: "LightGBM",
        example: "[12]\ttraining's binary_logloss: 0.342757\tvalid_1's auc: 0.941984",
        step: "the round in brackets",
    },
    begins: b"",
    new: || Box::new(LightGbm::default()),
};

#[derive(Default)]
struct LightGbm {
    /// The next round was named the best one: the training stands elsewhere.
    best: bool,
}

impl Format for LightGbm {
    fn line(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> bool {
        let best = std::mem::take(&mut self.best);
        match line.text[0] {
            b'[' => {}
            b'E' | b'D' => {
                // `Early stopping, best iteration is:`, `Did not meet early stopping. …`
                self.best = line.text.ends_with(b"iteration is:");
                return false;
            }
            _ => return false,
        }
        if let Some((step, name, value)) = command_line(line.text) {
            out.begin();
            out.step(step);
            out.number(&name, value);
            return out.end(line);
        }
        let Some((round, text)) = round(line.text) else {
            return false;
        };
        if pairs(text).next().is_none() || pairs(text).any(|pair| pair.is_none()) {
            return false;
        }
        out.begin();
        if !best {
            out.step(round);
        }
        for (name, mean, deviation) in pairs(text).flatten() {
            out.number(name, mean);
            if let Some(deviation) = deviation {
                out.number(&[name, b"-stdv"].concat(), deviation);
            }
        }
        out.end(line)
    }
}

/// The name, the number and the deviation of each `set's metric: 0.5 + 0.1`.
fn pairs<'a>(text: Cursor<'a>) -> impl Iterator<Item = Option<(&'a [u8], f64, Option<f64>)>> {
    text.rest
        .split(|b| *b == b'\t')
        .map(<[u8]>::trim_ascii)
        .filter(|pair| !pair.is_empty())
        .map(pair)
}

fn pair(text: &[u8]) -> Option<(&[u8], f64, Option<f64>)> {
    let mut text = Cursor::new(text);
    let name = text.until(b':')?;
    memchr::memmem::find(name, b"'s ")?;
    let value = text.blanks().number()?;
    let deviation = match text.blanks().word(b"+") {
        Some(()) => Some(text.blanks().number()?),
        None => None,
    };
    text.is_done().then_some((name, value, deviation))
}

/// `[LightGBM] [Info] Iteration:12, training auc : 0.5`
fn command_line(text: &[u8]) -> Option<(i64, Vec<u8>, f64)> {
    let mut text = Cursor::new(text);
    text.word(b"[LightGBM] [Info] Iteration:")?;
    let step = text.blanks().digits()?;
    text.word(b",")?;
    let name = text.until(b':')?.trim_ascii().to_vec();
    let value = text.blanks().number()?;
    (text.is_done() && !name.is_empty()).then_some((step, name, value))
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{formats, records};

    #[test]
    fn rounds() {
        let log = "[1]\ttraining's binary_logloss: 0.5\tvalid_1's auc: 0.75\n\
            [2]\tcv_agg's valid l2: nan + 0.125\n\
            Early stopping, best iteration is:\n\
            [1]\ttraining's binary_logloss: 0.5\tvalid_1's auc: 0.75\n\
            [LightGBM] [Info] Iteration:3, training auc : 0.25\n";
        assert_eq!(
            records(log),
            [
                "step 1: training's binary_logloss=0.5 valid_1's auc=0.75",
                "step 2: cv_agg's valid l2=NaN cv_agg's valid l2-stdv=0.125",
                "step 2: training's binary_logloss=0.5 valid_1's auc=0.75",
                "step 3: training auc=0.25",
            ]
        );
        assert_eq!(formats(log), ["lightgbm"]);
    }

    #[test]
    fn look_alikes() {
        assert!(
            records("[12]\n[1]\tx: 1\n[1] dog's age: old\n[LightGBM] [Info] Total Bins 3060\n")
                .is_empty()
        );
    }
}
