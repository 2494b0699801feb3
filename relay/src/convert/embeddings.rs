//! Embeddings of Gemini's form at vendors of OpenAI's. The other way needs nothing: Google has a door in OpenAI's form.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::Dialect;
use super::hub::HubError;
use super::json::{Obj, object, put};
use super::rules::Notes;

/// A translated embeddings request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Embed {
    /// The body to send.
    pub body: Vec<u8>,
    /// What could not be said.
    pub warnings: Vec<String>,
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
    let mut out = object([("model", model.into()), ("input", json!(texts)), ("encoding_format", "float".into())]);
    put(&mut out, "dimensions", dimensions);
    let body = Value::Object(out).to_string().into_bytes();
    Ok(Embed { body, warnings: notes.into_warnings() })
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
    fn packed_numbers_are_unpacked() {
        let packed = br#"{"data":[{"index":0,"embedding":"AAAAPwAAgL8="},{"index":1,"embedding":[0.1,2]}]}"#;
        let back = openai_answer_to_gemini(packed, true).expect("translated");
        assert_eq!(value(&back), json!({"embeddings": [{"values": [0.5, -1.0]}, {"values": [0.1, 2]}]}));
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
        let embed = gemini_to_openai(batch, "m", true).expect("translated");
        assert_eq!(value(&embed.body)["input"], json!(["a", "b"]));
        let answer = br#"{"data":[{"index":1,"embedding":[2]},{"index":0,"embedding":[1]}]}"#;
        assert_eq!(
            value(&openai_answer_to_gemini(answer, false).expect("translated")),
            json!({"embedding": {"values": [1]}})
        );
    }

    #[test]
    fn what_cannot_be_embedded_is_refused() {
        assert!(gemini_to_openai(br#"{"content":{"parts":[{"inlineData":{}}]}}"#, "m", false).is_err());
        assert!(openai_answer_to_gemini(br#"{"data":[]}"#, true).is_err());
    }
}
