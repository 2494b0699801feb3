//! Prices as tables, as clients keep them that know a model by its ratios: each table names every model it has
//! something to say of, and is put as a whole.
//!
//! A model that neither the inputs' table nor the calls' names has no price, whatever the vendor's list says: it was
//! taken out of them, and does not come back by itself. An output's ratio that is no longer named is the list's; input
//! from a cache then costs what other input costs. What has no effect yet (an output's ratio of a model without a
//! price, an input's price of a model that is paid by the call) waits until it can have one, so that tables may come
//! in any order.
//!
//! What is paid by the character stands among the inputs; what is paid by the picture or by its length, among the
//! calls, and stays paid by that whatever figure it is given there ([`Measure`]).

mod measure;
mod next;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::App;
use crate::actor::{Act, Actor};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::model::catalog::{Category, Model, ModelRowChange, OwnPrice, Price};
use crate::model::lock;
use crate::model::setting::StoredSetting;
use crate::service::field;
use crate::service::setting::{self, names};
use crate::value::Doc;

pub use self::measure::Measure;
use self::next::{Known, Own};
use super::{ModelDraft, add_in, announce, change_in, check_price};

/// Figures by the models' names.
pub type Figures = BTreeMap<String, i64>;

/// Tables of prices. In a change, what is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    /// Input, in micro-dollars a million tokens, or characters.
    pub input: Option<Figures>,
    /// Output, in millionths of the input's price.
    pub output: Option<Figures>,
    /// Input that is read from a cache, likewise.
    pub cache_read: Option<Figures>,
    /// A call whatever its tokens are, or one picture or length of it, in micro-dollars a million.
    pub calls: Option<Figures>,
}

/// What was said of models and has no effect yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Waiting {
    pub input: Figures,
    pub output: Figures,
    pub cache_read: Figures,
    /// Models that cost nothing by the call, which their price alone does not say.
    pub free: BTreeSet<String>,
}

impl Tables {
    fn all(&self) -> [&Option<Figures>; 4] {
        [&self.input, &self.output, &self.cache_read, &self.calls]
    }
    /// True when nothing is to be changed.
    pub fn is_empty(&self) -> bool {
        self.all().iter().all(|table| table.is_none())
    }
}

/// A rate in millionths of the input's; one where there is no input to compare it with.
pub fn of_input(rate: i64, price: &Price) -> i64 {
    if price.rates.input == 0 {
        return super::price::ONE;
    }
    let input = i128::from(price.rates.input);
    i64::try_from((i128::from(rate) * i128::from(super::price::ONE) + input / 2) / input).unwrap_or(i64::MAX)
}

/// The tables of these prices, each of a model that makes this, and of what waits.
pub fn tables<'a>(prices: impl Iterator<Item = (&'a str, Category, &'a Price)>, waiting: &Waiting) -> Tables {
    let mut input = waiting.input.clone();
    let (mut output, mut cache_read, mut calls) = (waiting.output.clone(), waiting.cache_read.clone(), Figures::new());
    for (name, category, price) in prices {
        let measure = Measure::of(price, category);
        if measure.is_whole() {
            calls.insert(name.to_owned(), measure.figure(price));
            continue;
        }
        if measure.is_free(price) && waiting.free.contains(name) {
            calls.insert(name.to_owned(), 0);
            continue;
        }
        input.insert(name.to_owned(), measure.figure(price));
        // Ratios are to an input's price.
        if price.rates.input == 0 {
            continue;
        }
        output.insert(name.to_owned(), of_input(price.rates.output, price));
        if let Some(read) = price.rates.cache_read {
            cache_read.insert(name.to_owned(), of_input(read, price));
        }
    }
    Tables { input: Some(input), output: Some(output), cache_read: Some(cache_read), calls: Some(calls) }
}

/// What waits, as far as this process knows.
pub fn waiting(app: &App) -> Waiting {
    setting::current(app).json(names::WAITING_PRICES)
}

/// Puts tables of prices, and settings that were changed by the same request: all of it, or nothing.
pub async fn put_tables(
    app: &App,
    actor: &Actor,
    tables: &Tables,
    settings: &BTreeMap<String, Option<String>>,
) -> Result<()> {
    actor.may(Act::Configure)?;
    let mut named = BTreeSet::new();
    for table in tables.all().into_iter().flatten() {
        if table.len() > 50_000 {
            return Err(Error::invalid("prices", "a table names at most 50000 models"));
        }
        for name in table.keys() {
            if *name != field::name("prices", name, 200)? {
                return Err(Error::invalid("prices", format!("\"{name}\" is no model's name")));
            }
            named.insert(name.as_str());
        }
    }
    let mut tx = app.db.begin().await?;
    // Tables come several at once, and each builds on what the others left.
    lock::take(&mut tx, "prices").await?;
    let before: Waiting = stored_waiting(&mut tx).await?;
    let mut waiting = before.clone();
    let mut changed = false;
    for model in Model::all(&mut tx).await? {
        named.remove(model.name.as_str());
        let known =
            Known { category: model.category, list: model.price.as_ref().map(|p| &p.0), now: model.effective_price() };
        let own = match next::own(&model.name, known, tables, &mut waiting)? {
            Own::Same => continue,
            Own::Listed => None,
            Own::Withdrawn => Some(OwnPrice::withdrawn()),
            Own::Price(price) => {
                check_price(&price)?;
                Some((*price).into())
            }
        };
        let set = ModelRowChange { override_price: Some(own.map(Doc)), ..ModelRowChange::default() };
        change_in(app, &mut tx, actor, &model, &set).await?;
        changed = true;
    }
    for name in named {
        if let Own::Price(price) = next::own(name, Known::NOTHING, tables, &mut waiting)? {
            check_price(&price)?;
            add_in(app, &mut tx, actor, ModelDraft::priced(name, Some(*price))).await?;
            changed = true;
        }
    }
    let mut settings = settings.clone();
    if waiting != before {
        let text = serde_json::to_string(&waiting).map_err(Error::internal)?;
        settings.insert(names::WAITING_PRICES.to_owned(), Some(text));
    }
    setting::put_in(app, &mut tx, actor, &settings).await?;
    tx.commit().await?;
    if !settings.is_empty() {
        setting::announce(app).await?;
    }
    if changed {
        announce(app).await;
    }
    Ok(())
}

/// Takes every price of the administrators' own away, and every word that there is none, so that the vendors' lists
/// hold.
pub async fn reset_prices(app: &App, actor: &Actor) -> Result<()> {
    actor.may(Act::Configure)?;
    let mut tx = app.db.begin().await?;
    lock::take(&mut tx, "prices").await?;
    let none = ModelRowChange { override_price: Some(None), ..ModelRowChange::default() };
    for model in Model::all(&mut tx).await? {
        if model.override_price.is_some() {
            change_in(app, &mut tx, actor, &model, &none).await?;
        }
    }
    let settings = BTreeMap::from([(names::WAITING_PRICES.to_owned(), None)]);
    setting::put_in(app, &mut tx, actor, &settings).await?;
    tx.commit().await?;
    setting::announce(app).await?;
    announce(app).await;
    Ok(())
}

async fn stored_waiting(tx: &mut Tx) -> Result<Waiting> {
    let all = StoredSetting::all(tx).await?;
    let stored = all.into_iter().find(|row| row.name == names::WAITING_PRICES);
    Ok(stored.and_then(|row| serde_json::from_str(&row.value).ok()).unwrap_or_default())
}

#[cfg(test)]
mod tests;
