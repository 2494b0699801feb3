//! What a caller attaches to a call for books of its own: carried into the log of calls, never to the vendor
//! by header.

use serde_json::{Map, Value};

use super::{Call, Content};
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
