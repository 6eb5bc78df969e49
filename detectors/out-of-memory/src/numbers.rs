//! The figures in the messages of PyTorch and XLA:
//!
//! ```text
//! CUDA out of memory. Tried to allocate 706.00 MiB. GPU 0 has a total capacity of 178.35 GiB of which
//! 703.75 MiB is free. Including non-PyTorch memory, this process has 177.53 GiB memory in use. Of the
//! allocated memory 172.96 GiB is allocated by PyTorch, and 2.14 GiB is reserved by PyTorch but unallocated.
//!
//! CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0; 39.59 GiB total capacity; 37.15 GiB already
//! allocated; 12.19 MiB free; 38.08 GiB reserved in total by PyTorch)
//!
//! RESOURCE_EXHAUSTED: Out of memory while trying to allocate 549755813888 bytes.
//! ```

use runwatch_detector::text;

/// Figures in GiB.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Numbers {
    /// The device.
    pub gpu: Option<u32>,
    /// What was asked for.
    pub requested: Option<f64>,
    /// The device's whole memory.
    pub total: Option<f64>,
    /// What was free.
    pub free: Option<f64>,
    /// What tensors hold.
    pub allocated: Option<f64>,
    /// What the allocator holds without using it.
    pub unused: Option<f64>,
}

impl Numbers {
    /// Reads what a message says.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let allocated =
            before(text, " is allocated by PyTorch").or(before(text, " already allocated"));
        let reserved = before(text, " reserved in total by PyTorch");
        let unused = before(text, " is reserved by PyTorch but unallocated")
            .or_else(|| Some((reserved? - allocated?).max(0.0)));
        Self {
            gpu: after(text, "GPU ").and_then(digits),
            requested: after(text, "ried to allocate ")
                .or_else(|| after(text, "rying to allocate "))
                .or_else(|| after(text, "nable to allocate "))
                .and_then(size),
            total: after(text, "total capacity of ")
                .and_then(size)
                .or_else(|| before(text, " total capacity")),
            free: before(text, " is free").or_else(|| before(text, " free;")),
            allocated,
            unused,
        }
    }

    /// Whether the message had no figures.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values().next().is_none()
    }

    /// Whether what the allocator holds unused would have been enough, or is
    /// more than a tenth of the device.
    #[must_use]
    pub fn is_fragmented(&self) -> bool {
        let Some(unused) = self.unused else {
            return false;
        };
        self.requested.is_some_and(|requested| unused >= requested)
            || self.total.is_some_and(|total| unused >= 0.1 * total)
    }

    /// The figures by name.
    pub fn values(&self) -> impl Iterator<Item = (&'static str, f64)> + use<> {
        [
            ("requested_gib", self.requested),
            ("total_gib", self.total),
            ("free_gib", self.free),
            ("allocated_gib", self.allocated),
            ("reserved_unused_gib", self.unused),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
    }

    /// ` It asked for 0.6895 GiB; 0.6873 of 178.4 GiB were free …`, or nothing.
    #[must_use]
    pub fn sentence(&self) -> String {
        use runwatch_detector::show::number;
        let mut parts = Vec::new();
        if let Some(requested) = self.requested {
            parts.push(format!("it asked for {} GiB", number(requested)));
        }
        match (self.free, self.total) {
            (Some(free), Some(total)) => {
                parts.push(format!(
                    "{} of {} GiB were free",
                    number(free),
                    number(total)
                ));
            }
            (Some(free), None) => parts.push(format!("{} GiB were free", number(free))),
            (None, Some(total)) => parts.push(format!("the device has {} GiB", number(total))),
            (None, None) => {}
        }
        if let Some(allocated) = self.allocated {
            parts.push(format!("tensors hold {} GiB", number(allocated)));
        }
        if let Some(unused) = self.unused {
            parts.push(format!("{} GiB are reserved but unused", number(unused)));
        }
        if parts.is_empty() {
            return String::new();
        }
        let text = parts.join(", ");
        format!(" In figures: {text}.")
    }
}

/// What stands behind some words.
fn after<'a>(text: &'a str, words: &str) -> Option<&'a str> {
    text.split_once(words).map(|(_, rest)| rest)
}

/// The size that stands before some words.
fn before(text: &str, words: &str) -> Option<f64> {
    let (head, _) = text.split_once(words)?;
    let mut back = head.rsplitn(3, ' ');
    let (unit, amount) = (back.next()?, back.next()?);
    gib(amount.trim_start_matches(['(', ';']), unit)
}

/// `706.00 MiB…`, `549755813888 bytes…`.
fn size(text: &str) -> Option<f64> {
    let (amount, rest) = text.split_once(' ')?;
    let end = rest
        .find(|c: char| !c.is_ascii_alphabetic())
        .unwrap_or(rest.len());
    gib(amount, rest.get(..end)?)
}

fn digits(text: &str) -> Option<u32> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text.get(..end)?.parse().ok()
}

fn gib(amount: &str, unit: &str) -> Option<f64> {
    let amount = text::number(amount)?;
    let bytes = match unit {
        "bytes" | "B" => 1.0,
        "KiB" | "KB" => 1024.0,
        "MiB" | "MB" => 1024.0 * 1024.0,
        "GiB" | "GB" => 1024.0 * 1024.0 * 1024.0,
        "TiB" | "TB" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    let gib = amount * bytes / (1024.0 * 1024.0 * 1024.0);
    (gib.is_finite() && gib >= 0.0).then_some(gib)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<(&'static str, f64)> {
        let round = |value: f64| (value * 100.0).round() / 100.0;
        let values = Numbers::read(text).values();
        values.map(|(name, value)| (name, round(value))).collect()
    }

    #[test]
    fn messages_of_pytorch_and_xla() {
        let new = "CUDA out of memory. Tried to allocate 706.00 MiB. GPU 3 has a total capacity of 178.35 GiB \
                   of which 703.75 MiB is free. Including non-PyTorch memory, this process has 177.53 GiB \
                   memory in use. Of the allocated memory 172.96 GiB is allocated by PyTorch, and 2.14 GiB is \
                   reserved by PyTorch but unallocated. If reserved but unallocated memory is large try";
        assert_eq!(
            values(new),
            [
                ("requested_gib", 0.69),
                ("total_gib", 178.35),
                ("free_gib", 0.69),
                ("allocated_gib", 172.96),
                ("reserved_unused_gib", 2.14),
            ]
        );
        assert_eq!(Numbers::read(new).gpu, Some(3));
        assert!(Numbers::read(new).is_fragmented());
        let old = "CUDA out of memory. Tried to allocate 2.00 GiB (GPU 1; 39.59 GiB total capacity; 37.15 GiB \
                   already allocated; 12.19 MiB free; 38.08 GiB reserved in total by PyTorch)";
        assert_eq!(
            values(old),
            [
                ("requested_gib", 2.0),
                ("total_gib", 39.59),
                ("free_gib", 0.01),
                ("allocated_gib", 37.15),
                ("reserved_unused_gib", 0.93),
            ]
        );
        assert!(!Numbers::read(old).is_fragmented());
        assert_eq!(
            values(
                "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 549755813888 bytes."
            ),
            [("requested_gib", 512.0)]
        );
        assert_eq!(
            values("Unable to allocate 3.00 GiB for an array with shape (1, 2)"),
            [("requested_gib", 3.0)]
        );
    }

    #[test]
    fn other_texts_have_no_figures() {
        for text in [
            "",
            "CUDA error: out of memory",
            "Tried to allocate",
            "Tried to allocate much MiB",
            "Tried to allocate inf GiB",
            "it is free",
            " is free",
            "é is free",
        ] {
            assert!(Numbers::read(text).is_empty(), "{text}");
        }
    }
}
