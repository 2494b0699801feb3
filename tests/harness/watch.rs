//! Subscriptions as a client has them: over graphql-transport-ws, and over an event stream.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::client::Client;

/// Longest a test waits for an event.
const PATIENCE: Duration = Duration::from_secs(10);

type Line = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

/// A subscription on a socket of its own.
pub struct Socket(Line);

/// A subscription as an event stream.
pub struct Stream {
    body: std::pin::Pin<Box<dyn futures_util::Stream<Item = reqwest::Result<bytes::Bytes>> + Send>>,
    read: String,
}

impl Client {
    /// Subscribes over graphql-transport-ws; returns when the server has acknowledged the connection.
    pub async fn watch(&self, query: &str, variables: Value) -> Socket {
        self.watch_this(json!({ "query": query, "variables": variables })).await
    }

    /// As [`watch`](Self::watch), whatever is asked for.
    pub async fn watch_this(&self, payload: Value) -> Socket {
        let mut request = format!("{}/graphql", self.url.replacen("http", "ws", 1))
            .into_client_request()
            .expect("an address for a socket");
        request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().expect("a header"));
        let (line, _) = tokio_tungstenite::connect_async(request).await.expect("the socket opens");
        let mut socket = Socket(line);
        let init = match &self.token {
            Some(token) => {
                json!({ "type": "connection_init", "payload": { "authorization": format!("Bearer {token}") } })
            }
            None => json!({ "type": "connection_init" }),
        };
        socket.say(init).await;
        assert_eq!(socket.hear().await["type"], "connection_ack");
        socket.say(json!({ "id": "1", "type": "subscribe", "payload": payload })).await;
        // A ping is answered after what was sent before it, so the subscription stands when the answer comes.
        socket.settle().await;
        socket
    }

    /// Subscribes as an event stream; returns when the stream has begun.
    pub async fn stream(&self, query: &str, variables: Value) -> Stream {
        let request = self
            .request(reqwest::Method::POST, "/graphql")
            .header("accept", "text/event-stream")
            .json(&json!({ "query": query, "variables": variables }));
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{query}");
        let mut stream = Stream { body: Box::pin(answer.bytes_stream()), read: String::new() };
        // The stream begins with a comment; the subscription is opened right behind it.
        while !stream.read.contains(":\n\n") {
            stream.more().await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        stream
    }
}

impl Socket {
    async fn say(&mut self, message: Value) {
        self.0.send(Message::Text(message.to_string().into())).await.expect("the message is sent");
    }

    async fn settle(&mut self) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    /// The next message of the protocol.
    pub async fn hear(&mut self) -> Value {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.0.next()).await.expect("a message within the time");
            match next.expect("the socket is open").expect("a message") {
                Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
                Message::Close(frame) => return json!({ "type": "closed", "frame": format!("{frame:?}") }),
                _ => {}
            }
        }
    }

    /// The data of the next event, which must have no errors.
    pub async fn event(&mut self) -> Value {
        let message = self.hear().await;
        assert_eq!(message["type"], "next", "{message}");
        assert!(message["payload"].get("errors").is_none(), "{message}");
        message["payload"]["data"].clone()
    }

    /// True when nothing is said for a while.
    pub async fn is_quiet(&mut self, pause: Duration) -> bool {
        tokio::time::timeout(pause, self.0.next()).await.is_err()
    }
}

impl Stream {
    async fn more(&mut self) {
        let next = tokio::time::timeout(PATIENCE, self.body.next()).await.expect("bytes within the time");
        let bytes = next.expect("the stream is open").expect("bytes");
        self.read.push_str(std::str::from_utf8(&bytes).expect("UTF-8"));
    }

    /// The data of the next event, which must have no errors.
    pub async fn event(&mut self) -> Value {
        loop {
            if let Some(end) = self.read.find("\n\n") {
                let block: String = self.read.drain(..end + 2).collect();
                let Some(data) = block.lines().find_map(|line| line.strip_prefix("data: ")) else { continue };
                let answer: Value = serde_json::from_str(data).expect("JSON");
                assert!(answer.get("errors").is_none(), "{answer}");
                return answer["data"].clone();
            }
            self.more().await;
        }
    }
}
