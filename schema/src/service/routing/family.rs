//! Whose model a name is, as far as a name tells.

use crate::model::account::AccountKind;
use crate::model::api_key::Service;

/// Beginnings of names, and whose they are.
const BEGINNINGS: &[(&str, Service)] = &[
    ("claude", Service::Claude),
    ("anthropic.claude", Service::Claude),
    ("gemini", Service::Gemini),
    ("models/gemini", Service::Gemini),
    ("imagen", Service::Gemini),
    ("veo-", Service::Gemini),
    ("gemma", Service::Gemini),
    ("gpt-", Service::Openai),
    ("chatgpt-", Service::Openai),
    ("o1", Service::Openai),
    ("o3", Service::Openai),
    ("o4", Service::Openai),
    ("codex-", Service::Openai),
    ("dall-e", Service::Openai),
    ("whisper", Service::Openai),
    ("tts-", Service::Openai),
    ("text-embedding-3", Service::Openai),
    ("text-embedding-ada", Service::Openai),
    ("omni-moderation", Service::Openai),
    ("sora-", Service::Openai),
    ("amazon.", Service::Bedrock),
    ("mj_", Service::Midjourney),
    ("suno_", Service::Suno),
    ("kling", Service::Kling),
];

/// The service whose own model this is; `None` when the name does not tell.
pub fn family(model: &str) -> Option<Service> {
    let lower = model.to_ascii_lowercase();
    // `us.anthropic.claude…`
    let bare = ["us.", "us-gov.", "eu.", "apac.", "jp.", "au.", "global."]
        .iter()
        .find_map(|region| lower.strip_prefix(region))
        .unwrap_or(&lower);
    BEGINNINGS.iter().find(|(start, _)| bare.starts_with(start)).map(|(_, service)| *service)
}

/// True when an account that lists no models serves this one by its kind: those of its vendor, and names that
/// tell nothing where the kind speaks for many vendors.
pub fn kind_serves(kind: AccountKind, model: &str) -> bool {
    use AccountKind as K;
    let family = family(model);
    match kind {
        // What they speak for cannot be known from here.
        K::Ccr | K::OpenaiCompatible | K::OpenaiResponses | K::AzureOpenai | K::Video => true,
        K::ClaudeOauth => family == Some(Service::Claude),
        K::ClaudeConsole => matches!(family, Some(Service::Claude) | None),
        K::Bedrock => matches!(family, Some(Service::Claude | Service::Bedrock) | None),
        K::GeminiOauth => family == Some(Service::Gemini),
        K::GeminiKey => matches!(family, Some(Service::Gemini) | None),
        K::Vertex => matches!(family, Some(Service::Gemini | Service::Claude) | None),
        K::OpenaiOauth => family == Some(Service::Openai),
        K::OpenaiKey => matches!(family, Some(Service::Openai) | None),
        K::Midjourney => matches!(family, Some(Service::Midjourney) | None),
        K::Suno => matches!(family, Some(Service::Suno) | None),
        K::Kling => matches!(family, Some(Service::Kling) | None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_their_vendors() {
        for (model, service) in [
            ("claude-sonnet-4-5", Some(Service::Claude)),
            ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", Some(Service::Claude)),
            ("Gemini-2.5-pro", Some(Service::Gemini)),
            ("gpt-5", Some(Service::Openai)),
            ("o3-mini", Some(Service::Openai)),
            ("glm-4.6", None),
        ] {
            assert_eq!(family(model), service, "{model}");
        }
        assert!(kind_serves(AccountKind::ClaudeConsole, "glm-4.6"), "many speak Anthropic's protocol");
        assert!(!kind_serves(AccountKind::ClaudeOauth, "glm-4.6"));
        assert!(!kind_serves(AccountKind::ClaudeConsole, "gpt-5"));
        assert!(kind_serves(AccountKind::OpenaiCompatible, "claude-sonnet-4-5"));
    }
}
