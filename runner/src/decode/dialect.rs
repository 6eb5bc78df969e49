//! Who writes the JSON lines and Python dicts of an input.
//!
//! Both are read whoever wrote them. Their keys say who did, which people like
//! to know, and a few writers count their steps in a way of their own. Only the
//! first records of an input are looked at: the rest are read at full speed.

use memchr::memmem;

use super::format::About;
use super::formats::{DICT, JSON};
use super::row::Row;

/// A writer that is known by its keys.
pub(super) struct Dialect {
    pub(super) about: About,
    /// Sets of keys: one that is there altogether is enough.
    sets: &'static [&'static [&'static str]],
    steps: Steps,
}

/// What must be done about the steps.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Steps {
    /// Nothing.
    Printed,
    /// Evaluations print the epoch as their step.
    MmEngine,
    /// Iterations are counted from the beginning of each epoch.
    Mmcv,
}

/// How many records are looked at.
const LOOKS: u8 = 16;

const STEP: &str = "`step`";
const BAR: &str = "the progress bar beside it, else counted";

/// Writers of JSON lines. What is more particular stands first.
#[rustfmt::skip]
pub(super) static JSONS: [Dialect; 12] = [
    plain("llamafactory-jsonl", "LLaMA-Factory (`trainer_log.jsonl`)",
        r#"{"current_steps": 10, "total_steps": 200, "loss": 2.5, "percentage": 5.0}"#,
        "`current_steps`", &[&["current_steps", "total_steps"]]),
    plain("rllib-json", "RLlib and Ray Tune (`result.json`)",
        r#"{"episode_reward_mean": 22.5, "timesteps_total": 4000, "training_iteration": 1, "time_this_iter_s": 3.5}"#,
        "`timesteps_total`, `training_iteration`", &[&["training_iteration", "time_this_iter_s"]]),
    plain("sb3-json", "Stable-Baselines3 (`progress.json`)",
        r#"{"rollout/ep_rew_mean": 22.5, "time/total_timesteps": 256}"#,
        "`time/total_timesteps`", &[&["time/total_timesteps"]]),
    plain("wandb-history", "Weights & Biases (`wandb-history.jsonl`)",
        r#"{"loss": 2.5, "_runtime": 12.5, "_timestamp": 1700000000.5, "_step": 3}"#,
        "`_step`", &[&["_step", "_runtime"], &["_step", "_timestamp"]]),
    plain("fairseq-json", "fairseq (`--log-format json`)",
        r#"{"epoch": 1, "loss": "16.475", "wps": "1868.4", "num_updates": "1", "gnorm": "9.5"}"#,
        "`num_updates`", &[&["num_updates", "wps"], &["valid_num_updates"], &["train_num_updates"]]),
    plain("detr-json", "DETR, DeiT, MAE, DINO (`log.txt`)",
        r#"{"train_lr": 0.0001, "train_loss": 3.5, "test_loss": 3.1, "epoch": 0, "n_parameters": 41000000}"#,
        "`epoch`", &[&["n_parameters", "epoch"], &["train_lr", "train_loss", "epoch"]]),
    plain("detectron2-json", "detectron2 (`metrics.json`)",
        r#"{"data_time": 0.01, "eta_seconds": 62.5, "iteration": 19, "lr": 0.001, "total_loss": 2.5}"#,
        "`iteration`", &[&["iteration", "eta_seconds"], &["iteration", "total_loss", "data_time"]]),
    Dialect {
        steps: Steps::Mmcv,
        ..plain("mmcv-json", "MMCV 1.x (`*.log.json`)",
            r#"{"mode": "train", "epoch": 1, "iter": 50, "lr": 0.01, "memory": 1671, "loss": 2.5}"#,
            "`iter`, on through the epochs", &[&["mode", "epoch", "iter"]])
    },
    Dialect {
        steps: Steps::MmEngine,
        ..plain("mmengine-json", "MMEngine (`scalars.json`)",
            r#"{"lr": 0.01, "data_time": 0.007, "loss": 3.4, "time": 0.01, "epoch": 1, "iter": 10, "step": 10}"#,
            STEP, &[&["data_time", "time", "step"]])
    },
    Dialect {
        ..plain("heartbeat", "Heartbeats of each rank (`heartbeat_rank0.jsonl`)",
            r#"{"ts": 1700000000.5, "pid": 123, "rank": 0, "step": 1, "msg": "progress", "loss": 2.5}"#,
            STEP, &[&["ts", "pid", "step", "msg"]])
    },
    plain("dreamer", "DreamerV3 and its kin (`metrics.jsonl`)",
        r#"{"step": 1200, "world_model_loss": 0.25, "actor_entropy": 1.5}"#,
        STEP, &[&["step", "world_model_loss"], &["step", "frames_per_second"], &["step", "episode/score"], &["step", "fps/policy"],
            &["step", "train/loss/dyn"], &["step", "train/opt/loss"], &["step", "train_return"]]),
    plain("hf-trainer-json", "Hugging Face's Trainer (`trainer_state.json`'s entries)",
        r#"{"epoch": 0.04, "grad_norm": 0.9, "learning_rate": 0.001, "loss": 2.5, "step": 10}"#,
        STEP, &[&["epoch", "learning_rate", "loss", "step"], &["eval_runtime", "eval_loss"]]),
];

/// Writers of Python dicts.
#[rustfmt::skip]
pub(super) static DICTS: [Dialect; 5] = [
    plain("trl-grpo", "TRL's GRPOTrainer",
        "{'loss': 0.01, 'reward': 0.5, 'reward_std': 0.2, 'completions/mean_length': 120.5, 'epoch': 0.04}",
        BAR, &[&["reward", "reward_std"], &["eval_reward", "eval_reward_std"], &["frac_reward_zero_std"]]),
    plain("trl-dpo", "TRL's DPOTrainer and its kin",
        "{'loss': 0.69, 'rewards/chosen': 0.01, 'rewards/rejected': -0.02, 'epoch': 0.04}",
        BAR, &[&["rewards/chosen", "rewards/rejected"], &["eval_rewards/chosen", "eval_rewards/rejected"]]),
    plain("trl-ppo", "TRL's PPOTrainer and RLOOTrainer",
        "{'eps': 1, 'objective/kl': 0.5, 'objective/rlhf_reward': 0.1, 'episode': 64}",
        "`episode`", &[&["objective/kl"], &["objective/rlhf_reward"]]),
    plain("trl-sft", "TRL's SFTTrainer",
        "{'loss': 2.5, 'num_tokens': 4096.0, 'mean_token_accuracy': 0.5, 'epoch': 0.04}",
        BAR, &[&["mean_token_accuracy", "loss"], &["eval_mean_token_accuracy"]]),
    plain("hf-trainer", "Hugging Face's Trainer",
        "{'loss': 2.5, 'grad_norm': 0.9, 'learning_rate': 0.001, 'epoch': 0.04}",
        BAR, &[&["loss", "learning_rate", "epoch"], &["eval_runtime", "epoch"], &["train_runtime"]]),
];

const fn plain(
    name: &'static str,
    title: &'static str,
    example: &'static str,
    step: &'static str,
    sets: &'static [&'static [&'static str]],
) -> Dialect {
    Dialect {
        about: About {
            name,
            title,
            example,
            step,
        },
        sets,
        steps: Steps::Printed,
    }
}

/// Finds out who writes the objects of an input.
pub(super) struct Writer {
    table: &'static [Dialect],
    /// What the records are called: in general, or by their writer.
    name: &'static str,
    /// How many more records are looked at.
    looks: u8,
    steps: Steps,
    count: Count,
}

/// What is known of the steps so far.
#[derive(Default)]
struct Count {
    /// The last step of training.
    last: i64,
    epoch: i64,
    /// The steps of the epochs before this one.
    before: i64,
}

impl Writer {
    /// The writer of JSON lines.
    pub(super) fn of_json() -> Self {
        Self::new(JSON, &JSONS)
    }

    /// The writer of Python dicts.
    pub(super) fn of_dicts() -> Self {
        Self::new(DICT, &DICTS)
    }

    fn new(name: &'static str, table: &'static [Dialect]) -> Self {
        Self {
            table,
            name,
            looks: LOOKS,
            steps: Steps::Printed,
            count: Count::default(),
        }
    }

    /// The name of the records that come, if they need not be looked at.
    #[inline]
    pub(super) fn settled(&self) -> Option<&'static str> {
        (self.looks == 0 && self.steps == Steps::Printed).then_some(self.name)
    }

    /// Looks at a record, puts its step right, and names it.
    pub(super) fn see(&mut self, text: &[u8], row: &mut Row) -> &'static str {
        if self.looks > 0 {
            self.looks -= 1;
            if let Some(known) = self.table.iter().find(|known| known.wrote(text)) {
                self.name = known.about.name;
                self.steps = known.steps;
                self.looks = 0;
            }
        }
        match self.steps {
            Steps::Printed => {}
            Steps::MmEngine => self.count.mmengine(text, row),
            Steps::Mmcv => self.count.mmcv(text, row),
        }
        self.name
    }
}

impl Dialect {
    fn wrote(&self, text: &[u8]) -> bool {
        let all = |set: &&[&str]| set.iter().all(|key| has_key(text, key));
        self.sets.iter().any(all)
    }
}

impl Count {
    /// An evaluation whose step is behind the training's has an epoch there,
    /// and belongs to the training's step.
    fn mmengine(&mut self, text: &[u8], row: &mut Row) {
        let Some((_, step)) = row.step else {
            return;
        };
        if has_key(text, "lr") || has_key(text, "loss") {
            self.last = step;
        } else if step < self.last {
            row.epoch = Some(step);
            row.step = None;
        }
    }

    /// Iterations that begin anew in a later epoch go on from where they were.
    fn mmcv(&mut self, text: &[u8], row: &mut Row) {
        let (Some((_, iteration)), Some(epoch)) = (row.step, row.epoch) else {
            return;
        };
        if memmem::find(text, br#""val""#).is_some() && has_key(text, "mode") {
            row.step = None;
            return;
        }
        let again = iteration <= self.last;
        if epoch < self.epoch || epoch == self.epoch && again {
            // The job began anew.
            self.before = 0;
        } else if epoch > self.epoch && again {
            self.before = self.before.saturating_add(self.last);
        }
        (self.epoch, self.last) = (epoch, iteration);
        row.step = Some((0, self.before.saturating_add(iteration)));
    }
}

/// Whether a key stands in the text in quotes.
fn has_key(text: &[u8], key: &str) -> bool {
    memmem::find_iter(text, key).any(|at| {
        let before = at.checked_sub(1).and_then(|before| text.get(before));
        let after = text.get(at + key.len());
        before == after && matches!(before, Some(b'"' | b'\''))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::formats::testing::{formats, records};

    #[test]
    fn every_writer_is_known_by_its_example() {
        for known in JSONS.iter().chain(&DICTS) {
            assert_eq!(formats(known.about.example), [known.about.name]);
        }
    }

    #[test]
    fn what_nobody_is_known_for_has_no_name() {
        let log = "{\"step\": 1, \"loss\": 0.5}\n".repeat(20) + "{\"_step\": 2, \"_runtime\": 5}\n";
        assert_eq!(formats(log), [JSON]);
        assert_eq!(formats("{'step': 1, 'loss': 0.5}\n"), [DICT]);
    }

    #[test]
    fn a_dump_before_the_records_is_not_looked_at() {
        let log = "{\"seed\": 5}\n".repeat(20) + JSONS[0].about.example;
        assert_eq!(formats(log), ["llamafactory-jsonl"]);
    }

    #[test]
    fn evaluations_of_mmengine_belong_to_the_step_of_training() {
        let log = concat!(
            "{\"lr\": 0.5, \"data_time\": 0.5, \"loss\": 2.5, \"time\": 0.5, \"iter\": 100, \"step\": 100}\n",
            "{\"acc\": 0.25, \"data_time\": 0.5, \"time\": 0.5, \"step\": 1}\n",
            "{\"acc\": 0.25, \"data_time\": 0.5, \"time\": 0.5, \"step\": 100}\n",
        );
        let expected = [
            "step 100: lr=0.5 data_time=0.5 loss=2.5 time=0.5",
            "step 100: acc=0.25 data_time=0.5 time=0.5",
            "step 100: acc=0.25 data_time=0.5 time=0.5",
        ];
        assert_eq!(records(log), expected);
    }

    #[test]
    fn iterations_of_mmcv_go_on_through_the_epochs() {
        let row = |mode: &str, epoch: i64, iter: i64| {
            format!(
                "{{\"mode\": \"{mode}\", \"epoch\": {epoch}, \"iter\": {iter}, \"loss\": 0.5}}\n"
            )
        };
        let rows = [
            ("train", 1, 50),
            ("train", 1, 100),
            ("val", 1, 30),
            ("train", 2, 50),
            ("train", 3, 50),
            ("train", 1, 50),
        ];
        let log: String = rows
            .iter()
            .map(|&(mode, epoch, iter)| row(mode, epoch, iter))
            .collect();
        let steps = |log: &str| {
            let steps = records(log).into_iter();
            let steps = steps.filter_map(|row| row.split(' ').nth(1).map(str::to_owned));
            steps.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(steps(&log), "50: 100: 100: 150: 200: 50:");
        let through: String = [(1, 50), (2, 100), (3, 150)]
            .map(|(epoch, iter)| row("train", epoch, iter))
            .concat();
        assert_eq!(steps(&through), "50: 100: 150:");
    }

    #[test]
    fn a_heartbeat_without_progress_measures_nothing() {
        let beat = |msg: &str| {
            format!(
                "{{\"ts\": 1700000000.5, \"pid\": 5, \"step\": 0, \"msg\": \"{msg}\", \"gpu_mem_alloc\": 5}}\n"
            )
        };
        assert_eq!(records(beat("boot")), [""; 0]);
        assert_eq!(records(beat("boot") + &beat("progress")).len(), 1);
    }
}
