//! A JSON array sent element by element: Gemini's stream form when the caller does not ask for SSE.

use bytes::{Bytes, BytesMut};

use super::SseError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Before the opening bracket.
    Start,
    /// Between elements.
    Between,
    /// Inside an element.
    Element,
    /// Behind the closing bracket.
    End,
}

/// Cuts a streamed JSON array into its elements, whatever the chunk boundaries.
#[derive(Debug)]
pub struct ArrayDecoder {
    buf: BytesMut,
    pos: usize,
    depth: usize,
    in_string: bool,
    escaped: bool,
    at: At,
    limit: usize,
}

impl ArrayDecoder {
    /// A decoder that refuses elements longer than `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { buf: BytesMut::new(), pos: 0, depth: 0, in_string: false, escaped: false, at: At::Start, limit }
    }

    /// Takes the next chunk of the stream.
    pub fn push(&mut self, chunk: &[u8]) {
        self.buf.extend_from_slice(chunk);
    }

    /// The next whole element, if one has arrived. Only objects and arrays are elements here.
    pub fn next_element(&mut self) -> Result<Option<Bytes>, SseError> {
        while let Some(&byte) = self.buf.get(self.pos) {
            self.pos += 1;
            match self.at {
                At::Start => match byte {
                    b'[' => self.at = At::Between,
                    b' ' | b'\t' | b'\r' | b'\n' => {}
                    _ => return Err(SseError::NotAnArray),
                },
                At::Between => match byte {
                    b'{' | b'[' => {
                        let _before = self.buf.split_to(self.pos - 1);
                        self.pos = 1;
                        self.depth = 1;
                        self.at = At::Element;
                    }
                    b']' => self.at = At::End,
                    b',' | b' ' | b'\t' | b'\r' | b'\n' => {}
                    _ => return Err(SseError::NotAnArray),
                },
                At::Element => {
                    if self.step(byte) {
                        let element = self.buf.split_to(self.pos).freeze();
                        self.pos = 0;
                        self.at = At::Between;
                        return Ok(Some(element));
                    }
                    if self.pos > self.limit {
                        return Err(SseError::TooLarge { limit: self.limit });
                    }
                }
                At::End => match byte {
                    b' ' | b'\t' | b'\r' | b'\n' => {}
                    _ => return Err(SseError::NotAnArray),
                },
            }
        }
        if self.at != At::Element {
            self.buf.clear();
            self.pos = 0;
        }
        Ok(None)
    }

    /// Whether the closing bracket has been seen.
    pub fn is_complete(&self) -> bool {
        self.at == At::End
    }

    /// Advances within an element; true when `byte` closes it.
    fn step(&mut self, byte: u8) -> bool {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return false;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth -= 1,
            _ => {}
        }
        self.depth == 0
    }
}

/// Writes a JSON array element by element, in the form Google's servers use.
#[derive(Clone, Copy, Debug, Default)]
pub struct ArrayWriter {
    opened: bool,
}

impl ArrayWriter {
    /// Appends one element with what must precede it.
    pub fn element(&mut self, out: &mut Vec<u8>, json: &[u8]) {
        out.extend_from_slice(if self.opened { b",\r\n" } else { b"[" });
        self.opened = true;
        out.extend_from_slice(json);
    }

    /// Appends the closing bracket; to be left out when the upstream was cut.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(if self.opened { b"\r\n]" } else { b"[]" });
        self.opened = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(chunks: &[&[u8]]) -> (Vec<String>, bool) {
        let mut decoder = ArrayDecoder::new(1 << 20);
        let mut got = Vec::new();
        for chunk in chunks {
            decoder.push(chunk);
            while let Some(element) = decoder.next_element().expect("an array") {
                got.push(String::from_utf8(element.to_vec()).expect("UTF-8"));
            }
        }
        (got, decoder.is_complete())
    }

    #[test]
    fn every_cut_gives_the_same_elements() {
        let elements = ["{\"a\":\"]}\\\"é🙂\"}", "{\"b\":[1,{\"c\":2}]}"];
        let mut out = Vec::new();
        let mut writer = ArrayWriter::default();
        for element in elements {
            writer.element(&mut out, element.as_bytes());
        }
        writer.finish(&mut out);
        assert_eq!(decode(&[&out]).0, elements);
        for cut in 0..=out.len() {
            assert_eq!(decode(&[&out[..cut], &out[cut..]]), (elements.map(str::to_owned).to_vec(), true), "at {cut}");
        }
    }

    #[test]
    fn an_empty_array_is_complete_and_a_cut_one_is_not() {
        let mut out = Vec::new();
        ArrayWriter::default().finish(&mut out);
        assert_eq!(decode(&[&out]), (vec![], true));
        assert_eq!(decode(&[b"[{\"a\":1}"]), (vec!["{\"a\":1}".to_owned()], false));
    }

    #[test]
    fn not_an_array_and_too_long_are_refused() {
        let mut decoder = ArrayDecoder::new(8);
        decoder.push(b"{\"error\":1}");
        assert_eq!(decoder.next_element(), Err(SseError::NotAnArray));
        let mut decoder = ArrayDecoder::new(8);
        decoder.push(b"[{\"a\":\"0123456789\"}]");
        assert_eq!(decoder.next_element(), Err(SseError::TooLarge { limit: 8 }));
    }
}
