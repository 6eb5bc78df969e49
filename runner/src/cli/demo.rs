//! `runwatch demo`: a simulated run that goes wrong.

use std::io::Write as _;
use std::time::Duration;

use clap::Args as ClapArgs;

use super::Outcome;
use super::live::{Before, Live, Outlets};
use super::options::{self, Configured, Shown};
use super::output::say;

/// Watch a simulated GRPO run that goes wrong, live, with nothing configured
#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Args {
    /// Do not wait between steps
    #[arg(long)]
    fast: bool,
    #[command(flatten)]
    shown: Shown,
    #[command(flatten)]
    configured: Configured,
}

const STEPS: u32 = 400;
/// Some twelve seconds in all.
const PAUSE: Duration = Duration::from_millis(30);

pub(super) fn run(args: &Args) -> Outcome {
    let loaded = args.configured.load()?;
    let config = &loaded.config;
    let pipeline = options::pipeline(config, 1, true, |_| {})?;
    let decoding = options::decoding(config, "demo", "grpo-demo", None, &pipeline);
    let form = args.shown.form(config);
    let printers = form
        .map(|form| options::stderr_console(config, form))
        .into_iter()
        .collect();
    let outlets = Outlets {
        printers,
        post: None,
        history: None,
        flush: config.delivery.flush,
        before: Before::Again,
        quiet: args.shown.quiet,
    };
    let mut live = Live::new(decoding, pipeline, outlets)?;
    if !args.shown.quiet {
        say("runwatch: a simulated GRPO run; what it prints goes to stdout, alerts to stderr");
    }
    let mut job = Job::default();
    for step in 1..=STEPS {
        let line = job.step(step);
        // As in a pipe: the job's output first, then whatever is said of it. A
        // reader that went away does not end the demonstration.
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
        drop(out);
        live.take(line.as_bytes(), true);
        if !args.fast {
            std::thread::sleep(PAUSE);
        }
    }
    live.end("completed");
    let ending = live.close(args.shown.quiet, true);
    if !args.shown.quiet {
        say("runwatch: now yours: python train.py 2>&1 | runwatch");
    }
    Ok(ending)
}

/// A GRPO run as TRL prints it: healthy, a loss spike with its gradient, a
/// policy that stops exploring, a stalled loader, and at last a NaN.
#[derive(Default)]
struct Job {
    noise: u64,
    tokens: u64,
}

impl Job {
    /// Noise in -1..1, the same at every start.
    fn noise(&mut self) -> f64 {
        self.noise = self
            .noise
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.noise >> 33) as f64) / f64::from(1_u32 << 30) - 1.0
    }

    fn step(&mut self, step: u32) -> String {
        let t = f64::from(step);
        let mut loss = 1.1 + 0.9 * (-t / 120.0).exp() + 0.02 * self.noise();
        let mut grad_norm = 0.6 + 0.06 * self.noise();
        let mut entropy = 2.2 - 0.002 * t + 0.03 * self.noise();
        let mut reward = 0.25 + 0.4 * (1.0 - (-t / 90.0).exp()) + 0.02 * self.noise();
        if (138..=144).contains(&step) {
            let height = [1.2, 2.6, 4.8, 4.1, 3.0, 2.0, 1.4][(step - 138) as usize];
            loss *= height;
            grad_norm *= [6.0, 14.0, 22.0, 9.0, 5.5, 2.0, 1.3][(step - 138) as usize];
        }
        if step > 220 {
            let fall = ((t - 220.0) / 25.0).min(1.0);
            entropy = entropy * (1.0 - fall) + 0.06 * fall + 0.005 * self.noise();
            reward -= 0.3 * fall;
        }
        if !(300..=306).contains(&step) {
            self.tokens += 4096;
        }
        let rate = if (300..=306).contains(&step) {
            0.0
        } else {
            5200.0 + 90.0 * self.noise()
        };
        let (loss, grad_norm) = if step >= 380 {
            ("nan".to_owned(), "nan".to_owned())
        } else {
            (format!("{loss:.4}"), format!("{grad_norm:.4}"))
        };
        format!(
            "{{'step': {step}, 'loss': {loss}, 'grad_norm': {grad_norm}, 'learning_rate': 1e-06, 'reward': {reward:.4}, \
             'kl': {:.5}, 'entropy': {entropy:.4}, 'num_tokens': {}, 'tokens_per_second': {rate:.1}, 'epoch': {:.3}}}\n",
            0.004 + 0.0004 * self.noise(),
            self.tokens,
            t / 1000.0
        )
    }
}
