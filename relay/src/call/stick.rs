//! Which account a key's conversation stays with.
//!
//! Remembered here first: a conversation that goes on in the same process costs no look elsewhere. Where
//! several processes serve, the shared store is asked once by each.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use schema::App;
use schema::clock::MINUTE;
use schema::service::admission;

/// How long a conversation stays after its last call.
const LIFE: i64 = 60 * MINUTE;
/// How long what was said to the shared store is not repeated.
const FRESH: i64 = 10 * MINUTE;
const SHARDS: usize = 16;
/// How many conversations a shard remembers.
const MOST: usize = 8_192;

#[derive(Clone, Copy)]
struct Place {
    account: i64,
    used: i64,
    told: i64,
}

type Shard = HashMap<(i64, String), Place>;

/// The conversations of one process.
#[derive(Default)]
pub struct Sticky {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
}

impl Sticky {
    /// The account that served a key's conversation last.
    pub async fn find(&self, app: &App, key_id: i64, conversation: &str) -> Option<i64> {
        let now = app.clock.now().0;
        if let Some(place) = self.shard(key_id, conversation).get(&(key_id, conversation.to_owned()))
            && place.used > now - LIFE
        {
            return Some(place.account);
        }
        // In one process nobody else knows more.
        app.config.redis_url.as_ref()?;
        // Without the store the conversation just begins anew.
        let account = Box::pin(admission::stuck(app, key_id, conversation)).await.ok().flatten()?;
        self.note(key_id, conversation, Place { account, used: now, told: now });
        Some(account)
    }

    /// Notes which account serves a key's conversation.
    pub fn stay(&self, app: &App, key_id: i64, conversation: &str, account: i64) {
        let now = app.clock.now().0;
        let known = self.shard(key_id, conversation).get(&(key_id, conversation.to_owned())).copied();
        let told = known.filter(|place| place.account == account && place.told > now - FRESH).map(|place| place.told);
        self.note(key_id, conversation, Place { account, used: now, told: told.unwrap_or(now) });
        if told.is_none() && app.config.redis_url.is_some() {
            let (app, conversation) = (app.clone(), conversation.to_owned());
            app.clone().spawn(async move {
                if let Err(error) = admission::stick(&app, key_id, &conversation, account).await {
                    tracing::debug!(cause = error.cause(), "a conversation's account is known to this process only");
                }
            });
        }
    }

    fn note(&self, key_id: i64, conversation: &str, place: Place) {
        let mut shard = self.shard(key_id, conversation);
        if shard.len() >= MOST {
            shard.retain(|_, kept| kept.used > place.used - LIFE);
        }
        if shard.len() >= MOST {
            // All of them are alive: the older half begins anew at its next call.
            let mut used: Vec<i64> = shard.values().map(|kept| kept.used).collect();
            used.sort_unstable();
            let middle = used.get(used.len() / 2).copied().unwrap_or_default();
            shard.retain(|_, kept| kept.used > middle);
        }
        shard.insert((key_id, conversation.to_owned()), place);
    }

    fn shard(&self, key_id: i64, conversation: &str) -> MutexGuard<'_, Shard> {
        let at = usize::try_from(self.hasher.hash_one((key_id, conversation)) % SHARDS as u64).unwrap_or(0);
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
