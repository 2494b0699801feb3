//! Hub events as a Gemini stream: every chunk is a small answer; calls come whole.

use serde_json::{Map, Value, json};

use super::super::fault::Fault;
use super::super::hub::{Block, Citation, Delta, Event, Signature, Stop, ToolUse, Usage};
use super::super::json::{object, put};
use super::super::stream::{Sink, Write};
use super::super::{Dialect, Reply};
use super::answer::{envelope, function_call, grounding, picture};
use super::{finish_reason, usage_json};

/// A block that is open.
#[derive(Debug)]
struct Open {
    index: usize,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Text,
    Thought,
    Call(ToolUse),
    Picture,
}

/// The state of one stream.
#[derive(Debug)]
pub(crate) struct Writer {
    reply: Reply,
    open: Vec<Open>,
    cited: Vec<Citation>,
    stop: Stop,
    usage: Option<Usage>,
}

impl Writer {
    pub(crate) fn new(reply: Reply) -> Self {
        Self { reply, open: Vec::new(), cited: Vec::new(), stop: Stop::End, usage: None }
    }

    fn part(&self, part: Value, out: &mut Sink) {
        let candidate = json!({"content": {"parts": [part], "role": "model"}, "index": 0});
        out.data(&envelope(vec![candidate], self.usage.as_ref().map(usage_json), &self.reply));
    }

    fn delta(&mut self, index: usize, delta: &Delta, out: &mut Sink) {
        let Some(open) = self.open.iter_mut().find(|open| open.index == index) else {
            return;
        };
        let part = match (&mut open.kind, delta) {
            (Kind::Text | Kind::Thought, Delta::Text(text)) if text.is_empty() => return,
            (Kind::Text, Delta::Text(text)) => object([("text", text.as_str().into())]),
            (Kind::Thought, Delta::Text(text)) => object([("text", text.as_str().into()), ("thought", true.into())]),
            (Kind::Thought, Delta::Signature(seal)) => seal_part(seal, true),
            (Kind::Text, Delta::Signature(seal)) => seal_part(seal, false),
            (Kind::Call(call), Delta::Args(args)) => {
                call.args.push_str(args);
                return;
            }
            (_, Delta::Citation(cited)) => {
                self.cited.push(cited.clone());
                return;
            }
            _ => return,
        };
        self.part(Value::Object(part), out);
    }
}

fn seal_part(seal: &Signature, thought: bool) -> Map<String, Value> {
    let mut part = object([("text", "".into())]);
    put(&mut part, "thought", thought.then_some(true));
    part.insert("thoughtSignature".to_owned(), seal.carry(Dialect::Gemini).into());
    part
}

impl Write for Writer {
    fn event(&mut self, event: &Event, out: &mut Sink) {
        match event {
            Event::Start { usage, .. } => self.usage = *usage,
            Event::Open { index, block } => {
                let kind = match block {
                    Block::Text | Block::Refusal => Kind::Text,
                    Block::Thinking { .. } => Kind::Thought,
                    Block::ToolUse(call) => Kind::Call(call.clone()),
                    Block::Image(source) => {
                        self.part(picture(source), out);
                        Kind::Picture
                    }
                };
                self.open.push(Open { index: *index, kind });
            }
            Event::Delta { index, delta } => self.delta(*index, delta, out),
            Event::Close { index } => {
                let Some(at) = self.open.iter().position(|open| open.index == *index) else {
                    return;
                };
                if let Kind::Call(call) = self.open.remove(at).kind {
                    self.part(function_call(&call), out);
                }
            }
            Event::Stop { stop, .. } => self.stop = *stop,
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::End => {
                let mut candidate = object([
                    ("content", json!({"parts": [{"text": ""}], "role": "model"})),
                    ("finishReason", finish_reason(self.stop).into()),
                    ("index", 0.into()),
                ]);
                let cited: Vec<&Citation> = self.cited.iter().collect();
                put(&mut candidate, "groundingMetadata", grounding(&cited));
                let usage = usage_json(&self.usage.unwrap_or_default());
                out.data(&envelope(vec![Value::Object(candidate)], Some(usage), &self.reply));
            }
            Event::Error(fault) => self.fault(fault, out),
            // This dialect's clients know no keep-alive.
            Event::Ping => {}
        }
    }

    fn fault(&mut self, fault: &Fault, out: &mut Sink) {
        out.data(&fault.json(Dialect::Gemini));
    }
}
