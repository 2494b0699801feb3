//! Watches a stream that passes through in its own dialect: where it stands, what it used, and (for chat)
//! taking out the usage the caller did not ask for. Chunks go on as the buffers they came in; an event is
//! parsed only when it carries usage.

mod peek;

use bytes::{Bytes, BytesMut};
use memchr::memmem;

pub use self::peek::response_items;

use self::peek::{first_key_is_error, has_text_value, string_after, text_keys, type_is};
use super::{MAX_FRAME, Scan, SseError};
use crate::convert::edit::Body;
use crate::convert::estimate::Tally;
use crate::convert::usage::{Form, Usage, Watch};

/// The stream forms a tap understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Chat and text completions: ends with `[DONE]`.
    Chat,
    /// Anthropic messages: ends with `message_stop`.
    Messages,
    /// Gemini over SSE: the last chunk has a finish reason.
    Gemini,
    /// OpenAI's pictures, transcripts and speech: ends with an event of its own each.
    Media,
    /// OpenAI responses: ends with `response.completed`, `.incomplete` or `.failed`.
    Responses,
}

impl Kind {
    /// The family whose usage words the stream uses.
    pub fn form(self) -> Form {
        match self {
            Self::Chat | Self::Responses | Self::Media => Form::OpenAi,
            Self::Messages => Form::Anthropic,
            Self::Gemini => Form::Gemini,
        }
    }
}

/// How far a stream got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// No terminal event yet: if the upstream is gone, it was cut.
    Open,
    /// The vendor's terminal event was seen.
    Done,
    /// The vendor reported an error within the stream.
    Failed,
}

/// The observer of one stream.
#[derive(Debug)]
pub struct Tap {
    kind: Kind,
    hide_usage: bool,
    carry: BytesMut,
    scan: Scan,
    watch: Watch,
    tally: Tally,
    end: End,
    events: u64,
    finish_seen: bool,
    items: Vec<String>,
}

impl Tap {
    /// A tap for a stream that is forwarded exactly as it comes.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            hide_usage: false,
            carry: BytesMut::new(),
            scan: Scan::default(),
            watch: Watch::new(kind.form()),
            tally: Tally::default(),
            end: End::Open,
            events: 0,
            finish_seen: false,
            items: Vec::new(),
        }
    }

    /// A tap for a chat stream whose usage was asked for by us, not by the caller: the usage chunk is swallowed
    /// and `usage` members vanish. Whole events are forwarded then, never parts of one.
    pub fn hiding_usage() -> Self {
        Self { hide_usage: true, ..Self::new(Kind::Chat) }
    }

    /// Takes a chunk from the upstream and appends to `out` what the caller gets of it.
    pub fn feed(&mut self, chunk: Bytes, out: &mut Vec<Bytes>) -> Result<(), SseError> {
        if !self.hide_usage {
            self.observe(&chunk)?;
            out.push(chunk);
            return Ok(());
        }
        self.carve(chunk, out)
    }

    /// The upstream has ended: looks at an event whose blank line never came, and hands out what was held back.
    pub fn finish(&mut self, out: &mut Vec<Bytes>) {
        let rest = self.carry.split().freeze();
        // Half an event says nothing.
        if !super::is_whole(&rest) {
            return;
        }
        let forward = self.frame(&rest);
        if !self.hide_usage {
            return;
        }
        match forward {
            Forward::Whole => out.push(rest),
            Forward::Nothing => {}
            Forward::Without(from, to) => {
                push_slice(out, &rest, 0, from);
                push_slice(out, &rest, to, rest.len());
            }
            Forward::Instead(bytes) => out.push(bytes),
        }
    }

    /// Looks at one event that did not come as SSE (a frame of another transport).
    pub fn see(&mut self, event: Option<&str>, data: &[u8]) {
        self.events += 1;
        self.watch.see(data);
        let before = self.tally;
        self.count_text(data);
        // One of several choices has ended, another goes on.
        self.finish_seen &= self.tally == before;
        self.find_end(event, data);
    }

    /// Where the stream stands. A chat or message that said why it ends counts as done even if the vendor never
    /// sends its last event.
    pub fn end(&self) -> End {
        if self.end == End::Open && self.finish_seen { End::Done } else { self.end }
    }

    /// The event that tells the client of the end, where the answer is complete and that event has not come.
    pub fn missing_end(&self) -> Option<Bytes> {
        let complete = self.end == End::Open && self.finish_seen;
        let event: &'static [u8] = match self.kind {
            Kind::Chat => b"data: [DONE]\n\n",
            Kind::Messages => b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
            Kind::Gemini | Kind::Responses | Kind::Media => return None,
        };
        complete.then(|| Bytes::from_static(event))
    }

    /// The vendor's usage so far, if it gave any.
    pub fn usage(&self) -> Option<Usage> {
        self.watch.usage()
    }

    /// The vendor's usage, or a marked guess from the text that went by and the given input estimate.
    pub fn usage_or_estimate(&self, input: u64) -> Usage {
        match self.watch.usage() {
            // A stream that was cut or failed has announced its input but little or nothing of its output.
            Some(usage) if self.end() != End::Done && usage.output < self.tally.tokens() => {
                Usage { output: self.tally.tokens(), estimated: true, ..usage }
            }
            Some(usage) => usage,
            None => Usage::estimate(input, self.tally.tokens()),
        }
    }

    /// Whether any model output went by; an empty stream is one to fail over from.
    pub fn has_output(&self) -> bool {
        !self.tally.is_empty() || (self.kind == Kind::Media && self.events > 0)
    }

    /// How many events with data went by.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// The ids of the items that a response has come to.
    pub fn items(&self) -> &[String] {
        &self.items
    }

    fn observe(&mut self, chunk: &[u8]) -> Result<(), SseError> {
        if !self.carry.is_empty() {
            self.carry.extend_from_slice(chunk);
            while let Some(end) = self.scan.frame_end(&self.carry) {
                self.scan.rewind();
                let raw = self.carry.split_to(end);
                self.frame(&raw);
            }
            return self.check_size();
        }
        let mut rest = chunk;
        self.scan.rewind();
        while let Some(end) = self.scan.frame_end(rest) {
            self.scan.rewind();
            let (raw, behind) = rest.split_at(end);
            self.frame(raw);
            rest = behind;
        }
        // The scan has looked at `rest` already and goes on from there once more has come.
        self.carry.extend_from_slice(rest);
        self.check_size()
    }

    fn carve(&mut self, chunk: Bytes, out: &mut Vec<Bytes>) -> Result<(), SseError> {
        let mut rest = if self.carry.is_empty() {
            self.scan.rewind();
            chunk
        } else {
            self.carry.extend_from_slice(&chunk);
            self.carry.split().freeze()
        };
        // Neighbouring events are sent as one slice; a slice ends where something is left out.
        let mut run = 0;
        let mut at = 0;
        loop {
            let tail = rest.get(at..).unwrap_or_default();
            let Some(end) = self.scan.frame_end(tail) else {
                break;
            };
            self.scan.rewind();
            let raw = rest.slice(at..at + end);
            match self.frame(&raw) {
                Forward::Whole => {}
                Forward::Nothing => {
                    push_slice(out, &rest, run, at);
                    run = at + end;
                }
                Forward::Without(from, to) => {
                    push_slice(out, &rest, run, at + from);
                    run = at + to;
                }
                Forward::Instead(bytes) => {
                    push_slice(out, &rest, run, at);
                    out.push(bytes);
                    run = at + end;
                }
            }
            at += end;
        }
        push_slice(out, &rest, run, at);
        let behind = rest.split_off(at);
        self.carry.extend_from_slice(&behind);
        self.check_size()
    }

    fn check_size(&self) -> Result<(), SseError> {
        if self.carry.len() > MAX_FRAME { Err(SseError::TooLarge { limit: MAX_FRAME }) } else { Ok(()) }
    }

    /// Looks at one frame and says what becomes of it.
    fn frame(&mut self, raw: &[u8]) -> Forward {
        let Some(data) = super::data_of(raw) else {
            return Forward::Whole;
        };
        let event = super::event_of(raw);
        self.see(event, &data);
        if self.hide_usage { hide_usage(raw, &data) } else { Forward::Whole }
    }

    fn count_text(&mut self, data: &[u8]) {
        for (finder, width) in text_keys(self.kind) {
            for at in finder.find_iter(data) {
                if let Some(text) = string_after(data.get(at + width..).unwrap_or_default()) {
                    self.tally.json_text(text);
                }
            }
        }
    }

    fn find_end(&mut self, event: Option<&str>, data: &[u8]) {
        let is = |name: &str| event == Some(name) || type_is(data, name);
        match self.kind {
            Kind::Chat => {
                if data.starts_with(b"[DONE]") {
                    self.end = End::Done;
                } else if first_key_is_error(data) {
                    self.end = End::Failed;
                } else if !self.finish_seen {
                    self.finish_seen = has_text_value(data, b"\"finish_reason\"");
                }
            }
            Kind::Messages => {
                if is("message_stop") {
                    self.end = End::Done;
                } else if is("error") {
                    self.end = End::Failed;
                } else if is("message_delta") {
                    self.finish_seen |= has_text_value(data, b"\"stop_reason\"");
                }
            }
            Kind::Responses => {
                if is("response.completed") || is("response.incomplete") {
                    self.end = End::Done;
                    self.items = response_items(data);
                } else if is("response.failed") || is("error") {
                    self.end = End::Failed;
                }
            }
            Kind::Media => {
                let last =
                    ["image_generation.completed", "image_edit.completed", "transcript.text.done", "speech.audio.done"];
                if last.into_iter().any(is) {
                    self.end = End::Done;
                } else if is("error") || first_key_is_error(data) {
                    self.end = End::Failed;
                }
            }
            Kind::Gemini => {
                if first_key_is_error(data) {
                    self.end = End::Failed;
                } else if self.end == End::Open
                    && (has_text_value(data, b"\"finishReason\"") || has_text_value(data, b"\"blockReason\""))
                {
                    self.end = End::Done;
                }
            }
        }
    }
}

/// What the caller gets of one frame.
#[derive(Debug, PartialEq, Eq)]
enum Forward {
    Whole,
    Nothing,
    /// All but the bytes between these offsets.
    Without(usize, usize),
    Instead(Bytes),
}

fn push_slice(out: &mut Vec<Bytes>, rest: &Bytes, from: usize, to: usize) {
    if from < to {
        out.push(rest.slice(from..to));
    }
}

/// Takes the `usage` member out of a chat chunk; a chunk that exists only for it goes altogether.
fn hide_usage(raw: &[u8], data: &[u8]) -> Forward {
    if memmem::find(data, b"\"usage\"").is_none() {
        return Forward::Whole;
    }
    // The common case, cut without a parse: a quote right behind a comma can only open a key.
    for empty in [b",\"usage\":null".as_slice(), b", \"usage\": null".as_slice()] {
        if let Some(at) = memmem::find(raw, empty) {
            return Forward::Without(at, at + empty.len());
        }
    }
    let Ok(body) = Body::scan(Bytes::copy_from_slice(data)) else {
        return Forward::Whole;
    };
    let Some(usage) = body.raw("usage") else {
        return Forward::Whole;
    };
    let no_choices =
        body.raw("choices").is_none_or(|list| list.iter().all(|b| matches!(b, b'[' | b']' | b' ' | b'\n')));
    if no_choices && usage != b"null" {
        return Forward::Nothing;
    }
    let mut edit = body.edit();
    edit.remove("usage");
    let mut frame = Vec::with_capacity(raw.len());
    super::write_data(&mut frame, &edit.finish());
    Forward::Instead(Bytes::from(frame))
}

#[cfg(test)]
mod tests;
