//! Health questions and the meaning of their answers.

use super::*;

fn probe_of(
    kind: Kind,
    credentials: Credentials<'_>,
    options: &AccountOptions,
    model: Option<&str>,
) -> http::Request<Bytes> {
    let account = Upstream { kind, base_url: Some("http://127.0.0.1:1"), credentials, options, account_id: None };
    provider(kind).probe(&account, model, NOW).unwrap()
}

#[test]
fn every_kind_has_a_cheap_question_in_the_relays_own_name() {
    let cases = [
        (Kind::ClaudeOauth, None, "GET", "/api/oauth/profile"),
        (Kind::ClaudeConsole, None, "GET", "/v1/models"),
        (Kind::ClaudeConsole, Some("m"), "POST", "/v1/messages"),
        (Kind::Ccr, Some("m"), "POST", "/v1/messages"),
        (Kind::Bedrock, None, "GET", "/foundation-models"),
        (
            Kind::Bedrock,
            Some("claude-opus-4-5"),
            "POST",
            "/model/us.anthropic.claude-opus-4-5-20251101-v1%3A0/converse",
        ),
        (Kind::GeminiOauth, None, "POST", "/v1internal:loadCodeAssist"),
        (Kind::GeminiKey, None, "GET", "/v1beta/models?pageSize=1"),
        (Kind::GeminiKey, Some("models/m"), "POST", "/v1beta/models/m:generateContent"),
        (
            Kind::Vertex,
            Some("m"),
            "POST",
            "/v1/projects/sample/locations/us-central1/publishers/google/models/m:countTokens",
        ),
        (
            Kind::Vertex,
            Some("claude-opus-4-5-20251101"),
            "POST",
            "/v1/projects/sample/locations/us-central1/publishers/anthropic/models/claude-opus-4-5@20251101:rawPredict",
        ),
        (Kind::OpenaiOauth, None, "GET", "/models?client_version=0.169.0"),
        (Kind::OpenaiKey, None, "GET", "/v1/models"),
        (Kind::OpenaiKey, Some("m"), "POST", "/v1/chat/completions"),
        (Kind::OpenaiCompatible, Some("m"), "POST", "/v1/chat/completions"),
        (Kind::OpenaiResponses, Some("m"), "POST", "/v1/responses"),
        (Kind::OpenaiResponses, None, "GET", "/v1/models"),
        (Kind::AzureOpenai, Some("d"), "POST", "/openai/deployments/d/chat/completions?api-version=2024-10-21"),
        (Kind::AzureOpenai, None, "GET", "/openai/models?api-version=2024-10-21"),
        (Kind::Midjourney, None, "POST", "/mj/task/list-by-condition"),
        (Kind::Suno, None, "POST", "/suno/fetch"),
        (Kind::Kling, None, "GET", "/v1/videos/text2video?pageNum=1&pageSize=1"),
        (Kind::Video, None, "GET", "/v1/video/generations/0"),
    ];
    for (kind, model, method, path) in cases {
        let request = probe_of(kind, fitting(kind), &AccountOptions::default(), model);
        assert_eq!(request.uri().path_and_query().unwrap(), path, "{kind:?}");
        assert_eq!(request.method(), method, "{kind:?}");
        assert_eq!(request.headers()["user-agent"], USER_AGENT, "{kind:?}");
        let authenticated = ["authorization", "x-api-key", "x-goog-api-key", "api-key", "mj-api-secret"]
            .iter()
            .filter_map(|name| request.headers().get(*name))
            .inspect(|value| assert!(value.is_sensitive(), "{kind:?}"))
            .count();
        assert_eq!(authenticated, 1, "{kind:?}");
    }
    let setup = Credentials::Oauth { access_token: Some("t"), refresh_token: None };
    assert_eq!(probe_of(Kind::ClaudeOauth, setup, &AccountOptions::default(), None).uri().path(), "/v1/models");
    assert_eq!(
        probe_of(Kind::Ccr, Credentials::None, &AccountOptions::default(), None).headers().get("authorization"),
        None
    );
}

fn verdict(kind: Kind, status: u16, body: &str) -> Verdict {
    let headers = HeaderMap::new();
    probe::read(
        kind,
        &Probe {
            status: StatusCode::from_u16(status).unwrap(),
            headers: &headers,
            body: body.as_bytes(),
            model: "m",
            now: NOW,
        },
    )
}

#[test]
fn answers_are_judged() {
    assert_eq!(verdict(Kind::OpenaiKey, 200, r#"{"data":[{},{}]}"#), Verdict::Healthy { models: Some(2) });
    assert_eq!(verdict(Kind::GeminiKey, 200, r#"{"models":[{}]}"#), Verdict::Healthy { models: Some(1) });
    assert!(matches!(verdict(Kind::ClaudeConsole, 200, r#"{"type":"message"}"#), Verdict::Healthy { .. }));
    assert_eq!(
        verdict(Kind::OpenaiKey, 404, r#"{"error":{"message":"no such model","code":"model_not_found"}}"#),
        Verdict::Refused { message: "no such model".into() }
    );
    let Verdict::Failing { blame, message } = verdict(Kind::OpenaiKey, 401, r#"{"error":{"message":"bad key"}}"#)
    else {
        panic!("healthy")
    };
    assert_eq!((blame, message.as_str()), (Blame::blocked(Reason::BadCredential), "bad key"));
    assert!(verdict(Kind::ClaudeOauth, 401, "{}").wants_token());
    assert!(!verdict(Kind::ClaudeConsole, 401, "{}").wants_token());
    assert!(!matches!(
        verdict(Kind::Midjourney, 200, r#"{"code":3,"description":"no account"}"#),
        Verdict::Healthy { .. }
    ));
    assert!(matches!(verdict(Kind::Midjourney, 200, "[]"), Verdict::Healthy { .. }));
    assert!(matches!(verdict(Kind::Video, 404, r#"{"code":"task_not_exist"}"#), Verdict::Healthy { .. }));
    assert!(!matches!(verdict(Kind::Video, 401, "{}"), Verdict::Healthy { .. }));
    let Verdict::Failing { message, .. } = verdict(Kind::Bedrock, 503, "<html>") else { panic!("healthy") };
    assert_eq!(message, "the vendor answered 503");
}

#[test]
fn the_vendors_sentence_is_found_in_every_form() {
    for (body, wanted) in [
        (r#"{"error":{"message":"a"}}"#, "a"),
        (r#"{"type":"error","error":{"type":"x","message":"a"}}"#, "a"),
        (r#"{"message":"a"}"#, "a"),
        (r#"{"detail":"a"}"#, "a"),
        (r#"{"error":"x","error_description":"a"}"#, "a"),
        (r#"{"code":24,"description":"a"}"#, "a"),
        (r#"[{"error":{"message":"a"}}]"#, "a"),
        (r#"{"error":"a"}"#, "a"),
    ] {
        assert_eq!(probe::message(body.as_bytes()).as_deref(), Some(wanted), "{body}");
    }
    assert_eq!(probe::message(b"<html>"), None);
}

#[test]
fn subscriptions_can_be_asked_for_owner_usage_and_project() {
    let (credentials, options) = (login(), AccountOptions { project: Some("p".into()), ..AccountOptions::default() });
    let account = Upstream {
        kind: Kind::ClaudeOauth,
        base_url: Some("http://127.0.0.1:1/v1"),
        credentials,
        options: &options,
        account_id: None,
    };
    let usage = claude_oauth::usage_request(&account).unwrap();
    assert_eq!(usage.uri(), "http://127.0.0.1:1/api/oauth/usage");
    assert_eq!(usage.headers()["authorization"], "Bearer at-secret");
    assert_eq!(usage.headers()["anthropic-beta"], "oauth-2025-04-20");
    let read = claude_oauth::Usage::read(
        br#"{"five_hour":{"utilization":12.5,"resets_at":"2026-11-21T05:00:00Z"},"seven_day":null}"#,
    )
    .unwrap();
    assert_eq!(read.five_hour.unwrap().utilization, 12.5);
    assert_eq!(read.seven_day, None);
    assert_eq!(claude_oauth::profile_request(&account).unwrap().uri().path(), "/api/oauth/profile");
    let profile = claude_oauth::Profile::read(br#"{"account":{"uuid":"u","email":"a@b.c"},"organization":{"organization_type":"claude_max","rate_limit_tier":"t"}}"#).unwrap();
    assert_eq!(profile.organization_type.as_deref(), Some("claude_max"));
    assert_eq!(claude_oauth::Profile::read(b"{}"), None);

    let load = gemini_oauth::load_request(&account).unwrap();
    assert_eq!(load.body(), r#"{"metadata":{"pluginType":"GEMINI"},"cloudaicompanionProject":"p"}"#);
    let answer = br#"{"cloudaicompanionProject":"proj","currentTier":{"id":"standard-tier"}}"#;
    assert_eq!(gemini_oauth::project(answer), Some((Some("proj".into()), Some("standard-tier".into()))));
    assert_eq!(gemini_oauth::project(b"{}"), Some((None, None)));
    assert_eq!(gemini_oauth::project(b"x"), None);
}
