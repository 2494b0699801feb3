//! Errors: codes, masks, numbers, panics and time.

use serde_json::json;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn resolvers_errors_are_coded_masked_and_placed() {
    let site = site(Limits::default()).await;
    let told = site.query("{ inner { ok maybe } perhaps { ok bad } guarded }").await;
    assert_eq!(told.status, 200);
    let body = told.json();
    assert_eq!(body["data"], json!({"inner": {"ok": 1, "maybe": null}, "perhaps": null, "guarded": null}));
    let mut seen: Vec<_> = body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| {
            assert_eq!(error["extensions"]["requestId"].as_str(), Some(told.header("x-request-id")));
            (
                error["path"].to_string(),
                error["extensions"]["code"].as_str().unwrap().to_owned(),
                error["message"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    seen.sort();
    let wanted = [
        ("[\"guarded\"]", "FORBIDDEN", "Not for you."),
        ("[\"inner\",\"maybe\"]", "NOT_FOUND", "There is no such thing."),
        ("[\"perhaps\",\"bad\"]", "INTERNAL_SERVER_ERROR", "Internal error."),
    ];
    let wanted: Vec<_> =
        wanted.iter().map(|(path, code, text)| ((*path).to_owned(), (*code).to_owned(), (*text).to_owned())).collect();
    assert_eq!(seen, wanted);
    assert!(!String::from_utf8_lossy(&told.body).contains("secrets"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_non_null_failure_at_the_root_is_data_null_and_still_an_answer() {
    let site = site(Limits::default()).await;
    let told = site.query("{ inner { bad } }").await;
    assert_eq!(told.status, 200);
    let body = told.json();
    assert_eq!(body.get("data"), Some(&Value::Null));
    assert_eq!(told.code(), "INTERNAL_SERVER_ERROR");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_listed_codes_leave_the_house() {
    let site = site(Limits::default()).await;
    for (given, told_code, text) in [
        ("CONFLICT", "CONFLICT", "as you wish"),
        ("NOT_FOUND", "NOT_FOUND", "as you wish"),
        ("PANIC_AT_THE_DISCO", "INTERNAL_SERVER_ERROR", "Internal error."),
        ("INTERNAL_SERVER_ERROR", "INTERNAL_SERVER_ERROR", "Internal error."),
    ] {
        let told = site.query(&format!("{{ refuse(code: \"{given}\") }}")).await;
        assert_eq!(told.code(), told_code);
        assert_eq!(told.json()["errors"][0]["message"], text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_most_ten_errors_are_told() {
    let site = site(Limits::default()).await;
    let unknown: Vec<_> = (0..50).map(|at| format!("x{at}")).collect();
    let told = site.query(&format!("{{ inner {{ {} }} }}", unknown.join(" "))).await;
    assert_eq!(told.status, 400);
    assert_eq!(told.json()["errors"].as_array().unwrap().len(), 10);
    let told = site.query("{ pile { maybe } }").await;
    assert_eq!(told.json()["errors"].as_array().unwrap().len(), 10);
    assert_eq!(told.json()["data"]["pile"].as_array().unwrap().len(), 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn misspellings_are_not_corrected() {
    let site = site(Limits::default()).await;
    let told = site.query("{ greetin }").await;
    refused(&told, 400, "GRAPHQL_VALIDATION_FAILED");
    assert!(!String::from_utf8_lossy(&told.body).contains("greeting"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_answered_and_the_next_request_too() {
    let site = site(Limits::default()).await;
    let told = site.query("{ greeting explode }").await;
    refused(&told, 500, "INTERNAL_SERVER_ERROR");
    assert_eq!(site.query("{ greeting }").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_that_takes_too_long_is_stopped() {
    let limits = Limits { operation_time: std::time::Duration::from_millis(50), ..Limits::default() };
    let site = site(limits).await;
    refused(&site.query("{ sleep(ms: 60000) }").await, 504, "TIMEOUT");
    assert_eq!(site.query("{ sleep(ms: 1) }").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn json_clients_are_told_refusals_of_documents_with_200() {
    let site = site(Limits::default()).await;
    let headers = [("content-type", "application/json"), ("authorization", "Bearer admin")];
    for query in ["{", "{ nothing }", "query ($a: Int!) { sleep(ms: $a) }"] {
        let body = json!({ "query": query }).to_string();
        let told = site.send(Method::POST, "/graphql", &headers, body).await;
        assert_eq!(told.status, 200);
        assert!(told.json().get("data").is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_syntax_error_is_a_sentence_with_a_place() {
    let site = site(Limits::default()).await;
    for query in ["{", "{ greeting", "query ($a) { greeting }", "}"] {
        let told = site.query(query).await;
        refused(&told, 400, "GRAPHQL_PARSE_FAILED");
        let error = told.json()["errors"][0].clone();
        let message = error["message"].as_str().unwrap();
        assert!(message.starts_with("Syntax error: ") && !message.contains('\n'), "{message}");
        assert!(error["locations"][0]["line"].is_number(), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_text_holds_a_nul() {
    let site = site(Limits::default()).await;
    refused(&site.query("{ greeting(name: \"a\\u0000b\") }").await, 400, "BAD_USER_INPUT");
    let headers = [
        ("content-type", "application/json"),
        ("accept", "application/graphql-response+json"),
        ("authorization", "Bearer admin"),
    ];
    let body = json!({ "query": "query ($n: String!) { greeting(name: $n) }", "variables": { "n": "a\0b" } });
    let told = site.send(Method::POST, "/graphql", &headers, body.to_string()).await;
    refused(&told, 400, "BAD_USER_INPUT");
    assert!(told.json()["errors"][0]["message"].as_str().unwrap().contains("NUL"));
}
