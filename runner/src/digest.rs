//! Short names for things, made of their parts: SHA-256 cut to 128 bits.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// Parts that are hashed together. Each is preceded by its length, so that
/// `ab` + `c` and `a` + `bc` differ.
pub(crate) struct Parts(Sha256);

impl Parts {
    /// No parts yet. What comes before them keeps one use of the hash, and one
    /// form of it, from colliding with another.
    pub(crate) fn after(version: &[u8]) -> Self {
        Self(Sha256::new_with_prefix(version))
    }

    /// One part more.
    pub(crate) fn add(&mut self, part: impl AsRef<[u8]>) {
        let part = part.as_ref();
        self.0.update((part.len() as u64).to_be_bytes());
        self.0.update(part);
    }

    /// The first 128 bits.
    pub(crate) fn finish(self) -> [u8; 16] {
        let mut short = [0; 16];
        short.copy_from_slice(&self.0.finalize()[..16]);
        short
    }
}

/// The SHA-256 of bytes, in hexadecimal digits.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(parts: &[&str]) -> String {
        let mut all = Parts::after(b"test");
        parts.iter().for_each(|part| all.add(part));
        hex(&all.finish())
    }

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
        assert_ne!(of(&["", "a"]), of(&["a"]));
        assert_eq!(of(&["a", "b"]), of(&["a", "b"]));
        assert_eq!(of(&[]).len(), 32);
    }
}
