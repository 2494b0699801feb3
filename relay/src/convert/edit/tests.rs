use super::*;

fn body(text: &str) -> Body {
    Body::scan(Bytes::copy_from_slice(text.as_bytes())).expect("a valid body")
}

fn refused(text: &str) -> BodyError {
    Body::scan(Bytes::copy_from_slice(text.as_bytes())).expect_err("refused")
}

#[test]
fn fields_are_read_without_a_tree() {
    let body = body(
        r#" { "mod\u0065l" : "gpt-\"4\"", "plain":"x", "stream" : true, "n":null, "max_tokens": 12,
            "metadata":{"user_id":"u1"}, "messages":[{"a":[1,-2.5e+3,{"b":"}"}]}], "stop":["a","b"] } "#,
    );
    assert_eq!(body.str("model"), Ok(Some("gpt-\"4\"".into())));
    assert!(matches!(body.str("plain"), Ok(Some(Cow::Borrowed("x")))));
    assert_eq!(body.bool("stream"), Ok(Some(true)));
    assert_eq!(body.u64("max_tokens"), Ok(Some(12)));
    assert_eq!(body.str("n"), Ok(None));
    assert!(!body.has("n") && !body.has("absent") && body.has("messages"));
    assert_eq!(body.str_in("metadata", "user_id"), Ok(Some("u1".to_owned())));
    assert_eq!(body.get::<Vec<String>>("stop", "a list"), Ok(Some(vec!["a".to_owned(), "b".to_owned()])));
    assert_eq!(body.raw("messages"), Some(br#"[{"a":[1,-2.5e+3,{"b":"}"}]}]"#.as_slice()));
    assert_eq!(body.names().count(), 8);
}

#[test]
fn wrong_types_name_the_field() {
    let body = body(r#"{"model":1,"stream":"yes","max_tokens":-1,"metadata":[],"f":1.5}"#);
    assert_eq!(body.str("model"), Err(wrong("model", "a string")));
    assert_eq!(body.bool("stream"), Err(wrong("stream", "a boolean")));
    assert_eq!(body.u64("max_tokens"), Err(wrong("max_tokens", "a non-negative integer")));
    assert_eq!(body.u64("f"), Err(wrong("f", "a non-negative integer")));
    assert_eq!(body.str_in("metadata", "user_id"), Err(wrong("metadata", "an object")));
}

#[test]
fn everything_else_keeps_its_bytes() {
    let text = "{ \"model\" : \"a\",\n  \"x\":1.0,  \"stream\":false , \"é\": \"\\u00e9\" }\n";
    let body = body(text);
    let mut edit = body.edit();
    edit.set_str("model", "b\"");
    assert_eq!(edit.finish(), text.replace("\"a\"", "\"b\\\"\""));
    edit.remove("x");
    assert_eq!(edit.finish(), "{ \"model\" : \"b\\\"\",  \"stream\":false , \"é\": \"\\u00e9\" }\n");
    edit.remove("model");
    assert_eq!(edit.finish(), "{  \"stream\":false , \"é\": \"\\u00e9\" }\n");
    edit.remove("é").set_bool("stream", true).set_raw("new", b"[1]".to_vec());
    assert_eq!(edit.finish(), "{  \"stream\":true,\"new\":[1] }\n");
}

#[test]
fn nothing_to_do_gives_the_same_buffer() {
    let body = body(r#"{"model":"a"}"#);
    let mut edit = body.edit();
    edit.set_str("model", "a").remove("absent");
    assert_eq!(edit.finish().as_ptr(), body.bytes().as_ptr());
}

#[test]
fn nested_fields_are_set_or_made() {
    let include = |text: &str| {
        let body = body(text);
        let mut edit = body.edit();
        edit.set_in("stream_options", "include_usage", b"true".to_vec()).expect("an object");
        String::from_utf8(edit.finish().to_vec()).expect("UTF-8")
    };
    assert_eq!(include("{}"), r#"{"stream_options":{"include_usage":true}}"#);
    assert_eq!(include(r#"{"stream_options":null}"#), r#"{"stream_options":{"include_usage":true}}"#);
    assert_eq!(
        include(r#"{"stream_options":{"x":1,"include_usage":false},"a":2}"#),
        r#"{"stream_options":{"x":1,"include_usage":true},"a":2}"#
    );
    let body = body(r#"{"stream_options":7}"#);
    assert!(body.edit().set_in("stream_options", "include_usage", b"true".to_vec()).is_err());
}

#[test]
fn duplicates_are_refused_however_spelt_and_however_many() {
    assert_eq!(refused(r#"{"model":1,"mod\u0065l":2}"#), BodyError::Duplicate { field: "model".to_owned() });
    let mut many: Vec<String> = (0..200).map(|i| format!("\"k{i}\":{i}")).collect();
    many.push("\"k7\":0".to_owned());
    assert_eq!(refused(&format!("{{{}}}", many.join(","))), BodyError::Duplicate { field: "k7".to_owned() });
}

#[test]
fn depth_is_limited_on_both_kinds_of_bracket() {
    let nested = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
    body(&nested(127));
    assert_eq!(refused(&nested(128)), BodyError::TooDeep);
    assert_eq!(refused(&format!("{{\"a\":{}", "{\"a\":".repeat(100_000))), BodyError::TooDeep);
}

#[test]
fn invalid_json_is_refused_and_never_panics() {
    for text in [
        "",
        "[]",
        "\"a\"",
        "{",
        "{}x",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{\"a\":01}",
        "{\"a\":1.}",
        "{\"a\":-}",
        "{\"a\":1e}",
        "{\"a\":tru}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12g4\"}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"",
        "{\"a\":[1 2]}",
        "{\"a\":[1}",
        "{\"a\":{\"b\":1]}",
        "{'a':1}",
        "{\"a\":NaN}",
        "{\"a\" 1}",
    ] {
        refused(text);
        assert!(serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text).is_err(), "{text}");
    }
    assert_eq!(refused("[1]"), BodyError::NotAnObject);
    assert_eq!(Body::scan(Bytes::from_static(b"{\"a\":\"\xff\"}")).err(), Some(BodyError::NotUtf8 { at: 6 }));
    let valid = r#"{"a":[1,{"b":"\u00e9\n"},null,true],"c":-0.5e-7}"#;
    for cut in 0..valid.len() {
        refused(&valid[..cut]);
    }
}
