//! What happened, told to whoever listens: in the process, or through Redis to every process.
//!
//! Services publish after commit; caches and subscriptions listen. Delivery is at most once, so a
//! listener that was away (a lost Redis connection, a lagging reader) is told [`Event::Resync`] and
//! must read afresh.

mod redis;

use std::sync::Arc;

use tokio::sync::{broadcast, mpsc};

use crate::error::Result;

/// Everything that is announced.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// A key was issued, changed, deleted or restored.
    KeyChanged {
        id: i64,
        digest: String,
    },
    /// An account's settings or credentials changed.
    AccountChanged {
        id: i64,
    },
    /// An account's health changed.
    HealthChanged {
        id: i64,
        health: String,
        cool_until: Option<i64>,
        note: String,
        at: i64,
    },
    /// Groups of accounts or their members changed.
    GroupsChanged,
    /// A model or price changed.
    ModelsChanged,
    SettingsChanged,
    /// Role, status, group or token version of a user changed.
    UserChanged {
        id: i64,
    },
    /// A token was signed out before its time.
    TokenRevoked {
        jti: String,
        expires_at: i64,
    },
    /// A subscription or the plan behind it changed.
    PlanChanged {
        user_id: Option<i64>,
    },
    /// Money moved.
    WalletChanged(WalletChange),
    OrderChanged {
        no: String,
        user_id: i64,
        status: String,
    },
    AnnouncementChanged {
        id: i64,
    },
    /// A call was settled.
    Used(Box<UsedCall>),
    TaskChanged {
        id: i64,
        user_id: i64,
        status: String,
        progress: i64,
    },
    /// An export was asked for, went on or ended.
    ExportChanged {
        id: i64,
        user_id: i64,
        status: String,
        rows: i64,
    },
    /// Something the administrator should know.
    Alert {
        level: String,
        code: String,
        message: String,
        at: i64,
    },
    /// Events may have been missed: forget what was cached.
    Resync,
}

/// A wallet after a ledger entry.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct WalletChange {
    pub user_id: i64,
    pub balance: i64,
    /// Grows with every entry of this wallet, so that an older event cannot overwrite a newer balance.
    pub seq: i64,
    pub entry_kind: String,
    pub amount: i64,
    pub at: i64,
}

/// What subscribers see of a settled call.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct UsedCall {
    pub call_id: String,
    pub at: i64,
    pub user_id: i64,
    pub key_id: i64,
    pub account_id: i64,
    pub model: String,
    pub dialect: String,
    pub stream: bool,
    pub status: i64,
    pub input: i64,
    pub output: i64,
    pub cache_read: i64,
    pub cache_write: i64,
    pub cost: i64,
    /// What it cost upstream.
    #[serde(default)]
    pub raw_cost: i64,
    pub first_byte_ms: i64,
    pub duration_ms: i64,
    pub estimated: bool,
}

/// How many events a slow listener may fall behind before it is dropped to a resync.
const BACKLOG: usize = 8192;

/// The way events travel.
#[derive(Clone)]
pub struct Bus {
    local: broadcast::Sender<Arc<Event>>,
    /// Events on their way to the other processes.
    remote: Option<mpsc::Sender<Arc<Event>>>,
}

impl Bus {
    /// Inside this process only.
    pub fn local() -> Self {
        Self { local: broadcast::channel(BACKLOG).0, remote: None }
    }

    /// Through Redis to every process of the same `prefix`.
    pub async fn redis(url: &str, prefix: &str) -> Result<Self> {
        let local = broadcast::channel(BACKLOG).0;
        let remote = redis::connect(url, prefix, local.clone()).await?;
        Ok(Self { local, remote: Some(remote) })
    }

    /// Tells everybody. Control events wait for room on the way out; a flood of `Used` events is
    /// thinned there rather than allowed to hold up a call.
    pub async fn publish(&self, event: Event) {
        let event = Arc::new(event);
        // No listener is no fault.
        let _ = self.local.send(event.clone());
        if let Some(remote) = &self.remote {
            if matches!(*event, Event::Used(_)) {
                let _ = remote.try_send(event);
            } else {
                let _ = remote.send(event).await;
            }
        }
    }

    /// As [`publish`](Self::publish), for callers that cannot wait; dropped when the way out is full.
    pub fn publish_now(&self, event: Event) {
        let event = Arc::new(event);
        let _ = self.local.send(event.clone());
        if let Some(remote) = &self.remote {
            let _ = remote.try_send(event);
        }
    }

    /// Listens from now on.
    pub fn listen(&self) -> Listener {
        Listener(self.local.subscribe())
    }
}

/// One listener's end.
pub struct Listener(broadcast::Receiver<Arc<Event>>);

impl Listener {
    /// The next event; `Resync` after having fallen behind; `None` when the process stops.
    pub async fn next(&mut self) -> Option<Arc<Event>> {
        match self.0.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(Arc::new(Event::Resync)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_listener_that_lags_is_told_to_resync() {
        let bus = Bus::local();
        let mut listener = bus.listen();
        for id in 0..(BACKLOG as i64 + 10) {
            bus.publish(Event::AccountChanged { id }).await;
        }
        assert!(matches!(listener.next().await.as_deref(), Some(Event::Resync)));
        assert!(matches!(listener.next().await.as_deref(), Some(Event::AccountChanged { .. })));
    }
}
