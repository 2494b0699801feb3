//! Calls through the service that is set up here, and what callers attach to them.

use harness::fake_upstream::{FakeUpstream, Vendor};
use harness::{Client, at};
use schema::service::api_key::{self, NewKey};
use schema::{Micros, Role};
use serde_json::json;

use super::{Cast, cast};

/// A service that is set up here, and somebody with a key to it.
async fn served(c: &Cast) -> (FakeUpstream, Client) {
    let upstream = FakeUpstream::start(Vendor::OpenAi).await;
    let config = json!({ "provider": "openai", "apiKey": Vendor::OpenAi.key(), "model": "gpt-4o-mini",
        "baseURL": upstream.url() });
    let set = c.admin.call("PUT", "/api/admin/llm/config", json!({ "enabled": true, "config": config })).await;
    assert_eq!(set.status, 200, "{}", set.text);
    let bob = c.app.person("bob", Role::User, Micros(10_000_000)).await;
    let new = NewKey { owner: Some(bob.id), name: "k".into(), ..NewKey::default() };
    let issued = api_key::issue(&c.app.app, &c.app.system(), new).await.expect("a key");
    let caller = Client::new(&c.app.url, Some(issued.secret.reveal()));
    (upstream, caller)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_book_is_carried_from_the_call_into_its_log() {
    let c = cast().await;
    let (upstream, caller) = served(&c).await;

    let body = json!({ "model": "gpt-4o-mini", "messages": [{ "role": "user", "content": "hello" }] });
    let named = caller.with("x-account-book-id", "b1").with("x-account-book-name", "%E8%B4%A6%E6%9C%AC");
    let answer = named.post("/v1/chat/completions", body.clone()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let seen = upstream.last();
    assert!(seen.headers.keys().all(|name| !name.as_str().starts_with("x-account-book")), "{:?}", seen.headers);
    let mut with_metadata = body.clone();
    with_metadata["metadata"] = json!({ "accountBookId": "b2" });
    assert_eq!(caller.post("/v1/chat/completions", with_metadata).await.status, 200);
    assert_eq!(caller.post("/v1/chat/completions", body).await.status, 200);
    for _ in 0..100 {
        let all = c.admin.get("/api/admin/llm/logs").await.json();
        if at(&all, "data.pagination.total") == &json!(3) {
            let first = c.admin.get("/api/admin/llm/logs?accountBookId=b1").await.json();
            let row = at(&first, "data.logs.0");
            assert_eq!((&row["accountBookId"], &row["accountBookName"]), (&json!("b1"), &json!("账本")), "{first}");
            assert_eq!(
                (&row["userName"], &row["provider"], &row["isSuccess"]),
                (&json!("bob"), &json!("openai"), &json!(true))
            );
            assert!(row["userMessage"].is_null(), "nothing is recorded unless asked: {row}");
            let second = c.admin.get("/api/admin/llm/logs?accountBookId=b2").await.json();
            assert_eq!(at(&second, "data.pagination.total"), &json!(1), "{second}");
            for other in ["B1", "b", "b_", "%25"] {
                let none = c.admin.get(&format!("/api/admin/llm/logs?accountBookId={other}")).await.json();
                assert_eq!(at(&none, "data.pagination.total"), &json!(0), "{other} is another book: {none}");
                assert_eq!(at(&none, "data.stats.totalCalls"), &json!(0), "{none}");
            }
            let overview = c.admin.get("/api/admin/dashboard/overview").await.json();
            assert_eq!(at(&overview, "data.transactionStats.todayTransactions"), &json!(3), "{overview}");
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the calls were never booked");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_is_kept_in_words_whole_or_streamed_in_any_dialect() {
    let c = cast().await;
    let (_upstream, caller) = served(&c).await;
    let on = json!({ "value": "true" });
    assert_eq!(c.root.call("PUT", "/api/admin/configs/record_content", on).await.status, 200);
    let asked = [
        (
            "/v1/chat/completions",
            json!({ "model": "gpt-4o-mini", "messages": [
            { "role": "system", "content": "Be brief." }, { "role": "user", "content": "hello" }] }),
        ),
        (
            "/v1/messages",
            json!({ "model": "gpt-4o-mini", "max_tokens": 100, "system": "Be brief.",
            "messages": [{ "role": "user", "content": "hello" }] }),
        ),
    ];
    for (path, body) in asked {
        for stream in [false, true] {
            let mut body = body.clone();
            body["stream"] = json!(stream);
            let answer = caller.post(path, body).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        }
    }
    for _ in 0..200 {
        let all = c.admin.get("/api/admin/llm/logs").await.json();
        if at(&all, "data.pagination.total") == &json!(4) {
            for place in 0..4 {
                let id = at(&all, &format!("data.logs.{place}.id")).as_str().expect("an id").to_owned();
                let one = c.admin.get(&format!("/api/admin/llm/logs/{id}")).await.json();
                let log = at(&one, "data.log");
                assert_eq!(
                    (&log["systemPrompt"], &log["userMessage"]),
                    (&json!("Be brief."), &json!("hello")),
                    "{log}"
                );
                let said = log["assistantMessage"].as_str().unwrap_or_default();
                assert!(said.starts_with("Hello from the fake upstream") && !said.contains("{"), "{log}");
            }
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the calls were never booked");
}
