//! Envelopes, event stream messages and errors inside successes.

use super::*;
use base64::{Engine, prelude::BASE64_STANDARD};

fn ask<'a>(dialect: Dialect, operation: Operation, headers: &'a HeaderMap) -> Ask<'a> {
    Ask {
        operation,
        dialect,
        model: "m",
        stream: true,
        method: &Method::POST,
        path: "",
        query: "",
        headers,
        translated: false,
        body: Payload::Empty,
        now: NOW,
    }
}

#[test]
fn bedrock_messages_become_events() {
    let headers = HeaderMap::new();
    let bedrock = provider(Kind::Bedrock);
    let messages = ask(Dialect::Messages, Operation::Generate, &headers);
    assert_eq!(bedrock.framing(&messages), Framing::EventStream);
    let inner = r#"{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":3}}"#;
    let chunk = |bytes: &str| Message::event("chunk", format!(r#"{{"bytes":"{bytes}","p":"abcdef"}}"#));
    assert_eq!(bedrock.event(&messages, &chunk(&BASE64_STANDARD.encode(inner))), Ok(Some(Bytes::from(inner))));
    assert_eq!(bedrock.event(&messages, &Message::event("initial-response", "{}")), Ok(None));
    assert_eq!(bedrock.event(&messages, &chunk("%%")).unwrap_err().status, 502);
    let converse = ask(Dialect::Converse, Operation::Generate, &headers);
    assert_eq!(
        bedrock.event(&converse, &Message::event("messageStop", r#"{"stopReason":"end_turn"}"#)),
        Ok(Some(Bytes::from(r#"{"stopReason":"end_turn"}"#)))
    );
    for (name, status) in [
        ("throttlingException", 429),
        ("modelStreamErrorException", 424),
        ("internalServerException", 500),
        ("modelTimeoutException", 408),
        ("validationException", 400),
        ("serviceUnavailableException", 503),
        ("strangeException", 500),
    ] {
        let failed = bedrock.event(&messages, &Message::exception(name, r#"{"message":"x"}"#)).unwrap_err();
        assert_eq!(failed.status, status, "{name}");
        assert_eq!(failed.body, r#"{"message":"x"}"#);
    }
}

#[test]
fn bedrock_counts_are_anthropics() {
    let headers = HeaderMap::new();
    let counting = ask(Dialect::Messages, Operation::CountTokens, &headers);
    let answer = provider(Kind::Bedrock).unwrap(&counting, Bytes::from_static(br#"{"inputTokens":12}"#));
    assert_eq!(answer, r#"{"input_tokens":12}"#);
}

#[test]
fn code_assist_is_unwrapped_for_gemini_clients_only() {
    let headers = HeaderMap::new();
    let google = provider(Kind::GeminiOauth);
    let wrapped = Bytes::from_static(br#"{"response": {"candidates": []}, "traceId":"t"}"#);
    let bare = ask(Dialect::Gemini, Operation::Generate, &headers);
    assert_eq!(google.unwrap(&bare, wrapped.clone()), r#"{"candidates": []}"#);
    assert_eq!(google.unwrap(&bare, Bytes::from_static(br#"{"totalTokens":3}"#)), r#"{"totalTokens":3}"#);
    assert_eq!(google.unwrap(&bare, Bytes::from_static(b"junk")), "junk");
    assert_eq!(google.unwrap(&ask(Dialect::CodeAssist, Operation::Generate, &headers), wrapped.clone()), wrapped);
}

#[test]
fn errors_inside_a_success_are_seen() {
    let cases: &[(Kind, &str, Option<u16>)] = &[
        (Kind::ClaudeConsole, r#"{"type":"error","error":{"type":"overloaded_error","message":"x"}}"#, Some(529)),
        (Kind::ClaudeOauth, r#"{"type":"error","error":{"type":"rate_limit_error"}}"#, Some(429)),
        (Kind::ClaudeConsole, r#"{"type":"error","error":{"type":"new_error"}}"#, Some(500)),
        (Kind::ClaudeConsole, r#"{"type":"message_start"}"#, None),
        (Kind::OpenaiKey, r#"{"error":{"type":"server_error","message":"x"}}"#, Some(500)),
        (Kind::OpenaiKey, r#"{"error":{"code":"rate_limit_exceeded"}}"#, Some(429)),
        (Kind::OpenaiKey, r#"{"error":{"code":"invalid_api_key"}}"#, Some(401)),
        (
            Kind::OpenaiKey,
            r#"{"type":"response.failed","response":{"error":{"code":"rate_limit_exceeded"}}}"#,
            Some(429),
        ),
        (Kind::OpenaiKey, r#"{"type":"response.failed","response":{"error":{"code":"server_error"}}}"#, Some(500)),
        (Kind::OpenaiKey, r#"{"type":"error","code":"server_is_overloaded","message":"x"}"#, Some(503)),
        (Kind::OpenaiKey, r#"{"object":"response","error":null}"#, None),
        (Kind::OpenaiKey, r#"{"object":"chat.completion.chunk","choices":[]}"#, None),
        (Kind::OpenaiCompatible, r#"{"error":{"code":502,"message":"Provider returned error"}}"#, Some(502)),
        (
            Kind::OpenaiOauth,
            r#"{"type":"response.failed","response":{"error":{"code":"usage_limit_reached","type":"usage_limit_reached"}}}"#,
            Some(429),
        ),
        (Kind::Ccr, r#"{"error":{"message":"x"}}"#, Some(500)),
        (Kind::GeminiKey, r#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED"}}"#, Some(429)),
        (Kind::GeminiKey, r#"[{"error":{"code":503}}]"#, Some(503)),
        (Kind::Vertex, r#"{"candidates":[]}"#, None),
        (Kind::Vertex, "not json", None),
    ];
    for (kind, body, status) in cases {
        assert_eq!(provider(*kind).in_band(body.as_bytes()).map(|status| status.as_u16()), *status, "{body}");
    }
}

#[test]
fn framing_follows_the_operation() {
    let headers = HeaderMap::new();
    let openai = provider(Kind::OpenaiKey);
    let mut turn = ask(Dialect::Chat, Operation::Generate, &headers);
    assert_eq!(openai.framing(&turn), Framing::Sse);
    turn.stream = false;
    assert_eq!(openai.framing(&turn), Framing::Whole);
    assert_eq!(openai.framing(&ask(Dialect::Realtime, Operation::Realtime, &headers)), Framing::Socket);
}
