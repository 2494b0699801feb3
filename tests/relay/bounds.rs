//! What a client may send and how long it may take: too much and too slow are ended, in words where there is
//! somebody to hear them.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::Write;
use std::time::Duration;

use harness::fake_upstream::{FakeUpstream, Outcome, Split, Step, Vendor};
use http::Method;
use schema::model::account::AccountKind;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::tongue::{Tongue, Wish};
use crate::world::{CHAT, Caller, World, chat};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(30);

async fn served() -> (World, FakeUpstream) {
    let world = World::new().await;
    let fake = FakeUpstream::start(Vendor::OpenAi).await;
    world.account(&fake, AccountKind::OpenaiKey, Vendor::OpenAi).await;
    (world, fake)
}

async fn connect(world: &World) -> TcpStream {
    TcpStream::connect(world.t.url.strip_prefix("http://").unwrap()).await.unwrap()
}

/// Everything that comes until the other side hangs up, however it does.
async fn heard(socket: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut all = Vec::new();
    let reading = async {
        let mut piece = [0; 4096];
        while let Ok(read @ 1..) = socket.read(&mut piece).await {
            all.extend_from_slice(&piece[..read]);
        }
    };
    tokio::time::timeout(LONG, reading).await.expect("the connection is ended");
    String::from_utf8_lossy(&all).into_owned()
}

/// What is heard after words that nothing follows.
async fn after(world: &World, said: String) -> String {
    let mut socket = connect(world).await;
    socket.write_all(said.as_bytes()).await.unwrap();
    heard(&mut socket).await
}

/// The head of a chat call with a body of that length.
fn head(caller: &Caller, length: usize) -> String {
    let key = caller.http.token.clone().unwrap();
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: tollgate\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    )
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_beyond_the_keys_limit_is_refused_in_each_dialect() {
    let (world, fake) = served().await;
    let ann = world.caller_with("ann", |new| new.rules.body_limit = 400).await;
    for tongue in Tongue::ALL {
        for (words, wanted) in [("short".to_owned(), None), ("long ".repeat(100), Some(413))] {
            let wish = Wish { model: CHAT.into(), turns: vec![tongue.user(&words)], ..Wish::default() };
            let answer = ann.http.post(&tongue.path(&wish), tongue.body(&wish)).await;
            let Some(wanted) = wanted else {
                assert_eq!(answer.status, 200, "{tongue:?}: {}", answer.text);
                continue;
            };
            assert_eq!(answer.status, wanted, "{tongue:?}: {}", answer.text);
            let body = answer.json();
            let (kind, text) = match tongue {
                Tongue::Chat | Tongue::Responses => ("invalid_request_error", &body["error"]["message"]),
                Tongue::Messages => ("request_too_large", &body["error"]["message"]),
                Tongue::Gemini => ("INVALID_ARGUMENT", &body["error"]["message"]),
                Tongue::Converse | Tongue::Invoke => ("ValidationException", &body["message"]),
            };
            assert_eq!(text, "The request body is larger than 400 bytes.", "{tongue:?}: {}", answer.text);
            let said = match tongue {
                Tongue::Gemini => body["error"]["status"].as_str().unwrap().to_owned(),
                Tongue::Converse | Tongue::Invoke => answer.header("x-amzn-errortype").to_owned(),
                _ => body["error"]["type"].as_str().unwrap().to_owned(),
            };
            assert_eq!(said, kind, "{tongue:?}: {}", answer.text);
        }
    }
    assert_eq!(fake.requests().len(), Tongue::ALL.len());
    // Another key is not bound by it.
    let bob = world.caller("bob").await;
    let mut long = chat(false);
    long["messages"][0]["content"] = "long ".repeat(100).into();
    assert_eq!(bob.http.post("/v1/chat/completions", long).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packed_body_counts_as_what_it_unpacks_to() {
    let (world, fake) = served().await;
    let ann = world.caller_with("ann", |new| new.rules.body_limit = 1 << 20).await;
    let zeros = vec![b' '; 32 << 20];
    let (zstd, packed) = (zstd::encode_all(&zeros[..], 3).unwrap(), gzip(&zeros));
    let twice = gzip(&zstd);
    for (encoding, body) in [("gzip", packed), ("zstd", zstd), ("zstd, gzip", twice)] {
        assert!(body.len() < 1 << 20, "{encoding}: {} bytes pass as sent", body.len());
        let request = ann.http.request(Method::POST, "/v1/chat/completions");
        let request = request.header("content-type", "application/json").header("content-encoding", encoding);
        let answer = ann.http.send(request.body(body)).await;
        assert_eq!(answer.status, 413, "{encoding}: {}", answer.text);
        assert!(answer.text.contains("larger than 1048576 bytes"), "{encoding}: {}", answer.text);
    }
    for (encoding, body, wanted) in
        [("gzip", b"nonsense".to_vec(), 400), ("zstd", b"nonsense".to_vec(), 400), ("br", b"{}".to_vec(), 415)]
    {
        let request = ann.http.request(Method::POST, "/v1/chat/completions").header("content-encoding", encoding);
        let answer = ann.http.send(request.body(body)).await;
        assert_eq!(answer.status, wanted, "{encoding}: {}", answer.text);
        assert!(answer.json()["error"]["message"].is_string(), "{encoding}: {}", answer.text);
    }
    assert!(fake.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_has_its_bounds() {
    let (world, fake) = served().await;
    let many: String = (0..200).map(|n| format!("x-{n}: {n}\r\n")).collect();
    let large = format!("x-large: {}\r\n", "a".repeat(200 << 10));
    for (what, more) in [("many", many), ("large", large)] {
        let mut socket = connect(&world).await;
        let request = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: tollgate\r\n{more}\r\n");
        // It may be ended before it has said all.
        let _said = socket.write_all(request.as_bytes()).await;
        let answer = heard(&mut socket).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{what}: {answer}");
    }
    // What clients send is well within.
    let ann = world.caller("ann").await;
    let caller = (0..60).fold(ann.http.clone(), |http, n| http.with(&format!("x-{n}"), &"a".repeat(200)));
    assert_eq!(caller.post("/v1/chat/completions", chat(false)).await.status, 200);
    assert_eq!(fake.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_too_slow_is_ended() {
    let (world, fake) = served().await;
    world.set(&[("slow_client_seconds", "4")]).await;
    let ann = world.caller("ann").await;
    let begun = head(&ann, 100);
    // A byte of the body now and then.
    let drip = async {
        let (mut reading, mut writing) = connect(&world).await.into_split();
        writing.write_all(head(&ann, 100_000).as_bytes()).await.unwrap();
        let dripping = tokio::spawn(async move {
            while writing.write_all(b" ").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        let answer = heard(&mut reading).await;
        dripping.abort();
        answer
    };
    let (in_head, at_head, wordless, in_body, drip, rests) = tokio::join!(
        after(&world, begun[..60].to_owned()),
        after(&world, begun[..5].to_owned()),
        after(&world, String::new()),
        after(&world, format!("{begun}{{\"model\": ")),
        drip,
        after(&world, "GET /v1/models HTTP/1.1\r\nhost: tollgate\r\n\r\n".to_owned()),
    );
    for answer in [in_head, at_head] {
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    }
    assert_eq!(wordless, "", "who has said nothing is told nothing");
    assert_eq!(rests.matches("HTTP/1.1 ").count(), 1, "a connection that rests is ended in silence: {rests}");
    for answer in [in_body, drip] {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 408 "), "{answer}");
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["error"]["message"], "The request body did not arrive in time.");
    }
    assert!(fake.requests().is_empty());
    assert_eq!(ann.http.post("/v1/chat/completions", chat(false)).await.status, 200, "who is quick is served");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reads_nothing_is_let_go() {
    let (world, fake) = served().await;
    world.set(&[("stream_idle_seconds", "5"), ("client_gone_seconds", "0")]).await;
    let ann = world.caller("ann").await;
    let chunk = json!({
        "id": "c", "object": "chat.completion.chunk", "created": 1, "model": CHAT,
        "choices": [{"index": 0, "delta": {"content": "word ".repeat(12_000)}, "finish_reason": null}],
    });
    let long = format!("data: {chunk}\n\n").repeat(1_000);
    let total = long.len();
    fake.script([Step::raw(200, "text/event-stream", long).split(Split::Every(64 << 10))]);
    let body = chat(true).to_string();
    let mut socket = connect(&world).await;
    socket.write_all(head(&ann, body.len()).as_bytes()).await.unwrap();
    socket.write_all(body.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    socket.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    // The vendor is held back, and let go in the end.
    let until = tokio::time::Instant::now() + LONG;
    while fake.last().outcome() == Outcome::Open && tokio::time::Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(fake.last().outcome(), Outcome::ClientGone);
    assert!(fake.last().bytes_sent() < total / 4 * 3, "{} of {total} bytes were taken", fake.last().bytes_sent());
    let booked = world.booked_when(1).await;
    assert_eq!((booked[0]["status"].as_i64(), booked[0]["error"].as_str()), (Some(499), Some("client_gone")));
    assert!(booked[0]["output"].as_i64().unwrap() > 0, "{booked:?}");
}
