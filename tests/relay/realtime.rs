//! Realtime sessions: either way to hand the key over, frames both ways, each response booked.

use futures_util::{SinkExt, StreamExt};
use harness::fake_upstream::{FakeUpstream, Step, Usage, Vendor};
use schema::model::account::AccountKind;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::world::{Caller, World};

const MODEL: &str = "gpt-realtime";

type Opened = Result<(WebSocketStream<TcpStream>, http::Response<Option<Vec<u8>>>), Error>;

async fn open(world: &World, headers: &[(&'static str, String)]) -> Opened {
    open_at(world, &format!("/v1/realtime?model={MODEL}"), headers).await
}

async fn open_at(world: &World, path: &str, headers: &[(&'static str, String)]) -> Opened {
    let address = world.t.url.strip_prefix("http://").expect("an address").to_owned();
    let mut request = format!("ws://{address}{path}").into_client_request().expect("a request");
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().expect("a value"));
    }
    let stream = TcpStream::connect(&address).await.expect("a connection");
    client_async(request, stream).await
}

async fn next(socket: &mut WebSocketStream<TcpStream>) -> Value {
    loop {
        match socket.next().await.expect("a message").expect("a sound one") {
            Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
            Message::Close(frame) => panic!("closed: {frame:?}"),
            _ => {}
        }
    }
}

async fn until(socket: &mut WebSocketStream<TcpStream>, kind: &str) -> Value {
    loop {
        let event = next(socket).await;
        if event["type"] == kind {
            return event;
        }
    }
}

async fn one() -> (World, FakeUpstream, Caller) {
    let world = World::new().await;
    let fake = FakeUpstream::start(Vendor::OpenAi).await;
    fake.report_usage(Usage { input: 30, output: 12, ..Usage::default() });
    world.account(&fake, AccountKind::OpenaiKey, Vendor::OpenAi).await;
    let ann = world.caller("ann").await;
    (world, fake, ann)
}

#[tokio::test(flavor = "multi_thread")]
async fn azures_clients_name_a_deployment() {
    let (world, fake, ann) = one().await;
    let key = ann.http.token.clone().expect("a key");
    let path = format!("/azure/openai/realtime?api-version=2025-04-01-preview&deployment={MODEL}");
    let (mut socket, _) = open_at(&world, &path, &[("api-key", key)]).await.expect("it opens");
    until(&mut socket, "session.created").await;
    assert_eq!((fake.last().path.as_str(), fake.last().query), ("/v1/realtime", format!("model={MODEL}")));
    socket.close(None).await.expect("closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_comes_in_a_header_or_in_a_sub_protocol() {
    let (world, fake, ann) = one().await;
    let key = ann.http.token.clone().expect("a key");
    fake.forbid(key.clone());
    let (mut socket, answer) = open(&world, &[("authorization", format!("Bearer {key}"))]).await.expect("it opens");
    assert!(answer.headers().get("sec-websocket-protocol").is_none());
    assert_eq!(until(&mut socket, "session.created").await["session"]["type"], "realtime");
    socket.send(Message::text(json!({"type": "response.create"}).to_string())).await.expect("sent");
    let done = until(&mut socket, "response.done").await;
    assert_eq!(done["response"]["status"], "completed");
    socket.close(None).await.expect("closed");

    let protocols = format!("realtime, openai-insecure-api-key.{key}, openai-beta.realtime-v1");
    let (mut socket, answer) = open(&world, &[("sec-websocket-protocol", protocols)]).await.expect("it opens");
    assert_eq!(answer.headers()["sec-websocket-protocol"], "realtime", "never the one with the key");
    assert!(until(&mut socket, "session.created").await["session"].get("type").is_none(), "the beta surface");
    for _ in 0..2 {
        socket.send(Message::text(json!({"type": "response.create"}).to_string())).await.expect("sent");
        until(&mut socket, "response.done").await;
    }
    socket.close(None).await.expect("closed");
    let booked = world.booked_when(3).await;
    assert_eq!(booked.len(), 3, "each response is booked: {booked:?}");
    for row in booked {
        assert_eq!(
            (row["input"].as_i64(), row["output"].as_i64(), row["operation"].as_str()),
            (Some(30), Some(12), Some("realtime"))
        );
        assert!(row["cost"].as_i64().unwrap() > 0, "{row:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forbidden_word_is_not_passed_on_and_ends_nothing() {
    let (world, _fake, ann) = one().await;
    world.set(&[("forbidden_words", "秘密"), ("forbidden_words_checked", "true")]).await;
    let key = format!("Bearer {}", ann.http.token.clone().expect("a key"));
    let (mut socket, _) = open(&world, &[("authorization", key)]).await.expect("it opens");
    until(&mut socket, "session.created").await;
    // The fake would hang up at once.
    let said =
        json!({"type": "fake.close", "code": 4001, "item": {"content": [{"type": "input_text", "text": "秘密"}]}});
    socket.send(Message::text(said.to_string())).await.expect("sent");
    assert_eq!(until(&mut socket, "error").await["error"]["code"], "sensitive_words_detected");
    socket.send(Message::text(json!({"type": "response.create"}).to_string())).await.expect("sent");
    until(&mut socket, "response.done").await;
    socket.close(None).await.expect("closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendors_goodbye_reaches_the_client() {
    let (world, _fake, ann) = one().await;
    let key = format!("Bearer {}", ann.http.token.clone().expect("a key"));
    let (mut socket, _) = open(&world, &[("authorization", key)]).await.expect("it opens");
    until(&mut socket, "session.created").await;
    socket.send(Message::text(json!({"type": "fake.close", "code": 4001}).to_string())).await.expect("sent");
    let end = loop {
        match socket.next().await {
            Some(Ok(Message::Close(frame))) => break frame,
            Some(Ok(_)) => {}
            other => panic!("{other:?}"),
        }
    };
    let end = end.expect("a reason");
    assert_eq!((u16::from(end.code), end.reason.as_str()), (4001, "as asked"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_handshake_goes_to_another_account() {
    let (world, first, ann) = one().await;
    let second = FakeUpstream::start(Vendor::OpenAi).await;
    world.account_with(&second, AccountKind::OpenaiKey, Vendor::OpenAi, |draft| draft.priority = 10).await;
    first.script([Step::refuse(429)]);
    let key = format!("Bearer {}", ann.http.token.clone().expect("a key"));
    let (mut socket, _) = open(&world, &[("authorization", key)]).await.expect("it opens");
    until(&mut socket, "session.created").await;
    assert_eq!((first.requests().len(), second.requests().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_and_plain_requests_are_turned_away() {
    let (world, fake, ann) = one().await;
    match open(&world, &[("authorization", "Bearer sk-nobody-has-this-key".into())]).await {
        Err(Error::Http(answer)) => assert_eq!(answer.status(), 401),
        other => panic!("{other:?}"),
    }
    let plain = ann.http.get(&format!("/v1/realtime?model={MODEL}")).await;
    assert_eq!((plain.status.as_u16(), plain.header("upgrade")), (426, "websocket"));
    assert!(fake.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_where_calls_are_posted_is_told_so_at_once() {
    let (_world, fake, ann) = one().await;
    for (path, status) in [("/v1/responses", 426), ("/openai/v1/responses", 426), ("/v1/nothing", 404)] {
        let request = ann.http.request(http::Method::GET, path).header("connection", "Upgrade");
        let request = request.header("upgrade", "websocket").header("sec-websocket-version", "13");
        let answer = request.header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==").send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{path}");
    }
    assert_eq!(ann.http.get("/v1/responses").await.status, 405);
    assert!(fake.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_where_its_money_ends() {
    let (world, _fake, _) = one().await;
    // One exchange is held back for at a time; its owner can afford the first only.
    let person = world.t.person("bob", schema::Role::User, schema::Micros(85_000)).await;
    let bob = world.key_of(person.id, |_| {}).await;
    let key = format!("Bearer {}", bob.http.token.clone().expect("a key"));
    let (mut socket, _) = open(&world, &[("authorization", key)]).await.expect("it opens");
    until(&mut socket, "session.created").await;
    let mut heard = 0;
    let refusal = loop {
        socket.send(Message::text(json!({"type": "response.create"}).to_string())).await.expect("sent");
        let event = loop {
            let event = next(&mut socket).await;
            if event["type"] == "response.done" || event["type"] == "error" {
                break event;
            }
        };
        if event["type"] == "error" {
            break event;
        }
        heard += 1;
        assert!(heard < 50, "the wallet never runs dry");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert_eq!(refusal["error"]["code"], "insufficient_quota", "{refusal}");
    let booked = world.booked_when(heard).await;
    let person = schema::service::user::get(&world.t.app, &world.t.system(), person.id).await.expect("bob");
    let spent: i64 = booked.iter().map(|row| row["cost"].as_i64().unwrap()).sum();
    assert_eq!(person.balance.0, 85_000 - spent);
}
