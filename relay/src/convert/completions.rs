//! Plain text completions (`POST /v1/completions`) for models that only talk: the prompt becomes a user's turn.
//! A client's dialect only; a vendor that speaks it is passed through.

use serde_json::{Value, json};

use super::chat::{finish_reason, usage_json};
use super::fault::Fault;
use super::hub::{Block, Delta, Event, HubError, Message, Part, Request, Response, Role, Sampling, Stop, Usage};
use super::json::{Obj, object, put};
use super::stream::{Sink, Write};
use super::{Dialect, Reply};

/// Reads a request; the second half names the fields nobody took.
pub(crate) fn read_request(body: &[u8], named: &str) -> Result<(Request, Vec<String>), HubError> {
    let mut obj = Obj::parse(body)?;
    let mut lost = Vec::new();
    let prompt = match obj.take("prompt") {
        Some(Value::String(text)) => text,
        Some(Value::Array(mut list)) if list.len() == 1 => match list.pop() {
            Some(Value::String(text)) => text,
            _ => {
                return Err(HubError::unsupported("prompt", "prompts of token numbers cannot be translated"));
            }
        },
        Some(Value::Array(list)) if list.iter().any(Value::is_number) => {
            return Err(HubError::unsupported("prompt", "prompts of token numbers cannot be translated"));
        }
        Some(Value::Array(_)) => {
            return Err(HubError::unsupported("prompt", "only one prompt can be translated"));
        }
        Some(_) => return Err(HubError::invalid("prompt", "expected a string")),
        None => return Err(HubError::invalid("prompt", "required")),
    };
    let stop = match obj.take("stop") {
        None => Vec::new(),
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(_) => {
            return Err(HubError::invalid("stop", "expected a string or an array of strings"));
        }
    };
    let mut request = Request {
        model: obj.model(named)?,
        messages: vec![Message { role: Role::User, parts: vec![Part::text(prompt)] }],
        sampling: Sampling {
            max_output: obj.limit("max_tokens")?,
            temperature: obj.f64("temperature")?,
            top_p: obj.f64("top_p")?,
            stop,
            seed: obj.i64("seed")?,
            presence_penalty: obj.f64("presence_penalty")?.filter(|p| *p != 0.0),
            frequency_penalty: obj.f64("frequency_penalty")?.filter(|p| *p != 0.0),
            logit_bias: obj.take("logit_bias").filter(|bias| bias.as_object().is_none_or(|map| !map.is_empty())),
            ..Sampling::default()
        },
        user: obj.str("user")?,
        stream: obj.bool("stream")?.unwrap_or(false),
        ..Request::default()
    };
    if let Some(mut options) = obj.obj("stream_options")? {
        request.include_usage = options.bool("include_usage")?.unwrap_or(false);
        options.rest(&mut lost);
    }
    for field in ["n", "best_of"] {
        if obj.u64(field)?.is_some_and(|n| n != 1) {
            return Err(HubError::unsupported(field, "only one answer can be translated"));
        }
    }
    if obj.take("logprobs").is_some() {
        return Err(HubError::unsupported("logprobs", "token probabilities are not available with this model"));
    }
    if obj.bool("echo")?.unwrap_or(false) {
        lost.push("echo".to_owned());
    }
    if obj.str("suffix")?.is_some_and(|suffix| !suffix.is_empty()) {
        lost.push("suffix".to_owned());
    }
    obj.rest(&mut lost);
    Ok((request, lost))
}

/// Writes an answer.
pub(crate) fn write_response(response: &Response, reply: &Reply) -> Value {
    let text: String = response
        .parts
        .iter()
        .map(|part| match part {
            Part::Text(text) => text.text.as_str(),
            Part::Refusal(text) => text,
            _ => "",
        })
        .collect();
    chunk(reply, json!([choice(&text, Some(finish_reason(response.stop)))]), response.usage.as_ref().map(usage_json))
}

fn choice(text: &str, finish: Option<&str>) -> Value {
    json!({"text": text, "index": 0, "logprobs": null, "finish_reason": finish})
}

/// An answer or a chunk of one: the dialect makes no difference.
fn chunk(reply: &Reply, choices: Value, usage: Option<Value>) -> Value {
    let mut out = object([
        ("id", format!("cmpl-{}", reply.id).into()),
        ("object", "text_completion".into()),
        ("created", reply.created.into()),
        ("model", reply.model.as_str().into()),
        ("choices", choices),
    ]);
    put(&mut out, "usage", usage);
    Value::Object(out)
}

/// Hub events as a text completion stream.
#[derive(Debug)]
pub(crate) struct Writer {
    reply: Reply,
    /// Blocks whose words are part of the completion.
    words: Vec<usize>,
    stop: Stop,
    usage: Option<Usage>,
}

impl Writer {
    pub(crate) fn new(reply: Reply) -> Self {
        Self { reply, words: Vec::new(), stop: Stop::End, usage: None }
    }
}

impl Write for Writer {
    fn event(&mut self, event: &Event, out: &mut Sink) {
        match event {
            Event::Open { index, block: Block::Text | Block::Refusal } => self.words.push(*index),
            Event::Delta { index, delta: Delta::Text(text) } if self.words.contains(index) && !text.is_empty() => {
                out.data(&chunk(&self.reply, json!([choice(text, None)]), None));
            }
            Event::Stop { stop, .. } => self.stop = *stop,
            Event::Start { usage: Some(usage), .. } | Event::Usage(usage) => self.usage = Some(*usage),
            Event::End => {
                out.data(&chunk(&self.reply, json!([choice("", Some(finish_reason(self.stop)))]), None));
                if self.reply.include_usage {
                    let usage = usage_json(&self.usage.unwrap_or_default());
                    out.data(&chunk(&self.reply, json!([]), Some(usage)));
                }
                out.raw_data(b"[DONE]");
            }
            Event::Error(fault) => self.fault(fault, out),
            Event::Ping => out.comment("ping"),
            // Thoughts, calls and pictures have no place in a plain text.
            _ => {}
        }
    }

    fn fault(&mut self, fault: &Fault, out: &mut Sink) {
        out.data(&fault.json(Dialect::Completions));
    }
}
