//! CycleGAN and pix2pix (junyanz).
//!
//! ```text
//! (epoch: 1, iters: 100, time: 0.512, data: 0.125) G_GAN: 0.875 G_L1: 12.5 D_real: 0.625
//! [Rank 0] (epoch: 1, iters: 100, time: 0.512, data: 0.125) , G_GAN: 0.875, G_L1: 12.5
//! ```
//!
//! The iterations are counted in images and begin again with every epoch, whose
//! length is not printed.

use super::Entry;
use super::fields::{self, fields};
use crate::decode::epochs::Epochs;
use crate::decode::format::{About, Format, Line, Out};

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "cyclegan",
        title: "CycleGAN, pix2pix",
        example: "(epoch: 1, iters: 100, time: 0.512, data: 0.125) G_GAN: 0.875 G_L1: 12.5 D_real: 0.625",
        step: "`iters`, added up through the epochs",
    },
    begins: b"(",
    new: || Box::new(CycleGan::default()),
};

#[derive(Default)]
struct CycleGan {
    epochs: Epochs,
}

impl Format for CycleGan {
    fn line(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> bool {
        if !line.text.starts_with(b"(epoch: ") {
            return false;
        }
        let Some(close) = memchr::memchr(b')', line.text) else {
            return false;
        };
        let (head, rest) = line.text.split_at(close);
        let of = |name: &[u8]| fields(head).find(|field| field.name == name);
        let (Some(epoch), Some(count)) = (of(b"epoch"), of(b"iters")) else {
            return false;
        };
        if fields(rest).next().is_none() {
            return false;
        }
        out.begin();
        out.step(
            self.epochs
                .step(epoch.value as i64, count.value as i64, None),
        );
        for field in fields(head).filter(|field| field.name != b"iters") {
            out.number(field.name, field.value);
        }
        fields::write(rest, b"", out);
        out.end(line)
    }
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{formats, records};

    #[test]
    fn iterations() {
        let log = "(epoch: 1, iters: 100, time: 0.5, data: 0.125) D_A: 0.25 G_A: 0.5 \n\
            End of epoch 1 / 200 \t Time Taken: 5 sec\n\
            (epoch: 2, iters: 20, time: 0.5, data: 0.125) , D_A: nan, G_A: 0.5\n";
        assert_eq!(
            records(log),
            [
                "step 100: epoch=1 time=0.5 data=0.125 D_A=0.25 G_A=0.5",
                "step 120: epoch=2 time=0.5 data=0.125 D_A=NaN G_A=0.5",
            ]
        );
        assert_eq!(formats(log), ["cyclegan"]);
    }

    #[test]
    fn look_alikes() {
        assert!(
            records("(epoch: 1, iters: 100)\n(epoch: 1\n(epoch: x, iters: y) z: 1\n").is_empty()
        );
    }
}
