//! Which headers cross the relay, each way.
//!
//! Towards a vendor a header crosses only if a list names it: what a client sends may hold its key, its
//! address or its cookies. Towards the client everything crosses but what belongs to the connection or
//! names the account.

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
        Family::OpenAi => &[
            "openai-beta",
            "x-openai-*",
            "http-referer",
            "x-title",
            "x-request-id",
        ],
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
        Family::Google => &[
            "x-goog-api-client",
            "x-gemini-*",
            "x-server-timeout",
            "x-vertex-ai-*",
        ],
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
        if !is_never(text)
            && !listed.iter().any(|token| token == text)
            && lists.iter().any(|list| matches(list, text))
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
pub fn add_extra(headers: &mut HeaderMap, extra: &[(String, String)]) {
    for (name, value) in extra {
        if let (Ok(name), Ok(value)) = (
            HeaderName::try_from(name.as_str()),
            HeaderValue::try_from(value.as_str()),
        ) && !is_never(name.as_str())
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
            value
                .to_str()
                .unwrap_or_default()
                .split(',')
                .map(|w| w.trim().to_owned())
                .filter(|w| !w.is_empty()),
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
    let mut value = HeaderValue::try_from(value).map_err(|_| {
        super::WireError::Key("the account's credential holds a character that no header may hold")
    })?;
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
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, HeaderValue::from_static(value));
        }
        map
    }

    fn names(map: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<&str> = map.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    const ALL: [Family; 6] = [
        Family::OpenAi,
        Family::Codex,
        Family::Anthropic,
        Family::Google,
        Family::Aws,
        Family::Task,
    ];

    #[test]
    fn no_credential_address_or_hop_header_crosses_to_any_vendor() {
        let client = map(&[
            ("authorization", "Bearer k"),
            ("x-api-key", "k"),
            ("x-goog-api-key", "k"),
            ("api-key", "k"),
            ("mj-api-secret", "k"),
            ("cookie", "c"),
            ("proxy-authorization", "p"),
            ("proxy-connection", "p"),
            ("host", "h"),
            ("content-length", "1"),
            ("connection", "x-title, close"),
            ("x-title", "listed by connection"),
            ("keep-alive", "1"),
            ("te", "t"),
            ("trailer", "t"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "websocket"),
            ("sec-websocket-key", "k"),
            ("sec-websocket-protocol", "openai-insecure-api-key.k"),
            ("accept-encoding", "br"),
            ("x-forwarded-for", "10.0.0.1"),
            ("forwarded", "for=x"),
            ("x-real-ip", "10.0.0.1"),
            ("via", "v"),
            ("cf-connecting-ip", "10.0.0.1"),
            ("chatgpt-account-id", "a"),
            ("x-goog-user-project", "p"),
            ("x-unknown", "u"),
            ("origin", "o"),
            ("referer", "r"),
            ("openai-organization", "client's"),
            ("openai-project", "client's"),
        ]);
        for family in ALL {
            assert_eq!(
                names(&forward(&client, family, true)),
                Vec::<&str>::new(),
                "{family:?}"
            );
        }
    }

    #[test]
    fn each_family_gets_its_own_headers() {
        let client = map(&[
            ("anthropic-version", "2026-10-21"),
            ("anthropic-beta", "a"),
            ("anthropic-beta", "b"),
            ("x-app", "cli"),
            ("x-claude-code-session-id", "s"),
            ("openai-beta", "o"),
            ("originator", "codex_exec"),
            ("session-id", "s"),
            ("x-codex-window-id", "w"),
            ("content-encoding", "zstd"),
            ("x-goog-api-client", "g"),
            ("idempotency-key", "i"),
            ("x-stainless-os", "Linux"),
            ("user-agent", "u"),
            ("content-type", "application/json"),
        ]);
        let common = [
            "content-type",
            "idempotency-key",
            "user-agent",
            "x-stainless-os",
        ];
        let expected: [(Family, &[&str]); 6] = [
            (Family::OpenAi, &["openai-beta"]),
            (
                Family::Codex,
                &[
                    "content-encoding",
                    "openai-beta",
                    "originator",
                    "session-id",
                    "x-codex-window-id",
                ],
            ),
            (
                Family::Anthropic,
                &[
                    "anthropic-beta",
                    "anthropic-version",
                    "x-app",
                    "x-claude-code-session-id",
                ],
            ),
            (Family::Google, &["x-goog-api-client"]),
            (Family::Aws, &[]),
            (Family::Task, &[]),
        ];
        for (family, own) in expected {
            let mut wanted = [&common, own].concat();
            wanted.sort_unstable();
            assert_eq!(names(&forward(&client, family, true)), wanted, "{family:?}");
            assert!(
                forward(&client, family, false).is_empty(),
                "a translated call carries none"
            );
        }
        assert_eq!(
            forward(&client, Family::Anthropic, true)
                .get_all("anthropic-beta")
                .iter()
                .count(),
            2
        );
    }

    #[test]
    fn the_answer_does_not_name_the_account() {
        let vendor = map(&[
            ("openai-organization", "org-1"),
            ("anthropic-organization-id", "o"),
            ("set-cookie", "c"),
            ("transfer-encoding", "chunked"),
            ("content-length", "3"),
            ("connection", "x-hop"),
            ("x-hop", "1"),
            ("cf-ray", "r"),
            ("www-authenticate", "Bearer"),
            ("request-id", "req_1"),
            ("retry-after", "3"),
            ("x-should-retry", "true"),
            ("content-type", "text/event-stream"),
            ("anthropic-ratelimit-unified-status", "allowed"),
            ("openai-processing-ms", "3"),
        ]);
        assert_eq!(
            names(&answer(&vendor)),
            [
                "anthropic-ratelimit-unified-status",
                "content-type",
                "openai-processing-ms",
                "request-id",
                "retry-after",
                "x-should-retry"
            ]
        );
    }

    #[test]
    fn words_are_merged_and_extras_do_not_touch_credentials() {
        let mut headers = map(&[
            ("anthropic-beta", "a, b"),
            ("anthropic-beta", "c"),
            ("authorization", "Bearer k"),
        ]);
        merge_word(&mut headers, "anthropic-beta", "oauth-2025-04-20");
        merge_word(&mut headers, "anthropic-beta", "b");
        assert_eq!(headers["anthropic-beta"], "a,b,c,oauth-2025-04-20");
        let extra = [
            ("X-Team", "red"),
            ("Authorization", "Bearer other"),
            ("Host", "evil"),
            ("bad name", "x"),
            ("x-bad", "a\nb"),
        ];
        add_extra(
            &mut headers,
            &extra.map(|(n, v)| (n.to_owned(), v.to_owned())),
        );
        assert_eq!(headers["x-team"], "red");
        assert_eq!(headers["authorization"], "Bearer k");
        assert_eq!(headers.len(), 3);
        assert!(secret("k").unwrap().is_sensitive());
        assert!(secret("k\n").is_err());
    }
}
