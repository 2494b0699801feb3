//! What a call consumed, read out of any vendor's answer and normalised once.
//!
//! Vendors disagree on what a field includes (OpenAI's and Google's input counts contain the cached part,
//! Anthropic's does not; Google's output excludes the thoughts). Here every part has one meaning, so pricing
//! needs no vendor knowledge.

mod pictures;
mod wire;

use serde::{Deserialize, Serialize};

/// Token and unit counts of one call. The four input parts are disjoint; `reasoning`, the audio and the image
/// token counts are *parts of* input or output, not additions to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Input tokens that neither came from nor went into a prompt cache.
    pub input: u64,
    /// Input tokens read from a prompt cache.
    pub cache_read: u64,
    /// Input tokens written to a cache of five minutes (or of the vendor's only kind).
    pub cache_write_5m: u64,
    /// Input tokens written to a cache of one hour.
    pub cache_write_1h: u64,
    /// All output tokens, reasoning included.
    pub output: u64,
    /// The part of the output spent on reasoning.
    pub reasoning: u64,
    /// The part of the input that was audio.
    pub audio_in: u64,
    /// The part of the output that was audio.
    pub audio_out: u64,
    /// The part of the input that was images.
    pub image_in: u64,
    /// The part of the output that was images.
    pub image_out: u64,
    /// Pictures made.
    pub images: u64,
    /// Milliseconds of audio heard, for vendors that bill by duration.
    pub audio_ms: u64,
    /// Web searches or documents ranked, where the vendor bills them by number.
    pub searches: u64,
    /// True when the figures are a guess because the vendor gave none.
    pub estimated: bool,
}

impl Usage {
    /// All input tokens, cached or not.
    pub fn total_input(&self) -> u64 {
        self.input
            .saturating_add(self.cache_read)
            .saturating_add(self.cache_write_5m)
            .saturating_add(self.cache_write_1h)
    }

    /// All tokens, in and out.
    pub fn total(&self) -> u64 {
        self.total_input().saturating_add(self.output)
    }

    /// All tokens written to a cache.
    pub fn cache_write(&self) -> u64 {
        self.cache_write_5m.saturating_add(self.cache_write_1h)
    }

    /// A guess, marked as one.
    pub fn estimate(input: u64, output: u64) -> Self {
        Self { input, output, estimated: true, ..Self::default() }
    }
}

/// Which vendor family's words an answer uses for its usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// OpenAI and those who copy it: chat, completions, embeddings, responses, images, audio, rerank.
    OpenAi,
    /// Anthropic messages, also inside Bedrock's invoke frames.
    Anthropic,
    /// Gemini and Vertex, with or without the Code Assist envelope.
    Gemini,
    /// Bedrock's converse answers and stream metadata.
    Converse,
}

/// The usage in a complete answer body, if the vendor gave any.
pub fn of_body(form: Form, body: &[u8]) -> Option<Usage> {
    let mut watch = Watch::new(form);
    if let Some(elements) = body.trim_ascii_start().strip_prefix(b"[") {
        // A Gemini stream without SSE, read as one body.
        let mut decoder = crate::sse::array::ArrayDecoder::new(crate::sse::MAX_FRAME);
        decoder.push(b"[");
        decoder.push(elements);
        while let Ok(Some(element)) = decoder.next_element() {
            watch.see(&element);
        }
        return watch.usage();
    }
    watch.see(body);
    watch.usage()
}

/// Collects the usage out of the events of a stream. Events without any cost a substring search.
#[derive(Clone, Debug)]
pub struct Watch {
    form: Form,
    seen: Option<Box<wire::Parts>>,
}

impl Watch {
    /// A watch that has seen nothing.
    pub fn new(form: Form) -> Self {
        Self { form, seen: None }
    }

    /// Looks at one event's data (or one body); true when it carried usage.
    pub fn see(&mut self, data: &[u8]) -> bool {
        if !wire::may_carry(self.form, data) {
            return false;
        }
        let Some(parts) = wire::parse(self.form, data) else {
            return false;
        };
        match &mut self.seen {
            None => self.seen = Some(parts),
            Some(seen) => seen.merge(self.form, *parts),
        }
        true
    }

    /// What has been announced so far: for a stream that was cut, this is what can be billed.
    pub fn usage(&self) -> Option<Usage> {
        self.seen.as_ref().map(|parts| parts.usage(self.form))
    }
}

#[cfg(test)]
mod tests;
