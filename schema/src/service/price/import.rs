//! Reading prices in the common `model_prices` form, dollars a token, into whole micro-dollars a million.

use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::model::catalog::{Category, Price, Rates, Steps};

/// A model read from a price file.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    pub name: String,
    pub provider: String,
    pub category: Category,
    pub context_window: Option<i64>,
    pub max_output: Option<i64>,
    /// `None` where the file names no price.
    pub price: Option<Price>,
}

/// The built-in prices.
pub fn defaults() -> Result<Vec<Imported>> {
    read(include_str!("defaults.json"))
}

/// Reads a whole file. Entries that hold nonsense are the error; fields nobody knows are passed over.
pub fn read(text: &str) -> Result<Vec<Imported>> {
    let bad = |why: String| Error::invalid("prices", why);
    let file: Map<String, Value> =
        serde_json::from_str(text).map_err(|e| bad(format!("this is no JSON object of models: {e}")))?;
    let mut models = Vec::with_capacity(file.len());
    for (name, entry) in &file {
        // The form documents itself in an entry of this name.
        if name == "sample_spec" {
            continue;
        }
        let name = name.trim();
        if name.is_empty() || name.chars().count() > 200 || name.chars().any(char::is_control) {
            return Err(bad("a model's name has 1 to 200 characters".into()));
        }
        let Value::Object(entry) = entry else { return Err(bad(format!("{name} is no object"))) };
        models.push(one(name, entry).map_err(|why| bad(format!("{name}: {why}")))?);
    }
    if models.is_empty() {
        return Err(bad("the file names no model".into()));
    }
    Ok(models)
}

fn one(name: &str, entry: &Map<String, Value>) -> Result<Imported, String> {
    let whole = |field: &str| entry.get(field).and_then(Value::as_f64).filter(|n| *n >= 1.0 && *n < 1e12);
    let count = |field: &str| whole(field).map(|n| n as i64);
    Ok(Imported {
        name: name.to_owned(),
        provider: entry.get("litellm_provider").and_then(Value::as_str).unwrap_or("").chars().take(64).collect(),
        category: category(entry.get("mode").and_then(Value::as_str).unwrap_or("chat")),
        context_window: count("max_input_tokens").or_else(|| count("max_tokens")),
        max_output: count("max_output_tokens").or_else(|| count("max_tokens")),
        price: price(name, entry)?,
    })
}

fn category(mode: &str) -> Category {
    match mode {
        "completion" => Category::Completion,
        "embedding" => Category::Embedding,
        "rerank" => Category::Rerank,
        "image_generation" | "image_edit" => Category::Image,
        "audio_speech" => Category::Speech,
        "audio_transcription" => Category::Transcription,
        "video_generation" => Category::Video,
        "music" => Category::Music,
        "moderation" => Category::Moderation,
        "realtime" => Category::Realtime,
        _ => Category::Chat,
    }
}

/// No price is higher: a thousand dollars for one.
const HIGHEST: f64 = 1e15;

/// A figure in dollars for one, as micro-dollars for a million.
fn figure(entry: &Map<String, Value>, field: &str) -> Result<Option<i64>, String> {
    let dollars = match entry.get(field) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(n)) => n.as_f64(),
        Some(Value::String(s)) => s.trim().parse().ok(),
        Some(_) => None,
    };
    let micros = dollars.map(|d: f64| (d * 1e12).round()).filter(|m| m.is_finite() && (0.0..=HIGHEST).contains(m));
    micros.map(|m| Some(m as i64)).ok_or_else(|| format!("{field} is no price"))
}

fn price(name: &str, entry: &Map<String, Value>) -> Result<Option<Price>, String> {
    let get = |field: &str| figure(entry, field);
    let first = |fields: &[&str]| fields.iter().map(|f| get(f)).find(|r| !matches!(r, Ok(None))).unwrap_or(Ok(None));
    let claude = name.contains("claude");
    let rates = rates(entry, "", claude)?;
    let mut long = Vec::new();
    for (mark, above) in
        [("_above_128k_tokens", 128_000), ("_above_200k_tokens", 200_000), ("_above_272k_tokens", 272_000)]
    {
        if let Some(steps) = rates_over(entry, mark, rates.unwrap_or_default(), claude)? {
            long.push(Steps { above, rates: steps });
        }
    }
    let search = match entry.get("search_context_cost_per_query") {
        Some(Value::Object(sizes)) => figure(sizes, "search_context_size_medium")?,
        _ => None,
    };
    let images = match first(&["output_cost_per_image", "input_cost_per_image"])? {
        Some(each) => Some(each),
        None => by_pixels(name, entry)?,
    };
    let price = Price {
        long,
        priority: rates_over(entry, "_priority", rates.unwrap_or_default(), claude)?,
        flex: rates_over(entry, "_flex", rates.unwrap_or_default(), claude)?,
        reasoning: get("output_cost_per_reasoning_token")?,
        audio_input: first(&["input_cost_per_audio_token"])?,
        audio_output: first(&["output_cost_per_audio_token"])?,
        image_input: get("input_cost_per_image_token")?,
        image_output: get("output_cost_per_image_token")?,
        characters: first(&["input_cost_per_character", "output_cost_per_character"])?.unwrap_or(0),
        seconds: first(&[
            "output_cost_per_video_per_second",
            "output_cost_per_second",
            "input_cost_per_second",
            "input_cost_per_audio_per_second",
        ])?
        .unwrap_or(0),
        images: images.unwrap_or(0),
        searches: search.unwrap_or(0),
        calls: first(&["cost_per_call", "input_cost_per_request", "input_cost_per_query"])?.unwrap_or(0),
        rates: rates.unwrap_or_default(),
    };
    // A price of nothing is a price; no price at all is none.
    let named = entry.keys().any(|k| k.contains("cost_per"));
    Ok(named.then_some(price))
}

fn rates(entry: &Map<String, Value>, mark: &str, claude: bool) -> Result<Option<Rates>, String> {
    rates_over(entry, mark, Rates::default(), claude)
}

/// The rates whose fields end in `mark`; what is missing is taken from `base`. `None` when none is there.
fn rates_over(entry: &Map<String, Value>, mark: &str, base: Rates, claude: bool) -> Result<Option<Rates>, String> {
    let get = |field: &str| figure(entry, &format!("{field}{mark}"));
    let input = get("input_cost_per_token")?;
    let output = get("output_cost_per_token")?;
    let cache_read = get("cache_read_input_token_cost")?;
    let cache_write_5m = get("cache_creation_input_token_cost")?;
    let cache_write_1h = get("cache_creation_input_token_cost_above_1hr")?;
    if [input, output, cache_read, cache_write_5m, cache_write_1h].iter().all(Option::is_none) {
        return Ok(None);
    }
    let mut rates = Rates {
        input: input.unwrap_or(base.input),
        output: output.unwrap_or(base.output),
        cache_read: cache_read.or(base.cache_read),
        cache_write_5m: cache_write_5m.or(base.cache_write_5m),
        cache_write_1h: cache_write_1h.or(base.cache_write_1h),
    };
    // Anthropic's own proportions, where a file leaves them out.
    if claude && rates.input > 0 {
        rates.cache_read = rates.cache_read.or(Some(rates.input / 10));
        rates.cache_write_5m = rates.cache_write_5m.or(Some(rates.input * 5 / 4));
        rates.cache_write_1h = rates.cache_write_1h.or(Some(rates.input * 2));
    }
    Ok(Some(rates))
}

/// Pictures of a named size (`1024-x-1024/dall-e-2`) that are priced by the pixel.
fn by_pixels(name: &str, entry: &Map<String, Value>) -> Result<Option<i64>, String> {
    let field = ["output_cost_per_pixel", "input_cost_per_pixel"];
    let Some(each) = field.iter().find_map(|f| entry.get(*f)).and_then(Value::as_f64) else { return Ok(None) };
    let size = name.split('/').find_map(|part| part.split_once("-x-"));
    let Some((Ok(width), Ok(height))) = size.map(|(w, h)| (w.parse::<u32>(), h.parse::<u32>())) else {
        return Ok(None);
    };
    let micros = (each * f64::from(width) * f64::from(height) * 1e12).round();
    if !(0.0..=HIGHEST).contains(&micros) {
        return Err("the price of a pixel is no price".into());
    }
    Ok(Some(micros as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_one(entry: Value) -> Result<Imported> {
        let file = serde_json::json!({ "sample_spec": { "mode": "x" }, "m": entry }).to_string();
        Ok(read(&file)?.remove(0))
    }

    #[test]
    fn the_built_in_prices_are_whole() {
        let all = defaults().expect("the built-in prices");
        assert!(all.len() >= 80);
        assert!(all.iter().all(|m| m.price.is_some()), "every one has a price");
        let sonnet = all.iter().find(|m| m.name == "claude-sonnet-4-5-20250929").expect("a model");
        let price = sonnet.price.clone().expect("a price");
        assert_eq!(
            price.rates,
            Rates {
                input: 3_000_000,
                output: 15_000_000,
                cache_read: Some(300_000),
                cache_write_5m: Some(3_750_000),
                cache_write_1h: Some(6_000_000),
            }
        );
        assert_eq!(price.long[0].above, 200_000);
        assert_eq!(price.long[0].rates.cache_write_1h, Some(12_000_000));
    }

    #[test]
    fn prices_are_read_in_every_form_and_nonsense_is_refused() {
        let m = read_one(serde_json::json!({
            "litellm_provider": "x", "mode": "embedding", "input_cost_per_token": "2e-8", "max_tokens": 8191
        }));
        let m = m.expect("a model");
        assert_eq!((m.category, m.context_window), (Category::Embedding, Some(8191)));
        assert_eq!(m.price.map(|p| p.rates.input), Some(20_000));
        let none = read_one(serde_json::json!({ "mode": "chat" })).expect("a model");
        assert_eq!(none.price, None, "unpriced is said, not guessed");
        let free = read_one(serde_json::json!({ "input_cost_per_token": 0 })).expect("a model");
        assert_eq!(free.price, Some(Price::default()));
        for bad in [
            serde_json::json!({ "input_cost_per_token": -1 }),
            serde_json::json!({ "input_cost_per_token": "much" }),
            serde_json::json!({ "output_cost_per_token": 5e9 }),
            serde_json::json!([]),
        ] {
            assert!(read_one(bad.clone()).is_err(), "{bad}");
        }
        assert!(read("[]").is_err() && read("{}").is_err() && read("nonsense").is_err());
        let file = serde_json::json!({ "1024-x-1024/dall-e": { "input_cost_per_pixel": 1.9e-8 } }).to_string();
        let price = read(&file).expect("models").remove(0).price.expect("a price");
        assert_eq!(price.images, 19_922_944_000);
    }

    #[test]
    fn claudes_missing_cache_prices_follow_the_vendors_proportions() {
        let file = serde_json::json!({ "claude-x": { "input_cost_per_token": 4e-6, "output_cost_per_token": 2e-5 } });
        let price = read(&file.to_string()).expect("models").remove(0).price.expect("a price");
        let rates = price.rates;
        assert_eq!(
            (rates.cache_read, rates.cache_write_5m, rates.cache_write_1h),
            (Some(400_000), Some(5_000_000), Some(8_000_000))
        );
    }
}
