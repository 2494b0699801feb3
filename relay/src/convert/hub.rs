//! The one vocabulary every dialect is translated into and out of.
//!
//! It is the union of what the dialects can say, in plain words; it is not a wire format and is never
//! serialised. Whatever a target cannot express is decided by [`super::rules`], not here.

mod answer;
mod content;

use std::fmt;

use serde_json::{Map, Value};

pub use super::Dialect;
pub use super::usage::Usage;
pub use answer::{Block, Delta, Event, Response, Stop};
pub use content::{Cache, Citation, Part, Signature, Source, Text, Thinking, ToolResult, ToolUse};

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
    /// Whether a chat client said `functions`, which are called in a form of their own.
    pub old_functions: bool,
    /// The tools that the caller knows by two names.
    pub spaced: Vec<Spaced>,
}

/// A tool that its caller keeps under a common name with others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spaced {
    /// The name that the vendor hears.
    pub joined: String,
    /// The common name.
    pub space: String,
    /// Its own.
    pub name: String,
}

/// The longest name of a tool that every vendor takes.
const TOOL_NAME: usize = 64;

impl Request {
    /// The one name of a tool that its caller knows by two, the same whenever it is spoken of.
    pub(crate) fn spaced(&mut self, space: &str, name: &str) -> String {
        if let Some(known) = self.spaced.iter().find(|known| known.space == space && known.name == name) {
            return known.joined.clone();
        }
        let mut joined = format!("{space}__{name}");
        if joined.len() > TOOL_NAME {
            let mark: String = schema::id::digest(&joined).chars().take(8).collect();
            joined = joined.chars().take(TOOL_NAME - 1 - mark.len()).filter(char::is_ascii).collect();
            joined = format!("{joined}_{mark}");
        }
        self.spaced.push(Spaced { joined: joined.clone(), space: space.to_owned(), name: name.to_owned() });
        joined
    }
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
