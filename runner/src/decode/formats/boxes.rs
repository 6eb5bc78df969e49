//! Tables of keys and values between rules: Stable-Baselines3, Baselines,
//! Spinning Up.
//!
//! ```text
//! ------------------------------------      ---------------------------------
//! | rollout/            |            |      | epoch              | 46       |
//! |    ep_rew_mean      | 22.3       |      | test/success_rate  | 0.045    |
//! | time/               |            |      | train/episode      | 4700.0   |
//! |    total_timesteps  | 256        |      ---------------------------------
//! ------------------------------------
//! ```
//!
//! A row with an empty value names the section of the indented rows below it.
//! Long keys are cut and end in `...`. Each table is a record.
//!
//! Evaluations print a line before their table, which has its numbers again:
//! `Eval num_timesteps=10000, episode_reward=9.10 +/- 0.30`. Old versions print
//! the line only.

use super::Entry;
use crate::decode::cursor::Cursor;
use crate::decode::format::{About, Format, Line, Out};
use crate::decode::keyvalue::whole;
use crate::decode::number::spelled;

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "sb3-table",
        title: "Stable-Baselines3",
        example: "------------------------------\n| time/               |      |\n|    total_timesteps  | 256  |\n------------------------------",
        step: "`time/total_timesteps`, `steps`, `epoch` and the like",
    },
    begins: b"",
    new: || Box::new(Boxes::default()),
};

/// Tables without sections.
pub(super) const PLAIN: About = About {
    name: "baselines-table",
    title: "OpenAI Baselines, Stable-Baselines 2, Spinning Up",
    example: "-----------------------------\n| epoch             | 46    |\n| test/success_rate | 0.045 |\n-----------------------------",
    step: "`total_timesteps`, `steps`, `epoch` and the like",
};

/// The most rows of a table.
const MOST: usize = 1_024;
/// The longest row.
const LONGEST: usize = 400;

/// The names of the step, the best first.
const STEPS: [&[u8]; 13] = [
    b"time/total_timesteps",
    b"total_timesteps",
    b"total timesteps",
    b"misc/total_timesteps",
    b"TimestepsSoFar",
    b"TotalEnvInteracts",
    b"total/steps",
    b"steps",
    b"misc/nupdates",
    b"nupdates",
    b"step",
    b"epoch",
    b"Epoch",
];

#[derive(Default)]
struct Boxes {
    /// The last lines were a rule of so many dashes and rows of a table below it.
    width: Option<usize>,
    /// The name of the section, with its slash.
    section: Vec<u8>,
    /// The table has sections.
    sections: bool,
    rows: Vec<(Vec<u8>, f64)>,
    /// The number and rank of the last row.
    last: (u64, Option<u32>),
    eval: Option<Eval>,
}

/// An evaluation's line.
#[derive(Clone, Copy)]
struct Eval {
    line: u64,
    step: i64,
    mean: f64,
    std: f64,
}

impl Format for Boxes {
    fn line(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> bool {
        let taken = match line.text.first() {
            Some(b'-') => self.rule(line, out),
            Some(b'|') => self.row(line),
            Some(b'E') => self.evaluation(line, out),
            _ => None,
        };
        if taken.is_none() && self.width.take().is_some() {
            self.table(out);
        }
        taken.unwrap_or(false)
    }

    fn finish(&mut self, out: &mut Out<'_>) {
        self.table(out);
        self.flush_eval(out);
        self.width = None;
    }
}

impl Boxes {
    /// A rule ends a table and may begin the next. One that only begins is left
    /// to others, who rule off as well.
    fn rule(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> Option<bool> {
        if line.text.len() < 5 || !line.text.iter().all(|byte| *byte == b'-') {
            return None;
        }
        let ends = !self.rows.is_empty();
        if ends {
            self.last = (line.number, line.rank);
            self.table(out);
        }
        self.section.clear();
        self.sections = false;
        self.width = Some(line.text.len());
        Some(ends)
    }

    fn row(&mut self, line: &Line<'_>) -> Option<bool> {
        let characters = line.text.iter().filter(|byte| **byte & 0xc0 != 0x80);
        if self.width? != characters.count() {
            return None;
        }
        let (key, value) = cells(line.text)?;
        let name = key.trim_ascii();
        if value.is_empty() && name.ends_with(b"/") {
            self.section = name.to_vec();
            self.sections = true;
        } else if let Some((value, _)) = spelled(value)
            && self.rows.len() < MOST
        {
            let mut full = Vec::new();
            if key.starts_with(b"   ") {
                full.extend_from_slice(&self.section);
            }
            full.extend_from_slice(name);
            self.rows.push((full, value));
        }
        self.last = (line.number, line.rank);
        Some(true)
    }

    /// Writes the table that is open as a record.
    fn table(&mut self, out: &mut Out<'_>) {
        if self.rows.is_empty() {
            return;
        }
        if self.rows.iter().any(|(name, _)| name.starts_with(b"eval/")) {
            self.eval = None;
        }
        self.flush_eval(out);
        let found = STEPS
            .iter()
            .find_map(|step| self.rows.iter().position(|(name, _)| name == step));
        let out = if self.sections {
            out
        } else {
            out.of(PLAIN.name)
        };
        let step = found.and_then(|at| whole(self.rows[at].1));
        out.begin();
        for (name, value) in self.rows.drain(..) {
            out.number(&name, value);
        }
        if let Some(step) = step {
            out.step(step);
        }
        out.end(&line_at(self.last));
    }

    fn evaluation(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> Option<bool> {
        let eval = Eval::read(line)?;
        self.finish(out);
        self.eval = Some(eval);
        self.last = (line.number, line.rank);
        Some(true)
    }

    /// Writes an evaluation that no table repeats.
    fn flush_eval(&mut self, out: &mut Out<'_>) {
        if let Some(eval) = self.eval.take() {
            out.begin();
            out.evaluation();
            out.number(b"eval/mean_reward", eval.mean);
            out.number(b"eval/std_reward", eval.std);
            out.step(eval.step);
            out.end(&line_at((eval.line, self.last.1)));
        }
    }
}

impl Eval {
    fn read(line: &Line<'_>) -> Option<Self> {
        let mut text = Cursor::new(line.text);
        text.word(b"Eval num_timesteps=")?;
        let step = text.digits()?;
        text.word(b", episode_reward=")?;
        let mean = text.number()?;
        text.blanks().word(b"+/-")?;
        let std = text.blanks().number()?;
        let line = line.number;
        Some(Self {
            line,
            step,
            mean,
            std,
        })
    }
}

/// The key, with the blanks before it, and the value of a row.
fn cells(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let inside = text.strip_prefix(b"|")?.strip_suffix(b"|")?;
    let inside = inside.strip_prefix(b" ").unwrap_or(inside);
    let bar = memchr::memchr(b'|', inside).filter(|_| text.len() <= LONGEST)?;
    let (key, value) = (&inside[..bar], inside[bar + 1..].trim_ascii());
    (!key.trim_ascii().is_empty() && !value.contains(&b'|')).then_some((key, value))
}

/// The line that a record is said to stand on.
fn line_at((number, rank): (u64, Option<u32>)) -> Line<'static> {
    Line {
        number,
        text: b"-",
        rank,
        ..Line::default()
    }
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{formats, records};

    const BOX: &str = "\
----------------------------------
| rollout/            |          |
|    ep_rew_mean      | 22.3     |
| time/               |          |
|    fps              | 385      |
|    total_timesteps  | 256      |
| train/              |          |
|    loss             | nan      |
|    policy_gradie... | -1.4e-06 |
----------------------------------
";

    #[test]
    fn sections() {
        let expected = "step 256: rollout/ep_rew_mean=22.3 time/fps=385 train/loss=NaN train/policy_gradie...=-0.0000014";
        assert_eq!(records(BOX), [expected]);
        assert_eq!(records(BOX.repeat(2)), [expected, expected]);
        assert_eq!(formats(BOX), ["sb3-table"]);
        // Without its last rule, or with a line of text in its place.
        let cut = BOX.trim_end().trim_end_matches('-');
        assert_eq!(records(cut), [expected]);
        assert_eq!(records(format!("{cut}Hello\n{BOX}")), [expected, expected]);
    }

    #[test]
    fn names_without_sections() {
        let log = "\
-------------------------
|      Epoch |        3 |
|   AvgEpRet |     -1.5 |
| mean reach | 1.43e+03 |
| policy     | Mlp      |
-------------------------
";
        assert_eq!(
            records(log),
            ["step 3: Epoch=3 AvgEpRet=-1.5 mean reach=1430"]
        );
        assert_eq!(formats(log), ["baselines-table"]);
    }

    #[test]
    fn evaluations_count_once() {
        let eval = "Eval num_timesteps=10000, episode_reward=9.10 +/- 0.30\nEpisode length: 9.10 +/- 0.30\n";
        let table = "\
-----------------------------
| eval/              |      |
|    mean_reward     | 9.1  |
| time/              |      |
|    total_timesteps | 9999 |
-----------------------------
";
        let alone = "step 10000 evaluation: eval/mean_reward=9.1 eval/std_reward=0.3";
        assert_eq!(records(eval), [alone]);
        assert_eq!(
            records(format!("{eval}New best mean reward!\n{table}")),
            ["step 9999: eval/mean_reward=9.1"]
        );
        assert_eq!(
            records(eval.to_owned() + BOX).first().map(String::as_str),
            Some(alone)
        );
    }

    #[test]
    fn other_boxes() {
        for text in [
            "| step | 12 |\n| loss | 1.5 |\n",
            "------------\n| name | value |\n| loss | 1.5 |\n",
            "-------------\ntext\n| loss | 1.5 |\n",
            "--------\n| loss |\n--------\n",
        ] {
            assert_eq!(records(text), [""; 0], "{text}");
        }
    }
}
