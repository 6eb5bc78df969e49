//! What rlwatch 0.5.1 has found and sent in 36 made-up runs.
//!
//! The recordings are not a part of the project. The tests read them from the
//! folder that `RUNWATCH_GOLDEN` names, or from `../shared/golden` beside the
//! workspace, and pass with a note where there is neither.

use std::path::{Path, PathBuf};

/// The settings of its detectors and our parameters.
const PARAMETERS: [(&str, &str); 12] = [
    ("baseline_mode", "rlwatch-baseline"),
    ("rolling_window", "rlwatch-window"),
    ("baseline_window", "rlwatch-window"),
    ("warmup_steps", "rlwatch-warmup"),
    ("sigma_multiplier", "rlwatch-sigma"),
    ("std_multiplier", "rlwatch-multiplier"),
    ("variance_multiplier", "rlwatch-multiplier"),
    ("threshold", "rlwatch-threshold"),
    ("consecutive_steps", "rlwatch-consecutive"),
    ("min_drift_magnitude", "rlwatch-magnitude"),
    ("dip_test_significance", "rlwatch-significance"),
    ("clip_region", "rlwatch-clip-region"),
];

/// Our parameter for a setting of one of its detectors.
pub(crate) fn parameter(setting: &str) -> &'static str {
    let found = PARAMETERS.iter().find(|(theirs, _)| *theirs == setting);
    found
        .unwrap_or_else(|| panic!("no parameter for `{setting}`"))
        .1
}

/// The recordings, as the text of their files. None, if this machine has none.
/// `root` is the folder of the project.
pub(crate) fn recordings(root: &Path) -> Vec<String> {
    let folder = match std::env::var_os("RUNWATCH_GOLDEN") {
        Some(named) => PathBuf::from(named),
        None => root.join("../shared/golden"),
    };
    if !folder.join("entropy_step.json").is_file() {
        println!("skipped: no recordings in {}", folder.display());
        return Vec::new();
    }
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "json"))
        .collect();
    files.sort();
    assert!(files.len() >= 36, "only {} recordings", files.len());
    files
        .iter()
        .map(|file| std::fs::read_to_string(file).unwrap())
        .collect()
}
