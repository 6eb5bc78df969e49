//! Reads the fields of a protocol buffer, as far as the binary formats need it.
//!
//! A message is a row of fields: a varint of `number << 3 | kind`, then the
//! value. Numbers that are not asked for pass by.

/// A field's value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    Bytes(&'a [u8]),
    Fixed32([u8; 4]),
}

impl<'a> Value<'a> {
    /// A text, a message within the message, or numbers side by side.
    pub(super) fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// A signed number of variable length.
    pub(super) fn integer(self) -> Option<i64> {
        match self {
            Self::Varint(bits) => Some(bits.cast_signed()),
            _ => None,
        }
    }

    /// An `f64`.
    pub(super) fn double(self) -> Option<f64> {
        match self {
            Self::Fixed64(bytes) => Some(f64::from_le_bytes(bytes)),
            _ => None,
        }
    }

    /// An `f32`.
    pub(super) fn float(self) -> Option<f64> {
        match self {
            Self::Fixed32(bytes) => Some(f64::from(f32::from_le_bytes(bytes))),
            _ => None,
        }
    }
}

/// The fields of a message, one after the other. What is broken ends them.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = (u64, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(self.array()?),
            2 => {
                let len = usize::try_from(self.varint()?).ok()?;
                let (bytes, rest) = self.0.split_at_checked(len)?;
                self.0 = rest;
                Value::Bytes(bytes)
            }
            5 => Value::Fixed32(self.array()?),
            // Groups have been out of use since before these formats.
            _ => return None,
        };
        Some((tag >> 3, value))
    }
}

impl Fields<'_> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for (at, &byte) in self.0.iter().enumerate().take(10) {
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte < 0x80 {
                self.0 = &self.0[at + 1..];
                return Some(value);
            }
        }
        None
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*bytes)
    }
}

/// Writes messages, for the tests of the formats made of them.
#[cfg(test)]
#[derive(Debug, Default, Clone)]
pub(super) struct Message(pub(super) Vec<u8>);

#[cfg(test)]
impl Message {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn integer(mut self, number: u64, value: i64) -> Self {
        self.varint(number << 3);
        self.varint(value.cast_unsigned());
        self
    }

    pub(super) fn double(mut self, number: u64, value: f64) -> Self {
        self.varint(number << 3 | 1);
        self.0.extend(value.to_le_bytes());
        self
    }

    pub(super) fn float(mut self, number: u64, value: f32) -> Self {
        self.varint(number << 3 | 5);
        self.0.extend(value.to_le_bytes());
        self
    }

    pub(super) fn bytes(mut self, number: u64, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        self.varint(number << 3 | 2);
        self.varint(value.len() as u64);
        self.0.extend(value);
        self
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

#[cfg(test)]
impl AsRef<[u8]> for Message {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_written() {
        let message = Message::new()
            .integer(1, -3)
            .double(2, 0.5)
            .bytes(300, "text")
            .float(4, f32::INFINITY);
        let fields: Vec<_> = Fields(&message.0).collect();
        assert_eq!(fields.len(), 4);
        assert_eq!(fields[0].1.integer(), Some(-3));
        assert_eq!(fields[1].1.double(), Some(0.5));
        assert_eq!(fields[2], (300, Value::Bytes(b"text")));
        assert_eq!(fields[3].1.float(), Some(f64::INFINITY));
        assert_eq!(fields[3].1.double(), None);
    }

    #[test]
    fn what_is_broken_ends() {
        let whole = Message::new().integer(1, 1 << 40).bytes(2, [7; 20]).0;
        for end in 0..whole.len() {
            assert!(Fields(&whole[..end]).count() < 2);
        }
        for junk in [&[0xff; 30][..], b"\x0b\x00", b"\x12\xff\xff\xff\xff\x0f"] {
            assert_eq!(Fields(junk).count(), 0);
        }
    }
}
