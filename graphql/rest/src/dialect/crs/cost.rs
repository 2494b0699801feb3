//! What models cost, and how a recorded cost divides into input, output and cache.

use schema::Micros;
use schema::model::catalog::Price;
use schema::service::report::{Costs, ModelUse};
use serde_json::{Map, Value, json};

use super::shape::{dollars, sums};

/// A cost in its parts, in dollars.
pub fn shown(costs: &Costs, raw: i64) -> Value {
    let usd = |micros: i64| Micros(micros).dollars();
    json!({
        "input": usd(costs.input), "output": usd(costs.output), "cacheCreate": usd(costs.cache_write()),
        "cacheWrite": usd(costs.cache_write()), "cacheRead": usd(costs.cache_read),
        "ephemeral5m": usd(costs.cache_write_5m), "ephemeral1h": usd(costs.cache_write_1h), "other": usd(costs.other),
        "total": usd(costs.total), "real": usd(raw), "rated": usd(costs.total),
    })
}

/// A cost in its parts, as text.
pub fn formatted(costs: &Costs) -> Value {
    let text = |micros: i64| dollars(Micros(micros));
    json!({
        "input": text(costs.input), "output": text(costs.output), "cacheCreate": text(costs.cache_write()),
        "cacheWrite": text(costs.cache_write()), "cacheRead": text(costs.cache_read), "total": text(costs.total),
    })
}

/// A price in dollars a million tokens, or null.
pub fn shown_price(price: Option<&Price>) -> Value {
    let Some(price) = price else { return Value::Null };
    let r = &price.rates;
    let usd = |micros: i64| micros as f64 / 1e6;
    json!({
        "input": usd(r.input), "output": usd(r.output), "cacheWrite": usd(r.cache_write_5m.unwrap_or(r.input)),
        "cacheRead": usd(r.cache_read.unwrap_or(r.input)),
    })
}

/// A model's use as every statistics page reads it.
fn model_row(used: &ModelUse) -> Map<String, Value> {
    let (s, price) = (&used.sums, used.known.as_ref().and_then(|m| m.effective_price()));
    let mut row = sums(s);
    row.insert("model".into(), used.model.as_str().into());
    row.insert(
        "usage".into(),
        json!({
            "requests": s.requests, "inputTokens": s.counts.input, "outputTokens": s.counts.output,
            "cacheCreateTokens": s.cache_writes(), "cacheReadTokens": s.counts.cache_read, "totalTokens": s.tokens(),
        }),
    );
    row.insert("costs".into(), shown(&used.costs, s.raw_cost));
    row.insert("formatted".into(), formatted(&used.costs));
    row.insert("pricing".into(), shown_price(price));
    row.insert("usingDynamicPricing".into(), price.is_some().into());
    // Sums from before costs were kept with the calls; here they always were.
    row.insert("isLegacy".into(), false.into());
    row
}

/// Rows of models, which come the dearest first; by their tokens where that is wanted.
pub fn model_rows(mut models: Vec<ModelUse>, by_cost: bool) -> Vec<Map<String, Value>> {
    if !by_cost {
        models.sort_by_key(|m| std::cmp::Reverse((m.sums.tokens(), m.sums.cost)));
    }
    models.iter().map(model_row).collect()
}
