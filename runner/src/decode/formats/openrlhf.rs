//! OpenRLHF: progress bars with metrics.
//!
//! ```text
//! Train epoch [1/1]:  10%|#    | 5/50 [00:10<01:30, 2.00s/it, policy_loss=0.25, reward=0.5, kl=0.01, act_lr=5e-7]
//! Train step of epoch 0:  10%|#    | 5/50 [00:10<01:30, 2.00s/it, loss=0.25, lr=5e-7]
//! ```
//!
//! PPO's bar begins anew with every batch of experience; steps go on. A bar
//! that is drawn again counts once.

use super::Entry;
use crate::decode::bar::Bar;
use crate::decode::cursor::Cursor;
use crate::decode::format::{About, Format, Line, Out};
use crate::decode::keyvalue::Value;
use crate::decode::split::Pairs;

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "openrlhf",
        title: "OpenRLHF",
        example: "Train epoch [1/1]: 10%|#    | 5/50 [00:10<01:30, policy_loss=0.25, reward=0.5, kl=0.01]",
        step: "the bar's count, on from bar to bar",
    },
    begins: b"",
    new: || Box::new(OpenRlhf::default()),
};

#[derive(Default)]
struct OpenRlhf {
    /// The steps of the bars that are over, and of this one.
    before: i64,
    done: i64,
    /// The metrics of the last bar.
    postfix: Vec<u8>,
}

impl Format for OpenRlhf {
    fn line(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> bool {
        let Some(bar) = line.bar else { return false };
        let Some(done) = count(bar) else {
            return false;
        };
        if done < self.done {
            self.before = self.before.saturating_add(self.done);
        }
        let again = done == self.done && self.postfix == bar.postfix;
        self.done = done;
        if again || bar.postfix.is_empty() {
            return true;
        }
        self.postfix.clear();
        self.postfix.extend_from_slice(bar.postfix);
        out.begin();
        out.step(self.before.saturating_add(done));
        for (key, value) in Pairs::new(bar.postfix, b'=') {
            if let Value::Number(value) = value {
                out.number(key, value);
            }
        }
        out.end(line)
    }
}

/// The steps that the bar counts, those of the epochs before among them.
fn count(bar: &Bar<'_>) -> Option<i64> {
    let mut at = Cursor::new(bar.description);
    let epoch = if at.word(b"Train epoch [").is_some() {
        let epoch = at.digits()?;
        at.word(b"/")?;
        at.digits()?;
        at.word(b"]")?;
        epoch.checked_sub(1)?
    } else {
        at.word(b"Train step of epoch ")?;
        at.digits()?
    };
    if !at.is_done() {
        return None;
    }
    let total = i64::try_from(bar.total.unwrap_or(0)).ok()?;
    let current = i64::try_from(bar.current).ok()?;
    epoch.checked_mul(total)?.checked_add(current)
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{formats, records};

    #[test]
    fn ppo() {
        let log = "Train epoch [1/1]:   0%|     | 0/2 [00:00<?, ?it/s]\r\
                   Train epoch [1/1]:  50%|#    | 1/2 [00:10<01:30,  2.00s/it, policy_loss=0.25, kl=nan, act_lr=5e-7]\r\
                   Train epoch [1/1]:  50%|#    | 1/2 [00:10<01:30,  2.00s/it, policy_loss=0.25, kl=nan, act_lr=5e-7]\r\
                   Train epoch [1/1]: 100%|#    | 2/2 [00:10<01:30,  2.00s/it, policy_loss=0.5, kl=0.5, act_lr=5e-7]\n\
                   Train epoch [1/1]:   0%|     | 0/2 [00:00<?, ?it/s]\r\
                   Train epoch [1/1]:  50%|#    | 1/2 [00:10<01:30,  2.00s/it, policy_loss=0.75, kl=0.5, act_lr=5e-7]\n";
        assert_eq!(
            records(log),
            [
                "step 1: policy_loss=0.25 kl=NaN act_lr=0.0000005",
                "step 2: policy_loss=0.5 kl=0.5 act_lr=0.0000005",
                "step 3: policy_loss=0.75 kl=0.5 act_lr=0.0000005",
            ]
        );
        assert_eq!(formats(log), ["openrlhf"]);
    }

    #[test]
    fn fine_tuning() {
        let log = "Train step of epoch 0:  10%|#    | 5/50 [00:10<01:30,  2.00s/it, loss=0.25, lr=5e-7]\n\
                   Train step of epoch 1:  10%|#    | 5/50 [00:10<01:30,  2.00s/it, loss=0.5, lr=5e-7]\n\
                   Evaluate:  10%|#    | 5/50 [00:10<01:30,  2.00s/it, loss=0.5]\n";
        assert_eq!(
            records(log)[..2],
            [
                "step 5: loss=0.25 lr=0.0000005",
                "step 55: loss=0.5 lr=0.0000005"
            ]
        );
    }
}
