use super::*;

const EXAMPLE: Keys<'_> = Keys {
    access_key_id: "AKIDEXAMPLE",
    secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    session_token: None,
};
/// 2015-08-30T12:36:00Z, the moment of AWS's test suite.
const SUITE: Scope<'_> = Scope { region: "us-east-1", service: "service", now: 1_440_938_160_000 };
/// 2026-11-21T03:04:05Z.
const BEDROCK: Scope<'_> = Scope { region: "us-east-1", service: "bedrock", now: 1_795_230_245_000 };

fn signed(
    method: &str,
    url: &str,
    given: &[(&'static str, &str)],
    body: &str,
    keys: Keys<'_>,
    scope: Scope<'_>,
) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        headers.append(*name, HeaderValue::from_str(value).unwrap());
    }
    sign(&method.parse().unwrap(), &url.parse().unwrap(), &mut headers, body.as_bytes(), keys, scope).unwrap();
    headers
}

fn authorization(headers: &HeaderMap) -> &str {
    headers[header::AUTHORIZATION].to_str().unwrap()
}

/// Cases of the published aws-sig-v4-test-suite.
#[test]
fn agrees_with_the_published_test_suite() {
    let unreserved = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let form = ("content-type", "application/x-www-form-urlencoded");
    let cases: &[(&str, &str, String, &[(&'static str, &str)], &str, &str)] = &[
        (
            "get-vanilla",
            "GET",
            String::new(),
            &[],
            "",
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        (
            "get-unreserved",
            "GET",
            unreserved.into(),
            &[],
            "",
            "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
        ),
        (
            "get-vanilla-query",
            "GET",
            "?Param1=value1".into(),
            &[],
            "",
            "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb",
        ),
        (
            "get-vanilla-query-order-key-case",
            "GET",
            "?Param2=value2&Param1=value1".into(),
            &[],
            "",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            "get-vanilla-query-order-value",
            "GET",
            "?Param1=value2&Param1=value1".into(),
            &[],
            "",
            "5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694",
        ),
        (
            "get-vanilla-query-unreserved",
            "GET",
            format!("?{unreserved}={unreserved}"),
            &[],
            "",
            "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
        ),
        (
            "get-vanilla-utf8-query",
            "GET",
            "?%E1%88%B4=bar".into(),
            &[],
            "",
            "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
        ),
        (
            "get-header-value-order",
            "GET",
            String::new(),
            &[("my-header1", "value4"), ("my-header1", "value1"), ("my-header1", "value3"), ("my-header1", "value2")],
            "",
            "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01",
        ),
        (
            "get-header-value-trim",
            "GET",
            String::new(),
            &[("my-header1", " value1"), ("my-header2", " \"a   b   c\"")],
            "",
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        ),
        (
            "post-vanilla",
            "POST",
            String::new(),
            &[],
            "",
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ),
        (
            "post-vanilla-query",
            "POST",
            "?Param1=value1".into(),
            &[],
            "",
            "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
        ),
        (
            "post-header-key-sort",
            "POST",
            String::new(),
            &[("my-header1", "value1")],
            "",
            "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
        ),
        (
            "post-header-value-case",
            "POST",
            String::new(),
            &[("my-header1", "VALUE1")],
            "",
            "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
        ),
        (
            "post-x-www-form-urlencoded",
            "POST",
            String::new(),
            &[form],
            "Param1=value1",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
    ];
    for (name, method, tail, headers, body, signature) in cases {
        let url = format!("https://example.amazonaws.com/{tail}");
        let headers = signed(method, &url, headers, body, EXAMPLE, SUITE);
        assert!(authorization(&headers).ends_with(signature), "{name}: {}", authorization(&headers));
        assert_eq!(headers["x-amz-date"], "20150830T123600Z");
    }
}

/// Signatures of the same requests by AWS's own Python client.
#[test]
fn encodes_the_wire_path_once_more_for_bedrock() {
    let json = ("content-type", "application/json");
    let base = "https://bedrock-runtime.us-east-1.amazonaws.com/model/us.anthropic.claude-sonnet-4-5-20250929-v1";
    let cases = [
        (format!("{base}%3A0/invoke"), "b0856f7f8faed0a05d57c9626de5628c0689646959dd8a4b4b0c50aa334807ab"),
        (format!("{base}:0/invoke"), "19aaf260185fe3abb41c98a696d6566dcf0fae4b85902ec9edc79c46175f3ea5"),
    ];
    for (url, signature) in cases {
        let headers = signed("POST", &url, &[json], r#"{"max_tokens":1}"#, EXAMPLE, BEDROCK);
        assert_eq!(
            authorization(&headers),
            format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261121/us-east-1/bedrock/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature={signature}"
            )
        );
    }
}

#[test]
fn signs_a_session_token_a_custom_prefix_and_a_query() {
    let json = ("content-type", "application/json");
    let temporary = Keys { session_token: Some("TOKEN//x+y=="), ..EXAMPLE };
    let arn = "https://bedrock-runtime.eu-west-1.amazonaws.com/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A123456789012%3Aapplication-inference-profile%2Fabc/converse-stream";
    let stream = ("accept", "application/vnd.amazon.eventstream");
    let headers = signed("POST", arn, &[json, stream], "{}", temporary, Scope { region: "eu-west-1", ..BEDROCK });
    assert!(
        authorization(&headers).contains("SignedHeaders=accept;content-type;host;x-amz-date;x-amz-security-token,")
    );
    assert!(authorization(&headers).ends_with("86b764094eea787bd2553cf078ca958d4a742bd7928a3250fbe033af3a6cc527"));
    assert_eq!(headers["x-amz-security-token"], "TOKEN//x+y==");

    let headers =
        signed("POST", "http://127.0.0.1:8080/bed%20rock/prefix/model/x/invoke", &[json], "{}", EXAMPLE, BEDROCK);
    assert!(authorization(&headers).ends_with("6725cd75ec65961e6388ba9c1369950a32fdf7320584b45c2e8d226102e79064"));

    let models = "https://bedrock.us-east-1.amazonaws.com/foundation-models?byProvider=anthropic&b=a%20b&a=~x";
    let headers = signed("GET", models, &[], "", EXAMPLE, BEDROCK);
    assert!(authorization(&headers).ends_with("79ae511343b5bcf0f75a1f062ca28b8abf610108109d3bfdeffb7ef241f25de6"));
}

#[test]
fn a_default_port_is_not_part_of_the_host() {
    let plain = signed("GET", "https://example.amazonaws.com/", &[], "", EXAMPLE, SUITE);
    let port = signed("GET", "https://example.amazonaws.com:443/", &[], "", EXAMPLE, SUITE);
    assert_eq!(authorization(&plain), authorization(&port));
}

#[test]
fn secrets_are_marked_sensitive_and_bad_ones_refused() {
    let headers =
        signed("GET", "https://example.amazonaws.com/", &[], "", Keys { session_token: Some("t"), ..EXAMPLE }, SUITE);
    assert!(headers[header::AUTHORIZATION].is_sensitive());
    assert!(headers["x-amz-security-token"].is_sensitive());
    let mut headers = HeaderMap::new();
    let broken = Keys { session_token: Some("a\nb"), ..EXAMPLE };
    assert!(sign(&Method::GET, &Uri::from_static("https://h/"), &mut headers, b"", broken, SUITE).is_err());
    assert!(sign(&Method::GET, &Uri::from_static("/"), &mut HeaderMap::new(), b"", EXAMPLE, SUITE).is_err());
}
