//! Hub events as a chat completion stream.

use serde_json::{Map, Value, json};

use super::super::fault::Fault;
use super::super::hub::{Block, Delta, Event, Signature, Stop, ToolUse, Usage};
use super::super::json::object;
use super::super::stream::{Sink, Write};
use super::super::{Dialect, Reply};
use super::answer::{annotation, detail, extra_content, image_of_block, reason, usage_json};

/// A block that is open.
#[derive(Debug)]
struct Open {
    index: usize,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Text {
        from: u64,
    },
    Thought {
        text: String,
    },
    Refusal,
    /// A call with its place among the calls.
    Call {
        place: usize,
        custom: bool,
    },
    /// The only call that clients of `functions` can read.
    OldCall,
    /// A call of a custom tool that the target knows only as a function: its input is unpacked once whole.
    Packed {
        place: usize,
        call: ToolUse,
    },
    Image,
}

/// The state of one stream.
#[derive(Debug)]
pub(crate) struct Writer {
    reply: Reply,
    greeted: bool,
    open: Vec<Open>,
    calls: usize,
    details: usize,
    said: u64,
    stop: Option<Stop>,
    usage: Option<Usage>,
}

impl Writer {
    pub(crate) fn new(reply: Reply) -> Self {
        Self { reply, greeted: false, open: Vec::new(), calls: 0, details: 0, said: 0, stop: None, usage: None }
    }

    fn chunk(&self, choices: Value, usage: Option<&Usage>, out: &mut Sink) {
        let mut chunk = object([
            ("id", format!("chatcmpl-{}", self.reply.id).into()),
            ("object", "chat.completion.chunk".into()),
            ("created", self.reply.created.into()),
            ("model", self.reply.model.as_str().into()),
            ("choices", choices),
        ]);
        if self.reply.include_usage {
            chunk.insert("usage".to_owned(), usage.map_or(Value::Null, usage_json));
        }
        out.data(&Value::Object(chunk));
    }

    fn delta(&mut self, delta: Map<String, Value>, out: &mut Sink) {
        if !self.greeted {
            self.greeted = true;
            let role = object([("role", "assistant".into()), ("content", "".into())]);
            self.chunk(json!([{"index": 0, "delta": role, "logprobs": null, "finish_reason": null}]), None, out);
        }
        if delta.is_empty() {
            return;
        }
        self.chunk(json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": null}]), None, out);
    }

    fn open(&mut self, index: usize, block: &Block, out: &mut Sink) {
        let kind = match block {
            Block::Text => Kind::Text { from: self.said },
            Block::Thinking { .. } => Kind::Thought { text: String::new() },
            Block::Refusal => Kind::Refusal,
            Block::Image(_) => {
                if let Some(image) = image_of_block(block) {
                    self.delta(object([("images", json!([image]))]), out);
                }
                Kind::Image
            }
            Block::ToolUse(call) => {
                let place = self.calls;
                self.calls += 1;
                if self.reply.old_functions && place == 0 {
                    let begun = json!({"name": call.name, "arguments": ""});
                    self.delta(object([("function_call", begun)]), out);
                    return self.open.push(Open { index, kind: Kind::OldCall });
                }
                let custom = call.custom || self.reply.is_custom(&call.name);
                let (kind, inner) = if custom {
                    ("custom", json!({"name": call.name, "input": ""}))
                } else {
                    ("function", json!({"name": call.name, "arguments": ""}))
                };
                let mut one = object([
                    ("index", place.into()),
                    ("id", call.id.as_str().into()),
                    ("type", kind.into()),
                    (kind, inner),
                ]);
                if let Some(extra) = extra_content(call.signature.as_ref()) {
                    one.insert("extra_content".to_owned(), extra);
                }
                self.delta(object([("tool_calls", json!([one]))]), out);
                if custom && !call.custom {
                    Kind::Packed { place, call: call.clone() }
                } else {
                    Kind::Call { place, custom }
                }
            }
        };
        self.open.push(Open { index, kind });
    }

    fn more(&mut self, index: usize, delta: &Delta, out: &mut Sink) {
        let Some(at) = self.open.iter().position(|open| open.index == index) else {
            return;
        };
        let Some(open) = self.open.get_mut(at) else {
            return;
        };
        let piece = match (&mut open.kind, delta) {
            (Kind::Text { .. }, Delta::Text(text)) if text.is_empty() => return,
            (Kind::Text { .. }, Delta::Text(text)) => {
                self.said += text.chars().count() as u64;
                object([("content", text.as_str().into())])
            }
            (Kind::Refusal, Delta::Text(text)) => object([("refusal", text.as_str().into())]),
            (Kind::Thought { text: so_far }, Delta::Text(text)) => {
                so_far.push_str(text);
                object([("reasoning_content", text.as_str().into())])
            }
            (Kind::Thought { text }, Delta::Signature(seal)) => {
                let text = std::mem::take(text);
                return self.sealed(&text, seal, out);
            }
            (Kind::Text { .. }, Delta::Signature(seal)) => return self.sealed("", seal, out),
            (Kind::Text { from }, Delta::Citation(cited)) => {
                object([("annotations", json!([annotation(cited, *from)]))])
            }
            (Kind::OldCall, Delta::Args(args)) => object([("function_call", json!({"arguments": args}))]),
            (Kind::Call { place, custom: false }, Delta::Args(args)) => {
                object([("tool_calls", json!([{"index": *place, "function": {"arguments": args}}]))])
            }
            (Kind::Call { place, custom: true }, Delta::Args(args)) => {
                object([("tool_calls", json!([{"index": *place, "custom": {"input": args}}]))])
            }
            (Kind::Packed { call, .. }, Delta::Args(args)) => {
                call.args.push_str(args);
                return;
            }
            _ => return,
        };
        self.delta(piece, out);
    }

    /// The seal of a thought, with the whole thought, since it covers all of it.
    fn sealed(&mut self, text: &str, seal: &Signature, out: &mut Sink) {
        if let Some(detail) = detail(text, Some(seal), self.details) {
            self.details += 1;
            self.delta(object([("reasoning_details", json!([detail]))]), out);
        }
    }

    fn close(&mut self, index: usize, out: &mut Sink) {
        let Some(at) = self.open.iter().position(|open| open.index == index) else {
            return;
        };
        if let Kind::Packed { place, call } = self.open.swap_remove(at).kind {
            let input = self.reply.custom_input(&call);
            self.delta(object([("tool_calls", json!([{"index": place, "custom": {"input": input}}]))]), out);
        }
    }
}

impl Write for Writer {
    fn event(&mut self, event: &Event, out: &mut Sink) {
        match event {
            Event::Start { usage, .. } => {
                self.usage = *usage;
                self.delta(Map::new(), out);
            }
            Event::Open { index, block } => self.open(*index, block, out),
            Event::Delta { index, delta } => self.more(*index, delta, out),
            Event::Close { index } => self.close(*index, out),
            Event::Stop { stop, .. } => self.stop = Some(*stop),
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::End => {
                self.delta(Map::new(), out);
                let reason = reason(self.stop.unwrap_or_default(), &self.reply);
                self.chunk(json!([{"index": 0, "delta": {}, "logprobs": null, "finish_reason": reason}]), None, out);
                if self.reply.include_usage {
                    let usage = self.usage.unwrap_or_default();
                    self.chunk(json!([]), Some(&usage), out);
                }
                out.raw_data(b"[DONE]");
            }
            Event::Error(fault) => self.fault(fault, out),
            Event::Ping => out.comment("ping"),
        }
    }

    fn fault(&mut self, fault: &Fault, out: &mut Sink) {
        out.data(&fault.json(Dialect::Chat));
    }
}
