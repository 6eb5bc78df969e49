//! The rule as it is written down, with everything sorted at every value.

use runwatch_detector::testing::Row;
use runwatch_detector::{Severity, State};

/// The two middle values.
fn middle(values: &[f64]) -> (f64, f64) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2])
}

fn mean_of_logs((a, b): (f64, f64)) -> f64 {
    (a.ln() + b.ln()) / 2.0
}

struct Judged {
    hit: bool,
    alone: bool,
    large: bool,
    median: f64,
}

struct Open {
    median: f64,
    critical: bool,
    back: usize,
    quiet: usize,
}

#[derive(Default)]
struct Naive {
    window: Vec<f64>,
    signs: i32,
    /// Count, mean, variance, while the loss changes its sign.
    signed: Option<(f64, f64, f64)>,
    hits: Vec<bool>,
    open: Option<Open>,
}

impl Naive {
    fn take(&mut self, x: f64) -> Option<Judged> {
        let positive = x >= f64::MIN_POSITIVE;
        self.signs = if positive {
            (self.signs - 1).max(0)
        } else {
            (self.signs + 8).min(128)
        };
        if self.signed.is_none() && self.signs >= 64 {
            self.signed = Some((0.0, 0.0, 0.0));
            self.window.clear();
        } else if self.signed.is_some() && self.signs == 0 {
            self.signed = None;
        }
        match self.signed {
            Some(_) => self.take_signed(x),
            None if positive => self.take_log(x),
            None => None,
        }
    }

    fn take_signed(&mut self, x: f64) -> Option<Judged> {
        let (n, mean, variance) = self.signed?;
        let sd = variance
            .sqrt()
            .max(1e-3 * mean.abs())
            .max(f64::MIN_POSITIVE);
        let warm = n >= 64.0;
        let entering = if warm { x.min(mean + 6.0 * sd) } else { x };
        let a = (2.0f64 / 129.0).max(1.0 / (n + 1.0));
        let d = entering - mean;
        self.signed = Some((n + 1.0, mean + a * d, (1.0 - a) * (variance + a * d * d)));
        let rise = (x - mean) / mean.abs().max(f64::MIN_POSITIVE);
        let hit = (x - mean) / sd >= 6.0 && rise >= 0.1;
        warm.then_some(Judged {
            hit,
            alone: false,
            large: false,
            median: mean,
        })
    }

    fn take_log(&mut self, x: f64) -> Option<Judged> {
        let last = &self.window[self.window.len().saturating_sub(128)..];
        if last.len() < 64 {
            self.window.push(x);
            return None;
        }
        let med = mean_of_logs(middle(last));
        let g = med.exp();
        let ratios: Vec<f64> = last.iter().map(|v| v.max(g) / v.min(g)).collect();
        let sd = (1.4826 * mean_of_logs(middle(&ratios))).max(1e-3);
        let rise = x.ln() - med;
        let z = rise / sd;
        let clipped = (med + 6.0 * sd).exp().max(f64::MIN_POSITIVE);
        self.window.push(if z > 6.0 { x.min(clipped) } else { x });
        Some(Judged {
            hit: z >= 6.0 && rise >= 0.10f64.ln_1p(),
            alone: z >= 12.0 && rise >= 0.25f64.ln_1p(),
            large: z >= 12.0 && rise >= 0.5f64.ln_1p(),
            median: g,
        })
    }

    fn look(&mut self, x: f64, same_step: bool) -> Option<(State, Severity)> {
        let judged = self.take(x);
        let hit = judged.as_ref().is_some_and(|judged| judged.hit);
        self.hits.push(hit);
        let again = self.hits.iter().rev().take(3).filter(|&&hit| hit).count() >= 2;
        let fires = judged.filter(|judged| judged.hit && (judged.alone && !same_step || again));
        let critical = fires.as_ref().is_some_and(|judged| judged.large && again);
        let severity = if critical {
            Severity::Critical
        } else {
            Severity::Warning
        };
        let Some(open) = &mut self.open else {
            let median = fires?.median;
            self.open = Some(Open {
                median,
                critical,
                back: 0,
                quiet: 0,
            });
            return Some((State::Firing, severity));
        };
        if critical && !open.critical {
            (open.critical, open.back, open.quiet) = (true, 0, 0);
            return Some((State::Firing, severity));
        }
        let is_back = !hit && x <= open.median + 0.1 * open.median.abs();
        open.back = if is_back { open.back + 1 } else { 0 };
        open.quiet = if hit { 0 } else { open.quiet + 1 };
        if open.back >= 10 || open.quiet >= 512 {
            self.open = None;
            return Some((State::Resolved, Severity::Info));
        }
        None
    }
}

/// What is found in the `loss` of rows without a rank.
pub(super) fn findings(rows: &[Row]) -> Vec<(u32, State, Severity)> {
    let mut naive = Naive::default();
    let mut found = Vec::new();
    let (mut last, mut usual): (Option<i64>, i64) = (None, 0);
    for (at, row) in rows.iter().enumerate() {
        let x = row.metrics[0].1;
        if !x.is_finite() {
            continue;
        }
        let same_step = last == Some(row.step);
        let stride = row.step - last.replace(row.step).unwrap_or(row.step);
        let resumed = stride < 0 || usual > 0 && stride > 10 * usual;
        if stride > 0 {
            usual = stride.max(usual - usual / 8);
        }
        if resumed {
            let open = naive.open.is_some();
            naive = Naive::default();
            naive.take(x);
            if open {
                found.push((at as u32, State::Resolved, Severity::Info));
            }
        } else if let Some((state, severity)) = naive.look(x, same_step) {
            found.push((at as u32, state, severity));
        }
    }
    found
}
