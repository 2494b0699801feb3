//! Images and audio.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

use super::bad;
use crate::fake_upstream::answer::pieces;
use crate::fake_upstream::reply::{Reply, data_event, named_event};
use crate::fake_upstream::seen::Seen;

/// A PNG of one pixel.
const PNG: &[u8] = &[
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0x0d, 0x49, 0x48, 0x44, 0x52, 0, 0, 0, 1, 0, 0, 0, 1, 8,
    6, 0, 0, 0, 0x1f, 0x15, 0xc4, 0x89, 0, 0, 0, 0x0d, 0x49, 0x44, 0x41, 0x54, 0x78, 0x9c, 0x63, 0, 1, 0, 0, 5, 0, 1,
    0x0d, 0x0a, 0x2d, 0xb4, 0, 0, 0, 0, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82,
];

const TRANSCRIPT: &str = "The quick brown fox — schnell und braun — jumps over the lazy dog.";

pub(super) fn images(seen: &Seen, kind: &str) -> Reply {
    let field = match fields(seen, kind == "generations") {
        Ok(field) => field,
        Err(refused) => return refused,
    };
    if kind != "generations" && !field.has_file(&["image", "image[]"]) {
        return bad("Missing required parameter: 'image'.", "image", Some("missing_required_parameter"));
    }
    if kind != "variations" && field.get("prompt").is_none() {
        return bad("Missing required parameter: 'prompt'.", "prompt", Some("missing_required_parameter"));
    }
    let model = field.get("model").unwrap_or_else(|| "dall-e-2".to_owned());
    let count = field.get("n").and_then(|n| n.parse::<usize>().ok()).unwrap_or(1).clamp(1, 10);
    let gpt_image = model.starts_with("gpt-image");
    if gpt_image && field.get("response_format").is_some() {
        return bad("Unknown parameter: 'response_format'.", "response_format", Some("unknown_parameter"));
    }
    let packed = gpt_image || field.get("response_format").as_deref() == Some("b64_json");
    let usage = json!({
        "input_tokens": 50, "output_tokens": 272 * count, "total_tokens": 50 + 272 * count,
        "input_tokens_details": { "text_tokens": 10, "image_tokens": 40 }
    });
    if field.get("stream").as_deref() == Some("true") {
        let partial = field.get("partial_images").and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
        let mut events: Vec<Bytes> = (0..partial)
            .map(|index| {
                named_event(&json!({
                    "type": "image_generation.partial_image", "b64_json": STANDARD.encode(PNG),
                    "partial_image_index": index, "created_at": 1_750_000_000
                }))
            })
            .collect();
        events.push(named_event(&json!({
            "type": "image_generation.completed", "b64_json": STANDARD.encode(PNG), "created_at": 1_750_000_000,
            "usage": usage
        })));
        return Reply::sse(events);
    }
    let image = |index: usize| {
        if packed {
            json!({ "b64_json": STANDARD.encode(PNG) })
        } else {
            json!({ "url": format!("https://images.invalid/{index}.png"), "revised_prompt": "a fake image" })
        }
    };
    let mut body = json!({ "created": 1_750_000_000, "data": (0..count).map(image).collect::<Vec<_>>() });
    if gpt_image {
        body["usage"] = usage;
    }
    Reply::json(200, &body)
}

pub(super) fn transcribe(seen: &Seen, kind: &str) -> Reply {
    let field = match fields(seen, false) {
        Ok(field) => field,
        Err(refused) => return refused,
    };
    if !field.has_file(&["file"]) {
        return bad("Missing required parameter: 'file'.", "file", Some("missing_required_parameter"));
    }
    let Some(model) = field.get("model") else {
        return bad("you must provide a model parameter", "model", None);
    };
    let usage = if model == "whisper-1" {
        json!({ "type": "duration", "seconds": 3 })
    } else {
        json!({
            "type": "tokens", "input_tokens": 30, "output_tokens": 14, "total_tokens": 44,
            "input_token_details": { "text_tokens": 0, "audio_tokens": 30 }
        })
    };
    if field.get("stream").as_deref() == Some("true") && model != "whisper-1" {
        let mut events: Vec<Bytes> = pieces(TRANSCRIPT)
            .into_iter()
            .map(|piece| data_event(&json!({ "type": "transcript.text.delta", "delta": piece })))
            .collect();
        events.push(data_event(&json!({ "type": "transcript.text.done", "text": TRANSCRIPT, "usage": usage })));
        return Reply::sse(events);
    }
    match field.get("response_format").as_deref() {
        None | Some("json") => Reply::json(200, &json!({ "text": TRANSCRIPT, "usage": usage })),
        Some("verbose_json") => {
            let task = if kind == "translations" { "translate" } else { "transcribe" };
            let segment = json!({
                "id": 0, "seek": 0, "start": 0.0, "end": 3.0, "text": TRANSCRIPT, "tokens": [1, 2, 3],
                "temperature": 0.0, "avg_logprob": -0.2, "compression_ratio": 1.1, "no_speech_prob": 0.01
            });
            Reply::json(
                200,
                &json!({
                    "task": task, "language": "english", "duration": 3.0, "text": TRANSCRIPT, "segments": [segment],
                    "usage": usage
                }),
            )
        }
        Some("text") => text(format!("{TRANSCRIPT}\n")),
        Some("srt") => text(format!("1\n00:00:00,000 --> 00:00:03,000\n{TRANSCRIPT}\n\n")),
        Some("vtt") => text(format!("WEBVTT\n\n00:00:00.000 --> 00:00:03.000\n{TRANSCRIPT}\n\n")),
        Some(other) => bad(&format!("Invalid value: '{other}'."), "response_format", Some("invalid_value")),
    }
}

fn text(body: String) -> Reply {
    Reply::whole(200, "text/plain; charset=utf-8", body)
}

pub(super) fn speech(seen: &Seen) -> Reply {
    let body = seen.json();
    for needed in ["model", "input", "voice"] {
        if body[needed].is_null() {
            let message = format!("Missing required parameter: '{needed}'.");
            return bad(&message, needed, Some("missing_required_parameter"));
        }
    }
    // Every byte value occurs, so that treating it as text would break it.
    let audio: Vec<u8> = (0..4096_u32).map(|n| u8::try_from(n * 31 % 256).unwrap_or(0)).collect();
    if body["stream_format"] == "sse" {
        let mut events: Vec<Bytes> = audio
            .chunks(1024)
            .map(|part| data_event(&json!({ "type": "speech.audio.delta", "audio": STANDARD.encode(part) })))
            .collect();
        events.push(data_event(&json!({
            "type": "speech.audio.done", "usage": { "input_tokens": 9, "output_tokens": 120, "total_tokens": 129 }
        })));
        return Reply::sse(events);
    }
    let kind = match body["response_format"].as_str() {
        None | Some("mp3") => "audio/mpeg",
        Some("opus") => "audio/opus",
        Some("aac") => "audio/aac",
        Some("flac") => "audio/flac",
        Some("wav") => "audio/wav",
        Some("pcm") => "audio/pcm",
        Some(_) => {
            return bad("Invalid value for 'response_format'.", "response_format", Some("invalid_value"));
        }
    };
    Reply::stream(kind, audio.chunks(1024).map(Bytes::copy_from_slice).collect())
}

/// Fields of a request that is multipart, or JSON where that is allowed.
enum Fields {
    Json(Value),
    Multipart(Vec<(String, Option<String>, Bytes)>),
}

impl Fields {
    fn get(&self, name: &str) -> Option<String> {
        match self {
            Fields::Json(body) => match &body[name] {
                Value::Null => None,
                Value::String(text) => Some(text.clone()),
                other => Some(other.to_string()),
            },
            Fields::Multipart(parts) => {
                let (_, _, value) = parts.iter().find(|(field, _, _)| field == name)?;
                String::from_utf8(value.to_vec()).ok()
            }
        }
    }

    fn has_file(&self, names: &[&str]) -> bool {
        match self {
            Fields::Json(_) => false,
            Fields::Multipart(parts) => parts
                .iter()
                .any(|(field, file, bytes)| names.contains(&field.as_str()) && file.is_some() && !bytes.is_empty()),
        }
    }
}

fn fields(seen: &Seen, json_allowed: bool) -> Result<Fields, Reply> {
    let kind = seen.header("content-type").unwrap_or_default();
    if kind.starts_with("multipart/form-data") && !json_allowed {
        return seen
            .multipart()
            .map(Fields::Multipart)
            .ok_or_else(|| bad("Could not parse multipart form: the boundary does not fit the body", "body", None));
    }
    if kind.starts_with("application/json") && json_allowed {
        return Ok(Fields::Json(seen.json()));
    }
    let message = format!(
        "Unsupported content type: '{kind}'. This API method only accepts {} requests, but you \
         specified the header 'Content-Type: {kind}'. Please try again with a supported content type.",
        if json_allowed { "'application/json'" } else { "'multipart/form-data'" }
    );
    Err(super::error(400, &message, "invalid_request_error", None, Some("unsupported_content_type")))
}
