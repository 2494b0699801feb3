//! A recorded request, and the checks every vendor's request must pass.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::Instant;

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;

use super::vendor::Vendor;

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The fake it went to.
    pub vendor: Vendor,
    /// `GET`, `POST`, …
    pub method: String,
    /// The path as the vendor sees it, still percent-encoded.
    pub path: String,
    /// The path as it came over the wire; differs where all vendors share a port.
    pub wire_path: String,
    /// The query without the question mark.
    pub query: String,
    /// The headers, as many times as they came.
    pub headers: HeaderMap,
    /// The body, decompressed.
    pub body: Bytes,
    /// The body as it came.
    pub wire_body: Bytes,
    /// The connection it came on: equal numbers mean a kept-alive connection.
    pub connection: u64,
    /// When its head had arrived.
    pub at: Instant,
    /// The status answered, once it is known.
    pub(super) status: Arc<AtomicUsize>,
    pub(super) progress: Arc<Progress>,
}

/// How far the answer got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Still being answered.
    Open,
    /// Answered to the end.
    Sent,
    /// Cut by the script.
    Cut,
    /// The other side went away first.
    ClientGone,
}

#[derive(Debug, Default)]
pub(super) struct Progress {
    outcome: AtomicU8,
    bytes: AtomicUsize,
}

impl Progress {
    pub(super) fn end(&self, outcome: Outcome) {
        let _ = self.outcome.compare_exchange(0, outcome as u8, Ordering::SeqCst, Ordering::SeqCst);
    }

    pub(super) fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::SeqCst);
    }
}

impl Seen {
    /// The body as JSON, `Null` when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The bearer token.
    pub fn bearer(&self) -> Option<&str> {
        self.header("authorization")?.strip_prefix("Bearer ")
    }

    /// A parameter of the query, decoded.
    pub fn query_param(&self, name: &str) -> Option<String> {
        form_pairs(&self.query).into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The body's form fields, decoded.
    pub fn form(&self) -> Vec<(String, String)> {
        form_pairs(&self.text())
    }

    /// The status it was answered with; zero while it is not.
    pub fn status(&self) -> u16 {
        u16::try_from(self.status.load(Ordering::SeqCst)).unwrap_or(0)
    }

    /// How its answer ended.
    pub fn outcome(&self) -> Outcome {
        match self.progress.outcome.load(Ordering::SeqCst) {
            1 => Outcome::Sent,
            2 => Outcome::Cut,
            3 => Outcome::ClientGone,
            _ => Outcome::Open,
        }
    }

    /// Bytes of body handed to the connection so far.
    pub fn bytes_sent(&self) -> usize {
        self.progress.bytes.load(Ordering::SeqCst)
    }

    /// The parts of a multipart body: field name, file name, bytes.
    pub fn multipart(&self) -> Option<Vec<(String, Option<String>, Bytes)>> {
        let kind = self.header("content-type")?;
        let (_, boundary) = kind.strip_prefix("multipart/form-data")?.split_once("boundary=")?;
        let boundary = boundary.split(';').next()?.trim().trim_matches('"');
        multipart(&self.body, boundary)
    }

    pub(super) fn is_upgrade(&self) -> bool {
        self.header("upgrade").is_some_and(|to| to.eq_ignore_ascii_case("websocket"))
    }

    /// Path pieces, percent-decoded, without empty ones.
    pub(super) fn pieces(&self) -> Vec<String> {
        self.path.split('/').filter(|piece| !piece.is_empty()).map(percent_decode).collect()
    }
}

/// Headers in which some client or vendor carries credentials.
const CREDENTIALS: [&str; 8] = [
    "authorization",
    "x-api-key",
    "x-goog-api-key",
    "api-key",
    "mj-api-secret",
    "cookie",
    "proxy-authorization",
    "x-tollgate-key",
];

const HOP_BY_HOP: [&str; 5] = ["keep-alive", "te", "trailer", "proxy-connection", "proxy-authenticate"];

/// What is wrong with a request whichever vendor it is for: foreign credentials, hop-by-hop headers, another host.
pub(super) fn fault(seen: &Seen, authority: &str, forbidden: &[String]) -> Option<String> {
    let own = seen.vendor.credential_headers();
    for name in CREDENTIALS {
        let values = seen.headers.get_all(name).iter().count();
        if values > 0 && !own.contains(&name) {
            return Some(format!("header {name} does not belong to {:?}", seen.vendor));
        }
        if values > 1 {
            return Some(format!("header {name} came {values} times"));
        }
    }
    let carried = own.iter().filter(|name| seen.headers.contains_key(**name)).count();
    if carried > 1 {
        return Some(format!("credentials came in {carried} headers at once"));
    }
    for name in HOP_BY_HOP {
        if seen.headers.contains_key(name) {
            return Some(format!("hop-by-hop header {name} was forwarded"));
        }
    }
    if seen.headers.contains_key("upgrade") && !seen.is_upgrade() {
        return Some("hop-by-hop header upgrade was forwarded".to_owned());
    }
    if let Some(connection) = seen.header("connection") {
        let strange = connection
            .split(',')
            .map(|option| option.trim().to_ascii_lowercase())
            .any(|option| !["keep-alive", "close", "upgrade"].contains(&option.as_str()));
        if strange {
            return Some(format!("connection header `{connection}` was forwarded"));
        }
    }
    if let Some(length) = seen.header("content-length")
        && (length.parse() != Ok(seen.wire_body.len()) || seen.headers.contains_key("transfer-encoding"))
    {
        return Some("content-length does not fit the body".to_owned());
    }
    let host = seen.header("host").unwrap_or_default();
    if host != authority && host.replace("localhost", "127.0.0.1") != authority {
        return Some(format!("the host header is `{host}`, not ours"));
    }
    if seen.query_param("key").is_some() {
        return Some("the query carries a key, which vendors write into logs".to_owned());
    }
    let leak = forbidden.iter().find(|secret| {
        let secret = secret.as_bytes();
        let contains = |hay: &[u8]| hay.windows(secret.len()).any(|window| window == secret);
        seen.headers.values().any(|value| contains(value.as_bytes()))
            || contains(seen.wire_path.as_bytes())
            || contains(percent_decode(&seen.query).as_bytes())
            || contains(&seen.body)
    });
    // The secret itself stays out of the message: it may be printed.
    leak.map(|secret| format!("a forbidden secret of {} characters was forwarded", secret.len()))
}

/// Decodes `%XX`; a broken escape stays as it is.
pub(super) fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match escape.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

pub(super) fn form_pairs(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (percent_decode(&key.replace('+', " ")), percent_decode(&value.replace('+', " ")))
        })
        .collect()
}

fn multipart(body: &Bytes, boundary: &str) -> Option<Vec<(String, Option<String>, Bytes)>> {
    let find = |from: usize, needle: &[u8]| {
        body.get(from..)?.windows(needle.len()).position(|window| window == needle).map(|at| from + at)
    };
    let delimiter = format!("--{boundary}");
    let mut parts = Vec::new();
    let mut at = find(0, delimiter.as_bytes())? + delimiter.len();
    loop {
        if body.get(at..at + 2)? == b"--" {
            return Some(parts);
        }
        let head_end = find(at, b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&body[at..head_end]).into_owned();
        let end = find(head_end + 4, format!("\r\n{delimiter}").as_bytes())?;
        let attribute = |name: &str| {
            let (_, rest) = head.split_once(&format!("; {name}=\""))?;
            Some(rest.split('"').next()?.to_owned())
        };
        parts.push((attribute("name")?, attribute("filename"), body.slice(head_end + 4..end)));
        at = end + 2 + delimiter.len();
    }
}
