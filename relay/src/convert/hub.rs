//! The one vocabulary every dialect is translated into and out of.
//!
//! It is the union of what the dialects can say, in plain words; it is not a wire format and is never
//! serialised. Whatever a target cannot express is decided by [`super::rules`], not here.

use std::fmt;

use serde_json::{Map, Value};

pub use super::Dialect;
use super::fault::Fault;
pub use super::usage::Usage;

/// A model call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// The model as the caller named it.
    pub model: String,
    /// The instructions that stand before the conversation.
    pub system: Vec<Part>,
    /// The conversation.
    pub messages: Vec<Message>,
    /// What the model may call.
    pub tools: Vec<Tool>,
    /// Whether and what it must call.
    pub tool_choice: Option<ToolChoice>,
    /// Whether several calls in one turn are allowed.
    pub parallel_tools: Option<bool>,
    /// The form the answer must have.
    pub format: Format,
    /// Limits and sampling.
    pub sampling: Sampling,
    /// Whether and how much to think first.
    pub reasoning: Option<Reasoning>,
    /// The caller's own name for the end user.
    pub user: Option<String>,
    /// The caller's hint which calls share a prompt prefix.
    pub cache_key: Option<String>,
    /// The caller's own labels.
    pub metadata: Map<String, Value>,
    /// Whether the answer is streamed.
    pub stream: bool,
    /// Whether a chat stream ends with a usage chunk.
    pub include_usage: bool,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The user, also when handing in tool results.
    User,
    /// The model.
    Assistant,
    /// The operator, in the middle of a conversation.
    System,
}

/// One turn.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said, in order.
    pub parts: Vec<Part>,
}

/// A piece of content.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// Words.
    Text(Text),
    /// A picture.
    Image {
        /// Where it is.
        source: Source,
        /// How closely to look (`low`, `high`, `auto`).
        detail: Option<String>,
        /// A cache mark behind this part.
        cache: Option<Cache>,
    },
    /// A file to read.
    Document {
        /// Where it is.
        source: Source,
        /// Its file name or title.
        name: Option<String>,
        /// A cache mark behind this part.
        cache: Option<Cache>,
    },
    /// A recording.
    Audio {
        /// Where it is.
        source: Source,
    },
    /// A film.
    Video {
        /// Where it is.
        source: Source,
    },
    /// The model calls a tool.
    ToolUse(ToolUse),
    /// What a tool gave.
    ToolResult(ToolResult),
    /// What the model thought.
    Thinking(Thinking),
    /// The model declines, in its own words.
    Refusal(String),
}

impl Part {
    /// Plain words without marks.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(Text { text: text.into(), ..Text::default() })
    }
}

/// Words with what belongs to them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Text {
    /// The words.
    pub text: String,
    /// A cache mark behind this part.
    pub cache: Option<Cache>,
    /// Where the words come from.
    pub citations: Vec<Citation>,
    /// Gemini signs any part; the next turn must bring it back.
    pub signature: Option<Signature>,
}

/// A web source of a passage.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Citation {
    /// The page.
    pub url: String,
    /// Its title.
    pub title: String,
    /// First character of the passage in the text, if known.
    pub start: Option<u64>,
    /// Behind the last character of the passage, if known.
    pub end: Option<u64>,
}

/// Where media are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Somewhere to be fetched from.
    Url(String),
    /// Here, base64 in the standard alphabet.
    Base64 {
        /// The media type.
        media: String,
        /// The base64 text.
        data: String,
    },
    /// Here, as plain text.
    Text(String),
    /// With the vendor, under an id of its own.
    File(String),
}

/// How long a cache mark asks to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cache {
    /// Five minutes.
    Short,
    /// One hour.
    Long,
}

/// A call of a tool by the model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToolUse {
    /// The call's id; the result names it.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// The arguments as JSON text, or free text for a custom tool.
    pub args: String,
    /// Whether the tool takes free text instead of JSON.
    pub custom: bool,
    /// The thought behind the call, sealed by the vendor.
    pub signature: Option<Signature>,
}

/// The outcome of a tool call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToolResult {
    /// The call's id.
    pub id: String,
    /// The tool's name, where the dialect gives it.
    pub name: Option<String>,
    /// What came out.
    pub parts: Vec<Part>,
    /// Whether it failed.
    pub is_error: bool,
    /// Whether the tool takes free text instead of JSON.
    pub custom: bool,
    /// A cache mark behind this part.
    pub cache: Option<Cache>,
}

/// A thought of the model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Thinking {
    /// The words, if the vendor shows them.
    pub text: String,
    /// The seal that lets the vendor recognise it in the next turn.
    pub signature: Option<Signature>,
    /// Whether only the sealed form exists.
    pub redacted: bool,
}

/// A vendor's seal on a thought. It means something only to the vendor it comes from, so it travels with its
/// origin and is never shown to another vendor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Whose seal it is.
    pub origin: Dialect,
    /// The seal.
    pub value: String,
    /// The vendor's id of the sealed item, where it has one.
    pub id: Option<String>,
}

/// Something the model may call.
#[derive(Clone, Debug, PartialEq)]
pub enum Tool {
    /// A function of the caller's with a JSON schema.
    Function(Function),
    /// A tool of the caller's that takes free text, perhaps by a grammar.
    Custom {
        /// Its name.
        name: String,
        /// What it does.
        description: Option<String>,
        /// The grammar object, if any.
        format: Option<Value>,
    },
    /// The vendor searches the web.
    WebSearch(WebSearch),
    /// Another tool that runs at the vendor's.
    Hosted {
        /// The vendor's word for it.
        kind: String,
    },
}

/// A function the caller offers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// What it does.
    pub description: Option<String>,
    /// The JSON schema of its arguments.
    pub schema: Option<Value>,
    /// Whether arguments must follow the schema exactly.
    pub strict: Option<bool>,
    /// A cache mark behind this tool.
    pub cache: Option<Cache>,
}

/// Bounds on a web search.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WebSearch {
    /// Only these domains.
    pub allowed: Vec<String>,
    /// Not these domains.
    pub blocked: Vec<String>,
    /// At most so many searches.
    pub max_uses: Option<u64>,
    /// How much of the results to read (`low`, `medium`, `high`).
    pub context_size: Option<String>,
    /// Roughly where the user is: `city`, `region`, `country`, `timezone`.
    pub location: Option<Map<String, Value>>,
}

/// Whether and what the model must call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolChoice {
    /// As it likes.
    Auto,
    /// Nothing.
    None,
    /// Something.
    Any,
    /// This tool.
    Named(String),
    /// Of these tools, one (`must`) or as it likes.
    Among {
        /// The tools' names.
        names: Vec<String>,
        /// Whether one must be called.
        must: bool,
    },
}

/// The form of the answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Format {
    /// Words.
    #[default]
    Text,
    /// Some JSON.
    Json,
    /// JSON by a schema.
    Schema {
        /// The schema's name, where the dialect wants one.
        name: Option<String>,
        /// What it is for.
        description: Option<String>,
        /// The schema.
        schema: Value,
        /// Whether it must be followed exactly.
        strict: Option<bool>,
    },
}

/// Limits and sampling.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sampling {
    /// The most tokens to produce.
    pub max_output: Option<u64>,
    /// Randomness, 0 to 2 (Anthropic: 0 to 1).
    pub temperature: Option<f64>,
    /// Nucleus.
    pub top_p: Option<f64>,
    /// Candidates.
    pub top_k: Option<u64>,
    /// Where to stop.
    pub stop: Vec<String>,
    /// For repeatable answers.
    pub seed: Option<i64>,
    /// Against repeating subjects.
    pub presence_penalty: Option<f64>,
    /// Against repeating words.
    pub frequency_penalty: Option<f64>,
    /// Weights on tokens of one vendor's vocabulary.
    pub logit_bias: Option<Value>,
    /// How long-winded to be (`low`, `medium`, `high`).
    pub verbosity: Option<String>,
}

/// How much to think first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reasoning {
    /// True when the caller wants none.
    pub off: bool,
    /// `minimal`, `low`, `medium`, `high`, `xhigh`, `max`.
    pub effort: Option<String>,
    /// A limit in tokens.
    pub budget: Option<u64>,
    /// Whether to show the thoughts, or a summary of them.
    pub show: Option<bool>,
}

/// A whole answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Response {
    /// The vendor's id.
    pub id: String,
    /// The vendor's model name.
    pub model: String,
    /// What was said.
    pub parts: Vec<Part>,
    /// Why it ended.
    pub stop: Stop,
    /// The stop sequence that was met.
    pub stop_sequence: Option<String>,
    /// What it cost, if the vendor said.
    pub usage: Option<Usage>,
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stop {
    /// It was complete.
    #[default]
    End,
    /// The limit was reached.
    MaxTokens,
    /// A stop sequence was met.
    Sequence,
    /// Tools are to be called.
    ToolUse,
    /// The model or a filter declined.
    Refusal,
    /// The vendor paused a long turn; send it back to go on.
    Pause,
    /// The context is full.
    ContextFull,
}

/// One step of a streamed answer. Block numbers count up from 0 and are not reused.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The answer begins.
    Start {
        /// The vendor's id.
        id: String,
        /// The vendor's model name.
        model: String,
        /// What is known of the cost already.
        usage: Option<Usage>,
    },
    /// A block begins.
    Open {
        /// Its number.
        index: usize,
        /// What it will hold.
        block: Block,
    },
    /// More of a block.
    Delta {
        /// Its number.
        index: usize,
        /// What is added.
        delta: Delta,
    },
    /// A block is complete.
    Close {
        /// Its number.
        index: usize,
    },
    /// Why it ended; usage may still follow.
    Stop {
        /// The reason.
        stop: Stop,
        /// The stop sequence that was met.
        sequence: Option<String>,
    },
    /// The cost so far, replacing what was said before.
    Usage(Usage),
    /// The upstream's own terminal event: only now may the target's be written.
    End,
    /// The vendor reported an error; nothing follows.
    Error(Fault),
    /// A keep-alive of the vendor.
    Ping,
}

/// What a block holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// Words.
    Text,
    /// A thought; `redacted` ones come whole, in their signature.
    Thinking {
        /// Whether only the sealed form exists.
        redacted: bool,
    },
    /// A tool call whose arguments follow.
    ToolUse(ToolUse),
    /// The model declines.
    Refusal,
    /// A picture, whole.
    Image(Source),
}

/// What is added to a block.
#[derive(Clone, Debug, PartialEq)]
pub enum Delta {
    /// Words, thoughts or a refusal, by the block's kind.
    Text(String),
    /// A piece of the arguments' text.
    Args(String),
    /// The seal on the block.
    Signature(Signature),
    /// A source.
    Citation(Citation),
}

/// Why something cannot be translated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HubError {
    /// The request is malformed: the caller's fault, 400.
    Invalid {
        /// The field, as a path.
        field: String,
        /// What is wrong with it.
        why: String,
    },
    /// The request is fine, but cannot be said in the target dialect: 400.
    Unsupported {
        /// The field, as a path.
        field: String,
        /// Why not.
        why: String,
    },
    /// The vendor's answer cannot be read: 502.
    Upstream {
        /// What is wrong with it.
        why: String,
    },
}

impl HubError {
    /// A malformed field.
    pub fn invalid(field: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), why: why.into() }
    }

    /// A field that the target has no words for.
    pub fn unsupported(field: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Unsupported { field: field.into(), why: why.into() }
    }

    /// An unreadable answer.
    pub fn upstream(why: impl Into<String>) -> Self {
        Self::Upstream { why: why.into() }
    }

    /// The same trouble found in a vendor's answer instead of a caller's request.
    pub(crate) fn in_answer(self) -> Self {
        match self {
            Self::Upstream { .. } => self,
            Self::Invalid { field, why } | Self::Unsupported { field, why } => {
                Self::Upstream { why: format!("{field}: {why}") }
            }
        }
    }
}

impl fmt::Display for HubError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid { field, why } => write!(f, "Invalid value for '{field}': {why}."),
            Self::Unsupported { field, why } => {
                write!(f, "Unsupported parameter: '{field}': {why}.")
            }
            Self::Upstream { why } => {
                write!(f, "The upstream answer could not be understood: {why}.")
            }
        }
    }
}

impl std::error::Error for HubError {}
