//! kohya's sd-scripts: a progress bar with the loss.
//!
//! ```text
//! steps:   8%|8         | 229/2820 [05:25<1:01:21,  1.42s/it, avr_loss=0.125]
//! ```
//!
//! A bar that is drawn again counts once.

use memchr::memmem;

use super::Entry;
use crate::decode::format::{About, Format, Line, Out};
use crate::decode::keyvalue::Value;
use crate::decode::split::Pairs;

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "kohya",
        title: "kohya's sd-scripts",
        example: "steps:   8%|8         | 229/2820 [05:25<1:01:21,  1.42s/it, avr_loss=0.125]",
        step: "the bar's count",
    },
    begins: b"",
    new: || Box::new(Kohya::default()),
};

#[derive(Default)]
struct Kohya {
    /// The count and metrics of the last bar.
    last: (u64, Vec<u8>),
}

impl Format for Kohya {
    fn line(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> bool {
        let Some(bar) = line.bar else { return false };
        if bar.description != b"steps" || memmem::find(bar.postfix, b"loss=").is_none() {
            return false;
        }
        let (count, postfix) = &mut self.last;
        if (*count, &postfix[..]) == (bar.current, bar.postfix) {
            return true;
        }
        *count = bar.current;
        postfix.clear();
        postfix.extend_from_slice(bar.postfix);
        out.begin();
        out.step(i64::try_from(bar.current).unwrap_or(i64::MAX));
        for (key, value) in Pairs::new(bar.postfix, b'=') {
            if let Value::Number(value) = value {
                out.number(key, value);
            }
        }
        out.end(line)
    }
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{formats, records};

    #[test]
    fn bars() {
        let log = "steps:   0%|          | 0/90 [00:00<?, ?it/s]\r\
                   steps:   1%|1         | 1/90 [00:05<1:01:21,  1.42s/it]\r\
                   steps:   1%|1         | 1/90 [00:05<1:01:21,  1.42s/it, avr_loss=0.125]\r\
                   steps:   1%|1         | 1/90 [00:05<1:01:21,  1.42s/it, avr_loss=0.125]\r\
                   steps:   2%|1         | 2/90 [00:05<1:01:21,  1.42s/it, Average key norm=0.5, Keys Scaled=3, avr_loss=nan]\n";
        assert_eq!(
            records(log),
            [
                "step 1: avr_loss=0.125",
                "step 2: Average key norm=0.5 Keys Scaled=3 avr_loss=NaN",
            ]
        );
        assert_eq!(formats(log), ["kohya"]);
    }
}
