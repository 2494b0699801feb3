//! Dashboard, trends, costs and usage of accounts: all read from the same hourly sums, cut in the
//! administrator's time zone, so that they agree.

pub mod account;
pub mod dashboard;
pub mod trend;

use axum::extract::State;
use schema::model::api_key::{KeyFilter, KeyOrder};
use schema::page::{Direction, Window};
use schema::service::setting;
use schema::service::{api_key, tally};
use schema::{App, Error};
use serde::Deserialize;
use serde_json::{Value, json};

use super::cost::{Parts, model_rows, parts, prices};
use super::shape::{Span, dollars, sums as shown_sums};
use super::{Admin, Query, Reply, data, sums};

/// How a report is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Asked {
    pub period: Option<String>,
    pub granularity: Option<String>,
    pub days: Option<i64>,
    pub start_date: Option<String>,
    pub end_date: Option<String>,
    pub group: Option<String>,
    pub metric: Option<String>,
    pub platform: Option<String>,
}

impl Asked {
    /// The span asked for by dates, when both are there.
    pub fn dates(&self, app: &App) -> Result<Option<Span>, Error> {
        let (Some(start), Some(end)) = (self.start_date.as_deref(), self.end_date.as_deref()) else { return Ok(None) };
        if start.is_empty() || end.is_empty() {
            return Ok(None);
        }
        Span::between(setting::current(app).zone(), start, end).map(Some)
    }
    /// The span asked for by dates or else by a word.
    pub fn span(&self, app: &App, default: &str) -> Result<(Span, String), Error> {
        if let Some(span) = self.dates(app)? {
            return Ok((span, "custom".into()));
        }
        let word = self.period.as_deref().filter(|p| !p.is_empty()).unwrap_or(default);
        let span = Span::named(setting::current(app).zone(), app.clock.now(), word);
        Ok((span.ok_or_else(|| Error::invalid("period", "Invalid period"))?, word.to_owned()))
    }
}

pub async fn usage_stats(State(app): State<App>, admin: Admin, query: Query<Asked>) -> Reply {
    let (span, period) = query.0.span(&app, "daily")?;
    let window = Window { limit: 100_000, offset: 0 };
    let order = (KeyOrder::CreatedAt, Direction::Desc);
    let keys = api_key::pages(&app, &admin, &KeyFilter::default(), order, window).await?.rows;
    let rows = sums::rows(&app, &admin, &sums::over(span), sums::BY_KEY).await?;
    let used: std::collections::HashMap<i64, _> = rows.into_iter().map(|t| (t.key_id, t)).collect();
    let stats: Vec<Value> = keys
        .iter()
        .map(|k| {
            let sum = used.get(&k.id).cloned().unwrap_or_default();
            json!({ "keyId": k.uid, "keyName": k.name, "usage": shown_sums(&sum) })
        })
        .collect();
    Ok(data(json!({ "period": period, "stats": stats })))
}

pub async fn model_stats(State(app): State<App>, admin: Admin, query: Query<Asked>) -> Reply {
    let (span, period) = query.0.span(&app, "daily")?;
    let sums = sums::rows(&app, &admin, &sums::over(span), sums::BY_MODEL).await?;
    let mut rows = model_rows(&app, sums, true).await?;
    for row in &mut rows {
        row.insert("period".into(), period.as_str().into());
    }
    Ok(data(rows))
}

pub async fn costs(State(app): State<App>, admin: Admin, query: Query<Asked>) -> Reply {
    let (span, period) = query.0.span(&app, "all")?;
    let sums = sums::rows(&app, &admin, &sums::over(span), sums::BY_MODEL).await?;
    let prices = prices(&app, sums.iter().map(|s| s.model.clone())).await?;
    let mut total = Parts::default();
    let mut models = Vec::with_capacity(sums.len());
    for sum in &sums {
        let price = prices.get(&sum.model);
        let parts = parts(price, sum);
        total.add(&parts);
        models.push(json!({
            "model": sum.model, "requests": sum.requests,
            "usage": {
                "input_tokens": sum.input, "output_tokens": sum.output,
                "cache_creation_input_tokens": sum.cache_write, "cache_read_input_tokens": sum.cache_read,
            },
            "costs": parts.shown(sum.raw_cost), "formatted": parts.formatted(),
            "usingDynamicPricing": price.is_some(),
        }));
    }
    let service = super::console::pricing::status(&app).await?;
    Ok(data(json!({
        "period": period,
        "totalCosts": {
            "inputCost": total.input.dollars(), "outputCost": total.output.dollars(),
            "cacheCreateCost": total.cache_write.dollars(), "cacheReadCost": total.cache_read.dollars(),
            "totalCost": total.total.dollars(),
            "formatted": {
                "inputCost": dollars(total.input), "outputCost": dollars(total.output),
                "cacheCreateCost": dollars(total.cache_write), "cacheReadCost": dollars(total.cache_read),
                "totalCost": dollars(total.total),
            },
        },
        "modelCosts": models, "pricingServiceStatus": service,
    })))
}

pub async fn used_models(State(app): State<App>, admin: Admin) -> Reply {
    Ok(data(tally::models(&app, &admin).await?))
}
