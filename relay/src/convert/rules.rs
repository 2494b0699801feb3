//! What happens to things a target dialect cannot say. Every loss goes through here, so that none is silent:
//! it is refused with a 400 that names the field, or named in the answer's warning header.
//!
//! The table is printed in the documentation of [`super`]; a test keeps the two alike.

use super::Dialect;
use super::hub::HubError;

/// What to do about something that cannot be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The answer would be something else than asked for: 400.
    Refuse(&'static str),
    /// The answer is still what was asked for: leave it out or say it differently, and tell.
    Warn(&'static str),
    /// It asks for nothing: leave it out.
    Quiet,
}

/// Something a request can hold that not every dialect can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// `top_k`.
    TopK,
    /// A seed.
    Seed,
    /// Presence and frequency penalties.
    Penalties,
    /// Token weights.
    LogitBias,
    /// Stop sequences.
    Stop,
    /// How long-winded to be.
    Verbosity,
    /// Cache marks on parts and tools.
    CacheMark,
    /// JSON without a schema.
    JsonMode,
    /// Tool arguments that must follow their schema.
    StrictTool,
    /// How closely to look at a picture.
    ImageDetail,
    /// Recordings.
    Audio,
    /// Films.
    Video,
    /// Files under a vendor's own id.
    VendorFile,
    /// Documents by URL.
    DocumentUrl,
    /// Documents of plain text.
    DocumentText,
    /// Documents that are not PDF.
    DocumentKind,
    /// Pictures and files within a tool result.
    ToolResultMedia,
    /// The mark that a tool failed.
    ToolError,
    /// Operator messages in the middle of a conversation.
    MidSystem,
    /// Thoughts that another vendor sealed, or that nobody did.
    ForeignThought,
    /// The end user's name.
    User,
    /// The prompt cache key.
    CacheKey,
    /// The caller's labels.
    Metadata,
    /// A ban on parallel tool calls.
    NoParallel,
    /// Bounds on a web search.
    SearchBounds,
    /// Web search at all.
    WebSearch,
    /// Other tools that run at one vendor's.
    HostedTool,
}

/// The rule for a feature in a target dialect; `None` when the dialect can say it.
pub fn rule(target: Dialect, feature: Feature) -> Option<Rule> {
    use Dialect::{Chat, Completions, Converse, Gemini, Messages, Responses};
    use Rule::{Refuse, Warn};
    let unsent = Some(Warn("not available here and was not sent"));
    match (feature, target) {
        (Feature::TopK, Chat | Responses) => unsent,
        (Feature::Seed | Feature::Penalties, Messages | Responses | Converse) => unsent,
        (Feature::LogitBias, Messages | Gemini | Responses | Converse) => unsent,
        (Feature::Stop, Responses) => unsent,
        (Feature::Verbosity, Messages | Gemini | Converse) => unsent,
        (Feature::CacheMark, Chat | Gemini | Responses) => {
            Some(Warn("prompt caching is automatic here; the marks were not sent"))
        }
        (Feature::JsonMode, Messages | Converse) => {
            Some(Warn("JSON mode without a schema is not available here; only the prompt asks for JSON"))
        }
        (Feature::StrictTool, Gemini | Converse) => Some(Warn("strict tool schemas are not available here")),
        (Feature::ImageDetail, Messages | Gemini | Converse) => unsent,
        (Feature::Audio, Messages | Converse) => Some(Refuse("audio input is not available with this model")),
        (Feature::Video, Chat | Messages | Responses) => Some(Refuse("video input is not available with this model")),
        (Feature::VendorFile, _) => {
            Some(Refuse("a file id is known only to the vendor that issued it; send the content"))
        }
        (Feature::DocumentUrl, Chat) => {
            Some(Refuse("documents by URL are not available with this model; send the content"))
        }
        (Feature::DocumentText, Chat | Responses) => Some(Warn("text documents were sent as text")),
        (Feature::DocumentKind, Chat | Messages) => {
            Some(Refuse("only PDF and plain text documents are available with this model"))
        }
        (Feature::ToolResultMedia, Chat) => Some(Warn("media in a tool result were sent as a user message behind it")),
        (Feature::ToolError, Chat | Responses) => Some(Warn("tool results cannot be marked as failed here")),
        (Feature::MidSystem, Messages | Gemini | Converse) => {
            Some(Warn("system messages in mid-conversation were sent as user messages"))
        }
        (Feature::ForeignThought, _) => Some(Warn("earlier thoughts of another vendor were not sent")),
        (Feature::User, Gemini | Converse) => unsent,
        (Feature::CacheKey, Messages | Gemini | Converse) => unsent,
        (Feature::Metadata, Messages | Gemini | Converse) => unsent,
        (Feature::NoParallel, Gemini | Converse) => Some(Warn("parallel tool calls cannot be switched off here")),
        (Feature::SearchBounds, Chat | Gemini | Responses) => Some(Warn("some bounds of the web search were not sent")),
        (Feature::WebSearch, Chat | Converse) => {
            Some(Warn("web search is not available with this model and was not offered to it"))
        }
        (Feature::HostedTool, _) => {
            Some(Refuse("this tool runs at another vendor's and is not available with this model"))
        }
        (_, Completions) => unsent,
        _ => None,
    }
}

/// What to do about a request field that a dialect's reader has no use for. `path` may hold list positions.
pub fn field_rule(source: Dialect, path: &str) -> Rule {
    const HELD: &str = "it names state held by another vendor; send the conversation itself";
    const UNSENT: Rule = Rule::Warn("has no counterpart at the vendor that serves this call and was not sent");
    let plain = without_positions(path);
    match (source, plain.as_str()) {
        (Dialect::Chat, "audio" | "messages.audio") => Rule::Refuse("audio output cannot be translated"),
        (Dialect::Chat, "stream_options.include_obfuscation") => Rule::Quiet,
        (Dialect::Completions, "suffix") => Rule::Refuse("insertion is not available with this model"),
        (Dialect::Completions, "echo" | "best_of") => Rule::Refuse("not available with this model"),
        (Dialect::Messages, "thread" | "container") => Rule::Refuse(HELD),
        (Dialect::Messages, "mcp_servers") => Rule::Refuse("remote tool servers are not available with this model"),
        (Dialect::Messages, "inference_geo") => Rule::Refuse("the place of processing cannot be promised"),
        (Dialect::Gemini, "cachedContent" | "cached_content") => Rule::Refuse(HELD),
        (Dialect::Gemini, "generationConfig.speechConfig" | "generationConfig.imageConfig") => {
            Rule::Refuse("only text output can be translated")
        }
        (Dialect::Responses, "previous_response_id" | "conversation") => Rule::Refuse(HELD),
        (Dialect::Responses, "prompt") => {
            Rule::Refuse("prompt templates are held by another vendor; send the prompt itself")
        }
        (Dialect::Responses, "client_metadata" | "stream_options.include_obfuscation") => Rule::Quiet,
        (Dialect::Converse, "guardrailConfig" | "promptVariables") => Rule::Refuse("not available with this model"),
        _ => UNSENT,
    }
}

/// `messages[3].content[0].x` as `messages.content.x`.
fn without_positions(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut inside = false;
    for letter in path.chars() {
        match letter {
            '[' => inside = true,
            ']' => inside = false,
            _ if !inside => out.push(letter),
            _ => {}
        }
    }
    out
}

/// Collects what one translation could not say.
#[derive(Debug)]
pub(crate) struct Notes {
    target: Dialect,
    warnings: Vec<String>,
}

impl Notes {
    pub(crate) fn new(target: Dialect) -> Self {
        Self { target, warnings: Vec::new() }
    }

    /// Notes a feature at a field. Refused ones are an error; ones the target can say are none of our business.
    pub(crate) fn lost(&mut self, feature: Feature, field: &str) -> Result<(), HubError> {
        match rule(self.target, feature) {
            Some(Rule::Refuse(why)) => Err(HubError::unsupported(field, why)),
            Some(Rule::Warn(why)) => {
                self.warn(format!("{field}: {why}"));
                Ok(())
            }
            Some(Rule::Quiet) | None => Ok(()),
        }
    }

    /// Notes a feature only if it is there.
    pub(crate) fn lost_if(&mut self, there: bool, feature: Feature, field: &str) -> Result<(), HubError> {
        if there { self.lost(feature, field) } else { Ok(()) }
    }

    /// Applies the field rules to what a reader left over.
    pub(crate) fn leftovers(&mut self, source: Dialect, lost: &[String]) -> Result<(), HubError> {
        for path in lost {
            match field_rule(source, path) {
                Rule::Refuse(why) => return Err(HubError::unsupported(path.as_str(), why)),
                Rule::Warn(why) => self.warn(format!("{}: {why}", without_positions(path))),
                Rule::Quiet => {}
            }
        }
        Ok(())
    }

    /// Adds a warning once.
    pub(crate) fn warn(&mut self, warning: impl Into<String>) {
        let warning = warning.into();
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    pub(crate) fn into_warnings(self) -> Vec<String> {
        self.warnings
    }
}

/// The warnings as one header value: printable ASCII of bounded length. `None` when there is nothing to tell.
pub fn warning_header(warnings: &[String]) -> Option<String> {
    const LONGEST: usize = 1_024;
    if warnings.is_empty() {
        return None;
    }
    let mut value: String = warnings
        .join("; ")
        .chars()
        .map(|letter| if letter.is_ascii_graphic() || letter == ' ' { letter } else { '?' })
        .collect();
    if value.len() > LONGEST {
        value.truncate(LONGEST - 3);
        value.push_str("...");
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_name_the_field_and_warnings_come_once() {
        let mut notes = Notes::new(Dialect::Messages);
        assert!(
            matches!(notes.lost(Feature::Audio, "messages[0]"), Err(HubError::Unsupported { field, .. }) if field == "messages[0]")
        );
        notes.lost(Feature::Seed, "seed").expect("a warning");
        notes.lost(Feature::Seed, "seed").expect("a warning");
        notes.lost(Feature::TopK, "top_k").expect("expressible");
        notes
            .leftovers(Dialect::Chat, &["messages[0].name".to_owned(), "messages[4].name".to_owned()])
            .expect("a warning");
        assert_eq!(notes.into_warnings().len(), 2);
    }

    #[test]
    fn state_held_elsewhere_is_refused() {
        for (dialect, path) in [
            (Dialect::Messages, "thread"),
            (Dialect::Gemini, "cachedContent"),
            (Dialect::Responses, "previous_response_id"),
            (Dialect::Responses, "conversation"),
        ] {
            assert!(matches!(field_rule(dialect, path), Rule::Refuse(_)), "{path}");
        }
    }

    #[test]
    fn the_header_is_one_printable_line() {
        assert_eq!(warning_header(&[]), None);
        let header = warning_header(&["a\r\nSet-Cookie: x".to_owned(), "é".repeat(2_000)]).expect("a header");
        assert!(header.starts_with("a??Set-Cookie: x; ?") && header.len() == 1_024);
    }
}
