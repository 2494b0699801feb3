//! Server-sent events as they come off a socket: cut anywhere, in any line-ending style.
//!
//! [`Decoder`] finds whole frames without copying while a chunk holds whole frames, and joins chunks only
//! when a frame straddles them. What the frames *mean* is not decided here: that is `convert`'s job, and
//! [`tap`] watches a stream that passes through unchanged.

pub mod array;
pub mod tap;

use std::borrow::Cow;
use std::fmt;

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr2;

/// The longest frame a decoder accepts unless told otherwise; images travel as base64 inside one frame.
pub const MAX_FRAME: usize = 64 << 20;

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// Why a stream could not be read as events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SseError {
    /// One frame (or one array element) grew past the limit.
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// A JSON array stream held something else than an array.
    NotAnArray,
}

impl fmt::Display for SseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { limit } => write!(f, "a stream event is longer than {limit} bytes"),
            Self::NotAnArray => f.write_str("the stream is not a JSON array"),
        }
    }
}

impl std::error::Error for SseError {}

/// One event with its terminating blank line, exactly as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    raw: Bytes,
}

impl Frame {
    /// The bytes as received, ready to be passed on.
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The event's name, when one is given and is UTF-8.
    pub fn event(&self) -> Option<&str> {
        event_of(&self.raw)
    }

    /// The `data` lines joined by newlines; `None` for a frame without any (a comment, a keep-alive).
    pub fn data(&self) -> Option<Cow<'_, [u8]>> {
        data_of(&self.raw)
    }
}

/// The name given by the last `event` line of a frame.
pub fn event_of(raw: &[u8]) -> Option<&str> {
    let mut found = None;
    for (name, value) in lines(raw) {
        if name == b"event" {
            found = std::str::from_utf8(value).ok();
        }
    }
    found.filter(|name| !name.is_empty())
}

/// The `data` lines of a frame joined by newlines, borrowed when there is only one.
pub fn data_of(raw: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut joined: Option<Cow<'_, [u8]>> = None;
    for (name, value) in lines(raw) {
        if name != b"data" {
            continue;
        }
        joined = Some(match joined {
            None => Cow::Borrowed(value),
            Some(before) => {
                let mut all = before.into_owned();
                all.push(b'\n');
                all.extend_from_slice(value);
                Cow::Owned(all)
            }
        });
    }
    joined
}

/// Whether an event that lacks its blank line lacks nothing else.
pub(crate) fn is_whole(raw: &[u8]) -> bool {
    data_of(raw).is_some_and(|data| {
        data.trim_ascii() == b"[DONE]" || serde_json::from_slice::<serde::de::IgnoredAny>(&data).is_ok()
    })
}

/// The fields of a frame in order: comments are skipped, one space after the colon is not part of the value.
fn lines(raw: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let raw = raw.strip_prefix(BOM).unwrap_or(raw);
    raw.split(|b| matches!(b, b'\n' | b'\r')).filter(|line| !line.is_empty() && line.first() != Some(&b':')).map(
        |line| match memchr::memchr(b':', line) {
            None => (line, &[] as &[u8]),
            Some(at) => {
                let value = line.get(at + 1..).unwrap_or_default();
                (line.get(..at).unwrap_or_default(), value.strip_prefix(b" ").unwrap_or(value))
            }
        },
    )
}

/// Where the search for the end of a frame stands within a buffer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scan {
    /// The next byte to look at.
    pos: usize,
    /// Where the current line began.
    line: usize,
    /// Whether the stream ends its lines with CR LF; decides whether a final CR may wait for its LF.
    crlf: bool,
}

impl Scan {
    /// Starts over at the beginning of a buffer; the line-ending style is remembered.
    pub(crate) fn rewind(&mut self) {
        self.pos = 0;
        self.line = 0;
    }

    /// The offset just behind the blank line that ends the first frame of `buf`, if it is there.
    pub(crate) fn frame_end(&mut self, buf: &[u8]) -> Option<usize> {
        loop {
            let rest = buf.get(self.pos..)?;
            let Some(offset) = memchr2(b'\n', b'\r', rest) else {
                self.pos = buf.len();
                return None;
            };
            let at = self.pos + offset;
            let blank = at == self.line;
            let next = if buf.get(at) == Some(&b'\n') {
                at + 1
            } else {
                match buf.get(at + 1) {
                    Some(b'\n') => {
                        self.crlf = true;
                        at + 2
                    }
                    Some(_) => {
                        self.crlf = false;
                        at + 1
                    }
                    // Only a stream of lone CRs may end a frame here; else the LF is still under way.
                    None if blank && !self.crlf => at + 1,
                    None => {
                        self.pos = at;
                        return None;
                    }
                }
            };
            self.pos = next;
            self.line = next;
            if blank {
                return Some(next);
            }
        }
    }
}

/// Cuts a byte stream into [`Frame`]s, whatever the chunk boundaries.
#[derive(Debug)]
pub struct Decoder {
    /// The rest of the last chunk while nothing had to be joined.
    whole: Bytes,
    /// Chunks joined because a frame straddles them; empty unless `whole` is.
    carry: BytesMut,
    scan: Scan,
    at_start: bool,
    limit: usize,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new(MAX_FRAME)
    }
}

impl Decoder {
    /// A decoder that refuses frames longer than `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { whole: Bytes::new(), carry: BytesMut::new(), scan: Scan::default(), at_start: true, limit }
    }

    /// Takes the next chunk of the stream.
    pub fn push(&mut self, chunk: Bytes) {
        if self.carry.is_empty() && self.whole.is_empty() {
            self.whole = chunk;
            return;
        }
        if self.carry.is_empty() {
            self.carry.reserve(self.whole.len() + chunk.len());
            self.carry.extend_from_slice(&self.whole);
            self.whole = Bytes::new();
        }
        self.carry.extend_from_slice(&chunk);
    }

    /// The next whole frame, if one has arrived; blank frames are skipped.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, SseError> {
        if self.at_start && !self.skip_bom() {
            return Ok(None);
        }
        loop {
            let joined = !self.carry.is_empty();
            let buf: &[u8] = if joined { &self.carry } else { &self.whole };
            let Some(end) = self.scan.frame_end(buf) else {
                if buf.len() > self.limit {
                    return Err(SseError::TooLarge { limit: self.limit });
                }
                return Ok(None);
            };
            if end > self.limit {
                return Err(SseError::TooLarge { limit: self.limit });
            }
            self.scan.rewind();
            let raw = if joined { self.carry.split_to(end).freeze() } else { self.whole.split_to(end) };
            if raw.iter().any(|b| !matches!(b, b'\n' | b'\r')) {
                return Ok(Some(Frame { raw }));
            }
        }
    }

    /// What is left when the stream has ended: a last event whose blank line never came. It may be cut short,
    /// so whoever reads it must be ready for half a document.
    pub fn finish(&mut self) -> Option<Frame> {
        let raw = if self.carry.is_empty() { std::mem::take(&mut self.whole) } else { self.carry.split().freeze() };
        self.scan.rewind();
        let blank = raw.iter().all(|b| matches!(b, b'\n' | b'\r'));
        (!blank).then_some(Frame { raw })
    }

    /// Drops a byte order mark at the very start; false while too little has arrived to tell.
    fn skip_bom(&mut self) -> bool {
        let buf: &[u8] = if self.carry.is_empty() { &self.whole } else { &self.carry };
        if buf.starts_with(BOM) {
            if self.carry.is_empty() {
                self.whole.advance(BOM.len());
            } else {
                self.carry.advance(BOM.len());
            }
        } else if BOM.starts_with(buf) {
            return false;
        }
        self.at_start = false;
        true
    }
}

/// Appends a frame with a name: `event: …`, `data: …`, blank line.
pub fn write_event(out: &mut Vec<u8>, event: &str, data: &[u8]) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(event.as_bytes());
    out.push(b'\n');
    write_data(out, data);
}

/// Appends a frame without a name; data that spans lines becomes several `data` lines.
pub fn write_data(out: &mut Vec<u8>, data: &[u8]) {
    for line in data.split(|b| *b == b'\n') {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    out.push(b'\n');
}

/// Appends a comment frame, which clients ignore: the keep-alive of every SSE dialect.
pub fn write_comment(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(b": ");
    out.extend(text.bytes().filter(|b| !matches!(b, b'\n' | b'\r')));
    out.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests;
