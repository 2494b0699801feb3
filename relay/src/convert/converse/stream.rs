//! Converse streams, both ways. The last event is `metadata`, behind `messageStop`.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::super::Dialect;
use super::super::fault::Fault;
use super::super::hub::{Block, Delta, Event, HubError, Signature, Stop, ToolUse, Usage};
use super::super::json::Obj;
use super::super::messages;
use super::super::stream::{Read, Sink, Write};
use super::super::usage::{Form, Watch};
use super::{hidden, seal, stop_of, stop_reason, usage_json};

/// The state of a stream that is read.
#[derive(Debug)]
pub(crate) struct Reader {
    next: usize,
    blocks: HashMap<u64, usize>,
    stopped: bool,
    ended: bool,
    watch: Watch,
}

impl Reader {
    pub(crate) fn new() -> Self {
        Self { next: 0, blocks: HashMap::new(), stopped: false, ended: false, watch: Watch::new(Form::Converse) }
    }

    /// Words and thoughts begin without an event of their own.
    fn block(&mut self, number: u64, block: Block, out: &mut Vec<Event>) -> usize {
        let next = &mut self.next;
        *self.blocks.entry(number).or_insert_with(|| {
            let index = *next;
            *next += 1;
            out.push(Event::Open { index, block });
            index
        })
    }

    fn delta(&mut self, number: u64, mut delta: Obj, out: &mut Vec<Event>) -> Result<(), HubError> {
        if let Some(text) = delta.str("text")? {
            let index = self.block(number, Block::Text, out);
            out.push(Event::Delta { index, delta: Delta::Text(text) });
        } else if let Some(mut call) = delta.obj("toolUse")? {
            let index = self.blocks.get(&number).copied();
            let index = index.ok_or_else(|| HubError::upstream("arguments of a call that never began"))?;
            let args = call.str("input")?.unwrap_or_default();
            out.push(Event::Delta { index, delta: Delta::Args(args) });
        } else if let Some(mut thought) = delta.obj("reasoningContent")? {
            if let Some(data) = thought.str("redactedContent")? {
                let index = self.block(number, Block::Thinking { redacted: true }, out);
                out.push(Event::Delta { index, delta: Delta::Signature(hidden(data)) });
                return Ok(());
            }
            let index = self.block(number, Block::Thinking { redacted: false }, out);
            let text = thought.str("text")?;
            out.extend(text.map(|text| Event::Delta { index, delta: Delta::Text(text) }));
            let signature = thought.str("signature")?.map(seal);
            out.extend(signature.map(|seal| Event::Delta { index, delta: Delta::Signature(seal) }));
        }
        Ok(())
    }

    fn read(&mut self, event: &str, data: &[u8], out: &mut Vec<Event>) -> Result<(), HubError> {
        let mut obj = Obj::parse(data)?;
        let number = obj.u64("contentBlockIndex")?.unwrap_or_default();
        match event {
            "messageStart" => out.push(Event::Start { id: String::new(), model: String::new(), usage: None }),
            "contentBlockStart" => {
                if let Some(mut start) = obj.obj("start")?
                    && let Some(mut call) = start.obj("toolUse")?
                {
                    let (id, name) = (call.need_str("toolUseId")?, call.need_str("name")?);
                    self.block(number, Block::ToolUse(ToolUse { id, name, ..ToolUse::default() }), out);
                }
            }
            "contentBlockDelta" => {
                let delta = obj.obj("delta")?.ok_or_else(|| HubError::invalid("delta", "required"))?;
                self.delta(number, delta, out)?;
            }
            "contentBlockStop" => out.extend(self.blocks.remove(&number).map(|index| Event::Close { index })),
            "messageStop" => {
                self.stopped = true;
                let stop = stop_of(obj.str("stopReason")?.as_deref().unwrap_or_default());
                out.push(Event::Stop { stop, sequence: None });
            }
            "metadata" => {
                if self.watch.see(data) {
                    out.extend(self.watch.usage().map(Event::Usage));
                }
                self.finish(out);
            }
            exception if exception.ends_with("Exception") => {
                self.ended = true;
                let message = obj.str("message")?.unwrap_or_default();
                let fault = json!({"message": message, "type": exception});
                out.push(Event::Error(Fault::read_event(Dialect::Converse, &fault)));
            }
            _ => {}
        }
        Ok(())
    }
}

impl Read for Reader {
    fn frame(&mut self, event: Option<&str>, data: &[u8], out: &mut Vec<Event>) -> Result<(), HubError> {
        if self.ended {
            return Ok(());
        }
        self.read(event.unwrap_or_default(), data, out).map_err(HubError::in_answer)
    }

    fn finish(&mut self, out: &mut Vec<Event>) {
        if self.stopped && !self.ended {
            self.ended = true;
            out.push(Event::End);
        }
    }
}

/// A block that is open on the wire.
#[derive(Debug)]
struct Open {
    number: usize,
    is_thought: bool,
    /// A seal on words, which comes out as a thought behind them.
    seal: Option<Signature>,
}

/// The state of a stream that is written.
#[derive(Debug)]
pub(crate) struct Writer {
    started: bool,
    /// Open blocks by their hub number.
    blocks: HashMap<usize, Open>,
    next: usize,
    stop: Stop,
    usage: Option<Usage>,
}

impl Writer {
    pub(crate) fn new() -> Self {
        Self { started: false, blocks: HashMap::new(), next: 0, stop: Stop::End, usage: None }
    }

    fn start(&mut self, out: &mut Sink) {
        if !self.started {
            self.started = true;
            out.event("messageStart", &json!({"role": "assistant"}));
        }
    }

    fn number(&mut self) -> usize {
        let number = self.next;
        self.next += 1;
        number
    }

    fn piece(number: usize, delta: Value, out: &mut Sink) {
        out.event("contentBlockDelta", &json!({"contentBlockIndex": number, "delta": delta}));
    }

    fn seal(&mut self, seal: &Signature, out: &mut Sink) {
        let number = self.number();
        Self::piece(number, seal_json(seal), out);
        out.event("contentBlockStop", &json!({"contentBlockIndex": number}));
    }

    fn open(&mut self, index: usize, block: &Block, out: &mut Sink) {
        self.start(out);
        if let Block::ToolUse(ToolUse { signature: Some(seal), .. }) = block {
            self.seal(seal, out);
        }
        let number = self.number();
        let is_thought = matches!(block, Block::Thinking { .. });
        self.blocks.insert(index, Open { number, is_thought, seal: None });
        match block {
            Block::ToolUse(call) => {
                let start = json!({"toolUse": {"toolUseId": call.id, "name": call.name}});
                out.event("contentBlockStart", &json!({"contentBlockIndex": number, "start": start}));
            }
            Block::Image(source) => Self::piece(number, json!({"text": messages::picture_text(source)}), out),
            Block::Text | Block::Refusal | Block::Thinking { .. } => {}
        }
    }
}

fn seal_json(seal: &Signature) -> Value {
    match seal.origin {
        Dialect::Converse => json!({"reasoningContent": {"redactedContent": seal.value}}),
        _ => json!({"reasoningContent": {"signature": seal.carry(Dialect::Messages)}}),
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
            Event::Delta { index, delta } => {
                let Some(open) = self.blocks.get_mut(index) else {
                    return;
                };
                let number = open.number;
                match delta {
                    Delta::Text(text) if open.is_thought => {
                        Self::piece(number, json!({"reasoningContent": {"text": text}}), out);
                    }
                    Delta::Text(text) => Self::piece(number, json!({"text": text}), out),
                    Delta::Args(args) => Self::piece(number, json!({"toolUse": {"input": args}}), out),
                    Delta::Signature(seal) if open.is_thought => Self::piece(number, seal_json(seal), out),
                    Delta::Signature(seal) => open.seal = Some(seal.clone()),
                    // Sources of a passage have no place in this dialect's stream.
                    Delta::Citation(_) => {}
                }
            }
            Event::Close { index } => {
                let Some(open) = self.blocks.remove(index) else {
                    return;
                };
                out.event("contentBlockStop", &json!({"contentBlockIndex": open.number}));
                if let Some(seal) = &open.seal {
                    self.seal(seal, out);
                }
            }
            Event::Stop { stop, .. } => self.stop = *stop,
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::End => {
                self.start(out);
                out.event("messageStop", &json!({"stopReason": stop_reason(self.stop)}));
                let usage = usage_json(&self.usage.unwrap_or_default());
                out.event("metadata", &json!({"usage": usage, "metrics": {"latencyMs": 0}}));
            }
            Event::Error(fault) => self.fault(fault, out),
            Event::Ping => {}
        }
    }

    fn fault(&mut self, fault: &Fault, out: &mut Sink) {
        out.event(fault.bedrock_stream_type(), &fault.json(Dialect::Converse));
    }
}
