//! A Gemini stream into hub events. There is no terminal event: the finish reason of the last chunk and the
//! end of the connection together are one.

use serde_json::Value;

use super::super::Dialect;
use super::super::fault::Fault;
use super::super::hub::{Block, Delta, Event, HubError, Part, Stop, Text, Thinking, ToolUse};
use super::super::json::Obj;
use super::super::stream::Read;
use super::super::usage::{Form, Watch};
use super::answer::{blocked, citations, open_envelope, read_part};
use super::stop_of;

/// What is being said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaking {
    Nothing,
    Text(usize),
    Thought(usize),
}

/// The state of one stream.
#[derive(Debug)]
pub(crate) struct Reader {
    seed: String,
    started: bool,
    next: usize,
    calls: usize,
    speaking: Speaking,
    finish: Option<String>,
    blocked: bool,
    ended: bool,
    watch: Watch,
}

impl Reader {
    /// `seed` makes the ids of calls that have none.
    pub(crate) fn new(seed: &str) -> Self {
        Self {
            seed: seed.to_owned(),
            started: false,
            next: 0,
            calls: 0,
            speaking: Speaking::Nothing,
            finish: None,
            blocked: false,
            ended: false,
            watch: Watch::new(Form::Gemini),
        }
    }

    fn open(&mut self, block: Block, out: &mut Vec<Event>) -> usize {
        let index = self.next;
        self.next += 1;
        out.push(Event::Open { index, block });
        index
    }

    fn hush(&mut self, out: &mut Vec<Event>) {
        if let Speaking::Text(index) | Speaking::Thought(index) = self.speaking {
            out.push(Event::Close { index });
        }
        self.speaking = Speaking::Nothing;
    }

    fn part(&mut self, part: Part, out: &mut Vec<Event>) {
        match part {
            Part::Text(Text { text, signature, .. }) => {
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
                if let Some(seal) = signature {
                    out.push(Event::Delta { index, delta: Delta::Signature(seal) });
                    self.hush(out);
                }
            }
            Part::Thinking(Thinking { text, signature, redacted: false }) => {
                let index = match self.speaking {
                    Speaking::Thought(index) => index,
                    _ => {
                        self.hush(out);
                        let index = self.open(Block::Thinking { redacted: false }, out);
                        self.speaking = Speaking::Thought(index);
                        index
                    }
                };
                if !text.is_empty() {
                    out.push(Event::Delta { index, delta: Delta::Text(text) });
                }
                if let Some(seal) = signature {
                    out.push(Event::Delta { index, delta: Delta::Signature(seal) });
                    self.hush(out);
                }
            }
            // A seal that comes alone belongs to what was being said.
            Part::Thinking(Thinking { signature: Some(seal), .. }) => {
                let index = match self.speaking {
                    Speaking::Text(index) | Speaking::Thought(index) => index,
                    Speaking::Nothing => self.open(Block::Thinking { redacted: true }, out),
                };
                out.push(Event::Delta { index, delta: Delta::Signature(seal) });
                out.push(Event::Close { index });
                self.speaking = Speaking::Nothing;
            }
            Part::ToolUse(call) => {
                self.hush(out);
                self.calls += 1;
                let args = call.args.clone();
                let index = self.open(Block::ToolUse(ToolUse { args: String::new(), ..call }), out);
                out.push(Event::Delta { index, delta: Delta::Args(args) });
                out.push(Event::Close { index });
            }
            Part::Image { source, .. } => {
                self.hush(out);
                let index = self.open(Block::Image(source), out);
                out.push(Event::Close { index });
            }
            _ => {}
        }
    }

    fn read(&mut self, data: &[u8], out: &mut Vec<Event>) -> Result<(), HubError> {
        let mut obj = open_envelope(Obj::parse(data)?)?;
        if obj.has("error") {
            self.ended = true;
            out.push(Event::Error(Fault::read_event(Dialect::Gemini, &Value::Object(obj.into_map()))));
            return Ok(());
        }
        let counted = self.watch.see(data);
        if !self.started {
            self.started = true;
            let id = obj.str("responseId")?.unwrap_or_default();
            let model = obj.str("modelVersion")?.unwrap_or_default();
            out.push(Event::Start { id, model, usage: self.watch.usage() });
        }
        self.blocked |= blocked(&mut obj)?;
        if let Some(mut candidate) = obj.objs("candidates")?.into_iter().next() {
            let cited = citations(&mut candidate)?;
            if let Some(mut content) = candidate.obj("content")? {
                for part in content.objs("parts")? {
                    if let Some(part) = read_part(part, &self.seed, self.calls)? {
                        self.part(part, out);
                    }
                }
            }
            if let Speaking::Text(index) = self.speaking {
                out.extend(cited.into_iter().map(|cited| Event::Delta { index, delta: Delta::Citation(cited) }));
            }
            self.finish = candidate.str("finishReason")?.or(self.finish.take());
        }
        if counted {
            out.extend(self.watch.usage().map(Event::Usage));
        }
        // An answer that cannot be used is known at once.
        if let Some(reason) = &self.finish {
            stop_of(reason, self.calls > 0)?;
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
        if self.ended {
            return;
        }
        let stop = match &self.finish {
            Some(reason) => stop_of(reason, self.calls > 0).unwrap_or_default(),
            None if self.blocked => Stop::Refusal,
            // No reason given: the answer was cut.
            None => return,
        };
        self.ended = true;
        self.hush(out);
        out.push(Event::Stop { stop, sequence: None });
        out.push(Event::End);
    }
}
