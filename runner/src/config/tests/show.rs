//! `config show`: its text, and that it reads back.

use super::*;
use crate::config::show;

#[test]
fn show_says_what_is_in_force_and_whence() {
    let text = "[alerts]\ncooldown-steps = 50\n[detectors]\nenable = []\n\
                [detectors.loss-spike]\nenabled = true\nmemory = 131072\nratio = 3.0\n\
                [names]\n\"my/objective\" = \"loss\"\n";
    let sealed = Sealed::with(text)
        .set("loss-spike.metrics=a,b")
        .set("grad-norm.limit=1e3");
    let shown = show(&sealed.loaded(), &descriptions()).unwrap();
    assert_eq!(
        sealed.tidy(&shown),
        r#"project = "default"              # default
# run is not set

[detectors]
preset = "robust"                # default
enable = []                      # runwatch.toml:4
strict-imports = false           # default

[limits]
memory = "64 MiB"                # default
timeout = "1s"                   # default
output = "4 MiB"                 # default
findings = 256                   # default
finding-bytes = "16 KiB"         # default
log-lines = 100                  # default

[faults]
budget = 5                       # default
within = "10m"                   # default

[alerts]
cooldown-steps = 50              # runwatch.toml:2
cooldown-seconds = "off"         # default
max-per-run = 50                 # default
critical-reserve = 50            # default
min-severity = "info"            # default
policy = "runwatch"              # default

[input]
paths = []                       # default

[decode]
max-line = "1 MiB"               # default
max-metrics = 16384              # default
max-runs = 4096                  # default
restarts = true                  # default

[names]
"my/objective" = "loss"          # runwatch.toml:10

[console]
style = "auto"                   # default
color = "auto"                   # default

[delivery]
inhibit = true                   # default
# ledger is not set
flush = "20s"                    # default
keep = "90d"                     # default

[history]
enable = true                    # default
run-size = "64 MiB"              # default
total-size = "1 GiB"             # default

[halt]
on = "off"                       # default
up-to = "kill"                   # default
dry-run = false                  # default
hook = []                        # default
hook-timeout = "1m"              # default
file-timeout = "1m"              # default
usr1 = "off"                     # default
usr1-timeout = "30s"             # default
term-timeout = "30s"             # default
by = "any"                       # default

[restart]
on = []                          # default
attempts = 3                     # default
progress = 100                   # default
backoff = "30s"                  # default
window = "1h"                    # default

[file]
# path is not set

[detectors.grad-norm]
enabled = false                  # runwatch.toml:4
limit = 1000                     # --set

[detectors.loss-spike]
enabled = true                   # runwatch.toml:6
memory = "128 KiB"               # runwatch.toml:7
window = 128                     # default
ratio = 3                        # runwatch.toml:8
quiet = false                    # default
mode = "both"                    # default
metrics = ["a", "b"]             # --set

[detectors.non-finite]
enabled = false                  # runwatch.toml:4
"#
    );
}

#[test]
fn what_show_prints_means_the_same() {
    let everything =
        everything() + "\n[detectors.grad-norm]\nlimit = 1.5\n\"a b\" = ['x', 1, nan]\n";
    for text in ["", "[alerts]\ncooldown-seconds = 1.5\n", &everything] {
        let sealed = Sealed::with(text)
            .set("loss-spike.metrics=a,b")
            .set("grad-norm.t=tru\"e\n");
        let before = sealed.loaded();
        let shown = show(&before, &descriptions()).unwrap();
        let again = Sealed::with(&shown);
        // Relative paths are shown as they are resolved, so they stay what they are.
        let after = again.loaded();
        let parameters = |sealed: &Sealed, loaded: &Loaded| {
            resolve(&loss_spike(), &sealed.of(loaded, "loss-spike").parameters).unwrap()
        };
        assert_eq!(parameters(&sealed, &before), parameters(&again, &after));
        assert_eq!(plain(before.config), plain(after.config));
        assert_eq!(
            show(&again.loaded(), &descriptions())
                .unwrap()
                .lines()
                .count(),
            shown.lines().count()
        );
    }
}
