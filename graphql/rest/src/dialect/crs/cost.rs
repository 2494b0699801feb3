//! What models cost, and how a recorded cost divides into input, output and cache.

use std::collections::HashMap;

use schema::model::catalog::{ModelFilter, Price};
use schema::model::tally::Tally;
use schema::service::tally;
use schema::{App, Error, Micros};
use serde_json::{Map, Value, json};

use super::shape::{dollars, sums};

/// A cost in its parts; they add up to the whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    pub input: Micros,
    pub output: Micros,
    pub cache_write: Micros,
    pub cache_read: Micros,
    pub total: Micros,
}

/// Prices of models by name, the administrator's before the imported ones.
pub async fn prices(app: &App, names: impl Iterator<Item = String>) -> Result<HashMap<String, Price>, Error> {
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        return Ok(HashMap::new());
    }
    let filter = ModelFilter { names, ..ModelFilter::default() };
    let found = tally::models_with_prices(app, &filter).await?;
    let priced = found.into_iter().filter_map(|m| Some((m.name, m.override_price.or(m.price)?.0)));
    Ok(priced.collect())
}

/// Divides a recorded cost by what its tokens cost at a price; without a price, by their number.
pub fn parts(price: Option<&Price>, sum: &Tally) -> Parts {
    let rates = price.map(|p| p.rates);
    let rate = |of: fn(&schema::model::catalog::Rates) -> i64| i128::from(rates.as_ref().map_or(1, of).max(0));
    let weights = [
        i128::from(sum.input) * rate(|r| r.input),
        i128::from(sum.output) * rate(|r| r.output),
        i128::from(sum.cache_write) * rate(|r| r.cache_write_5m.unwrap_or(r.input)),
        i128::from(sum.cache_read) * rate(|r| r.cache_read.unwrap_or(r.input)),
    ];
    let all: i128 = weights.iter().sum();
    let whole = i128::from(sum.cost.0);
    let share = |w: i128| Micros(i64::try_from((whole * w).checked_div(all).unwrap_or(0)).unwrap_or_default());
    let [_, output, cache_write, cache_read] = weights.map(share);
    // What dividing left over belongs to the input, so that the parts are the whole.
    let input = sum.cost.minus(output).minus(cache_write).minus(cache_read);
    Parts { input, output, cache_write, cache_read, total: sum.cost }
}

impl Parts {
    /// Adds another's parts to these.
    pub fn add(&mut self, other: &Self) {
        self.input = self.input.plus(other.input);
        self.output = self.output.plus(other.output);
        self.cache_write = self.cache_write.plus(other.cache_write);
        self.cache_read = self.cache_read.plus(other.cache_read);
        self.total = self.total.plus(other.total);
    }
    /// In dollars.
    pub fn shown(&self, raw: Micros) -> Value {
        json!({
            "input": self.input.dollars(), "output": self.output.dollars(),
            "cacheCreate": self.cache_write.dollars(), "cacheWrite": self.cache_write.dollars(),
            "cacheRead": self.cache_read.dollars(), "total": self.total.dollars(),
            "real": raw.dollars(), "rated": self.total.dollars(),
        })
    }
    /// As text.
    pub fn formatted(&self) -> Value {
        json!({
            "input": dollars(self.input), "output": dollars(self.output), "cacheWrite": dollars(self.cache_write),
            "cacheRead": dollars(self.cache_read), "total": dollars(self.total),
        })
    }
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

/// A model's sums as every statistics page reads them.
pub fn model_row(sum: &Tally, price: Option<&Price>) -> Map<String, Value> {
    let parts = parts(price, sum);
    let mut row = sums(sum);
    row.insert("model".into(), sum.model.clone().into());
    row.insert(
        "usage".into(),
        json!({
            "requests": sum.requests, "inputTokens": sum.input, "outputTokens": sum.output,
            "cacheCreateTokens": sum.cache_write, "cacheReadTokens": sum.cache_read, "totalTokens": sum.tokens(),
        }),
    );
    row.insert("costs".into(), parts.shown(sum.raw_cost));
    row.insert("formatted".into(), parts.formatted());
    row.insert("pricing".into(), shown_price(price));
    row.insert("usingDynamicPricing".into(), price.is_some().into());
    row.insert("isLegacy".into(), false.into());
    row
}

/// Rows of models, the dearest or the most used first.
pub async fn model_rows(app: &App, sums: Vec<Tally>, by_cost: bool) -> Result<Vec<Map<String, Value>>, Error> {
    let prices = prices(app, sums.iter().map(|s| s.model.clone())).await?;
    let mut sums = sums;
    sums.sort_by_key(|s| std::cmp::Reverse(if by_cost { (s.cost.0, s.tokens()) } else { (s.tokens(), s.cost.0) }));
    Ok(sums.iter().map(|s| model_row(s, prices.get(&s.model))).collect())
}

#[cfg(test)]
mod tests {
    use schema::model::catalog::Rates;

    use super::*;

    #[test]
    fn parts_are_the_whole() {
        let price = Price {
            rates: Rates { input: 3_000_000, output: 15_000_000, cache_read: Some(300_000), ..Rates::default() },
            ..Price::default()
        };
        let sum = Tally { input: 100, output: 33, cache_read: 7, cost: Micros(799), ..Tally::default() };
        for price in [Some(&price), None] {
            let p = parts(price, &sum);
            assert_eq!(p.input.plus(p.output).plus(p.cache_write).plus(p.cache_read), Micros(799));
            assert!(p.input.0 >= 0 && p.output.0 > 0);
        }
        let free = parts(None, &Tally { cost: Micros(5), ..Tally::default() });
        assert_eq!(free.input, Micros(5));
    }
}
