//! The vendors' own usage fields, all optional, and how they fold into one figure.

use std::fmt;

use memchr::memmem;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::pictures::Pictures;
use super::{Form, Usage};

/// A count that some vendors send as a float, a string or `null`; anything else counts as absent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Count(Option<f64>);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Count;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a count")
            }
            fn visit_u64<E>(self, n: u64) -> Result<Count, E> {
                Ok(Count(Some(n as f64)))
            }
            fn visit_i64<E>(self, n: i64) -> Result<Count, E> {
                Ok(Count(Some(n.max(0) as f64)))
            }
            fn visit_f64<E>(self, n: f64) -> Result<Count, E> {
                Ok(Count((n.is_finite() && n >= 0.0).then_some(n)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Count, E> {
                Ok(Count(text.parse().ok().filter(|n: &f64| n.is_finite() && *n >= 0.0)))
            }
            fn visit_bool<E>(self, _: bool) -> Result<Count, E> {
                Ok(Count(None))
            }
            fn visit_unit<E>(self) -> Result<Count, E> {
                Ok(Count(None))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Count, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Count(None))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Count, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Count(None))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

impl Count {
    fn get(self) -> u64 {
        self.0.map_or(0, |n| n.round() as u64)
    }

    fn or(self, other: Self) -> Self {
        if self.0.is_some() { self } else { other }
    }

    /// The larger of two cumulative reports.
    fn max(self, other: Self) -> Self {
        match (self.0, other.0) {
            (Some(a), Some(b)) => Self(Some(a.max(b))),
            _ => self.or(other),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct Details {
    #[serde(alias = "cache_read_tokens")]
    cached_tokens: Count,
    #[serde(alias = "cached_creation_tokens", alias = "cache_creation_tokens")]
    cache_write_tokens: Count,
    audio_tokens: Count,
    image_tokens: Count,
    #[serde(alias = "thinking_tokens")]
    reasoning_tokens: Count,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct CacheCreation {
    ephemeral_5m_input_tokens: Count,
    ephemeral_1h_input_tokens: Count,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct ServerTools {
    web_search_requests: Count,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Modality {
    modality: String,
    #[serde(rename = "tokenCount")]
    token_count: Count,
}

/// Every field any vendor uses; one family fills only its own.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Parts {
    // OpenAI: chat and its copies.
    prompt_tokens: Count,
    completion_tokens: Count,
    total_tokens: Count,
    prompt_tokens_details: Option<Details>,
    completion_tokens_details: Option<Details>,
    prompt_cache_hit_tokens: Count,
    cached_tokens: Count,
    seconds: Count,
    search_units: Count,
    // OpenAI responses, images, audio; Anthropic.
    input_tokens: Count,
    output_tokens: Count,
    #[serde(alias = "input_token_details")]
    input_tokens_details: Option<Details>,
    #[serde(alias = "output_token_details")]
    output_tokens_details: Option<Details>,
    // Anthropic.
    cache_creation_input_tokens: Count,
    cache_read_input_tokens: Count,
    cache_creation: Option<CacheCreation>,
    server_tool_use: Option<ServerTools>,
    // Gemini.
    #[serde(rename = "promptTokenCount")]
    prompt_token_count: Count,
    #[serde(rename = "cachedContentTokenCount")]
    cached_content_token_count: Count,
    #[serde(rename = "candidatesTokenCount")]
    candidates_token_count: Count,
    #[serde(rename = "thoughtsTokenCount")]
    thoughts_token_count: Count,
    #[serde(rename = "toolUsePromptTokenCount")]
    tool_use_prompt_token_count: Count,
    #[serde(rename = "totalTokenCount")]
    total_token_count: Count,
    #[serde(rename = "promptTokensDetails")]
    prompt_modalities: Option<Vec<Modality>>,
    #[serde(rename = "candidatesTokensDetails")]
    candidates_modalities: Option<Vec<Modality>>,
    // Bedrock.
    #[serde(rename = "inputTokens", alias = "inputTokenCount")]
    bedrock_input: Count,
    #[serde(rename = "outputTokens", alias = "outputTokenCount")]
    bedrock_output: Count,
    #[serde(rename = "cacheReadInputTokens", alias = "cacheReadInputTokenCount", alias = "cacheReadInputTokensCount")]
    bedrock_cache_read: Count,
    #[serde(
        rename = "cacheWriteInputTokens",
        alias = "cacheWriteInputTokenCount",
        alias = "cacheWriteInputTokensCount"
    )]
    bedrock_cache_write: Count,
    /// Pictures in an images answer; not part of any usage object.
    #[serde(skip)]
    pictures: u64,
}

impl Parts {
    /// Folds a later report into an earlier one.
    pub(super) fn merge(&mut self, form: Form, later: Self) {
        match form {
            // Cumulative counts whose fields may be missing or zero in either event.
            Form::Anthropic => {
                self.input_tokens = self.input_tokens.max(later.input_tokens);
                self.output_tokens = self.output_tokens.max(later.output_tokens);
                self.cache_creation_input_tokens =
                    self.cache_creation_input_tokens.max(later.cache_creation_input_tokens);
                self.cache_read_input_tokens = self.cache_read_input_tokens.max(later.cache_read_input_tokens);
                self.bedrock_input = self.bedrock_input.max(later.bedrock_input);
                self.bedrock_output = self.bedrock_output.max(later.bedrock_output);
                self.bedrock_cache_read = self.bedrock_cache_read.max(later.bedrock_cache_read);
                self.bedrock_cache_write = self.bedrock_cache_write.max(later.bedrock_cache_write);
                self.cache_creation = later.cache_creation.or(self.cache_creation);
                self.server_tool_use = later.server_tool_use.or(self.server_tool_use);
                self.output_tokens_details = later.output_tokens_details.or(self.output_tokens_details);
            }
            // Repeated in every chunk; the last word on each field counts.
            Form::Gemini => {
                self.prompt_token_count = later.prompt_token_count.or(self.prompt_token_count);
                self.cached_content_token_count = later.cached_content_token_count.or(self.cached_content_token_count);
                self.candidates_token_count = later.candidates_token_count.or(self.candidates_token_count);
                self.thoughts_token_count = later.thoughts_token_count.or(self.thoughts_token_count);
                self.tool_use_prompt_token_count =
                    later.tool_use_prompt_token_count.or(self.tool_use_prompt_token_count);
                self.total_token_count = later.total_token_count.or(self.total_token_count);
                self.prompt_modalities = later.prompt_modalities.or(self.prompt_modalities.take());
                self.candidates_modalities = later.candidates_modalities.or(self.candidates_modalities.take());
            }
            Form::OpenAi | Form::Converse => *self = later,
        }
    }

    pub(super) fn usage(&self, form: Form) -> Usage {
        match form {
            Form::OpenAi => self.openai(),
            Form::Anthropic => self.anthropic(),
            Form::Gemini => self.gemini(),
            Form::Converse => self.bedrock(),
        }
    }

    fn openai(&self) -> Usage {
        let into = self.prompt_tokens_details.or(self.input_tokens_details).unwrap_or_default();
        let out = self.completion_tokens_details.or(self.output_tokens_details).unwrap_or_default();
        let output = self.completion_tokens.or(self.output_tokens).get();
        let all = self.prompt_tokens.or(self.input_tokens);
        // Embeddings and rerank vendors may give a total only.
        let all = if all.0.is_some() { all.get() } else { self.total_tokens.get().saturating_sub(output) };
        let cache_read = into.cached_tokens.or(self.prompt_cache_hit_tokens).or(self.cached_tokens).get().min(all);
        let cache_write = into.cache_write_tokens.or(self.cache_creation_input_tokens).get().min(all - cache_read);
        Usage {
            input: all - cache_read - cache_write,
            cache_read,
            cache_write_5m: cache_write,
            output,
            reasoning: out.reasoning_tokens.get().min(output),
            audio_in: into.audio_tokens.get(),
            audio_out: out.audio_tokens.get(),
            image_in: into.image_tokens.get(),
            image_out: out.image_tokens.get(),
            images: self.pictures,
            audio_ms: (self.seconds.0.unwrap_or(0.0) * 1000.0).round() as u64,
            searches: self.search_units.get(),
            ..Usage::default()
        }
    }

    fn anthropic(&self) -> Usage {
        if self.input_tokens.0.is_none() && self.output_tokens.0.is_none() && self.bedrock_input.0.is_some() {
            return self.bedrock();
        }
        let hour = self.cache_creation.map_or(0, |split| split.ephemeral_1h_input_tokens.get());
        let minutes = self.cache_creation.map_or(0, |split| split.ephemeral_5m_input_tokens.get());
        // Older answers give only the sum; what the split does not explain is the five-minute kind.
        let rest = self.cache_creation_input_tokens.get().saturating_sub(hour + minutes);
        let output = self.output_tokens.get();
        Usage {
            input: self.input_tokens.get(),
            cache_read: self.cache_read_input_tokens.get(),
            cache_write_5m: minutes + rest,
            cache_write_1h: hour,
            output,
            reasoning: self.output_tokens_details.map_or(0, |out| out.reasoning_tokens.get()).min(output),
            searches: self.server_tool_use.map_or(0, |tools| tools.web_search_requests.get()),
            ..Usage::default()
        }
    }

    fn gemini(&self) -> Usage {
        let all = self.prompt_token_count.get() + self.tool_use_prompt_token_count.get();
        let cache_read = self.cached_content_token_count.get().min(all);
        let reasoning = self.thoughts_token_count.get();
        let answer = match self.candidates_token_count.0 {
            Some(_) => self.candidates_token_count.get(),
            None => self.total_token_count.get().saturating_sub(all + reasoning),
        };
        let of = |list: &Option<Vec<Modality>>, kind: &str| {
            list.iter().flatten().filter(|m| m.modality == kind).map(|m| m.token_count.get()).sum()
        };
        Usage {
            input: all - cache_read,
            cache_read,
            output: answer + reasoning,
            reasoning,
            audio_in: of(&self.prompt_modalities, "AUDIO"),
            audio_out: of(&self.candidates_modalities, "AUDIO"),
            image_in: of(&self.prompt_modalities, "IMAGE"),
            image_out: of(&self.candidates_modalities, "IMAGE"),
            ..Usage::default()
        }
    }

    fn bedrock(&self) -> Usage {
        Usage {
            input: self.bedrock_input.get(),
            cache_read: self.bedrock_cache_read.get(),
            cache_write_5m: self.bedrock_cache_write.get(),
            output: self.bedrock_output.get(),
            ..Usage::default()
        }
    }
}

/// The places a usage object may stand in a body or an event. The objects are boxed: one is there at most, and each
/// is large.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Envelope {
    usage: Option<Box<Parts>>,
    #[serde(rename = "usageMetadata", alias = "usage_metadata")]
    usage_metadata: Option<Box<Parts>>,
    #[serde(rename = "amazon-bedrock-invocationMetrics")]
    metrics: Option<Box<Parts>>,
    /// Anthropic's `message_start`.
    message: Option<Inner>,
    /// OpenAI's terminal response events; the Code Assist envelope.
    response: Option<Inner>,
    /// Cohere's rerank.
    meta: Option<Meta>,
    x_groq: Option<Inner>,
    data: Pictures,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Inner {
    usage: Option<Box<Parts>>,
    #[serde(rename = "usageMetadata")]
    usage_metadata: Option<Box<Parts>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Meta {
    billed_units: Option<Box<Parts>>,
}

/// A cheap look whether an event can hold usage at all: one of the family's words, unescaped, before an object.
pub(super) fn may_carry(form: Form, data: &[u8]) -> bool {
    let words: &[&[u8]] = match form {
        Form::OpenAi => &[b"\"usage\"", b"\"billed_units\"", b"\"b64_json\"", b"\"url\""],
        Form::Anthropic => &[b"\"usage\"", b"\"amazon-bedrock-invocationMetrics\""],
        Form::Gemini => &[b"\"usageMetadata\"", b"\"usage_metadata\""],
        Form::Converse => &[b"\"usage\""],
    };
    words.iter().enumerate().any(|(nth, word)| {
        // Streams carry the first words; pictures come in whole bodies, which are parsed anyway.
        let needs_object = nth < 2 || form != Form::OpenAi;
        memmem::find_iter(data, word).any(|at| {
            let rest = data.get(at + word.len()..).unwrap_or_default().trim_ascii_start();
            let Some(rest) = rest.strip_prefix(b":") else {
                return false;
            };
            !needs_object || rest.trim_ascii_start().first() == Some(&b'{')
        })
    })
}

/// Reads the usage out of one event or body.
pub(super) fn parse(form: Form, data: &[u8]) -> Option<Box<Parts>> {
    let envelope: Envelope = serde_json::from_slice(data).ok()?;
    let (message, response) = (envelope.message.unwrap_or_default(), envelope.response.unwrap_or_default());
    match form {
        Form::OpenAi => {
            let found = envelope
                .usage
                .or(response.usage)
                .or(envelope.meta.and_then(|meta| meta.billed_units))
                .or(envelope.x_groq.and_then(|groq| groq.usage));
            let pictures = envelope.data.0;
            if found.is_none() && pictures == 0 {
                return None;
            }
            let mut found = found.unwrap_or_default();
            found.pictures = pictures;
            Some(found)
        }
        Form::Anthropic => envelope.usage.or(message.usage).or(envelope.metrics),
        Form::Gemini => envelope.usage_metadata.or(response.usage_metadata),
        Form::Converse => envelope.usage,
    }
}
