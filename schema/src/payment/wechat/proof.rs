//! How the platform proves itself: its signature in the headers of answers and notifications, and resources sealed
//! under the API v3 key.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use reqwest::header::HeaderMap;
use ring::aead::{Aad, Nonce};
use serde::Deserialize;

use super::WechatPay;
use crate::payment::keys::VerifyingKey;

/// How far a signed time may lie from ours.
const TOLERANCE_SECONDS: u64 = 300;

/// A sealed resource: part of a notification, or a certificate.
#[derive(Deserialize)]
pub(super) struct Sealed {
    #[serde(default)]
    algorithm: String,
    nonce: String,
    #[serde(default)]
    associated_data: String,
    ciphertext: String,
}

/// The platform's signature of an answer or notification, as its headers carry it.
pub(super) struct SignedBy {
    pub(super) serial: String,
    timestamp: String,
    nonce: String,
    signature: String,
}

impl SignedBy {
    pub(super) fn read(headers: &HeaderMap) -> Option<Self> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Some(Self {
            serial: text("wechatpay-serial")?,
            timestamp: text("wechatpay-timestamp")?,
            nonce: text("wechatpay-nonce")?,
            signature: text("wechatpay-signature")?,
        })
    }

    pub(super) fn is_fresh(&self, now_ms: i64) -> bool {
        let now = now_ms.div_euclid(1000);
        self.timestamp.parse::<i64>().is_ok_and(|signed| now.abs_diff(signed) <= TOLERANCE_SECONDS)
    }

    pub(super) fn covers(&self, body: &[u8], key: &VerifyingKey) -> bool {
        let mut message = format!("{}\n{}\n", self.timestamp, self.nonce).into_bytes();
        message.extend_from_slice(body);
        message.push(b'\n');
        key.verifies(&message, &self.signature)
    }
}

impl WechatPay {
    /// Opens what the platform sealed under the API v3 key.
    pub(super) fn open(&self, sealed: &Sealed) -> Option<Vec<u8>> {
        if sealed.algorithm != "AEAD_AES_256_GCM" {
            return None;
        }
        let nonce = Nonce::try_assume_unique_for_key(sealed.nonce.as_bytes()).ok()?;
        let mut text = BASE64_STANDARD.decode(&sealed.ciphertext).ok()?;
        let length =
            self.v3_key.open_in_place(nonce, Aad::from(sealed.associated_data.as_bytes()), &mut text).ok()?.len();
        text.truncate(length);
        Some(text)
    }
}
