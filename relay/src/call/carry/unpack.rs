//! The vendor's end of a stream: whatever frames it comes in become server-sent events.

use bytes::Bytes;
use http::StatusCode;
use serde_json::Value;

use crate::convert::{self, Fault, fault};
use crate::provider::InBand;
use crate::sse;
use crate::wire::eventstream::{Decoder, Message};

/// Reads the event out of one AWS message.
pub type ReadMessage = Box<dyn Fn(&Message) -> Result<Option<Bytes>, InBand> + Send>;
/// Takes the vendor's envelope off an event's data.
pub type Unwrap = Box<dyn Fn(Bytes) -> Bytes + Send>;

/// How a vendor packs its events.
pub enum Unpack {
    /// As server-sent events (or bytes that are no events).
    Plain,
    /// As server-sent events whose data are in an envelope.
    Enveloped {
        /// Cuts the frames.
        decoder: sse::Decoder,
        /// Takes the envelope off.
        unwrap: Unwrap,
    },
    /// As AWS messages.
    Messages {
        /// Cuts the messages.
        decoder: Decoder,
        /// Reads one.
        read: ReadMessage,
        /// The dialect of the vendor's errors.
        dialect: convert::Dialect,
    },
}

/// What came of a piece.
pub enum Frames {
    /// The piece itself.
    Same(Bytes),
    /// Whole events.
    Events(Vec<Bytes>),
}

impl Unpack {
    /// AWS messages.
    pub fn messages(dialect: convert::Dialect, read: ReadMessage) -> Self {
        Self::Messages { decoder: Decoder::default(), read, dialect }
    }

    /// Events in envelopes.
    pub fn enveloped(unwrap: Unwrap) -> Self {
        Self::Enveloped { decoder: sse::Decoder::default(), unwrap }
    }

    pub(super) fn feed(&mut self, chunk: Bytes) -> Result<Frames, Fault> {
        match self {
            Self::Plain => Ok(Frames::Same(chunk)),
            Self::Enveloped { decoder, unwrap } => {
                decoder.push(chunk);
                let mut events = Vec::new();
                while let Some(frame) = decoder.next_frame().map_err(|error| unreadable(error.to_string()))? {
                    events.push(bare(frame.raw(), unwrap));
                }
                Ok(Frames::Events(events))
            }
            Self::Messages { decoder, read, dialect } => {
                decoder.push(&chunk);
                let mut events = Vec::new();
                while let Some(message) = decoder.next_message().map_err(|error| unreadable(error.to_string()))? {
                    match read(&message) {
                        Ok(Some(data)) => events.push(event(&message, &data)),
                        Ok(None) => {}
                        Err(failed) => return Err(refused(*dialect, &failed)),
                    }
                }
                Ok(Frames::Events(events))
            }
        }
    }

    /// What is left at the end.
    pub(super) fn finish(&mut self) -> Option<Bytes> {
        match self {
            Self::Enveloped { decoder, unwrap } => decoder.finish().map(|frame| bare(frame.raw(), unwrap)),
            Self::Plain | Self::Messages { .. } => None,
        }
    }
}

fn bare(raw: &Bytes, unwrap: &Unwrap) -> Bytes {
    let Some(data) = sse::data_of(raw) else { return raw.clone() };
    let inner = unwrap(Bytes::from(data.into_owned()));
    let mut out = Vec::with_capacity(inner.len() + 10);
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(&inner);
    out.extend_from_slice(b"\r\n\r\n");
    out.into()
}

/// Named by the data's own type, else by the message's.
fn event(message: &Message, data: &Bytes) -> Bytes {
    let own = serde_json::from_slice::<Value>(data).ok();
    let name = own.as_ref().and_then(|value| value.get("type")).and_then(Value::as_str);
    let mut out = Vec::with_capacity(data.len() + 40);
    match name.or_else(|| message.text(":event-type").filter(|kind| *kind != "chunk")) {
        Some(name) => sse::write_event(&mut out, name, data),
        None => sse::write_data(&mut out, data),
    }
    out.into()
}

fn unreadable(why: String) -> Fault {
    Fault {
        status: Some(502),
        ..Fault::new(fault::Kind::Server, format!("The vendor's stream cannot be read: {why}."))
    }
}

fn refused(dialect: convert::Dialect, failed: &InBand) -> Fault {
    let status = if failed.status.is_success() { StatusCode::BAD_GATEWAY } else { failed.status };
    Fault::read(dialect, status.as_u16(), &failed.body)
}
