//! Who writes which header.

use super::Header;
use crate::decode::format::About;

/// A table that is known by its header.
pub(in crate::decode::formats) struct Dialect {
    pub(in crate::decode::formats) about: About,
    pub(super) fits: fn(&Header) -> bool,
    /// The columns of the step, the best first; the names' roles decide where
    /// none of them is there.
    steps: &'static [&'static str],
}

impl Dialect {
    /// The columns that may have the step.
    pub(super) fn steps(&self, header: &Header) -> impl Iterator<Item = usize> {
        self.steps.iter().filter_map(|name| header.find(name))
    }

    /// Whether the rows are episodes: see [`super::Table::episode`].
    pub(super) fn is_monitor(&self) -> bool {
        self.about.name == MONITOR
    }
}

const MONITOR: &str = "sb3-monitor";
const EPOCH: &str = "`epoch`";

/// The known tables. What is more particular stands first.
pub(in crate::decode::formats) static DIALECTS: [Dialect; 13] = [
    Dialect {
        about: About {
            name: MONITOR,
            title: "Monitor wrapper of Gym and Stable-Baselines3 (`monitor.csv`)",
            example: "#{\"t_start\": 1700000000.5, \"env_id\": \"CartPole-v1\"}\nr,l,t\n25.0,25,9.39",
            step: "the sum of `l`",
        },
        fits: |header| header.starts_with(&["r", "l", "t"]),
        steps: &[],
    },
    Dialect {
        about: About {
            name: "rllib-csv",
            title: "RLlib and Ray Tune (`progress.csv`)",
            example: "episode_reward_mean,timesteps_total,training_iteration,time_this_iter_s\n21.5,4000,1,9.5",
            step: "`timesteps_total`, `num_env_steps_sampled_lifetime`, `training_iteration`",
        },
        fits: |header| header.has("training_iteration") && header.has("time_this_iter_s"),
        steps: &[
            "timesteps_total",
            "num_env_steps_sampled_lifetime",
            "env_runners/num_env_steps_sampled_lifetime",
            "training_iteration",
        ],
    },
    Dialect {
        about: About {
            name: "sb3-csv",
            title: "Stable-Baselines3 (`progress.csv`)",
            example: "time/total_timesteps,rollout/ep_rew_mean,train/loss\n2048,21.5,0.25",
            step: "`time/total_timesteps`",
        },
        fits: |header| header.has("time/total_timesteps"),
        steps: &["time/total_timesteps"],
    },
    Dialect {
        about: About {
            name: "spinningup",
            title: "Spinning Up (`progress.txt`)",
            example: "Epoch\tAverageEpRet\tTotalEnvInteracts\tTime\n0\t21.5\t4000\t9.5",
            step: "`TotalEnvInteracts`",
        },
        fits: |header| header.has("TotalEnvInteracts"),
        steps: &["TotalEnvInteracts"],
    },
    Dialect {
        about: About {
            name: "openai-csv",
            title: "OpenAI's logger: Baselines, guided-diffusion (`progress.csv`)",
            example: "grad_norm,loss,loss_q0,param_norm,samples,step\n0.5,0.25,0.125,120.5,64,10",
            step: "`step`, `total_timesteps`, `nupdates` and the like",
        },
        fits: openai,
        steps: &[
            "step",
            "misc/total_timesteps",
            "total_timesteps",
            "TimestepsSoFar",
            "total/steps",
            "steps",
            "misc/nupdates",
            "nupdates",
            "IterationsSoFar",
        ],
    },
    Dialect {
        about: About {
            name: "ultralytics-csv",
            title: "Ultralytics YOLO (`results.csv`)",
            example: "epoch,time,train/box_loss,metrics/mAP50(B),lr/pg0\n1,9.5,1.25,0.5,0.01",
            step: EPOCH,
        },
        fits: |header| header.starts_with(&["epoch"]) && any(header, "metrics/"),
        steps: &["epoch"],
    },
    Dialect {
        about: About {
            name: "timm-csv",
            title: "timm (`summary.csv`)",
            example: "epoch,train_loss,eval_loss,eval_top1,eval_top5,lr\n0,2.5,2.25,40.5,80.5,0.01",
            step: EPOCH,
        },
        fits: |header| header.starts_with(&["epoch", "train_loss"]) && any(header, "eval_"),
        steps: &["epoch"],
    },
    Dialect {
        about: About {
            name: "fastai-csv",
            title: "fastai (`history.csv`)",
            example: "epoch,train_loss,valid_loss,accuracy,time\n0,2.5,2.25,0.5,00:09",
            step: EPOCH,
        },
        fits: |header| header.starts_with(&["epoch", "train_loss", "valid_loss"]),
        steps: &["epoch"],
    },
    Dialect {
        about: About {
            name: "catboost-tsv",
            title: "CatBoost (`learn_error.tsv`, `test_error.tsv`)",
            example: "iter\tLogloss\tAUC\n0\t0.65\t0.75",
            step: "`iter`",
        },
        fits: |header| header.separator == b'\t' && header.starts_with(&["iter"]),
        steps: &["iter"],
    },
    Dialect {
        about: About {
            name: "lightning-csv",
            title: "PyTorch Lightning's CSVLogger (`metrics.csv`)",
            example: "epoch,step,train_loss_step,val_loss\n0,49,2.5,",
            step: "`step`",
        },
        fits: |header| header.separator == b',' && header.has("epoch") && header.has("step"),
        steps: &["step"],
    },
    Dialect {
        about: About {
            name: "tensorboard-csv",
            title: "Series downloaded from TensorBoard",
            example: "Wall time,Step,Value\n1700000000.5,10,2.5",
            step: "`Step`",
        },
        fits: |header| header.starts_with(&["Wall time", "Step", "Value"]),
        steps: &["Step"],
    },
    Dialect {
        about: About {
            name: "wandb-csv",
            title: "Charts exported from Weights & Biases",
            example: "\"Step\",\"run - loss\",\"run - loss__MIN\",\"run - loss__MAX\"\n\"10\",\"2.5\",\"2.5\",\"2.5\"",
            step: "`Step`",
        },
        fits: |header| header.starts_with(&["Step"]) && header.names.iter().any(is_bound),
        steps: &["Step"],
    },
    Dialect {
        about: About {
            name: "keras-csv",
            title: "Keras' CSVLogger",
            example: "epoch,accuracy,loss,val_accuracy,val_loss\n0,0.5,2.5,0.5,2.25",
            step: EPOCH,
        },
        fits: keras,
        steps: &["epoch"],
    },
];

/// Whether a column's name begins so.
fn any(header: &Header, prefix: &str) -> bool {
    let mut names = header.names.iter();
    names.any(|name| name.starts_with(prefix.as_bytes()))
}

#[allow(clippy::ptr_arg, reason = "called on the elements of a list")]
fn is_bound(name: &Vec<u8>) -> bool {
    name.ends_with(b"__MIN") || name.ends_with(b"__MAX")
}

fn openai(header: &Header) -> bool {
    let diffusion = ["step", "samples", "grad_norm"];
    let steps = ["misc/nupdates", "nupdates", "TimestepsSoFar"];
    let rewards = ["eprewmean", "EpRewMean", "rollout/return"];
    let other = ["total/steps", "total_timesteps", "steps", "epoch"];
    diffusion.iter().all(|name| header.has(name))
        || steps.iter().any(|name| header.has(name))
        || rewards.iter().any(|name| header.has(name)) && other.iter().any(|name| header.has(name))
}

/// Keras sorts the names behind the epoch.
fn keras(header: &Header) -> bool {
    let sorted = header.names.iter().skip(1).is_sorted();
    header.separator != b'\t' && header.starts_with(&["epoch"]) && header.has("loss") && sorted
}
