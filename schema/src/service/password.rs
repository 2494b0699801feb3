//! Passwords: Argon2id, off the async threads, so many at once and no more.

use std::sync::Arc;

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

use crate::error::{Error, Result};

/// Hashes and checks. A clone shares the bound.
#[derive(Clone)]
pub struct Hasher {
    argon: Argon2<'static>,
    /// Each hash takes some 19 MiB for tens of milliseconds; a flood of sign-ins queues here.
    slots: Arc<Semaphore>,
    /// A hash of nothing, checked when there is no such user, so that both refusals take equally long.
    decoy: Arc<str>,
}

const AT_ONCE: usize = 2;

impl Hasher {
    /// `weak` makes hashing cheap, for tests.
    pub fn new(weak: bool) -> Self {
        let params = if weak { Params::new(8, 1, 1, None) } else { Params::new(19 * 1024, 2, 1, None) };
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.unwrap_or_default());
        let decoy = hash(&argon, "decoy").unwrap_or_default().into();
        Self { argon, slots: Arc::new(Semaphore::new(AT_ONCE)), decoy }
    }

    /// The stored form of a password.
    pub async fn hash(&self, password: &str) -> Result<String> {
        let password = password.to_owned();
        self.run(move |argon| hash(argon, &password)).await?
    }

    /// True when the password is the stored one; without a stored one, false after the same time.
    pub async fn verify(&self, password: &str, stored: Option<&str>) -> Result<bool> {
        let known = stored.is_some();
        let stored = stored.unwrap_or(&self.decoy).to_owned();
        let password = password.to_owned();
        let same = self
            .run(move |argon| {
                PasswordHash::new(&stored).is_ok_and(|h| argon.verify_password(password.as_bytes(), &h).is_ok())
            })
            .await?;
        Ok(known && same)
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce(&Argon2<'static>) -> T + Send + 'static) -> Result<T> {
        let _slot = self.slots.acquire().await.map_err(Error::internal)?;
        let argon = self.argon.clone();
        tokio::task::spawn_blocking(move || work(&argon)).await.map_err(Error::internal)
    }
}

fn hash(argon: &Argon2<'static>, password: &str) -> Result<String> {
    let salt = SaltString::encode_b64(&crate::id::random::<16>()).map_err(Error::internal)?;
    argon.hash_password(password.as_bytes(), &salt).map(|h| h.to_string()).map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_of_a_known_user_passes() {
        let hasher = Hasher::new(true);
        let stored = hasher.hash("correct horse").await.expect("hashed");
        assert!(stored.starts_with("$argon2id$"));
        assert!(hasher.verify("correct horse", Some(&stored)).await.expect("checked"));
        assert!(!hasher.verify("wrong", Some(&stored)).await.expect("checked"));
        assert!(!hasher.verify("decoy", None).await.expect("checked"));
    }
}
