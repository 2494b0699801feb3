//! What comes back: a whole answer, or the steps of a streamed one.

use super::super::fault::Fault;
use super::{Citation, Part, Signature, Source, ToolUse, Usage};

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
