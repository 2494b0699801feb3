//! A request body read and changed without parsing it: the top-level members of a JSON object by their
//! position, everything else left as the bytes that came.
//!
//! A call that stays in its dialect needs a handful of fields (`model`, `stream`, a limit, a cache key) and
//! changes one or two; a quarter megabyte of prompt must not become a tree for that. Whatever is not
//! touched here reaches the vendor byte for byte, unknown fields included.

mod scan;

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use serde::de::DeserializeOwned;

use scan::Scanner;

/// The deepest nesting of arrays and objects a body may have.
pub const MAX_DEPTH: u32 = 128;

/// Up to this many members are compared pairwise; more go through a set, so that a hostile body stays linear.
const PAIRWISE: usize = 24;

/// Why a body cannot be read; the text is meant for the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// The bytes are not UTF-8.
    NotUtf8 {
        /// Offset of the first wrong byte.
        at: usize,
    },
    /// The bytes are not JSON.
    Invalid {
        /// Offset of the first wrong byte.
        at: usize,
        /// What was expected or found there.
        what: &'static str,
    },
    /// Arrays and objects are nested too deeply.
    TooDeep,
    /// The body is JSON, but not an object.
    NotAnObject,
    /// A top-level field is there twice, so that two readers could see two requests.
    Duplicate {
        /// The field's name.
        field: String,
    },
    /// A field holds another type than it must.
    WrongType {
        /// The field's name.
        field: String,
        /// What it must hold.
        want: &'static str,
    },
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUtf8 { at } => write!(f, "The request body is not valid UTF-8 (byte {at})."),
            Self::Invalid { at, what } => write!(f, "The request body is not valid JSON: {what} at byte {at}."),
            Self::TooDeep => write!(f, "The request body is nested deeper than {MAX_DEPTH} levels."),
            Self::NotAnObject => f.write_str("The request body must be a JSON object."),
            Self::Duplicate { field } => {
                write!(f, "The request body has the field '{field}' twice.")
            }
            Self::WrongType { field, want } => {
                write!(f, "Invalid type for '{field}': expected {want}.")
            }
        }
    }
}

impl std::error::Error for BodyError {}

#[derive(Clone, Debug)]
struct Member {
    /// The key between its quotes, still escaped.
    key: Range<usize>,
    value: Range<usize>,
}

impl Member {
    /// Where the member begins: the key's opening quote.
    fn start(&self) -> usize {
        self.key.start.saturating_sub(1)
    }
}

/// A checked JSON object whose top-level members can be looked up and replaced.
#[derive(Clone, Debug)]
pub struct Body {
    bytes: Bytes,
    members: Vec<Member>,
    open: usize,
}

impl Body {
    /// Checks that `bytes` is one JSON object without duplicate members and notes where they are.
    pub fn scan(bytes: Bytes) -> Result<Self, BodyError> {
        if let Err(error) = std::str::from_utf8(&bytes) {
            return Err(BodyError::NotUtf8 { at: error.valid_up_to() });
        }
        let mut scanner = Scanner::new(&bytes);
        let (open, members) = scanner.object()?;
        let members: Vec<Member> = members.into_iter().map(|(key, value)| Member { key, value }).collect();
        let body = Self { bytes, members, open };
        body.refuse_duplicates()?;
        Ok(body)
    }

    /// The bytes this was made from.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The names of the members in order, unescaped.
    pub fn names(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.members.iter().map(|member| self.key_of(member))
    }

    /// A member's value as it stands in the body.
    pub fn raw(&self, field: &str) -> Option<&[u8]> {
        let member = self.members.iter().find(|member| self.is(member, field))?;
        self.bytes.get(member.value.clone())
    }

    /// Whether the member is there and not `null`.
    pub fn has(&self, field: &str) -> bool {
        self.value(field).is_some()
    }

    /// A text member, borrowed unless it holds escapes; absent and `null` are `None`.
    pub fn str(&self, field: &str) -> Result<Option<Cow<'_, str>>, BodyError> {
        let Some(raw) = self.value(field) else {
            return Ok(None);
        };
        unquote(raw).map(Some).ok_or_else(|| wrong(field, "a string"))
    }

    /// A boolean member; absent and `null` are `None`.
    pub fn bool(&self, field: &str) -> Result<Option<bool>, BodyError> {
        match self.value(field) {
            None => Ok(None),
            Some(b"true") => Ok(Some(true)),
            Some(b"false") => Ok(Some(false)),
            Some(_) => Err(wrong(field, "a boolean")),
        }
    }

    /// A whole, non-negative number member; absent and `null` are `None`.
    pub fn u64(&self, field: &str) -> Result<Option<u64>, BodyError> {
        let Some(raw) = self.value(field) else {
            return Ok(None);
        };
        let text = std::str::from_utf8(raw).unwrap_or_default();
        text.parse().map(Some).map_err(|_| wrong(field, "a non-negative integer"))
    }

    /// A member parsed into a type of the caller's; absent and `null` are `None`.
    pub fn get<T: DeserializeOwned>(&self, field: &str, want: &'static str) -> Result<Option<T>, BodyError> {
        let Some(raw) = self.value(field) else {
            return Ok(None);
        };
        serde_json::from_slice(raw).map(Some).map_err(|_| wrong(field, want))
    }

    /// An object member, itself ready to be looked into; absent and `null` are `None`.
    pub fn object(&self, field: &str) -> Result<Option<Self>, BodyError> {
        let Some(raw) = self.value(field) else {
            return Ok(None);
        };
        match Self::scan(self.bytes.slice_ref(raw)) {
            Ok(inner) => Ok(Some(inner)),
            Err(BodyError::NotAnObject) => Err(wrong(field, "an object")),
            Err(error) => Err(error),
        }
    }

    /// A text within an object member, as in `metadata.user_id`; a missing object is a missing text.
    pub fn str_in(&self, outer: &str, inner: &str) -> Result<Option<String>, BodyError> {
        let Some(object) = self.object(outer)? else {
            return Ok(None);
        };
        Ok(object.str(inner)?.map(Cow::into_owned))
    }

    /// Begins a change; nothing is copied before [`Edit::finish`].
    pub fn edit(&self) -> Edit<'_> {
        Edit { body: self, changes: Vec::new() }
    }

    fn value(&self, field: &str) -> Option<&[u8]> {
        self.raw(field).filter(|raw| *raw != b"null")
    }

    /// Whether a member has that name; one that is written without escapes is compared as it stands.
    fn is(&self, member: &Member, field: &str) -> bool {
        let key = self.bytes.get(member.key.clone()).unwrap_or_default();
        if memchr::memchr(b'\\', key).is_none() { key == field.as_bytes() } else { self.key_of(member) == field }
    }

    fn key_of(&self, member: &Member) -> Cow<'_, str> {
        let quoted = self.bytes.get(member.start()..member.key.end + 1).unwrap_or_default();
        unquote(quoted).unwrap_or_default()
    }

    fn refuse_duplicates(&self) -> Result<(), BodyError> {
        let twice = |field: Cow<'_, str>| BodyError::Duplicate { field: field.into_owned() };
        if self.members.len() <= PAIRWISE {
            for (at, member) in self.members.iter().enumerate() {
                let key = self.key_of(member);
                if self.members.iter().take(at).any(|other| self.is(other, &key)) {
                    return Err(twice(key));
                }
            }
            return Ok(());
        }
        let mut seen = HashSet::with_capacity(self.members.len());
        for member in &self.members {
            let key = self.key_of(member);
            if !seen.insert(key.clone()) {
                return Err(twice(key));
            }
        }
        Ok(())
    }
}

fn wrong(field: &str, want: &'static str) -> BodyError {
    BodyError::WrongType { field: field.to_owned(), want }
}

/// A JSON string without its quotes; `None` when `raw` is not a string or holds a broken escape.
fn unquote(raw: &[u8]) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if memchr::memchr(b'\\', inner).is_none() {
        return std::str::from_utf8(inner).ok().map(Cow::Borrowed);
    }
    serde_json::from_slice::<String>(raw).ok().map(Cow::Owned)
}

/// Changes to the top-level members of a [`Body`], applied in one copy.
#[derive(Debug)]
pub struct Edit<'a> {
    body: &'a Body,
    /// The last entry for a name counts; `None` removes.
    changes: Vec<(String, Option<Vec<u8>>)>,
}

impl Edit<'_> {
    /// Gives a member a new value (which must be JSON), in place or at the end.
    pub fn set_raw(&mut self, field: &str, json: Vec<u8>) -> &mut Self {
        self.changes.retain(|(name, _)| name != field);
        self.changes.push((field.to_owned(), Some(json)));
        self
    }

    /// Gives a member a text value.
    pub fn set_str(&mut self, field: &str, text: &str) -> &mut Self {
        self.set_raw(field, quote(text))
    }

    /// Gives a member a boolean value.
    pub fn set_bool(&mut self, field: &str, value: bool) -> &mut Self {
        self.set_raw(field, if value { b"true".to_vec() } else { b"false".to_vec() })
    }

    /// Takes a member away, if it is there.
    pub fn remove(&mut self, field: &str) -> &mut Self {
        self.changes.retain(|(name, _)| name != field);
        self.changes.push((field.to_owned(), None));
        self
    }

    /// Sets a member within an object member (which is made when missing), as in `stream_options.include_usage`.
    pub fn set_in(&mut self, outer: &str, inner: &str, json: Vec<u8>) -> Result<&mut Self, BodyError> {
        let object = match self.changes.iter().find(|(name, _)| name == outer) {
            Some((_, Some(changed))) => Some(Body::scan(Bytes::copy_from_slice(changed))?),
            Some((_, None)) => None,
            None => self.body.object(outer)?,
        };
        let value = match object {
            Some(object) => {
                let mut edit = object.edit();
                edit.set_raw(inner, json);
                edit.finish().to_vec()
            }
            None => {
                let mut fresh = b"{".to_vec();
                fresh.extend_from_slice(&quote(inner));
                fresh.push(b':');
                fresh.extend_from_slice(&json);
                fresh.push(b'}');
                fresh
            }
        };
        Ok(self.set_raw(outer, value))
    }

    /// The changed body; the very same bytes when nothing changes.
    pub fn finish(&self) -> Bytes {
        let body = self.body;
        let change = |key: &str| self.changes.iter().find(|(name, _)| name == key);
        let untouched = self.changes.iter().all(|(name, to)| match to {
            Some(json) => body.raw(name) == Some(json.as_slice()),
            None => body.raw(name).is_none(),
        });
        if untouched {
            return body.bytes.clone();
        }
        let grown: usize = self.changes.iter().map(|(name, to)| name.len() + 8 + to.as_ref().map_or(0, Vec::len)).sum();
        let mut out = Vec::with_capacity(body.bytes.len() + grown);
        let copy = |out: &mut Vec<u8>, range: Range<usize>| {
            out.extend_from_slice(body.bytes.get(range).unwrap_or_default());
        };
        copy(&mut out, 0..body.open + 1);
        let mut kept = false;
        let mut previous_end = body.open + 1;
        for member in &body.members {
            let key = body.key_of(member);
            // A comma belongs to the member behind it, so the first one kept must lose its own.
            let gap = previous_end..member.start();
            previous_end = member.value.end;
            let to = change(&key).map(|(_, to)| to);
            if matches!(to, Some(None)) {
                continue;
            }
            if kept {
                copy(&mut out, gap);
            } else {
                let blank = body.bytes.get(gap).unwrap_or_default();
                out.extend(blank.iter().filter(|b| **b != b','));
            }
            kept = true;
            copy(&mut out, member.start()..member.value.start);
            match to {
                Some(Some(json)) => out.extend_from_slice(json),
                _ => copy(&mut out, member.value.clone()),
            }
        }
        for (name, to) in &self.changes {
            let Some(json) = to else { continue };
            if body.raw(name).is_some() {
                continue;
            }
            if kept {
                out.push(b',');
            }
            kept = true;
            out.extend_from_slice(&quote(name));
            out.push(b':');
            out.extend_from_slice(json);
        }
        copy(&mut out, previous_end..body.bytes.len());
        Bytes::from(out)
    }
}

/// A text as a JSON string.
pub fn quote(text: &str) -> Vec<u8> {
    serde_json::Value::String(text.to_owned()).to_string().into_bytes()
}

#[cfg(test)]
mod tests;
