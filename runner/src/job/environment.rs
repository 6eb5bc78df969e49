//! What the job finds in its environment.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::halt::random_token;

/// The names of a wrapped run, which the job and the watcher get as variables.
#[derive(Debug, Clone)]
pub struct Environment {
    /// `RUNWATCH_PROJECT`.
    pub project: String,
    /// `RUNWATCH_RUN`.
    pub run: String,
    /// `RUNWATCH_DIR`: the folder of control files.
    pub dir: PathBuf,
    /// `RUNWATCH_TOKEN` of the first attempt.
    pub token: String,
}

impl Environment {
    /// The variables of an attempt, which counts from 1.
    #[must_use]
    pub fn variables(&self, attempt: u32) -> Vec<(&'static str, OsString)> {
        vec![
            ("RUNWATCH_PROJECT", self.project.clone().into()),
            ("RUNWATCH_RUN", self.run.clone().into()),
            ("RUNWATCH_DIR", self.dir.clone().into()),
            ("RUNWATCH_TOKEN", self.token_of(attempt).into()),
            ("RUNWATCH_ATTEMPT", attempt.to_string().into()),
        ]
    }

    /// The token of an attempt.
    #[must_use]
    pub fn token_of(&self, attempt: u32) -> String {
        token_of(&self.token, attempt)
    }
}

/// The token of an attempt, by that of the first.
#[must_use]
pub fn token_of(first: &str, attempt: u32) -> String {
    if attempt > 1 {
        format!("{first}.{attempt}")
    } else {
        first.to_owned()
    }
}

/// The rank of all that is started here, if the launcher that started us says
/// so: `torchrun` and its like, Slurm, Open MPI.
pub fn rank(variable: &dyn Fn(&str) -> Option<String>) -> Option<u32> {
    let several = |name: &str| {
        variable(name)
            .and_then(|it| it.parse().ok())
            .is_some_and(|size: u32| size > 1)
    };
    let of = |name: &str, size: &str| variable(name)?.parse().ok().filter(|_| several(size));
    of("RANK", "WORLD_SIZE")
        .or_else(|| of("SLURM_PROCID", "SLURM_NTASKS"))
        .or_else(|| of("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"))
}

/// The token of a start: that of the environment, else what the scheduler
/// calls it, else a random one. It is the same for all ranks of a start and
/// another one for the next start.
pub fn token(variable: &dyn Fn(&str) -> Option<String>) -> String {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let of = |name: &str, before: &str, restarts: &str| {
        let restarts = set(restarts).unwrap_or_else(|| "0".to_owned());
        Some(format!("{before}-{}-{restarts}", set(name)?))
    };
    set("RUNWATCH_TOKEN")
        .or_else(|| {
            of(
                "TORCHELASTIC_RUN_ID",
                "torchelastic",
                "TORCHELASTIC_RESTART_COUNT",
            )
        })
        .or_else(|| of("SLURM_JOB_ID", "slurm", "SLURM_RESTART_COUNT"))
        .unwrap_or_else(random_token)
}

/// So many random letters and digits.
pub fn random(len: usize) -> String {
    let mut source = fastrand::Rng::new();
    (0..len)
        .map(|_| source.alphanumeric().to_ascii_lowercase())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_names_a_start() {
        let with = |set: &'static [(&str, &str)]| {
            token(&move |name| {
                let found = set.iter().find(|(set, _)| *set == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(with(&[("RUNWATCH_TOKEN", "t"), ("SLURM_JOB_ID", "7")]), "t");
        assert_eq!(with(&[("SLURM_JOB_ID", "7")]), "slurm-7-0");
        assert_eq!(
            with(&[("SLURM_JOB_ID", "7"), ("SLURM_RESTART_COUNT", "2")]),
            "slurm-7-2"
        );
        assert_eq!(
            with(&[("TORCHELASTIC_RUN_ID", "r"), ("SLURM_JOB_ID", "7")]),
            "torchelastic-r-0"
        );
        assert_ne!(with(&[]), with(&[]));
        assert!(with(&[("RUNWATCH_TOKEN", "")]).starts_with("random-"));
    }
}
