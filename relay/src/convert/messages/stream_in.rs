//! A messages stream into hub events.

use std::collections::HashMap;

use serde_json::Value;

use super::super::Dialect;
use super::super::fault::Fault;
use super::super::hub::{Block, Delta, Event, HubError, Signature, ToolUse};
use super::super::json::Obj;
use super::super::stream::Read;
use super::super::usage::{Form, Watch};
use super::answer::{citation, own_seal};
use super::stop_of;

/// The state of one stream.
#[derive(Debug)]
pub(crate) struct Reader {
    next: usize,
    /// The vendor's block numbers and ours; blocks nobody else can read have none.
    blocks: HashMap<u64, usize>,
    watch: Watch,
    /// Whether the vendor has said why the message ends.
    stopped: bool,
    ended: bool,
}

impl Reader {
    pub(crate) fn new() -> Self {
        Self { next: 0, blocks: HashMap::new(), watch: Watch::new(Form::Anthropic), stopped: false, ended: false }
    }

    fn open(&mut self, number: u64, mut block: Obj, out: &mut Vec<Event>) -> Result<(), HubError> {
        let mut first = Vec::new();
        let hub = match block.need_str("type")?.as_str() {
            "text" => {
                first.extend(block.str("text")?.filter(|text| !text.is_empty()).map(Delta::Text));
                Block::Text
            }
            "thinking" => {
                first.extend(block.str("thinking")?.filter(|text| !text.is_empty()).map(Delta::Text));
                Block::Thinking { redacted: false }
            }
            "redacted_thinking" => {
                first.push(Delta::Signature(Signature::hidden(block.need_str("data")?)));
                Block::Thinking { redacted: true }
            }
            "tool_use" => {
                // Some gateways send the whole input here instead of in deltas.
                let input = block.take("input").filter(|input| input.as_object().is_some_and(|map| !map.is_empty()));
                first.extend(input.map(|input| Delta::Args(input.to_string())));
                let (id, name) = (block.need_str("id")?, block.need_str("name")?);
                Block::ToolUse(ToolUse { id, name, ..ToolUse::default() })
            }
            // What the vendor's own tools do on the way.
            _ => return Ok(()),
        };
        let index = self.next;
        self.next += 1;
        self.blocks.insert(number, index);
        out.push(Event::Open { index, block: hub });
        out.extend(first.into_iter().map(|delta| Event::Delta { index, delta }));
        Ok(())
    }

    fn delta(&mut self, number: u64, mut delta: Obj, out: &mut Vec<Event>) -> Result<(), HubError> {
        let Some(&index) = self.blocks.get(&number) else {
            return Ok(());
        };
        let delta = match delta.need_str("type")?.as_str() {
            "text_delta" => Delta::Text(delta.need_str("text")?),
            "thinking_delta" => Delta::Text(delta.need_str("thinking")?),
            "input_json_delta" => Delta::Args(delta.need_str("partial_json")?),
            "signature_delta" => Delta::Signature(own_seal(delta.need_str("signature")?)),
            "citations_delta" => match delta.obj("citation")?.and_then(citation) {
                Some(cited) => Delta::Citation(cited),
                None => return Ok(()),
            },
            _ => return Ok(()),
        };
        let empty = matches!(&delta, Delta::Text(text) | Delta::Args(text) if text.is_empty());
        if !empty {
            out.push(Event::Delta { index, delta });
        }
        Ok(())
    }

    fn read(&mut self, data: &[u8], out: &mut Vec<Event>) -> Result<(), HubError> {
        let mut obj = Obj::parse(data)?;
        let kind = obj.str("type")?.unwrap_or_default();
        match kind.as_str() {
            "message_start" => {
                self.watch.see(data);
                let mut message = obj.obj("message")?.ok_or_else(|| HubError::invalid("message", "required"))?;
                let id = message.str("id")?.unwrap_or_default();
                let model = message.str("model")?.unwrap_or_default();
                out.push(Event::Start { id, model, usage: self.watch.usage() });
            }
            "content_block_start" => {
                let number = obj.u64("index")?.unwrap_or_default();
                let block = obj.obj("content_block")?;
                self.open(number, block.ok_or_else(|| HubError::invalid("content_block", "required"))?, out)?;
            }
            "content_block_delta" => {
                let number = obj.u64("index")?.unwrap_or_default();
                let delta = obj.obj("delta")?;
                self.delta(number, delta.ok_or_else(|| HubError::invalid("delta", "required"))?, out)?;
            }
            "content_block_stop" => {
                let number = obj.u64("index")?.unwrap_or_default();
                out.extend(self.blocks.remove(&number).map(|index| Event::Close { index }));
            }
            "message_delta" => {
                if self.watch.see(data) {
                    out.extend(self.watch.usage().map(Event::Usage));
                }
                if let Some(mut delta) = obj.obj("delta")?
                    && let Some(reason) = delta.str("stop_reason")?
                {
                    let sequence = delta.str("stop_sequence")?;
                    self.stopped = true;
                    out.push(Event::Stop { stop: stop_of(&reason), sequence });
                }
            }
            "message_stop" => {
                if self.watch.see(data) {
                    out.extend(self.watch.usage().map(Event::Usage));
                }
                self.ended = true;
                out.push(Event::End);
            }
            "ping" => out.push(Event::Ping),
            "error" => {
                self.ended = true;
                let event = Value::Object(obj.into_map());
                out.push(Event::Error(Fault::read_event(Dialect::Messages, &event)));
            }
            // Gateways put other vendors' errors into the stream as they are.
            _ if obj.has("error") => {
                self.ended = true;
                out.push(Event::Error(Fault::read_event(Dialect::Messages, &Value::Object(obj.into_map()))));
            }
            _ => {}
        }
        Ok(())
    }
}

impl Read for Reader {
    fn frame(&mut self, _event: Option<&str>, data: &[u8], out: &mut Vec<Event>) -> Result<(), HubError> {
        if self.ended {
            return Ok(());
        }
        self.read(data, out).map_err(HubError::in_answer)
    }

    fn finish(&mut self, out: &mut Vec<Event>) {
        // A message that said why it ends lacks nothing but `message_stop`.
        if self.stopped && !self.ended {
            self.ended = true;
            out.push(Event::End);
        }
    }
}
