//! Smoke.
use runwatch_detector::prelude::*;
/// Smoke.
pub struct NonFinite;
impl Detector for NonFinite {
    fn describe() -> Description { Description::new("non-finite","0.1.0","x") }
    fn open(_: &Facts, _: &Parameters) -> Result<Self, String> { Ok(Self) }
    fn interests(&self) -> Vec<Interest> { vec![Interest::metric_edges("*")] }
    fn observe(&mut self, b: &Batch<'_>, f: &mut Vec<Finding>) {
        for p in b.points() { if !p.value.is_finite() { f.push(Finding::critical("k", p.row).title("t").recommendation("r")); } }
    }
}
export!(NonFinite);
