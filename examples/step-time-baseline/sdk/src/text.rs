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
