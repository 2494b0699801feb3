//! Embeddings between OpenAI's form and Gemini's.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::Dialect;
use super::hub::{HubError, Usage};
use super::json::{Obj, object, put};
use super::rules::Notes;
use super::usage::{self, Form};

/// A translated embeddings request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Embed {
    /// The body to send.
    pub body: Vec<u8>,
    /// What could not be said.
    pub warnings: Vec<String>,
    /// Whether an OpenAI client wants the numbers packed as base64.
    pub base64: bool,
    /// How many texts are embedded.
    pub inputs: usize,
}

/// An OpenAI request as a `batchEmbedContents` body for `model`.
pub fn openai_to_gemini(body: &[u8], model: &str) -> Result<Embed, HubError> {
    let mut obj = Obj::parse(body)?;
    let mut notes = Notes::new(Dialect::Gemini);
    let _replaced = obj.take("model");
    let tokens = || HubError::unsupported("input", "inputs of token numbers cannot be translated");
    let texts = match obj.take("input") {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(list)) => {
            let texts = list.iter().map(|one| one.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>();
            texts.ok_or_else(tokens)?
        }
        Some(_) => {
            return Err(HubError::invalid("input", "expected a string or an array of strings"));
        }
        None => return Err(HubError::invalid("input", "required")),
    };
    if texts.is_empty() {
        return Err(HubError::invalid("input", "expected at least one text"));
    }
    let base64 = match obj.str("encoding_format")?.as_deref() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => {
            return Err(HubError::invalid("encoding_format", "expected float or base64"));
        }
    };
    let dimensions = obj.u64("dimensions")?;
    let mut lost = Vec::new();
    obj.rest(&mut lost);
    notes.leftovers(Dialect::Chat, &lost)?;
    let name = if model.starts_with("models/") { model.to_owned() } else { format!("models/{model}") };
    let requests: Vec<Value> = texts
        .iter()
        .map(|text| {
            let mut one = object([("model", name.as_str().into()), ("content", json!({"parts": [{"text": text}]}))]);
            put(&mut one, "outputDimensionality", dimensions);
            Value::Object(one)
        })
        .collect();
    let inputs = requests.len();
    let body = json!({"requests": requests}).to_string().into_bytes();
    Ok(Embed { body, warnings: notes.into_warnings(), base64, inputs })
}

/// A Gemini answer (single or batch) as OpenAI's. The vendor reports no usage, so the caller brings an estimate.
pub fn gemini_answer_to_openai(
    body: &[u8],
    model: &str,
    base64: bool,
    estimate: Usage,
) -> Result<(Vec<u8>, Usage), HubError> {
    let usage = usage::of_body(Form::Gemini, body).unwrap_or(estimate);
    let read = || {
        let mut obj = Obj::parse(body)?;
        let mut all = obj.objs("embeddings")?;
        all.extend(obj.obj("embedding")?);
        all.into_iter().enumerate().map(|(nth, one)| openai_row(nth, one, base64)).collect::<Result<Vec<_>, HubError>>()
    };
    let data = read().map_err(HubError::in_answer)?;
    if data.is_empty() {
        return Err(HubError::upstream("the answer has no embeddings"));
    }
    let tokens = usage.total_input();
    let out = json!({
        "object": "list",
        "data": data,
        "model": model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    });
    Ok((out.to_string().into_bytes(), usage))
}

fn openai_row(nth: usize, mut one: Obj, base64: bool) -> Result<Value, HubError> {
    let values = one.list("values")?.ok_or_else(|| HubError::upstream("an embedding without values"))?;
    let embedding = if base64 { pack(&values)?.into() } else { Value::Array(values) };
    Ok(json!({"object": "embedding", "index": nth, "embedding": embedding}))
}

/// Little-endian 32-bit floats, as OpenAI's clients unpack them.
fn pack(values: &[Value]) -> Result<String, HubError> {
    let mut bytes = Vec::with_capacity(values.len() * 4);
    for value in values {
        let number = value.as_f64().ok_or_else(|| HubError::upstream("an embedding of something else than numbers"))?;
        bytes.extend_from_slice(&(number as f32).to_le_bytes());
    }
    Ok(STANDARD.encode(bytes))
}

fn unpack(text: &str) -> Result<Vec<Value>, HubError> {
    let bytes = STANDARD.decode(text).map_err(|_| HubError::upstream("an embedding that is not base64"))?;
    let number = |four: &[u8]| {
        let four: [u8; 4] = four.try_into().unwrap_or_default();
        // Through the shortest text, so that 0.1 does not become 0.10000000149.
        let shortest = f32::from_le_bytes(four).to_string();
        shortest.parse::<f64>().unwrap_or_default().into()
    };
    Ok(bytes.chunks_exact(4).map(number).collect())
}

/// A Gemini request (`embedContent`, or `batchEmbedContents` when `batch`) as OpenAI's.
pub fn gemini_to_openai(body: &[u8], model: &str, batch: bool) -> Result<Embed, HubError> {
    let mut obj = Obj::parse(body)?;
    let mut lost = Vec::new();
    let mut texts = Vec::new();
    let mut dimensions = None;
    let all = if batch { obj.objs("requests")? } else { vec![std::mem::replace(&mut obj, Obj::new(json!({}), "")?)] };
    for mut one in all {
        let _replaced = one.take("model");
        let mut content = one.obj("content")?.ok_or_else(|| HubError::invalid("content", "required"))?;
        let mut text = String::new();
        for mut part in content.objs("parts")? {
            let at = part.at("text");
            let words = part.str("text")?;
            text.push_str(&words.ok_or_else(|| HubError::unsupported(at, "only text can be embedded by this model"))?);
        }
        texts.push(text);
        let size = one.u64("outputDimensionality")?;
        if texts.len() > 1 && size != dimensions {
            return Err(HubError::unsupported("outputDimensionality", "all embeddings must have one size"));
        }
        dimensions = size;
        one.rest(&mut lost);
    }
    obj.rest(&mut lost);
    if texts.is_empty() {
        return Err(HubError::invalid("requests", "expected at least one"));
    }
    let mut notes = Notes::new(Dialect::Chat);
    notes.leftovers(Dialect::Gemini, &lost)?;
    let inputs = texts.len();
    let mut out = object([("model", model.into()), ("input", json!(texts)), ("encoding_format", "float".into())]);
    put(&mut out, "dimensions", dimensions);
    let body = Value::Object(out).to_string().into_bytes();
    Ok(Embed { body, warnings: notes.into_warnings(), base64: false, inputs })
}

/// An OpenAI answer as Gemini's, single or batch.
pub fn openai_answer_to_gemini(body: &[u8], batch: bool) -> Result<Vec<u8>, HubError> {
    let read = || {
        let mut rows = Vec::new();
        for mut one in Obj::parse(body)?.objs("data")? {
            let values = match one.take("embedding") {
                Some(Value::Array(values)) => values,
                Some(Value::String(packed)) => unpack(&packed)?,
                _ => return Err(HubError::upstream("an embedding without values")),
            };
            rows.push((one.u64("index")?.unwrap_or(rows.len() as u64), json!({"values": values})));
        }
        rows.sort_by_key(|(index, _)| *index);
        Ok(rows.into_iter().map(|(_, row)| row).collect::<Vec<Value>>())
    };
    let mut rows = read().map_err(HubError::in_answer)?;
    let out = match (batch, rows.is_empty()) {
        (_, true) => return Err(HubError::upstream("the answer has no embeddings")),
        (true, false) => json!({"embeddings": rows}),
        (false, false) => json!({"embedding": rows.swap_remove(0)}),
    };
    Ok(out.to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(bytes: &[u8]) -> Value {
        serde_json::from_slice(bytes).expect("JSON")
    }

    #[test]
    fn openai_to_gemini_and_back_in_both_encodings() {
        let request = br#"{"model":"m","input":["a","b"],"dimensions":2,"encoding_format":"base64"}"#;
        let embed = openai_to_gemini(request, "text-embedding-004").expect("translated");
        assert!(embed.base64 && embed.inputs == 2 && embed.warnings.is_empty());
        assert_eq!(
            value(&embed.body),
            json!({"requests": [
                {"model": "models/text-embedding-004", "content": {"parts": [{"text": "a"}]}, "outputDimensionality": 2},
                {"model": "models/text-embedding-004", "content": {"parts": [{"text": "b"}]}, "outputDimensionality": 2},
            ]})
        );
        let answer = br#"{"embeddings":[{"values":[0.5,-1]},{"values":[0.1,2]}]}"#;
        let (packed, usage) = gemini_answer_to_openai(answer, "m", true, Usage::estimate(3, 0)).expect("translated");
        assert!(usage.estimated);
        assert_eq!(value(&packed)["data"][0]["embedding"], json!("AAAAPwAAgL8="));
        assert_eq!(value(&packed)["usage"], json!({"prompt_tokens": 3, "total_tokens": 3}));
        let back = openai_answer_to_gemini(&packed, true).expect("translated");
        assert_eq!(value(&back), json!({"embeddings": [{"values": [0.5, -1.0]}, {"values": [0.1, 2.0]}]}));
        let (plain, _) = gemini_answer_to_openai(answer, "m", false, Usage::default()).expect("translated");
        assert_eq!(value(&plain)["data"][1], json!({"object": "embedding", "index": 1, "embedding": [0.1, 2]}));
    }

    #[test]
    fn gemini_to_openai_single_and_batch() {
        let single = br#"{"content":{"parts":[{"text":"a"},{"text":"b"}]},"taskType":"RETRIEVAL_QUERY","output_dimensionality":3}"#;
        let embed = gemini_to_openai(single, "m", false).expect("translated");
        assert_eq!(
            value(&embed.body),
            json!({"model": "m", "input": ["ab"], "encoding_format": "float", "dimensions": 3})
        );
        assert_eq!(embed.warnings.len(), 1, "the task type is named");
        let batch = br#"{"requests":[{"content":{"parts":[{"text":"a"}]}},{"content":{"parts":[{"text":"b"}]}}]}"#;
        assert_eq!(gemini_to_openai(batch, "m", true).expect("translated").inputs, 2);
        let answer = br#"{"data":[{"index":1,"embedding":[2]},{"index":0,"embedding":[1]}]}"#;
        assert_eq!(
            value(&openai_answer_to_gemini(answer, false).expect("translated")),
            json!({"embedding": {"values": [1]}})
        );
    }

    #[test]
    fn what_cannot_be_embedded_is_refused() {
        assert!(openai_to_gemini(br#"{"input":[1,2,3]}"#, "m").is_err());
        assert!(openai_to_gemini(br#"{"input":[]}"#, "m").is_err());
        assert!(openai_to_gemini(br#"{}"#, "m").is_err());
        assert!(gemini_to_openai(br#"{"content":{"parts":[{"inlineData":{}}]}}"#, "m", false).is_err());
        assert!(gemini_answer_to_openai(br#"{}"#, "m", false, Usage::default()).is_err());
        assert!(openai_answer_to_gemini(br#"{"data":[]}"#, true).is_err());
    }
}
