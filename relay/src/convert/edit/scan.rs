//! A JSON checker that remembers nothing but positions: no tree, no recursion, no allocation per value.

use std::ops::Range;

use super::{BodyError, MAX_DEPTH};

/// A cursor over bytes that are already known to be UTF-8.
pub(super) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Where a key (without its quotes) and its value stand.
type Spans = (Range<usize>, Range<usize>);

impl<'a> Scanner<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Checks the whole input as one object: the offset of its brace and the spans of its members.
    pub(super) fn object(&mut self) -> Result<(usize, Vec<Spans>), BodyError> {
        self.blank();
        let open = self.at;
        if self.peek() != Some(b'{') {
            self.value(0)?;
            self.end()?;
            return Err(BodyError::NotAnObject);
        }
        self.at += 1;
        let mut members = Vec::with_capacity(16);
        self.blank();
        if self.peek() == Some(b'}') {
            self.at += 1;
            self.end()?;
            return Ok((open, members));
        }
        loop {
            self.blank();
            let key = self.key()?;
            self.blank();
            let start = self.at;
            self.value(1)?;
            members.push((key, start..self.at));
            self.blank();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    self.end()?;
                    return Ok((open, members));
                }
                _ => return Err(self.wrong("expected ',' or '}'")),
            }
        }
    }

    /// A quoted key and its colon.
    fn key(&mut self) -> Result<Range<usize>, BodyError> {
        if self.peek() != Some(b'"') {
            return Err(self.wrong("expected a field name in quotes"));
        }
        let start = self.at + 1;
        self.string()?;
        let key = start..self.at - 1;
        self.blank();
        if self.peek() != Some(b':') {
            return Err(self.wrong("expected ':'"));
        }
        self.at += 1;
        Ok(key)
    }

    /// One value of any kind that stands `depth` levels deep. The open brackets are bits of one number.
    fn value(&mut self, depth: u32) -> Result<(), BodyError> {
        let mut objects: u128 = 0;
        let mut open: u32 = 0;
        loop {
            self.blank();
            match self.peek() {
                Some(bracket @ (b'{' | b'[')) => {
                    if depth + open >= MAX_DEPTH {
                        return Err(BodyError::TooDeep);
                    }
                    self.at += 1;
                    self.blank();
                    let is_object = bracket == b'{';
                    if self.peek() == Some(if is_object { b'}' } else { b']' }) {
                        self.at += 1;
                    } else {
                        objects = (objects << 1) | u128::from(is_object);
                        open += 1;
                        if is_object {
                            self.key()?;
                        }
                        continue;
                    }
                }
                Some(b'"') => self.string()?,
                Some(b't') => self.literal(b"true")?,
                Some(b'f') => self.literal(b"false")?,
                Some(b'n') => self.literal(b"null")?,
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(_) => return Err(self.wrong("unexpected character")),
                None => return Err(self.wrong("unexpected end")),
            }
            // A value is complete: close what closes, or go on to the next one.
            loop {
                if open == 0 {
                    return Ok(());
                }
                let in_object = objects & 1 == 1;
                self.blank();
                match self.peek() {
                    Some(b',') => {
                        self.at += 1;
                        if in_object {
                            self.blank();
                            self.key()?;
                        }
                        break;
                    }
                    Some(b'}') if in_object => {}
                    Some(b']') if !in_object => {}
                    _ if in_object => return Err(self.wrong("expected ',' or '}'")),
                    _ => return Err(self.wrong("expected ',' or ']'")),
                }
                self.at += 1;
                objects >>= 1;
                open -= 1;
            }
        }
    }

    /// A string from its opening quote to behind its closing one.
    fn string(&mut self) -> Result<(), BodyError> {
        self.at += 1;
        loop {
            self.at += plain_run(self.bytes.get(self.at..).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    self.at += 1;
                    match self.peek() {
                        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
                        Some(b'u') => {
                            let digits = self.bytes.get(self.at + 1..self.at + 5).unwrap_or_default();
                            if digits.len() != 4 || !digits.iter().all(u8::is_ascii_hexdigit) {
                                return Err(self.wrong("invalid escape in a string"));
                            }
                            self.at += 5;
                        }
                        _ => return Err(self.wrong("invalid escape in a string")),
                    }
                }
                Some(_) => return Err(self.wrong("control character in a string")),
                None => return Err(self.wrong("unterminated string")),
            }
        }
    }

    fn number(&mut self) -> Result<(), BodyError> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), BodyError> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start { Err(self.wrong("invalid number")) } else { Ok(()) }
    }

    fn literal(&mut self, word: &[u8]) -> Result<(), BodyError> {
        if self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            self.at += word.len();
            return Ok(());
        }
        Err(self.wrong("unexpected character"))
    }

    fn end(&mut self) -> Result<(), BodyError> {
        self.blank();
        if self.peek().is_some() { Err(self.wrong("unexpected text after the end")) } else { Ok(()) }
    }

    fn blank(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn wrong(&self, what: &'static str) -> BodyError {
        BodyError::Invalid { at: self.at, what }
    }
}

/// How many bytes from the start need no attention within a string. Written so that the compiler makes
/// vector code of it: a prompt is mostly one long string.
fn plain_run(bytes: &[u8]) -> usize {
    const LANES: usize = 32;
    let special = |byte: u8| byte == b'"' || byte == b'\\' || byte < 0x20;
    let mut run = 0;
    for block in bytes.chunks_exact(LANES) {
        let mut hit = 0u8;
        for &byte in block {
            hit |= u8::from(byte == b'"') | u8::from(byte == b'\\') | u8::from(byte < 0x20);
        }
        if hit != 0 {
            break;
        }
        run += LANES;
    }
    let rest = bytes.get(run..).unwrap_or_default();
    run + rest.iter().position(|&byte| special(byte)).unwrap_or(rest.len())
}
