//! The signature of the robots of DingTalk and Feishu, which differ in what is
//! the key and what is signed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// HMAC-SHA256 in base64.
pub(super) fn hmac_sha256(key: &[u8], message: &[u8]) -> String {
    // A key may have any length; were one refused, so would be the empty
    // signature.
    let signed = Hmac::<Sha256>::new_from_slice(key).map(|mut hmac| {
        hmac.update(message);
        STANDARD.encode(hmac.finalize().into_bytes())
    });
    signed.unwrap_or_default()
}
