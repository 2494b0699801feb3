//! Calls through the service that is set up here, and what callers attach to them.

use harness::fake_upstream::{FakeUpstream, Vendor};
use harness::{Client, at};
use schema::service::api_key::{self, NewKey};
use schema::{Micros, Role};
use serde_json::json;

use super::cast;

#[tokio::test(flavor = "multi_thread")]
async fn an_account_book_is_carried_from_the_call_into_its_log() {
    let c = cast().await;
    let upstream = FakeUpstream::start(Vendor::OpenAi).await;
    let config = json!({ "provider": "openai", "apiKey": Vendor::OpenAi.key(), "model": "gpt-4o-mini",
        "baseURL": upstream.url() });
    let set = c.admin.call("PUT", "/api/admin/llm/config", json!({ "enabled": true, "config": config })).await;
    assert_eq!(set.status, 200, "{}", set.text);
    let bob = c.app.person("bob", Role::User, Micros(10_000_000)).await;
    let new = NewKey { owner: Some(bob.id), name: "k".into(), ..NewKey::default() };
    let issued = api_key::issue(&c.app.app, &c.app.system(), new).await.expect("a key");
    let caller = Client::new(&c.app.url, Some(issued.secret.reveal()));

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
            let overview = c.admin.get("/api/admin/dashboard/overview").await.json();
            assert_eq!(at(&overview, "data.transactionStats.todayTransactions"), &json!(3), "{overview}");
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the calls were never booked");
}
