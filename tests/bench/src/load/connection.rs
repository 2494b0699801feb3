//! One kept-alive HTTP/1.1 connection that asks and times the answer.

use std::time::Instant;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::HOST;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::Plan;
use super::report::Outcome;
use crate::bodies::is_complete;
use crate::histogram::Histogram;

pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
}

impl Connection {
    pub(super) async fn open(plan: &Plan) -> Result<Connection, String> {
        let stream = TcpStream::connect(&plan.address).await.map_err(|error| format!("connect: {error}"))?;
        let _ = stream.set_nodelay(true);
        let (sender, driver) = handshake(TokioIo::new(stream)).await.map_err(|error| format!("handshake: {error}"))?;
        tokio::spawn(driver);
        Ok(Connection { sender })
    }

    pub(super) fn is_usable(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Asks and reads the answer to its end. Times count from `due`; `gaps` takes the pauses between chunks.
    pub(super) async fn ask(
        &mut self,
        plan: &Plan,
        body: Bytes,
        due: Instant,
        mut gaps: Option<&mut Histogram>,
    ) -> Result<Outcome, String> {
        self.sender.ready().await.map_err(|error| format!("send: {error}"))?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = plan.method.clone();
        *request.uri_mut() = plan.path.parse().map_err(|_| "the path is none".to_owned())?;
        *request.headers_mut() = plan.headers.clone();
        let host = plan.authority.parse().map_err(|_| "the host is none".to_owned())?;
        request.headers_mut().insert(HOST, host);
        let sent = Instant::now();
        let response = self.sender.send_request(request).await.map_err(|error| format!("send: {error}"))?;
        let (head, mut body) = response.into_parts();
        let (mut first, mut last) = (None, sent);
        let (mut chunks, mut bytes) = (0, 0);
        let mut tail: Vec<u8> = Vec::with_capacity(256);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| format!("body: {error}"))?;
            let Some(data) = frame.data_ref() else { continue };
            let now = Instant::now();
            match (first, &mut gaps) {
                (None, _) => first = Some(now),
                (Some(_), Some(gaps)) => gaps.record((now - last).as_nanos() as u64),
                (Some(_), None) => {}
            }
            last = now;
            chunks += 1;
            bytes += data.len() as u64;
            if plan.stream {
                let keep = data.len().min(128);
                tail.extend_from_slice(&data[data.len() - keep..]);
                let spare = tail.len().saturating_sub(128);
                tail.drain(..spare);
            }
        }
        let done = Instant::now();
        if head.status != StatusCode::OK {
            return Err(format!("status {}", head.status.as_u16()));
        }
        if plan.stream && !is_complete(&tail) {
            return Err("incomplete stream".to_owned());
        }
        let since = |at: Instant| at.saturating_duration_since(due).as_nanos() as u64;
        Ok(Outcome {
            latency_ns: since(done),
            first_byte_ns: since(first.unwrap_or(done)),
            late_ns: since(sent),
            chunks,
            bytes,
        })
    }
}
