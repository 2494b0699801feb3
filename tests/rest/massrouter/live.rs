//! The socket: who hears what, and who is let go.

use harness::app::ADMIN_PASSWORD;
use harness::{TestApp, at};
use schema::bus::{Event, UsedCall};
use schema::{Micros, Role};
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use super::{sign_in, told};

/// The next message of a socket, read as JSON.
async fn heard<S>(socket: &mut S) -> Value
where
    S: futures_util::Stream<Item = Result<Message, tokio_tungstenite::tungstenite::Error>> + Unpin,
{
    use futures_util::StreamExt;
    loop {
        let message = tokio::time::timeout(std::time::Duration::from_secs(10), socket.next()).await;
        match message.expect("a message in time").expect("an open socket").expect("a message") {
            Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
            Message::Close(_) => return Value::Null,
            _ => {}
        }
    }
}

async fn say<S>(socket: &mut S, message: Value)
where
    S: futures_util::Sink<Message> + Unpin,
    S::Error: std::fmt::Debug,
{
    use futures_util::SinkExt;
    socket.send(Message::Text(message.to_string().into())).await.expect("sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_tells_each_only_what_is_theirs() {
    let app = TestApp::new().await;
    let ann = app.person("ann", Role::User, Micros::ZERO).await;
    let bob = app.person("bob", Role::User, Micros::ZERO).await;
    let token = sign_in(&app, "ann", harness::PASSWORD).await.token.expect("a token");
    let url = format!("{}/ws", app.url.replace("http://", "ws://"));
    let refused = connect_async(format!("{url}?token=eyJx")).await.err().map(|e| e.to_string()).unwrap_or_default();
    assert!(refused.contains("401"), "{refused}");

    // By the first message, for which whoever comes without a token is asked.
    for (word, answer) in [
        (json!({ "action": "subscribe", "topic": "billing.updates" }), "error"),
        (json!({ "action": "auth", "token": "eyJx" }), "error"),
        (json!({ "action": "auth", "token": token }), "ack"),
    ] {
        let (mut late, _) = connect_async(&url).await.expect("connected");
        let asked = heard(&mut late).await;
        assert_eq!((&asked["success"], at(&asked, "error.code")), (&json!(false), &json!("ERR_002")), "{asked}");
        say(&mut late, word).await;
        assert_eq!(heard(&mut late).await["type"], json!(answer));
        if answer == "error" {
            assert_eq!(heard(&mut late).await, Value::Null, "and it is closed");
        }
    }

    let (mut socket, _) = connect_async(format!("{url}?token={token}")).await.expect("connected");
    say(&mut socket, json!({ "action": "ping" })).await;
    assert_eq!(heard(&mut socket).await["action"], json!("ping"));
    say(&mut socket, json!({ "action": "subscribe", "topic": "system.alerts" })).await;
    assert_eq!(at(&heard(&mut socket).await, "error.code"), &json!("ERR_003"));
    say(&mut socket, json!({ "action": "subscribe", "topic": "weather" })).await;
    assert_eq!(at(&heard(&mut socket).await, "error.code"), &json!("ERR_001"));
    say(&mut socket, json!({ "action": "subscribe", "topic": "billing.updates" })).await;
    assert_eq!(heard(&mut socket).await["topic"], json!("billing.updates"));

    let change = |person: &schema::model::user::User, balance: i64| schema::bus::WalletChange {
        user_id: person.id,
        balance,
        seq: 1,
        entry_kind: "payment".into(),
        amount: balance,
        at: 0,
    };
    app.app.bus.publish(schema::bus::Event::WalletChanged(change(&bob, 9_000_000))).await;
    app.app.bus.publish(schema::bus::Event::WalletChanged(change(&ann, 1_000_000))).await;
    let news = heard(&mut socket).await;
    assert_eq!((news["type"].as_str(), at(&news, "data.balance")), (Some("event"), &json!(7.2)), "{news}");
    say(&mut socket, json!({ "action": "unsubscribe", "topic": "billing.updates" })).await;
    assert_eq!(heard(&mut socket).await["action"], json!("unsubscribe"));

    // A token that ends closes what it opened.
    let form = json!({ "status": "suspended" });
    let root = sign_in(&app, "admin", ADMIN_PASSWORD).await;
    told(&root.call("PUT", &format!("/api/v1/admin/users/{}/status", ann.id), form).await);
    assert_eq!(heard(&mut socket).await, Value::Null);
}

async fn listen(
    url: &str,
    token: &str,
    topic: &str,
) -> tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>> {
    let (mut socket, _) = connect_async(format!("{url}?token={token}")).await.expect("connected");
    say(&mut socket, json!({ "action": "subscribe", "topic": topic })).await;
    let answer = heard(&mut socket).await;
    assert_eq!((&answer["type"], &answer["topic"]), (&json!("ack"), &json!(topic)), "{answer}");
    socket
}

#[tokio::test(flavor = "multi_thread")]
async fn use_is_told_to_whoever_called_and_alerts_to_administrators() {
    let app = TestApp::new().await;
    let ann = app.person("ann", Role::User, Micros::ZERO).await;
    let bob = app.person("bob", Role::User, Micros::ZERO).await;
    let url = format!("{}/ws", app.url.replace("http://", "ws://"));
    let anns = sign_in(&app, "ann", harness::PASSWORD).await.token.expect("a token");
    let roots = sign_in(&app, "admin", ADMIN_PASSWORD).await.token.expect("a token");
    let mut hers = listen(&url, &anns, "model.usage").await;
    let mut all = listen(&url, &roots, "model.usage").await;
    let mut alerts = listen(&url, &roots, "system.alerts").await;
    let used = |id: &str, user_id: i64| {
        let call = UsedCall { call_id: id.into(), user_id, model: "gpt-4o".into(), status: 200, ..UsedCall::default() };
        Event::Used(Box::new(call))
    };
    app.app.bus.publish(used("bobs", bob.id)).await;
    app.app.bus.publish(used("anns", ann.id)).await;
    assert_eq!(at(&heard(&mut hers).await, "data.call_id"), &json!("anns"), "not bob's");
    assert_eq!(at(&heard(&mut all).await, "data.call_id"), &json!("bobs"));
    assert_eq!(at(&heard(&mut all).await, "data.call_id"), &json!("anns"));
    let alert = Event::Alert { level: "warning".into(), code: "DISK".into(), message: "full".into(), at: 0 };
    app.app.bus.publish(alert).await;
    let news = heard(&mut alerts).await;
    assert_eq!((&news["topic"], at(&news, "data.code")), (&json!("system.alerts"), &json!("DISK")), "{news}");
    // By the header as well, and an API key is as good as its owner.
    let client = app.anonymous().bearer(&anns);
    let made = told(&client.post("/api/v1/users/me/api-keys", json!({ "name": "k" })).await);
    let key = at(&made, "api_key.key").as_str().unwrap_or("").to_owned();
    let mut request =
        tokio_tungstenite::tungstenite::client::IntoClientRequest::into_client_request(&url).expect("a request");
    request.headers_mut().insert("authorization", format!("Bearer {key}").parse().expect("a header"));
    let (mut socket, _) = connect_async(request).await.expect("connected");
    say(&mut socket, json!({ "action": "subscribe", "topic": "system.alerts" })).await;
    assert_eq!(at(&heard(&mut socket).await, "error.code"), &json!("ERR_003"));
    say(&mut socket, json!("not an order")).await;
    assert_eq!(at(&heard(&mut socket).await, "error.code"), &json!("ERR_001"));
    say(&mut socket, json!({ "action": "dance" })).await;
    assert_eq!(at(&heard(&mut socket).await, "error.code"), &json!("ERR_001"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_reads_too_slowly_is_let_go_and_others_are_not() {
    use futures_util::StreamExt;
    let app = TestApp::new().await;
    let url = format!("{}/ws", app.url.replace("http://", "ws://"));
    let token = sign_in(&app, "admin", ADMIN_PASSWORD).await.token.expect("a token");
    let mut slow = listen(&url, &token, "system.alerts").await;
    let mut quick = listen(&url, &token, "system.alerts").await;
    let words = "x".repeat(64 * 1024);
    let reader = tokio::spawn(async move {
        let mut told = 0;
        while told < 400 {
            assert_eq!(heard(&mut quick).await["type"], json!("event"));
            told += 1;
        }
    });
    for n in 0..400 {
        let alert = Event::Alert { level: "info".into(), code: format!("N{n}"), message: words.clone(), at: 0 };
        app.app.bus.publish(alert).await;
        // At a pace that a reader keeps.
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    reader.await.expect("the quick one hears everything");
    // Long enough for the writer to have lost its patience with the slow one.
    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    let mut told = 0;
    while let Some(Ok(Message::Text(_))) = slow.next().await {
        told += 1;
    }
    assert!(told < 400, "it was let go after {told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_message_may_ask_at_once_and_a_fresh_token_takes_the_place_of_an_old_one() {
    let app = TestApp::new().await;
    let ann = app.person("ann", Role::User, Micros::ZERO).await;
    app.person("bob", Role::User, Micros::ZERO).await;
    let url = format!("{}/ws", app.url.replace("http://", "ws://"));
    let anns = sign_in(&app, "ann", harness::PASSWORD).await.token.expect("a token");
    let bobs = sign_in(&app, "bob", harness::PASSWORD).await.token.expect("a token");
    let (mut socket, _) = connect_async(&url).await.expect("connected");
    assert_eq!(at(&heard(&mut socket).await, "error.code"), &json!("ERR_002"));
    say(&mut socket, json!({ "action": "subscribe", "topic": "billing.updates", "token": anns })).await;
    let answer = heard(&mut socket).await;
    assert_eq!((&answer["type"], &answer["action"]), (&json!("ack"), &json!("subscribe")), "{answer}");

    let told_of = |seq: i64| schema::bus::WalletChange {
        user_id: ann.id,
        balance: 1_000_000,
        seq,
        // A card is a payment in these words, as it is in the list of transactions.
        entry_kind: "card".into(),
        amount: 1_000_000,
        at: 0,
    };
    for word in [json!({ "action": "auth", "token": "eyJx" }), json!({ "action": "auth" })] {
        say(&mut socket, word).await;
        let answer = heard(&mut socket).await;
        assert_eq!((&answer["type"], at(&answer, "error.code")), (&json!("error"), &json!("ERR_002")), "{answer}");
    }
    app.app.bus.publish(Event::WalletChanged(told_of(1))).await;
    let news = heard(&mut socket).await;
    assert_eq!(at(&news, "data.type"), &json!("payment"), "whoever was believed still is: {news}");
    let order = Event::OrderChanged { no: "SUB1".into(), user_id: ann.id, status: "activated".into() };
    app.app.bus.publish(order).await;
    assert_eq!(at(&heard(&mut socket).await, "data.status"), &json!("completed"));

    say(&mut socket, json!({ "action": "auth", "token": bobs })).await;
    assert_eq!(heard(&mut socket).await["type"], json!("ack"));
    app.app.bus.publish(Event::WalletChanged(told_of(2))).await;
    say(&mut socket, json!({ "action": "ping" })).await;
    assert_eq!(heard(&mut socket).await["action"], json!("ping"), "it is bob's line now, and the money was ann's");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_announced_is_told_to_administrators_who_listen() {
    let app = TestApp::new().await;
    let url = format!("{}/ws", app.url.replace("http://", "ws://"));
    let root = sign_in(&app, "admin", ADMIN_PASSWORD).await;
    let mut alerts = listen(&url, &root.token.clone().expect("a token"), "system.alerts").await;
    let draft = json!({ "title": "Maintenance tonight", "content": "c", "type": "MAINTENANCE" });
    let made = root.post("/api/admin/announcements", draft).await.json();
    let id = at(&made, "data.announcement.id").as_str().expect("an id").to_owned();
    // A change of what nobody sees yet is no news.
    let change = json!({ "priority": 3 });
    assert_eq!(root.call("PUT", &format!("/api/admin/announcements/{id}"), change).await.status, 200);
    assert_eq!(root.post(&format!("/api/admin/announcements/{id}/publish"), json!({})).await.status, 200);
    let news = heard(&mut alerts).await;
    assert_eq!((&news["topic"], at(&news, "data.code")), (&json!("system.alerts"), &json!("ANNOUNCEMENT")), "{news}");
    assert_eq!((at(&news, "data.message"), at(&news, "data.priority")), (&json!("Maintenance tonight"), &json!(3)));
}
