//! What each kind speaks and whom it serves.

use super::*;

fn native(kind: Kind, operation: Operation, dialect: Dialect, model: &str) -> Option<Dialect> {
    native_with(kind, &AccountOptions::default(), operation, dialect, model)
}

fn native_with(
    kind: Kind,
    options: &AccountOptions,
    operation: Operation,
    dialect: Dialect,
    model: &str,
) -> Option<Dialect> {
    let credentials = fitting(kind);
    let account = Upstream { kind, base_url: None, credentials, options, account_id: None };
    provider(kind).native(&account, Wish { operation, dialect, model })
}

#[test]
fn conversations_go_in_the_clients_dialect_where_they_can() {
    use Dialect::{Chat, CodeAssist, Converse, Gemini, Invoke, Messages, Responses};
    let claude = "claude-sonnet-4-5";
    let cases = [
        (Kind::OpenaiKey, "gpt", [Some(Chat), Some(Responses), Some(Chat), Some(Chat)]),
        (Kind::OpenaiResponses, "gpt", [Some(Responses); 4]),
        (Kind::OpenaiCompatible, "x", [Some(Chat); 4]),
        (Kind::AzureOpenai, "gpt", [Some(Chat), Some(Responses), Some(Chat), Some(Chat)]),
        (Kind::OpenaiOauth, "gpt", [None, Some(Responses), None, None]),
        (Kind::ClaudeConsole, claude, [Some(Messages); 4]),
        (Kind::Ccr, "a,b", [Some(Messages); 4]),
        (Kind::ClaudeOauth, claude, [None, None, Some(Messages), None]),
        (Kind::Bedrock, claude, [Some(Messages); 4]),
        (Kind::Bedrock, "amazon.nova-pro-v1:0", [Some(Converse); 4]),
        (Kind::GeminiKey, "gemini", [Some(Gemini); 4]),
        (Kind::GeminiOauth, "gemini", [None, None, None, Some(Gemini)]),
        (Kind::Vertex, "gemini", [Some(Gemini); 4]),
        (Kind::Vertex, claude, [Some(Messages); 4]),
        (Kind::Midjourney, "", [None; 4]),
        (Kind::Kling, "", [None; 4]),
    ];
    for (kind, model, wanted) in cases {
        let heard =
            [Chat, Responses, Messages, Gemini].map(|dialect| native(kind, Operation::Generate, dialect, model));
        assert_eq!(heard, wanted, "{kind:?} {model}");
    }
    assert_eq!(native(Kind::GeminiOauth, Operation::Generate, CodeAssist, "gemini"), Some(CodeAssist));
    assert_eq!(native(Kind::Bedrock, Operation::Generate, Converse, "amazon.nova-pro-v1:0"), Some(Converse));
    assert_eq!(native(Kind::Bedrock, Operation::Generate, Invoke, "x"), Some(Invoke));
    let deepseek = AccountOptions { vendor: Some("deepseek".into()), ..AccountOptions::default() };
    assert_eq!(native_with(Kind::OpenaiCompatible, &deepseek, Operation::Generate, Messages, "x"), Some(Messages));
    assert_eq!(native_with(Kind::OpenaiCompatible, &deepseek, Operation::Generate, Responses, "x"), Some(Chat));
    let xai = AccountOptions { vendor: Some("xai".into()), ..AccountOptions::default() };
    assert_eq!(native_with(Kind::OpenaiCompatible, &xai, Operation::Generate, Responses, "x"), Some(Responses));
    let auto = AccountOptions { endpoint: Some("auto".into()), ..AccountOptions::default() };
    assert_eq!(native_with(Kind::OpenaiResponses, &auto, Operation::Generate, Chat, "x"), Some(Chat));
}

#[test]
fn what_a_vendor_lacks_is_refused() {
    use Operation as O;
    for (kind, operation, dialect, wanted) in [
        (Kind::OpenaiKey, O::Embed, Dialect::Embeddings, true),
        (Kind::OpenaiKey, O::Embed, Dialect::Gemini, false),
        (Kind::OpenaiKey, O::Realtime, Dialect::Realtime, true),
        (Kind::OpenaiKey, O::Stored, Dialect::Responses, true),
        (Kind::OpenaiCompatible, O::Stored, Dialect::Responses, false),
        (Kind::AzureOpenai, O::Moderate, Dialect::Moderations, false),
        (Kind::ClaudeConsole, O::Embed, Dialect::Embeddings, false),
        (Kind::ClaudeConsole, O::CountTokens, Dialect::Messages, true),
        (Kind::ClaudeConsole, O::CountTokens, Dialect::Gemini, false),
        (Kind::Ccr, O::Stored, Dialect::Messages, false),
        (Kind::GeminiKey, O::Embed, Dialect::Embeddings, false),
        (Kind::GeminiKey, O::EmbedBatch, Dialect::Gemini, true),
        (Kind::GeminiKey, O::ImageGenerate, Dialect::Images, true),
        (Kind::GeminiKey, O::Speak, Dialect::Audio, false),
        (Kind::Vertex, O::Embed, Dialect::Gemini, true),
        (Kind::Vertex, O::Embed, Dialect::Embeddings, true),
        (Kind::Vertex, O::EmbedBatch, Dialect::Gemini, true),
        (Kind::Midjourney, O::Submit, Dialect::Midjourney, true),
        (Kind::Midjourney, O::Submit, Dialect::Suno, false),
        (Kind::Suno, O::Fetch, Dialect::Suno, true),
        (Kind::Kling, O::Submit, Dialect::Kling, true),
        (Kind::Video, O::Submit, Dialect::Video, true),
        (Kind::OpenaiKey, O::Submit, Dialect::Video, false),
    ] {
        assert_eq!(native(kind, operation, dialect, "m").is_some(), wanted, "{kind:?} {operation:?} {dialect:?}");
    }
}

#[test]
fn subscriptions_serve_their_own_client_only() {
    let own = [
        (Kind::ClaudeOauth, Client::ClaudeCode),
        (Kind::OpenaiOauth, Client::Codex),
        (Kind::GeminiOauth, Client::GeminiCli),
    ];
    for client in [Client::ClaudeCode, Client::Codex, Client::GeminiCli, Client::Other] {
        for kind in Kind::ALL {
            let served = provider(*kind).serves(client);
            match own.iter().find(|(subscription, _)| subscription == kind) {
                Some((_, theirs)) if *theirs != client => {
                    let Err(Refusal::Client(message)) = served else { panic!("{kind} served {client:?}") };
                    assert!(message.contains(theirs.label()), "{message}");
                }
                _ => assert_eq!(served, Ok(()), "{kind} {client:?}"),
            }
        }
    }
}

#[test]
fn channel_numbers_mean_kinds() {
    use crate::provider::compatible::{VENDORS, channel};
    for (number, kind, base) in [
        (1, Kind::OpenaiKey, "https://api.openai.com"),
        (2, Kind::Midjourney, "https://oa.api2d.net"),
        (3, Kind::AzureOpenai, ""),
        (14, Kind::ClaudeConsole, "https://api.anthropic.com"),
        (20, Kind::OpenaiCompatible, "https://openrouter.ai/api"),
        (24, Kind::GeminiKey, "https://generativelanguage.googleapis.com"),
        (33, Kind::Bedrock, ""),
        (36, Kind::Suno, ""),
        (41, Kind::Vertex, ""),
        (43, Kind::OpenaiCompatible, "https://api.deepseek.com"),
        (50, Kind::Kling, "https://api.klingai.com"),
        (57, Kind::OpenaiOauth, "https://chatgpt.com/backend-api/codex"),
        (9999, Kind::OpenaiCompatible, ""),
        (0, Kind::OpenaiCompatible, ""),
    ] {
        let found = channel(number);
        assert_eq!((found.kind, found.base_url), (kind, base), "{number}");
    }
    for vendor in VENDORS.iter().filter(|vendor| vendor.channel != 0) {
        assert_eq!(VENDORS.iter().filter(|other| other.channel == vendor.channel).count(), 1, "{}", vendor.name);
        assert_eq!(channel(vendor.channel).vendor, Some(vendor.name));
    }
    for vendor in VENDORS {
        assert_eq!(VENDORS.iter().filter(|other| other.name == vendor.name).count(), 1, "{}", vendor.name);
    }
}
