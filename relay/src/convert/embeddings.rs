//! Vectors of texts, asked for in one vendor's form and made in another's.
//!
//! Four forms: OpenAI's, Gemini's for one text and for several, and that of Vertex's older models. Each is read
//! into one list of texts and written from it; what a form has no word for is refused or named, as everywhere.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::Dialect;
use super::estimate::text_tokens;
use super::hub::HubError;
use super::json::{Obj, object, put};
use super::rules::Notes;

/// A form in which vectors are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// OpenAI's, of one text or several.
    OpenAi,
    /// Gemini's `embedContent`, of one text.
    Gemini,
    /// Gemini's `batchEmbedContents`.
    GeminiBatch,
    /// Vertex's `predict`.
    Predict,
}

/// A translated request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Embed {
    /// The body to send.
    pub body: Vec<u8>,
    /// What could not be said.
    pub warnings: Vec<String>,
    /// Whether the vectors are wanted as packed numbers.
    pub packed: bool,
    /// The size of the texts, guessed, for vendors that do not tell it.
    pub tokens: u64,
}

/// What is asked for.
#[derive(Default)]
struct Asked {
    texts: Vec<Text>,
    dimensions: Option<u64>,
    cut: Option<bool>,
    packed: bool,
    lost: Vec<String>,
}

#[derive(Default)]
struct Text {
    text: String,
    task: Option<String>,
    title: Option<String>,
}

/// A client's request in the form of its vendor, with `model` as the vendor calls it.
pub fn request(from: Form, to: Form, body: &[u8], model: &str) -> Result<Embed, HubError> {
    let asked = match from {
        Form::OpenAi => from_openai(body)?,
        Form::Gemini | Form::GeminiBatch => from_gemini(body, from == Form::GeminiBatch)?,
        Form::Predict => return Err(HubError::unsupported("body", "no client asks in this form")),
    };
    let (target, source) = match (from, to) {
        (Form::OpenAi, _) => (Dialect::Gemini, Dialect::Chat),
        _ => (Dialect::Chat, Dialect::Gemini),
    };
    let mut notes = Notes::new(target);
    notes.leftovers(source, &asked.lost)?;
    let out = match to {
        Form::OpenAi => to_openai(&asked, model, &mut notes),
        Form::Gemini => match asked.texts.as_slice() {
            [one] => content(one, &asked, model),
            _ => return Err(HubError::unsupported("input", "this model takes one text at a time")),
        },
        Form::GeminiBatch => {
            let requests: Vec<Value> = asked.texts.iter().map(|one| content(one, &asked, model).into()).collect();
            object([("requests", requests.into())])
        }
        Form::Predict => to_predict(&asked),
    };
    Ok(Embed {
        body: Value::Object(out).to_string().into_bytes(),
        warnings: notes.into_warnings(),
        packed: asked.packed,
        tokens: asked.texts.iter().map(|one| text_tokens(&one.text)).sum(),
    })
}

fn from_openai(body: &[u8]) -> Result<Asked, HubError> {
    let mut obj = Obj::parse(body)?;
    let words = |text: String| Text { text, ..Text::default() };
    let only_words = || HubError::unsupported("input", "only texts can be embedded by this model, no tokens");
    let mut asked = Asked { dimensions: obj.u64("dimensions")?, ..Asked::default() };
    asked.packed = match obj.str("encoding_format")?.as_deref() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => return Err(HubError::invalid("encoding_format", "expected float or base64")),
    };
    asked.texts = match obj.take("input") {
        Some(Value::String(text)) => vec![words(text)],
        Some(Value::Array(list)) => {
            let text = |value: Value| match value {
                Value::String(text) => Ok(words(text)),
                _ => Err(only_words()),
            };
            list.into_iter().map(text).collect::<Result<_, _>>()?
        }
        Some(_) => return Err(HubError::invalid("input", "expected a text or a list of texts")),
        None => Vec::new(),
    };
    if asked.texts.is_empty() {
        return Err(HubError::invalid("input", "required"));
    }
    let _replaced = obj.take("model");
    obj.rest(&mut asked.lost);
    Ok(asked)
}

fn from_gemini(body: &[u8], batch: bool) -> Result<Asked, HubError> {
    let mut obj = Obj::parse(body)?;
    let mut asked = Asked::default();
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
        let size = one.u64("outputDimensionality")?;
        if !asked.texts.is_empty() && size != asked.dimensions {
            return Err(HubError::unsupported("outputDimensionality", "all embeddings must have one size"));
        }
        asked.dimensions = size;
        asked.cut = one.bool("autoTruncate")?.or(asked.cut);
        asked.texts.push(Text { text, task: one.str("taskType")?, title: one.str("title")? });
        one.rest(&mut asked.lost);
    }
    obj.rest(&mut asked.lost);
    if asked.texts.is_empty() {
        return Err(HubError::invalid("requests", "expected at least one"));
    }
    Ok(asked)
}

fn to_openai(asked: &Asked, model: &str, notes: &mut Notes) -> Map<String, Value> {
    for (there, field) in [
        (asked.texts.iter().any(|one| one.task.is_some()), "taskType"),
        (asked.texts.iter().any(|one| one.title.is_some()), "title"),
        (asked.cut.is_some(), "autoTruncate"),
    ] {
        if there {
            notes.warn(format!("{field}: has no counterpart at the vendor that serves this call and was not sent"));
        }
    }
    let texts: Vec<&str> = asked.texts.iter().map(|one| one.text.as_str()).collect();
    let mut out = object([("model", model.into()), ("input", json!(texts)), ("encoding_format", "float".into())]);
    put(&mut out, "dimensions", asked.dimensions);
    out
}

fn content(one: &Text, asked: &Asked, model: &str) -> Map<String, Value> {
    let model = model.strip_prefix("models/").unwrap_or(model);
    let parts = json!({"parts": [{"text": one.text}]});
    let mut out = object([("model", format!("models/{model}").into()), ("content", parts)]);
    put(&mut out, "taskType", one.task.as_deref());
    put(&mut out, "title", one.title.as_deref());
    put(&mut out, "outputDimensionality", asked.dimensions);
    put(&mut out, "autoTruncate", asked.cut);
    out
}

fn to_predict(asked: &Asked) -> Map<String, Value> {
    let instance = |one: &Text| {
        let mut instance = object([("content", one.text.as_str().into())]);
        put(&mut instance, "task_type", one.task.as_deref());
        put(&mut instance, "title", one.title.as_deref());
        Value::Object(instance)
    };
    let mut parameters = Map::new();
    put(&mut parameters, "outputDimensionality", asked.dimensions);
    put(&mut parameters, "autoTruncate", asked.cut);
    let mut out = object([("instances", asked.texts.iter().map(instance).collect())]);
    if !parameters.is_empty() {
        out.insert("parameters".to_owned(), parameters.into());
    }
    out
}

/// What the client is told of a vendor's answer.
#[derive(Clone, Debug)]
pub struct Told<'a> {
    /// The model as the client named it.
    pub model: &'a str,
    /// Whether it wants packed numbers.
    pub packed: bool,
    /// The size of its texts, where the vendor does not tell it.
    pub tokens: u64,
}

/// A vendor's answer in the form of the client, and the input tokens that the vendor counted.
pub fn answer(from: Form, to: Form, body: &[u8], told: &Told<'_>) -> Result<(Vec<u8>, Option<u64>), HubError> {
    let (mut rows, counted) = match from {
        Form::OpenAi => openai_rows(body),
        Form::Gemini | Form::GeminiBatch => gemini_rows(body),
        Form::Predict => predicted_rows(body),
    }
    .map_err(HubError::in_answer)?;
    if rows.is_empty() {
        return Err(HubError::upstream("the answer has no embeddings"));
    }
    let out = match to {
        Form::OpenAi => {
            let tokens = counted.unwrap_or(told.tokens);
            let row = |(index, values): (usize, Vec<Value>)| {
                let vector = if told.packed { pack(&values).into() } else { Value::Array(values) };
                json!({"object": "embedding", "index": index, "embedding": vector})
            };
            let rows: Vec<Value> = rows.into_iter().enumerate().map(row).collect();
            let usage = json!({"prompt_tokens": tokens, "total_tokens": tokens});
            json!({"object": "list", "data": rows, "model": told.model, "usage": usage})
        }
        Form::GeminiBatch => {
            let rows: Vec<Value> = rows.into_iter().map(|values| json!({"values": values})).collect();
            json!({"embeddings": rows})
        }
        Form::Gemini | Form::Predict => json!({"embedding": {"values": rows.swap_remove(0)}}),
    };
    Ok((out.to_string().into_bytes(), counted))
}

type Rows = (Vec<Vec<Value>>, Option<u64>);

fn openai_rows(body: &[u8]) -> Result<Rows, HubError> {
    let mut obj = Obj::parse(body)?;
    let mut rows = Vec::new();
    for mut one in obj.objs("data")? {
        let values = match one.take("embedding") {
            Some(Value::Array(values)) => values,
            Some(Value::String(packed)) => unpack(&packed)?,
            _ => return Err(HubError::upstream("an embedding without values")),
        };
        rows.push((one.u64("index")?.unwrap_or(rows.len() as u64), values));
    }
    rows.sort_by_key(|(index, _)| *index);
    let counted = match obj.obj("usage")? {
        Some(mut usage) => usage.u64("prompt_tokens")?,
        None => None,
    };
    Ok((rows.into_iter().map(|(_, row)| row).collect(), counted))
}

fn gemini_rows(body: &[u8]) -> Result<Rows, HubError> {
    let mut obj = Obj::parse(body)?;
    let mut all = obj.objs("embeddings")?;
    all.extend(obj.obj("embedding")?);
    let values = |mut one: Obj| one.list("values")?.ok_or_else(|| HubError::upstream("an embedding without values"));
    let rows = all.into_iter().map(values).collect::<Result<_, _>>()?;
    let counted = match obj.obj("usageMetadata")? {
        Some(mut usage) => usage.u64("promptTokenCount")?,
        None => None,
    };
    Ok((rows, counted))
}

fn predicted_rows(body: &[u8]) -> Result<Rows, HubError> {
    let mut rows = Vec::new();
    let mut counted = None;
    for mut one in Obj::parse(body)?.objs("predictions")? {
        let without = || HubError::upstream("an embedding without values");
        let mut embedding = one.obj("embeddings")?.ok_or_else(without)?;
        rows.push(embedding.list("values")?.ok_or_else(without)?);
        if let Some(mut statistics) = embedding.obj("statistics")?
            && let Some(tokens) = statistics.u64("token_count")?
        {
            counted = Some(counted.unwrap_or(0) + tokens);
        }
    }
    Ok((rows, counted))
}

fn pack(values: &[Value]) -> String {
    let bytes: Vec<u8> =
        values.iter().flat_map(|value| (value.as_f64().unwrap_or_default() as f32).to_le_bytes()).collect();
    STANDARD.encode(bytes)
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

#[cfg(test)]
mod tests;
