//! A connection in use, and whoever wants to know of it: a request that is [`watched`] learns how many of its
//! own reads are on their way.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::{Error, Result, away};

tokio::task_local! {
    static WATCHER: Arc<dyn Watcher>;
}

/// Told when a connection is asked for, and when it is given back.
pub trait Watcher: Send + Sync {
    fn began(&self);
    fn ended(&self);
}

/// Polls once, and has the watcher told of every connection that is asked for meanwhile.
pub fn watched<T>(watcher: Arc<dyn Watcher>, poll: impl FnOnce() -> T) -> T {
    WATCHER.sync_scope(watcher, poll)
}

/// The time from asking for a connection to giving it back.
struct Use(Option<Arc<dyn Watcher>>);

impl Use {
    fn begin() -> Self {
        let watcher = WATCHER.try_with(Arc::clone).ok();
        if let Some(watcher) = &watcher {
            watcher.began();
        }
        Self(watcher)
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        if let Some(watcher) = &self.0 {
            watcher.ended();
        }
    }
}

/// A connection of a pool, given back when it is dropped.
pub struct Held<C> {
    conn: C,
    _use: Use,
}

impl<C> Held<C> {
    /// Waits for a connection of a pool.
    pub(super) async fn of<E: std::fmt::Display>(asked: impl Future<Output = Result<C, E>>) -> Result<Self, Error> {
        let _use = Use::begin();
        Ok(Self { conn: asked.await.map_err(away)?, _use })
    }

    /// The connection, for what wants to own it.
    pub(super) fn into_inner(self) -> C {
        self.conn
    }
}

impl<C: Deref> Deref for Held<C> {
    type Target = C::Target;
    fn deref(&self) -> &C::Target {
        &self.conn
    }
}

impl<C: DerefMut> DerefMut for Held<C> {
    fn deref_mut(&mut self) -> &mut C::Target {
        &mut self.conn
    }
}
