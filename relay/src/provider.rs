//! The vendors: what each speaks, which request it expects, and whose fault its refusals are.
//!
//! Everything here is pure: no I/O, no clock, no chance. [`provider`] is the only match on the kind of an
//! account; whatever differs between vendors is asked of the [`Provider`] it returns.
//!
//! No request is ever rewritten to look like another client's. What a provider changes in a body that stays
//! in its dialect is named by the vendor's protocol (the model's id, an envelope, fields that the vendor
//! refuses), and what gets lost by it is reported in [`Outgoing::dropped`].

mod account;
mod address;
mod anthropic;
mod azure;
pub mod bedrock;
pub mod blame;
mod ccr;
pub mod claude_oauth;
pub mod client;
pub mod codex;
pub mod compatible;
mod gemini;
pub mod gemini_oauth;
mod kling;
mod midjourney;
mod openai;
mod openai_responses;
mod outgoing;
pub mod probe;
mod suno;
mod vertex;
mod video;

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};

pub use account::{Credentials, Upstream};
pub use blame::{Blame, Failure, Fault, Reason, Scope};
pub use client::{Client, Sight};
pub use probe::{Probe, Verdict};

use schema::model::account::AccountKind;

use crate::convert::edit::{Body, BodyError};
use crate::wire::WireError;
use crate::wire::eventstream::Message;
use crate::wire::oauth::{Dead, Endpoints, Tokens};

/// How this relay names itself where it does not pass a client's own name on.
pub const USER_AGENT: &str = concat!("tollgate/", env!("CARGO_PKG_VERSION"));

/// What a call wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// A turn of a conversation.
    Generate,
    /// The size of a prompt.
    CountTokens,
    /// A text to be continued.
    Complete,
    /// One input's vector, or several in one list.
    Embed,
    /// Gemini's batch of embedding requests.
    EmbedBatch,
    /// Images from a text.
    ImageGenerate,
    /// An image changed by a text.
    ImageEdit,
    /// Variations of an image.
    ImageVary,
    /// Speech to text.
    Transcribe,
    /// Speech to English text.
    Translate,
    /// Text to speech.
    Speak,
    /// A text judged.
    Moderate,
    /// Documents ordered by relevance.
    Rerank,
    /// A realtime session over a websocket.
    Realtime,
    /// The vendor's list of models.
    ListModels,
    /// One of the vendor's models.
    GetModel,
    /// A conversation made shorter (`/responses/compact`).
    Compact,
    /// Something that the account holds, by the client's own path (`/responses/{id}`, `/cachedContents/…`).
    Stored,
    /// A side endpoint of the vendor's own client, by the client's own path (`:loadCodeAssist`, `/wham/usage`).
    Side,
    /// A task handed in, by the client's own path.
    Submit,
    /// A task asked after, by the client's own path.
    Fetch,
}

/// The dialects bodies are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// OpenAI chat completions.
    Chat,
    /// OpenAI responses.
    Responses,
    /// OpenAI's older text completions.
    Completions,
    /// OpenAI embeddings.
    Embeddings,
    /// OpenAI images, JSON or multipart.
    Images,
    /// OpenAI audio, JSON or multipart.
    Audio,
    /// OpenAI moderations.
    Moderations,
    /// Rerank as Cohere and Jina have it.
    Rerank,
    /// OpenAI realtime.
    Realtime,
    /// Anthropic messages.
    Messages,
    /// Gemini's generate, count and embed calls.
    Gemini,
    /// Vertex's predictions of models that are no Gemini; only ever spoken to Vertex.
    Predict,
    /// Gemini inside Code Assist's envelope.
    CodeAssist,
    /// Anthropic messages as Bedrock's invoke calls take them.
    Invoke,
    /// Bedrock converse.
    Converse,
    /// OpenAI's lists and objects of models.
    Models,
    /// Midjourney-proxy.
    Midjourney,
    /// Suno proxies.
    Suno,
    /// Kling's own video tasks.
    Kling,
    /// New-API video tasks.
    Video,
}

/// How an answer is cut into events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// One body.
    Whole,
    /// Server-sent events.
    Sse,
    /// AWS event stream messages; [`Provider::event`] reads them.
    EventStream,
    /// A websocket.
    Socket,
}

/// A request's body.
#[derive(Clone, Copy, Debug)]
pub enum Payload<'a> {
    /// None.
    Empty,
    /// A JSON object, looked through once.
    Json(&'a Body),
    /// Anything else (multipart), forwarded with its `content-type`.
    Raw(&'a Bytes),
}

/// What decides whether an account's vendor speaks a dialect.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// What is to be done.
    pub operation: Operation,
    /// The client's dialect.
    pub dialect: Dialect,
    /// The vendor's name of the model.
    pub model: &'a str,
}

/// One attempt: a body in the vendor's dialect and what belongs to it.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// What is to be done.
    pub operation: Operation,
    /// The dialect of `body`, as [`Provider::native`] named it.
    pub dialect: Dialect,
    /// The vendor's name of the model, after the account's mapping.
    pub model: &'a str,
    /// Whether the answer shall come as a stream.
    pub stream: bool,
    /// The client's method; counts where the operation follows the client's path.
    pub method: &'a Method,
    /// The client's path behind the dialect's root; counts where the operation follows it.
    pub path: &'a str,
    /// The client's query, without `?`.
    pub query: &'a str,
    /// The client's headers.
    pub headers: &'a HeaderMap,
    /// Whether the client spoke another dialect than `dialect`.
    pub translated: bool,
    /// The body.
    pub body: Payload<'a>,
    /// Now, in epoch milliseconds.
    pub now: i64,
}

impl Ask<'_> {
    /// Whether the client's own path and method are followed.
    pub fn follows_client(&self) -> bool {
        matches!(self.operation, Operation::Stored | Operation::Side | Operation::Submit | Operation::Fetch)
    }
}

/// A request ready to be sent.
#[derive(Debug)]
pub struct Outgoing {
    /// Method, address, headers (credentials included) and body.
    pub request: http::Request<Bytes>,
    /// Fields of the client's body that the vendor cannot take and that were left out.
    pub dropped: Vec<String>,
}

/// Why an account cannot take a call, before anything was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The vendor cannot do this: the caller's to change, or another kind of account's to serve.
    Unsupported {
        /// What is said to the caller.
        message: String,
        /// The vendor's own code for it, where clients key on one.
        code: Option<&'static str>,
    },
    /// The account serves another client only.
    Client(String),
    /// The account's settings cannot be used.
    Account(String),
    /// The account has no access token yet.
    NoToken,
}

impl Refusal {
    /// The vendor cannot do this.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::Unsupported { message: message.into(), code: None }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported { message, .. } | Self::Client(message) | Self::Account(message) => f.write_str(message),
            Self::NoToken => f.write_str("the account has no access token yet"),
        }
    }
}

impl std::error::Error for Refusal {}

impl From<WireError> for Refusal {
    fn from(error: WireError) -> Self {
        Self::Account(error.to_string())
    }
}

impl From<http::Error> for Refusal {
    fn from(error: http::Error) -> Self {
        WireError::from(error).into()
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        Self::unsupported(error.to_string())
    }
}

/// One vendor's protocol.
pub trait Provider: Send + Sync {
    /// The dialect a call goes out in: the client's own where the vendor speaks it, else the vendor's own;
    /// `None` where the vendor cannot do this at all.
    fn native(&self, account: &Upstream<'_>, wish: Wish<'_>) -> Option<Dialect>;

    /// Whether accounts of this kind serve that client; subscriptions serve their vendor's own only.
    fn serves(&self, client: Client) -> Result<(), Refusal> {
        let _ = client;
        Ok(())
    }

    /// The request this vendor expects, signed.
    fn request(&self, account: &Upstream<'_>, ask: &Ask<'_>) -> Result<Outgoing, Refusal>;

    /// How the answer to that is cut into events.
    fn framing(&self, ask: &Ask<'_>) -> Framing {
        match (ask.operation, ask.stream) {
            (Operation::Realtime, _) => Framing::Socket,
            (_, true) => Framing::Sse,
            (_, false) => Framing::Whole,
        }
    }

    /// Takes the vendor's envelope off a body or an event's data; what is none comes back as it is.
    fn unwrap(&self, ask: &Ask<'_>, payload: Bytes) -> Bytes {
        let _ = ask;
        payload
    }

    /// The event inside an event stream message in the dialect of `ask`, `None` where it carries nothing.
    fn event(&self, ask: &Ask<'_>, message: &Message) -> Result<Option<Bytes>, InBand> {
        let _ = (ask, message);
        Ok(None)
    }

    /// The failure that a body hides which came with a success, or that an event of a stream is.
    fn in_band(&self, body: &[u8]) -> Option<StatusCode> {
        let _ = body;
        None
    }

    /// Whose fault a failure is; decides retry, cool-down and message.
    fn blame(&self, failure: &Failure<'_>) -> Blame {
        blame::by_status(failure, false)
    }

    /// The request that gets a new access token; `None` where accounts of this kind have none.
    fn token(
        &self,
        account: &Upstream<'_>,
        endpoints: Option<&Endpoints>,
        now: i64,
    ) -> Option<Result<http::Request<Bytes>, Refusal>> {
        let _ = (account, endpoints, now);
        None
    }

    /// Reads the answer to [`Provider::token`].
    fn read_token(&self, status: StatusCode, body: &[u8], now: i64) -> Result<Tokens, Dead> {
        let _ = (status, body, now);
        Err(Dead { for_good: true, reason: "accounts of this kind have no access token".into() })
    }

    /// The cheapest real call that shows whether the account works; with a model, by asking that model.
    fn probe(&self, account: &Upstream<'_>, model: Option<&str>, now: i64) -> Result<http::Request<Bytes>, Refusal>;
}

/// An error that came inside a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InBand {
    /// The status it stands for.
    pub status: StatusCode,
    /// The vendor's body.
    pub body: Bytes,
}

/// The provider of a kind of account: the only match on vendors.
pub fn provider(kind: AccountKind) -> &'static dyn Provider {
    match kind {
        AccountKind::ClaudeOauth => &claude_oauth::ClaudeOauth,
        AccountKind::ClaudeConsole => &anthropic::Anthropic,
        AccountKind::Ccr => &ccr::Ccr,
        AccountKind::Bedrock => &bedrock::Bedrock,
        AccountKind::GeminiOauth => &gemini_oauth::GeminiOauth,
        AccountKind::GeminiKey => &gemini::Gemini,
        AccountKind::Vertex => &vertex::Vertex,
        AccountKind::OpenaiOauth => &codex::Codex,
        AccountKind::OpenaiKey => &openai::OpenAi,
        AccountKind::OpenaiCompatible => &compatible::Compatible,
        AccountKind::OpenaiResponses => &openai_responses::Responses,
        AccountKind::AzureOpenai => &azure::Azure,
        AccountKind::Midjourney => &midjourney::Midjourney,
        AccountKind::Suno => &suno::Suno,
        AccountKind::Kling => &kling::Kling,
        AccountKind::Video => &video::Video,
    }
}
#[cfg(test)]
mod tests;
