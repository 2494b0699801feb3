//! Prices that are taken away, and calls of models that have none.

use std::time::Duration;

use harness::fake_upstream::{FakeUpstream, Vendor};
use harness::{Answer, Client, PASSWORD, at};
use schema::{Micros, Role};
use serde_json::{Map, Value, json};

use super::{Cast, cast, deployed, sign_in, told};

/// A channel that serves these models.
async fn channel(c: &Cast, models: &str) -> FakeUpstream {
    let fake = FakeUpstream::start(Vendor::OpenAi).await;
    let form = json!({ "name": "c", "type": 1, "key": Vendor::OpenAi.key(), "base_url": fake.url(), "models": models,
        "group": "default", "status": 1 });
    told(&c.admin.post("/api/channel", form).await);
    fake
}

/// Somebody's calls.
async fn caller(c: &Cast, person: &Client) -> Client {
    let token = told(&person.post("/api/token", json!({ "name": "t", "unlimited_quota": true })).await);
    c.nobody.bearer(token["key"].as_str().expect("a key"))
}

async fn call(caller: &Client, model: &str) -> Answer {
    let messages = json!([{ "role": "user", "content": "Say hello." }]);
    caller.post("/v1/chat/completions", json!({ "model": model, "max_tokens": 50, "messages": messages })).await
}

fn has_no_price(answer: &Answer) {
    let told = answer.json();
    assert_eq!((answer.status.as_u16(), at(&told, "error.code")), (400, &json!("model_price_not_set")), "{told}");
}

pub async fn table(c: &Cast, name: &str) -> Map<String, Value> {
    let all = told(&deployed(&c.root).get("/api/option/").await);
    let found = all.as_array().and_then(|all| all.iter().find(|o| o["key"] == name)).cloned().expect(name);
    serde_json::from_str(found["value"].as_str().expect("text")).expect("a table")
}

pub async fn put(c: &Cast, name: &str, table: Map<String, Value>) {
    let form = json!({ "key": name, "value": Value::Object(table).to_string() });
    told(&deployed(&c.root).call("PUT", "/api/option/", form).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_price_that_is_taken_out_stays_out_for_every_face() {
    const TABLES: [&str; 3] = ["CompletionRatio", "ModelRatio", "ModelPrice"];
    let c = cast().await;
    let _fake = channel(&c, "gpt-4o,gpt-4o-mini").await;
    let ann = caller(&c, &c.ann).await;
    assert_eq!(call(&ann, "gpt-4o").await.status, 200);
    // As the page does it that shows a model by its prices: every table, without the model.
    for name in TABLES {
        let mut all = table(&c, name).await;
        all.retain(|model, _| model != "gpt-4o" && model != "mj_imagine");
        put(&c, name, all).await;
    }
    for name in TABLES {
        let all = table(&c, name).await;
        assert!(!all.contains_key("gpt-4o") && !all.contains_key("mj_imagine"), "{name}: {all:?}");
    }
    assert_eq!(table(&c, "ModelRatio").await["gpt-4o-mini"], json!(0.075), "others stay as they were");
    let model = c.nobody.get("/api/v1/models/gpt-4o").await.json();
    assert_eq!(at(&model, "data.model.pricing"), &Value::Null, "{model}");
    has_no_price(&call(&ann, "gpt-4o").await);
    assert_eq!(call(&ann, "gpt-4o-mini").await.status, 200);

    let mut all = table(&c, "ModelRatio").await;
    all.insert("gpt-4o".into(), json!(2.0));
    put(&c, "ModelRatio", all).await;
    assert_eq!(table(&c, "CompletionRatio").await["gpt-4o"], json!(4.0), "the vendor's proportions");
    assert_eq!(call(&ann, "gpt-4o").await.status, 200);
    told(&c.root.post("/api/option/rest_model_ratio", Value::Null).await);
    assert_eq!(table(&c, "ModelRatio").await["gpt-4o"], json!(1.25));
    assert_eq!(table(&c, "ModelPrice").await["mj_imagine"], json!(0.1));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_models_without_a_price_pays_the_usual_one() {
    let c = cast().await;
    let _fake = channel(&c, "unheard-of").await;
    c.app.person("bob", Role::User, Micros(10_000_000)).await;
    let bob = caller(&c, &sign_in(&c.app, "bob", PASSWORD).await).await;
    let ann = caller(&c, &c.ann).await;
    has_no_price(&call(&ann, "unheard-of").await);
    // No mail can be sent here, and ann did not ask for any: her page sends what it shows.
    let form = json!({ "notify_type": "email", "quota_warning_threshold": 500_000, "webhook_url": "",
        "webhook_secret": "", "notification_email": "", "accept_unset_model_ratio_model": true,
        "record_ip_log": true });
    told(&deployed(&c.ann).call("PUT", "/api/user/setting", form).await);
    let mut said = call(&ann, "unheard-of").await;
    for _ in 0..500 {
        if said.status == 200 {
            break;
        }
        has_no_price(&said);
        tokio::time::sleep(Duration::from_millis(20)).await;
        said = call(&ann, "unheard-of").await;
    }
    assert_eq!(said.status, 200, "{}", said.text);
    has_no_price(&call(&bob, "unheard-of").await);

    // As dear as the deployed system has it: 37.5, in and out.
    let usage = &said.json()["usage"];
    let count = |name: &str| usage[name].as_i64().expect("a count");
    let quota = Micros((count("prompt_tokens") + count("completion_tokens")) * 75).quota();
    let mut me = Value::Null;
    for _ in 0..500 {
        schema::service::settle::flush(&c.app.app).await.expect("the journal is carried");
        me = told(&c.ann.get("/api/user/self").await);
        if me["request_count"] == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!((&me["request_count"], &me["used_quota"]), (&json!(1), &json!(quota)), "{usage}");
    let rows = told(&c.ann.get("/api/log/self?type=2").await);
    let other: Value = serde_json::from_str(rows[0]["other"].as_str().expect("text")).expect("a document");
    assert_eq!((&other["model_ratio"], &other["completion_ratio"]), (&json!(37.5), &json!(1.0)), "{other}");
    let pricing = c.nobody.get("/api/pricing").await.json();
    let row = pricing["data"].as_array().and_then(|rows| rows.iter().find(|row| row["model_name"] == "unheard-of"));
    assert_eq!(row.expect("a row")["model_ratio"], json!(37.5), "{pricing}");
}
