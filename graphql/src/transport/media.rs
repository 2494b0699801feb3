//! Which media types a request offers and accepts.

use http::{HeaderMap, header};

use super::code::{Fault, HttpFault};

/// The two forms of a single answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// `application/json`: refusals of the document keep status 200.
    Json,
    /// `application/graphql-response+json`: the status tells.
    GraphqlResponse,
}

impl Media {
    /// The header's value.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json; charset=utf-8",
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
        }
    }
}

/// What a caller accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepts {
    /// The best form of a single answer, if any will do.
    pub single: Option<Media>,
    /// Whether an event stream was named.
    pub stream: bool,
    /// Whether subscriptions in parts were named (`multipart/mixed` with `subscriptionSpec=1.0`).
    pub parts: bool,
}

impl Accepts {
    /// The form for refusals: of a caller that takes only event streams, the one that tells by status.
    pub fn refusal(self) -> Media {
        self.single.unwrap_or(if self.stream || self.parts { Media::GraphqlResponse } else { Media::Json })
    }
}

/// Reads `Accept`. A missing one, and `*/*`, mean `application/json`.
pub fn accepts(headers: &HeaderMap) -> Result<Accepts, Fault> {
    let mut ranges = Vec::new();
    let mut parts = false;
    for value in headers.get_all(header::ACCEPT) {
        // An unreadable header says nothing we could honour.
        let value = value.to_str().unwrap_or_default();
        ranges.extend(value.split(',').filter_map(range));
        parts |= value.split(',').any(takes_parts);
    }
    if ranges.is_empty() {
        return Ok(Accepts { single: Some(Media::Json), stream: false, parts: false });
    }
    let stream = quality(&ranges, &["text/event-stream"]) > 0;
    let named = [
        (Media::GraphqlResponse, quality(&ranges, &["application/graphql-response+json"])),
        (Media::Json, quality(&ranges, &["application/json"])),
    ];
    // Named types first, the more telling one at equal weight; then wildcards.
    let mut best: Option<(Media, u16)> = None;
    for (media, weight) in named {
        if weight > best.map_or(0, |(_, best)| best) {
            best = Some((media, weight));
        }
    }
    let refused = |name: &str| ranges.iter().any(|(range, weight)| range == name && *weight == 0);
    let single = best.map(|(media, _)| media).or_else(|| {
        let any = quality(&ranges, &["application/*", "*/*"]) > 0;
        [(Media::Json, "application/json"), (Media::GraphqlResponse, "application/graphql-response+json")]
            .into_iter()
            .find(|(_, name)| any && !refused(name))
            .map(|(media, _)| media)
    });
    if single.is_none() && !stream && !parts {
        return Err(Fault::http(
            HttpFault::NotAcceptable,
            "Answers are application/graphql-response+json, application/json or text/event-stream.",
        ));
    }
    Ok(Accepts { single, stream, parts })
}

/// Whether a media range names subscriptions in parts. `multipart/mixed` alone means other things, too.
fn takes_parts(part: &str) -> bool {
    let part = part.to_ascii_lowercase();
    let mut pieces = part.split(';').map(str::trim);
    pieces.next() == Some("multipart/mixed")
        && pieces.any(|piece| {
            piece.split_once('=').is_some_and(|(name, value)| {
                name.trim() == "subscriptionspec" && value.trim().trim_matches('"').starts_with("1.")
            })
        })
        && range(&part).is_some_and(|(_, weight)| weight > 0)
}

/// A media range in small letters and its weight in thousandths.
fn range(part: &str) -> Option<(String, u16)> {
    let mut pieces = part.split(';').map(str::trim);
    let name = pieces.next()?.to_ascii_lowercase();
    let weight =
        pieces.find_map(|piece| piece.strip_prefix("q=").or_else(|| piece.strip_prefix("Q="))).map_or(1000, |weight| {
            let weight: f32 = weight.trim().parse().unwrap_or(0.0);
            (weight.clamp(0.0, 1.0) * 1000.0) as u16
        });
    (!name.is_empty()).then_some((name, weight))
}

fn quality(ranges: &[(String, u16)], names: &[&str]) -> u16 {
    ranges.iter().filter(|(range, _)| names.contains(&range.as_str())).map(|(_, weight)| *weight).max().unwrap_or(0)
}

/// Whether a body may be read: JSON in UTF-8, not compressed.
pub fn body_is_json(headers: &HeaderMap) -> Result<(), Fault> {
    let refuse = |why: &'static str| Err(Fault::http(HttpFault::MediaType, why));
    let encoded = headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"));
    if encoded {
        return refuse("Compressed requests are not accepted.");
    }
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(only), None) = (types.next(), types.next()) else {
        return refuse("Send the request as Content-Type: application/json.");
    };
    let value = only.to_str().unwrap_or_default().to_ascii_lowercase();
    let mut pieces = value.split(';').map(str::trim);
    if pieces.next() != Some("application/json") {
        return refuse("Send the request as Content-Type: application/json.");
    }
    let foreign = pieces
        .filter_map(|piece| piece.strip_prefix("charset="))
        .any(|charset| !matches!(charset.trim_matches('"'), "utf-8" | "utf8"));
    if foreign {
        return refuse("Only UTF-8 is accepted.");
    }
    Ok(())
}

/// Headers a page of another origin cannot send without asking first.
const PREFLIGHT: [&str; 4] =
    ["authorization", "graphql-require-preflight", "x-apollo-operation-name", "apollo-require-preflight"];

/// Whether a GET shows that no foreign page could have caused it.
pub fn proves_intent(headers: &HeaderMap) -> bool {
    PREFLIGHT.iter().any(|name| headers.contains_key(*name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(value: &'static str) -> Option<(Option<Media>, bool)> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, value.parse().unwrap());
        accepts(&headers).ok().map(|accepts| (accepts.single, accepts.stream))
    }

    #[test]
    fn chooses_the_form_of_the_answer() {
        let (json, telling) = (Some(Media::Json), Some(Media::GraphqlResponse));
        assert_eq!(accepts(&HeaderMap::new()).unwrap().single, json);
        assert_eq!(accept("*/*"), Some((json, false)));
        assert_eq!(accept("application/*;q=0.1"), Some((json, false)));
        assert_eq!(accept("application/json"), Some((json, false)));
        assert_eq!(accept("application/graphql-response+json, application/json;q=0.9"), Some((telling, false)));
        assert_eq!(accept("application/json, application/graphql-response+json;q=0.5"), Some((json, false)));
        assert_eq!(accept("application/json;q=0, */*"), Some((telling, false)));
        assert_eq!(accept("text/event-stream"), Some((None, true)));
        assert_eq!(accept("application/json, text/event-stream, multipart/mixed"), Some((json, true)));
        assert_eq!(accept("text/html"), None);
        assert_eq!(accept("application/json;q=0"), None);
    }

    #[test]
    fn subscriptions_in_parts_are_asked_for_by_their_parameter() {
        let parts = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, value.parse().unwrap());
            accepts(&headers).map(|accepts| (accepts.parts, accepts.stream, accepts.single)).ok()
        };
        let telling = Some(Media::GraphqlResponse);
        let asked = "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/graphql-response+json";
        assert_eq!(parts(asked), Some((true, false, telling)));
        assert_eq!(parts("multipart/mixed; boundary=\"-\"; subscriptionSpec=\"1.0\""), Some((true, false, None)));
        assert_eq!(parts("multipart/mixed;deferSpec=20220824, application/json").map(|p| p.0), Some(false));
        assert_eq!(parts("multipart/mixed;subscriptionSpec=1.0;q=0, application/json").map(|p| p.0), Some(false));
        assert_eq!(parts("multipart/mixed"), None);
    }

    #[test]
    fn only_plain_json_is_read() {
        let with = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, value.parse().unwrap());
            }
            body_is_json(&headers).is_ok()
        };
        assert!(with(&[("content-type", "application/json")]));
        assert!(with(&[("content-type", "Application/JSON; charset=UTF-8")]));
        for refused in [
            "text/plain",
            "multipart/form-data; boundary=x",
            "application/x-www-form-urlencoded",
            "application/json; charset=utf-16",
            "application/jsonp",
        ] {
            assert!(!with(&[("content-type", refused)]), "{refused}");
        }
        assert!(!with(&[]));
        assert!(!with(&[("content-type", "application/json"), ("content-type", "text/plain")]));
        assert!(!with(&[("content-type", "application/json"), ("content-encoding", "gzip")]));
    }
}
