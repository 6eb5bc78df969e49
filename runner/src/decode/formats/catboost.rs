//! CatBoost.
//!
//! ```text
//! 10:    learn: 0.5346263    test: 0.5546263    best: 0.5546263 (10)    total: 254ms    remaining: 6.67s
//! ```

use super::Entry;
use crate::decode::cursor::Cursor;
use crate::decode::format::{About, Line, Lines, Out};

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "catboost",
        title: "CatBoost",
        example: "10:\tlearn: 0.5346263\ttest: 0.5546263\tbest: 0.5546263 (10)\ttotal: 254ms\tremaining: 6.67s",
        step: "the iteration that the line begins with",
    },
    begins: b"0123456789",
    new: || Box::new(Lines(read)),
};

fn read(line: &Line<'_>, out: &mut Out<'_>) -> bool {
    if !line.text[0].is_ascii_digit() {
        return false;
    }
    let Some((step, rest)) = head(line.text) else {
        return false;
    };
    out.begin();
    out.step(step);
    let mut any = false;
    for column in rest.split(|b| *b == b'\t') {
        let mut column = Cursor::new(column.trim_ascii());
        // Times come in whatever unit is short.
        if let Some(name) = column.until(b':')
            && !matches!(name, b"total" | b"remaining")
            && let Some(value) = column.blanks().number()
        {
            out.number(name, value);
            any = true;
        }
    }
    any && out.end(line)
}

fn head(text: &[u8]) -> Option<(i64, &[u8])> {
    let mut text = Cursor::new(text);
    let step = text.digits()?;
    text.word(b":\t")?;
    let known: [&[u8]; 2] = [b"learn: ", b"test"];
    let known = known.iter().any(|name| text.rest.starts_with(name));
    known.then_some((step, text.rest))
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{formats, records};

    #[test]
    fn iterations() {
        let log = "0:\tlearn: 0.5\ttotal: 106ms\tremaining: 31.6s\n\
            10:\tlearn: nan\ttest: 0.75\tbest: 0.25 (9)\ttotal: 1.5s\tremaining: 0us\n\
            20:\ttest1: 0.75\tbest: 0.25 (9)\ttotal: 1.5s\tremaining: 0us\n";
        assert_eq!(
            records(log),
            [
                "step 0: learn=0.5",
                "step 10: learn=NaN test=0.75 best=0.25",
                "step 20: test1=0.75 best=0.25",
            ]
        );
        assert_eq!(formats(log), ["catboost"]);
    }

    #[test]
    fn look_alikes() {
        assert!(records("10:\tlater\n10: learn\n10:\ttest\n").is_empty());
    }
}
