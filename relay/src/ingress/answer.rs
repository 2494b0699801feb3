//! Bodies of answers that are still being made: a small bounded channel, so that a slow reader slows the
//! vendor down and not this process's memory.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::sync::mpsc;

/// How many pieces may wait for the client.
const ROOM: usize = 4;

/// The end of an answer that has no word for an error: the connection itself must say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aborted;

impl fmt::Display for Aborted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the answer broke off")
    }
}

impl std::error::Error for Aborted {}

impl From<Infallible> for Aborted {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// The writing end.
pub type Sender = mpsc::Sender<Result<Bytes, Aborted>>;

/// The reading end.
pub struct Streamed(mpsc::Receiver<Result<Bytes, Aborted>>);

/// Both ends.
pub fn channel() -> (Sender, Streamed) {
    let (sender, receiver) = mpsc::channel(ROOM);
    (sender, Streamed(receiver))
}

impl Body for Streamed {
    type Data = Bytes;
    type Error = Aborted;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Aborted>>> {
        self.0.poll_recv(cx).map(|item| item.map(|piece| piece.map(Frame::data)))
    }
}
