//! Which conversation a call belongs to: what makes the next turn meet the same account and its prompt cache.
//!
//! The name is only ever used together with the key's id, so no two keys share one.

use std::fmt::Write;

use http::HeaderMap;
use ring::digest::{Context, SHA256};

use crate::convert::edit::Body;
use crate::provider::{Dialect, client};

/// Headers in which clients name their session.
const HEADERS: &[&str] =
    &["x-claude-code-session-id", "session-id", "session_id", "x-session-id", "thread-id", "conversation_id"];
/// How much of an opening is looked at: enough to tell conversations apart, little enough to cost nothing.
const OPENING: usize = 16 << 10;

/// The name of a call's conversation; `None` where nothing tells one from another.
pub fn name(headers: &HeaderMap, dialect: Dialect, body: Option<&Body>) -> Option<String> {
    named(headers, dialect, body).or_else(|| opening(dialect, body?))
}

/// The same where the client itself names its session.
pub fn named(headers: &HeaderMap, dialect: Dialect, body: Option<&Body>) -> Option<String> {
    let named = HEADERS.iter().find_map(|name| headers.get(*name)).map(|value| value.as_bytes().to_vec());
    if let Some(session) = named.filter(|session| !session.is_empty()) {
        return Some(digest(b"header", &[&session]));
    }
    told(dialect, body?).map(|session| digest(b"body", &[session.as_bytes()]))
}

/// A session that the body names.
fn told(dialect: Dialect, body: &Body) -> Option<String> {
    match dialect {
        Dialect::Messages | Dialect::Invoke => {
            let user = body.str_in("metadata", "user_id").ok().flatten()?;
            client::claude_code_session(&user)
        }
        Dialect::Chat | Dialect::Responses => {
            body.str("prompt_cache_key").ok().flatten().map(std::borrow::Cow::into_owned).filter(|key| !key.is_empty())
        }
        Dialect::CodeAssist => body.str_in("request", "session_id").ok().flatten().filter(|id| !id.is_empty()),
        _ => None,
    }
}

/// The instructions and the first turn, which every later turn repeats.
fn opening(dialect: Dialect, body: &Body) -> Option<String> {
    let (system, turns): (&[&str], &str) = match dialect {
        Dialect::Chat => (&[], "messages"),
        Dialect::Messages | Dialect::Invoke | Dialect::Converse => (&["system"], "messages"),
        Dialect::Gemini => (&["systemInstruction", "system_instruction", "cachedContent"], "contents"),
        Dialect::Responses => (&["instructions"], "input"),
        _ => return None,
    };
    let mut parts: Vec<&[u8]> = system.iter().filter_map(|field| body.raw(field)).map(cut).collect();
    // In chat the system message is the first turn, so the question is the second.
    let wanted = if dialect == Dialect::Chat { 2 } else { 1 };
    let turns = body.raw(turns)?;
    if turns.first() == Some(&b'[') {
        parts.extend(elements(turns).take(wanted).map(cut));
    } else {
        parts.push(cut(turns));
    }
    Some(digest(b"opening", &parts))
}

fn cut(bytes: &[u8]) -> &[u8] {
    bytes.get(..OPENING).unwrap_or(bytes)
}

/// The elements of a JSON array that is known to be sound.
pub(super) fn elements(array: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut at = 1;
    std::iter::from_fn(move || {
        let start = at + array.get(at..)?.iter().position(|b| !matches!(b, b' ' | b'\n' | b'\r' | b'\t' | b','))?;
        if array.get(start) == Some(&b']') {
            return None;
        }
        let (mut depth, mut end) = (0usize, start);
        while let Some(byte) = array.get(end) {
            match byte {
                b'"' => end += text(array.get(end..)?),
                b'{' | b'[' => depth += 1,
                b'}' | b']' if depth > 0 => depth -= 1,
                b',' | b']' if depth == 0 => {
                    at = end;
                    return array.get(start..end);
                }
                _ => {}
            }
            end += 1;
        }
        at = array.len();
        None
    })
}

/// How far the closing quote of the string is that begins here.
fn text(string: &[u8]) -> usize {
    let mut at = 1;
    while let Some(found) = string.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found;
        if string.get(at) == Some(&b'"') {
            return at;
        }
        at += 2;
    }
    string.len()
}

fn digest(kind: &[u8], parts: &[&[u8]]) -> String {
    let mut context = Context::new(&SHA256);
    context.update(kind);
    for part in parts {
        context.update(&(part.len() as u64).to_le_bytes());
        context.update(part);
    }
    context.finish().as_ref().iter().take(12).fold(String::with_capacity(24), |mut name, byte| {
        let _infallible = write!(name, "{byte:02x}");
        name
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderValue;

    use super::*;

    fn of(dialect: Dialect, body: &'static str) -> Option<String> {
        name(&HeaderMap::new(), dialect, Some(&Body::scan(Bytes::from_static(body.as_bytes())).unwrap()))
    }

    #[test]
    fn later_turns_keep_the_name_and_other_openings_do_not() {
        let first = of(
            Dialect::Chat,
            r#"{"messages":[{"role":"system","content":"s"},{"role":"user","content":"a, [b] \"}"}]}"#,
        );
        let later = of(
            Dialect::Chat,
            r#"{"messages":[{"role":"system","content":"s"},{"role":"user","content":"a, [b] \"}"},{"role":"assistant","content":"x"}]}"#,
        );
        let other =
            of(Dialect::Chat, r#"{"messages":[{"role":"system","content":"s"},{"role":"user","content":"b"}]}"#);
        assert!(first.is_some() && first == later && first != other);
        let (a, b) = (
            of(Dialect::Messages, r#"{"system":"x","messages":[{"role":"user"}]}"#),
            of(Dialect::Messages, r#"{"system":"y","messages":[{"role":"user"}]}"#),
        );
        assert_ne!(a, b);
        assert_eq!(of(Dialect::Responses, r#"{"input":"hi"}"#), of(Dialect::Responses, r#"{"input":"hi","x":1}"#));
        assert_eq!(of(Dialect::Embeddings, r#"{"input":"hi"}"#), None);
        assert_eq!(of(Dialect::Chat, "{}"), None);
    }

    #[test]
    fn what_clients_say_goes_before_what_is_guessed() {
        let user = r#"{"metadata":{"user_id":"{\"device_id\":\"d\",\"session_id\":\"s1\"}"},"messages":[{"role":"user","content":"1"}]}"#;
        let same = r#"{"metadata":{"user_id":"{\"device_id\":\"d\",\"session_id\":\"s1\"}"},"messages":[{"role":"user","content":"2"}]}"#;
        assert_eq!(of(Dialect::Messages, user), of(Dialect::Messages, same));
        assert_eq!(
            of(Dialect::Responses, r#"{"prompt_cache_key":"k","input":"1"}"#),
            of(Dialect::Responses, r#"{"prompt_cache_key":"k","input":"2"}"#)
        );
        let mut headers = HeaderMap::new();
        headers.insert("session-id", HeaderValue::from_static("abc"));
        assert_eq!(name(&headers, Dialect::Chat, None), name(&headers, Dialect::Responses, None));
        assert!(name(&headers, Dialect::Chat, None).is_some());
        assert_eq!(name(&HeaderMap::new(), Dialect::Chat, None), None);
    }

    #[test]
    fn elements_are_cut_where_they_end() {
        let list: Vec<_> = elements(br#"[ {"a":[1,2,"],"]} , "x,]" ,3]"#).collect();
        assert_eq!(list, [br#"{"a":[1,2,"],"]} "#.as_slice(), br#""x,]" "#, b"3"]);
        assert_eq!(elements(b"[]").count(), 0);
        assert_eq!(elements(b"[").count(), 0);
    }
}
