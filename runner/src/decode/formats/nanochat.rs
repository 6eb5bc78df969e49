//! nanochat.
//!
//! ```text
//! step 00099/00100 (99.00%) | loss: 2.5 | grad norm: 0.5 | lrm: 1.00 | dt: 2017.37ms | tok/sec: 4,149 | bf16_mfu: 30.50 | epoch: 1 | total time: 0.50m
//! Step 00100 | Validation bpb: 0.8125
//! Step 00010/00700 | Training loss: 1.5| lrm: 0.95| num_tokens: 10,000
//! ```

use super::Entry;
use crate::decode::cursor::Cursor;
use crate::decode::format::{About, Line, Lines, Out};
use crate::decode::keyvalue::Value;
use crate::decode::split::Pairs;

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "nanochat",
        title: "nanochat: pretraining, midtraining, fine-tuning",
        example: "step 00099/00100 (99.00%) | loss: 2.5 | lrm: 1.00 | dt: 2017.37ms | tok/sec: 4,149",
        step: "`step`, `Step`",
    },
    begins: b"Ss",
    new: || Box::new(Lines(|line, out| read(line, out).is_some())),
};

/// Steps are padded with zeros to this width.
const WIDTH: usize = 5;

fn read(line: &Line<'_>, out: &mut Out<'_>) -> Option<()> {
    let mut at = Cursor::new(line.text);
    // Training prints both; `Step 00250 | Validation bpb: …` evaluates.
    let training = at.word(b"step ").is_some();
    if !training {
        at.word(b"Step ")?;
    }
    let before = at.rest.len();
    let step = at.digits()?;
    if before - at.rest.len() < WIDTH {
        return None;
    }
    let of_total = at.word(b"/").is_some();
    if of_total {
        at.digits()?;
    } else if training {
        // Others count without zeros before the number and without the total.
        return None;
    }
    if at.word(b" (").is_some() {
        at.number()?;
        at.word(b")")?;
    }
    at.word(b" | ")?;
    out.begin();
    out.step(step);
    if !of_total {
        out.evaluation();
    }
    let mut numbers = 0;
    for (key, value) in Pairs::new(at.rest, b':') {
        if let Value::Number(value) = value {
            out.number(key, value);
            numbers += 1;
        }
    }
    (numbers > 0 && out.end(line)).then_some(())
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{formats, records};

    #[test]
    fn lines() {
        let log = "Step 00000 | Validation bpb: 3.25\n\
                   step 00001/00100 (1.00%) | loss: nan | grad norm: 0.5 | lrm: 0.25 | dt: 2017.5ms | tok/sec: 4,149 | bf16_mfu: 0.00 | epoch: 1 pq: 0 rg: 1 | total time: 0.03m | eta: 2.8m\n\
                   Step 00010/00700 | Training loss: 1.5| lrm: 0.95| num_tokens: 10,000\n\
                   Step 00020 | CORE metric: 0.125\n";
        assert_eq!(
            records(log),
            [
                "step 0 evaluation: Validation bpb=3.25",
                "step 1: loss=NaN grad norm=0.5 lrm=0.25 dt=2017.5 tok/sec=4149 bf16_mfu=0 epoch=1 pq=0 rg=1 total time=0.03 eta=2.8",
                "step 10: Training loss=1.5 lrm=0.95 num_tokens=10000",
                "step 20 evaluation: CORE metric=0.125",
            ]
        );
        assert_eq!(formats(log), ["nanochat"]);
    }

    #[test]
    fn what_is_not_taken() {
        for text in [
            "step 1 | loss: 3.5\n",
            "step 17500 | loss: 3.5 | lr 1e-4 | norm: 0.5 | dt: 51.5ms | tok/sec: 1023.5\n",
            "Step 00010 | all done\n",
            "Step 00010\n",
        ] {
            assert!(!formats(text).contains(&"nanochat"), "{text}");
        }
    }
}
