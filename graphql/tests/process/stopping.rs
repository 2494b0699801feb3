//! A stop in the midst of a stream: the stream goes on to its end, what it cost is booked, nobody new is let in.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Instant;

use serde_json::json;

use crate::product::{Folder, PASSWORD, PATIENCE, Product, begin_post};

const FIRST: &str = r#"{"id":"c","object":"chat.completion.chunk","created":1,"model":"gpt-4o-mini","choices":[{"index":0,"delta":{"role":"assistant","content":"one "},"finish_reason":null}]}"#;
const LAST: &str = r#"{"id":"c","object":"chat.completion.chunk","created":1,"model":"gpt-4o-mini","choices":[{"index":0,"delta":{"content":"two"},"finish_reason":"stop"}]}"#;
const USAGE: &str = r#"{"id":"c","object":"chat.completion.chunk","created":1,"model":"gpt-4o-mini","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9}}"#;

/// A vendor that sends the first event of a stream at once, and the rest when it is told to.
fn vendor() -> (SocketAddr, mpsc::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let (go_on, told) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut line, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut buffer = [0; 4096];
        // The body ends where its brackets do, or its last chunk.
        while !request.ends_with(b"}") && !request.ends_with(b"\r\n0\r\n\r\n") {
            let read = line.read(&mut buffer).unwrap();
            assert!(read > 0, "the request broke off");
            request.extend_from_slice(&buffer[..read]);
        }
        write!(line, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n").unwrap();
        write!(line, "data: {FIRST}\n\n").unwrap();
        told.recv().unwrap();
        write!(line, "data: {LAST}\n\ndata: {USAGE}\n\ndata: [DONE]\n\n").unwrap();
    });
    (at, go_on)
}

#[test]
fn a_stop_cuts_no_stream_and_loses_no_cost() {
    let folder = Folder::new();
    let variables = [("ADMIN_PASSWORD", PASSWORD)];
    let mut product = Product::start(&folder.0, &variables);
    product.sign_in("admin", PASSWORD);
    let (at, go_on) = vendor();
    let account = json!({ "kind": "OPENAI_COMPATIBLE", "name": "vendor", "baseUrl": format!("http://{at}/v1"),
        "credentials": { "keys": ["sk-of-the-vendor"] } });
    product.ask(
        "mutation ($i: AccountCreateInput!) { accountCreate(input: $i) { account { id } userErrors { message } } }",
        json!({ "i": account }),
    );
    let make = "mutation ($u: UserCreateInput!) { userCreate(input: $u) { user { id } userErrors { message } } }";
    let user = product.ask(make, json!({ "u": { "username": "ann", "password": PASSWORD, "balance": "10" } }));
    let issue = "mutation ($k: ApiKeyCreateInput!) { apiKeyCreate(input: $k) { secret userErrors { message } } }";
    let key = product.ask(issue, json!({ "k": { "name": "first", "ownerId": user["userCreate"]["user"]["id"] } }));
    let key = key["apiKeyCreate"]["secret"].as_str().unwrap_or_else(|| panic!("{key}")).to_owned();

    let call = json!({ "model": "gpt-4o-mini", "stream": true, "stream_options": { "include_usage": true },
        "messages": [{ "role": "user", "content": "hello" }] });
    let bearer = format!("Authorization: Bearer {key}\r\n");
    let mut line = begin_post(product.at, "/v1/chat/completions", &bearer, &call.to_string());
    let mut heard = String::new();
    let mut buffer = [0; 4096];
    while !heard.contains("one ") {
        let read = line.read(&mut buffer).unwrap();
        assert!(read > 0, "the stream broke off: {heard}");
        heard.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }

    product.signal("TERM");
    let began = Instant::now();
    while TcpStream::connect(product.at).is_ok() {
        assert!(began.elapsed() < PATIENCE, "it goes on listening");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    go_on.send(()).unwrap();
    line.read_to_string(&mut heard).unwrap();
    assert!(heard.contains("two") && heard.contains("[DONE]"), "{heard}");
    assert!(product.ended().success());

    let mut again = Product::start(&folder.0, &variables);
    again.sign_in("admin", PASSWORD);
    let booked = again.ask("{ usageRecords(first: 2) { nodes { model inputTokens outputTokens status } } }", json!({}));
    assert_eq!(
        booked["usageRecords"]["nodes"],
        json!([{ "model": "gpt-4o-mini", "inputTokens": "7", "outputTokens": "2", "status": 200 }])
    );
}
