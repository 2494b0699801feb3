//! Signatures and frames against published vectors.

use super::*;
use crate::fake_upstream::eventstream::crc32;

const EXAMPLE: Credentials<'_> = Credentials {
    access_key: "AKIDEXAMPLE",
    secret_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    service: "service",
};

fn signed(service: &str, names: &str, signature: &str, others: &[(&'static str, &str)]) -> HeaderMap {
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/{service}/aws4_request, SignedHeaders={names}, \
         Signature={signature}"
    );
    let mut headers = HeaderMap::new();
    headers.insert("authorization", authorization.parse().expect("a header"));
    headers.insert("x-amz-date", "20150830T123600Z".parse().expect("a header"));
    for (name, value) in others {
        headers.insert(*name, value.parse().expect("a header"));
    }
    headers
}

#[test]
fn the_published_sigv4_vectors_are_accepted_and_nothing_beside_them() {
    let host = [("host", "example.amazonaws.com")];
    let vanilla = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
    let headers = signed("service", "host;x-amz-date", vanilla, &host);
    assert_eq!(verify_sigv4(&EXAMPLE, "GET", "/", "", &headers, b""), Ok("us-east-1".to_owned()));
    for (method, path, query, body) in
        [("POST", "/", "", ""), ("GET", "/x", "", ""), ("GET", "/", "a=b", ""), ("GET", "/", "", "x")]
    {
        assert!(verify_sigv4(&EXAMPLE, method, path, query, &headers, body.as_bytes()).is_err());
    }

    let ordered = "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500";
    let headers = signed("service", "host;x-amz-date", ordered, &host);
    assert!(verify_sigv4(&EXAMPLE, "GET", "/", "Param2=value2&Param1=value1", &headers, b"").is_ok());

    let iam = Credentials { service: "iam", ..EXAMPLE };
    let users = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7";
    let others = [("host", "iam.amazonaws.com"), ("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
    let headers = signed("iam", "content-type;host;x-amz-date", users, &others);
    let query = "Action=ListUsers&Version=2010-05-08";
    assert!(verify_sigv4(&iam, "GET", "/", query, &headers, b"").is_ok());
    let wrong = Credentials { secret_key: "another", ..iam };
    assert!(verify_sigv4(&wrong, "GET", "/", query, &headers, b"").is_err());
}

#[test]
fn an_amz_header_that_is_not_signed_is_refused() {
    let vanilla = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
    let others = [("host", "example.amazonaws.com"), ("x-amz-security-token", "t")];
    let headers = signed("service", "host;x-amz-date", vanilla, &others);
    let refused = verify_sigv4(&EXAMPLE, "GET", "/", "", &headers, b"").expect_err("refused");
    assert!(refused.contains("x-amz-security-token"), "{refused}");
}

#[test]
fn the_age_of_a_signature_counts_seconds() {
    let headers = signed("service", "host", "", &[]);
    assert_eq!(super::super::sigv4::age(&headers, 1_440_938_160), Some(0));
    assert_eq!(super::super::sigv4::age(&headers, 1_440_938_160 + 901), Some(901));
}

#[test]
fn frames_come_back_as_they_went_and_damage_is_noticed() {
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    let frames = [Frame::event("chunk", r#"{"bytes":"e30="}"#), Frame::exception("throttlingException", "{}")];
    let stream = frames.iter().map(encode_frame).collect::<Vec<_>>().concat();
    assert_eq!(decode_frames(&stream).expect("good frames"), frames);
    assert_eq!(frames[0].header(":event-type"), Some("chunk"));
    for at in 0..stream.len() {
        let mut damaged = stream.clone();
        damaged[at] ^= 0x20;
        assert!(decode_frames(&damaged).is_err(), "damage at byte {at} passes");
    }
    assert!(decode_frames(&stream[..stream.len() - 1]).is_err());
}
