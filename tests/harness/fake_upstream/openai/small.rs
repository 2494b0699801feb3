//! Embeddings, moderations and rerank.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::bad;
use crate::fake_upstream::answer::embedding;
use crate::fake_upstream::reply::Reply;
use crate::fake_upstream::seen::Seen;
use crate::fake_upstream::state::Shared;

pub(super) fn embeddings(seen: &Seen) -> Reply {
    let body = seen.json();
    if !body["model"].is_string() {
        return bad("you must provide a model parameter", "model", None);
    }
    let inputs: Vec<String> = match &body["input"] {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) if items.iter().all(Value::is_number) && !items.is_empty() => {
            vec![body["input"].to_string()]
        }
        Value::Array(items) if !items.is_empty() => {
            items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned)).collect()
        }
        _ => {
            return bad("'$.input' is invalid. Please check the API reference.", "input", None);
        }
    };
    let dimensions = body["dimensions"].as_u64().unwrap_or(16).clamp(1, 4096);
    let dimensions = usize::try_from(dimensions).unwrap_or(16);
    let packed = match body["encoding_format"].as_str() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => {
            return bad("Invalid value for 'encoding_format'.", "encoding_format", Some("invalid_value"));
        }
    };
    let data: Vec<Value> = inputs
        .iter()
        .enumerate()
        .map(|(index, input)| {
            let vector = embedding(input, dimensions);
            let vector = if packed {
                let bytes: Vec<u8> = vector.iter().flat_map(|value| value.to_le_bytes()).collect();
                json!(STANDARD.encode(bytes))
            } else {
                json!(vector)
            };
            json!({ "object": "embedding", "index": index, "embedding": vector })
        })
        .collect();
    let tokens: usize = inputs.iter().map(|input| (input.len() / 4).max(1)).sum();
    Reply::json(
        200,
        &json!({
            "object": "list", "data": data, "model": body["model"],
            "usage": { "prompt_tokens": tokens, "total_tokens": tokens }
        }),
    )
}

pub(super) fn moderations(seen: &Seen, shared: &Shared) -> Reply {
    let body = seen.json();
    let inputs = match &body["input"] {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) if !items.is_empty() => items.iter().map(Value::to_string).collect(),
        _ => return bad("'input' is a required property", "input", None),
    };
    let results: Vec<Value> = inputs
        .iter()
        .map(|input| {
            let violent = input.contains("kill");
            json!({
                "flagged": violent,
                "categories": { "violence": violent, "hate": false, "sexual": false, "self-harm": false },
                "category_scores": {
                    "violence": if violent { 0.98 } else { 0.0001 }, "hate": 0.0001, "sexual": 0.0001, "self-harm": 0.0
                }
            })
        })
        .collect();
    let model = body["model"].as_str().unwrap_or("omni-moderation-latest");
    Reply::json(200, &json!({ "id": shared.id("modr-"), "model": model, "results": results }))
}

/// Not OpenAI's own: the form Jina and Cohere share, which compatible vendors serve beside `/v1`.
pub(super) fn rerank(seen: &Seen, shared: &Shared) -> Reply {
    let body = seen.json();
    let (Some(query), Some(documents)) = (body["query"].as_str(), body["documents"].as_array()) else {
        return bad("query and documents are required", "documents", None);
    };
    let mut scored: Vec<(usize, f64)> = documents
        .iter()
        .enumerate()
        .map(|(index, document)| {
            let text = document.as_str().or_else(|| document["text"].as_str()).unwrap_or_default();
            let hits = query.split_whitespace().filter(|word| text.contains(word)).count();
            (index, (hits as f64 + 1.0) / (query.split_whitespace().count() as f64 + 1.0) - index as f64 / 1000.0)
        })
        .collect();
    scored.sort_by(|a, b| b.1.total_cmp(&a.1));
    let top = body["top_n"].as_u64().map_or(scored.len(), |top| usize::try_from(top).unwrap_or(usize::MAX));
    let with_documents = body["return_documents"] == json!(true);
    let results: Vec<Value> = scored
        .into_iter()
        .take(top)
        .map(|(index, score)| {
            let mut result = json!({ "index": index, "relevance_score": score });
            if with_documents {
                let text = documents[index].as_str().or_else(|| documents[index]["text"].as_str());
                result["document"] = json!({ "text": text });
            }
            result
        })
        .collect();
    let tokens = body["documents"].to_string().len() / 4 + query.len() / 4;
    Reply::json(
        200,
        &json!({
            "id": shared.id("rerank-"), "model": body["model"], "results": results,
            "usage": { "prompt_tokens": tokens, "total_tokens": tokens }
        }),
    )
}
