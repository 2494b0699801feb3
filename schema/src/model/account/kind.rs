//! The kinds of accounts and what they serve.

use crate::model::api_key::{Service, Slot};
use crate::text_enum;

text_enum! {
    /// What an account is at its vendor.
    pub enum AccountKind {
        /// A Claude subscription, by OAuth or by a setup token.
        ClaudeOauth = "claude_oauth",
        /// Anthropic's API, or one that speaks it, by key.
        ClaudeConsole = "claude_console",
        /// A Claude Code Router.
        Ccr = "ccr",
        /// Amazon Bedrock.
        Bedrock = "bedrock",
        /// A Google account as gemini-cli uses it.
        GeminiOauth = "gemini_oauth",
        /// Google's Gemini API, by key.
        GeminiKey = "gemini_key",
        /// Google Vertex AI, by service account or key.
        Vertex = "vertex",
        /// A ChatGPT login as Codex uses it.
        OpenaiOauth = "openai_oauth",
        /// OpenAI's API, by key.
        OpenaiKey = "openai_key",
        /// An API that speaks OpenAI's chat protocol.
        OpenaiCompatible = "openai_compatible",
        /// An API that speaks OpenAI's Responses protocol.
        OpenaiResponses = "openai_responses",
        /// Azure OpenAI.
        AzureOpenai = "azure_openai",
        /// A Midjourney proxy.
        Midjourney = "midjourney",
        /// A Suno proxy.
        Suno = "suno",
        /// Kling.
        Kling = "kling",
        /// Another video generator.
        Video = "video",
    }
}

impl AccountKind {
    /// The service it belongs to.
    pub const fn service(self) -> Service {
        match self {
            Self::ClaudeOauth | Self::ClaudeConsole | Self::Ccr => Service::Claude,
            Self::Bedrock => Service::Bedrock,
            Self::GeminiOauth | Self::GeminiKey | Self::Vertex => Service::Gemini,
            Self::OpenaiOauth
            | Self::OpenaiKey
            | Self::OpenaiCompatible
            | Self::OpenaiResponses
            | Self::AzureOpenai => Service::Openai,
            Self::Midjourney => Service::Midjourney,
            Self::Suno => Service::Suno,
            Self::Kling => Service::Kling,
            Self::Video => Service::Video,
        }
    }
    /// The slot of a key's bindings that speaks of it.
    pub const fn slot(self) -> Slot {
        match self {
            Self::ClaudeOauth => Slot::Claude,
            Self::ClaudeConsole => Slot::ClaudeConsole,
            Self::Ccr => Slot::Ccr,
            Self::Bedrock => Slot::Bedrock,
            Self::GeminiOauth | Self::GeminiKey | Self::Vertex => Slot::Gemini,
            Self::OpenaiOauth | Self::OpenaiKey | Self::OpenaiCompatible => Slot::Openai,
            Self::OpenaiResponses => Slot::OpenaiResponses,
            Self::AzureOpenai => Slot::AzureOpenai,
            Self::Midjourney | Self::Suno | Self::Kling | Self::Video => Slot::Any,
        }
    }
    /// True for kinds whose credentials are OAuth tokens.
    pub const fn is_oauth(self) -> bool {
        matches!(self, Self::ClaudeOauth | Self::GeminiOauth | Self::OpenaiOauth)
    }
    /// True for kinds that cannot be reached without an address of their own.
    pub const fn needs_base_url(self) -> bool {
        matches!(
            self,
            Self::Ccr | Self::OpenaiCompatible | Self::AzureOpenai | Self::Midjourney | Self::Suno | Self::Video
        )
    }
    /// Its place in a set of kinds.
    pub const fn bit(self) -> u32 {
        1 << self as u32
    }
}
