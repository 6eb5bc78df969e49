//! How much a detector may take: memory, time, output.

use std::fmt;
use std::time::Duration;

use wasmtime::ResourceLimiter;

use super::engine::TICK;

/// The limits of one detector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of linear memory, all memories of the instance together.
    pub memory: usize,
    /// Wall time of one call.
    pub timeout: Duration,
    /// Bytes that one call may push to the host.
    pub output: usize,
    /// Findings that one call may return.
    pub findings: usize,
    /// Bytes of text in one finding.
    pub finding_bytes: usize,
    /// Lines of log and standard error kept and shown with a fault.
    pub log_lines: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 64 << 20,
            timeout: Duration::from_secs(1),
            output: 4 << 20,
            findings: 256,
            finding_bytes: 16 << 10,
            log_lines: 20,
        }
    }
}

impl Limits {
    /// The deadline of a call in epoch ticks, rounded up, and one more because
    /// the current tick may be nearly over.
    pub(super) fn deadline_ticks(&self) -> u64 {
        let ticks = self.timeout.as_nanos().div_ceil(TICK.as_nanos());
        u64::try_from(ticks)
            .unwrap_or(u64::MAX / 2)
            .saturating_add(1)
    }
}

/// The error that a memory over its limit ends with.
#[derive(Debug)]
pub(super) struct MemoryExceeded {
    pub(super) wanted: usize,
    pub(super) limit: usize,
}

impl fmt::Display for MemoryExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: usize| bytes as f64 / f64::from(1 << 20);
        write!(
            f,
            "wanted {:.1} MiB of memory, the limit is {:.0} MiB",
            mib(self.wanted),
            mib(self.limit)
        )
    }
}

impl std::error::Error for MemoryExceeded {}

/// Counts the memory of a whole store. wasmtime's own limiter counts each
/// linear memory for itself, and allows ten thousand of them.
#[derive(Debug)]
pub(super) struct Meter {
    limit: usize,
    used: usize,
}

impl Meter {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, used: 0 }
    }

    /// Bytes of linear memory in use; memory never shrinks, so this is also
    /// the high-water mark.
    pub(super) fn used(&self) -> usize {
        self.used
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let wanted = self.used.saturating_sub(current).saturating_add(desired);
        if wanted > self.limit {
            // An error, not `false`: with `false` each language fails in its
            // own odd way.
            return Err(wasmtime::Error::new(MemoryExceeded {
                wanted,
                limit: self.limit,
            }));
        }
        self.used = wanted;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= 100_000)
    }

    // Counted in real components: CPython with stubbed WASI needs 38 instances,
    // QuickJS 3 memories and 3 tables.
    fn instances(&self) -> usize {
        128
    }

    fn tables(&self) -> usize {
        16
    }

    fn memories(&self) -> usize {
        8
    }
}
