//! The keys WeChat Pay signs with: configured ones, and certificates fetched from the platform, sealed under the API v3
//! key. Certificates change every few years with an overlap, so an unknown serial number means: fetch again.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use jiff::tz::{TimeZone, offset};
use reqwest::Method;
use serde::Deserialize;
use tokio::sync::Mutex;

use super::{Sealed, SignedBy, WechatPay, read};
use crate::payment::keys::{VerifyingKey, read_public};
use crate::payment::{PayError, PlatformKeyConfig};

/// Between two fetches. Anyone can send notifications with made-up serial numbers; they must not make us call out.
const FETCH_PAUSE_MS: i64 = 60_000;

/// The same after a fetch that failed: until one succeeds, nothing can be verified.
const RETRY_PAUSE_MS: i64 = 5_000;

/// Known keys by serial number or key id.
pub(super) struct PlatformKeys {
    configured: HashMap<String, VerifyingKey>,
    public_key_id: Option<String>,
    fetched: ArcSwap<HashMap<String, Fetched>>,
    /// From when to when certificates are not asked for again; also lets one caller ask at a time.
    pause_ms: Mutex<Range<i64>>,
}

/// A fetched certificate's key and the end of its time.
#[derive(Clone)]
struct Fetched {
    key: VerifyingKey,
    expires_at_ms: i64,
}

#[derive(Deserialize)]
struct CertificateList {
    data: Vec<ListedCertificate>,
}

#[derive(Deserialize)]
struct ListedCertificate {
    serial_no: String,
    expire_time: String,
    encrypt_certificate: Sealed,
}

impl PlatformKeys {
    pub(super) fn read(configured: &[PlatformKeyConfig]) -> Result<Self, PayError> {
        let mut keys = HashMap::new();
        let mut public_key_id = None;
        for entry in configured {
            let (key, serial) = read_public(&entry.pem)?;
            let id = match (serial, entry.id.as_deref().map(str::trim)) {
                (Some(serial), _) => serial,
                (None, Some(id)) if !id.is_empty() => {
                    public_key_id = Some(id.to_owned());
                    id.to_owned()
                }
                (None, _) => {
                    return Err(PayError::Misconfigured("the platform's public key needs its id"));
                }
            };
            keys.insert(id, key);
        }
        Ok(Self { configured: keys, public_key_id, fetched: ArcSwap::default(), pause_ms: Mutex::new(0..0) })
    }

    /// The id of the configured public key, if there is one.
    pub(super) fn public_key_id(&self) -> Option<&str> {
        self.public_key_id.as_deref()
    }

    fn known(&self, serial: &str, now_ms: i64) -> Option<VerifyingKey> {
        if let Some(key) = self.configured.get(serial) {
            return Some(key.clone());
        }
        let fetched = self.fetched.load();
        fetched.get(serial).filter(|found| now_ms < found.expires_at_ms).map(|found| found.key.clone())
    }
}

impl WechatPay {
    /// The platform key of that name, fetched if need be; `None` if the platform does not have it, either.
    pub(super) async fn platform_key(
        &self,
        http: &reqwest::Client,
        serial: &str,
        now_ms: i64,
    ) -> Result<Option<VerifyingKey>, PayError> {
        if let Some(key) = self.platform.known(serial, now_ms) {
            return Ok(Some(key));
        }
        let mut pause_ms = self.platform.pause_ms.lock().await;
        // Whoever held the lock may have brought it.
        if let Some(key) = self.platform.known(serial, now_ms) {
            return Ok(Some(key));
        }
        if pause_ms.contains(&now_ms) {
            return Ok(None);
        }
        *pause_ms = now_ms..now_ms.saturating_add(RETRY_PAUSE_MS);
        let certificates = self.fetch_certificates(http, now_ms).await?;
        *pause_ms = now_ms..now_ms.saturating_add(FETCH_PAUSE_MS);
        self.platform.fetched.store(Arc::new(certificates));
        Ok(self.platform.known(serial, now_ms))
    }

    /// Asks for the platform's certificates. Who can seal under the API v3 key is the platform; the signature of the
    /// answer is checked with the certificates it brings.
    async fn fetch_certificates(
        &self,
        http: &reqwest::Client,
        now_ms: i64,
    ) -> Result<HashMap<String, Fetched>, PayError> {
        let answer = self.ask_unverified(http, Method::GET, "/v3/certificates", None, now_ms).await?;
        let list: CertificateList = read(&answer)?;
        let mut certificates = HashMap::new();
        for listed in list.data {
            let pem = self.open(&listed.encrypt_certificate).ok_or(PayError::Forged)?;
            let pem = String::from_utf8(pem).map_err(|_| PayError::Malformed("certificate"))?;
            let (key, serial) = read_public(&pem).map_err(|_| PayError::Malformed("certificate"))?;
            if serial.as_deref() != Some(listed.serial_no.as_str()) {
                return Err(PayError::Malformed("certificate serial number"));
            }
            let expires_at_ms = time_of(&listed.expire_time).ok_or(PayError::Malformed("expire_time"))?;
            certificates.insert(listed.serial_no, Fetched { key, expires_at_ms });
        }
        let signed = SignedBy::read(&answer.headers).ok_or(PayError::Forged)?;
        let genuine = certificates
            .get(&signed.serial)
            .map(|found| &found.key)
            .or_else(|| self.platform.configured.get(&signed.serial))
            .is_some_and(|key| signed.is_fresh(now_ms) && signed.covers(&answer.body, key));
        if genuine { Ok(certificates) } else { Err(PayError::Forged) }
    }
}

/// A time as the API writes it: RFC 3339, in Beijing.
pub(super) fn time_text(epoch_ms: i64) -> Result<String, PayError> {
    let time = Timestamp::from_millisecond(epoch_ms).map_err(|_| PayError::Invalid("the time is out of range"))?;
    Ok(time.to_zoned(TimeZone::fixed(offset(8))).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string())
}

/// The other way.
pub(super) fn time_of(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(|time| time.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_carry_their_offset() {
        assert_eq!(time_text(1_767_225_600_999).as_deref(), Ok("2026-01-01T08:00:00+08:00"));
        assert_eq!(time_of("2026-01-01T08:00:00+08:00"), Some(1_767_225_600_000));
        assert_eq!(time_of("2026-01-01 08:00:00"), None);
    }

    #[test]
    fn a_public_key_needs_a_name_and_a_certificate_has_one() {
        let pem = include_str!("../../../../tests/harness/keys/wechat_platform.TEST.pub.pem");
        let crt = include_str!("../../../../tests/harness/keys/wechat_platform.TEST.crt");
        let entry =
            |id: Option<&str>, pem: &str| [PlatformKeyConfig { id: id.map(str::to_owned), pem: pem.to_owned() }];
        assert!(PlatformKeys::read(&entry(None, pem)).is_err());
        let named = PlatformKeys::read(&entry(Some("PUB_KEY_ID_0001"), pem));
        assert_eq!(named.as_ref().ok().and_then(PlatformKeys::public_key_id), Some("PUB_KEY_ID_0001"));
        let certified = PlatformKeys::read(&entry(None, crt));
        assert!(certified.is_ok_and(|k| { k.known("7A3C5D1E9F2B4A6880C1D3E5F7092B4D6F8A1C3E", 0).is_some() }));
    }
}
