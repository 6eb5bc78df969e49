//! nanoGPT and its kin.

use super::Entry;
use crate::decode::format::{About, Line, Lines, Out};

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "nanogpt",
        title: "nanoGPT, build-nanogpt",
        example: "iter 100: loss 2.4501, time 131.31ms, mfu 5.00%",
        step: "`iter`, `step`",
    },
    new: || Box::new(Lines(read)),
};

fn read(line: &Line<'_>, out: &mut Out<'_>) -> bool {
    if !line.text.starts_with(b"iter ") || line.text.get(5..).is_none() {
        return false;
    }
    out.begin();
    out.pairs(line.text) && out.end(line)
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{formats, records};

    #[test]
    fn lines_of_training() {
        let log = "iter 100: loss 2.4501, time 131.31ms, mfu 5.00%\n";
        assert_eq!(records(log), ["step 100: loss=2.4501 time=131.31 mfu=5"]);
        assert_eq!(formats(log), ["nanogpt"]);
    }
}
