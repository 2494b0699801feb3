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

const ALL: [Family; 6] = [Family::OpenAi, Family::Codex, Family::Anthropic, Family::Google, Family::Aws, Family::Task];

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
        assert_eq!(names(&forward(&client, family, true)), Vec::<&str>::new(), "{family:?}");
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
    let common = ["content-type", "idempotency-key", "user-agent", "x-stainless-os"];
    let expected: [(Family, &[&str]); 6] = [
        (Family::OpenAi, &["openai-beta"]),
        (Family::Codex, &["content-encoding", "openai-beta", "originator", "session-id", "x-codex-window-id"]),
        (Family::Anthropic, &["anthropic-beta", "anthropic-version", "x-app", "x-claude-code-session-id"]),
        (Family::Google, &["x-goog-api-client"]),
        (Family::Aws, &[]),
        (Family::Task, &[]),
    ];
    for (family, own) in expected {
        let mut wanted = [&common, own].concat();
        wanted.sort_unstable();
        assert_eq!(names(&forward(&client, family, true)), wanted, "{family:?}");
        assert!(forward(&client, family, false).is_empty(), "a translated call carries none");
    }
    assert_eq!(forward(&client, Family::Anthropic, true).get_all("anthropic-beta").iter().count(), 2);
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
    let mut headers = map(&[("anthropic-beta", "a, b"), ("anthropic-beta", "c"), ("authorization", "Bearer k")]);
    merge_word(&mut headers, "anthropic-beta", "oauth-2025-04-20");
    merge_word(&mut headers, "anthropic-beta", "b");
    assert_eq!(headers["anthropic-beta"], "a,b,c,oauth-2025-04-20");
    let extra =
        [("X-Team", "red"), ("Authorization", "Bearer other"), ("Host", "evil"), ("bad name", "x"), ("x-bad", "a\nb")];
    add_extra(&mut headers, &extra.into_iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect());
    assert_eq!(headers["x-team"], "red");
    assert_eq!(headers["authorization"], "Bearer k");
    assert_eq!(headers.len(), 3);
    assert!(secret("k").unwrap().is_sensitive());
    assert!(secret("k\n").is_err());
}
