//! Which headers cross the relay, each way.
//!
//! Towards a vendor a header crosses only if a list names it: what a client sends may hold its key, its
//! address or its cookies. Towards the client everything crosses but what belongs to the connection or
//! names the account.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue};

/// The vendors' families of headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// OpenAI and whatever is compatible with it.
    OpenAi,
    /// Codex with a ChatGPT login.
    Codex,
    /// Anthropic and whatever is compatible with it.
    Anthropic,
    /// Gemini, Code Assist and Vertex.
    Google,
    /// Bedrock.
    Aws,
    /// Task services: Midjourney, Suno, Kling, video.
    Task,
}

/// Never forwarded, whatever a list says: credentials, the connection, the client's own network.
const NEVER: &[&str] = &[
    "authorization",
    "x-api-key",
    "x-goog-api-key",
    "api-key",
    "mj-api-secret",
    "cookie",
    "set-cookie",
    "host",
    "content-length",
    "accept-encoding",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
    "expect",
    "forwarded",
    "via",
    "x-real-ip",
    "true-client-ip",
    "x-amz-security-token",
    "chatgpt-account-id",
    "x-goog-user-project",
];
const NEVER_BEGINS: &[&str] = &["proxy-", "sec-websocket-", "x-forwarded-", "cf-"];

/// Forwarded to every vendor whose dialect the client speaks.
const COMMON: &[&str] = &[
    "accept",
    "content-type",
    "user-agent",
    "accept-language",
    "idempotency-key",
    "x-client-request-id",
    "x-stainless-*",
];

fn allowed(family: Family) -> &'static [&'static str] {
    match family {
        Family::OpenAi => &["openai-beta", "x-openai-*", "http-referer", "x-title", "x-request-id"],
        Family::Codex => &[
            "openai-beta",
            "originator",
            "version",
            "session-id",
            "session_id",
            "thread-id",
            "thread_id",
            "conversation_id",
            "x-codex-*",
            "x-openai-*",
            "content-encoding",
        ],
        Family::Anthropic => &["anthropic-*", "x-app", "x-claude-*"],
        Family::Google => &["x-goog-api-client", "x-gemini-*", "x-server-timeout", "x-vertex-ai-*"],
        Family::Aws => &["x-amzn-bedrock-*"],
        Family::Task => &[],
    }
}

/// The client's headers that go on to a vendor of that family.
///
/// `same_dialect` says that the client speaks what the vendor hears; a translated call carries no header
/// that describes the client's own dialect.
pub fn forward(client: &HeaderMap, family: Family, same_dialect: bool) -> HeaderMap {
    let mut out = HeaderMap::new();
    if !same_dialect {
        return out;
    }
    let listed = connection_tokens(client);
    let lists = [COMMON, allowed(family)];
    for (name, value) in client {
        let text = name.as_str();
        if !is_never(text) && !listed.iter().any(|token| token == text) && lists.iter().any(|list| matches(list, text))
        {
            out.append(name.clone(), value.clone());
        }
    }
    out
}

/// The vendor's headers that go back to the client: none of the connection's, none that names the account.
pub fn answer(vendor: &HeaderMap) -> HeaderMap {
    const DROPPED: &[&str] = &[
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "content-length",
        "content-encoding",
        "set-cookie",
        "alt-svc",
        "server",
        "via",
        "date",
        "strict-transport-security",
        "www-authenticate",
        "nel",
        "report-to",
        "location",
        "openai-organization",
        "openai-project",
        "anthropic-organization-id",
        "x-accel-buffering",
        "access-control-*",
        "proxy-*",
        "cf-*",
        "x-amz-cf-*",
    ];
    let listed = connection_tokens(vendor);
    let mut out = HeaderMap::new();
    for (name, value) in vendor {
        if !matches(DROPPED, name.as_str()) && !listed.iter().any(|token| token == name.as_str()) {
            out.append(name.clone(), value.clone());
        }
    }
    out
}

/// Lays an account's extra headers over a request; those of the connection and the credentials stay as they are.
pub fn add_extra(headers: &mut HeaderMap, extra: &BTreeMap<String, String>) {
    for (name, value) in extra {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value.as_str()))
            && !is_never(name.as_str())
        {
            headers.insert(name, value);
        }
    }
}

/// Adds a word to a comma-separated header such as `anthropic-beta` unless it is there; never replaces.
pub fn merge_word(headers: &mut HeaderMap, name: &'static str, word: &str) {
    let mut words: Vec<String> = Vec::new();
    for value in headers.get_all(name) {
        words.extend(
            value.to_str().unwrap_or_default().split(',').map(|w| w.trim().to_owned()).filter(|w| !w.is_empty()),
        );
    }
    if !words.iter().any(|present| present == word) {
        words.push(word.to_owned());
    }
    if let Ok(value) = HeaderValue::try_from(words.join(",")) {
        headers.insert(name, value);
    }
}

/// A header value that holds a secret: marked so that no log shows it.
pub fn secret(value: &str) -> Result<HeaderValue, super::WireError> {
    let mut value = HeaderValue::try_from(value)
        .map_err(|_| super::WireError::Key("the account's credential holds a character that no header may hold"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn is_never(name: &str) -> bool {
    NEVER.contains(&name) || NEVER_BEGINS.iter().any(|start| name.starts_with(start))
}

fn matches(list: &[&str], name: &str) -> bool {
    list.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => *pattern == name,
    })
}

/// Headers that `Connection` declares hop-by-hop.
fn connection_tokens(headers: &HeaderMap) -> Vec<String> {
    headers
        .get_all(http::header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|token| token.trim().to_ascii_lowercase())
        .collect()
}

#[cfg(test)]
mod tests;
