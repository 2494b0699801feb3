//! Status × body → blame, per vendor.

use super::*;
use crate::provider::blame::pause;

fn blame_of(kind: Kind, status: u16, headers: &[(&'static str, &str)], body: &str, refreshed: bool) -> Blame {
    let headers = header_map(headers);
    let failure = Failure {
        status: StatusCode::from_u16(status).unwrap(),
        headers: &headers,
        body: body.as_bytes(),
        model: "m-1",
        rest: None,
        refreshed,
        now: NOW,
    };
    provider(kind).blame(&failure)
}

pub(super) fn blame(kind: Kind, status: u16, body: &str) -> Blame {
    blame_of(kind, status, &[], body, false)
}

pub(super) const fn cooling(after: i64, scope: Scope) -> Blame {
    Blame::cooling(NOW + after, scope)
}

pub(super) const fn vendor(after: i64) -> Blame {
    Blame::Vendor { until: NOW + after }
}

const LOGINS: [Kind; 4] = [Kind::ClaudeOauth, Kind::GeminiOauth, Kind::OpenaiOauth, Kind::Vertex];

#[test]
fn the_callers_fault_harms_no_account_of_any_kind() {
    for kind in Kind::ALL {
        for status in [400, 404, 405, 409, 413, 415, 422, 501] {
            assert_eq!(blame(*kind, status, r#"{"error":{"message":"no"}}"#), Blame::Caller, "{kind} {status}");
        }
    }
}

#[test]
fn the_vendors_fault_is_a_short_rest() {
    for kind in Kind::ALL.iter().filter(|kind| **kind != Kind::Midjourney) {
        assert_eq!(blame(*kind, 500, "{}"), vendor(pause::FAILURE), "{kind}");
        assert_eq!(blame(*kind, 502, "<html>"), vendor(pause::FAILURE), "{kind}");
        assert_eq!(blame(*kind, 504, ""), vendor(pause::FAILURE), "{kind}");
        assert_eq!(blame(*kind, 408, "{}"), vendor(pause::FAILURE), "{kind}");
        assert_eq!(blame(*kind, 503, "{}"), vendor(pause::OVERLOAD), "{kind}");
        assert_eq!(blame(*kind, 529, "{}"), vendor(pause::OVERLOAD), "{kind}");
        assert_eq!(blame_of(*kind, 503, &[("retry-after", "7")], "{}", false), vendor(7_000), "{kind}");
    }
    assert_eq!(crate::provider::blame::unreachable(NOW), vendor(pause::FAILURE));
}

#[test]
fn a_login_is_refreshed_once_and_a_key_is_blocked() {
    for kind in Kind::ALL {
        let login = LOGINS.contains(kind);
        for (status, reason) in [(401, Reason::BadCredential), (403, Reason::Forbidden)] {
            let first = if login { Blame::Account(Fault::RefreshToken) } else { Blame::blocked(reason) };
            assert_eq!(blame(*kind, status, "{}"), first, "{kind} {status}");
            assert_eq!(blame_of(*kind, status, &[], "{}", true), Blame::blocked(reason), "{kind} {status}");
        }
        assert_eq!(blame(*kind, 402, "{}"), Blame::blocked(Reason::OutOfMoney), "{kind}");
        assert_eq!(blame(*kind, 403, "<html>Just a moment</html>"), cooling(pause::WALL, Scope::Account), "{kind}");
    }
}

#[test]
fn too_many_requests_rest_to_the_second_that_is_named() {
    for kind in Kind::ALL {
        let Blame::Account(Fault::Cooling { until, .. }) = blame_of(*kind, 429, &[("retry-after", "7")], "{}", false)
        else {
            panic!("{kind} does not rest")
        };
        assert_eq!(until, NOW + 7_000, "{kind}");
        let Blame::Account(Fault::Cooling { until, .. }) = blame(*kind, 429, "") else {
            panic!("{kind} does not rest")
        };
        assert!(until > NOW && until <= NOW + pause::RATE_LIMIT, "{kind}");
    }
}

#[test]
fn the_accounts_own_rest_counts_where_the_vendor_names_no_end() {
    for kind in Kind::ALL.iter().filter(|kind| !matches!(kind, Kind::Bedrock | Kind::Vertex)) {
        for (headers, wanted) in [(header_map(&[]), 5_000), (header_map(&[("retry-after", "7")]), 7_000)] {
            let failure = Failure {
                status: StatusCode::TOO_MANY_REQUESTS,
                headers: &headers,
                body: b"{}",
                model: "m-1",
                rest: Some(5_000),
                refreshed: false,
                now: NOW,
            };
            let blame = provider(*kind).blame(&failure);
            assert!(
                matches!(blame, Blame::Account(Fault::Cooling { until, .. }) if until == NOW + wanted),
                "{kind}: {blame:?}"
            );
        }
    }
}

#[test]
fn openai() {
    use Kind::{OpenaiCompatible, OpenaiKey};
    let out_of_money = Blame::blocked(Reason::OutOfMoney);
    let error = |code: &str, message: &str| {
        format!(r#"{{"error":{{"message":"{message}","type":"x","param":null,"code":"{code}"}}}}"#)
    };
    let quota = error("insufficient_quota", "You exceeded your current quota");
    assert_eq!(blame_of(OpenaiKey, 429, &[("retry-after", "1")], &quota, false), out_of_money);
    assert_eq!(blame(OpenaiKey, 400, &error("billing_hard_limit_reached", "")), out_of_money);
    assert_eq!(blame(OpenaiKey, 429, &error("", "You exceeded your current quota, please check")), out_of_money);
    assert_eq!(
        blame(OpenaiKey, 429, &error("rate_limit_exceeded", "Please try again in 1m3s.")),
        cooling(63_000, Scope::Model)
    );
    assert_eq!(
        blame_of(
            OpenaiKey,
            429,
            &[("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "6m0s")],
            "{}",
            false
        ),
        cooling(360_000, Scope::Model)
    );
    assert_eq!(blame(OpenaiKey, 401, &error("account_deactivated", "")), Blame::blocked(Reason::Disabled));
    assert_eq!(
        blame(OpenaiKey, 401, &error("invalid_api_key", "Incorrect API key provided")),
        Blame::blocked(Reason::BadCredential)
    );
    assert_eq!(blame(OpenaiKey, 404, &error("model_not_found", "")), Blame::Caller);
    assert_eq!(
        blame(OpenaiKey, 403, &error("model_not_found", "Project does not have access to model x")),
        cooling(pause::MODEL, Scope::Model)
    );
    assert_eq!(
        blame(OpenaiKey, 403, &error("unsupported_country_region_territory", "")),
        Blame::blocked(Reason::Forbidden)
    );
    assert_eq!(blame(OpenaiCompatible, 402, r#"{"error":{"message":"Insufficient Balance"}}"#), out_of_money);
    assert_eq!(blame(OpenaiCompatible, 429, &error("", "Insufficient balance")), out_of_money);
    assert_eq!(blame(OpenaiCompatible, 429, "{}"), cooling(pause::RATE_LIMIT, Scope::Account));
    let moderated = r#"{"error":{"code":403,"message":"flagged","metadata":{"reasons":["violence"]}}}"#;
    assert_eq!(blame(OpenaiCompatible, 403, moderated), Blame::Caller);
}

#[test]
fn anthropic() {
    let error =
        |kind: &str, message: &str| format!(r#"{{"type":"error","error":{{"type":"{kind}","message":"{message}"}}}}"#);
    let invalid = |message: &str| error("invalid_request_error", message);
    for kind in [Kind::ClaudeConsole, Kind::ClaudeOauth, Kind::Ccr, Kind::OpenaiCompatible] {
        let poor = "Your credit balance is too low to access the Anthropic API.";
        assert_eq!(blame(kind, 400, &invalid(poor)), Blame::blocked(Reason::OutOfMoney));
        assert_eq!(
            blame(kind, 400, &invalid("This organization has been disabled.")),
            Blame::blocked(Reason::Disabled)
        );
        assert_eq!(
            blame(kind, 403, &error("permission_error", "This organization has been disabled.")),
            Blame::blocked(Reason::Disabled)
        );
        let spent = r#"{"type":"error","error":{"type":"rate_limit_error","message":"x","details":{"error_code":"enforced_spend_limit_reached"}}}"#;
        assert_eq!(blame(kind, 429, spent), Blame::blocked(Reason::SpendLimit));
        let limit =
            "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.";
        let december = "2026-12-01T00:00:00Z".parse::<jiff::Timestamp>().unwrap().as_millisecond();
        assert_eq!(blame(kind, 400, &invalid(limit)), Blame::cooling(december, Scope::Account));
        assert_eq!(
            blame(kind, 400, &invalid("You have reached your specified API usage limits.")),
            Blame::blocked(Reason::SpendLimit)
        );
        assert_eq!(blame(kind, 400, &invalid("X: Extra inputs are not permitted")), Blame::Caller);
        let thread = r#"{"type":"error","error":{"type":"not_found_error","message":"x","details":{"error_code":"thread_not_found"}}}"#;
        assert_eq!(blame(kind, 404, thread), Blame::Caller);
    }
    assert_eq!(
        blame_of(
            Kind::ClaudeConsole,
            429,
            &[
                ("anthropic-ratelimit-tokens-remaining", "0"),
                ("anthropic-ratelimit-tokens-reset", "2026-11-21T03:04:35Z")
            ],
            &error("rate_limit_error", "slow"),
            false
        ),
        cooling(30_000, Scope::Model)
    );
    assert_eq!(blame(Kind::Ccr, 500, "<html>"), vendor(pause::FAILURE));
    assert_eq!(blame(Kind::Ccr, 404, "Not Found"), Blame::Caller);
}

#[test]
fn claude_subscriptions_rest_until_their_window_ends() {
    let limited = |claim: &'static str| {
        blame_of(
            Kind::ClaudeOauth,
            429,
            &[
                ("anthropic-ratelimit-unified-status", "rejected"),
                ("anthropic-ratelimit-unified-reset", "1795240000"),
                ("anthropic-ratelimit-unified-representative-claim", claim),
                ("retry-after", "3"),
            ],
            "{}",
            false,
        )
    };
    let until = 1_795_240_000_000;
    assert_eq!(limited("five_hour"), Blame::cooling(until, Scope::Account));
    assert_eq!(limited("seven_day"), Blame::cooling(until, Scope::Account));
    assert_eq!(limited("seven_day_opus"), Blame::cooling(until, Scope::Family("opus")));
    assert_eq!(limited("seven_day_sonnet"), Blame::cooling(until, Scope::Family("sonnet")));
    let extra = r#"{"type":"error","error":{"type":"rate_limit_error","message":"Extra usage is required for long context requests."}}"#;
    assert_eq!(blame(Kind::ClaudeOauth, 429, extra), Blame::Caller);
    let only = r#"{"type":"error","error":{"type":"invalid_request_error","message":"This credential is only authorized for use with Claude Code and cannot be used for other API requests."}}"#;
    assert_eq!(blame(Kind::ClaudeOauth, 400, only), Blame::Caller);
    let closed = r#"{"type":"error","error":{"type":"permission_error","message":"OAuth authentication is currently not allowed for this organization."}}"#;
    assert_eq!(blame(Kind::ClaudeOauth, 403, closed), Blame::blocked(Reason::Forbidden));
}

#[test]
fn bedrock() {
    let aws = |status: u16, name: &'static str, message: &str| {
        blame_of(Kind::Bedrock, status, &[("x-amzn-errortype", name)], &format!(r#"{{"message":"{message}"}}"#), false)
    };
    let bad = Blame::blocked(Reason::BadCredential);
    assert_eq!(aws(400, "ValidationException:http://internal.amazon.com/coral/", "extraneous key"), Blame::Caller);
    assert_eq!(aws(403, "UnrecognizedClientException", "The security token included in the request is invalid."), bad);
    assert_eq!(aws(403, "InvalidSignatureException", "The request signature we calculated does not match"), bad);
    assert_eq!(
        aws(403, "InvalidSignatureException", "Signature expired: 20261121T030405Z is now earlier than"),
        vendor(pause::FAILURE)
    );
    assert_eq!(aws(403, "ExpiredTokenException", "The security token included in the request is expired"), bad);
    assert_eq!(
        aws(403, "AccessDeniedException", "You don't have access to the model with the specified model ID."),
        cooling(pause::MODEL, Scope::Model)
    );
    assert_eq!(aws(403, "AccessDeniedException", "Authentication failed: API Key is invalid"), bad);
    assert_eq!(aws(403, "AccessDeniedException", "not authorized to perform x"), Blame::blocked(Reason::Forbidden));
    assert_eq!(aws(404, "ResourceNotFoundException", ""), Blame::Caller);
    assert_eq!(aws(408, "ModelTimeoutException", ""), vendor(pause::FAILURE));
    assert_eq!(aws(424, "ModelErrorException", ""), vendor(pause::FAILURE));
    assert_eq!(aws(429, "ThrottlingException", "Too many requests"), cooling(pause::OVERLOAD, Scope::Model));
    assert_eq!(aws(429, "ModelNotReadyException", ""), vendor(pause::OVERLOAD));
    assert_eq!(aws(500, "InternalServerException", ""), vendor(pause::FAILURE));
    assert_eq!(aws(503, "ServiceUnavailableException", ""), vendor(pause::OVERLOAD));
    assert_eq!(blame(Kind::Bedrock, 424, "{}"), vendor(pause::FAILURE));
    assert_eq!(blame(Kind::Bedrock, 400, r#"{"__type":"com.amazon#ExpiredTokenException","message":"x"}"#), bad);
}

#[test]
fn gemini() {
    let error = |code: u16, status: &str, message: &str, details: &str| {
        format!(r#"{{"error":{{"code":{code},"message":"{message}","status":"{status}","details":[{details}]}}}}"#)
    };
    let k = Kind::GeminiKey;
    let bad_key = error(400, "INVALID_ARGUMENT", "API key not valid.", r#"{"reason":"API_KEY_INVALID"}"#);
    assert_eq!(blame(k, 400, &bad_key), Blame::blocked(Reason::BadCredential));
    assert_eq!(blame(k, 400, &error(400, "INVALID_ARGUMENT", "Invalid value", "")), Blame::Caller);
    let place = error(400, "FAILED_PRECONDITION", "User location is not supported for the API use.", "");
    assert_eq!(blame(k, 400, &place), Blame::blocked(Reason::Forbidden));
    assert_eq!(
        blame(k, 400, &error(400, "FAILED_PRECONDITION", "Please enable billing", "")),
        Blame::blocked(Reason::OutOfMoney)
    );
    assert_eq!(
        blame(k, 403, &error(403, "PERMISSION_DENIED", "x", r#"{"reason":"CONSUMER_SUSPENDED"}"#)),
        Blame::blocked(Reason::Disabled)
    );
    assert_eq!(blame(k, 403, &error(403, "PERMISSION_DENIED", "x", "")), Blame::blocked(Reason::Forbidden));
    let gone = error(403, "PERMISSION_DENIED", "CachedContent not found (or permission denied)", "");
    assert_eq!(blame(k, 403, &gone), Blame::Caller);
    let quota = |id: &str| {
        error(
            429,
            "RESOURCE_EXHAUSTED",
            "x",
            &format!(r#"{{"violations":[{{"quotaId":"{id}"}}]}},{{"retryDelay":"22s"}}"#),
        )
    };
    for (kind, usual) in [(k, Scope::Account), (Kind::GeminiOauth, Scope::Model)] {
        assert_eq!(
            blame(kind, 429, &quota("GenerateRequestsPerMinutePerProjectPerModel")),
            cooling(22_000, Scope::Model)
        );
        assert_eq!(
            blame(kind, 429, &format!("[{}]", quota("GenerateRequestsPerMinutePerProject"))),
            cooling(22_000, usual)
        );
        let midnight = "2026-11-21T08:00:00Z".parse::<jiff::Timestamp>().unwrap().as_millisecond();
        assert_eq!(
            blame(kind, 429, &quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier")),
            Blame::cooling(midnight, Scope::Model)
        );
    }
    assert_eq!(
        blame(k, 429, &error(429, "RESOURCE_EXHAUSTED", "Please retry in 10.5s.", "")),
        cooling(10_500, Scope::Account)
    );
}

#[test]
fn vertex() {
    let v = Kind::Vertex;
    let denied = "Publisher Model `x` was not found or your project does not have access to it.";
    assert_eq!(blame(v, 404, &format!(r#"{{"error":{{"message":"{denied}"}}}}"#)), cooling(pause::MODEL, Scope::Model));
    assert_eq!(blame(v, 404, "{}"), Blame::Caller);
    assert_eq!(blame(v, 429, "{}"), cooling(pause::OVERLOAD, Scope::Model));
    assert_eq!(
        blame(v, 403, r#"{"error":{"message":"This API method requires billing to be enabled"}}"#),
        Blame::blocked(Reason::OutOfMoney)
    );
}

#[test]
fn azure() {
    let a = Kind::AzureOpenai;
    assert_eq!(blame(a, 400, r#"{"error":{"code":"content_filter","innererror":{}}}"#), Blame::Caller);
    assert_eq!(
        blame(a, 404, r#"{"error":{"code":"DeploymentNotFound","message":"x"}}"#),
        cooling(pause::MODEL, Scope::Model)
    );
    assert_eq!(blame(a, 404, r#"{"error":{"code":"404","message":"Resource not found"}}"#), Blame::Caller);
    assert_eq!(
        blame(a, 401, r#"{"error":{"code":"401","message":"Access denied"}}"#),
        Blame::blocked(Reason::BadCredential)
    );
    assert_eq!(
        blame(a, 429, r#"{"error":{"code":"429","message":"Please retry after 22 seconds."}}"#),
        cooling(22_000, Scope::Model)
    );
    assert_eq!(
        blame_of(a, 429, &[("retry-after-ms", "1500"), ("retry-after", "2")], "{}", false),
        cooling(1_500, Scope::Model)
    );
}

#[test]
fn codex() {
    let c = Kind::OpenaiOauth;
    let limited = r#"{"error":{"type":"usage_limit_reached","message":"x","plan_type":"plus","resets_in_seconds":61}}"#;
    assert_eq!(blame(c, 429, limited), cooling(61_000, Scope::Account));
    assert_eq!(
        blame_of(
            c,
            429,
            &[("x-codex-primary-used-percent", "100"), ("x-codex-primary-reset-after-seconds", "90")],
            "{}",
            false
        ),
        cooling(90_000, Scope::Account)
    );
    assert_eq!(blame(c, 429, r#"{"error":{"type":"usage_not_included"}}"#), Blame::blocked(Reason::Forbidden));
    assert_eq!(blame(c, 402, r#"{"detail":{"code":"deactivated_workspace"}}"#), Blame::blocked(Reason::OutOfMoney));
    assert_eq!(blame(c, 400, r#"{"detail":"Unsupported parameter: temperature"}"#), Blame::Caller);
    assert_eq!(
        blame(c, 429, r#"{"error":{"code":"rate_limit_exceeded","message":"Please try again in 20ms."}}"#),
        cooling(20, Scope::Account)
    );
}
