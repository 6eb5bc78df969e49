//! Puts the checksums around the records of binary files, which random changes
//! would never get right.

/// A cyclic redundancy check of 32 bits, bit by bit; `polynomial` is reflected.
fn crc32(polynomial: u32, bytes: &[u8]) -> u32 {
    let step = |crc: u32| crc >> 1 ^ if crc & 1 == 1 { polynomial } else { 0 };
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc))
    })
}

/// The checksum of TensorBoard's files, of CRC-32C.
fn masked(bytes: &[u8]) -> [u8; 4] {
    let crc = crc32(0x82f6_3b78, bytes);
    crc.rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

/// Bodies, each behind two bytes of its length; the last may be shorter.
fn bodies(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = bytes.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
        let (body, rest) = rest.split_at(length);
        bytes = rest;
        Some(body)
    })
}

/// A file of events with these bodies.
pub(crate) fn tfevents(bytes: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    for body in bodies(bytes) {
        let length = (body.len() as u64).to_le_bytes();
        file.extend(length);
        file.extend(masked(&length));
        file.extend(body);
        file.extend(masked(body));
    }
    file
}

/// A transaction log of chunks with these bodies, which begin with the chunk's
/// kind. A body that does not fit its block is for the decoder to worry about.
pub(crate) fn wandb(bytes: &[u8]) -> Vec<u8> {
    let mut file = b":W&B\xe1\xbe\0".to_vec();
    for body in bodies(bytes).filter(|body| !body.is_empty()) {
        file.extend(crc32(0xedb8_8320, body).to_le_bytes());
        file.extend((body.len() as u16 - 1).to_le_bytes());
        file.extend(body);
    }
    file
}

#[test]
fn checksums_of_the_catalogue() {
    assert_eq!(crc32(0x82f6_3b78, b"123456789"), 0xe306_9283);
    assert_eq!(crc32(0xedb8_8320, b"123456789"), 0xcbf4_3926);
}
