//! Streams to measure on: made up here, so that anyone can repeat the figures.

use std::fmt::Write as _;

/// SplitMix64, so that the bytes are the same on every machine.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in 0..1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Near enough to a Gaussian: the sum of twelve uniforms.
    fn gauss(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}

/// How a stream differs from the plainest one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// Six keys in one order.
    Small,
    /// Twenty-five keys, as TRL's GRPO trainer logs them.
    Trl,
    /// `Small` in two orders of keys, in turn.
    TwoOrders,
    /// `Small` in eight orders of keys, in turn.
    EightOrders,
    /// `Small` with keys missing at random.
    Missing,
    /// `Small` with blanks around every token.
    Spaced,
    /// `Small` with integers where floats were.
    Integers,
    /// `Small` with one plain line in a hundred.
    Plain,
}

impl Variant {
    /// Every variant.
    pub const ALL: [Self; 8] = [
        Self::Small,
        Self::Trl,
        Self::TwoOrders,
        Self::EightOrders,
        Self::Missing,
        Self::Spaced,
        Self::Integers,
        Self::Plain,
    ];

    /// The name on the command line and in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Trl => "trl",
            Self::TwoOrders => "two-orders",
            Self::EightOrders => "eight-orders",
            Self::Missing => "missing-keys",
            Self::Spaced => "spaced",
            Self::Integers => "integers",
            Self::Plain => "plain-lines",
        }
    }
}

struct Run {
    name: char,
    step: u64,
}

/// `lines` lines of a stream of four interleaved runs with a loss spike of 25
/// standard deviations in every ten thousandth record of a run.
pub fn generate(variant: Variant, lines: usize) -> String {
    let mut dice = Dice(7);
    let mut runs: Vec<Run> = "abcd".chars().map(|name| Run { name, step: 0 }).collect();
    let mut text = String::with_capacity(lines * if variant == Variant::Trl { 760 } else { 110 });
    for line in 0..lines {
        let at = (dice.next() % 4) as usize;
        let run = &mut runs[at];
        run.step += 1;
        let step = run.step;
        let mut loss = 0.8 + 1.6 * (-(step as f64) / 50_000.0).exp() + 0.02 * dice.gauss();
        if step > 2_000 && step.is_multiple_of(10_000) {
            loss += 0.5;
        }
        let fields = if variant == Variant::Trl {
            trl(step, loss, run.name, &mut dice)
        } else {
            small(variant, step, loss, run.name, &mut dice)
        };
        if variant == Variant::Plain && line % 100 == 50 {
            let _ = writeln!(
                text,
                "INFO:trainer:saving checkpoint to out/checkpoint-{step}"
            );
        } else {
            write(variant, line, &fields, &mut dice, &mut text);
        }
    }
    text
}

type Field = (&'static str, String);

fn small(variant: Variant, step: u64, loss: f64, run: char, dice: &mut Dice) -> Vec<Field> {
    let grad_norm = 0.5 + 0.1 * dice.unit();
    let grad_norm = if variant == Variant::Integers {
        format!("{}", 1 + step % 2)
    } else {
        format!("{grad_norm:.6}")
    };
    let entropy = if variant == Variant::Integers {
        "2".to_owned()
    } else {
        format!("{:.6}", 2.0 + 0.05 * dice.unit())
    };
    vec![
        ("run", format!("\"{run}\"")),
        ("step", step.to_string()),
        ("loss", format!("{loss:.6}")),
        ("grad_norm", grad_norm),
        ("lr", format!("{:.8}", 3e-4 * (-(step as f64) / 1e6).exp())),
        ("entropy", entropy),
    ]
}

const TRL: [&str; 23] = [
    "loss",
    "grad_norm",
    "learning_rate",
    "num_tokens",
    "completions/mean_length",
    "completions/min_length",
    "completions/max_length",
    "completions/clipped_ratio",
    "completions/mean_terminated_length",
    "rewards/accuracy_reward/mean",
    "rewards/accuracy_reward/std",
    "rewards/format_reward/mean",
    "rewards/format_reward/std",
    "reward",
    "reward_std",
    "frac_reward_zero_std",
    "kl",
    "entropy",
    "clip_ratio/low_mean",
    "clip_ratio/high_mean",
    "clip_ratio/region_mean",
    "step_time",
    "epoch",
];

fn trl(step: u64, loss: f64, run: char, dice: &mut Dice) -> Vec<Field> {
    let mut fields: Vec<Field> = TRL
        .iter()
        .enumerate()
        .map(|(at, name)| {
            let value = match at {
                0 => loss,
                2 => 1e-6 * (1.0 - step as f64 / 1e7),
                3 => (4096 * step + dice.next() % 4096) as f64,
                4..=6 => (500.0 + 90.0 * dice.unit()).round(),
                13 => 1.3 + 0.3 * dice.unit(),
                22 => step as f64 / 5000.0,
                _ => 0.2 + 0.2 * dice.unit(),
            };
            (
                *name,
                if at == 3 {
                    format!("{value}")
                } else {
                    format!("{:?}", (value * 1e8).round() / 1e8)
                },
            )
        })
        .collect();
    fields.push(("step", step.to_string()));
    fields.push(("run", format!("\"{run}\"")));
    fields
}

fn write(variant: Variant, line: usize, fields: &[Field], dice: &mut Dice, text: &mut String) {
    let (comma, colon) = match variant {
        Variant::Spaced => (" , ", " : "),
        Variant::Trl => (", ", ": "),
        _ => (",", ":"),
    };
    let orders = match variant {
        Variant::TwoOrders => 2,
        Variant::EightOrders => 8,
        _ => 1,
    };
    let shift = line % orders;
    text.push('{');
    let mut first = true;
    for at in 0..fields.len() {
        // A different permutation for each shift: rotated, and reversed for the
        // odd ones.
        let at = (at + shift) % fields.len();
        let at = if shift % 2 == 1 {
            fields.len() - 1 - at
        } else {
            at
        };
        let (name, value) = &fields[at];
        if variant == Variant::Missing && !matches!(*name, "run" | "step") && dice.next() % 4 == 0 {
            continue;
        }
        if !first {
            text.push_str(comma);
        }
        first = false;
        let _ = write!(text, "\"{name}\"{colon}{value}");
    }
    text.push_str("}\n");
}
