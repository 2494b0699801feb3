//! What the pretended model says: the same answer whatever dialect it is asked in.

use serde_json::{Map, Value, json};

use super::state::Shared;

/// A model's answer, before a vendor puts it into its own form.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Visible text.
    pub text: String,
    /// Thinking shown before it.
    pub thinking: Option<String>,
    /// Tools it calls after it.
    pub calls: Vec<ToolCall>,
    /// Why it ends.
    pub stop: Stop,
    /// What it cost.
    pub usage: Usage,
}

/// A tool call.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolCall {
    /// Name of the tool.
    pub name: String,
    /// Its arguments.
    pub arguments: Value,
}

/// Why an answer ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stop {
    /// It is complete.
    #[default]
    End,
    /// It hit the limit of output tokens.
    Length,
    /// It waits for tools.
    Tools,
    /// The vendor's filter stopped it.
    Filter,
}

/// Token figures, each token counted in exactly one field except where said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Input neither read from nor written to a cache.
    pub input: u64,
    /// Input read from a cache.
    pub cache_read: u64,
    /// Input written to a cache for five minutes.
    pub cache_write_5m: u64,
    /// Input written to a cache for an hour.
    pub cache_write_1h: u64,
    /// Output, reasoning included.
    pub output: u64,
    /// The part of the output that was reasoning.
    pub reasoning: u64,
    /// The part of the input that was audio.
    pub audio_input: u64,
    /// The part of the output that was audio.
    pub audio_output: u64,
}

impl Usage {
    /// All input, however it was priced.
    pub fn all_input(&self) -> u64 {
        self.input + self.cache_read + self.cache_write_5m + self.cache_write_1h
    }
}

impl Answer {
    /// Plain text.
    pub fn text(text: impl Into<String>) -> Answer {
        Answer { text: text.into(), ..Answer::default() }
    }
}

/// What a vendor read out of a request that decides the default answer.
#[derive(Debug, Default)]
pub(super) struct Ask {
    /// Tools offered: name and JSON schema of the arguments.
    pub(super) tools: Vec<(String, Value)>,
    /// The tool that must be called.
    pub(super) forced: Option<String>,
    /// No tool may be called.
    pub(super) no_tools: bool,
    /// Only one tool may be called.
    pub(super) one_tool: bool,
    /// The result of a tool, when the request ends with one.
    pub(super) tool_result: Option<String>,
    /// The schema the answer must keep to.
    pub(super) schema: Option<Value>,
    /// The answer must be some JSON object.
    pub(super) any_json: bool,
    /// Thinking is to be shown.
    pub(super) thinking: bool,
    /// Limit of output tokens.
    pub(super) limit: Option<u64>,
    /// Length of the prompt in bytes.
    pub(super) prompt_bytes: usize,
    /// Part of it which is to be cached: a hash of the prefix, its length, and whether for an hour.
    pub(super) cache: Option<(u64, usize, bool)>,
}

/// The default text. It has characters of two, three and four bytes, for streams that are cut inside them.
const TEXT: &str = "Hello from the fake upstream. Grüße, 世界! 🌍 This answer is complete.";
const THINKING: &str = "The user says something; a friendly greeting — naïvely — will do.";

pub(super) fn decide(ask: &Ask, shared: &Shared) -> Answer {
    if let Some(mut answer) = shared.said() {
        if answer.usage == Usage::default() {
            answer.usage = count(ask, &answer, shared);
        }
        return answer;
    }
    let mut answer = Answer::text(TEXT);
    if ask.thinking {
        answer.thinking = Some(THINKING.to_owned());
    }
    let callable = !ask.no_tools && !ask.tools.is_empty() && (ask.tool_result.is_none() || ask.forced.is_some());
    if let Some(schema) = &ask.schema {
        answer.text = sample(schema).to_string();
    } else if ask.any_json {
        answer.text = json!({ "answer": "Grüße" }).to_string();
    } else if callable {
        answer.calls = call_tools(ask);
        answer.text = if ask.forced.is_some() { String::new() } else { "Let me look that up — für Sie.".to_owned() };
        answer.stop = Stop::Tools;
    } else if let Some(result) = &ask.tool_result {
        answer.text = format!("The tool said: {result}");
    }
    if let Some(limit) = ask.limit
        && answer.calls.is_empty()
    {
        let words = answer.text.split_inclusive(' ').count() as u64;
        if limit < words {
            let kept = usize::try_from(limit).unwrap_or(usize::MAX);
            answer.text = answer.text.split_inclusive(' ').take(kept).collect();
            answer.stop = Stop::Length;
        }
    }
    answer.usage = count(ask, &answer, shared);
    answer
}

fn call_tools(ask: &Ask) -> Vec<ToolCall> {
    let call = |(name, schema): &(String, Value)| {
        let mut arguments = sample(schema);
        if !arguments.is_object() {
            arguments = json!({});
        }
        ToolCall { name: name.clone(), arguments }
    };
    match &ask.forced {
        Some(forced) => ask.tools.iter().filter(|(name, _)| name == forced).map(call).collect(),
        None => ask.tools.iter().take(if ask.one_tool { 1 } else { 2 }).map(call).collect(),
    }
}

/// Figures that depend on the request alone: four bytes a token of input, a word a token of output.
fn count(ask: &Ask, answer: &Answer, shared: &Shared) -> Usage {
    if let Some(usage) = shared.usage() {
        return usage;
    }
    let words = |text: &str| text.split_whitespace().count() as u64;
    let tokens = |bytes: usize| (bytes as u64 / 4).max(1);
    let reasoning = answer.thinking.as_deref().map_or(0, words);
    let calls: u64 = answer.calls.iter().map(|call| 5 + call.arguments.to_string().len() as u64 / 4).sum();
    let mut usage = Usage { output: words(&answer.text) + reasoning + calls, reasoning, ..Usage::default() };
    match ask.cache {
        Some((hash, bytes, hour)) => {
            let prefix = tokens(bytes);
            usage.input = tokens(ask.prompt_bytes.saturating_sub(bytes));
            if !shared.memory().cached_prefixes.insert(hash) {
                usage.cache_read = prefix;
            } else if hour {
                usage.cache_write_1h = prefix;
            } else {
                usage.cache_write_5m = prefix;
            }
        }
        None => usage.input = tokens(ask.prompt_bytes),
    }
    usage
}

/// A value that keeps to a JSON schema (either with JSON's type names or with Gemini's capital ones).
pub(super) fn sample(schema: &Value) -> Value {
    if let Some(constant) = schema.get("const").or_else(|| schema["enum"].get(0)) {
        return constant.clone();
    }
    let one_of = ["anyOf", "oneOf", "allOf"].iter().find_map(|key| schema[*key].get(0));
    if let Some(first) = one_of {
        return sample(first);
    }
    let kind = match &schema["type"] {
        Value::String(kind) => kind.to_ascii_lowercase(),
        Value::Array(kinds) => kinds.first().and_then(Value::as_str).unwrap_or("object").to_ascii_lowercase(),
        _ if schema["properties"].is_object() => "object".to_owned(),
        _ => "null".to_owned(),
    };
    match kind.as_str() {
        "object" => {
            let properties = schema["properties"].as_object();
            let fields: Map<String, Value> =
                properties.into_iter().flatten().map(|(name, schema)| (name.clone(), sample(schema))).collect();
            Value::Object(fields)
        }
        "array" => json!([sample(&schema["items"])]),
        "string" => json!("Zürich 日本"),
        "integer" => schema.get("minimum").cloned().unwrap_or(json!(7)),
        "number" => schema.get("minimum").cloned().unwrap_or(json!(1.5)),
        "boolean" => json!(true),
        _ => Value::Null,
    }
}

/// The pieces a text is streamed in: a few words each.
pub(super) fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut start, mut words) = (0, 0);
    for (at, character) in text.char_indices() {
        if character == ' ' {
            words += 1;
            if words == 3 {
                pieces.push(&text[start..=at]);
                (start, words) = (at + 1, 0);
            }
        }
    }
    if start < text.len() {
        pieces.push(&text[start..]);
    }
    pieces
}

/// The pieces JSON arguments are streamed in: a few characters each, cut without regard to JSON.
pub(super) fn fragments(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    characters.chunks(6).map(|chunk| chunk.iter().collect()).collect()
}

/// A small stable hash, for ids, cache keys and pretended signatures.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A vector for an input: deterministic, of length one.
pub(super) fn embedding(input: &str, dimensions: usize) -> Vec<f32> {
    let seed = hash(input.as_bytes());
    let raw: Vec<f32> = (0..dimensions as u64)
        .map(|n| {
            let bits = seed.wrapping_mul(n.wrapping_mul(2).wrapping_add(1)).rotate_left(17) >> 40;
            bits as f32 / (1u64 << 24) as f32 - 0.5
        })
        .collect();
    let length = raw.iter().map(|value| value * value).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    raw.iter().map(|value| value / length).collect()
}
