//! A responses stream into hub events.

use std::collections::HashMap;

use serde_json::Value;

use super::super::fault::Fault;
use super::super::hub::{Block, Delta, Event, HubError, ToolUse};
use super::super::json::Obj;
use super::super::stream::Read;
use super::super::usage::{Form, Watch};
use super::super::{Dialect, media};
use super::answer::{citation, seal_of, stop_of};

/// A block under way.
#[derive(Debug)]
struct Open {
    index: usize,
    /// Whether anything came in deltas; if not, the final event's text is all there is.
    told: bool,
}

/// The state of one stream.
#[derive(Debug)]
pub(crate) struct Reader {
    next: usize,
    /// Blocks by output position and content position (calls and thoughts have position 0).
    open: HashMap<(u64, u64), Open>,
    /// Which summary part of a thought was last heard, so that parts are set apart.
    summary: HashMap<u64, u64>,
    called: bool,
    ended: bool,
    watch: Watch,
}

impl Reader {
    pub(crate) fn new() -> Self {
        Self {
            next: 0,
            open: HashMap::new(),
            summary: HashMap::new(),
            called: false,
            ended: false,
            watch: Watch::new(Form::OpenAi),
        }
    }

    /// The block at a position, opened when it is new.
    fn block(&mut self, at: (u64, u64), block: Block, out: &mut Vec<Event>) -> &mut Open {
        let next = &mut self.next;
        self.open.entry(at).or_insert_with(|| {
            let index = *next;
            *next += 1;
            out.push(Event::Open { index, block });
            Open { index, told: false }
        })
    }

    fn text(&mut self, at: (u64, u64), block: Block, text: String, out: &mut Vec<Event>) {
        let open = self.block(at, block, out);
        open.told = true;
        out.push(Event::Delta { index: open.index, delta: Delta::Text(text) });
    }

    fn thought(&mut self, obj: &mut Obj, part: &str, out: &mut Vec<Event>) -> Result<(), HubError> {
        let item = obj.u64("output_index")?.unwrap_or_default();
        let part = obj.u64(part)?.unwrap_or_default();
        let mut text = obj.need_str("delta")?;
        if self.summary.insert(item, part).is_some_and(|last| last != part) {
            text.insert_str(0, "\n\n");
        }
        self.text((item, 0), Block::Thinking { redacted: false }, text, out);
        Ok(())
    }

    fn args(&mut self, obj: &mut Obj, out: &mut Vec<Event>) -> Result<(), HubError> {
        let at = (obj.u64("output_index")?.unwrap_or_default(), 0);
        let delta = obj.need_str("delta")?;
        let open = self.open.get_mut(&at).ok_or_else(|| HubError::upstream("arguments of a call that never began"))?;
        open.told = true;
        out.push(Event::Delta { index: open.index, delta: Delta::Args(delta) });
        Ok(())
    }

    fn item_added(&mut self, obj: &mut Obj, out: &mut Vec<Event>) -> Result<(), HubError> {
        let at = (obj.u64("output_index")?.unwrap_or_default(), 0);
        let mut item = obj.obj("item")?.ok_or_else(|| HubError::invalid("item", "required"))?;
        let kind = item.need_str("type")?;
        if kind == "function_call" || kind == "custom_tool_call" {
            self.begin_call(at, &kind, &mut item, out)?;
        }
        Ok(())
    }

    fn begin_call(&mut self, at: (u64, u64), kind: &str, item: &mut Obj, out: &mut Vec<Event>) -> Result<(), HubError> {
        self.called = true;
        let custom = kind == "custom_tool_call";
        let (id, name) = (item.need_str("call_id")?, item.need_str("name")?);
        self.block(at, Block::ToolUse(ToolUse { id, name, custom, ..ToolUse::default() }), out);
        Ok(())
    }

    /// An item is complete: what was not told in deltas is told now.
    fn item_done(&mut self, obj: &mut Obj, out: &mut Vec<Event>) -> Result<(), HubError> {
        let position = obj.u64("output_index")?.unwrap_or_default();
        let at = (position, 0);
        let mut item = obj.obj("item")?.ok_or_else(|| HubError::invalid("item", "required"))?;
        let kind = item.need_str("type")?;
        match kind.as_str() {
            "function_call" | "custom_tool_call" => {
                if !self.open.contains_key(&at) {
                    self.begin_call(at, &kind, &mut item, out)?;
                }
                let args = item.str(if kind == "custom_tool_call" { "input" } else { "arguments" })?;
                if let Some(open) = self.open.get_mut(&at).filter(|open| !open.told) {
                    open.told = true;
                    let index = open.index;
                    out.extend(
                        args.filter(|args| !args.is_empty())
                            .map(|args| Event::Delta { index, delta: Delta::Args(args) }),
                    );
                }
            }
            "reasoning" => {
                let seal = seal_of(&mut item)?;
                if !self.open.contains_key(&at) {
                    let mut texts = Vec::new();
                    for list in ["summary", "content"] {
                        for mut one in item.objs(list)? {
                            texts.extend(one.str("text")?);
                        }
                    }
                    let text = texts.join("\n\n");
                    if text.is_empty() && seal.is_none() {
                        return Ok(());
                    }
                    let redacted = text.is_empty();
                    self.block(at, Block::Thinking { redacted }, out);
                    if !redacted {
                        self.text(at, Block::Thinking { redacted }, text, out);
                    }
                }
                if let (Some(open), Some(seal)) = (self.open.get(&at), seal) {
                    out.push(Event::Delta { index: open.index, delta: Delta::Signature(seal) });
                }
            }
            "message" => {
                for (nth, mut part) in item.objs("content")?.into_iter().enumerate() {
                    let at = (position, nth as u64);
                    if self.open.get(&at).is_some_and(|open| open.told) {
                        continue;
                    }
                    if let Some(text) = part.str("text")?.filter(|text| !text.is_empty()) {
                        self.text(at, Block::Text, text, out);
                    } else if let Some(text) = part.str("refusal")?.filter(|text| !text.is_empty()) {
                        self.text(at, Block::Refusal, text, out);
                    }
                }
            }
            "image_generation_call" => {
                if let Some(data) = item.str("result")? {
                    self.block(at, Block::Image(media::base64("image/png", &data)), out);
                }
            }
            _ => {}
        }
        let mut done: Vec<usize> = Vec::new();
        self.open.retain(|(item, _), open| {
            let stays = *item != position;
            if !stays {
                done.push(open.index);
            }
            stays
        });
        done.sort_unstable();
        out.extend(done.into_iter().map(|index| Event::Close { index }));
        Ok(())
    }

    fn close_all(&mut self, out: &mut Vec<Event>) {
        let mut done: Vec<usize> = self.open.drain().map(|(_, open)| open.index).collect();
        done.sort_unstable();
        out.extend(done.into_iter().map(|index| Event::Close { index }));
    }

    fn read(&mut self, event: Option<&str>, data: &[u8], out: &mut Vec<Event>) -> Result<(), HubError> {
        let mut obj = Obj::parse(data)?;
        let kind = match obj.str("type")? {
            Some(kind) => kind,
            None => event.unwrap_or_default().to_owned(),
        };
        let content_at = |obj: &mut Obj| -> Result<(u64, u64), HubError> {
            Ok((obj.u64("output_index")?.unwrap_or_default(), obj.u64("content_index")?.unwrap_or_default()))
        };
        match kind.as_str() {
            "response.created" => {
                let mut response = obj.obj("response")?.ok_or_else(|| HubError::invalid("response", "required"))?;
                let id = response.str("id")?.unwrap_or_default();
                let model = response.str("model")?.unwrap_or_default();
                out.push(Event::Start { id, model, usage: None });
            }
            "response.output_item.added" => self.item_added(&mut obj, out)?,
            "response.output_item.done" => self.item_done(&mut obj, out)?,
            "response.output_text.delta" => {
                let at = content_at(&mut obj)?;
                let text = obj.need_str("delta")?;
                self.text(at, Block::Text, text, out);
            }
            "response.output_text.annotation.added" => {
                let at = content_at(&mut obj)?;
                if let Some(cited) = obj.obj("annotation")?.and_then(citation) {
                    let open = self.block(at, Block::Text, out);
                    out.push(Event::Delta { index: open.index, delta: Delta::Citation(cited) });
                }
            }
            "response.refusal.delta" => {
                let at = content_at(&mut obj)?;
                let text = obj.need_str("delta")?;
                self.text(at, Block::Refusal, text, out);
            }
            "response.reasoning_summary_text.delta" => self.thought(&mut obj, "summary_index", out)?,
            "response.reasoning_text.delta" => self.thought(&mut obj, "content_index", out)?,
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                self.args(&mut obj, out)?;
            }
            "response.completed" | "response.incomplete" | "response.done" => {
                self.close_all(out);
                let mut response = obj.obj("response")?.ok_or_else(|| HubError::invalid("response", "required"))?;
                let stop = stop_of(&mut response, self.called)?;
                out.push(Event::Stop { stop, sequence: None });
                if self.watch.see(data) {
                    out.extend(self.watch.usage().map(Event::Usage));
                }
                self.ended = true;
                out.push(Event::End);
            }
            "response.failed" => {
                self.ended = true;
                let response = obj.take("response").unwrap_or(Value::Null);
                out.push(Event::Error(Fault::read_event(Dialect::Responses, &response)));
            }
            "error" => {
                self.ended = true;
                out.push(Event::Error(Fault::read_event(Dialect::Responses, &Value::Object(obj.into_map()))));
            }
            _ if obj.has("error") => {
                self.ended = true;
                out.push(Event::Error(Fault::read_event(Dialect::Responses, &Value::Object(obj.into_map()))));
            }
            _ => {}
        }
        Ok(())
    }
}

impl Read for Reader {
    fn frame(&mut self, event: Option<&str>, data: &[u8], out: &mut Vec<Event>) -> Result<(), HubError> {
        // Copies of the vendor sometimes add chat's end mark.
        if self.ended || data.trim_ascii() == b"[DONE]" {
            return Ok(());
        }
        self.read(event, data, out).map_err(HubError::in_answer)
    }

    fn finish(&mut self, _out: &mut Vec<Event>) {
        // Only a terminal event ends an answer.
    }
}
