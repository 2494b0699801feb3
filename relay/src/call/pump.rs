//! The pump: carries a stream that has begun to its client, at the client's pace, until either is done.
//!
//! It runs on a task of its own. A client that hangs up does not stop the metering: the vendor is read a
//! little longer, for its figures, and then let go.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::attempt::Begun;
use super::carry::Carry;
use crate::convert::{Fault, fault};
use crate::ingress::answer::{Aborted, Sender};
use crate::sse::tap::End;
use crate::upstream::{Answer, Broken};

/// How long a vendor may keep silent after its own terminal event before the connection is given up.
const AFTERWORD: Duration = Duration::from_secs(5);

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The vendor's silence between two events.
    pub idle: Duration,
    /// The client's silence before it is told that the call lives; zero for never.
    pub keep_alive: Duration,
    /// How long a vendor is still read after the client has gone.
    pub client_gone: Duration,
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// As the vendor meant it.
    Whole,
    /// By the vendor's own error.
    Failed,
    /// By the vendor's silence or a cut.
    Cut,
    /// By the client.
    ClientGone,
}

/// Carries a stream to its end. It stays where it is in memory: there may be thousands.
pub async fn run(begun: &mut Begun, client: Sender, pace: Pace) -> Ended {
    // The client has what it may see of the vendor's.
    begun.answer.headers = HeaderMap::new();
    let mut line = Line { client, there: true, patience: pace.idle };
    line.send(std::mem::take(&mut begun.ready)).await;
    let (answer, carry) = (&mut begun.answer, &mut begun.carry);
    if !begun.ended {
        loop {
            let done = carry.end() == End::Done;
            match next(answer, done, carry.keep_alive(), &line, pace).await {
                Next::Chunk(chunk) => {
                    let mut out = Vec::new();
                    carry.feed(chunk, &mut out);
                    line.send(out).await;
                    if carry.failure().is_some() {
                        break;
                    }
                }
                Next::End => {
                    let mut out = Vec::new();
                    carry.finish(&mut out);
                    line.send(out).await;
                    break;
                }
                Next::Broken(broken) => {
                    let mut out = Vec::new();
                    carry.cut(&mut out);
                    line.send(out).await;
                    // It said its last word; how it hung up, or whether, is no matter.
                    if carry.end() != End::Open {
                        break;
                    }
                    line.tell(carry, &cut(broken)).await;
                    return if line.there { Ended::Cut } else { Ended::ClientGone };
                }
                Next::ClientGone => {
                    // Some clients hang up at the last word, before the connection says that it was the last.
                    let told = done && line.there;
                    rest(answer, carry, pace).await;
                    return if told { Ended::Whole } else { Ended::ClientGone };
                }
            }
        }
    }
    match (carry.failure().cloned(), carry.end()) {
        (Some(fault), _) => {
            line.tell(carry, &fault).await;
            Ended::Failed
        }
        (None, End::Done) => Ended::Whole,
        (None, End::Failed) => Ended::Failed,
        (None, End::Open) => {
            line.tell(carry, &cut(Broken::Cut)).await;
            Ended::Cut
        }
    }
}

enum Next {
    Chunk(Bytes),
    End,
    Broken(Broken),
    ClientGone,
}

async fn next(answer: &mut Answer, done: bool, keep_alive: Option<Bytes>, line: &Line, pace: Pace) -> Next {
    // However quick the vendor is: what nobody takes is read for the figures only, and only for so long.
    if !line.there {
        return Next::ClientGone;
    }
    let began = Instant::now();
    let idle = if done { AFTERWORD } else { pace.idle };
    let quiet = keep_alive.filter(|_| !pace.keep_alive.is_zero() && pace.keep_alive < idle);
    let chunk = answer.chunk();
    tokio::pin!(chunk);
    let mut told = began;
    loop {
        tokio::select! {
            biased;
            chunk = &mut chunk => return match chunk {
                Ok(Some(chunk)) => Next::Chunk(chunk),
                Ok(None) => Next::End,
                Err(broken) => Next::Broken(broken),
            },
            () = line.gone() => return Next::ClientGone,
            () = sleep_until(began + idle) => return Next::Broken(Broken::Silent),
            () = sleep_until(told + pace.keep_alive), if quiet.is_some() => {
                // A client that does not even take a keep-alive is slow, not gone.
                if let Some(bytes) = &quiet {
                    let _full = line.client.try_send(Ok(bytes.clone()));
                }
                told = Instant::now();
            }
        }
    }
}

/// Reads on for the vendor's figures after the client has gone; what came until then is billed.
async fn rest(answer: &mut Answer, carry: &mut Carry, pace: Pace) {
    let until = Instant::now() + pace.client_gone;
    let mut unread = Vec::new();
    // Looked at before each chunk: a vendor that is always ready would give a time-out around all of them no turn.
    while Instant::now() < until {
        match timeout_at(until, answer.chunk()).await {
            Ok(Ok(Some(chunk))) => carry.feed(chunk, &mut unread),
            Ok(Ok(None) | Err(_)) => return carry.finish(&mut unread),
            Err(_) => return,
        }
        unread.clear();
    }
}

fn cut(broken: Broken) -> Fault {
    let kind = if broken == Broken::Silent { fault::Kind::Timeout } else { fault::Kind::Server };
    Fault::new(kind, format!("The answer broke off: {broken}."))
}

/// The client's end.
struct Line {
    client: Sender,
    there: bool,
    patience: Duration,
}

impl Line {
    /// Returns once the client has hung up.
    async fn gone(&self) {
        self.client.closed().await;
    }

    async fn send(&mut self, pieces: Vec<Bytes>) {
        for piece in pieces {
            if piece.is_empty() || !self.there {
                continue;
            }
            // A client that takes nothing for that long has gone without a word.
            let sent = tokio::time::timeout(self.patience, self.client.send(Ok(piece))).await;
            self.there = matches!(sent, Ok(Ok(())));
        }
    }

    async fn tell(&mut self, carry: &mut Carry, fault: &Fault) {
        let mut out = Vec::new();
        if carry.fail(fault, &mut out) {
            self.send(out).await;
        } else if self.there {
            let sent = tokio::time::timeout(self.patience, self.client.send(Err(Aborted))).await;
            self.there = matches!(sent, Ok(Ok(())));
        }
    }
}
