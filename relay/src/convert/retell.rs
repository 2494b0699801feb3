//! A whole answer told as the stream that its client waits for: some vendors answer a wish for a stream with one
//! body.

use super::hub::{Block, Delta, Event, Part, Response, ToolUse, Usage};
use super::stream::Stream;
use super::{Dialect, HubError, Reply, read_answer};

/// Tells a whole answer of `from` as a stream of `to`; gives the stream and the vendor's usage, if it gave any.
pub fn retell(from: Dialect, to: Dialect, body: &[u8], reply: Reply) -> Result<(Vec<u8>, Option<Usage>), HubError> {
    let response = read_answer(from, body, &reply)?;
    let usage = response.usage;
    let mut stream = Stream::new(from, to, reply)?;
    Ok((stream.tell(&events(response)), usage))
}

/// The steps that a stream of this answer would have taken.
fn events(response: Response) -> Vec<Event> {
    let mut out = vec![Event::Start { id: response.id, model: response.model, usage: response.usage }];
    for (index, part) in response.parts.into_iter().enumerate() {
        tell(index, part, &mut out);
    }
    out.push(Event::Stop { stop: response.stop, sequence: response.stop_sequence });
    out.extend(response.usage.map(Event::Usage));
    out.push(Event::End);
    out
}

fn tell(index: usize, part: Part, out: &mut Vec<Event>) {
    let (block, deltas) = match part {
        Part::Text(text) => {
            let mut deltas = vec![Delta::Text(text.text)];
            deltas.extend(text.citations.into_iter().map(Delta::Citation));
            deltas.extend(text.signature.map(Delta::Signature));
            (Block::Text, deltas)
        }
        Part::Thinking(thought) => {
            let words = (!thought.text.is_empty()).then_some(Delta::Text(thought.text));
            let seal = thought.signature.map(Delta::Signature);
            (Block::Thinking { redacted: thought.redacted }, words.into_iter().chain(seal).collect())
        }
        Part::ToolUse(call) => {
            let args = Delta::Args(call.args);
            (Block::ToolUse(ToolUse { args: String::new(), ..call }), vec![args])
        }
        Part::Refusal(words) => (Block::Refusal, vec![Delta::Text(words)]),
        Part::Image { source, .. } => (Block::Image(source), Vec::new()),
        // No model answers with these.
        Part::Document { .. } | Part::Audio { .. } | Part::Video { .. } | Part::ToolResult(_) => return,
    };
    out.push(Event::Open { index, block });
    out.extend(deltas.into_iter().map(|delta| Event::Delta { index, delta }));
    out.push(Event::Close { index });
}
