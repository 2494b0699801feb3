//! Keys by the digest of their secret: in memory for a while, read once however many ask at the same time.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use ring::digest::{SHA256, digest as hash};
use tokio::sync::OnceCell;

use super::KeyView;
use crate::App;
use crate::clock::{SECOND, Time};
use crate::error::Result;
use crate::id;

pub(super) type Digest = [u8; 32];

const SHARDS: usize = 16;
/// Events end what is known at once; this is for events that never came.
const KNOWN_FOR: i64 = 60 * SECOND;
/// How long a secret nobody has is remembered as such.
const UNKNOWN_FOR: i64 = 10 * SECOND;
/// Most entries of a shard; whoever tries secrets must not fill the memory.
const MOST: usize = 8_192;

#[derive(Default)]
pub(super) struct Keys {
    shards: [Mutex<HashMap<Digest, Arc<Entry>>>; SHARDS],
    reads: AtomicU64,
}

struct Entry {
    /// Filled by the first who asks, while the others wait.
    known: OnceCell<Option<Arc<KeyView>>>,
    born: Time,
}

impl Entry {
    fn is_fresh(&self, now: Time) -> bool {
        let lives = match self.known.get() {
            Some(None) => UNKNOWN_FOR,
            _ => KNOWN_FOR,
        };
        now.0 - self.born.0 < lives
    }
}

pub(super) fn digest(secret: &str) -> Digest {
    let mut out = [0; 32];
    out.copy_from_slice(hash(&SHA256, secret.as_bytes()).as_ref());
    out
}

pub(super) fn from_hex(text: &str) -> Option<Digest> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut out = [0; 32];
    for (i, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[i * 2..i * 2 + 2], 16).ok()?;
    }
    Some(out)
}

impl Keys {
    fn shard(&self, digest: &Digest) -> MutexGuard<'_, HashMap<Digest, Arc<Entry>>> {
        // A panic while holding the lock leaves a map of entries that are still true.
        self.shards[usize::from(digest[0]) % SHARDS].lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub async fn get(&self, app: &App, digest: Digest) -> Result<Option<Arc<KeyView>>> {
        let entry = self.entry(digest, app.clock.now());
        if let Some(known) = entry.known.get() {
            return Ok(known.clone());
        }
        let read = entry.known.get_or_try_init(|| async {
            self.reads.fetch_add(1, Ordering::Relaxed);
            KeyView::read(app, &id::hex(&digest)).await
        });
        match Box::pin(read).await {
            Ok(known) => Ok(known.clone()),
            Err(e) => {
                self.forget(&digest);
                Err(e)
            }
        }
    }

    /// The entry of a digest, made when there is none. An entry that is forgotten while it is being read
    /// answers those who wait for it and nobody after them.
    fn entry(&self, digest: Digest, now: Time) -> Arc<Entry> {
        let mut shard = self.shard(&digest);
        if let Some(entry) = shard.get(&digest).filter(|e| e.is_fresh(now)) {
            return entry.clone();
        }
        if shard.len() >= MOST {
            make_room(&mut shard, now);
        }
        let entry = Arc::new(Entry { known: OnceCell::new(), born: now });
        shard.insert(digest, entry.clone());
        entry
    }

    pub fn forget(&self, digest: &Digest) {
        self.shard(digest).remove(digest);
    }

    /// Forgets the keys of one person, and whatever is being read right now.
    pub fn forget_owner(&self, user_id: i64) {
        self.retain(|entry| match entry.known.get() {
            Some(Some(view)) => view.owner.id != user_id,
            Some(None) => true,
            None => false,
        });
    }

    pub fn clear(&self) {
        self.retain(|_| false);
    }

    fn retain(&self, keep: impl Fn(&Entry) -> bool) {
        for shard in &self.shards {
            shard.lock().unwrap_or_else(std::sync::PoisonError::into_inner).retain(|_, entry| keep(entry));
        }
    }

    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }
}

fn make_room(shard: &mut HashMap<Digest, Arc<Entry>>, now: Time) {
    shard.retain(|_, e| e.is_fresh(now));
    if shard.len() >= MOST {
        shard.retain(|_, e| !matches!(e.known.get(), Some(None)));
    }
    if shard.len() >= MOST {
        // All of them are keys somebody has: every other one goes and is read again when it is needed.
        let mut keep = false;
        shard.retain(|_, _| {
            keep = !keep;
            keep
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_tries_secrets_does_not_fill_the_memory() {
        let keys = Keys::default();
        for i in 0..(SHARDS * MOST * 2) {
            let entry = keys.entry(digest(&i.to_string()), Time(0));
            let _ = entry.known.set(None);
        }
        let held: usize = keys.shards.iter().map(|s| s.lock().expect("a lock").len()).sum();
        assert!(held <= SHARDS * MOST, "{held}");
    }

    #[test]
    fn digests_are_read_from_hex() {
        assert_eq!(from_hex(&id::digest("abc")), Some(digest("abc")));
        assert_eq!(from_hex("abc"), None);
        assert_eq!(from_hex(&"zz".repeat(32)), None);
    }
}
