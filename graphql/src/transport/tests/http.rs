//! Requests and answers over plain HTTP: forms, methods, sizes, callers.

use serde_json::json;

use super::*;

const JSON: (&str, &str) = ("content-type", "application/json");
const ADMIN: (&str, &str) = ("authorization", "Bearer admin");

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_comes_in_the_form_that_was_asked_for() {
    let site = site(Limits::default()).await;
    let ask = async |accept: &'static str| {
        let headers = [JSON, ADMIN, ("accept", accept)];
        let body = json!({"query": "{ greeting }"}).to_string();
        site.send(Method::POST, "/graphql", &headers, body).await
    };
    for (accept, form) in [
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("application/graphql-response+json", "application/graphql-response+json"),
    ] {
        let told = ask(accept).await;
        assert_eq!(told.status, 200);
        assert!(told.header("content-type").starts_with(form), "{accept}");
        assert_eq!(told.json()["data"], json!({"greeting": "Hello, world"}));
        assert_eq!(told.header("cache-control"), "no-store");
        assert_eq!(told.header("x-content-type-options"), "nosniff");
        assert!(!told.header("x-request-id").is_empty());
    }
    refused(&ask("text/html").await, 406, "BAD_REQUEST");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_json_object_by_post_is_a_request() {
    let site = site(Limits::default()).await;
    for body in [
        "",
        "[]",
        "[{\"query\":\"{ greeting }\"}]",
        "{",
        "null",
        "\"x\"",
        "{}",
        "{\"query\":1}",
        "{\"query\":\"  \"}",
        "{\"query\":\"{ greeting }\",\"variables\":[]}",
        "{\"query\":\"{ greeting }\",\"operationName\":1}",
        "{\"query\":\"{ greeting }\",\"extensions\":\"x\"}",
    ] {
        let told = site.send(Method::POST, "/graphql", &[JSON, ADMIN], body.to_owned()).await;
        refused(&told, 400, "BAD_REQUEST");
    }
    let not_utf8 = Bytes::from_static(b"{\"query\":\"{ greeting \xff}\"}");
    let told = site.send(Method::POST, "/graphql", &[JSON, ADMIN], not_utf8).await;
    refused(&told, 400, "BAD_REQUEST");
    let told = site
        .post(json!({"query": "{ greeting }", "more": 1, "variables": null, "extensions": null, "operationName": null}))
        .await;
    assert_eq!(told.status, 200);
    let hash = json!({"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "ab"}}});
    let told = site.post(hash).await;
    refused(&told, 400, "BAD_REQUEST");
    assert_eq!(told.json()["errors"][0]["message"], "PersistedQueryNotSupported");
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_and_compressed_bodies_are_not_read() {
    let site = site(Limits::default()).await;
    let body = json!({"query": "{ greeting }"}).to_string();
    for headers in [
        vec![ADMIN],
        vec![ADMIN, ("content-type", "text/plain")],
        vec![ADMIN, ("content-type", "multipart/form-data; boundary=x")],
        vec![ADMIN, JSON, ("content-encoding", "gzip")],
    ] {
        let told = site.send(Method::POST, "/graphql", &headers, body.clone()).await;
        refused(&told, 415, "BAD_REQUEST");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn get_reads_only_and_shows_intent() {
    let site = site(Limits::default()).await;
    let get = async |query: &str, headers: &[(&str, &str)]| {
        let target = format!("/graphql?{query}");
        site.send(Method::GET, &target, headers, "").await
    };
    let greeting = "query=%7B%20greeting%20%7D";
    refused(&get(greeting, &[]).await, 400, "BAD_REQUEST");
    for header in [ADMIN, ("graphql-require-preflight", "1")] {
        assert_eq!(get(greeting, &[header]).await.status, 200);
    }
    let named = "query=query%20A%7Bgreeting%7D%20query%20B(%24n%3AString!)%7Bgreeting(name%3A%24n)%7D&operationName=B&variables=%7B%22n%22%3A%22Ada%22%7D";
    let told = get(named, &[ADMIN]).await;
    assert_eq!(told.json()["data"]["greeting"], "Hello, Ada");
    let told = get("query=mutation%7Bbump%7D", &[ADMIN]).await;
    refused(&told, 405, "BAD_REQUEST");
    assert_eq!(told.header("allow"), "POST");
    let told = site.query("mutation { bump }").await;
    assert_eq!(told.json()["data"]["bump"], 1, "the GET ran nothing");
    let twice = format!("{greeting}&{greeting}");
    refused(&get(&twice, &[ADMIN]).await, 400, "BAD_REQUEST");
    for method in [Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
        let told = site.send(method, "/graphql", &[ADMIN], "").await;
        refused(&told, 405, "BAD_REQUEST");
        assert_eq!(told.header("allow"), "GET, POST");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_and_slow_bodies_are_refused() {
    let limits = Limits { body_time: std::time::Duration::from_millis(100), ..Limits::default() };
    let site = site(limits).await;
    let large = "x".repeat((1 << 20) + 1);
    let told = site.send(Method::POST, "/graphql", &[JSON, ADMIN], large).await;
    refused(&told, 413, "BAD_REQUEST");

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut slow = tokio::net::TcpStream::connect(site.at).await.unwrap();
    slow.write_all(
        b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{",
    )
    .await
    .unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");

    // A body that does not say its length is counted as it comes.
    let mut chunked = tokio::net::TcpStream::connect(site.at).await.unwrap();
    chunked
        .write_all(b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")
        .await
        .unwrap();
    let chunk = format!("40000\r\n{}\r\n", "x".repeat(0x40000));
    for _ in 0..5 {
        chunked.write_all(chunk.as_bytes()).await.unwrap();
    }
    let mut start = [0; 12];
    chunked.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 413");
}

#[tokio::test(flavor = "multi_thread")]
async fn long_answers_are_compressed_and_short_ones_not() {
    let site = site(Limits::default()).await;
    let headers = [JSON, ADMIN, ("accept-encoding", "gzip")];
    for (size, encoding) in [(10, ""), (5000, "gzip")] {
        let body = json!({"query": format!("{{ long(size: {size}) }}")}).to_string();
        let told = site.send(Method::POST, "/graphql", &headers, body).await;
        assert_eq!(told.header("content-encoding"), encoding);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_are_let_in_or_told_why_not() {
    let site = site(Limits::default()).await;
    let ask = json!({"query": "{ caller }"});
    let told = site.post_as(Some("wrong"), ask.clone()).await;
    refused(&told, 401, "UNAUTHENTICATED");
    assert!(told.header("www-authenticate").starts_with("Bearer"));
    refused(&site.post_as(Some("banned"), ask.clone()).await, 403, "FORBIDDEN");
    let told = site.post_as(Some("hasty"), ask.clone()).await;
    refused(&told, 429, "RATE_LIMITED");
    assert_eq!(told.header("retry-after"), "7");
    let told = site.post_as(Some("unsure"), ask.clone()).await;
    refused(&told, 500, "INTERNAL_SERVER_ERROR");
    let told = site.post_as(Some("user7"), ask.clone()).await;
    assert_eq!(told.json()["data"]["caller"], "User(\"user7\")");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_may_name_only_the_listed_fields() {
    let site = site(Limits::default()).await;
    let ask = async |query: &str| site.post_as(None, json!({ "query": query })).await;
    assert_eq!(ask("{ greeting }").await.status, 200);
    let sign_in = "mutation { signIn(input: {username: \"admin\", password: \"admin\"}) { token } }";
    assert_eq!(ask(sign_in).await.json()["data"]["signIn"]["token"], "admin");
    for query in [
        "{ caller }",
        "{ greeting caller }",
        "{ greeting: caller }",
        "{ ... { caller } }",
        "{ ...F } fragment F on Query { caller }",
        "{ __schema { types { name } } }",
        "{ __typename }",
        "mutation { bump }",
    ] {
        refused(&ask(query).await, 401, "UNAUTHENTICATED");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_is_shown_to_those_who_may_see_it() {
    let site = site(Limits::default()).await;
    let ask = json!({"query": "{ __schema { queryType { name } } __type(name: \"Item\") { name } }"});
    let told = site.post(ask.clone()).await;
    assert_eq!(told.json()["data"]["__type"]["name"], "Item");
    refused(&site.post_as(Some("user1"), ask).await, 403, "FORBIDDEN");
    let told = site.post_as(Some("user1"), json!({"query": "{ __typename }"})).await;
    assert_eq!(told.json()["data"]["__typename"], "Query");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_caller_s_own_request_id_is_kept_when_it_is_harmless() {
    let site = site(Limits::default()).await;
    let ask = async |id: &str| {
        let body = json!({"query": "{"}).to_string();
        let headers = [JSON, ADMIN, ("x-request-id", id)];
        site.send(Method::POST, "/graphql", &headers, body).await
    };
    assert_eq!(ask("trace-7.a_b").await.header("x-request-id"), "trace-7.a_b");
    let told = ask("<script>").await;
    assert_eq!(told.header("x-request-id").len(), 16);
    refused_anyhow(&told);
}

#[track_caller]
fn refused_anyhow(told: &Told) {
    assert_eq!(told.code(), "GRAPHQL_PARSE_FAILED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mutation_outlives_a_caller_who_hangs_up() {
    use tokio::io::AsyncWriteExt;
    let site = site(Limits::default()).await;
    let body = json!({"query": "mutation { slowBump(ms: 200) }"}).to_string();
    let head = format!(
        "POST /graphql HTTP/1.1\r\nhost: x\r\nauthorization: Bearer admin\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut caller = tokio::net::TcpStream::connect(site.at).await.unwrap();
    caller.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    drop(caller);
    tokio::time::sleep(std::time::Duration::from_millis(400)).await;
    let told = site.query("mutation { bump }").await;
    assert_eq!(told.json()["data"]["bump"], 2);
}
