//! What the fuzz targets share: the promises that the tests check as well, and
//! changes that keep a log looking like a log.

#[path = "../../tests/decode/any_bytes.rs"]
mod any_bytes;
#[path = "../../tests/decode/framing.rs"]
mod framing;
#[path = "../../tests/decode/model.rs"]
mod model;
pub mod mutate;
#[path = "../../tests/decode/records.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod records;

/// Holds the decoder with this name to its promises.
///
/// # Panics
/// When one is broken.
pub fn decode(name: &str, data: &[u8]) {
    let found = any_bytes::DECODERS.iter().find(|(known, _)| *known == name);
    let (_, decode) = found.expect("a decoder of this name");
    decode(data);
}
