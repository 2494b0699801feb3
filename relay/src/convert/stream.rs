//! A streamed answer carried from one dialect into another, event by event.
//!
//! Nothing is invented: the target's terminal event is written only when the upstream's own has come. When
//! the upstream breaks off, [`Stream::end`] says so and the caller decides whether to fail over or to tell
//! the client with [`Stream::fail`].

use bytes::Bytes;
use serde_json::Value;

use super::estimate::Tally;
use super::fault::{Fault, Kind};
use super::hub::{Block, Delta, Event, HubError, Usage};
use super::{Dialect, Reply, chat, completions, converse, gemini, messages, responses};
use crate::sse::array::ArrayWriter;
use crate::sse::tap::End;
use crate::sse::{self, Decoder};

/// Turns one upstream event after the other into hub events.
pub(crate) trait Read: Send {
    /// Reads one event. An error ends the stream.
    fn frame(&mut self, event: Option<&str>, data: &[u8], out: &mut Vec<Event>) -> Result<(), HubError>;

    /// The upstream has closed. Dialects without a terminal event may end here, but only a finished answer.
    fn finish(&mut self, out: &mut Vec<Event>);
}

/// Turns one hub event after the other into the target's events.
pub(crate) trait Write: Send {
    /// Writes one event, or nothing yet.
    fn event(&mut self, event: &Event, out: &mut Sink);

    /// Writes an error into the stream; no terminal event follows.
    fn fault(&mut self, fault: &Fault, out: &mut Sink);

    /// Why the target cannot be told any more of this answer, if so; it has not been told that yet.
    fn failure(&self) -> Option<Fault> {
        None
    }
}

/// How the target's events are packed.
#[derive(Debug)]
enum Packing {
    /// `data: …` and a blank line.
    Lines,
    /// The same with CR LF, as Google's servers do.
    CrLf,
    /// Elements of one JSON array.
    Array(ArrayWriter),
    /// Named events for a transport with frames of its own.
    Events(Vec<(String, Vec<u8>)>),
}

/// Where a writer puts its events.
#[derive(Debug)]
pub(crate) struct Sink {
    bytes: Vec<u8>,
    packing: Packing,
}

impl Sink {
    fn new(to: Dialect, json_array: bool) -> Self {
        let packing = match to {
            Dialect::Gemini if json_array => Packing::Array(ArrayWriter::default()),
            Dialect::Gemini => Packing::CrLf,
            Dialect::Converse => Packing::Events(Vec::new()),
            _ => Packing::Lines,
        };
        Self { bytes: Vec::new(), packing }
    }

    /// An event without a name.
    pub(crate) fn data(&mut self, value: &Value) {
        self.raw_data(value.to_string().as_bytes());
    }

    /// Data that is not JSON.
    pub(crate) fn raw_data(&mut self, data: &[u8]) {
        match &mut self.packing {
            Packing::Lines => sse::write_data(&mut self.bytes, data),
            Packing::CrLf => {
                self.bytes.extend_from_slice(b"data: ");
                self.bytes.extend_from_slice(data);
                self.bytes.extend_from_slice(b"\r\n\r\n");
            }
            Packing::Array(array) => array.element(&mut self.bytes, data),
            Packing::Events(events) => events.push((String::new(), data.to_vec())),
        }
    }

    /// A named event.
    pub(crate) fn event(&mut self, name: &str, value: &Value) {
        match &mut self.packing {
            Packing::Events(events) => events.push((name.to_owned(), value.to_string().into_bytes())),
            _ => sse::write_event(&mut self.bytes, name, value.to_string().as_bytes()),
        }
    }

    /// A keep-alive, where the packing has one. Google's own clients take a comment for a broken answer.
    pub(crate) fn comment(&mut self, text: &str) {
        if matches!(self.packing, Packing::Lines) {
            sse::write_comment(&mut self.bytes, text);
        }
    }

    /// Closes a packing that needs it.
    pub(crate) fn close(&mut self) {
        if let Packing::Array(array) = &mut self.packing {
            array.finish(&mut self.bytes);
        }
    }
}

fn reader(from: Dialect, id: &str) -> Result<Box<dyn Read>, HubError> {
    let reader: Box<dyn Read> = match from {
        Dialect::Chat => Box::new(chat::Reader::new()),
        Dialect::Messages => Box::new(messages::Reader::new()),
        Dialect::Gemini => Box::new(gemini::Reader::new(id)),
        Dialect::Responses => Box::new(responses::Reader::new()),
        Dialect::Converse => Box::new(converse::Reader::new()),
        Dialect::Completions => {
            return Err(HubError::upstream("no vendor is asked for text completions here"));
        }
    };
    Ok(reader)
}

/// Gathers what is said in a streamed answer as it goes by, for operators that keep it.
pub struct Words {
    reader: Box<dyn Read>,
    decoder: Decoder,
    /// The blocks that hold words.
    spoken: Vec<usize>,
    text: String,
    most: usize,
    over: bool,
}

impl Words {
    /// A listener to a stream of a dialect that keeps about so many bytes; none where its words cannot be read.
    pub fn new(from: Dialect, most: usize) -> Option<Self> {
        let reader = reader(from, "").ok()?;
        Some(Self { reader, decoder: Decoder::default(), spoken: Vec::new(), text: String::new(), most, over: false })
    }

    /// Takes a piece of the stream.
    pub fn push(&mut self, chunk: Bytes) {
        if self.over {
            return;
        }
        self.decoder.push(chunk);
        while !self.over {
            match self.decoder.next_frame() {
                Ok(None) => return,
                Ok(Some(frame)) => self.frame(frame.raw()),
                Err(_) => self.over = true,
            }
        }
    }

    /// What was said so far.
    pub fn into_text(self) -> String {
        self.text
    }

    fn frame(&mut self, raw: &[u8]) {
        let Some(data) = sse::data_of(raw) else { return };
        let mut events = Vec::new();
        let read = self.reader.frame(sse::event_of(raw), &data, &mut events);
        for event in &events {
            self.hear(event);
        }
        self.over |= read.is_err() || self.text.len() > self.most;
    }

    fn hear(&mut self, event: &Event) {
        match event {
            Event::Open { index, block } => match block {
                Block::Text | Block::Refusal => {
                    self.line("");
                    self.spoken.push(*index);
                }
                Block::ToolUse(call) => self.line(&format!("[tool call: {}]", call.name)),
                Block::Image(_) => self.line("[image]"),
                Block::Thinking { .. } => {}
            },
            Event::Delta { index, delta: Delta::Text(text) } if self.spoken.contains(index) => {
                self.text.push_str(text);
            }
            Event::End | Event::Error(_) => self.over = true,
            _ => {}
        }
    }

    fn line(&mut self, text: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(text);
    }
}

/// One streamed answer under translation.
pub struct Stream {
    reader: Box<dyn Read>,
    writer: Box<dyn Write>,
    decoder: Decoder,
    sink: Sink,
    usage: Option<Usage>,
    tally: Tally,
    started: bool,
    end: End,
    fault: Option<Fault>,
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").field("end", &self.end).field("usage", &self.usage).finish_non_exhaustive()
    }
}

impl Stream {
    /// A translation of what `from` streams into what a client of `to` expects.
    pub fn new(from: Dialect, to: Dialect, reply: Reply) -> Result<Self, HubError> {
        let reader = reader(from, &reply.id)?;
        let sink = Sink::new(to, reply.json_array);
        let writer: Box<dyn Write> = match to {
            Dialect::Chat => Box::new(chat::Writer::new(reply)),
            Dialect::Messages => Box::new(messages::Writer::new(reply)),
            Dialect::Gemini => Box::new(gemini::Writer::new(reply)),
            Dialect::Responses => Box::new(responses::Writer::new(reply)),
            Dialect::Converse => Box::new(converse::Writer::new()),
            Dialect::Completions => Box::new(completions::Writer::new(reply)),
        };
        Ok(Self {
            reader,
            writer,
            decoder: Decoder::default(),
            sink,
            usage: None,
            tally: Tally::default(),
            started: false,
            end: End::Open,
            fault: None,
        })
    }

    /// Takes a chunk from the upstream; gives what the client gets for it. Look at [`Stream::failure`] afterwards.
    pub fn push(&mut self, chunk: Bytes) -> Vec<u8> {
        self.decoder.push(chunk);
        while self.end == End::Open {
            match self.decoder.next_frame() {
                Ok(None) => break,
                Ok(Some(frame)) => self.raw(frame.raw()),
                Err(error) => self.failed(Fault { status: Some(502), ..Fault::new(Kind::Server, error.to_string()) }),
            }
        }
        std::mem::take(&mut self.sink.bytes)
    }

    /// Takes steps that are known without a stream of the upstream's; gives what the client gets for them.
    pub(super) fn tell(&mut self, events: &[Event]) -> Vec<u8> {
        self.write(events);
        std::mem::take(&mut self.sink.bytes)
    }

    /// The upstream has closed: gives the last bytes. If [`Stream::end`] is still open afterwards, it was cut.
    pub fn finish(&mut self) -> Vec<u8> {
        if self.end == End::Open {
            // A last event without its blank line counts if it is whole.
            if let Some(rest) = self.decoder.finish()
                && sse::is_whole(rest.raw())
            {
                self.raw(rest.raw());
            }
        }
        if self.end == End::Open {
            let mut events = Vec::new();
            self.reader.finish(&mut events);
            self.write(&events);
        }
        std::mem::take(&mut self.sink.bytes)
    }

    /// Tells the client within the stream that it broke; no terminal event is written.
    pub fn fail(&mut self, fault: &Fault) -> Vec<u8> {
        self.writer.fault(fault, &mut self.sink);
        self.sink.close();
        std::mem::take(&mut self.sink.bytes)
    }

    /// The named events written so far, for a client whose transport has frames of its own (Bedrock).
    pub fn take_events(&mut self) -> Vec<(String, Vec<u8>)> {
        match &mut self.sink.packing {
            Packing::Events(events) => std::mem::take(events),
            _ => Vec::new(),
        }
    }

    /// How far the upstream got.
    pub fn end(&self) -> End {
        self.end
    }

    /// Why the stream failed, if it did: the vendor's own error, or an unreadable event. The client has not
    /// been told yet.
    pub fn failure(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    /// The vendor's usage so far, if it gave any.
    pub fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// The vendor's usage, or a marked guess from the text that went by and the given input estimate.
    pub fn usage_or_estimate(&self, input: u64) -> Usage {
        match self.usage {
            Some(usage) if self.end != End::Done && usage.output < self.tally.tokens() => {
                Usage { output: self.tally.tokens(), estimated: true, ..usage }
            }
            Some(usage) => usage,
            None => Usage::estimate(input, self.tally.tokens()),
        }
    }

    /// Whether any model output went by.
    pub fn has_output(&self) -> bool {
        !self.tally.is_empty()
    }

    fn raw(&mut self, raw: &[u8]) {
        match sse::data_of(raw) {
            Some(data) => self.frame(sse::event_of(raw), &data),
            // The vendor's keep-alive comments keep the client's connection alive too.
            None => self.write(&[Event::Ping]),
        }
    }

    fn frame(&mut self, event: Option<&str>, data: &[u8]) {
        let mut events = Vec::new();
        let read = self.reader.frame(event, data, &mut events);
        self.write(&events);
        if let Err(error) = read {
            self.failed(Fault::from(error.in_answer()));
        }
    }

    fn write(&mut self, events: &[Event]) {
        for event in events {
            match event {
                Event::Start { usage: Some(usage), .. } | Event::Usage(usage) => self.usage = Some(*usage),
                Event::Open { block: super::hub::Block::ToolUse(call), .. } => self.tally.text(&call.name),
                Event::Open { block: super::hub::Block::Image(_), .. } => self.tally.text("image"),
                Event::Delta { delta: Delta::Text(text) | Delta::Args(text), .. } => self.tally.text(text),
                Event::Error(fault) => return self.failed(fault.clone()),
                // A keep-alive before the answer would commit the client's status for nothing.
                Event::Ping if !self.started => continue,
                _ => {}
            }
            self.started |= *event != Event::Ping;
            self.writer.event(event, &mut self.sink);
            if let Some(fault) = self.writer.failure() {
                return self.failed(fault);
            }
            if *event == Event::End {
                self.end = End::Done;
                self.sink.close();
            }
        }
    }

    fn failed(&mut self, fault: Fault) {
        self.end = End::Failed;
        self.fault = Some(fault);
    }
}
