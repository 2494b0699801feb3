//! Trusted documents: written down beforehand and known by the SHA-256 of their text, so that a caller may send the
//! hash alone; and, where the gate says so, may send nothing else.

use std::{collections::HashMap, sync::Arc};

use ring::digest::{SHA256, digest};

use super::{
    Texts,
    code::{Code, Fault},
    documents::Hash,
    guard::Operation,
};

/// The trusted documents by their hash. A clone is the same set.
#[derive(Clone, Debug, Default)]
pub struct Trusted(Arc<HashMap<Hash, String>>);

impl Trusted {
    /// The set of these texts.
    pub fn of<'a>(texts: impl IntoIterator<Item = &'a String>) -> Self {
        let by_hash = |text: &String| {
            let mut hash = Hash::default();
            hash.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
            (hash, text.clone())
        };
        Self(Arc::new(texts.into_iter().map(by_hash).collect()))
    }

    /// Every text.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.0.values().map(String::as_str)
    }

    /// The text of a hash in hexadecimal, with or without `sha256:` before it. The wording is the one by which
    /// clients learn to send the text, or to give it up.
    pub fn find(&self, hash: &str) -> Result<&str, Fault> {
        if self.0.is_empty() {
            return Err(Fault::bad_request("PersistedQueryNotSupported"));
        }
        let known = read(hash.strip_prefix("sha256:").unwrap_or(hash)).and_then(|hash| self.0.get(&hash));
        known.map(String::as_str).ok_or_else(|| Fault::new(Code::PersistedQueryNotFound, "PersistedQueryNotFound"))
    }

    /// Refuses what a caller of these `texts` may not send.
    pub fn admit(&self, texts: Texts, hash: &Hash, operation: &Operation) -> Result<(), Fault> {
        match texts {
            Texts::Any => Ok(()),
            Texts::Trusted { beside } => {
                let free = operation.roots.iter().all(|root| beside.contains(&root.as_str()));
                if free || self.0.contains_key(hash) {
                    return Ok(());
                }
                Err(Fault::new(
                    Code::Forbidden,
                    "This document is not trusted: only operations that were registered beforehand are served.",
                ))
            }
        }
    }
}

fn read(hash: &str) -> Option<Hash> {
    let mut out = Hash::default();
    if hash.len() != out.len() * 2 || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, pair) in out.iter_mut().zip(hash.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(found: Result<&str, Fault>) -> Result<&str, Code> {
        found.map_err(|fault| fault.code)
    }

    #[test]
    fn documents_are_found_by_their_hash() {
        let text = "{ greeting }".to_owned();
        let trusted = Trusted::of([&text]);
        let hash: String = digest(&SHA256, text.as_bytes()).as_ref().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(code(trusted.find(&hash)), Ok("{ greeting }"));
        assert_eq!(code(trusted.find(&format!("sha256:{}", hash.to_uppercase()))), Ok("{ greeting }"));
        for wrong in ["", "ab", &hash[1..], &"0".repeat(64), &"é".repeat(32)] {
            assert_eq!(code(trusted.find(wrong)), Err(Code::PersistedQueryNotFound), "{wrong}");
        }
        assert_eq!(code(Trusted::default().find(&hash)), Err(Code::BadRequest));
    }
}
