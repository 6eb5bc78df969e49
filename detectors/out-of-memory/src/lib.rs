//! `out-of-memory`: a device or the host ran out of memory.
//!
//! `rule.rs` says when it is told, `numbers.rs` reads the figures that the
//! message has; this file says what people read.

use runwatch_detector::prelude::*;
use runwatch_detector::show::{number, place};
use runwatch_detector::state;
use runwatch_detector::text::{cut, first_line};

mod numbers;
mod rule;

pub use numbers::Numbers;
pub use rule::{Kind, Watch};

/// Watches the memory of one run.
pub struct OutOfMemory {
    silence: f64,
    watch: Watch,
}

impl Detector for OutOfMemory {
    fn describe() -> Description {
        Description::new(
            "out-of-memory",
            "0.1.0",
            "A GPU or the host ran out of memory",
        )
        .parameter(
            Parameter::number("silence", 600.0)
                .unit("s")
                .min(0)
                .max(1e9)
                .doc("The same comes again as news after so long without it."),
        )
        .doc(include_str!("doc.md"))
    }

    fn open(_run: &Facts, parameters: &Parameters) -> Result<Self, String> {
        Ok(Self {
            silence: parameters.number("silence")?,
            watch: Watch::default(),
        })
    }

    fn interests(&self) -> Vec<Interest> {
        vec![
            Interest::event("cuda-oom"),
            Interest::event("host-oom"),
            Interest::exception("*OutOfMemory*"),
            Interest::exception("*MemoryError"),
            Interest::exception("*RuntimeError"),
            Interest::exception("*ResourceExhaustedError"),
        ]
    }

    fn observe(&mut self, batch: &Batch<'_>, findings: &mut Vec<Finding>) {
        for text in batch.texts {
            let Some((at, kind)) = batch.place(text).zip(Kind::of(text)) else {
                continue;
            };
            let severity = rule::severity(text);
            if self.watch.look(kind, severity, &at, self.silence) {
                findings.push(match kind {
                    Kind::Device => device(text, &at, severity),
                    Kind::Host => host(text, &at),
                });
            }
        }
    }

    fn save(&self) -> Option<Vec<u8>> {
        state::save(&self.watch)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), String> {
        self.watch = state::restore(state)?;
        Ok(())
    }
}

fn device(text: &Text, at: &Point, severity: Severity) -> Finding {
    let numbers = Numbers::read(&text.content);
    let gpu = text
        .field("gpu")
        .map(str::to_owned)
        .or(numbers.gpu.map(|gpu| gpu.to_string()));
    let on = gpu.map_or_else(|| "The GPU".to_owned(), |gpu| format!("GPU {gpu}"));
    let title = match numbers.requested {
        Some(requested) => format!(
            "{on} ran out of memory asking for {} GiB",
            number(requested)
        ),
        None => format!("{on} ran out of memory"),
    };
    let mut message = format!("{on} ran out of memory at {}", place(at));
    if let Some(frame) = text.field("frame") {
        message += &format!(", in {}", cut(frame, 200));
    }
    message += ".";
    message += &numbers.sentence();
    if numbers.is_empty() {
        message += &format!(" The job says: {}", cut(first_line(&text.content), 300));
    }
    let first = if numbers.is_fragmented() {
        "Much of the memory is reserved and unused (fragmentation): set \
         PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True first, which costs nothing. If that is not enough, \
         make"
    } else {
        "Check with nvidia-smi that no other process holds memory of this GPU. Then make"
    };
    let what_to_do = format!(
        "{first} the micro-batch smaller and raise gradient accumulation by the same factor (the result stays \
         the same), turn on gradient checkpointing, shorten the longest sequences, or shard optimizer and \
         weights (FSDP, ZeRO). If it came after many good steps, look for one unusually long batch, an \
         evaluation with a larger batch, or tensors that are kept (a loss summed without .item())."
    );
    let recommendation = match severity {
        Severity::Critical => format!(
            "The process does not survive this unless it catches it. {what_to_do} Go on from the last checkpoint."
        ),
        _ => format!("The job says that it goes on; if it keeps coming: {what_to_do}"),
    };
    let finding = Finding::firing(Kind::Device.key(), severity, at.row)
        .gather()
        .title(title)
        .message(message)
        .recommendation(recommendation);
    numbers
        .values()
        .fold(finding, |finding, (name, value)| finding.value(name, value))
}

fn host(text: &Text, at: &Point) -> Finding {
    let numbers = Numbers::read(&text.content);
    let mut message = format!(
        "The host ran out of memory at {}: {}",
        place(at),
        cut(first_line(&text.content), 300)
    );
    if let Some(frame) = text.field("frame") {
        message += &format!(" (in {})", cut(frame, 200));
    }
    let finding = Finding::critical(Kind::Host.key(), at.row)
        .gather()
        .title("The host ran out of memory")
        .message(message)
        .recommendation(
            "The kernel or the scheduler ends a process for this, without a traceback: check whether all ranks \
             still live, and restart from the last checkpoint with more memory (Slurm --mem, the container's \
             limit) or less need of it: fewer loader workers, a smaller prefetch factor, a memory-mapped data \
             set, no copy of the data set per worker, and one rank at a time loading the checkpoint. Memory \
             that grows over hours is a leak, often in the loader.",
        );
    numbers
        .values()
        .fold(finding, |finding, (name, value)| finding.value(name, value))
}

export!(OutOfMemory);

#[cfg(test)]
mod tests;
