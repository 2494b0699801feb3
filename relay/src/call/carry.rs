//! One streamed answer on its way from a vendor to a client: unpacked, watched or translated, packed again.
//!
//! Inside, every stream is server-sent events; what comes in or goes out in other frames (AWS's messages,
//! Google's JSON arrays, Code Assist's envelope) is changed at the two ends. Only whole events go out, so that
//! an error can be told after a cut and a keep-alive never lands inside one. No I/O here.

mod pack;
mod unpack;

use bytes::Bytes;
use memchr::memmem;
use serde_json::{Value, json};

use crate::convert::estimate::Tally;
use crate::convert::usage::{Form, Usage, Watch};
use crate::convert::{self, Fault, Stream, Words, fault};
use crate::sse::tap::{End, Kind, Tap};
use crate::sse::{self};

pub use pack::Pack;
pub use unpack::{Frames, Unpack};

/// What happens to the events in the middle.
pub enum Middle {
    /// They go on as they are.
    Watch(Box<Tap>),
    /// They are carried into another dialect.
    Translate(Box<Stream>),
    /// Bedrock's converse events go on as they are.
    Converse {
        /// Collects the usage.
        watch: Watch,
        /// How far it got.
        end: End,
        /// How many events went by.
        events: u64,
        /// What was said, for a guess where the figures never come.
        said: Tally,
    },
    /// Bytes that are no events (speech), or events whose end nobody marks (transcripts, pictures).
    Raw {
        /// Looks for usage, where there are events.
        tap: Option<Box<Tap>>,
        /// How many bytes went by.
        bytes: u64,
        /// Whether the vendor ended it.
        ended: bool,
    },
}

impl Middle {
    /// Watches a stream that stays in its dialect; `hide_usage` takes out what only the relay asked for.
    pub fn watch(kind: Kind, hide_usage: bool) -> Self {
        Self::Watch(Box::new(if hide_usage && kind == Kind::Chat { Tap::hiding_usage() } else { Tap::new(kind) }))
    }

    /// Bytes that are no events.
    pub const fn raw() -> Self {
        Self::Raw { tap: None, bytes: 0, ended: false }
    }

    /// Events whose end nobody marks: they are over when the vendor closes.
    pub fn loose() -> Self {
        Self::Raw { tap: Some(Box::new(Tap::new(Kind::Responses))), bytes: 0, ended: false }
    }

    /// Watches converse events that stay what they are.
    pub fn converse() -> Self {
        Self::Converse { watch: Watch::new(Form::Converse), end: End::Open, events: 0, said: Tally::default() }
    }
}

/// A stream under way.
pub struct Carry {
    unpack: Unpack,
    middle: Middle,
    pack: Pack,
    /// The client's dialect, in which an error within the stream is said.
    dialect: convert::Dialect,
    /// The beginning of an event whose end has not come.
    rest: Bytes,
    broken: Option<Fault>,
    /// Gathers what is said, where operators keep it.
    words: Option<Box<Words>>,
}

impl Carry {
    /// A stream with nothing in it yet.
    pub fn new(unpack: Unpack, middle: Middle, pack: Pack, dialect: convert::Dialect) -> Self {
        Self { unpack, middle, pack, dialect, rest: Bytes::new(), broken: None, words: None }
    }

    /// Has what is said from here on gathered, by a listener to the vendor's dialect.
    pub fn listen(&mut self, words: Option<Words>) {
        self.words = words.map(Box::new);
    }

    /// What was said, as far as it was gathered.
    pub fn said(&mut self) -> String {
        self.words.take().map(|words| words.into_text()).unwrap_or_default()
    }

    /// Takes a piece of the vendor's answer; what the client gets for it is appended to `out`.
    pub fn feed(&mut self, chunk: Bytes, out: &mut Vec<Bytes>) {
        if self.broken.is_some() {
            return;
        }
        match self.unpack.feed(chunk) {
            Ok(Frames::Same(chunk)) => self.pass(chunk, out),
            Ok(Frames::Events(events)) => {
                for event in events {
                    self.pass(event, out);
                }
            }
            Err(fault) => self.broken = Some(fault),
        }
    }

    /// The vendor's answer has ended.
    pub fn finish(&mut self, out: &mut Vec<Bytes>) {
        if self.broken.is_some() {
            return;
        }
        let left = self.unpack.finish();
        if let Some(event) = left {
            self.pass(event, out);
        }
        let mut last = Vec::new();
        match &mut self.middle {
            Middle::Watch(tap) => {
                tap.finish(&mut last);
                let rest = std::mem::take(&mut self.rest);
                // Half an event is for nobody; a whole one that only lacks its blank line is.
                if sse::is_whole(&rest) {
                    last.insert(0, rest);
                }
                if !last.is_empty() {
                    last.push(Bytes::from_static(b"\n\n"));
                }
                // The answer is complete; its clients read on until they are told so.
                last.extend(tap.missing_end());
            }
            Middle::Translate(stream) => {
                last.push(stream.finish().into());
                self.pack.named(stream.take_events(), &mut last);
            }
            Middle::Converse { .. } => {}
            Middle::Raw { ended, .. } => *ended = true,
        }
        self.send(last, out);
        self.pack.finish(self.end() != End::Open, out);
    }

    /// The vendor's connection broke. An answer that was complete by then is ended as it should be; what to
    /// tell of any other, [`Carry::fail`] knows.
    pub fn cut(&mut self, out: &mut Vec<Bytes>) {
        // Bytes that nobody understands are complete only when their sender says so.
        if !matches!(self.middle, Middle::Raw { .. }) {
            self.finish(out);
        }
    }

    /// Tells the client that the stream broke; false where its form has no word for that and the connection
    /// itself must break.
    pub fn fail(&mut self, fault: &Fault, out: &mut Vec<Bytes>) -> bool {
        self.rest = Bytes::new();
        let mut last = Vec::new();
        match &mut self.middle {
            Middle::Raw { .. } => return false,
            Middle::Translate(stream) => {
                last.push(stream.fail(fault).into());
                let _in_frames_of_its_own = stream.take_events();
            }
            Middle::Watch(_) | Middle::Converse { .. } => last.push(error_event(self.dialect, fault)),
        }
        if self.pack.fail(fault, out) {
            return true;
        }
        self.send(last, out);
        true
    }

    /// Whether the client may have the stream by now: something of it has come that is no keep-alive.
    pub fn has_begun(&self) -> bool {
        match &self.middle {
            Middle::Watch(tap) => tap.events() > 0,
            Middle::Translate(stream) => stream.has_output() || stream.usage().is_some() || stream.end() != End::Open,
            Middle::Converse { events, .. } => *events > 0,
            Middle::Raw { bytes, .. } => *bytes > 0,
        }
    }

    /// How far the vendor got.
    pub fn end(&self) -> End {
        if self.broken.is_some() {
            return End::Failed;
        }
        match &self.middle {
            Middle::Watch(tap) => tap.end(),
            Middle::Translate(stream) => stream.end(),
            Middle::Converse { end, .. } => *end,
            Middle::Raw { ended: true, .. } => End::Done,
            Middle::Raw { .. } => End::Open,
        }
    }

    /// Why the stream cannot go on, where the client has not been told by the vendor's own event.
    pub fn failure(&self) -> Option<&Fault> {
        self.broken.as_ref().or_else(|| match &self.middle {
            Middle::Translate(stream) => stream.failure(),
            _ => None,
        })
    }

    /// The vendor's usage, or a marked guess where it gave none; `None` where there is nothing to guess from.
    pub fn usage(&self, input: u64) -> Option<Usage> {
        match &self.middle {
            Middle::Watch(tap) => Some(tap.usage_or_estimate(input)),
            Middle::Translate(stream) => Some(stream.usage_or_estimate(input)),
            Middle::Converse { watch, said, .. } => {
                Some(watch.usage().unwrap_or_else(|| Usage::estimate(input, said.tokens())))
            }
            Middle::Raw { tap, .. } => tap.as_ref().and_then(|tap| tap.usage()),
        }
    }

    /// The ids of the items of a response that its vendor may hold.
    pub fn items(&self) -> &[String] {
        match &self.middle {
            Middle::Watch(tap) => tap.items(),
            _ => &[],
        }
    }

    /// The `content-type` of the answer.
    pub fn content_type(&self) -> &'static str {
        self.pack.content_type()
    }

    /// Whether any of the model's output went by.
    pub fn has_output(&self) -> bool {
        match &self.middle {
            Middle::Watch(tap) => tap.has_output(),
            Middle::Translate(stream) => stream.has_output(),
            Middle::Converse { events, .. } => *events > 1,
            Middle::Raw { bytes, .. } => *bytes > 0,
        }
    }

    /// A keep-alive in the client's form, where it has one.
    pub fn keep_alive(&self) -> Option<Bytes> {
        match (&self.middle, &self.pack) {
            (Middle::Raw { .. }, _) => None,
            // Google's own clients take a comment for a broken answer.
            (_, Pack::Plain) if self.dialect == convert::Dialect::Gemini => None,
            (_, Pack::Plain) => Some(Bytes::from_static(b": keep-alive\n\n")),
            (_, Pack::Array { .. } | Pack::Elements) => Some(Bytes::from_static(b"\n")),
            (_, Pack::Invoke { .. } | Pack::Converse { .. }) => None,
        }
    }

    fn pass(&mut self, chunk: Bytes, out: &mut Vec<Bytes>) {
        let mut passed = Vec::with_capacity(1);
        if let Some(words) = &mut self.words {
            words.push(chunk.clone());
        }
        match &mut self.middle {
            Middle::Watch(tap) => {
                if let Err(error) = tap.feed(chunk, &mut passed) {
                    self.broken =
                        Some(Fault { status: Some(502), ..Fault::new(fault::Kind::Server, error.to_string()) });
                    return;
                }
                hold_back(&mut self.rest, &mut passed);
            }
            Middle::Translate(stream) => {
                passed.push(stream.push(chunk).into());
                self.pack.named(stream.take_events(), &mut passed);
            }
            Middle::Converse { watch, end, events, said } => {
                if let Some(data) = sse::data_of(&chunk) {
                    *events += 1;
                    watch.see(&data);
                    match sse::event_of(&chunk) {
                        Some("metadata") => *end = End::Done,
                        Some("contentBlockDelta") => tally_delta(&data, said),
                        _ => {}
                    }
                }
                passed.push(chunk);
            }
            Middle::Raw { tap, bytes, .. } => {
                *bytes += chunk.len() as u64;
                // An event too long to be looked at goes on all the same.
                let _unseen = tap.as_mut().map(|tap| tap.feed(chunk.clone(), &mut Vec::new()));
                passed.push(chunk);
            }
        }
        self.send(passed, out);
    }

    fn send(&mut self, passed: Vec<Bytes>, out: &mut Vec<Bytes>) {
        for bytes in passed {
            if !bytes.is_empty() {
                self.pack.pass(bytes, out);
            }
        }
    }
}

/// Adds the words, thoughts and arguments of one of Bedrock's deltas.
fn tally_delta(data: &[u8], said: &mut Tally) {
    let Ok(event) = serde_json::from_slice::<Value>(data) else { return };
    let places = ["/delta/text", "/delta/toolUse/input", "/delta/reasoningContent/text"];
    for text in places.iter().filter_map(|place| event.pointer(place).and_then(Value::as_str)) {
        said.text(text);
    }
}

/// Keeps what follows the last blank line for the next piece.
fn hold_back(rest: &mut Bytes, passed: &mut Vec<Bytes>) {
    let Some(last) = passed.pop() else { return };
    let before: usize = passed.iter().map(Bytes::len).sum();
    // A blank line may lie across the seam of the rest and the new piece.
    let whole = if rest.is_empty() || before > 0 {
        if !rest.is_empty() {
            passed.insert(0, std::mem::take(rest));
        }
        last
    } else {
        let mut joined = bytes::BytesMut::with_capacity(rest.len() + last.len());
        joined.extend_from_slice(rest);
        joined.extend_from_slice(&last);
        *rest = Bytes::new();
        joined.freeze()
    };
    match last_blank(&whole) {
        Some(end) => {
            *rest = whole.slice(end..);
            passed.push(whole.slice(..end));
        }
        None => *rest = whole,
    }
}

/// The offset behind the last blank line.
fn last_blank(bytes: &[u8]) -> Option<usize> {
    let line_feeds = memmem::rfind(bytes, b"\n\n").map(|at| at + 2);
    let mixed = memmem::rfind(bytes, b"\n\r\n").map(|at| at + 3);
    let returns = memmem::rfind(bytes, b"\r\r").map(|at| at + 2);
    line_feeds.max(mixed).max(returns)
}

/// An error as an event of a stream in that dialect.
fn error_event(dialect: convert::Dialect, fault: &Fault) -> Bytes {
    let mut out = Vec::new();
    let body = fault.body(dialect);
    match dialect {
        convert::Dialect::Messages => sse::write_event(&mut out, "error", &body),
        convert::Dialect::Responses => {
            let event = json!({"type": "error", "code": fault.code, "message": fault.message, "param": fault.param, "sequence_number": 0});
            sse::write_event(&mut out, "error", event.to_string().as_bytes());
        }
        _ => sse::write_data(&mut out, &body),
    }
    out.into()
}

#[cfg(test)]
mod tests;
