//! How far a request has come: batches leave when it can go no further without them, and not before.
//!
//! A request is watched while it runs ([`Progress::watch`]). Whatever a resolver asks of the loader then waits
//! until the request has been polled to its end, nothing of it has been woken since, and nothing else is still
//! being read for it: no other batch that reads or hands out what it read, no statement of a resolver's own. So a level of the answer is asked for as a whole: how many
//! statements an operation takes depends on what is selected, neither on the number of rows nor on the clock.

use std::any::TypeId;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use async_graphql::Request;
use async_graphql::runtime::Timer;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::task::{AtomicWaker, FutureObj, Spawn, SpawnError};
use futures_util::{FutureExt, Stream, StreamExt};
use schema::db::{Watcher, watched};
use tokio::sync::watch;

/// A request's progress. Its copies are one.
#[derive(Clone, Default)]
pub struct Progress(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// How often batches left; whoever gathers waits for the next time.
    left: watch::Sender<u64>,
    /// Whoever polls the request.
    outer: AtomicWaker,
}

#[derive(Default)]
struct State {
    /// The request is being polled.
    running: bool,
    /// Something happened that it will be polled again for.
    woken: bool,
    /// It is over, or nobody wants it any more.
    over: bool,
    /// Batches that read, or hand out what they read, or were only just begun; and resolvers' own reads.
    reading: usize,
    /// Batches that wait for more to be asked for.
    gathering: usize,
}

impl Progress {
    /// What the gate put into a request.
    pub fn of(request: &Request) -> Self {
        let put = request.data.get(&TypeId::of::<Self>()).and_then(|data| data.downcast_ref::<Self>());
        put.cloned().unwrap_or_default()
    }

    /// Watches a request from its first step to its answer. Nothing in it gives up its turn before it has to,
    /// as the wake-up after that would come too late to be seen here.
    pub fn watch<F: Future>(self, request: F) -> impl Future<Output = F::Output> {
        tokio::task::unconstrained(Watched { inner: Box::pin(request), progress: self })
    }

    /// Watches a subscription, event by event.
    pub fn watch_events<T: 'static>(self, events: BoxStream<'static, T>) -> BoxStream<'static, T> {
        Watched { inner: events, progress: self }.boxed()
    }

    /// Polls once, between the two notes of it.
    fn step<T>(&self, cx: &Context<'_>, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        self.0.outer.register(cx.waker());
        self.0.change(|state| (state.running, state.woken) = (true, false));
        let waker = Waker::from(self.0.clone());
        let polled = watched(self.0.clone(), || poll(&mut Context::from_waker(&waker)));
        self.0.change(|state| state.running = false);
        polled
    }
}

impl Shared {
    /// Changes the state, and lets the gathered leave when that makes it time.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        let at_rest = !state.running && !state.woken && state.reading == 0;
        if state.gathering > 0 && (state.over || at_rest) {
            state.reading += std::mem::take(&mut state.gathering);
            self.left.send_modify(|times| *times += 1);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a resolver reads for itself, from asking for a connection to giving it back.
impl Watcher for Shared {
    fn began(&self) {
        self.change(|state| state.reading += 1);
    }
    fn ended(&self) {
        self.change(|state| state.reading = state.reading.saturating_sub(1));
    }
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        Self::wake_by_ref(&self);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.state().woken = true;
        self.outer.wake();
    }
}

/// What is watched; when it is gone, nothing waits for it.
struct Watched<T: ?Sized> {
    inner: Pin<Box<T>>,
    progress: Progress,
}

impl<T: Future + ?Sized> Future for Watched<T> {
    type Output = T::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T::Output> {
        let this = &mut *self;
        let polled = this.progress.step(cx, |cx| this.inner.as_mut().poll(cx));
        if polled.is_ready() {
            this.progress.0.change(|state| state.over = true);
        }
        polled
    }
}

impl<T: Stream + ?Sized> Stream for Watched<T> {
    type Item = T::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T::Item>> {
        let this = &mut *self;
        this.progress.step(cx, |cx| this.inner.as_mut().poll_next(cx))
    }
}

impl<T: ?Sized> Drop for Watched<T> {
    fn drop(&mut self) {
        self.progress.0.change(|state| state.over = true);
    }
}

/// A batch runs as a task of its own, and counts as reading from the moment it was asked for until all that
/// wait for it have been told.
impl Spawn for Progress {
    fn spawn_obj(&self, batch: FutureObj<'static, ()>) -> Result<(), SpawnError> {
        let reading = Reading::begin(self);
        tokio::spawn(async move {
            let _reading = reading;
            batch.await;
        });
        Ok(())
    }
}

/// A batch that reads; none when it is dropped, be it by a panic.
struct Reading(Progress);

impl Reading {
    fn begin(progress: &Progress) -> Self {
        progress.0.began();
        Self(progress.clone())
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.0.ended();
    }
}

/// The delay of a batch: until the request has asked for everything it can.
impl Timer for Progress {
    fn delay(&self, _: Duration) -> BoxFuture<'static, ()> {
        let progress = self.clone();
        async move {
            let mut left = progress.0.left.subscribe();
            let mut before = 0;
            progress.0.change(|state| {
                before = *left.borrow_and_update();
                state.reading = state.reading.saturating_sub(1);
                state.gathering += 1;
            });
            // The sender lives as long as `progress` does.
            drop(left.wait_for(|times| *times > before).await);
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests;
