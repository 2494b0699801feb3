//! A client's connection that does not wait for ever: for the first bytes, and for a client that takes nothing of
//! its answer. What lies between, the head and the body of a request, is timed where it is read.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// No request is shorter, and by then its protocol is known: the length of HTTP/2's preface.
const FIRST: usize = 24;
/// What a client is told whose request never became whole.
const TOO_SLOW: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Until the first bytes are there.
    pub first: Duration,
    /// Until a client takes something of what is sent to it.
    pub stuck: Duration,
}

/// Says that the time of a connection's client is over.
#[derive(Clone, Debug, Default)]
pub struct Over(Arc<AtomicBool>);

impl Over {
    /// Notes that a client was too slow; it is told when the connection is let go.
    pub fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A socket with limits of time.
pub struct Patient {
    socket: TcpStream,
    limits: Limits,
    over: Over,
    first: Option<Pin<Box<Sleep>>>,
    stuck: Option<Pin<Box<Sleep>>>,
    read: usize,
    answered: bool,
}

impl Patient {
    /// Begins to wait for the first bytes.
    pub fn new(socket: TcpStream, limits: Limits, over: Over) -> Self {
        let first = Some(Box::pin(sleep(limits.first)));
        Self { socket, limits, over, first, stuck: None, read: 0, answered: false }
    }

    /// Passes on what came of sending, unless nothing was taken for too long.
    fn sent(&mut self, context: &mut Context<'_>, sent: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(done) = sent {
            self.answered = true;
            self.first = None;
            self.stuck = None;
            return Poll::Ready(done);
        }
        let limit = self.limits.stuck;
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(sleep(limit)));
        if stuck.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing")));
        }
        Poll::Pending
    }
}

impl AsyncRead for Patient {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.socket).poll_read(context, buf);
        if read.is_ready() {
            self.read = self.read.saturating_add(buf.filled().len() - before);
            if self.read >= FIRST {
                self.first = None;
            }
            return read;
        }
        let over = self.first.as_mut().is_some_and(|first| first.as_mut().poll(context).is_ready());
        if !over {
            return Poll::Pending;
        }
        self.over.note();
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client says nothing")))
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.sent(context, sent)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.socket).poll_write_vectored(context, bytes);
        self.sent(context, sent)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

impl Drop for Patient {
    fn drop(&mut self) {
        // Whoever has had an answer on this connection takes its end for what it is.
        if self.read > 0 && !self.answered && self.over.0.load(Ordering::Relaxed) {
            let _gone = self.socket.try_write(TOO_SLOW);
        }
    }
}
