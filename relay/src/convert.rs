//! Translation between the dialects models are called in: pure functions from bytes to bytes.
//!
//! Every dialect is read into and written out of one vocabulary, [`hub`], so that any of them can be heard and
//! any of them can be spoken. A call that stays in its dialect does not come here at all: its bytes go through,
//! changed only by [`edit`] and watched by [`crate::sse::tap`].
//!
//! * [`request`]: a caller's body into the vendor's.
//! * [`answer`]: a vendor's whole answer into the caller's form.
//! * [`Stream`]: the same for a streamed answer, event by event.
//! * [`Fault`]: errors, both ways.
//!
//! # What cannot be said
//! Nothing is dropped silently. A request field that no reader knows is a warning, or refused if the answer would
//! be another one ([`rules::field_rule`]); a feature the target lacks follows this table ([`rules::rule`]):
//!
//! | Feature | chat | messages | gemini | responses | converse |
//! |---|---|---|---|---|---|
//! | `TopK` | warn | | | warn | |
//! | `Seed` | | warn | | warn | warn |
//! | `Penalties` | | warn | | warn | warn |
//! | `LogitBias` | | warn | warn | warn | warn |
//! | `Stop` | | | | warn | |
//! | `Verbosity` | | warn | warn | | warn |
//! | `CacheMark` | warn | | warn | warn | |
//! | `JsonMode` | | warn | | | warn |
//! | `StrictTool` | | | warn | | warn |
//! | `ImageDetail` | | warn | warn | | warn |
//! | `Audio` | | refuse | | | refuse |
//! | `Video` | refuse | refuse | | refuse | |
//! | `VendorFile` | refuse | refuse | refuse | refuse | refuse |
//! | `DocumentUrl` | refuse | | | | |
//! | `DocumentText` | warn | | | warn | |
//! | `DocumentKind` | refuse | refuse | | | |
//! | `ToolResultMedia` | warn | | | | |
//! | `ToolError` | warn | | | warn | |
//! | `MidSystem` | | warn | warn | | warn |
//! | `ForeignThought` | warn | warn | warn | warn | warn |
//! | `User` | | | warn | | warn |
//! | `CacheKey` | | warn | warn | | warn |
//! | `Metadata` | | warn | warn | | warn |
//! | `NoParallel` | | | warn | | warn |
//! | `SearchBounds` | warn | | warn | warn | |
//! | `WebSearch` | warn | | | | warn |
//! | `HostedTool` | refuse | refuse | refuse | refuse | refuse |
//!
//! Several answers (`n`), token probabilities and output other than text are refused by every reader.

pub mod bedrock;
mod chat;
mod closed;
mod completions;
mod converse;
pub mod edit;
pub mod embeddings;
pub mod estimate;
pub mod fault;
mod gemini;
pub mod hub;
mod json;
mod media;
mod messages;
mod openai;
mod responses;
mod retell;
pub mod rules;
mod stream;
pub(crate) mod thoughts;
pub mod usage;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

pub use fault::Fault;
pub use hub::HubError;
pub use retell::retell;
pub use stream::{Stream, Words};

use hub::{Part, Request, Source, Tool, ToolUse, Usage};
use rules::{Feature, Notes};

/// A wire language of model calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// OpenAI chat completions.
    Chat,
    /// Anthropic messages.
    Messages,
    /// Google Gemini.
    Gemini,
    /// OpenAI responses.
    Responses,
    /// Bedrock converse.
    Converse,
    /// OpenAI text completions; heard, never spoken.
    Completions,
}

impl Dialect {
    /// The dialect's name in one lower-case word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Messages => "messages",
            Self::Gemini => "gemini",
            Self::Responses => "responses",
            Self::Converse => "converse",
            Self::Completions => "completions",
        }
    }

    /// The dialect of a name.
    pub fn from_word(word: &str) -> Option<Self> {
        let all = [Self::Chat, Self::Messages, Self::Gemini, Self::Responses, Self::Converse, Self::Completions];
        all.into_iter().find(|dialect| dialect.word() == word)
    }
}

/// What stands in the path of a call in dialects that keep it out of the body (Gemini, Bedrock).
#[derive(Clone, Copy, Debug, Default)]
pub struct Path<'a> {
    /// The model named in the path.
    pub model: &'a str,
    /// Whether the path asks for a stream.
    pub stream: bool,
}

/// What a target needs to know that no request says.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The limit on the answer for dialects that demand one, when the caller gives none.
    pub default_max_output: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { default_max_output: 8_192 }
    }
}

/// A request that has been read.
#[derive(Clone, Debug)]
pub struct Heard {
    /// The dialect it came in.
    pub from: Dialect,
    /// What it says.
    pub request: Request,
    /// Fields no reader took; [`write`] applies the rules to them.
    lost: Vec<String>,
    /// What an answer in the dialect repeats of the request.
    echo: Map<String, Value>,
}

impl Heard {
    /// What the writer of the answer must know. `id` names the answer (letters, digits, `_`, `-`), `created`
    /// is in seconds, and the model is the one the caller named.
    pub fn reply(&self, id: &str, created: i64) -> Reply {
        let custom = |tool: &Tool| match tool {
            Tool::Custom { name, .. } => Some(name.clone()),
            _ => None,
        };
        Reply {
            id: id.to_owned(),
            created,
            model: self.request.model.clone(),
            include_usage: self.request.include_usage,
            json_array: false,
            custom_tools: self.request.tools.iter().filter_map(custom).collect(),
            old_functions: self.request.old_functions,
            spaced: self.request.spaced.clone(),
            echo: self.echo.clone(),
        }
    }
}

/// What the writer of an answer must know about the call.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// The answer's id without the dialect's prefix.
    pub id: String,
    /// When it was made, in seconds.
    pub created: i64,
    /// The model as the caller named it.
    pub model: String,
    /// Whether a chat or completions stream ends with a usage chunk.
    pub include_usage: bool,
    /// Whether a Gemini stream goes out as a JSON array (no `alt=sse`).
    pub json_array: bool,
    /// The caller's tools that take free text.
    pub custom_tools: Vec<String>,
    /// Whether a chat client asked with `functions` and reads `function_call`.
    pub old_functions: bool,
    /// The caller's tools that it knows by two names.
    pub spaced: Vec<hub::Spaced>,
    /// Request fields that a responses answer repeats.
    pub echo: Map<String, Value>,
}

impl Reply {
    /// Whether the caller knows this tool as one that takes free text.
    fn is_custom(&self, name: &str) -> bool {
        self.custom_tools.iter().any(|custom| custom == name)
    }

    /// The caller's own name of a tool, and the name it stands under, if it stands under one.
    fn names<'a>(&'a self, name: &'a str) -> (&'a str, Option<&'a str>) {
        match self.spaced.iter().find(|tool| tool.joined == name) {
            Some(tool) => (&tool.name, Some(&tool.space)),
            None => (name, None),
        }
    }

    /// A custom tool's text, unpacked from the JSON that vendors without such tools were given a schema for.
    fn custom_input(&self, call: &ToolUse) -> String {
        if call.custom {
            return call.args.clone();
        }
        let packed = json::args_object(&call.args);
        let input = packed.as_ref().and_then(|args| args.get("input")).and_then(Value::as_str);
        input.map_or_else(|| call.args.clone(), str::to_owned)
    }
}

/// Bytes in the target dialect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The body to send.
    pub body: Vec<u8>,
    /// What could not be said; see [`rules::warning_header`].
    pub warnings: Vec<String>,
}

/// Reads a caller's request.
pub fn read(from: Dialect, body: &[u8], path: Path<'_>) -> Result<Heard, HubError> {
    let (request, lost) = match from {
        Dialect::Chat => chat::read_request(body, path.model)?,
        Dialect::Messages => messages::read_request(body, path.model)?,
        Dialect::Gemini => gemini::read_request(body, path.model, path.stream)?,
        Dialect::Responses => responses::read_request(body, path.model)?,
        Dialect::Converse => converse::read_request(body, path.model, path.stream)?,
        Dialect::Completions => completions::read_request(body, path.model)?,
    };
    let echo = if from == Dialect::Responses { responses::echo(body) } else { Map::new() };
    Ok(Heard { from, request, lost, echo })
}

/// Writes a request for a vendor, with `model` as the vendor calls it.
pub fn write(heard: &Heard, to: Dialect, model: &str, limits: &Limits) -> Result<Written, HubError> {
    let mut notes = Notes::new(to);
    notes.leftovers(heard.from, &heard.lost)?;
    let request = Request { model: model.to_owned(), ..heard.request.clone() };
    let body = match to {
        Dialect::Chat => chat::write_request(&request, &mut notes)?,
        Dialect::Messages => messages::write_request(&request, limits, &mut notes)?,
        Dialect::Gemini => gemini::write_request(&request, &mut notes)?,
        Dialect::Responses => responses::write_request(&request, &mut notes)?,
        Dialect::Converse => converse::write_request(&request, limits, &mut notes)?,
        Dialect::Completions => {
            return Err(HubError::unsupported("model", "this model only completes plain text"));
        }
    };
    Ok(Written { body: body.to_string().into_bytes(), warnings: notes.into_warnings() })
}

/// Translates a request in one step: [`read`], then [`write`].
pub fn request(
    from: Dialect,
    to: Dialect,
    body: &[u8],
    path: Path<'_>,
    model: &str,
    limits: &Limits,
) -> Result<(Heard, Written), HubError> {
    let heard = read(from, body, path)?;
    let written = write(&heard, to, model, limits)?;
    Ok((heard, written))
}

/// Translates a whole answer; gives the body for the caller and the vendor's usage, if it gave any.
pub fn answer(from: Dialect, to: Dialect, body: &[u8], reply: &Reply) -> Result<(Vec<u8>, Option<Usage>), HubError> {
    let response = read_answer(from, body, reply)?;
    let out = match to {
        Dialect::Chat => chat::write_response(&response, reply),
        Dialect::Messages => messages::write_response(&response, reply),
        Dialect::Gemini => gemini::write_response(&response, reply),
        Dialect::Responses => responses::write_response(&response, reply),
        Dialect::Converse => converse::write_response(&response, reply),
        Dialect::Completions => completions::write_response(&response, reply),
    };
    Ok((out.to_string().into_bytes(), response.usage))
}

/// What is said in a whole answer of a dialect; none where it cannot be read.
pub fn said(from: Dialect, body: &[u8]) -> Option<Vec<Part>> {
    read_answer(from, body, &Reply::default()).ok().map(|response| response.parts)
}

/// Reads a vendor's whole answer.
fn read_answer(from: Dialect, body: &[u8], reply: &Reply) -> Result<hub::Response, HubError> {
    match from {
        Dialect::Chat => chat::read_response(body),
        Dialect::Messages => messages::read_response(body),
        Dialect::Gemini => gemini::read_response(body, &reply.id),
        Dialect::Responses => responses::read_response(body),
        Dialect::Converse => converse::read_response(body),
        Dialect::Completions => Err(HubError::upstream("no vendor is asked for text completions here")),
    }
}

/// The pictures and files of a request that `to` cannot fetch by itself: whoever sends the request fetches them
/// (through a guard) and puts the content in their place.
pub fn unfetched(request: &mut Request, to: Dialect) -> Vec<&mut Source> {
    fn gather<'a>(parts: &'a mut [Part], to: Dialect, out: &mut Vec<&'a mut Source>) {
        for part in parts {
            match part {
                Part::Image { source, .. }
                | Part::Document { source, .. }
                | Part::Audio { source }
                | Part::Video { source } => {
                    if matches!(source, Source::Url(url) if !vendor_fetches(to, url)) {
                        out.push(source);
                    }
                }
                Part::ToolResult(result) => gather(&mut result.parts, to, out),
                _ => {}
            }
        }
    }
    let mut out = Vec::new();
    for message in &mut request.messages {
        gather(&mut message.parts, to, &mut out);
    }
    out
}

/// Whether a vendor of this dialect fetches such a URL itself.
fn vendor_fetches(to: Dialect, url: &str) -> bool {
    match to {
        Dialect::Chat | Dialect::Messages | Dialect::Responses | Dialect::Completions => true,
        Dialect::Gemini => {
            url.starts_with("gs://") || url.contains("://www.youtube.com/") || url.contains("://youtu.be/")
        }
        Dialect::Converse => false,
    }
}

/// Words only, joined; marks on them are noted.
fn joined_text(parts: &[Part], between: &str, at: &str, notes: &mut Notes) -> Result<String, HubError> {
    let mut texts = Vec::with_capacity(parts.len());
    for part in parts {
        match part {
            Part::Text(text) => {
                notes.lost_if(text.cache.is_some(), Feature::CacheMark, "cache_control")?;
                texts.push(text.text.as_str());
            }
            _ => {
                return Err(HubError::unsupported(at, "only text is available in system messages"));
            }
        }
    }
    Ok(texts.join(between))
}

/// The text of a document that is text, whatever its packing.
fn decode_text(media: &str, data: &str) -> Option<String> {
    let texty =
        media.starts_with("text/") || matches!(media, "application/json" | "application/xml" | "application/yaml");
    if !texty {
        return None;
    }
    String::from_utf8(STANDARD.decode(data).ok()?).ok()
}

/// A text document in the flow of a conversation.
fn titled(name: Option<&str>, text: &str) -> String {
    match name {
        Some(name) => format!("{name}:\n{text}"),
        None => text.to_owned(),
    }
}

/// A schema for a tool, which must say that the arguments are an object.
fn object_schema(schema: Option<Value>) -> Value {
    match schema {
        Some(Value::Object(mut map)) => {
            map.entry("type").or_insert_with(|| "object".into());
            Value::Object(map)
        }
        _ => json!({"type": "object", "properties": {}}),
    }
}

/// The schema that stands for a custom tool at vendors that know only functions.
fn custom_schema() -> Value {
    json!({"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"], "additionalProperties": false})
}

/// A custom tool's description with its grammar, which the schema cannot hold.
fn custom_description(description: Option<&str>, format: Option<&Value>) -> Option<String> {
    let grammar = format.and_then(|format| {
        let grammar = format.get("grammar").unwrap_or(format);
        grammar.get("definition").and_then(Value::as_str)
    });
    match (description, grammar) {
        (Some(text), Some(grammar)) => Some(format!("{text}\n\nThe input must follow this grammar:\n{grammar}")),
        (None, Some(grammar)) => Some(format!("The input must follow this grammar:\n{grammar}")),
        (Some(text), None) => Some(text.to_owned()),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests;
