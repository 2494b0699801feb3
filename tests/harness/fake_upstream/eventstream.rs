//! AWS event-stream frames (`application/vnd.amazon.eventstream`), both ways, with their checksums.

use bytes::Bytes;

/// One frame: string headers and a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Headers in order. Only string values (type 7) are used by the services there are fakes of.
    pub headers: Vec<(String, String)>,
    /// The payload.
    pub payload: Bytes,
}

impl Frame {
    /// An event with a JSON payload.
    pub fn event(kind: &str, payload: impl Into<Bytes>) -> Frame {
        Frame::of(&[(":event-type", kind), (":content-type", "application/json"), (":message-type", "event")], payload)
    }

    /// An exception with a JSON payload.
    pub fn exception(kind: &str, payload: impl Into<Bytes>) -> Frame {
        Frame::of(
            &[(":exception-type", kind), (":content-type", "application/json"), (":message-type", "exception")],
            payload,
        )
    }

    fn of(headers: &[(&str, &str)], payload: impl Into<Bytes>) -> Frame {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Frame { headers, payload: payload.into() }
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(there, _)| there == name).map(|(_, value)| value.as_str())
    }
}

/// The bytes of a frame.
///
/// # Panics
/// When a header name exceeds 255 bytes, a value 65,535, or the frame 4 GiB.
pub fn encode_frame(frame: &Frame) -> Bytes {
    let mut headers = Vec::new();
    for (name, value) in &frame.headers {
        headers.push(u8::try_from(name.len()).expect("header names are short"));
        headers.extend(name.as_bytes());
        headers.push(7);
        headers.extend(u16::try_from(value.len()).expect("header values are short").to_be_bytes());
        headers.extend(value.as_bytes());
    }
    let total = u32::try_from(16 + headers.len() + frame.payload.len()).expect("frames are small");
    let headers_length = u32::try_from(headers.len()).expect("headers are small");
    let mut out = Vec::with_capacity(total as usize);
    out.extend(total.to_be_bytes());
    out.extend(headers_length.to_be_bytes());
    out.extend(crc32(&out).to_be_bytes());
    out.extend(headers);
    out.extend(&frame.payload);
    out.extend(crc32(&out).to_be_bytes());
    Bytes::from(out)
}

/// The frames of a whole stream.
///
/// # Errors
/// Says what is wrong and at which byte.
pub fn decode_frames(mut stream: &[u8]) -> Result<Vec<Frame>, String> {
    let (whole, mut frames) = (stream.len(), Vec::new());
    while !stream.is_empty() {
        let at = whole - stream.len();
        let wrong = |what: &str| format!("{what} in the frame at byte {at}");
        let number =
            |from: usize| -> Option<u32> { Some(u32::from_be_bytes(stream.get(from..from + 4)?.try_into().ok()?)) };
        let total = number(0).ok_or_else(|| wrong("no length"))? as usize;
        let headers_length = number(4).ok_or_else(|| wrong("no header length"))? as usize;
        if number(8) != Some(crc32(&stream[..8])) {
            return Err(wrong("a wrong prelude checksum"));
        }
        if total < 16 + headers_length || total > stream.len() {
            return Err(wrong("impossible lengths"));
        }
        if number(total - 4) != Some(crc32(&stream[..total - 4])) {
            return Err(wrong("a wrong message checksum"));
        }
        let headers = decode_headers(&stream[12..12 + headers_length]).ok_or_else(|| wrong("broken headers"))?;
        let payload = Bytes::copy_from_slice(&stream[12 + headers_length..total - 4]);
        frames.push(Frame { headers, payload });
        stream = &stream[total..];
    }
    Ok(frames)
}

fn decode_headers(mut bytes: &[u8]) -> Option<Vec<(String, String)>> {
    let mut headers = Vec::new();
    while let Some((length, rest)) = bytes.split_first() {
        let (name, rest) = rest.split_at_checked(usize::from(*length))?;
        let (kind, rest) = rest.split_first()?;
        if *kind != 7 {
            return None;
        }
        let (length, rest) = rest.split_at_checked(2)?;
        let length = u16::from_be_bytes(length.try_into().ok()?);
        let (value, rest) = rest.split_at_checked(usize::from(length))?;
        headers.push((String::from_utf8(name.to_vec()).ok()?, String::from_utf8(value.to_vec()).ok()?));
        bytes = rest;
    }
    Some(headers)
}

/// IEEE CRC-32, bit by bit: written again here so that the code under test is not checked with itself.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
    })
}
