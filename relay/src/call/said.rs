//! What was said in a call, for operators that keep it. Nothing is read here unless they do.
//!
//! A streamed answer is listened to while it goes by ([`convert::Words`]); a whole one is read when it is there.

use bytes::Bytes;
use schema::service::settle::Recorded;

use super::bridge::readable;
use super::{Call, Content};
use crate::convert::hub::{Message, Part, Role};
use crate::convert::{self, Path};

/// The longest text that is gathered; the books cut it further.
pub const LONGEST: usize = 1 << 20;

/// The words of a call and of its whole answer.
pub fn of(call: &Call, answer: &Bytes) -> Recorded {
    with(call, answered(call, answer))
}

/// The words of a call, and those of its answer that were heard.
pub fn with(call: &Call, assistant_message: String) -> Recorded {
    let mut said = Recorded { assistant_message, ..Recorded::default() };
    let Content::Json(body) = &call.content else { return said };
    let dialect = readable(call.dialect);
    let path = Path { model: &call.model, stream: call.stream };
    match dialect.map(|dialect| convert::read(dialect, body.bytes(), path)) {
        Some(Ok(heard)) => {
            said.system_prompt = words(&heard.request.system);
            let last = heard.request.messages.iter().rev().find(|message| message.role == Role::User);
            said.user_message = last.map(spoken).unwrap_or_default();
        }
        // What no reader understands is kept as it came.
        Some(Err(_)) | None => said.user_message = text(body.bytes()),
    }
    said
}

/// The words of a whole answer; what no reader understands is kept as it came.
fn answered(call: &Call, answer: &Bytes) -> String {
    let heard = readable(call.dialect).and_then(|dialect| match convert::said(dialect, answer) {
        Some(parts) => Some(words(&parts)),
        // A vendor's whole answer that was told to a client that waits for a stream.
        None => {
            let mut words = convert::Words::new(dialect, LONGEST)?;
            words.push(answer.clone());
            Some(words.into_text())
        }
    });
    heard.filter(|text| !text.is_empty()).unwrap_or_else(|| text(answer))
}

fn spoken(message: &Message) -> String {
    words(&message.parts)
}

fn words(parts: &[Part]) -> String {
    let mut out = String::new();
    for part in parts {
        let named;
        let text = match part {
            Part::Text(text) => text.text.as_str(),
            Part::Refusal(text) => text.as_str(),
            Part::ToolUse(call) => {
                named = format!("[tool call: {}]", call.name);
                named.as_str()
            }
            Part::Image { .. } => "[image]",
            Part::Document { .. } => "[document]",
            Part::Audio { .. } => "[audio]",
            Part::Video { .. } => "[video]",
            Part::ToolResult(_) => "[tool result]",
            _ => continue,
        };
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(text);
        if out.len() > LONGEST {
            break;
        }
    }
    out
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.get(..LONGEST).unwrap_or(bytes)).into_owned()
}
