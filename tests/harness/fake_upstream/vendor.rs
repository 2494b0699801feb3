//! The vendors there are fakes of, and the credentials each fake accepts from the start.

use super::reply::Reply;
use super::script::Refusal;
use super::seen::Seen;
use super::state::Shared;
use super::{anthropic, azure, bedrock, ccr, codex, gemini, kling, midjourney, oauth, openai, suno, vertex, video};

/// A Claude subscription's access token that the Anthropic fake accepts.
pub const SUBSCRIPTION_TOKEN: &str = "sk-ant-oat01-fake-access";

/// Whose wire format a fake speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Vendor {
    /// api.openai.com and everything compatible with it.
    OpenAi,
    /// api.anthropic.com, with Console keys and with subscription tokens.
    Anthropic,
    /// generativelanguage.googleapis.com and cloudcode-pa.googleapis.com.
    Gemini,
    /// bedrock-runtime and bedrock of AWS.
    Bedrock,
    /// An Azure OpenAI resource.
    Azure,
    /// Vertex AI, with Google's and Anthropic's models, and its token address.
    Vertex,
    /// chatgpt.com's Codex backend.
    Codex,
    /// An Anthropic-compatible gateway of modest quality.
    Ccr,
    /// midjourney-proxy.
    Midjourney,
    /// A Suno API proxy.
    Suno,
    /// api.klingai.com.
    Kling,
    /// A New-API style video service.
    Video,
    /// Authorize and token addresses of every vendor, under `/claude`, `/openai` and `/google`.
    OAuth,
}

impl Vendor {
    /// Every vendor.
    pub const ALL: [Vendor; 13] = [
        Vendor::OpenAi,
        Vendor::Anthropic,
        Vendor::Gemini,
        Vendor::Bedrock,
        Vendor::Azure,
        Vendor::Vertex,
        Vendor::Codex,
        Vendor::Ccr,
        Vendor::Midjourney,
        Vendor::Suno,
        Vendor::Kling,
        Vendor::Video,
        Vendor::OAuth,
    ];

    /// Its folder where one port serves all.
    pub fn prefix(self) -> &'static str {
        match self {
            Vendor::OpenAi => "openai",
            Vendor::Anthropic => "anthropic",
            Vendor::Gemini => "gemini",
            Vendor::Bedrock => "bedrock",
            Vendor::Azure => "azure",
            Vendor::Vertex => "vertex",
            Vendor::Codex => "codex",
            Vendor::Ccr => "ccr",
            Vendor::Midjourney => "mj",
            Vendor::Suno => "suno",
            Vendor::Kling => "kling",
            Vendor::Video => "video",
            Vendor::OAuth => "oauth",
        }
    }

    /// The key (for Bedrock the bearer key, for Kling the access key, else an access token) accepted from the start.
    pub fn key(self) -> &'static str {
        match self {
            Vendor::OpenAi => "sk-fake-openai",
            Vendor::Anthropic => "sk-ant-api03-fake",
            Vendor::Gemini => "gm-fake-gemini",
            Vendor::Bedrock => bedrock::BEARER_KEY,
            Vendor::Azure => "az-fake-azure",
            Vendor::Vertex => "ya29.fake-vertex",
            Vendor::Codex => "codex-fake-access",
            Vendor::Ccr => "ccr-fake",
            Vendor::Midjourney => "mj-fake-secret",
            Vendor::Suno => "suno-fake",
            Vendor::Kling => kling::KLING_ACCESS_KEY,
            Vendor::Video => "video-fake",
            Vendor::OAuth => "",
        }
    }

    /// The request headers in which this vendor takes credentials; any other that carries some is a leak.
    pub(super) fn credential_headers(self) -> &'static [&'static str] {
        match self {
            Vendor::Anthropic | Vendor::Ccr => &["authorization", "x-api-key"],
            Vendor::Gemini => &["authorization", "x-goog-api-key"],
            Vendor::Azure => &["authorization", "api-key"],
            Vendor::Midjourney => &["mj-api-secret"],
            Vendor::OAuth => &[],
            Vendor::OpenAi
            | Vendor::Bedrock
            | Vendor::Vertex
            | Vendor::Codex
            | Vendor::Suno
            | Vendor::Kling
            | Vendor::Video => &["authorization"],
        }
    }

    /// The answer to a request nothing is scripted for.
    pub(super) fn answer(self, seen: &Seen, shared: &Shared) -> Reply {
        match self {
            Vendor::OpenAi => openai::answer(seen, shared),
            Vendor::Anthropic => anthropic::answer(seen, shared),
            Vendor::Gemini => gemini::answer(seen, shared),
            Vendor::Bedrock => bedrock::answer(seen, shared),
            Vendor::Azure => azure::answer(seen, shared),
            Vendor::Vertex => vertex::answer(seen, shared),
            Vendor::Codex => codex::answer(seen, shared),
            Vendor::Ccr => ccr::answer(seen, shared),
            Vendor::Midjourney => midjourney::answer(seen, shared),
            Vendor::Suno => suno::answer(seen, shared),
            Vendor::Kling => kling::answer(seen, shared),
            Vendor::Video => video::answer(seen, shared),
            Vendor::OAuth => oauth::answer(seen, shared),
        }
    }

    /// The vendor's own words for a refusal.
    pub(super) fn refuse(self, seen: &Seen, refusal: &Refusal) -> Reply {
        match self {
            Vendor::OpenAi | Vendor::Video => openai::refuse(refusal),
            Vendor::Anthropic | Vendor::Ccr => anthropic::refuse(seen, refusal),
            Vendor::Gemini | Vendor::Vertex => gemini::refuse(refusal),
            Vendor::Bedrock => bedrock::refuse(refusal),
            Vendor::Azure => azure::refuse(refusal),
            Vendor::Codex => codex::refuse(refusal),
            Vendor::Midjourney => midjourney::refuse(refusal),
            Vendor::Suno => suno::refuse(refusal),
            Vendor::Kling => kling::refuse(refusal),
            Vendor::OAuth => oauth::refuse(refusal),
        }
    }

    /// What the vendor puts into a stream it cannot finish.
    pub(super) fn error_in_stream(self, seen: &Seen) -> bytes::Bytes {
        match self {
            Vendor::Anthropic | Vendor::Ccr => anthropic::error_in_stream(),
            Vendor::Gemini => gemini::error_in_stream(),
            Vendor::Vertex if seen.path.contains("/anthropic/") => anthropic::error_in_stream(),
            Vendor::Vertex => gemini::error_in_stream(),
            Vendor::Bedrock => bedrock::error_in_stream(),
            _ => openai::error_in_stream(seen),
        }
    }
}
