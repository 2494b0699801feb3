//! Where a caller's key is found: every header, query parameter and sub-protocol that clients of the vendors
//! put theirs in.

use std::borrow::Cow;

use http::HeaderMap;

use crate::wire::percent;

/// Beginning of the websocket sub-protocol that carries a key from a browser.
pub const SUBPROTOCOL: &str = "openai-insecure-api-key.";

const SHORTEST: usize = 10;
const LONGEST: usize = 512;

/// What was presented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presented<'a> {
    /// Nothing.
    Nothing,
    /// Something that can be no key.
    Malformed,
    /// A key.
    Key(Cow<'a, str>),
}

/// Looks in every place, the most particular first.
pub fn find<'a>(headers: &'a HeaderMap, query: &'a str) -> Presented<'a> {
    let text = |name: &str| {
        headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim).filter(|text| !text.is_empty())
    };
    let found = subprotocol(headers)
        .or_else(|| text("x-api-key"))
        .or_else(|| text("x-goog-api-key"))
        .map(Cow::Borrowed)
        // Google's clients put it into the query beside an `Authorization` of their own.
        .or_else(|| query_key(query))
        .or_else(|| text("authorization").and_then(authorization).map(Cow::Borrowed))
        .or_else(|| text("api-key").map(Cow::Borrowed))
        .or_else(|| text("mj-api-secret").map(Cow::Borrowed));
    match found {
        None => Presented::Nothing,
        Some(key) if !(SHORTEST..=LONGEST).contains(&key.len()) || !key.bytes().all(|b| b.is_ascii_graphic()) => {
            Presented::Malformed
        }
        Some(key) => Presented::Key(key),
    }
}

fn query_key(query: &str) -> Option<Cow<'_, str>> {
    // Most queries are empty or hold no key.
    if !query.contains("key=") {
        return None;
    }
    percent::query_value(query, "key").filter(|key| !key.is_empty()).map(Cow::Owned)
}

fn subprotocol(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all("sec-websocket-protocol")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .find_map(|word| word.trim().strip_prefix(SUBPROTOCOL))
        .filter(|key| !key.is_empty())
}

/// `Bearer key`, a bare key, or AWS's signature, whose access key id then is the key.
fn authorization(value: &str) -> Option<&str> {
    let (scheme, rest) = match value.split_once(' ') {
        Some((scheme, rest)) => (scheme, rest.trim()),
        None => return Some(value).filter(|bare| *bare != "midjourney-proxy" && !bare.eq_ignore_ascii_case("bearer")),
    };
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest).filter(|key| *key != "midjourney-proxy" && !key.is_empty());
    }
    if scheme.starts_with("AWS4-") {
        // AWS's clients can only sign; their access key id is all that names the caller.
        return rest.split(',').find_map(|part| part.trim().strip_prefix("Credential="))?.split('/').next();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn found(headers: &[(&'static str, &str)], query: &str) -> Option<String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_str(value).expect("a value"));
        }
        match find(&map, query) {
            Presented::Key(key) => Some(key.into_owned()),
            Presented::Nothing => None,
            Presented::Malformed => Some("malformed".into()),
        }
    }

    const KEY: &str = "sk-0123456789";

    #[test]
    fn every_place_is_looked_into() {
        let bearer = format!("Bearer {KEY}");
        let lower = format!("bearer  {KEY} ");
        let aws = format!(
            "AWS4-HMAC-SHA256 Credential={KEY}/20261121/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=00"
        );
        let protocols = format!("realtime, openai-insecure-api-key.{KEY}, openai-beta.realtime-v1");
        for header in [
            ("authorization", bearer.as_str()),
            ("authorization", &lower),
            ("authorization", KEY),
            ("authorization", &aws),
            ("x-api-key", KEY),
            ("x-goog-api-key", KEY),
            ("api-key", KEY),
            ("mj-api-secret", KEY),
            ("sec-websocket-protocol", &protocols),
        ] {
            assert_eq!(found(&[header], "").as_deref(), Some(KEY), "{header:?}");
        }
        assert_eq!(found(&[], "alt=sse&key=sk-0123456789").as_deref(), Some(KEY));
        assert_eq!(
            found(&[("authorization", "Bearer midjourney-proxy"), ("mj-api-secret", KEY)], "").as_deref(),
            Some(KEY)
        );
    }

    #[test]
    fn the_most_particular_place_wins() {
        let other = ("authorization", "Bearer sk-other-key-000");
        assert_eq!(found(&[other, ("x-api-key", KEY)], "").as_deref(), Some(KEY));
        assert_eq!(found(&[other], "key=sk-0123456789").as_deref(), Some(KEY));
    }

    #[test]
    fn nothing_and_nonsense_are_told_apart() {
        let long = "x".repeat(513);
        assert_eq!(found(&[], "monkey=1"), None);
        assert_eq!(found(&[("authorization", "Basic dXNlcjpwYXNz")], ""), None);
        assert_eq!(found(&[("authorization", "Bearer ")], ""), None);
        for bad in ["short", long.as_str()] {
            assert_eq!(found(&[("x-api-key", bad)], "").as_deref(), Some("malformed"), "{bad}");
        }
    }
}
