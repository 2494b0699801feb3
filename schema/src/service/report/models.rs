//! Models: what each was used for, what its parts cost, and which are the most popular.

use std::collections::HashMap;

use super::{Measure, Period, Range, range, seen};
use crate::App;
use crate::actor::Actor;
use crate::error::{Error, Result};
use crate::model::catalog::price::{Price, Rates};
use crate::model::catalog::{Category, Model};
use crate::model::rollup::{self, Dimension, Slice, Sums};
use crate::model::usage::Counts;

/// What was paid, by what it was paid for; micro-dollars, the parts adding up to the total.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Costs {
    pub input: i64,
    pub output: i64,
    pub cache_write_5m: i64,
    pub cache_write_1h: i64,
    pub cache_read: i64,
    /// Pictures, audio, searches and whatever else is not a text token.
    pub other: i64,
    pub total: i64,
}

impl Costs {
    /// What was paid for writing to caches.
    pub fn cache_write(&self) -> i64 {
        self.cache_write_5m + self.cache_write_1h
    }
    fn add(&mut self, other: &Self) {
        self.input += other.input;
        self.output += other.output;
        self.cache_write_5m += other.cache_write_5m;
        self.cache_write_1h += other.cache_write_1h;
        self.cache_read += other.cache_read;
        self.other += other.other;
        self.total += other.total;
    }
}

/// One model's use.
#[derive(Clone, Debug)]
pub struct ModelUse {
    pub model: String,
    pub sums: Sums,
    pub costs: Costs,
    /// What the catalogue knows of it.
    pub known: Option<Model>,
}

/// What a stretch of time cost.
#[derive(Clone, Debug)]
pub struct CostReport {
    pub total: Costs,
    pub sums: Sums,
    pub models: Vec<ModelUse>,
}

/// A model's place among the others.
#[derive(Clone, Debug)]
pub struct Ranked {
    pub place: i64,
    pub model: String,
    pub known: Option<Model>,
    pub sums: Sums,
    /// Its part of all calls, in per cent.
    pub share: f64,
    /// Its calls in the stretch before, as long as this one.
    pub before: i64,
}

/// The models of a slice, the dearest first.
pub async fn models(app: &App, actor: &Actor, slice: &Slice) -> Result<Vec<ModelUse>> {
    let slice = seen(actor, slice)?;
    let mut conn = app.db.conn().await?;
    let rows = rollup::top(&mut conn, &slice, Dimension::Model, Measure::Cost.column(), 1_000).await?;
    let names: Vec<String> = rows.iter().map(|row| row.model.clone()).collect();
    let mut known = known(&mut conn, &names).await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let sums = row.sums();
            let known = known.remove(&row.model);
            let price = known.as_ref().and_then(Model::effective_price);
            ModelUse { costs: split(&sums, price), sums, known, model: row.model }
        })
        .collect())
}

/// What a slice cost, as a whole and by model.
pub async fn costs(app: &App, actor: &Actor, slice: &Slice) -> Result<CostReport> {
    let models = models(app, actor, slice).await?;
    let (mut total, mut sums) = (Costs::default(), Sums::default());
    for model in &models {
        total.add(&model.costs);
        sums.add(&model.sums);
    }
    Ok(CostReport { total, sums, models })
}

/// The most called models of a period, of one category where one is named. Anybody may know; who is no
/// administrator sees only what the catalogue offers.
pub async fn leaderboard(
    app: &App,
    actor: &Actor,
    period: Period,
    category: Option<Category>,
    most: usize,
) -> Result<Vec<Ranked>> {
    if !(1..=100).contains(&most) {
        return Err(Error::invalid("limit", "must be between 1 and 100"));
    }
    let Range { from, until } = range(app, period);
    let this = Slice { from, until, ..Slice::default() };
    let now = app.clock.now();
    let before = from.map(|from| {
        let length = until.unwrap_or(now).0 - from.0;
        Slice { from: Some(from.plus(-length)), until: Some(from), ..Slice::default() }
    });
    let mut conn = app.db.conn().await?;
    let rows = rollup::top(&mut conn, &this, Dimension::Model, Measure::Requests.column(), 1_000).await?;
    let names: Vec<String> = rows.iter().map(|row| row.model.clone()).collect();
    let mut known = known(&mut conn, &names).await?;
    let all: i64 = rows.iter().map(|row| row.sums().requests).sum();
    let mut ranked: Vec<Ranked> = Vec::new();
    for row in rows {
        let model = known.remove(&row.model);
        if category.is_some_and(|wanted| model.as_ref().map(|m| m.category) != Some(wanted)) {
            continue;
        }
        if !actor.is_admin() && !model.as_ref().is_some_and(|m| m.enabled) {
            continue;
        }
        let sums = row.sums();
        let share = if all == 0 { 0.0 } else { sums.requests as f64 * 100.0 / all as f64 };
        let place = ranked.len() as i64 + 1;
        ranked.push(Ranked { place, model: row.model, known: model, sums, share, before: 0 });
        if ranked.len() == most {
            break;
        }
    }
    if let Some(before) = before {
        let before = Slice { models: Some(ranked.iter().map(|r| r.model.clone()).collect()), ..before };
        let rows = rollup::rows(&mut conn, &before, &rollup::Bucket::Whole, &[Dimension::Model]).await?;
        let earlier: HashMap<String, i64> =
            rows.into_iter().map(|row| (row.model.clone(), row.sums().requests)).collect();
        for model in &mut ranked {
            model.before = earlier.get(&model.model).copied().unwrap_or_default();
        }
    }
    Ok(ranked)
}

/// How often each model was called; that says nothing about anybody, so anybody may know.
pub async fn popularity(app: &App, range: Range) -> Result<HashMap<String, i64>> {
    let slice = range.of(&Slice::default());
    let mut conn = app.db.conn().await?;
    let rows = rollup::rows(&mut conn, &slice, &rollup::Bucket::Whole, &[Dimension::Model]).await?;
    Ok(rows.into_iter().map(|row| (row.model.clone(), row.sums().requests)).collect())
}

async fn known(conn: &mut crate::db::Conn, names: &[String]) -> Result<HashMap<String, Model>> {
    let found = Model::by_names(conn, names).await?;
    Ok(found.into_iter().map(|model| (model.name.clone(), model)).collect())
}

/// Divides what was paid by what it was paid for: by today's price, or the usual proportions where there
/// is none. The books hold the total; the parts are told from the counts.
pub fn split(sums: &Sums, price: Option<&Price>) -> Costs {
    const USUAL: Rates =
        Rates { input: 3_000_000, output: 15_000_000, cache_read: None, cache_write_5m: None, cache_write_1h: None };
    let counts: &Counts = &sums.counts;
    let rates = price.map_or(&USUAL, |p| &p.rates);
    let weight = |n: i64, rate: i64| i128::from(n) * i128::from(rate.max(0));
    let weights = [
        weight(counts.input, rates.input),
        weight(counts.output, rates.output),
        weight(counts.cache_write_5m, rates.cache_write_5m.unwrap_or(rates.input + rates.input / 4)),
        weight(counts.cache_write_1h, rates.cache_write_1h.unwrap_or(rates.input * 2)),
        weight(counts.cache_read, rates.cache_read.unwrap_or(rates.input / 10)),
        price.map_or(0, |p| weight(counts.images, p.images) + weight(sums.requests, p.calls)),
    ];
    let all: i128 = weights.iter().sum();
    let total = sums.cost;
    let mut parts = [0_i64; 6];
    if all == 0 {
        parts[5] = total;
    } else {
        for (part, weight) in parts.iter_mut().zip(weights) {
            *part = i64::try_from(i128::from(total) * weight / all).unwrap_or(i64::MAX);
        }
        // What rounding left over goes to the largest part.
        let rest = total - parts.iter().sum::<i64>();
        if let Some(largest) = parts.iter_mut().max() {
            *largest += rest;
        }
    }
    let [input, output, cache_write_5m, cache_write_1h, cache_read, other] = parts;
    Costs { input, output, cache_write_5m, cache_write_1h, cache_read, other, total }
}
