//! A number, a colon, and metrics, as short scripts print them.
//!
//! ```text
//! 10: loss=2.5
//! 10: loss 2.5, val_loss 2.75
//! ```

use super::Entry;
use super::fields;
use crate::decode::format::{About, Line, Lines, Out};

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "numbered",
        title: "Lines that begin with the step and a colon",
        example: "10: loss=2.5",
        step: "the number that the line begins with",
    },
    begins: b"0123456789",
    new: || Box::new(Lines(read)),
};

/// The longest line: what is longer is no note of a short script.
const LONGEST: usize = 512;

fn read(line: &Line<'_>, out: &mut Out<'_>) -> bool {
    let digits = line
        .text
        .iter()
        .take(10)
        .take_while(|b| b.is_ascii_digit())
        .count();
    let Some((number, rest)) = line.text.split_at_checked(digits) else {
        return false;
    };
    let [b':', b' ', first, ..] = rest else {
        return false;
    };
    let sound = !number.is_empty()
        && first.is_ascii_alphabetic()
        && rest.len() <= LONGEST
        && fields::is_loss(rest);
    if !sound {
        return false;
    }
    // The general reader knows how strict to be.
    out.begin();
    out.pairs(&[b"step ", line.text].concat()) && out.end(line)
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{formats, records};

    #[test]
    fn steps() {
        let log = "10: loss=2.5\n20: loss nan, val_loss 2.75\n";
        assert_eq!(
            records(log),
            ["step 10: loss=2.5", "step 20: loss=NaN val_loss=2.75"]
        );
        assert_eq!(formats(log), ["numbered"]);
    }

    #[test]
    fn look_alikes() {
        assert!(records("10: a loss for words\n1: lossless\n10:loss\n: loss=1\n").is_empty());
    }
}
