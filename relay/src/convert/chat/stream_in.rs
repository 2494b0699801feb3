//! A chat completion stream into hub events.

use serde_json::Value;

use super::super::fault::Fault;
use super::super::hub::{Block, Delta, Event, HubError, Signature, ToolUse};
use super::super::json::Obj;
use super::super::stream::Read;
use super::super::usage::{Form, Watch};
use super::super::{Dialect, media};
use super::answer::{chat_seal, citations, google_seal, stop_of};
use super::origin_of_format;

/// What the open block holds, besides tool calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaking {
    Nothing,
    Text(usize),
    Thought(usize),
    Refusal(usize),
}

/// A tool call under way.
#[derive(Debug)]
struct Call {
    /// The vendor's position; several vendors use 0 for every call.
    position: u64,
    id: String,
    index: usize,
}

/// The state of one stream.
#[derive(Debug)]
pub(crate) struct Reader {
    started: bool,
    next: usize,
    speaking: Speaking,
    /// The thought so far, since some vendors repeat it whole beside its seal.
    thinking: String,
    calls: Vec<Call>,
    stop: Option<String>,
    ended: bool,
    watch: Watch,
}

impl Reader {
    pub(crate) fn new() -> Self {
        Self {
            started: false,
            next: 0,
            speaking: Speaking::Nothing,
            thinking: String::new(),
            calls: Vec::new(),
            stop: None,
            ended: false,
            watch: Watch::new(Form::OpenAi),
        }
    }

    fn open(&mut self, block: Block, out: &mut Vec<Event>) -> usize {
        let index = self.next;
        self.next += 1;
        out.push(Event::Open { index, block });
        index
    }

    /// Ends the words or thoughts that are being said.
    fn hush(&mut self, out: &mut Vec<Event>) {
        if let Speaking::Text(index) | Speaking::Thought(index) | Speaking::Refusal(index) = self.speaking {
            if matches!(self.speaking, Speaking::Thought(_)) {
                out.push(Event::Delta { index, delta: Delta::Signature(chat_seal()) });
            }
            out.push(Event::Close { index });
        }
        self.speaking = Speaking::Nothing;
    }

    fn text(&mut self, text: String, out: &mut Vec<Event>) -> usize {
        let index = match self.speaking {
            Speaking::Text(index) => index,
            _ => {
                self.hush(out);
                let index = self.open(Block::Text, out);
                self.speaking = Speaking::Text(index);
                index
            }
        };
        out.push(Event::Delta { index, delta: Delta::Text(text) });
        index
    }

    fn refusal(&mut self, text: String, out: &mut Vec<Event>) {
        let index = match self.speaking {
            Speaking::Refusal(index) => index,
            _ => {
                self.hush(out);
                let index = self.open(Block::Refusal, out);
                self.speaking = Speaking::Refusal(index);
                index
            }
        };
        out.push(Event::Delta { index, delta: Delta::Text(text) });
    }

    fn thought(&mut self, text: String, out: &mut Vec<Event>) {
        let index = match self.speaking {
            Speaking::Thought(index) => index,
            _ => {
                self.hush(out);
                let index = self.open(Block::Thinking { redacted: false }, out);
                self.speaking = Speaking::Thought(index);
                self.thinking.clear();
                index
            }
        };
        self.thinking.push_str(&text);
        out.push(Event::Delta { index, delta: Delta::Text(text) });
    }

    /// A seal belongs to the thought being said, or stands for one that is not shown.
    fn seal(&mut self, seal: Signature, out: &mut Vec<Event>) {
        if let Speaking::Thought(index) = self.speaking {
            out.push(Event::Delta { index, delta: Delta::Signature(seal) });
            out.push(Event::Close { index });
            self.speaking = Speaking::Nothing;
            return;
        }
        self.hush(out);
        let index = self.open(Block::Thinking { redacted: true }, out);
        out.push(Event::Delta { index, delta: Delta::Signature(seal) });
        out.push(Event::Close { index });
    }

    fn delta(&mut self, mut delta: Obj, out: &mut Vec<Event>) -> Result<(), HubError> {
        let details = delta.objs("reasoning_details")?;
        let plain = delta.str("reasoning_content")?;
        let plain = delta.str("reasoning")?.or(plain).filter(|text| !text.is_empty());
        let told = plain.is_some();
        if let Some(text) = plain {
            self.thought(text, out);
        }
        for mut detail in details {
            let text = detail.str("text")?.or(detail.str("summary")?).filter(|text| !text.is_empty());
            // The same words usually come as plain reasoning too.
            let repeated = |text: &String| told || (self.speaking != Speaking::Nothing && *text == self.thinking);
            if let Some(text) = text.filter(|text| !repeated(text)) {
                self.thought(text, out);
            }
            let seal = detail.str("signature")?.or(detail.str("data")?).filter(|seal| !seal.is_empty());
            if let Some(value) = seal {
                let origin = origin_of_format(detail.peek_str("format").unwrap_or_default());
                let id = detail.str("id")?;
                self.seal(Signature { origin, value, id }, out);
            }
        }
        match delta.take("content") {
            Some(Value::String(text)) if !text.is_empty() => {
                self.text(text, out);
            }
            // A few vendors stream content as parts.
            Some(Value::Array(parts)) => {
                for part in &parts {
                    let text = part.get("text").and_then(Value::as_str).unwrap_or_default();
                    if !text.is_empty() {
                        self.text(text.to_owned(), out);
                    }
                }
            }
            _ => {}
        }
        if let Some(text) = delta.str("refusal")?.filter(|text| !text.is_empty()) {
            self.refusal(text, out);
        }
        for cited in citations(&mut delta)? {
            let index = self.text(String::new(), out);
            out.push(Event::Delta { index, delta: Delta::Citation(cited) });
        }
        for mut image in delta.objs("images")? {
            if let Some(mut inner) = image.obj("image_url")? {
                let source = media::from_url(&inner.need_str("url")?, "images")?;
                self.hush(out);
                let index = self.open(Block::Image(source), out);
                out.push(Event::Close { index });
            }
        }
        for (nth, call) in delta.objs("tool_calls")?.into_iter().enumerate() {
            self.call(nth, call, out)?;
        }
        if let Some(mut call) = delta.obj("function_call")? {
            let name = call.str("name")?;
            let args = call.str("arguments")?.unwrap_or_default();
            self.piece(0, name.as_ref().map(|_| "call_0".to_owned()), name, args, false, None, out)?;
        }
        Ok(())
    }

    fn call(&mut self, nth: usize, mut call: Obj, out: &mut Vec<Event>) -> Result<(), HubError> {
        let position = call.u64("index")?.unwrap_or(nth as u64);
        let id = call.str("id")?.filter(|id| !id.is_empty());
        let custom = call.has("custom");
        let seal = google_seal(&mut call)?;
        let inner = call.obj(if custom { "custom" } else { "function" })?;
        let (name, args) = match inner {
            None => (None, String::new()),
            Some(mut inner) => {
                let name = inner.str("name")?.filter(|name| !name.is_empty());
                let args = inner.take(if custom { "input" } else { "arguments" });
                let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                (name, args.map_or_else(String::new, text))
            }
        };
        self.piece(position, id, name, args, custom, seal, out)
    }

    fn piece(
        &mut self,
        position: u64,
        id: Option<String>,
        name: Option<String>,
        args: String,
        custom: bool,
        signature: Option<Signature>,
        out: &mut Vec<Event>,
    ) -> Result<(), HubError> {
        let known = self.calls.iter().rev().find(|call| call.position == position);
        // A new id at a known position is a new call at vendors that do not count; the same id again is not.
        let same = known.filter(|call| id.as_ref().is_none_or(|id| *id == call.id || name.is_none()));
        let index = match (same, name) {
            (Some(call), _) => call.index,
            (None, None) => return Err(HubError::upstream("a tool call without a name")),
            (None, Some(name)) => {
                self.hush(out);
                let id = id.unwrap_or_else(|| format!("call_{}", self.calls.len()));
                let call = ToolUse { id: id.clone(), name, args: String::new(), custom, signature };
                let index = self.open(Block::ToolUse(call), out);
                self.calls.push(Call { position, id, index });
                index
            }
        };
        if !args.is_empty() {
            out.push(Event::Delta { index, delta: Delta::Args(args) });
        }
        Ok(())
    }

    fn close_all(&mut self, out: &mut Vec<Event>) {
        self.hush(out);
        for call in &self.calls {
            out.push(Event::Close { index: call.index });
        }
    }

    /// Writes what ends the stream: chat sends the usage behind the finish reason.
    fn end(&mut self, out: &mut Vec<Event>) {
        if !self.ended {
            self.ended = true;
            out.push(Event::End);
        }
    }
}

impl Read for Reader {
    fn frame(&mut self, _event: Option<&str>, data: &[u8], out: &mut Vec<Event>) -> Result<(), HubError> {
        if self.ended {
            return Ok(());
        }
        if data.trim_ascii() == b"[DONE]" {
            // The terminal event of a stream that never said why it ended is still its terminal event.
            if self.stop.is_none() && self.started {
                self.close_all(out);
                let stop = stop_of("stop", !self.calls.is_empty());
                out.push(Event::Stop { stop, sequence: None });
            }
            self.end(out);
            return Ok(());
        }
        let mut obj = Obj::parse(data).map_err(HubError::in_answer)?;
        if obj.has("error") {
            self.ended = true;
            out.push(Event::Error(Fault::read_event(Dialect::Chat, &Value::Object(obj.into_map()))));
            return Ok(());
        }
        let read = (|| {
            if !self.started {
                self.started = true;
                let id = obj.str("id")?.unwrap_or_default();
                let model = obj.str("model")?.unwrap_or_default();
                out.push(Event::Start { id, model, usage: None });
            }
            for mut choice in obj.objs("choices")? {
                if choice.u64("index")?.unwrap_or(0) != 0 {
                    continue;
                }
                if let Some(delta) = choice.obj("delta")? {
                    self.delta(delta, out)?;
                }
                if let Some(reason) = choice.str("finish_reason")?.filter(|reason| !reason.is_empty())
                    && self.stop.is_none()
                {
                    self.close_all(out);
                    let stop = stop_of(&reason, !self.calls.is_empty());
                    out.push(Event::Stop { stop, sequence: None });
                    self.stop = Some(reason);
                }
            }
            Ok(())
        })();
        read.map_err(HubError::in_answer)?;
        if self.watch.see(data) {
            out.extend(self.watch.usage().map(Event::Usage));
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<Event>) {
        // The answer is complete once its finish reason came, `[DONE]` or not.
        if self.stop.is_some() {
            self.end(out);
        }
    }
}
