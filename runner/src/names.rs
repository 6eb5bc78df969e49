//! Canonical metric names: one table of what frameworks call the same thing.
//!
//! A detector asks for `loss`; a job may print `train/loss`, `lm loss` or
//! `world_model_loss`. The user adds to the table with `[names]` in the config.
//! Two printed names of one canonical name stay two series.

use rustc_hash::FxHashMap;

/// Canonical name, then the spellings that frameworks use for it. Spellings are
/// compared in lower case, with blanks and dashes as underscores, and without a
/// leading `train/`, `train_`, `training/` or `global/`, and without what Python
/// calls a logger that has no better name (`trainer/`, `root/`, `main/`).
#[rustfmt::skip]
pub const CANONICAL: &[(&str, &[&str])] = &[
    ("loss", &["lm_loss", "total_loss", "trl", "world_model_loss", "policy_loss", "pg_loss", "actor/pg_loss", "objective/loss", "loss/policy_avg", "loss_train", "train_loss_step", "reduced_train_loss", "nll_loss", "avr_loss", "epoch_loss", "cross_entropy_loss", "crossentropyloss", "ce_loss", "training_loss", "box_loss", "logloss", "mlogloss"]),
    ("eval_loss", &["val_loss", "valid_loss", "validation_loss", "test_loss", "eval/loss", "val/loss", "valid/loss", "validation/loss", "tel", "lm_loss_value", "loss_val", "dev_loss", "validate/loss", "val/box_loss", "val/loss_avg"]),
    ("grad_norm", &["gnorm", "gradient_norm", "norm", "gradnorm", "grad_norm_total", "global_grad_norm", "total_grad_norm", "actor/grad_norm", "optim/total_grad_norm", "world_model_grad_norm", "grads/norm", "gradients/norm", "global_norm"]),
    ("lr", &["learning_rate", "lr_0", "optim/lr", "lr-adam", "lr_adam", "actor/lr", "optim/learning_rate_group0", "param_groups/0/lr", "opt/lr", "act_lr", "actor_lr"]),
    ("throughput", &["tokens_per_second", "tok/sec", "tok/s", "tokens/s", "tokens/sec", "toks_per_s", "tps", "wps", "tokens_per_second_per_gpu", "tokens/s/device", "samples/sec", "samples_per_second", "samples_per_sec", "throughput/device/tokens_per_second", "perf/throughput", "frames_per_second", "fps", "time/fps", "steps_per_second", "it/s", "ups", "samplespersec", "currsamplespersec", "sps", "charts/sps", "samples/s", "ips", "tok_s", "samples_s"]),
    ("tokens_seen", &["num_tokens", "total_tokens", "tokens", "consumed_tokens", "num_input_tokens_seen", "throughput/total_tokens"]),
    ("samples_seen", &["consumed_samples", "num_samples", "total_samples", "samples"]),
    ("step_time", &["iter_time", "iter_time_(s)", "time_per_step", "elapsed_time_per_iteration_(ms)", "dt", "step_avg", "iteration_time", "train_step_timing_in_s", "timing_s/step", "batch_cost", "step_s", "step_ms", "ms", "ms/iter", "seconds", "time_this_iter_s"]),
    ("data_time", &["data", "dataload_time", "dt_fetch_s", "data_loading_time", "reader_cost", "data_s", "time_data"]),
    ("entropy", &["policy/entropy", "actor/entropy", "actor_entropy", "objective/entropy", "policy/entropy_avg", "entropy_mean", "mean_entropy", "policy_entropy", "approx_entropy"]),
    ("entropy_loss", &["losses/entropy", "actor/entropy_loss"]),
    ("kl", &["kl_divergence", "approx_kl", "objective/kl", "actor/ppo_kl", "actor/kl_loss", "policy/approxkl_avg", "mean_kl", "kl_mean", "losses/approx_kl", "approxkl", "kl_penalty", "actor/kl_divergence", "vllm_kl", "ppo_kl"]),
    ("reward_mean", &["reward", "rewards/mean", "mean_reward", "critic/rewards/mean", "critic/score/mean", "rollout/ep_rew_mean", "ep_rew_mean", "episode_reward_mean", "env_runners/episode_return_mean", "objective/scores", "objective/rlhf_reward", "reward/mean", "episodic_return", "charts/episodic_return", "avg_reward", "eprewmean", "averageepret", "env/reward_mean", "rollout/reward_mean"]),
    ("rewards", &["reward_samples", "sample_rewards", "rewards/samples"]),
    ("reward_std", &["rewards/std", "reward/std", "critic/rewards/std", "std_reward", "env/reward_std", "rollout/reward_std"]),
    ("advantage_std", &["advantages/std", "critic/advantages/std", "advantage/std", "adv_std", "advantages_std"]),
    ("clip_fraction", &["clipfrac", "clip_ratio", "actor/pg_clipfrac", "clip_ratio/region_mean", "policy/clipfrac_avg", "losses/clipfrac", "policy/clip_fraction"]),
    ("response_length", &["completions/mean_length", "completion_length", "response_length/mean", "mean_response_length"]),
    ("clipped_ratio", &["completions/clipped_ratio", "response_length/clip_ratio", "completion_clipped_ratio"]),
    ("episode_length_mean", &["rollout/ep_len_mean", "ep_len_mean", "episode_len_mean", "env_runners/episode_len_mean", "episodic_length", "charts/episodic_length", "eplenmean"]),
    ("frac_reward_zero_std", &["reward/frac_zero_std", "frac_zero_std"]),
    ("loss_scale", &["scale", "amp/scale"]),
    ("momentum", &["mom"]),
    ("skipped_steps", &["skipped", "number_of_skipped_iterations"]),
    ("mfu", &["bf16_mfu", "model_flops_utilization", "perf/mfu/actor"]),
    ("epoch", &["epochs"]),
];

/// Canonical names of metrics whose values are lists: the samples of a step.
/// Lists of any other name pass by.
pub const SAMPLES: &[&str] = &["rewards"];

/// From spelling to canonical name.
#[derive(Debug, Clone)]
pub struct Names {
    table: FxHashMap<String, String>,
}

impl Default for Names {
    fn default() -> Self {
        Self::with(&[])
    }
}

impl Names {
    /// The built-in table and the user's additions, which win.
    #[must_use]
    pub fn with(user: &[(String, String)]) -> Self {
        let mut table = FxHashMap::default();
        for (canonical, spellings) in CANONICAL {
            table.insert(normal(canonical), (*canonical).to_owned());
            for spelling in *spellings {
                table.insert(normal(spelling), (*canonical).to_owned());
            }
        }
        for (spelling, canonical) in user {
            table.insert(normal(spelling), canonical.clone());
        }
        Self { table }
    }

    /// The canonical name of a printed name, if there is one.
    #[must_use]
    pub fn canonical(&self, printed: &str) -> Option<&str> {
        let name = normal(printed);
        self.table.get(&name).map(String::as_str)
    }
}

fn normal(name: &str) -> String {
    let lower: String = name
        .trim()
        .chars()
        .map(|c| {
            if matches!(c, ' ' | '-') {
                '_'
            } else {
                c.to_ascii_lowercase()
            }
        })
        .collect();
    for prefix in [
        "train/",
        "training/",
        "train_",
        "global/",
        "trainer/",
        "root/",
        "main/",
        "__main__/",
    ] {
        if let Some(rest) = lower.strip_prefix(prefix)
            && !rest.is_empty()
        {
            return rest.to_owned();
        }
    }
    lower
}

/// What a key means besides being a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A training step; the smallest number wins where a line has several.
    Step(u8),
    /// An epoch: the step of streams that have nothing finer.
    Epoch,
    /// A time since 1970, if the value is plausible as one; else a metric.
    Time,
    /// The run's name.
    Run,
    /// The project's name.
    Project,
    /// The process.
    Rank,
    /// What a record is about, in words.
    Message,
    /// The session that a call to a model belongs to, a label: its line is a
    /// record even without a number.
    Session,
    /// A metric or a label.
    Value,
}

/// The role of a printed key.
#[must_use]
pub fn role(printed: &str) -> Role {
    match normal(printed).as_str() {
        "step" => Role::Step(0),
        "global_step" | "_step" => Role::Step(1),
        "iteration" | "iter" | "iters" | "current_steps" | "num_updates" | "s" => Role::Step(2),
        "update"
        | "updates"
        | "it"
        | "batch"
        | "timesteps_total"
        | "total_timesteps"
        | "time/total_timesteps"
        | "num_env_steps_sampled_lifetime"
        | "training_iteration" => Role::Step(3),
        "episode" | "episodes" => Role::Step(4),
        "epoch" => Role::Epoch,
        "time" | "timestamp" | "_timestamp" | "ts" | "wall_time" | "time_ms" | "datetime"
        | "created_at" => Role::Time,
        "run" | "run_id" | "run_name" => Role::Run,
        "project" | "project_name" => Role::Project,
        "rank" | "global_rank" => Role::Rank,
        "msg" => Role::Message,
        "session_id" => Role::Session,
        _ => Role::Value,
    }
}

/// The role of a printed key that may not be UTF-8.
#[must_use]
pub fn role_of(printed: &[u8]) -> Role {
    role(&String::from_utf8_lossy(printed))
}

/// Whether a name matches a pattern in which `*` stands for any run of characters.
#[must_use]
pub fn glob(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut name) = name.strip_prefix(head) else {
        return false;
    };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            // The last part is anchored at the end.
            return name.ends_with(part);
        }
        let Some(at) = name.find(part) else {
            return false;
        };
        name = &name[at + part.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_meet_in_one_name() {
        let names = Names::default();
        for spelling in [
            "loss",
            "Loss",
            "train/loss",
            "lm loss",
            "train_loss",
            "world_model_loss",
            "trainer/loss",
            "root/loss",
        ] {
            assert_eq!(names.canonical(spelling), Some("loss"), "{spelling}");
        }
        for spelling in ["val_loss", "eval/loss", "validation loss", "eval_loss"] {
            assert_eq!(names.canonical(spelling), Some("eval_loss"), "{spelling}");
        }
        assert_eq!(names.canonical("my/objective"), None);
    }

    #[test]
    fn the_user_wins() {
        let names = Names::with(&[
            ("my/objective".into(), "loss".into()),
            ("norm".into(), "weight_norm".into()),
        ]);
        assert_eq!(names.canonical("my/objective"), Some("loss"));
        assert_eq!(names.canonical("norm"), Some("weight_norm"));
    }

    #[test]
    fn no_spelling_belongs_to_two_names() {
        let mut seen: FxHashMap<String, &str> = FxHashMap::default();
        for (canonical, spellings) in CANONICAL {
            for spelling in std::iter::once(canonical).chain(*spellings) {
                if let Some(other) = seen.insert(normal(spelling), canonical) {
                    assert_eq!(other, *canonical, "{spelling} stands twice");
                }
            }
        }
    }

    #[test]
    fn globs() {
        for (pattern, name, matches) in [
            ("*", "", true),
            ("*", "x", true),
            ("loss", "loss", true),
            ("loss", "losses", false),
            ("loss*", "losses", true),
            ("*norm", "grad_norm", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "acb", false),
            ("ab*ba", "aba", false),
        ] {
            assert_eq!(glob(pattern, name), matches, "{pattern} {name}");
        }
    }
}
