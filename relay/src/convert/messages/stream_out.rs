//! Hub events as a messages stream: one block at a time, numbered anew.
//!
//! Other dialects let tool calls grow side by side. Here the first of them goes out as it comes, and what
//! belongs to the others waits until it is whole.

use serde_json::{Value, json};

use super::super::fault::Fault;
use super::super::hub::{Block, Delta, Event, Signature, Stop, Usage};
use super::super::stream::{Sink, Write};
use super::super::{Dialect, Reply};
use super::answer::{citation_json, picture_text, thinking_block, usage_json};
use super::stop_reason;

/// The block that is open on the wire.
#[derive(Debug)]
struct Open {
    /// The hub's number.
    index: usize,
    /// Seals that sit on words come out as a thought behind them.
    seal: Option<Signature>,
    kind: Kind,
    /// The arguments so far, of a call.
    args: String,
}

impl Open {
    /// Whether nothing can follow: of calls only, since words may always go on.
    fn is_whole(&self) -> bool {
        serde_json::from_str::<serde::de::IgnoredAny>(&self.args).is_ok()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Thought,
    /// A sealed thought is written whole, once its seal is here.
    Sealed,
    Call,
}

/// The state of one stream.
#[derive(Debug)]
pub(crate) struct Writer {
    reply: Reply,
    started: bool,
    next: usize,
    open: Option<Open>,
    stop: Option<(Stop, Option<String>)>,
    usage: Option<Usage>,
    /// Events of blocks that have to wait for the open one.
    waiting: Vec<Event>,
    broken: Option<Fault>,
}

impl Writer {
    pub(crate) fn new(reply: Reply) -> Self {
        let (open, stop, usage, broken) = (None, None, None, None);
        Self { reply, started: false, next: 0, open, stop, usage, waiting: Vec::new(), broken }
    }

    /// Whether an event belongs behind the block that is open on the wire.
    fn must_wait(&self, event: &Event) -> bool {
        let (Event::Open { index, .. } | Event::Delta { index, .. } | Event::Close { index }) = event else {
            return false;
        };
        self.open.as_ref().is_some_and(|open| open.index != *index && open.kind == Kind::Call && !open.is_whole())
    }

    /// Writes what waited, as far as it need not wait again.
    fn release(&mut self, out: &mut Sink) {
        for event in std::mem::take(&mut self.waiting) {
            self.one(&event, out);
        }
    }

    fn one(&mut self, event: &Event, out: &mut Sink) {
        if self.must_wait(event) {
            self.waiting.push(event.clone());
            return;
        }
        match event {
            Event::Open { index, block } => self.open(*index, block, out),
            Event::Delta { index, delta } => self.delta(*index, delta, out),
            Event::Close { index } if self.open.as_ref().is_some_and(|open| open.index == *index) => self.close(out),
            _ => {}
        }
    }

    fn start(&mut self, out: &mut Sink) {
        if self.started {
            return;
        }
        self.started = true;
        let usage = self.usage.unwrap_or_default();
        out.event(
            "message_start",
            &json!({"type": "message_start", "message": {
                "id": format!("msg_{}", self.reply.id),
                "type": "message",
                "role": "assistant",
                "model": self.reply.model,
                "content": [],
                "stop_reason": null,
                "stop_sequence": null,
                "usage": usage_json(&usage),
            }}),
        );
    }

    fn block_start(&mut self, block: Value, out: &mut Sink) {
        out.event(
            "content_block_start",
            &json!({"type": "content_block_start", "index": self.next, "content_block": block}),
        );
    }

    fn block_delta(&self, delta: Value, out: &mut Sink) {
        out.event("content_block_delta", &json!({"type": "content_block_delta", "index": self.next, "delta": delta}));
    }

    fn block_stop(&mut self, out: &mut Sink) {
        out.event("content_block_stop", &json!({"type": "content_block_stop", "index": self.next}));
        self.next += 1;
    }

    /// A seal as a block of its own.
    fn seal(&mut self, seal: &Signature, out: &mut Sink) {
        if seal.is_hidden() {
            self.block_start(thinking_block("", Some(seal)), out);
        } else {
            self.block_start(json!({"type": "thinking", "thinking": "", "signature": ""}), out);
            self.block_delta(json!({"type": "signature_delta", "signature": seal.carry(Dialect::Messages)}), out);
        }
        self.block_stop(out);
    }

    fn close(&mut self, out: &mut Sink) {
        let Some(open) = self.open.take() else { return };
        if open.kind != Kind::Sealed {
            self.block_stop(out);
        }
        if let Some(seal) = &open.seal {
            self.seal(seal, out);
        }
    }

    fn open(&mut self, index: usize, block: &Block, out: &mut Sink) {
        self.start(out);
        // The dialect knows no two blocks at once; what opens behind closes what was before.
        self.close(out);
        let kind = match block {
            Block::Text | Block::Refusal => {
                self.block_start(json!({"type": "text", "text": ""}), out);
                Kind::Text
            }
            Block::Thinking { redacted: false } => {
                self.block_start(json!({"type": "thinking", "thinking": "", "signature": ""}), out);
                Kind::Thought
            }
            Block::Thinking { redacted: true } => Kind::Sealed,
            Block::ToolUse(call) => {
                if let Some(seal) = &call.signature {
                    self.seal(seal, out);
                }
                let block = json!({"type": "tool_use", "id": call.id, "name": call.name, "input": {}});
                self.block_start(block, out);
                Kind::Call
            }
            Block::Image(source) => {
                self.block_start(json!({"type": "text", "text": ""}), out);
                self.block_delta(json!({"type": "text_delta", "text": picture_text(source)}), out);
                Kind::Text
            }
        };
        self.open = Some(Open { index, seal: None, kind, args: String::new() });
    }

    fn delta(&mut self, index: usize, delta: &Delta, out: &mut Sink) {
        let Some(open) = self.open.as_mut().filter(|open| open.index == index) else {
            // More of a block that is closed on the wire: half of one is worse than an error.
            let more = match delta {
                Delta::Text(text) => !text.is_empty(),
                Delta::Args(args) => !args.trim().is_empty(),
                _ => false,
            };
            if more {
                let text = "The upstream went on with a tool call that was complete.";
                self.broken = Some(Fault { status: Some(502), ..Fault::new(super::super::fault::Kind::Server, text) });
            }
            return;
        };
        let piece = match (open.kind, delta) {
            (Kind::Text, Delta::Text(text)) if text.is_empty() => return,
            (Kind::Text, Delta::Text(text)) => json!({"type": "text_delta", "text": text}),
            (Kind::Thought, Delta::Text(text)) => {
                json!({"type": "thinking_delta", "thinking": text})
            }
            (Kind::Call, Delta::Args(args)) => {
                open.args.push_str(args);
                json!({"type": "input_json_delta", "partial_json": args})
            }
            (Kind::Thought, Delta::Signature(seal)) => {
                json!({"type": "signature_delta", "signature": seal.carry(Dialect::Messages)})
            }
            (_, Delta::Signature(seal)) => {
                open.seal = Some(seal.clone());
                return;
            }
            (Kind::Text, Delta::Citation(cited)) => {
                json!({"type": "citations_delta", "citation": citation_json(cited)})
            }
            _ => return,
        };
        self.block_delta(piece, out);
    }
}

impl Write for Writer {
    fn event(&mut self, event: &Event, out: &mut Sink) {
        if self.broken.is_some() {
            return;
        }
        match event {
            Event::Start { usage, .. } => {
                self.usage = *usage;
                self.start(out);
            }
            Event::Open { .. } | Event::Delta { .. } | Event::Close { .. } => {
                self.one(event, out);
                if !self.waiting.is_empty() && self.open.as_ref().is_none_or(Open::is_whole) {
                    self.release(out);
                }
            }
            Event::Stop { stop, sequence } => self.stop = Some((*stop, sequence.clone())),
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::End => {
                self.start(out);
                self.close(out);
                while !self.waiting.is_empty() {
                    self.release(out);
                    self.close(out);
                }
                let (stop, sequence) = self.stop.clone().unwrap_or_default();
                let delta = json!({"stop_reason": stop_reason(stop), "stop_sequence": sequence});
                let usage = usage_json(&self.usage.unwrap_or_default());
                out.event("message_delta", &json!({"type": "message_delta", "delta": delta, "usage": usage}));
                out.event("message_stop", &json!({"type": "message_stop"}));
            }
            Event::Error(fault) => self.fault(fault, out),
            Event::Ping => {
                if self.started {
                    out.event("ping", &json!({"type": "ping"}));
                }
            }
        }
    }

    fn fault(&mut self, fault: &Fault, out: &mut Sink) {
        out.event("error", &fault.json(Dialect::Messages));
    }

    fn failure(&self) -> Option<Fault> {
        self.broken.clone()
    }
}
