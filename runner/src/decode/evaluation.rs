//! Evaluations beside a training's records.
//!
//! Most logs are rows of one form, a row for each step that is logged, and
//! whatever the rows hold are records. Between them stand lines of another
//! form: what an evaluation found, the averages of an epoch that has ended.
//! They are decoded, and given to detectors, like records as soon as they come,
//! but are counted apart: how many records a log has is how often the training
//! reported. Formats that have such lines say so ([`Out::evaluation`]); here is
//! what the general readers go by. Logs that print evaluations in the form of
//! their records, as those of Hugging Face's Trainer, have records only.
//!
//! [`Out::evaluation`]: super::format::Out::evaluation

use super::{Tally, formats};

/// Whether a line that no format knows tells of an evaluation, in a log whose
/// records have a format.
pub(super) fn is_beside(text: &[u8], tally: &Tally) -> bool {
    let mut formats = tally.formats.iter();
    formats.any(|known| !formats::is_general(known.name)) && evaluates(text)
}

/// Whether one of the words is of evaluations.
fn evaluates(text: &[u8]) -> bool {
    const WORDS: [&[u8]; 6] = [
        b"eval",
        b"evaluation",
        b"test",
        b"val",
        b"valid",
        b"validation",
    ];
    text.split(|byte| !byte.is_ascii_alphabetic())
        .any(|word| WORDS.iter().any(|known| word.eq_ignore_ascii_case(known)))
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{records, tally};

    const NANOGPT: &str = "iter 10: loss 2.5, time 131.5ms, mfu 5.00%\n";

    #[test]
    fn a_line_of_no_format_beside_those_of_one() {
        for (line, shown) in [
            (
                "Test accuracy: 0.5, Test loss: 1.25\n",
                "step 10 evaluation: Test accuracy=0.5 Test loss=1.25",
            ),
            (
                "{'rounds': 3, 'eval_loss': nan}\n",
                "step 10 evaluation: rounds=3 eval_loss=NaN",
            ),
            (
                "[\n{\n\"epoch\": 1,\n\"train\": {\n\"loss\": 2.5\n}\n}\n]\n",
                "step 10 evaluation: epoch=1 train/loss=2.5",
            ),
        ] {
            let log = format!("{NANOGPT}{line}");
            assert_eq!(records(&log)[1..], [shown], "{line}");
            let tally = tally(&log);
            assert_eq!((tally.records, tally.evaluations), (1, 1), "{line}");
        }
    }

    #[test]
    fn the_end_of_an_epoch_among_steps() {
        let log = "epoch 1 step 10 loss 2.5\nepoch 1 average loss 2.75 time 5.5\nepoch 2 step 20 loss 2.25\n";
        let tally = tally(log);
        assert_eq!((tally.records, tally.evaluations), (2, 1));
    }

    #[test]
    fn rows_of_the_records_form_are_records() {
        for log in [
            "step 1 loss 2.5\nstep 1 val_loss 2.75\n",
            "epoch 1 loss 2.5 val_loss 2.75\nepoch 2 loss 2.25 val_loss 2.5\n",
            "{'loss': 2.5, 'grad_norm': 1.5, 'learning_rate': 0.5, 'epoch': 0.5}\n\
             {'eval_loss': 2.5, 'eval_runtime': 1.5, 'epoch': 0.5}\n",
            "[{\"step\": 1, \"loss\": 2.5}, {\"step\": 2, \"loss\": 2.25}]\n",
        ] {
            let tally = tally(log);
            assert_eq!((tally.records, tally.evaluations), (2, 0), "{log}");
        }
    }
}
