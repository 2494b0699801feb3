//! Looking into an event of a stream without parsing it: which words it holds, and which event it is.

use std::sync::LazyLock;

use memchr::memmem::{self, Finder};

use super::Kind;

/// The ids of the items of a response, given it or the event that holds it.
pub fn response_items(data: &[u8]) -> Vec<String> {
    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct Item {
        id: Option<String>,
    }
    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct Response {
        output: Vec<Item>,
        response: Option<Box<Response>>,
    }
    let found: Response = serde_json::from_slice(data).unwrap_or_default();
    let output = found.response.map_or(found.output, |inner| inner.output);
    output.into_iter().filter_map(|item| item.id).collect()
}

/// The keys under which a stream carries model text, each with its length.
pub(super) fn text_keys(kind: Kind) -> &'static [(Finder<'static>, usize)] {
    fn finders(keys: &[&'static str]) -> Vec<(Finder<'static>, usize)> {
        keys.iter().map(|key| (Finder::new(key.as_bytes()), key.len())).collect()
    }
    static CHAT: LazyLock<Vec<(Finder<'static>, usize)>> =
        LazyLock::new(|| finders(&["\"content\"", "\"arguments\"", "\"reasoning_content\"", "\"text\""]));
    static MESSAGES: LazyLock<Vec<(Finder<'static>, usize)>> =
        LazyLock::new(|| finders(&["\"text\"", "\"thinking\"", "\"partial_json\""]));
    static GEMINI: LazyLock<Vec<(Finder<'static>, usize)>> =
        LazyLock::new(|| finders(&["\"text\"", "\"name\"", "\"data\""]));
    static RESPONSES: LazyLock<Vec<(Finder<'static>, usize)>> = LazyLock::new(|| finders(&["\"delta\""]));
    match kind {
        Kind::Chat => &CHAT,
        Kind::Messages => &MESSAGES,
        Kind::Gemini => &GEMINI,
        Kind::Responses | Kind::Media => &RESPONSES,
    }
}

/// The inside of the JSON string that follows a key's closing quote: `: "…"`.
pub(super) fn string_after(rest: &[u8]) -> Option<&[u8]> {
    let rest = rest.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start().strip_prefix(b"\"")?;
    let mut from = 0;
    loop {
        let at = from + memchr::memchr2(b'"', b'\\', rest.get(from..)?)?;
        if rest.get(at) == Some(&b'"') {
            return rest.get(..at);
        }
        from = at + 2;
    }
}

/// Whether a key is there with a text value (not `null`).
pub(super) fn has_text_value(data: &[u8], key: &[u8]) -> bool {
    memmem::find_iter(data, key).any(|at| string_after(data.get(at + key.len()..).unwrap_or_default()).is_some())
}

/// Whether the object's first member says `"type": name`.
pub(super) fn type_is(data: &[u8], name: &str) -> bool {
    let first = data.trim_ascii_start().strip_prefix(b"{").map(<[u8]>::trim_ascii_start);
    first.and_then(|rest| rest.strip_prefix(b"\"type\"")).and_then(string_after) == Some(name.as_bytes())
}

pub(super) fn first_key_is_error(data: &[u8]) -> bool {
    let first = data.trim_ascii_start().strip_prefix(b"{").map(<[u8]>::trim_ascii_start);
    first.is_some_and(|rest| rest.starts_with(b"\"error\""))
}
