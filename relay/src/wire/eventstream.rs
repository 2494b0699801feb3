//! The AWS event stream encoding: length-prefixed messages with two checksums each.
//!
//! ```text
//! u32 total_length | u32 headers_length | u32 crc32(first 8 bytes) | headers | payload | u32 crc32(all before)
//! ```

use bytes::{Buf, BufMut, Bytes, BytesMut};
use flate2::Crc;

use super::WireError;

/// No message may be longer; AWS itself allows 16 MiB of payload and 128 KiB of headers.
pub const LONGEST_MESSAGE: usize = 16 * 1024 * 1024 + 128 * 1024 + OVERHEAD;
const LONGEST_HEADERS: usize = 128 * 1024;
const PRELUDE: usize = 12;
const OVERHEAD: usize = PRELUDE + 4;

/// A header's value, in the forms that the encoding knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// True or false, carried by the type alone.
    Bool(bool),
    /// A whole number of one, two, four or eight bytes.
    Integer(i64),
    /// Bytes.
    Bytes(Bytes),
    /// Text, the only form that Bedrock uses.
    Text(String),
    /// Epoch milliseconds.
    Timestamp(i64),
    /// Sixteen bytes.
    Uuid([u8; 16]),
}

/// One message: headers in order and a payload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The headers in the order of the wire.
    pub headers: Vec<(String, Value)>,
    /// The payload, usually JSON.
    pub payload: Bytes,
}

impl Message {
    /// An event as Bedrock sends it.
    pub fn event(kind: &str, payload: impl Into<Bytes>) -> Self {
        Self::typed(":event-type", kind, "event", payload)
    }

    /// An error as Bedrock sends it inside a stream.
    pub fn exception(kind: &str, payload: impl Into<Bytes>) -> Self {
        Self::typed(":exception-type", kind, "exception", payload)
    }

    fn typed(name: &str, kind: &str, message: &str, payload: impl Into<Bytes>) -> Self {
        let text = |name: &str, value: &str| (name.to_owned(), Value::Text(value.to_owned()));
        Self {
            headers: vec![text(name, kind), text(":content-type", "application/json"), text(":message-type", message)],
            payload: payload.into(),
        }
    }

    /// The text of the header of that name.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|(key, value)| match value {
            Value::Text(text) if key == name => Some(text.as_str()),
            _ => None,
        })
    }
}

/// Writes one message; fails if a header or the whole is too long to be written.
pub fn encode(message: &Message) -> Result<Bytes, WireError> {
    let long = || WireError::Body("an event stream message is too long".into());
    let mut headers = BytesMut::new();
    for (name, value) in &message.headers {
        headers.put_u8(u8::try_from(name.len()).map_err(|_| long())?);
        headers.put_slice(name.as_bytes());
        match value {
            Value::Bool(yes) => headers.put_u8(u8::from(!yes)),
            Value::Integer(number) => {
                headers.put_u8(5);
                headers.put_i64(*number);
            }
            Value::Bytes(bytes) => {
                headers.put_u8(6);
                headers.put_u16(u16::try_from(bytes.len()).map_err(|_| long())?);
                headers.put_slice(bytes);
            }
            Value::Text(text) => {
                headers.put_u8(7);
                headers.put_u16(u16::try_from(text.len()).map_err(|_| long())?);
                headers.put_slice(text.as_bytes());
            }
            Value::Timestamp(at) => {
                headers.put_u8(8);
                headers.put_i64(*at);
            }
            Value::Uuid(id) => {
                headers.put_u8(9);
                headers.put_slice(id);
            }
        }
    }
    let total = OVERHEAD + headers.len() + message.payload.len();
    if total > LONGEST_MESSAGE || headers.len() > LONGEST_HEADERS {
        return Err(long());
    }
    let mut out = BytesMut::with_capacity(total);
    out.put_u32(u32::try_from(total).map_err(|_| long())?);
    out.put_u32(u32::try_from(headers.len()).map_err(|_| long())?);
    out.put_u32(crc(&out));
    out.put_slice(&headers);
    out.put_slice(&message.payload);
    out.put_u32(crc(&out));
    Ok(out.freeze())
}

/// Reads messages out of a stream that may be cut anywhere.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: BytesMut,
    broken: bool,
}

impl Decoder {
    /// Takes the next bytes of the stream.
    pub fn push(&mut self, chunk: &[u8]) {
        if !self.broken {
            self.buffer.extend_from_slice(chunk);
        }
    }

    /// The next whole message, `None` until more bytes come; after a fault the stream yields nothing more.
    pub fn next_message(&mut self) -> Result<Option<Message>, WireError> {
        let read = self.read();
        if read.is_err() {
            self.broken = true;
            self.buffer = BytesMut::new();
        }
        read
    }

    fn read(&mut self) -> Result<Option<Message>, WireError> {
        let Some(prelude) = self.buffer.get(..PRELUDE) else {
            return Ok(None);
        };
        let mut fields = prelude;
        let total = fields.get_u32() as usize;
        let headers_length = fields.get_u32() as usize;
        if fields.get_u32() != crc(&prelude[..8]) {
            return Err(fault("the checksum of a prelude is wrong"));
        }
        if total > LONGEST_MESSAGE || headers_length > LONGEST_HEADERS || total < OVERHEAD + headers_length {
            return Err(fault("the lengths of a message are impossible"));
        }
        if self.buffer.len() < total {
            return Ok(None);
        }
        let message = self.buffer.split_to(total).freeze();
        let mut sum = message.slice(total - 4..);
        if sum.get_u32() != crc(&message[..total - 4]) {
            return Err(fault("the checksum of a message is wrong"));
        }
        let body = PRELUDE + headers_length;
        let headers = read_headers(message.slice(PRELUDE..body))?;
        Ok(Some(Message { headers, payload: message.slice(body..total - 4) }))
    }
}

fn read_headers(mut bytes: Bytes) -> Result<Vec<(String, Value)>, WireError> {
    let short = || fault("a header is cut short");
    let mut headers = Vec::new();
    while bytes.has_remaining() {
        let name = take_text(&mut bytes, 1)?;
        let value = match bytes.try_get_u8().map_err(|_| short())? {
            kind @ (0 | 1) => Value::Bool(kind == 0),
            2 => Value::Integer(bytes.try_get_i8().map_err(|_| short())?.into()),
            3 => Value::Integer(bytes.try_get_i16().map_err(|_| short())?.into()),
            4 => Value::Integer(bytes.try_get_i32().map_err(|_| short())?.into()),
            5 => Value::Integer(bytes.try_get_i64().map_err(|_| short())?),
            6 => Value::Bytes(take(&mut bytes, 2)?),
            7 => Value::Text(take_text(&mut bytes, 2)?),
            8 => Value::Timestamp(bytes.try_get_i64().map_err(|_| short())?),
            9 => {
                let mut id = [0; 16];
                bytes.try_copy_to_slice(&mut id).map_err(|_| short())?;
                Value::Uuid(id)
            }
            _ => return Err(fault("a header is of an unknown type")),
        };
        headers.push((name, value));
    }
    Ok(headers)
}

fn take(bytes: &mut Bytes, width: usize) -> Result<Bytes, WireError> {
    let short = || fault("a header is cut short");
    let length = if width == 1 { bytes.try_get_u8().map(usize::from) } else { bytes.try_get_u16().map(usize::from) };
    let length = length.map_err(|_| short())?;
    if bytes.remaining() < length { Err(short()) } else { Ok(bytes.split_to(length)) }
}

fn take_text(bytes: &mut Bytes, width: usize) -> Result<String, WireError> {
    String::from_utf8(take(bytes, width)?.to_vec()).map_err(|_| fault("a header is not UTF-8"))
}

fn fault(why: &str) -> WireError {
    WireError::Body(format!("the event stream is damaged: {why}"))
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[cfg(test)]
mod tests;
