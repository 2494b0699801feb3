//! Dashboard, trends, costs and usage of accounts: all read from the same hourly sums, cut in the
//! administrator's time zone, so that they agree.

pub mod account;
pub mod dashboard;
pub mod trend;

use axum::extract::State;
use schema::model::api_key::{KeyFilter, KeyOrder};
use schema::page::{Direction, Window};
use schema::service::report::{self, Dimension, Measure, Slice};
use schema::service::{api_key, setting};
use schema::{App, Error, Micros};
use serde::Deserialize;
use serde_json::{Value, json};

use super::cost::{formatted, model_rows, shown};
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
    let ids: Vec<i64> = keys.iter().map(|k| k.id).collect();
    let used = sums::Used::of(&app, &admin, Dimension::Key, &ids, &[span]).await?;
    let stats: Vec<Value> = keys
        .iter()
        .map(|k| json!({ "keyId": k.uid, "keyName": k.name, "usage": shown_sums(&used.in_span(k.id, 0)) }))
        .collect();
    Ok(data(json!({ "period": period, "stats": stats })))
}

pub async fn model_stats(State(app): State<App>, admin: Admin, query: Query<Asked>) -> Reply {
    let (span, period) = query.0.span(&app, "daily")?;
    let mut rows = model_rows(report::models(&app, &admin, &sums::over(span)).await?, true);
    for row in &mut rows {
        row.insert("period".into(), period.as_str().into());
    }
    Ok(data(rows))
}

pub async fn costs(State(app): State<App>, admin: Admin, query: Query<Asked>) -> Reply {
    let (span, period) = query.0.span(&app, "all")?;
    let found = report::costs(&app, &admin, &sums::over(span)).await?;
    let models: Vec<Value> = found
        .models
        .iter()
        .map(|m| {
            let counts = &m.sums.counts;
            json!({
                "model": m.model, "requests": m.sums.requests,
                "usage": {
                    "input_tokens": counts.input, "output_tokens": counts.output,
                    "cache_creation_input_tokens": m.sums.cache_writes(), "cache_read_input_tokens": counts.cache_read,
                },
                "costs": shown(&m.costs, m.sums.raw_cost), "formatted": formatted(&m.costs),
                "usingDynamicPricing": m.known.as_ref().is_some_and(|k| k.effective_price().is_some()),
            })
        })
        .collect();
    let service = super::console::pricing::status(&app, &admin).await?;
    let total = &found.total;
    let (usd, text) = (|n: i64| Micros(n).dollars(), |n: i64| dollars(Micros(n)));
    Ok(data(json!({
        "period": period,
        "totalCosts": {
            "inputCost": usd(total.input), "outputCost": usd(total.output),
            "cacheCreateCost": usd(total.cache_write()), "cacheReadCost": usd(total.cache_read),
            "otherCost": usd(total.other), "totalCost": usd(total.total),
            "formatted": {
                "inputCost": text(total.input), "outputCost": text(total.output),
                "cacheCreateCost": text(total.cache_write()), "cacheReadCost": text(total.cache_read),
                "totalCost": text(total.total),
            },
        },
        "modelCosts": models, "pricingServiceStatus": service,
    })))
}

pub async fn used_models(State(app): State<App>, admin: Admin) -> Reply {
    let used = report::groups(&app, &admin, &Slice::default(), Dimension::Model, Measure::Requests, 1_000).await?;
    let mut names: Vec<&str> = used.iter().filter_map(|g| g.key.word()).filter(|m| !m.is_empty()).collect();
    names.sort_unstable();
    Ok(data(names))
}
