//! XGBoost: `train` and `cv` with evaluation sets.
//!
//! ```text
//! [12]    train-logloss:0.18327    eval-logloss:0.29847
//! [12]    train-rmse:0.51250+0.00625    test-rmse:0.61250+0.01250
//! ```
//!
//! The second number of a cross-validation is the deviation between the folds.

use super::Entry;
use crate::decode::cursor::Cursor;
use crate::decode::format::{About, Line, Lines, Out};

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "xgboost",
        title: "XGBoost",
        example: "[12]\ttrain-logloss:0.18327\teval-logloss:0.29847",
        step: "the round in brackets",
    },
    begins: b"[",
    new: || Box::new(Lines(read)),
};

fn read(line: &Line<'_>, out: &mut Out<'_>) -> bool {
    let Some((round, text)) = round(line.text) else {
        return false;
    };
    if text.is_done() || pairs(text).any(|pair| pair.is_none()) {
        return false;
    }
    out.begin();
    out.step(round);
    for (name, mean, deviation) in pairs(text).flatten() {
        out.number(name, mean);
        if let Some(deviation) = deviation {
            out.number(&[name, b"-std"].concat(), deviation);
        }
    }
    out.end(line)
}

/// `[12]`, and what follows it.
pub(super) fn round(text: &[u8]) -> Option<(i64, Cursor<'_>)> {
    let mut text = Cursor::new(text);
    text.word(b"[")?;
    let round = text.digits()?;
    text.word(b"]")?;
    Some((round, text))
}

/// The name, the number and the deviation of each `train-rmse:0.5+0.1`.
fn pairs<'a>(text: Cursor<'a>) -> impl Iterator<Item = Option<(&'a [u8], f64, Option<f64>)>> {
    text.rest
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
        .map(pair)
}

fn pair(word: &[u8]) -> Option<(&[u8], f64, Option<f64>)> {
    let colon = memchr::memrchr(b':', word)?;
    let (name, value) = (&word[..colon], &word[colon + 1..]);
    // The set and the metric.
    memchr::memchr(b'-', name).filter(|at| *at > 0)?;
    let plus = value.iter().skip(1).position(|b| *b == b'+');
    // Not the sign of an exponent.
    let plus = plus
        .map(|at| at + 1)
        .filter(|at| !matches!(value[at - 1], b'e' | b'E'));
    let (mean, deviation) = value.split_at(plus.unwrap_or(value.len()));
    let whole = |text| {
        let mut text = Cursor::new(text);
        let value = text.number()?;
        text.is_done().then_some(value)
    };
    let deviation = match deviation {
        [] => None,
        text => Some(whole(&text[1..])?),
    };
    Some((name, whole(mean)?, deviation))
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{formats, records};

    #[test]
    fn rounds() {
        let log = "[0]\ttrain-logloss:0.5\teval-auc:0.75\n\
            [12:01:02] [1]\tvalidation_0-rmse:nan\n\
            [10]\ttrain-rmse:0.5+0.25\ttest-rmse:15+0.125\n";
        assert_eq!(
            records(log),
            [
                "step 0: train-logloss=0.5 eval-auc=0.75",
                "step 1: validation_0-rmse=NaN",
                "step 10: train-rmse=0.5 train-rmse-std=0.25 test-rmse=15 test-rmse-std=0.125",
            ]
        );
        assert_eq!(formats(log), ["xgboost"]);
    }

    #[test]
    fn look_alikes() {
        assert!(records("[12]\n[1] train-x:1 word\n[3]\t-a:1\n[1] a-b:c\n[1] a:1\n").is_empty());
    }
}
