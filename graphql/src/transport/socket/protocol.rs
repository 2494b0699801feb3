//! Messages and close codes of `graphql-transport-ws`.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Map, Value, value::RawValue};

use super::Answer;

/// What a client may say.
pub enum FromClient {
    /// `connection_init`
    Init(Option<Map<String, Value>>),
    /// `ping`
    Ping(Option<Value>),
    /// `pong`
    Pong,
    /// `subscribe`
    Subscribe {
        /// The operation's id, chosen by the client.
        id: String,
        /// The request.
        payload: Value,
    },
    /// `complete`
    Complete {
        /// The operation's id.
        id: String,
    },
}

/// Reads a message; `None` when it is not one of the protocol's.
pub fn read(text: &str) -> Option<FromClient> {
    let Value::Object(mut members) = serde_json::from_str(text).ok()? else {
        return None;
    };
    let kind = members.remove("type")?;
    let payload = members.remove("payload");
    let object = |payload| match payload {
        None | Some(Value::Null) => Some(None),
        Some(Value::Object(members)) => Some(Some(members)),
        Some(_) => None,
    };
    let id = match members.remove("id") {
        Some(Value::String(id)) if !id.is_empty() => Some(id),
        _ => None,
    };
    Some(match kind.as_str()? {
        "connection_init" => FromClient::Init(object(payload)?),
        "ping" => FromClient::Ping(object(payload)?.map(Value::Object)),
        "pong" => {
            object(payload)?;
            FromClient::Pong
        }
        "subscribe" => FromClient::Subscribe { id: id?, payload: payload.filter(Value::is_object)? },
        "complete" => FromClient::Complete { id: id? },
        _ => return None,
    })
}

/// `connection_ack`
pub const ACK: &str = r#"{"type":"connection_ack"}"#;

#[derive(Serialize)]
struct ToClient<'a, P> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<P>,
}

fn written<P: Serialize>(message: &ToClient<'_, P>) -> String {
    serde_json::to_string(message).unwrap_or_else(|error| {
        tracing::error!(%error, "a message could not be written");
        let bare = ToClient::<&RawValue> { id: message.id, r#type: "complete", payload: None };
        serde_json::to_string(&bare).unwrap_or_default()
    })
}

/// `pong`, with what the ping carried.
pub fn pong(payload: Option<Value>) -> String {
    written(&ToClient { id: None, r#type: "pong", payload })
}

/// `next`
pub fn next(id: &str, answer: &Answer) -> String {
    written(&ToClient { id: Some(id), r#type: "next", payload: Some(answer) })
}

/// `error`: the operation never ran; ends it.
pub fn error(id: &str, answer: &Answer) -> String {
    written(&ToClient { id: Some(id), r#type: "error", payload: Some(&answer.errors) })
}

/// `complete`
pub fn complete(id: &str) -> String {
    written(&ToClient::<()> { id: Some(id), r#type: "complete", payload: None })
}

/// How a socket is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// The code.
    pub code: u16,
    /// A reason of fewer than 123 bytes: longer ones cannot be sent.
    pub reason: Cow<'static, str>,
}

impl Close {
    const fn new(code: u16, reason: &'static str) -> Self {
        Self { code, reason: Cow::Borrowed(reason) }
    }

    /// The process stops.
    pub const GOING_AWAY: Self = Self::new(1001, "The server is going away");
    /// A message that is too big.
    pub const TOO_BIG: Self = Self::new(1009, "Message too big");
    /// Not a message of the protocol.
    pub const INVALID: Self = Self::new(4400, "Invalid message received");
    /// An operation before the caller was let in.
    pub const UNAUTHORIZED: Self = Self::new(4401, "Unauthorized");
    /// The caller was not let in.
    pub const FORBIDDEN: Self = Self::new(4403, "Forbidden");
    /// The caller is no longer let in.
    pub const SESSION_ENDED: Self = Self::new(4403, "Forbidden: the session has ended");
    /// The handshake named no protocol we speak.
    pub const SUBPROTOCOL: Self = Self::new(4406, "Subprotocol not acceptable");
    /// No `connection_init` in time.
    pub const INIT_TIMEOUT: Self = Self::new(4408, "Connection initialisation timeout");
    /// A second `connection_init`.
    pub const SECOND_INIT: Self = Self::new(4429, "Too many initialisation requests");
    /// A fault of ours.
    pub const INTERNAL: Self = Self::new(4500, "Internal server error");

    /// An id that is in use.
    pub fn taken(id: &str) -> Self {
        let mut shown = String::new();
        for character in id.chars() {
            if shown.len() + character.len_utf8() > 60 {
                shown.push('…');
                break;
            }
            shown.push(character);
        }
        Self { code: 4409, reason: Cow::Owned(format!("Subscriber for {shown} already exists")) }
    }

    /// What to say when a frame could not be read; `None` when nobody is there to hear it.
    pub fn of_read_error(error: axum::Error) -> Option<Self> {
        let text = error.to_string();
        if text.contains("Message too long") || text.contains("Space limit") {
            return Some(Self::TOO_BIG);
        }
        text.contains("UTF-8").then_some(Self::new(1007, "Not UTF-8"))
    }
}
