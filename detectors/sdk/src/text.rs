//! Texts in keys and messages: short, of one line, and the same for the same
//! trouble.

use crate::batch::Text;

/// The longest key that the runner takes, in bytes.
pub const LONGEST_KEY: usize = 128;

impl Text {
    /// A field, if the text has it.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|(key, _)| key == name);
        field.map(|(_, value)| value.as_str())
    }

    /// Whether an exception says that memory ran out, on a device or the host.
    #[must_use]
    pub fn is_out_of_memory(&self) -> bool {
        let name = last_part(&self.name);
        name.contains("OutOfMemory")
            || name == "MemoryError"
            || self.content.contains("out of memory. Tried to allocate")
            || self.content.contains("CUDA error: out of memory")
            || self.content.contains("HIP error: out of memory")
            || self.content.contains("MPS backend out of memory")
            || self.content.contains("RESOURCE_EXHAUSTED: Out of memory")
            || self.content.contains("RESOURCE_EXHAUSTED: out of memory")
            || self.content.contains("CUDA_ERROR_OUT_OF_MEMORY")
            || self.content.contains("OOM when allocating")
    }
}

/// `OutOfMemoryError` of `torch.OutOfMemoryError`.
#[must_use]
pub fn last_part(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// The number that a text is: `12`, `-0.5`, `1e-3`; not `nan` or `inf`.
#[must_use]
pub fn number(text: &str) -> Option<f64> {
    crate::decimal::parse(text)
}

/// The first line that is not blank.
#[must_use]
pub fn first_line(text: &str) -> &str {
    let mut lines = text.lines().map(str::trim);
    lines.find(|line| !line.is_empty()).unwrap_or_default()
}

/// The text, cut to at most `most` bytes; `…` says that something is missing.
#[must_use]
pub fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    format!("{}…", head(text, most.saturating_sub('…'.len_utf8())))
}

/// At most so many bytes from the beginning.
#[must_use]
pub fn head(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// A key that fits: of a longer one the tail becomes its hash.
#[must_use]
pub fn key(text: &str) -> String {
    const HASH: usize = 17;
    if text.len() <= LONGEST_KEY {
        return text.to_owned();
    }
    format!("{}~{:016x}", head(text, LONGEST_KEY - HASH), hash(text))
}

/// FNV-1a in 64 bits: the same on every machine and in every version.
#[must_use]
pub fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_fit_and_differ() {
        assert_eq!(key("short"), "short");
        let long = "é".repeat(100);
        let other = format!("{long}!");
        assert!(key(&long).len() <= LONGEST_KEY);
        assert_ne!(key(&long), key(&other));
        assert_eq!(key(&long), key(&long));
    }

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcdefgh", 6), "abc…");
        assert_eq!(cut("ééé", 5), "é…");
        assert_eq!(cut("abc", 0), "…");
        assert_eq!(first_line("\n  \n a b \nc"), "a b");
        assert_eq!(first_line(""), "");
        assert_eq!(last_part("torch.cuda.OutOfMemoryError"), "OutOfMemoryError");
    }

    #[test]
    fn memory_runs_out_in_many_words() {
        let of = |name: &str, content: &str| Text {
            name: name.to_owned(),
            content: content.to_owned(),
            ..Text::default()
        };
        for (name, content) in [
            ("torch.cuda.OutOfMemoryError", "CUDA out of memory."),
            (
                "torch.OutOfMemoryError",
                "HIP out of memory. Tried to allocate 2 GiB",
            ),
            (
                "RuntimeError",
                "CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0;",
            ),
            ("RuntimeError", "CUDA error: out of memory"),
            (
                "jaxlib.xla_extension.XlaRuntimeError",
                "RESOURCE_EXHAUSTED: Out of memory while",
            ),
            ("MemoryError", ""),
            (
                "numpy.core._exceptions.MemoryError",
                "Unable to allocate 3 GiB",
            ),
        ] {
            assert!(of(name, content).is_out_of_memory(), "{name}: {content}");
        }
        for (name, content) in [
            ("RuntimeError", "CUDA error: device-side assert triggered"),
            (
                "ValueError",
                "reduce the batch size if you run out of memory",
            ),
        ] {
            assert!(!of(name, content).is_out_of_memory(), "{name}: {content}");
        }
    }
}
