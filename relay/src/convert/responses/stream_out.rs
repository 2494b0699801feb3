//! Hub events as a responses stream, with its running numbers and its item and part events.

use serde_json::{Value, json};

use super::super::Reply;
use super::super::fault::Fault;
use super::super::hub::{Block, Citation, Delta, Event, Signature, Stop, ToolUse, Usage};
use super::super::stream::{Sink, Write};
use super::answer::{
    State, annotation, call_item, envelope, item_id, message_item, picture_item, reasoning_item, text_part,
};

/// An item that is open.
#[derive(Debug)]
struct Open {
    /// The hub's number.
    index: usize,
    /// The item's place in the output.
    place: usize,
    /// A seal for (thoughts) or behind (words) the item.
    seal: Option<Signature>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Text { text: String, cited: Vec<Citation> },
    Refusal { text: String },
    Thought { text: String },
    Call { call: ToolUse },
    Picture,
}

/// The state of one stream.
#[derive(Debug)]
pub(crate) struct Writer {
    reply: Reply,
    sequence: u64,
    started: bool,
    open: Vec<Open>,
    /// Complete items by their place.
    output: Vec<(usize, Value)>,
    places: usize,
    stop: Stop,
    usage: Option<Usage>,
}

impl Writer {
    pub(crate) fn new(reply: Reply) -> Self {
        Self {
            reply,
            sequence: 0,
            started: false,
            open: Vec::new(),
            output: Vec::new(),
            places: 0,
            stop: Stop::End,
            usage: None,
        }
    }

    /// One event with its type and running number in front.
    fn emit(&mut self, kind: &str, fields: Value, out: &mut Sink) {
        let mut event = json!({"type": kind, "sequence_number": self.sequence});
        self.sequence += 1;
        if let (Value::Object(event), Value::Object(fields)) = (&mut event, fields) {
            event.extend(fields);
        }
        out.event(kind, &event);
    }

    fn start(&mut self, out: &mut Sink) {
        if self.started {
            return;
        }
        self.started = true;
        let response = envelope(&self.reply, State::InProgress, Vec::new(), None);
        self.emit("response.created", json!({"response": response}), out);
        self.emit("response.in_progress", json!({"response": response}), out);
    }

    fn place(&mut self) -> usize {
        let place = self.places;
        self.places += 1;
        place
    }

    fn open(&mut self, index: usize, block: &Block, out: &mut Sink) {
        self.start(out);
        if let Block::ToolUse(ToolUse { signature: Some(seal), .. }) = block {
            self.seal_item(seal, out);
        }
        let place = self.place();
        let (kind, item) = match block {
            Block::Text | Block::Refusal => {
                let id = item_id("msg", place, &self.reply);
                let item =
                    json!({"id": id, "type": "message", "status": "in_progress", "role": "assistant", "content": []});
                let kind = if *block == Block::Text {
                    Kind::Text { text: String::new(), cited: Vec::new() }
                } else {
                    Kind::Refusal { text: String::new() }
                };
                (kind, item)
            }
            Block::Thinking { .. } => {
                let item = json!({"id": item_id("rs", place, &self.reply), "type": "reasoning", "summary": []});
                (Kind::Thought { text: String::new() }, item)
            }
            Block::ToolUse(call) => {
                let call = ToolUse { args: String::new(), signature: None, ..call.clone() };
                let item = call_item(&call, place, &self.reply, false);
                (Kind::Call { call }, item)
            }
            Block::Image(source) => {
                let item = picture_item(&item_id("ig", place, &self.reply), source);
                self.output.push((place, item.clone()));
                (Kind::Picture, item)
            }
        };
        self.emit("response.output_item.added", json!({"output_index": place, "item": item}), out);
        match &kind {
            Kind::Text { .. } => self.part_event("response.content_part.added", place, text_part("", &[]), out),
            Kind::Refusal { .. } => {
                self.part_event("response.content_part.added", place, json!({"type": "refusal", "refusal": ""}), out);
            }
            Kind::Picture => {
                self.emit("response.output_item.done", json!({"output_index": place, "item": item}), out);
                return;
            }
            Kind::Thought { .. } | Kind::Call { .. } => {}
        }
        self.open.push(Open { index, place, seal: None, kind });
    }

    fn part_event(&mut self, kind: &str, place: usize, part: Value, out: &mut Sink) {
        let id = item_id("msg", place, &self.reply);
        self.emit(kind, json!({"item_id": id, "output_index": place, "content_index": 0, "part": part}), out);
    }

    /// A seal as an item of its own.
    fn seal_item(&mut self, seal: &Signature, out: &mut Sink) {
        let place = self.place();
        let id = item_id("rs", place, &self.reply);
        let bare = json!({"id": id, "type": "reasoning", "summary": []});
        self.emit("response.output_item.added", json!({"output_index": place, "item": bare}), out);
        let item = reasoning_item(&id, "", Some(seal));
        self.emit("response.output_item.done", json!({"output_index": place, "item": item}), out);
        self.output.push((place, item));
    }

    fn delta(&mut self, index: usize, delta: &Delta, out: &mut Sink) {
        let Some(open) = self.open.iter_mut().find(|open| open.index == index) else {
            return;
        };
        let place = open.place;
        match (&mut open.kind, delta) {
            (_, Delta::Signature(seal)) => open.seal = Some(seal.clone()),
            (_, Delta::Text(piece)) if piece.is_empty() => {}
            (Kind::Text { text, .. }, Delta::Text(piece)) => {
                text.push_str(piece);
                let id = item_id("msg", place, &self.reply);
                let fields =
                    json!({"item_id": id, "output_index": place, "content_index": 0, "delta": piece, "logprobs": []});
                self.emit("response.output_text.delta", fields, out);
            }
            (Kind::Text { cited, .. }, Delta::Citation(one)) => {
                let nth = cited.len();
                cited.push(one.clone());
                let id = item_id("msg", place, &self.reply);
                let fields = json!({"item_id": id, "output_index": place, "content_index": 0,
                    "annotation_index": nth, "annotation": annotation(one)});
                self.emit("response.output_text.annotation.added", fields, out);
            }
            (Kind::Refusal { text }, Delta::Text(piece)) => {
                text.push_str(piece);
                let id = item_id("msg", place, &self.reply);
                let fields = json!({"item_id": id, "output_index": place, "content_index": 0, "delta": piece});
                self.emit("response.refusal.delta", fields, out);
            }
            (Kind::Thought { text }, Delta::Text(piece)) => {
                let first = text.is_empty();
                text.push_str(piece);
                let id = item_id("rs", place, &self.reply);
                if first {
                    let part = json!({"type": "summary_text", "text": ""});
                    let fields = json!({"item_id": id, "output_index": place, "summary_index": 0, "part": part});
                    self.emit("response.reasoning_summary_part.added", fields, out);
                }
                let fields = json!({"item_id": id, "output_index": place, "summary_index": 0, "delta": piece});
                self.emit("response.reasoning_summary_text.delta", fields, out);
            }
            (Kind::Call { call }, Delta::Args(piece)) => {
                call.args.push_str(piece);
                // What is packed as JSON for a vendor without free-text tools is unpacked once it is whole.
                if !call.custom && self.reply.is_custom(&call.name) {
                    return;
                }
                let (prefix, kind) = if call.custom {
                    ("ctc", "response.custom_tool_call_input.delta")
                } else {
                    ("fc", "response.function_call_arguments.delta")
                };
                let id = item_id(prefix, place, &self.reply);
                self.emit(kind, json!({"item_id": id, "output_index": place, "delta": piece}), out);
            }
            _ => {}
        }
    }

    fn close(&mut self, index: usize, out: &mut Sink) {
        let Some(at) = self.open.iter().position(|open| open.index == index) else {
            return;
        };
        let Open { place, seal, kind, .. } = self.open.remove(at);
        let mut behind = None;
        let item = match kind {
            Kind::Text { text, cited } => {
                let id = item_id("msg", place, &self.reply);
                let part = text_part(&text, &cited);
                let fields =
                    json!({"item_id": id, "output_index": place, "content_index": 0, "text": text, "logprobs": []});
                self.emit("response.output_text.done", fields, out);
                self.part_event("response.content_part.done", place, part.clone(), out);
                behind = seal;
                message_item(&id, part)
            }
            Kind::Refusal { text } => {
                let id = item_id("msg", place, &self.reply);
                let part = json!({"type": "refusal", "refusal": text});
                let fields = json!({"item_id": id, "output_index": place, "content_index": 0, "refusal": text});
                self.emit("response.refusal.done", fields, out);
                self.part_event("response.content_part.done", place, part.clone(), out);
                message_item(&id, part)
            }
            Kind::Thought { text } => {
                let id = item_id("rs", place, &self.reply);
                if !text.is_empty() {
                    let at = json!({"item_id": id, "output_index": place, "summary_index": 0, "text": text});
                    self.emit("response.reasoning_summary_text.done", at, out);
                    let part = json!({"type": "summary_text", "text": text});
                    let at = json!({"item_id": id, "output_index": place, "summary_index": 0, "part": part});
                    self.emit("response.reasoning_summary_part.done", at, out);
                }
                reasoning_item(&id, &text, seal.as_ref())
            }
            Kind::Call { call } => self.close_call(&call, place, out),
            Kind::Picture => return,
        };
        self.emit("response.output_item.done", json!({"output_index": place, "item": item}), out);
        self.output.push((place, item));
        if let Some(seal) = behind {
            self.seal_item(&seal, out);
        }
    }

    fn close_call(&mut self, call: &ToolUse, place: usize, out: &mut Sink) -> Value {
        let item = call_item(call, place, &self.reply, true);
        if call.custom || self.reply.is_custom(&call.name) {
            let id = item_id("ctc", place, &self.reply);
            let input = self.reply.custom_input(call);
            if !call.custom && !input.is_empty() {
                let fields = json!({"item_id": id, "output_index": place, "delta": input});
                self.emit("response.custom_tool_call_input.delta", fields, out);
            }
            let fields = json!({"item_id": id, "output_index": place, "input": input});
            self.emit("response.custom_tool_call_input.done", fields, out);
        } else {
            let id = item_id("fc", place, &self.reply);
            let args = item.get("arguments").cloned().unwrap_or_default();
            let fields = json!({"item_id": id, "output_index": place, "name": self.reply.names(&call.name).0, "arguments": args});
            self.emit("response.function_call_arguments.done", fields, out);
        }
        item
    }

    /// The complete items in their order.
    fn output(&mut self) -> Vec<Value> {
        let mut output = std::mem::take(&mut self.output);
        output.sort_by_key(|(place, _)| *place);
        output.into_iter().map(|(_, item)| item).collect()
    }
}

impl Write for Writer {
    fn event(&mut self, event: &Event, out: &mut Sink) {
        match event {
            Event::Start { usage, .. } => {
                self.usage = *usage;
                self.start(out);
            }
            Event::Open { index, block } => self.open(*index, block, out),
            Event::Delta { index, delta } => self.delta(*index, delta, out),
            Event::Close { index } => self.close(*index, out),
            Event::Stop { stop, .. } => self.stop = *stop,
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::End => {
                self.start(out);
                let left: Vec<usize> = self.open.iter().map(|open| open.index).collect();
                for index in left {
                    self.close(index, out);
                }
                let state = State::of(self.stop);
                let kind = if state == State::Completed { "response.completed" } else { "response.incomplete" };
                let output = self.output();
                let usage = self.usage.unwrap_or_default();
                let response = envelope(&self.reply, state, output, Some(&usage));
                self.emit(kind, json!({"response": response}), out);
            }
            Event::Error(fault) => self.fault(fault, out),
            Event::Ping => out.comment("ping"),
        }
    }

    fn fault(&mut self, fault: &Fault, out: &mut Sink) {
        if !self.started {
            let fields = json!({"code": fault.code, "message": fault.message, "param": fault.param});
            self.emit("error", fields, out);
            return;
        }
        let output = self.output();
        let response = envelope(&self.reply, State::Failed(fault.clone()), output, self.usage.as_ref());
        self.emit("response.failed", json!({"response": response}), out);
    }
}
