//! The words under which calls are booked.

use crate::provider::{Dialect, Operation};

/// The family of the client's dialect.
pub const fn dialect(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Messages => "anthropic",
        Dialect::Gemini | Dialect::CodeAssist => "gemini",
        Dialect::Invoke | Dialect::Converse => "bedrock",
        Dialect::Midjourney => "midjourney",
        Dialect::Suno => "suno",
        Dialect::Kling => "kling",
        Dialect::Video => "video",
        _ => "openai",
    }
}

/// What was asked.
pub const fn operation(operation: Operation, dialect: Dialect) -> &'static str {
    match operation {
        Operation::Generate => match dialect {
            Dialect::Messages => "messages",
            Dialect::Gemini | Dialect::CodeAssist => "generate_content",
            Dialect::Responses => "responses",
            Dialect::Invoke => "invoke",
            Dialect::Converse => "converse",
            _ => "chat",
        },
        Operation::CountTokens => "count_tokens",
        Operation::Complete => "completions",
        Operation::Embed | Operation::EmbedBatch => "embeddings",
        Operation::ImageGenerate => "image_generation",
        Operation::ImageEdit => "image_edit",
        Operation::ImageVary => "image_variation",
        Operation::Transcribe => "transcription",
        Operation::Translate => "translation",
        Operation::Speak => "speech",
        Operation::Moderate => "moderation",
        Operation::Rerank => "rerank",
        Operation::Realtime => "realtime",
        Operation::ListModels | Operation::GetModel => "models",
        Operation::Compact => "compact",
        Operation::Stored => "stored",
        Operation::Side => "side",
        Operation::Submit => "task_submit",
        Operation::Fetch => "task_fetch",
    }
}
