//! Edits of a JSON object's top level without parsing what lies below it.
//!
//! A prompt may be hundreds of kilobytes; renaming its `model` must not build a tree of it. Members
//! that no edit names keep their bytes, so fields that this relay has never heard of survive.

use std::borrow::Cow;

use bytes::Bytes;

use super::WireError;

/// One change of the top level; values are raw JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit<'a> {
    /// Replaces the member, or adds it at the end.
    Set(&'a str, Cow<'a, str>),
    /// Drops the member if it is there.
    Remove(&'a str),
}

impl<'a> Edit<'a> {
    /// Sets a member to a string.
    pub fn text(name: &'a str, value: &str) -> Self {
        Self::Set(name, Cow::Owned(serde_json::Value::from(value).to_string()))
    }

    /// Sets a member to raw JSON.
    pub fn raw(name: &'a str, json: impl Into<Cow<'a, str>>) -> Self {
        Self::Set(name, json.into())
    }

    fn name(&self) -> &str {
        match self {
            Self::Set(name, _) | Self::Remove(name) => name,
        }
    }
}

/// One member of an object as it stands in the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// The name, unescaped.
    pub name: Cow<'a, str>,
    /// The name as written, quotes included.
    pub raw_name: &'a [u8],
    /// The value's bytes, without space around them.
    pub value: &'a [u8],
}

/// The members of a JSON object in order; fails where the text is not one object.
pub fn members(body: &[u8]) -> Result<Vec<Member<'_>>, WireError> {
    let mut scan = Scan { body, at: 0 };
    scan.space();
    scan.expect(b'{')?;
    let mut found = Vec::new();
    scan.space();
    if scan.peek() == Some(b'}') {
        scan.at += 1;
    } else {
        loop {
            scan.space();
            let start = scan.at;
            scan.string()?;
            let raw_name = &body[start..scan.at];
            scan.space();
            scan.expect(b':')?;
            scan.space();
            let start = scan.at;
            scan.value()?;
            let value = &body[start..scan.at];
            found.push(Member {
                name: unescape(raw_name)?,
                raw_name,
                value,
            });
            scan.space();
            match scan.peek() {
                Some(b',') => scan.at += 1,
                Some(b'}') => {
                    scan.at += 1;
                    break;
                }
                _ => return Err(scan.fault()),
            }
        }
    }
    scan.space();
    if scan.at == body.len() {
        Ok(found)
    } else {
        Err(scan.fault())
    }
}

/// The raw value of one top-level member; the first, should the name stand twice.
pub fn get<'a>(body: &'a [u8], name: &str) -> Option<&'a [u8]> {
    members(body)
        .ok()?
        .into_iter()
        .find(|member| member.name == name)
        .map(|member| member.value)
}

/// The value of one top-level member if it is a string.
pub fn get_text(body: &[u8], name: &str) -> Option<String> {
    serde_json::from_slice(get(body, name)?).ok()
}

/// Carries the edits out; the very same bytes come back when nothing changes.
///
/// A member that an edit sets and that stands twice keeps its first place only, so that no second
/// `model` can reach a vendor that reads the last one.
pub fn apply(body: &Bytes, edits: &[Edit<'_>]) -> Result<Bytes, WireError> {
    if edits.is_empty() {
        return Ok(body.clone());
    }
    let found = members(body)?;
    let mut done = vec![false; edits.len()];
    let mut changed = false;
    let mut out = Vec::with_capacity(body.len() + 64);
    out.push(b'{');
    let mut write = |name: &[u8], value: &[u8]| {
        if out.len() > 1 {
            out.push(b',');
        }
        out.extend_from_slice(name);
        out.push(b':');
        out.extend_from_slice(value);
    };
    for member in &found {
        // The last edit of a name wins, as if they were carried out one after the other.
        match edits.iter().rposition(|edit| edit.name() == member.name) {
            None => write(member.raw_name, member.value),
            Some(at) => match &edits[at] {
                Edit::Set(_, value) if !done[at] => {
                    done[at] = true;
                    changed |= value.as_bytes() != member.value;
                    write(member.raw_name, value.as_bytes());
                }
                _ => changed = true,
            },
        }
    }
    for (at, edit) in edits.iter().enumerate() {
        let last = edits.iter().rposition(|other| other.name() == edit.name()) == Some(at);
        if let (Edit::Set(name, value), false, true) = (edit, done[at], last) {
            changed = true;
            write(
                serde_json::Value::from(*name).to_string().as_bytes(),
                value.as_bytes(),
            );
        }
    }
    out.push(b'}');
    Ok(if changed { out.into() } else { body.clone() })
}

fn unescape(raw: &[u8]) -> Result<Cow<'_, str>, WireError> {
    let fault = || WireError::Body("a member's name is not a JSON string".into());
    if raw.contains(&b'\\') {
        return serde_json::from_slice::<String>(raw)
            .map(Cow::Owned)
            .map_err(|_| fault());
    }
    let inner = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
    std::str::from_utf8(inner)
        .map(Cow::Borrowed)
        .map_err(|_| fault())
}

struct Scan<'a> {
    body: &'a [u8],
    at: usize,
}

impl Scan<'_> {
    fn peek(&self) -> Option<u8> {
        self.body.get(self.at).copied()
    }

    fn fault(&self) -> WireError {
        WireError::Body(format!(
            "the body is not a JSON object (at byte {})",
            self.at
        ))
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), WireError> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(self.fault())
        }
    }

    fn string(&mut self) -> Result<(), WireError> {
        self.expect(b'"')?;
        loop {
            let rest = &self.body[self.at..];
            let Some(step) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\')) else {
                self.at = self.body.len();
                return Err(self.fault());
            };
            self.at += step + 1;
            if rest[step] == b'"' {
                return Ok(());
            }
            // The escaped character, whatever it is, does not end the string.
            if self.at >= self.body.len() {
                return Err(self.fault());
            }
            self.at += 1;
        }
    }

    fn value(&mut self) -> Result<(), WireError> {
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b'{' | b'[') => self.nest(),
            Some(b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => {
                while matches!(
                    self.peek(),
                    Some(b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'E')
                ) {
                    self.at += 1;
                }
                Ok(())
            }
            _ => Err(self.fault()),
        }
    }

    fn nest(&mut self) -> Result<(), WireError> {
        let mut depth = 0_usize;
        loop {
            match self.peek() {
                None => return Err(self.fault()),
                Some(b'"') => {
                    self.string()?;
                    continue;
                }
                Some(b'{' | b'[') => depth += 1,
                Some(b'}' | b']') => depth -= 1,
                Some(_) => {}
            }
            self.at += 1;
            if depth == 0 {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(body: &'static str, edits: &[Edit<'_>]) -> String {
        let out = apply(&Bytes::from_static(body.as_bytes()), edits).expect("an object");
        String::from_utf8(out.to_vec()).expect("UTF-8")
    }

    #[test]
    fn unknown_members_keep_their_bytes() {
        let body = r#"{ "model" : "a", "x":{"model":"deep","n": 1.50,"s":"}\""} ,"odd":[1, 2] }"#;
        assert_eq!(
            edited(
                body,
                &[
                    Edit::text("model", "b\"c"),
                    Edit::Remove("odd"),
                    Edit::raw("store", "false")
                ]
            ),
            r#"{"model":"b\"c","x":{"model":"deep","n": 1.50,"s":"}\""},"store":false}"#
        );
    }

    #[test]
    fn nothing_to_do_returns_the_same_bytes() {
        let body = Bytes::from_static(b"{ \"model\" : \"a\" }");
        for edits in [
            vec![],
            vec![Edit::text("model", "a")],
            vec![Edit::Remove("absent")],
        ] {
            let out = apply(&body, &edits).expect("an object");
            assert_eq!(out.as_ptr(), body.as_ptr());
        }
    }

    #[test]
    fn a_second_member_of_the_name_cannot_slip_through() {
        assert_eq!(
            edited(
                r#"{"model":"a","\u006dodel":"dear"}"#,
                &[Edit::text("model", "b")]
            ),
            r#"{"model":"b"}"#
        );
        assert_eq!(edited(r#"{"a":1,"a":2}"#, &[Edit::Remove("a")]), "{}");
    }

    #[test]
    fn the_last_edit_of_a_name_wins() {
        assert_eq!(
            edited(r#"{"a":1}"#, &[Edit::raw("a", "2"), Edit::raw("a", "3")]),
            r#"{"a":3}"#
        );
        assert_eq!(
            edited("{}", &[Edit::raw("a", "2"), Edit::Remove("a")]),
            "{}"
        );
        assert_eq!(edited(" { } ", &[Edit::raw("a", "2")]), r#"{"a":2}"#);
    }

    #[test]
    fn what_is_not_one_object_is_refused() {
        for body in [
            "",
            "[]",
            "{",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":1",
            "{\"a\":\"x",
            "{\"a\":\"\\",
            "{\"a\":[1}",
            "{} {}",
            "{\"a\":1,}",
            "{a:1}",
            "{\"a\":}",
        ] {
            // A bracket closed by a brace ends the value early and then fails at the end of text.
            assert!(members(body.as_bytes()).is_err(), "{body}");
        }
        assert_eq!(
            get_text(br#"{"a":"\u00e9","b":1}"#, "a").as_deref(),
            Some("é")
        );
        assert_eq!(get_text(br#"{"a":"x","b":1}"#, "b"), None);
    }
}
