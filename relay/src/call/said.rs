//! What was said in a call, for operators that keep it. Nothing is read here unless they do.

use schema::service::settle::Recorded;

use super::bridge::hub_dialect;
use super::{Call, Content};
use crate::convert::hub::{Message, Part, Role};
use crate::convert::{self, Path};
use crate::provider::Dialect;

/// The longest text that is gathered; the books cut it further.
const LONGEST: usize = 1 << 20;

/// The words of a call and of its answer.
pub fn of(call: &Call, answer: &[u8]) -> Recorded {
    let mut said = Recorded { assistant_message: text(answer), ..Recorded::default() };
    let Content::Json(body) = &call.content else { return said };
    let dialect =
        if call.dialect == Dialect::Invoke { Some(convert::Dialect::Messages) } else { hub_dialect(call.dialect) };
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

fn spoken(message: &Message) -> String {
    words(&message.parts)
}

fn words(parts: &[Part]) -> String {
    let mut out = String::new();
    for part in parts {
        let text = match part {
            Part::Text(text) => text.text.as_str(),
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
