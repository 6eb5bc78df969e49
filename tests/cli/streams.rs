//! Training runs to watch: a healthy one, and what can be done to it.

use std::fmt::Write as _;

/// What a step prints.
#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) step: u32,
    pub(crate) loss: f64,
    pub(crate) grad_norm: f64,
    pub(crate) entropy: f64,
    pub(crate) reward: f64,
    pub(crate) tokens: u64,
}

/// Noise in -1..1, the same every time.
fn noise(state: &mut u64) -> f64 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as f64 / f64::from(1_u32 << 30) - 1.0
}

/// A run in which nothing is wrong.
pub(crate) fn healthy(steps: u32) -> Vec<Row> {
    let mut state = 1;
    (1..=steps)
        .map(|step| Row {
            step,
            loss: 2.0 + 0.02 * noise(&mut state),
            grad_norm: 0.6 + 0.03 * noise(&mut state),
            entropy: 2.2 + 0.03 * noise(&mut state),
            reward: 0.3 + 0.01 * noise(&mut state),
            tokens: u64::from(step) * 4099,
        })
        .collect()
}

/// The same run, with something done to these steps.
pub(crate) fn with(
    mut rows: Vec<Row>,
    steps: impl std::ops::RangeBounds<u32>,
    change: impl Fn(&mut Row),
) -> Vec<Row> {
    rows.iter_mut()
        .filter(|row| steps.contains(&row.step))
        .for_each(change);
    rows
}

/// 300 steps of which every detector has something to say.
pub(crate) fn troubled() -> Vec<Row> {
    let rows = with(healthy(300), 100..=102, |row| row.loss *= 3.0);
    let rows = with(rows, 130..=132, |row| row.grad_norm *= 20.0);
    let rows = with(rows, 160..=175, |row| row.entropy = 0.05);
    let rows = with(rows, 200..=209, |row| row.tokens = 199 * 4099);
    with(rows, 250..=252, |row| row.loss = f64::NAN)
}

/// As JSON lines, with `NaN` where Python prints it.
pub(crate) fn json(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        let Row {
            step,
            loss,
            grad_norm,
            entropy,
            reward,
            tokens,
        } = row;
        let _ = writeln!(
            text,
            r#"{{"step": {step}, "loss": {loss:.4}, "grad_norm": {grad_norm:.4}, "entropy": {entropy:.4}, "reward": {reward:.4}, "num_tokens": {tokens}}}"#
        );
    }
    text
}

/// A log in which the loss is NaN at step 3, and nothing else is wrong.
pub(crate) const NAN: &str = "\
{\"step\": 1, \"loss\": 2.5}
{\"step\": 2, \"loss\": 2.4}
{\"step\": 3, \"loss\": NaN}
";
