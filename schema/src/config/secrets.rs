//! Secrets that nobody gave: made at the first start, kept in the data folder, for its owner alone.

use std::fs::File;
use std::io;
use std::path::Path;

use super::{Config, write_private};
use crate::secret::Secret;

const JWT: &str = "jwt-secret";
const KEYS: &str = "encryption-key";
/// Bytes a secret that signs tokens has at least.
pub(super) const SHORTEST_JWT: usize = 32;

impl Config {
    /// Fills secrets that were not given: read from `DATA_DIR`, or made there for the first time.
    pub fn fill_secrets(&mut self) -> io::Result<()> {
        if self.jwt_secret.is_none() {
            let text = kept(&self.data_dir, JWT, || crate::id::hex(&crate::id::random::<32>()))?;
            self.jwt_secret = Some(Secret::new(sound_jwt(text)?));
        }
        if self.encryption_keys.is_empty() {
            let text = kept(&self.data_dir, KEYS, || crate::id::hex(&crate::id::random::<32>()))?;
            self.encryption_keys = sound_keys(&text)?;
        }
        Ok(())
    }

    /// Whether the secrets that lie in `DATA_DIR` can be used; nothing is made.
    pub fn check_secrets(&self) -> io::Result<()> {
        if self.jwt_secret.is_none()
            && let Some(text) = found(&self.data_dir.join(JWT))?
        {
            sound_jwt(text)?;
        }
        if self.encryption_keys.is_empty()
            && let Some(text) = found(&self.data_dir.join(KEYS))?
        {
            sound_keys(&text)?;
        }
        Ok(())
    }
}

fn sound_jwt(text: String) -> io::Result<String> {
    if text.len() < SHORTEST_JWT {
        return Err(io::Error::other(format!("the file {JWT} holds fewer than {SHORTEST_JWT} characters")));
    }
    Ok(text)
}

fn sound_keys(text: &str) -> io::Result<Vec<Secret<[u8; 32]>>> {
    read_keys(text)
        .filter(|keys| !keys.is_empty())
        .ok_or_else(|| io::Error::other(format!("the file {KEYS} holds no 32-byte key")))
}

/// Keys separated by commas or lines; `None` when one of them is no key.
pub(super) fn read_keys(text: &str) -> Option<Vec<Secret<[u8; 32]>>> {
    text.split([',', '\n']).map(str::trim).filter(|t| !t.is_empty()).map(|t| read_key(t).map(Secret::new)).collect()
}

fn read_key(text: &str) -> Option<[u8; 32]> {
    use base64::Engine;
    let bytes = if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        (0..64).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).ok()).collect::<Option<Vec<u8>>>()?
    } else {
        base64::engine::general_purpose::STANDARD.decode(text).ok()?
    };
    bytes.try_into().ok()
}

fn found(path: &Path) -> io::Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Reads a secret file of the data folder, or makes it. Of several processes that start together one makes it
/// and all read the same, whole: it gets its name when it is written.
fn kept(dir: &Path, name: &str, make: impl FnOnce() -> String) -> io::Result<String> {
    let path = dir.join(name);
    if let Some(text) = found(&path)? {
        return Ok(text);
    }
    let draft = dir.join(format!(".{name}-{}", crate::id::uuid()));
    write_private(&draft, &make())?;
    let named = std::fs::hard_link(&draft, &path);
    std::fs::remove_file(&draft)?;
    match named {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
        _ => File::open(dir)?.sync_all()?,
    }
    found(&path)?.ok_or_else(|| io::Error::other(format!("the file {name} has gone")))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::config::Env;

    #[test]
    fn keys_come_in_hex_or_base64() {
        assert_eq!(read_key(&"ab".repeat(32)), Some([0xab; 32]));
        assert_eq!(read_key("AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="), Some([1; 32]));
        assert_eq!(read_key("short"), None);
        assert_eq!(read_keys(&format!("{0}, {0}\n{0}", "ab".repeat(32))).map(|keys| keys.len()), Some(3));
        assert!(read_keys("ab,").is_none());
    }

    #[test]
    fn many_that_start_together_keep_one_secret_which_is_theirs_alone() {
        let dir = std::env::temp_dir().join(format!("tollgate-secrets-{}", crate::id::uuid()));
        let data = dir.to_string_lossy().into_owned();
        let fill = || {
            let mut config = Config::read(&Env::of(&[("DATA_DIR", &data)]), "127.0.0.1:1").expect("a configuration");
            config.fill_secrets().expect("secrets");
            (config.jwt_secret.map(|s| s.reveal().clone()), *config.encryption_keys[0].reveal())
        };
        let filled: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..10).map(|_| scope.spawn(fill)).collect();
            threads.into_iter().map(|t| t.join().expect("no panic")).collect()
        });
        assert!(filled.windows(2).all(|two| two[0] == two[1]));
        let mode = |path: &Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
        assert_eq!((mode(&dir), mode(&dir.join(JWT)), mode(&dir.join(KEYS))), (0o700, 0o600, 0o600));
        assert_eq!(std::fs::read_dir(&dir).expect("a folder").count(), 2, "no draft is left");

        // What was cut short or overwritten signs and seals nothing.
        let config = Config::read(&Env::of(&[("DATA_DIR", &data)]), "127.0.0.1:1").expect("a configuration");
        config.check_secrets().expect("they are sound");
        for name in [JWT, KEYS] {
            let whole = std::fs::read_to_string(dir.join(name)).expect("a secret");
            std::fs::write(dir.join(name), "").expect("written");
            assert!(config.check_secrets().is_err_and(|e| e.to_string().contains(name)));
            assert!(config.clone().fill_secrets().is_err());
            std::fs::write(dir.join(name), whole).expect("written");
        }
        std::fs::remove_dir_all(&dir).expect("removed");
    }
}
