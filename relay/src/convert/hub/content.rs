//! What is said in a turn: words, media, thoughts, calls and their results.

use super::super::Dialect;

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
