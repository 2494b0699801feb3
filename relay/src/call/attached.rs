//! What a caller attaches to a call for books of its own: carried into the log of calls, never to the vendor.

use serde_json::{Map, Value};

use super::{Call, Content};
use crate::convert::edit::Body;
use crate::wire::percent;

/// What may be attached: the name in the log, the header (its text percent-encoded, since headers hold no
/// others' letters), and the name in the body's `metadata`.
const FIELDS: &[(&str, &str)] = &[("accountBookId", "x-account-book-id"), ("accountBookName", "x-account-book-name")];
/// Longest text that is attached.
const LONGEST: usize = 200;

/// What a call carries, as a JSON document; empty when it carries nothing.
pub fn of(call: &Call) -> String {
    let mut found = Map::new();
    for (name, header) in FIELDS {
        let by_header =
            call.headers.get(*header).and_then(|value| value.to_str().ok()).map(|text| percent::decode(text, false));
        let text = by_header.or_else(|| match &call.content {
            Content::Json(body) => body.str_in("metadata", name).ok().flatten(),
            Content::Empty | Content::Raw(_) => None,
        });
        let text = text.map(|text| text.chars().filter(|c| !c.is_control()).take(LONGEST).collect::<String>());
        if let Some(text) = text.filter(|text| !text.trim().is_empty()) {
            found.insert((*name).to_owned(), text.into());
        }
    }
    if found.is_empty() { String::new() } else { Value::Object(found).to_string() }
}

/// Takes out of the body what was attached there; the rest of its `metadata` is the vendor's.
pub fn strip(call: &mut Call) {
    let Content::Json(body) = &call.content else { return };
    let Ok(Some(metadata)) = body.object("metadata") else { return };
    if !FIELDS.iter().any(|(name, _)| metadata.has(name)) {
        return;
    }
    let mut inner = metadata.edit();
    for (name, _) in FIELDS {
        inner.remove(name);
    }
    let inner = inner.finish();
    let mut edit = body.edit();
    if inner.iter().any(|byte| !matches!(byte, b'{' | b'}') && !byte.is_ascii_whitespace()) {
        edit.set_raw("metadata", inner.to_vec());
    } else {
        edit.remove("metadata");
    }
    if let Ok(stripped) = Body::scan(edit.finish()) {
        call.content = Content::Json(stripped);
    }
}
