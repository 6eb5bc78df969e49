//! Write a [runwatch](https://crates.io/crates/runwatch) detector in plain Rust.
//!
//! A detector is a type that implements [`Detector`] and one line of glue:
//!
//! ```
//! use runwatch_detector::prelude::*;
//!
//! /// Fires while the loss is above a limit.
//! struct TooHigh {
//!     limit: f64,
//!     latch: Latch,
//! }
//!
//! impl Detector for TooHigh {
//!     fn describe() -> Description {
//!         Description::new("too-high", "0.1.0", "The loss is above a limit").parameter(
//!             Parameter::number("limit", 10.0).doc("The highest loss that is fine."),
//!         )
//!     }
//!
//!     fn open(_run: &Facts, parameters: &Parameters) -> Result<Self, String> {
//!         Ok(Self { limit: parameters.number("limit")?, latch: Latch::default() })
//!     }
//!
//!     fn interests(&self) -> Vec<Interest> {
//!         vec![Interest::metric("loss")]
//!     }
//!
//!     fn observe(&mut self, batch: &Batch<'_>, findings: &mut Vec<Finding>) {
//!         for point in batch.points() {
//!             if point.value > self.limit && self.latch.set() {
//!                 findings.push(
//!                     Finding::warning("too-high", point.row)
//!                         .title("Loss too high")
//!                         .message(format!("loss is {} at step {}", point.value, point.step))
//!                         .recommendation("Lower the learning rate.")
//!                         .value("loss", point.value),
//!                 );
//!             } else if point.value <= self.limit && self.latch.clear() {
//!                 findings.push(Finding::resolved("too-high", point.row).title("Loss is fine again"));
//!             }
//!         }
//!     }
//! }
//!
//! export!(TooHigh);
//! # fn main() {}
//! ```
//!
//! Built for `wasm32-wasip2` this is a component that runwatch loads; built for
//! your own machine it is an ordinary type, so that `cargo test` runs the rule
//! natively. Only [`export!`] knows about WebAssembly.

pub mod batch;
mod decimal;
pub mod describe;
pub mod finding;
pub mod glob;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod glue;
pub mod show;
pub mod state;
pub mod stats;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
pub mod text;
pub mod told;

pub use batch::{Batch, NO_RANK, NO_ROW, Point, Roles, Series, Text};
pub use describe::{Description, Facts, Interest, Kind, Parameter, Parameters};
pub use finding::{Finding, Severity, State};

/// What a detector's source file needs.
pub mod prelude {
    pub use crate::batch::{Batch, Point, Series, Text};
    pub use crate::describe::{Description, Facts, Interest, Parameter, Parameters};
    pub use crate::finding::{Finding, Severity};
    pub use crate::state::{Keyed, Latch};
    pub use crate::{Detector, export};
}

/// A rule that watches one run.
///
/// The runner opens one value of the type per run, asks once for its
/// [`interests`](Detector::interests), and then feeds it what it asked for. How
/// rows are grouped into calls of [`observe`](Detector::observe) depends on how
/// fast they arrive and must not change what is found.
///
/// A panic ends this detector for the batch, never the runner: its text is
/// shown to the user in an alert of its own.
pub trait Detector: Sized + 'static {
    /// Says what the detector is. Called before anything else; must not depend
    /// on anything but the code.
    fn describe() -> Description;

    /// Starts watching a run. `parameters` holds a valid value for every
    /// parameter of [`describe`](Detector::describe).
    ///
    /// # Errors
    /// A sentence for the user, when the parameters contradict each other.
    fn open(run: &Facts, parameters: &Parameters) -> Result<Self, String>;

    /// What this monitor wants to be told. Asked once, after `open`.
    fn interests(&self) -> Vec<Interest>;

    /// Looks at new rows, in the order in which the job printed them.
    fn observe(&mut self, batch: &Batch<'_>, findings: &mut Vec<Finding>);

    /// Time passed; `now` is in seconds since 1970 of the stream's own clock.
    /// Called only if an [`Interest::tick`] asked for it.
    fn tick(&mut self, now: f64, findings: &mut Vec<Finding>) {
        let _ = (now, findings);
    }

    /// The run ended: `completed`, `crashed`, `killed` or `unknown`.
    fn finish(&mut self, outcome: &str, findings: &mut Vec<Finding>) {
        let _ = (outcome, findings);
    }

    /// The state, so that a restart goes on where it was; see
    /// [`state::save`] for the easy way.
    fn save(&self) -> Option<Vec<u8>> {
        None
    }

    /// Takes back what [`save`](Detector::save) gave.
    ///
    /// # Errors
    /// A sentence that says why the bytes are not usable; the monitor then
    /// starts cold.
    fn restore(&mut self, state: &[u8]) -> Result<(), String> {
        let _ = state;
        Err("this detector does not keep state".to_owned())
    }
}

/// Writes a line to the runner's log. `level` is `error`, `warn`, `info` or
/// `debug`. Natively, as in unit tests, it goes to standard error.
pub fn log(level: &str, message: &str) {
    #[cfg(target_family = "wasm")]
    glue::log(level, message);
    #[cfg(not(target_family = "wasm"))]
    eprintln!("{level}: {message}");
}

/// Makes the component's exports for one [`Detector`] type. On any target but
/// WebAssembly it expands to nothing.
#[macro_export]
macro_rules! export {
    ($detector:ty) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            type Component = $crate::glue::Component<$detector>;
    $crate::glue::bindings::export_glue!(Component with_types_in $crate::glue::bindings);
        };
    };
}
