//! verl.
//!
//! ```text
//! (TaskRunner pid=625502) step:1 - actor/entropy:0.46 - actor/lr(1e-4):0.01 - val-core/x/mean@1:0.5
//! ```
//!
//! The value follows the last colon of its part. NumPy's scalars may be there
//! as Python shows them: `np.float64(0.5)`.

use memchr::{memchr, memmem, memrchr};

use super::Entry;
use crate::decode::cursor::Cursor;
use crate::decode::format::{About, Line, Lines, Out};

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "verl",
        title: "verl",
        example: "step:1 - actor/pg_loss:0.01 - actor/entropy:0.46 - critic/rewards/mean:0.2",
        step: "`step`",
    },
    begins: b"s",
    new: || Box::new(Lines(|line, out| read(line, out).is_some())),
};

const BETWEEN: &[u8] = b" - ";

fn read(line: &Line<'_>, out: &mut Out<'_>) -> Option<()> {
    let mut at = Cursor::new(line.text);
    at.word(b"step:")?;
    let step = at.digits()?;
    at.word(BETWEEN)?;
    out.begin();
    out.step(step);
    let mut fields = 0;
    let mut rest = at.rest;
    while !rest.is_empty() {
        let end = memmem::find(rest, BETWEEN).unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        rest = after.strip_prefix(BETWEEN).unwrap_or(after);
        // Only the last part may be cut.
        let colon = match memrchr(b':', part) {
            Some(colon) => colon,
            None if rest.is_empty() => break,
            None => return None,
        };
        let (key, value) = (part[..colon].trim_ascii(), &part[colon + 1..]);
        if key.is_empty() || key.contains(&b' ') {
            return None;
        }
        fields += usize::from(memchr(b'/', key).is_some());
        out.field(key, bare(value.trim_ascii()));
    }
    (fields > 0 && out.end(line)).then_some(())
}

/// The number in `np.float64(0.5)` and `tensor(0.5)`.
fn bare(value: &[u8]) -> &[u8] {
    let inside = value.strip_suffix(b")").zip(memchr(b'(', value));
    inside.map_or(value, |(text, open)| text.get(open + 1..).unwrap_or(value))
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{formats, records};

    #[test]
    fn lines() {
        let log = "\x1b[36m(TaskRunner pid=77)\x1b[0m step:0 - val-core/a/reward/mean@1:0.25\n\
                   (TaskRunner pid=77) step:1 - actor/pg_loss:-0.000 - actor/lr(1e-4):0.5 - actor/grad_norm:nan - training/global_step:1 - training/epoch:0 - x/y:np.float64(0.5)\n\
                   (main_task pid=7) step:2 - actor/entropy:0 - critic/rew";
        assert_eq!(
            records(log),
            [
                "step 0: val-core/a/reward/mean@1=0.25",
                "step 1: actor/pg_loss=-0 actor/lr(1e-4)=0.5 actor/grad_norm=NaN training/epoch=0 x/y=0.5",
                "step 2: actor/entropy=0",
            ]
        );
        assert_eq!(formats(log), ["verl"]);
    }

    #[test]
    fn what_is_not_taken() {
        for text in [
            "step:1 - all is well\n",
            "step:1 - a word:3 - b/c:1\n",
            "step:1 - x:3\n",
        ] {
            assert!(!formats(text).contains(&"verl"), "{text}");
        }
    }
}
