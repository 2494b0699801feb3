//! The words accounts are described by.

use async_graphql::Enum;
use schema::model::account as model;
use schema::service::account as service;

/// What a proxy speaks.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
#[graphql(remote = "service::ProxyKind")]
pub enum ProxyKind {
    /// HTTP.
    Http,
    /// HTTP over TLS.
    Https,
    /// SOCKS 5.
    Socks5,
}

/// Whether an account can serve.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
#[graphql(remote = "model::Health")]
pub enum AccountHealth {
    /// It can.
    Ok,
    /// It rests until a moment; after it, one call tries again.
    Cooling,
    /// Refused by its vendor until somebody looks after it.
    Blocked,
    /// Its credentials have run out.
    Expired,
}

/// Who may be sent to an account.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
#[graphql(remote = "model::Sharing")]
pub enum AccountSharing {
    /// Every key.
    Shared,
    /// Keys bound to it.
    Dedicated,
    /// Keys bound to a group it is a member of.
    Group,
}

/// What an account is at its vendor.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
#[graphql(remote = "model::AccountKind")]
pub enum AccountKind {
    /// A Claude subscription, by OAuth or by a setup token.
    ClaudeOauth,
    /// Anthropic's API, or one that speaks it, by key.
    ClaudeConsole,
    /// A Claude Code Router.
    Ccr,
    /// Amazon Bedrock.
    Bedrock,
    /// A Google account as gemini-cli uses it.
    GeminiOauth,
    /// Google's Gemini API, by key.
    GeminiKey,
    /// Google Vertex AI, by service account or key.
    Vertex,
    /// A ChatGPT login as Codex uses it.
    OpenaiOauth,
    /// OpenAI's API, by key.
    OpenaiKey,
    /// An API that speaks OpenAI's chat protocol.
    OpenaiCompatible,
    /// An API that speaks OpenAI's Responses protocol.
    OpenaiResponses,
    /// Azure OpenAI.
    AzureOpenai,
    /// A Midjourney proxy.
    Midjourney,
    /// A Suno proxy.
    Suno,
    /// Kling.
    Kling,
    /// Another video generator.
    Video,
}

/// What a key may call and an account serves.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
#[graphql(remote = "schema::model::api_key::Service")]
pub enum Service {
    /// Anthropic's models.
    Claude,
    /// Google's models.
    Gemini,
    /// OpenAI's models, and what speaks like them.
    Openai,
    /// Models on Amazon Bedrock.
    Bedrock,
    /// Factory's Droid.
    Droid,
    /// Pictures by Midjourney.
    Midjourney,
    /// Music by Suno.
    Suno,
    /// Films by Kling.
    Kling,
    /// Films by others.
    Video,
}
