//! The thinnest slice: one key, one account, one call of each form, booked.

use harness::fake_upstream::{FakeUpstream, Vendor};
use schema::model::account::AccountKind;

use crate::world::{World, chat, events, said};

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_served_and_booked() {
    let world = World::new().await;
    let fake = FakeUpstream::start(Vendor::OpenAi).await;
    let account = world.account(&fake, AccountKind::OpenaiCompatible, Vendor::OpenAi).await;
    let ann = world.caller("ann").await;
    let answer = ann.http.post("/v1/chat/completions", chat(false)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let body = answer.json();
    assert!(body["choices"][0]["message"]["content"].as_str().unwrap().contains("Grüße"));
    let seen = fake.last();
    assert_eq!((seen.bearer(), seen.json()), (Some(Vendor::OpenAi.key()), chat(false)));
    let booked = world.booked_when(1).await;
    let row = &booked[0];
    assert_eq!(
        (row["model"].as_str(), row["status"].as_i64(), row["account"].as_i64()),
        (Some("gpt-4o"), Some(200), Some(account.id))
    );
    assert_eq!((row["dialect"].as_str(), row["operation"].as_str()), (Some("openai"), Some("chat")));
    assert_eq!(row["input"], body["usage"]["prompt_tokens"]);
    assert_eq!(row["output"], body["usage"]["completion_tokens"]);
    // $2.50 and $10 a million tokens.
    let cost = row["input"].as_i64().unwrap() * 5 / 2 + row["output"].as_i64().unwrap() * 10;
    assert!((row["cost"].as_i64().unwrap() - cost).abs() <= 1, "{row:?}");
    let person = schema::service::user::get(&world.t.app, &world.t.system(), ann.key.user_id).await.unwrap();
    assert_eq!(person.balance.0, 10_000_000 - row["cost"].as_i64().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_served_and_booked() {
    let world = World::new().await;
    let fake = FakeUpstream::start(Vendor::OpenAi).await;
    world.account(&fake, AccountKind::OpenaiCompatible, Vendor::OpenAi).await;
    let ann = world.caller("ann").await;
    let answer = ann.http.post("/v1/chat/completions", chat(true)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.header("content-type"), "text/event-stream");
    assert!(said(&answer).contains("世界! 🌍") && answer.text.ends_with("data: [DONE]\n\n"), "{}", answer.text);
    // The usage was asked for by the relay alone, and stays with it.
    assert_eq!(fake.last().json()["stream_options"]["include_usage"], true);
    assert!(events(&answer).iter().all(|event| event.get("usage").is_none()), "{}", answer.text);
    let booked = world.booked_when(1).await;
    let row = &booked[0];
    assert!(row["output"].as_i64().unwrap() > 0 && row["cost"].as_i64().unwrap() > 0);
    assert_eq!(
        (row["stream"].as_bool(), row["estimated"].as_bool(), row["error"].as_str()),
        (Some(true), Some(false), Some(""))
    );
}
