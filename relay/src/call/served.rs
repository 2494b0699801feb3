//! A call under way, carried by whoever waits for its answer.
//!
//! A task of its own would cost every call two turns of the scheduler, often from one core to the other. Only a call
//! whose client goes before it has ended gets one: its vendor's figures are still to come.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use futures_util::FutureExt;
use http::Response;
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use super::Answer;

/// Its answer; `None` where it ends without one.
pub(super) struct Served {
    tasks: TaskTracker,
    life: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    response: oneshot::Receiver<Response<Body>>,
}

impl Served {
    /// Begins with the first poll; `tasks` are those that a graceful stop waits for.
    pub fn begin<L>(tasks: &TaskTracker, life: impl FnOnce(Answer) -> L) -> Self
    where
        L: Future<Output = ()> + Send + 'static,
    {
        let (answer, response) = oneshot::channel();
        // A call that panics ends without an answer, and takes nothing of its connection's with it.
        let life = AssertUnwindSafe(life(answer)).catch_unwind().map(|_| ());
        Self { tasks: tasks.clone(), life: Some(Box::pin(life)), response }
    }
}

impl Future for Served {
    type Output = Option<Response<Body>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.life.as_mut().is_some_and(|life| life.as_mut().poll(cx).is_ready()) {
            self.life = None;
        }
        self.response.poll_unpin(cx).map(Result::ok)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Tells the call that nobody waits any more.
        self.response.close();
        if let Some(life) = self.life.take() {
            self.tasks.spawn(life);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn a_call_goes_on_when_nobody_waits_and_hears_of_it() {
        let tasks = TaskTracker::new();
        let (ended, told) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
        let (end, heard) = (ended.clone(), told.clone());
        let mut served = Served::begin(&tasks, |mut answer| async move {
            answer.closed().await;
            heard.store(true, Ordering::SeqCst);
            tokio::task::yield_now().await;
            end.notify_one();
        });
        assert!(futures_util::poll!(&mut served).is_pending());
        assert!(!told.load(Ordering::SeqCst));
        drop(served);
        ended.notified().await;
        assert!(told.load(Ordering::SeqCst));
    }

    #[tokio::test]
    async fn an_answer_does_not_wait_for_the_end() {
        let tasks = TaskTracker::new();
        let ended = Arc::new(Notify::new());
        let end = ended.clone();
        let served = Served::begin(&tasks, |answer| async move {
            let _there = answer.send(Response::new(Body::empty()));
            tokio::task::yield_now().await;
            end.notify_one();
        });
        assert!(served.await.is_some());
        ended.notified().await;
    }

    #[tokio::test]
    async fn a_call_that_panics_has_no_answer() {
        let tasks = TaskTracker::new();
        let served = Served::begin(&tasks, |_answer| async { panic!("as the test wants it") });
        assert!(served.await.is_none());
    }
}
