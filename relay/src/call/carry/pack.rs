//! The client's end of a stream: server-sent events become whatever frames the client reads.

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use serde_json::json;

use crate::convert::Fault;
use crate::convert::bedrock::with_metrics;
use crate::convert::edit::Body;
use crate::convert::usage::{Form, Watch};
use crate::sse::array::ArrayWriter;
use crate::sse::{self};
use crate::wire::eventstream::{self, Message};

/// How a client wants its events.
pub enum Pack {
    /// As server-sent events (or as they are).
    Plain,
    /// As they are, which is elements of one JSON array already.
    Elements,
    /// As elements of one JSON array.
    Array {
        /// Cuts the events.
        decoder: sse::Decoder,
        /// Writes the array.
        writer: ArrayWriter,
    },
    /// As AWS messages that hold Anthropic's events.
    Invoke {
        /// Cuts the events.
        decoder: sse::Decoder,
        /// The counts that the last event repeats.
        watch: Watch,
    },
    /// As AWS messages that are converse events.
    Converse {
        /// Cuts the events.
        decoder: sse::Decoder,
    },
}

impl Pack {
    /// Elements of one JSON array.
    pub fn array() -> Self {
        Self::Array { decoder: sse::Decoder::default(), writer: ArrayWriter::default() }
    }

    /// AWS messages that hold Anthropic's events.
    pub fn invoke() -> Self {
        Self::Invoke { decoder: sse::Decoder::default(), watch: Watch::new(Form::Anthropic) }
    }

    /// AWS messages that are converse events.
    pub fn converse() -> Self {
        Self::Converse { decoder: sse::Decoder::default() }
    }

    /// The `content-type` of the answer.
    pub fn content_type(&self) -> &'static str {
        match self {
            Self::Plain => "text/event-stream",
            Self::Array { .. } | Self::Elements => "application/json",
            Self::Invoke { .. } | Self::Converse { .. } => "application/vnd.amazon.eventstream",
        }
    }

    pub(super) fn pass(&mut self, bytes: Bytes, out: &mut Vec<Bytes>) {
        match self {
            Self::Plain | Self::Elements => out.push(bytes),
            Self::Array { decoder, writer } => {
                decoder.push(bytes);
                let mut packed = Vec::new();
                while let Ok(Some(frame)) = decoder.next_frame() {
                    if let Some(data) = frame.data() {
                        writer.element(&mut packed, &data);
                    }
                }
                if !packed.is_empty() {
                    out.push(packed.into());
                }
            }
            Self::Invoke { decoder, watch } => {
                decoder.push(bytes);
                while let Ok(Some(frame)) = decoder.next_frame() {
                    if let Some(data) = frame.data() {
                        out.extend(invoke_chunk(&data, watch));
                    }
                }
            }
            Self::Converse { decoder } => {
                decoder.push(bytes);
                while let Ok(Some(frame)) = decoder.next_frame() {
                    if let (Some(name), Some(data)) = (frame.event(), frame.data()) {
                        out.extend(message(&Message::event(name, data.into_owned())));
                    }
                }
            }
        }
    }

    /// Events that a translation gave by name, as the server-sent events that [`Pack::pass`] reads.
    pub(super) fn named(&self, events: Vec<(String, Vec<u8>)>, out: &mut Vec<Bytes>) {
        for (name, data) in events {
            let mut frame = Vec::with_capacity(name.len() + data.len() + 20);
            sse::write_event(&mut frame, &name, &data);
            out.push(frame.into());
        }
    }

    pub(super) fn finish(&mut self, done: bool, out: &mut Vec<Bytes>) {
        // An array that was cut stays open, so that nobody takes it for a whole one.
        if let Self::Array { writer, .. } = self
            && done
        {
            let mut packed = Vec::new();
            writer.finish(&mut packed);
            out.push(packed.into());
        }
    }

    /// Says an error where the packing has its own word for one.
    pub(super) fn fail(&mut self, fault: &Fault, out: &mut Vec<Bytes>) -> bool {
        if !matches!(self, Self::Invoke { .. } | Self::Converse { .. }) {
            return false;
        }
        let kind = fault.bedrock_type();
        let mut name = kind.get(..1).unwrap_or_default().to_ascii_lowercase();
        name.push_str(kind.get(1..).unwrap_or_default());
        out.extend(message(&Message::exception(&name, json!({"message": fault.message}).to_string())));
        true
    }
}

fn invoke_chunk(data: &[u8], watch: &mut Watch) -> Option<Bytes> {
    watch.see(data);
    let body = Body::scan(Bytes::copy_from_slice(data)).ok()?;
    let kind = body.str("type").ok().flatten();
    let event = match kind.as_deref() {
        // Bedrock has no keep-alives in its streams.
        Some("ping") => return None,
        Some("message_stop") => with_metrics(&body, &watch.usage().unwrap_or_default()),
        _ => body.bytes().clone(),
    };
    let payload = json!({"bytes": BASE64_STANDARD.encode(&event)}).to_string();
    message(&Message::event("chunk", payload))
}

fn message(message: &Message) -> Option<Bytes> {
    // Only a header that is too long cannot be written, and ours are not.
    eventstream::encode(message).ok()
}
