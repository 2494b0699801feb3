use super::*;

#[test]
fn each_dialect_has_its_own_body() {
    let fault = Fault::new(Kind::RateLimit, "Slow down.");
    let json = |dialect| fault.json(dialect);
    assert_eq!(
        json(Dialect::Chat),
        json!({"error": {"message": "Slow down.", "type": "rate_limit_error", "param": null, "code": "rate_limit_exceeded"}})
    );
    assert_eq!(json(Dialect::Responses), json(Dialect::Chat));
    assert_eq!(
        json(Dialect::Messages),
        json!({"type": "error", "error": {"type": "rate_limit_error", "message": "Slow down."}})
    );
    assert_eq!(
        json(Dialect::Gemini),
        json!({"error": {"code": 429, "message": "Slow down.", "status": "RESOURCE_EXHAUSTED"}})
    );
    assert_eq!(
        (json(Dialect::Converse), fault.bedrock_type()),
        (json!({"message": "Slow down."}), "ThrottlingException")
    );
    let full = Fault::new(Kind::Overloaded, "x");
    assert_eq!((full.status(Dialect::Messages), full.status(Dialect::Chat)), (529, 503));
}

#[test]
fn vendor_errors_become_one_kind() {
    let cases: &[(Dialect, u16, &str, Kind)] = &[
        (
            Dialect::Chat,
            401,
            r#"{"error":{"message":"m","type":"invalid_request_error","code":"invalid_api_key"}}"#,
            Kind::Authentication,
        ),
        (
            Dialect::Chat,
            429,
            r#"{"error":{"message":"m","type":"insufficient_quota","code":"insufficient_quota"}}"#,
            Kind::Billing,
        ),
        (
            Dialect::Chat,
            429,
            r#"{"error":{"message":"m","type":"tokens","code":"rate_limit_exceeded"}}"#,
            Kind::RateLimit,
        ),
        (Dialect::Chat, 404, r#"{"error":{"code":"404","message":"m"}}"#, Kind::NotFound),
        (Dialect::Chat, 400, r#"{"detail":"m"}"#, Kind::InvalidRequest),
        (Dialect::Chat, 502, "<html>nginx</html>", Kind::Server),
        (
            Dialect::Messages,
            529,
            r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#,
            Kind::Overloaded,
        ),
        (
            Dialect::Messages,
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low"}}"#,
            Kind::Billing,
        ),
        (
            Dialect::Gemini,
            400,
            r#"{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}"#,
            Kind::Authentication,
        ),
        (
            Dialect::Gemini,
            429,
            r#"[{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED"}}]"#,
            Kind::RateLimit,
        ),
        (Dialect::Converse, 429, r#"{"message":"m"}"#, Kind::RateLimit),
        (Dialect::Responses, 429, r#"{"error":{"type":"usage_limit_reached","message":"m"}}"#, Kind::Billing),
    ];
    for (dialect, status, body, kind) in cases {
        let fault = Fault::read(*dialect, *status, body.as_bytes());
        assert_eq!((fault.kind, fault.status), (*kind, Some(*status)), "{body}");
        assert!(!fault.message.is_empty() && !fault.message.contains('<'), "{body}");
    }
}

#[test]
fn errors_within_a_stream_have_no_status_of_their_own() {
    let event = json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}});
    let fault = Fault::read_event(Dialect::Messages, &event);
    assert_eq!((fault.kind, fault.status, fault.message.as_str()), (Kind::Overloaded, None, "Overloaded"));
    let google = json!({"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}});
    assert_eq!(Fault::read_event(Dialect::Gemini, &google).kind, Kind::Unavailable);
}

#[test]
fn refusals_of_a_translation_name_the_field() {
    let fault = Fault::from(HubError::unsupported("n", "only one answer can be translated"));
    assert_eq!(fault.status(Dialect::Chat), 400);
    assert_eq!(
        fault.json(Dialect::Chat),
        json!({"error": {"message": "Unsupported parameter: 'n': only one answer can be translated.",
            "type": "invalid_request_error", "param": "n", "code": "unsupported_parameter"}})
    );
    assert_eq!(Fault::from(HubError::upstream("x")).status(Dialect::Messages), 502);
}
