//! RLlib and Ray Tune: the results that they print, as indented YAML.
//!
//! ```text
//! Result for PPO_CartPole-v1_98ce2_00000:
//!   episode_reward_mean: 22.57
//!   info:
//!     learner:
//!       default_policy:
//!         learner_stats:
//!           entropy: 0.66
//!   timesteps_total: 4000
//! ```
//!
//! Since Ray 2.6 the results stand in boxes:
//!
//! ```text
//! ╭────────────────────────────────────────────╮
//! │ Trial PPO_CartPole-v1_98ce2_00000 result   │
//! ├────────────────────────────────────────────┤
//! │ env_runners/episode_return_mean      22.57 │
//! │ training_iteration                       1 │
//! ╰────────────────────────────────────────────╯
//! ```
//!
//! Each trial is a run. Lists pass by.

use super::Entry;
use crate::decode::cursor::Cursor;
use crate::decode::format::{About, Format, Line, Out};
use crate::decode::keyvalue::whole;
use crate::decode::number::spelled;

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "rllib",
        title: "RLlib and Ray Tune",
        example: "Result for PPO_CartPole-v1_98ce2_00000:\n  episode_reward_mean: 22.57\n  timesteps_total: 4000",
        step: "`timesteps_total`, `num_env_steps_sampled_lifetime`, `training_iteration`",
    },
    begins: b"",
    new: || Box::new(Rllib::default()),
};

/// The most numbers of a result, and the deepest nesting.
const MOST: usize = 4_096;
const DEEPEST: usize = 32;
/// The longest name.
const LONGEST: usize = 400;

/// The names of the step, the best first.
const STEPS: [&[u8]; 6] = [
    b"timesteps_total",
    b"num_env_steps_sampled_lifetime",
    b"env_runners/num_env_steps_sampled_lifetime",
    b"num_env_steps_sampled",
    b"counters/num_env_steps_sampled",
    b"training_iteration",
];

#[derive(Default)]
struct Rllib {
    /// The trial whose result is open.
    trial: Option<Vec<u8>>,
    /// It stands in a box.
    boxed: bool,
    /// How far each enclosing key is indented, and the length of the path with it.
    levels: Vec<(usize, usize)>,
    /// The enclosing keys, each with a slash.
    path: Vec<u8>,
    /// How far the list that passes by is indented.
    list: Option<usize>,
    numbers: Vec<(Vec<u8>, f64)>,
    /// The number and rank of the last line.
    last: (u64, Option<u32>),
}

impl Format for Rllib {
    fn line(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> bool {
        if let Some(trial) = head(line) {
            self.finish(out);
            self.trial = Some(trial.to_vec());
            self.boxed = line.text.starts_with(SIDE);
        } else if self.trial.is_none() {
            return false;
        } else if self.boxed {
            if !self.boxed_entry(line) {
                self.finish(out);
                return false;
            }
        } else if line.indent < 2 || self.entry(line).is_none() {
            self.finish(out);
            return false;
        }
        self.last = (line.number, line.rank);
        true
    }

    fn finish(&mut self, out: &mut Out<'_>) {
        let trial = self.trial.take();
        self.levels.clear();
        self.path.clear();
        self.list = None;
        if self.numbers.is_empty() {
            return;
        }
        let step = STEPS.iter().find_map(|step| {
            let found = self.numbers.iter().find(|(name, _)| name == step);
            found.and_then(|(_, value)| whole(*value))
        });
        out.begin();
        for (name, value) in self.numbers.drain(..) {
            out.number(&name, value);
        }
        if let Some(trial) = trial {
            out.field(b"run", &trial);
        }
        if let Some(step) = step {
            out.step(step);
        }
        let (number, rank) = self.last;
        out.end(&Line {
            number,
            text: b"-",
            rank,
            ..Line::default()
        });
    }
}

/// The side of a box, and how its rule and its end begin.
const SIDE: &[u8] = "│".as_bytes();
const RULE: &[u8] = "├".as_bytes();
const END: &[u8] = "╰".as_bytes();

/// The trial of `Result for TRIAL:` or `│ Trial TRIAL result │`.
fn head<'a>(line: &Line<'a>) -> Option<&'a [u8]> {
    let trial = match line.text.first()? {
        b'R' => line.text.strip_prefix(b"Result for ")?.strip_suffix(b":")?,
        _ => inside(line.text)?
            .strip_prefix(b"Trial ")?
            .strip_suffix(b" result")?,
    };
    let odd = trial.len() > LONGEST || trial.iter().any(u8::is_ascii_whitespace);
    (!odd && !trial.is_empty()).then_some(trial)
}

/// What stands between the sides of a box.
fn inside(text: &[u8]) -> Option<&[u8]> {
    let text = text.strip_prefix(SIDE)?.strip_suffix(SIDE)?;
    Some(text.trim_ascii())
}

impl Rllib {
    /// Takes a line of the box; false when it is none.
    fn boxed_entry(&mut self, line: &Line<'_>) -> bool {
        let Some(text) = inside(line.text) else {
            return line.text.starts_with(RULE) || line.text.starts_with(END);
        };
        if let Some(blank) = text.iter().rposition(|byte| *byte == b' ')
            && let Some(value) = number(&text[blank + 1..])
            && self.numbers.len() < MOST
            && blank <= LONGEST
        {
            self.numbers
                .push((text[..blank].trim_ascii().to_vec(), value));
        }
        true
    }

    /// Takes a line of the result; `None` when it is no YAML.
    fn entry(&mut self, line: &Line<'_>) -> Option<()> {
        if line.text.starts_with(b"- ") || line.text == b"-" {
            self.list = Some(line.indent);
            return Some(());
        }
        if self.list.is_some_and(|list| line.indent > list) {
            return Some(());
        }
        self.list = None;
        while let Some(&(indent, _)) = self.levels.last()
            && indent >= line.indent
        {
            self.levels.pop();
        }
        let outer = self.levels.last().map_or(0, |(_, length)| *length);
        self.path.truncate(outer);

        let mut text = Cursor::new(line.text);
        let key = text.until(b':')?;
        if key.is_empty() || outer + key.len() > LONGEST {
            return None;
        }
        if text.rest.is_empty() {
            if self.levels.len() >= DEEPEST {
                return None;
            }
            self.path.extend_from_slice(key);
            self.path.push(b'/');
            self.levels.push((line.indent, self.path.len()));
            return Some(());
        }
        text.word(b" ")?;
        if let Some(value) = number(text.rest.trim_ascii())
            && self.numbers.len() < MOST
        {
            self.numbers.push(([&self.path, key].concat(), value));
        }
        Some(())
    }
}

/// A number as YAML writes it: `.nan` and `.inf` have a point.
fn number(text: &[u8]) -> Option<f64> {
    let text = match text {
        b".nan" | b".NaN" => &b"nan"[..],
        b".inf" => b"inf",
        b"-.inf" => b"-inf",
        _ => text,
    };
    let (value, _) = spelled(text)?;
    // An id of digits and an e is no infinity.
    let overflows = value.is_infinite() && text.iter().any(u8::is_ascii_digit);
    (!overflows).then_some(value)
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{formats, records};

    const RESULT: &str = "\
Result for PPO_Cart_00000:
  counters:
    num_env_steps_sampled: 12
  custom_metrics: {}
  done: false
  episode_reward_mean: .nan
  hist_stats:
    episode_lengths:
    - 15
    - 17
  info:
    learner:
      default_policy:
        learner_stats:
          kl: 2.5e-05
  list:
  - a: 1
    b: 2
  timesteps_total: 4000
  training_iteration: 1
";
    const EXPECTED: &str = "step 4000: counters/num_env_steps_sampled=12 episode_reward_mean=NaN info/learner/default_policy/learner_stats/kl=0.000025";

    #[test]
    fn a_result_is_a_record() {
        assert_eq!(records(RESULT), [EXPECTED]);
        assert_eq!(formats(RESULT), ["rllib"]);
        let two = format!("== Status ==\nMemory usage: 5\n{RESULT}\n\n== Status ==\n{RESULT}");
        assert_eq!(records(two), [EXPECTED, EXPECTED]);
    }

    #[test]
    fn results_in_boxes() {
        let log = "\
Trial PPO_Cart_00000 finished iteration 1 at 2023-08-29 15:21:33. Total running time: 13s
╭─────────────────────────────╮
│ Trial PPO_Cart_00000 result │
├─────────────────────────────┤
│ episode_return_mean    22.5 │
│ time_this_iter_s        nan │
│ trial_status         paused │
│ training_iteration        3 │
╰─────────────────────────────╯
";
        let expected = "step 3: episode_return_mean=22.5 time_this_iter_s=NaN";
        assert_eq!(records(log), [expected]);
        assert_eq!(records(log.repeat(2)), [expected, expected]);
        assert_eq!(records(log.replace("result", "config")), [""; 0]);
    }

    #[test]
    fn the_last_may_be_empty() {
        assert_eq!(
            records(format!("{RESULT}Result for PPO_Cart_00000:\n  ")),
            [EXPECTED]
        );
        assert_eq!(records("Result for the year:\n  loss: 5\n"), [""; 0]);
        assert_eq!(records("Result for x:\nloss: 5\n"), [""; 0]);
    }
}
