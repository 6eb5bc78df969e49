//! Signatures of Standard Webhooks, version 1 (<https://www.standardwebhooks.com>).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The value of `webhook-signature`: one signature per key, so that a receiver
/// which knows the old key or the new one can check it while keys are changed.
///
/// # Errors
///
/// If there is no key or one is malformed; the text holds nothing of the key.
pub(super) fn sign(keys: &str, id: &str, seconds: i64, body: &[u8]) -> Result<String, String> {
    let head = format!("{id}.{seconds}.");
    let signatures: Result<Vec<_>, _> = keys
        .split_whitespace()
        .map(|key| signature(key, head.as_bytes(), body))
        .collect();
    let signatures = signatures?.join(" ");
    if signatures.is_empty() {
        return Err("the signing key is empty".to_owned());
    }
    Ok(signatures)
}

fn signature(key: &str, head: &[u8], body: &[u8]) -> Result<String, String> {
    let key = key
        .strip_prefix("whsec_")
        .and_then(|key| STANDARD.decode(key).ok())
        .filter(|key| (24..=64).contains(&key.len()))
        .ok_or("a signing key must be `whsec_` and the base64 of 24 to 64 bytes")?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|error| error.to_string())?;
    mac.update(head);
    mac.update(body);
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    Ok(format!("v1,{signature}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The 32 bytes `runwatch-test-key-0123456789abcd`.
    const KEY: &str = "whsec_cnVud2F0Y2gtdGVzdC1rZXktMDEyMzQ1Njc4OWFiY2Q=";
    const SIGNATURE: &str = "v1,vChincOUT8y1ub06U2eeiAsh57lAY0OE6auUQP+yLxE=";

    fn signed(keys: &str) -> Result<String, String> {
        sign(keys, "msg_1", 1_700_000_000, br#"{"a":1}"#)
    }

    #[test]
    fn the_vector() {
        assert_eq!(signed(KEY).unwrap(), SIGNATURE);
    }

    #[test]
    fn two_keys_give_two_signatures() {
        let other = format!("whsec_{}", STANDARD.encode([7; 24]));
        let both = signed(&format!("{KEY} {other}")).unwrap();
        let both: Vec<_> = both.split(' ').collect();
        assert_eq!(both, [SIGNATURE, &signed(&other).unwrap()]);
    }

    #[test]
    fn what_is_no_key_is_an_error_that_does_not_show_it() {
        let short = format!("whsec_{}", STANDARD.encode([7; 23]));
        for keys in ["", "canary", "whsec_canary!", &short] {
            let error = signed(keys).unwrap_err();
            assert!(
                !error.contains("canary") && !error.contains(&short),
                "{error}"
            );
        }
    }
}
