//! The signed token that Kling takes instead of a key.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

use super::WireError;

/// How long a token lives, in seconds.
pub const LIFE: i64 = 1800;
/// How far its beginning is set back, for clocks that differ.
pub const LEEWAY: i64 = 5;

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    exp: i64,
    nbf: i64,
}

/// An HS256 token for an access key and its secret, valid from `now` (epoch milliseconds) for half an hour.
pub fn token(access_key: &str, secret_key: &str, now: i64) -> Result<String, WireError> {
    let seconds = now.div_euclid(1000);
    let claims = Claims { iss: access_key, exp: seconds + LIFE, nbf: seconds - LEEWAY };
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(secret_key.as_bytes()))
        .map_err(|_| WireError::Key("the Kling keys cannot sign"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

    #[test]
    fn claims_and_signature_are_as_the_vendor_checks_them() {
        let token = token("ak", "sk", 1_700_000_000_999).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        let json = |part: &str| -> serde_json::Value {
            serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
        };
        assert_eq!(json(parts[0]), serde_json::json!({"alg": "HS256", "typ": "JWT"}));
        assert_eq!(json(parts[1]), serde_json::json!({"iss": "ak", "exp": 1_700_001_800, "nbf": 1_699_999_995}));
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"sk");
        let signature = BASE64_URL_SAFE_NO_PAD.decode(parts[2]).unwrap();
        ring::hmac::verify(&key, format!("{}.{}", parts[0], parts[1]).as_bytes(), &signature).unwrap();
    }
}
