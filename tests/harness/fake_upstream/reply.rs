//! What a fake answers with, before a script cuts, delays or garbles it.

use bytes::Bytes;
use serde_json::Value;

/// One answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Headers besides the framing ones.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Body,
}

/// The body of an answer.
#[derive(Clone, Debug)]
pub enum Body {
    /// One piece with a `Content-Length`.
    Whole(Bytes),
    /// Chunked; each piece one event or frame.
    Stream(Vec<Bytes>),
    /// A websocket conversation.
    Socket(Talk),
}

/// Which conversation a websocket has.
#[derive(Clone, Debug)]
pub struct Talk {
    /// The sub-protocol to confirm.
    pub protocol: Option<String>,
    /// The conversation.
    pub kind: TalkKind,
    /// The model named in the query.
    pub model: String,
}

/// The websocket surfaces there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TalkKind {
    /// The realtime API as generally available.
    Realtime,
    /// The realtime API as it was in beta.
    RealtimeBeta,
    /// The Responses API over a websocket.
    Responses,
}

impl Reply {
    /// A JSON body.
    pub fn json(status: u16, body: &Value) -> Reply {
        Reply::whole(status, "application/json", body.to_string())
    }

    /// A body of any type.
    pub fn whole(status: u16, content_type: &str, body: impl Into<Bytes>) -> Reply {
        Reply {
            status,
            headers: vec![("content-type".to_owned(), content_type.to_owned())],
            body: Body::Whole(body.into()),
        }
    }

    /// A stream of events.
    pub fn stream(content_type: &str, events: Vec<Bytes>) -> Reply {
        Reply {
            status: 200,
            headers: vec![("content-type".to_owned(), content_type.to_owned())],
            body: Body::Stream(events),
        }
    }

    /// Server-sent events.
    pub fn sse(events: Vec<Bytes>) -> Reply {
        Reply::stream("text/event-stream; charset=utf-8", events).with("cache-control", "no-cache")
    }

    /// Adds a header, replacing one of that name.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Reply {
        self.headers.retain(|(there, _)| !there.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

/// A frame with an `event:` line, which repeats the data's `type`.
pub fn named_event(data: &Value) -> Bytes {
    let name = data["type"].as_str().unwrap_or("message");
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}

/// A frame with only a `data:` line.
pub fn data_event(data: &Value) -> Bytes {
    Bytes::from(format!("data: {data}\n\n"))
}
