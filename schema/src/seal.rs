//! Sealing of what must be stored but not read from a stolen database: AES-256-GCM under a key that
//! lives outside of it.
//!
//! A sealed value is `version(1) | key id(4) | nonce(12) | ciphertext and tag`. The key id is the start
//! of the key's own SHA-256, so an old key in the list still opens what it sealed and new writes use
//! the first key. The `place` (table and column) is authenticated: a value moved elsewhere does not open.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use crate::error::{Error, Result};
use crate::id;

/// The keys, newest first.
pub struct Sealer {
    keys: Vec<([u8; 4], LessSafeKey)>,
}

impl Sealer {
    /// From 32-byte keys, newest first.
    pub fn new(keys: &[[u8; 32]]) -> Result<Self> {
        let keys = keys
            .iter()
            .map(|raw| {
                let unbound = UnboundKey::new(&AES_256_GCM, raw).map_err(|_| Error::internal("bad sealing key"))?;
                let hash = ring::digest::digest(&ring::digest::SHA256, raw);
                let mut short = [0u8; 4];
                short.copy_from_slice(&hash.as_ref()[..4]);
                Ok((short, LessSafeKey::new(unbound)))
            })
            .collect::<Result<Vec<_>>>()?;
        if keys.is_empty() {
            return Err(Error::internal("no sealing key"));
        }
        Ok(Self { keys })
    }

    /// Seals under the newest key.
    pub fn seal(&self, place: &str, plain: &[u8]) -> Result<Vec<u8>> {
        let (short, key) = &self.keys[0];
        let nonce = id::random::<12>();
        let mut body = plain.to_vec();
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(place.as_bytes()), &mut body)
            .map_err(|_| Error::internal("sealing failed"))?;
        let mut out = Vec::with_capacity(17 + body.len());
        out.push(1);
        out.extend_from_slice(short);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&body);
        Ok(out)
    }

    /// Opens what any of the keys sealed for this place.
    pub fn open(&self, place: &str, sealed: &[u8]) -> Result<Vec<u8>> {
        let fail = || Error::internal(format!("a sealed value of {place} does not open: is ENCRYPTION_KEY complete?"));
        if sealed.len() < 33 || sealed[0] != 1 {
            return Err(fail());
        }
        let (_, key) = self.keys.iter().find(|(short, _)| short == &sealed[1..5]).ok_or_else(fail)?;
        let mut nonce = [0u8; 12];
        nonce.copy_from_slice(&sealed[5..17]);
        let mut body = sealed[17..].to_vec();
        let plain = key
            .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(place.as_bytes()), &mut body)
            .map_err(|_| fail())?;
        Ok(plain.to_vec())
    }

    /// Seals a document.
    pub fn seal_json<T: serde::Serialize>(&self, place: &str, value: &T) -> Result<Vec<u8>> {
        self.seal(place, &serde_json::to_vec(value).map_err(Error::internal)?)
    }

    /// Opens a document.
    pub fn open_json<T: serde::de::DeserializeOwned>(&self, place: &str, sealed: &[u8]) -> Result<T> {
        serde_json::from_slice(&self.open(place, sealed)?)
            .map_err(|_| Error::internal(format!("{place} holds no valid document")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_keys_open_new_keys_seal() {
        let old = Sealer::new(&[[1; 32]]).expect("keys");
        let both = Sealer::new(&[[2; 32], [1; 32]]).expect("keys");
        let sealed = old.seal("accounts.credentials", b"sk-1").expect("sealed");
        assert_eq!(both.open("accounts.credentials", &sealed).expect("opens"), b"sk-1");
        let fresh = both.seal("accounts.credentials", b"sk-1").expect("sealed");
        assert!(old.open("accounts.credentials", &fresh).is_err());
        assert!(both.open("accounts.proxy", &fresh).is_err(), "moved to another column");
        let mut bent = fresh.clone();
        *bent.last_mut().expect("bytes") ^= 1;
        assert!(both.open("accounts.credentials", &bent).is_err());
        assert_ne!(fresh, both.seal("accounts.credentials", b"sk-1").expect("sealed"), "nonces differ");
    }
}
