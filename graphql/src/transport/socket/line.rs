//! The outgoing side of a socket: a bounded queue, the task that writes it, and the operations that may.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use bytes::Bytes;
use futures_util::{SinkExt, stream::SplitSink};
use tokio::{
    sync::{Notify, mpsc},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::{super::limits::Limits, Close};

/// The right of one operation to write under its id.
#[derive(Clone)]
pub struct Ticket {
    serial: u64,
    /// Cancelled when the client completes the operation or the socket ends.
    pub stopped: CancellationToken,
}

/// Whether an operation may start.
pub enum Start {
    /// It may.
    Ticket(Ticket),
    /// Its id is in use.
    Taken,
    /// There are too many.
    Full,
}

#[derive(Default)]
struct Table {
    serial: u64,
    running: HashMap<String, Ticket>,
}

/// A handle on the outgoing side; clones share it.
#[derive(Clone)]
pub struct Line {
    queue: mpsc::Sender<Message>,
    slow: Duration,
    table: Arc<Mutex<Table>>,
    verdict: Arc<(Notify, Mutex<Option<Close>>)>,
    writer: Arc<Mutex<Option<JoinHandle<()>>>>,
    /// Cancelled when the other end does not read, or is gone.
    pub gone: CancellationToken,
    /// Parent of every operation's token.
    pub operations: CancellationToken,
}

impl Line {
    /// Starts the writing task.
    pub fn open(mut sink: SplitSink<WebSocket, Message>, limits: &Limits) -> Self {
        let (queue, mut waiting) = mpsc::channel(limits.send_queue);
        let gone = CancellationToken::new();
        let slow = limits.slow_reader;
        let writer = tokio::spawn({
            let gone = gone.clone();
            async move {
                while let Some(message) = waiting.recv().await {
                    let last = matches!(message, Message::Close(_));
                    let written = tokio::time::timeout(slow, sink.send(message)).await;
                    if !matches!(written, Ok(Ok(()))) {
                        gone.cancel();
                        return;
                    }
                    if last {
                        return;
                    }
                }
            }
        });
        Self {
            queue,
            slow,
            table: Arc::default(),
            verdict: Arc::default(),
            writer: Arc::new(Mutex::new(Some(writer))),
            gone,
            operations: CancellationToken::new(),
        }
    }

    fn table(&self) -> std::sync::MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn room(&self) -> Option<mpsc::Permit<'_, Message>> {
        match tokio::time::timeout(self.slow, self.queue.reserve()).await {
            Ok(Ok(permit)) => Some(permit),
            _ => {
                self.gone.cancel();
                None
            }
        }
    }

    /// Sends a message of the connection itself.
    pub async fn send(&self, text: String) {
        if let Some(permit) = self.room().await {
            permit.send(Message::Text(text.into()));
        }
    }

    /// Sends a ping of the websocket itself; false when there is no room for it.
    pub async fn ping(&self) -> bool {
        match self.room().await {
            Some(permit) => {
                permit.send(Message::Ping(Bytes::new()));
                true
            }
            None => false,
        }
    }

    /// Sends a message of an operation, unless it has been stopped; `last` frees the id with it.
    pub async fn emit(&self, id: &str, ticket: &Ticket, text: String, last: bool) -> bool {
        let Some(permit) = self.room().await else {
            return false;
        };
        let mut table = self.table();
        let live = table.running.get(id).is_some_and(|running| running.serial == ticket.serial);
        if live {
            if last {
                table.running.remove(id);
            }
            permit.send(Message::Text(text.into()));
        }
        live
    }

    /// Enters an operation.
    pub fn start(&self, id: &str, most: usize) -> Start {
        let mut table = self.table();
        if table.running.contains_key(id) {
            return Start::Taken;
        }
        if table.running.len() >= most {
            return Start::Full;
        }
        table.serial += 1;
        let ticket = Ticket { serial: table.serial, stopped: self.operations.child_token() };
        table.running.insert(id.to_owned(), ticket.clone());
        Start::Ticket(ticket)
    }

    /// Stops an operation at the client's wish; nothing is sent under its id afterwards.
    pub fn stop(&self, id: &str) {
        if let Some(ticket) = self.table().running.remove(id) {
            ticket.stopped.cancel();
        }
    }

    /// Has the socket closed from within an operation.
    pub fn decide(&self, close: Close) {
        let (bell, place) = &*self.verdict;
        *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(close);
        bell.notify_one();
    }

    /// Waits for such a decision.
    pub async fn verdict(&self) -> Close {
        let (bell, place) = &*self.verdict;
        loop {
            let decided = place.lock().unwrap_or_else(PoisonError::into_inner).clone();
            match decided {
                Some(close) => return close,
                None => bell.notified().await,
            }
        }
    }

    /// Sends the close frame; nothing is written after it.
    pub async fn close(&self, close: Close) {
        if let Some(permit) = self.room().await {
            permit.send(Message::Close(Some(CloseFrame { code: close.code, reason: close.reason.as_ref().into() })));
        }
    }

    /// Ends the writing task.
    pub async fn hang_up(&self) {
        self.operations.cancel();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            writer.abort();
            // Aborted or done: either way it holds the connection no longer.
            drop(writer.await);
        }
    }
}
