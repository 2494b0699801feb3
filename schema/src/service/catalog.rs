//! The catalogue: which models there are, and what they cost.

pub mod table;

use std::collections::HashMap;

use crate::App;
use crate::actor::{Act, Actor};
use crate::bus::Event;
use crate::clock::Time;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::model::catalog::{Category, Model, ModelFilter, ModelOrder, ModelRowChange, NewModel, Price};
use crate::page::{Counted, Direction, Page, Seek, Window};
use crate::service::audit::{self, Target};
use crate::service::directory;
use crate::service::field::{self, stale};
use crate::service::price::{self, Imported};
use crate::value::Doc;

/// A model to be added by hand.
#[derive(Clone, Debug)]
pub struct ModelDraft {
    pub name: String,
    pub display_name: String,
    pub provider: String,
    pub category: Category,
    pub description: String,
    pub enabled: bool,
    pub context_window: Option<i64>,
    pub max_output: Option<i64>,
    /// The administrator's price.
    pub price: Option<Price>,
}

impl ModelDraft {
    /// A model of which only its price is known.
    pub fn priced(name: &str, price: Option<Price>) -> Self {
        Self {
            name: name.to_owned(),
            display_name: String::new(),
            provider: String::new(),
            category: Category::Chat,
            description: String::new(),
            enabled: true,
            context_window: None,
            max_output: None,
            price,
        }
    }
}

/// What of a model changes; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct ModelChange {
    pub display_name: Option<String>,
    pub provider: Option<String>,
    pub category: Option<Category>,
    pub description: Option<String>,
    pub enabled: Option<bool>,
    pub context_window: Option<Option<i64>>,
    pub max_output: Option<Option<i64>>,
    /// The administrator's price; `Some(None)` returns to the imported one, also where that was withdrawn.
    pub price: Option<Option<Price>>,
    pub expected_version: Option<i64>,
}

/// What an import did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ImportReport {
    pub added: i64,
    pub updated: i64,
    pub unchanged: i64,
}

fn shown(model: &Model) -> serde_json::Value {
    serde_json::json!({
        "name": model.name, "displayName": model.display_name, "provider": model.provider,
        "category": model.category, "enabled": model.enabled, "contextWindow": model.context_window,
        "maxOutput": model.max_output, "price": model.price.as_ref().map(|p| &p.0),
        "overridePrice": model.override_price.as_ref().map(|p| &p.0), "version": model.version,
    })
}

/// Tells everybody that models are not what they were; whoever changed them sees it at once.
async fn announce(app: &App) {
    if let Err(error) = directory::load_models(app).await {
        tracing::warn!(cause = error.cause(), "the changed models are read when their event comes");
    }
    app.bus.publish(Event::ModelsChanged).await;
}

/// Fills an empty catalogue with the built-in models and prices; many processes may do so at once.
pub async fn seed(app: &App) -> Result<()> {
    let mut conn = app.db.conn().await?;
    if !Model::none_known(&mut conn).await? {
        return Ok(());
    }
    drop(conn);
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    // Of several that start together, the others need not do it again.
    crate::model::lock::take(&mut tx, "models").await?;
    if !Model::none_known(&mut tx).await? {
        return tx.rollback().await;
    }
    for model in price::defaults()? {
        Model::insert_unknown(&mut tx, &fresh(model, now)).await?;
    }
    tx.commit().await
}

fn fresh(model: Imported, now: Time) -> NewModel {
    NewModel {
        name: model.name,
        display_name: String::new(),
        provider: model.provider,
        category: model.category,
        description: String::new(),
        enabled: true,
        context_window: model.context_window,
        max_output: model.max_output,
        price: model.price.map(Doc),
        override_price: None,
        created_at: now,
        updated_at: now,
    }
}

/// Takes over a price file in the `model_prices` form: unknown models are added, known ones get the new
/// price. An administrator's own prices stay, and what they withdrew stays without one.
pub async fn import(app: &App, actor: &Actor, file: &str) -> Result<ImportReport> {
    actor.may(Act::Configure)?;
    let models = price::read(file)?;
    if models.len() > 50_000 {
        return Err(Error::invalid("prices", "a file has at most 50000 models"));
    }
    let now = app.clock.now();
    let mut report = ImportReport::default();
    let mut tx = app.db.begin().await?;
    let known: HashMap<String, Model> = Model::all(&mut tx).await?.into_iter().map(|m| (m.name.clone(), m)).collect();
    for model in models {
        let Some(before) = known.get(&model.name) else {
            Model::insert_unknown(&mut tx, &fresh(model, now)).await?;
            report.added += 1;
            continue;
        };
        let price = model.price.map(Doc);
        if before.price == price {
            report.unchanged += 1;
            continue;
        }
        let set = ModelRowChange {
            price: Some(price),
            context_window: model.context_window.map(Some),
            max_output: model.max_output.map(Some),
            ..ModelRowChange::default()
        };
        Model::update(&mut tx, before.id, before.version, &set, now).await?.ok_or_else(stale)?;
        report.updated += 1;
    }
    let target = Target { kind: "catalog", id: "prices" };
    audit::record(app, &mut tx, actor, "catalog.import", target, (), report).await?;
    tx.commit().await?;
    announce(app).await;
    Ok(report)
}

fn check_price(price: &Price) -> Result<()> {
    let rates =
        [Some(price.rates), price.priority, price.flex].into_iter().flatten().chain(price.long.iter().map(|s| s.rates));
    let mut figures = vec![price.characters, price.seconds, price.images, price.searches, price.calls];
    for r in rates {
        figures.extend([r.input, r.output]);
        figures.extend([r.cache_read, r.cache_write_5m, r.cache_write_1h].into_iter().flatten());
    }
    let parts = [price.reasoning, price.audio_input, price.audio_output, price.image_input, price.image_output];
    figures.extend(parts.into_iter().flatten());
    if figures.iter().any(|n| !(0..=1_000_000_000_000_000).contains(n)) {
        return Err(Error::invalid("price", "a price lies between nothing and a thousand dollars for one"));
    }
    if !price.long.is_sorted_by(|a, b| a.above < b.above) || price.long.iter().any(|s| s.above <= 0) {
        return Err(Error::invalid("price.long", "the steps of a price rise"));
    }
    Ok(())
}

fn check_sizes(window: Option<i64>, output: Option<i64>) -> Result<()> {
    field::within("contextWindow", window.unwrap_or(1), 1, 1_000_000_000)?;
    field::within("maxOutput", output.unwrap_or(1), 1, 1_000_000_000)
}

/// Adds a model.
pub async fn add(app: &App, actor: &Actor, draft: ModelDraft) -> Result<Model> {
    actor.may(Act::Manage)?;
    if let Some(price) = &draft.price {
        check_price(price)?;
    }
    check_sizes(draft.context_window, draft.max_output)?;
    field::text("displayName", &draft.display_name, 200)?;
    field::text("provider", &draft.provider, 64)?;
    field::text("description", &draft.description, 2_000)?;
    let draft = ModelDraft { name: field::name("name", &draft.name, 200)?, ..draft };
    let mut tx = app.db.begin().await?;
    if Model::by_name(&mut tx, &draft.name).await?.is_some() {
        return Err(Error::conflict("ALREADY_EXISTS", format!("there is a model {} already", draft.name)));
    }
    let model = add_in(app, &mut tx, actor, draft).await?;
    tx.commit().await?;
    announce(app).await;
    Ok(model)
}

/// Writes a checked model of the administrators' own inside the caller's transaction.
async fn add_in(app: &App, tx: &mut Tx, actor: &Actor, draft: ModelDraft) -> Result<Model> {
    let now = app.clock.now();
    let row = NewModel {
        name: draft.name,
        display_name: draft.display_name,
        provider: draft.provider,
        category: draft.category,
        description: draft.description,
        enabled: draft.enabled,
        context_window: draft.context_window,
        max_output: draft.max_output,
        price: None,
        override_price: draft.price.map(|price| Doc(price.into())),
        created_at: now,
        updated_at: now,
    };
    let model = Model::insert(tx, &row).await?;
    let target = Target { kind: "model", id: &model.id.to_string() };
    audit::record(app, tx, actor, "model.add", target, (), shown(&model)).await?;
    Ok(model)
}

/// Writes a checked change inside the caller's transaction.
async fn change_in(app: &App, tx: &mut Tx, actor: &Actor, before: &Model, set: &ModelRowChange) -> Result<Model> {
    let after = Model::update(tx, before.id, before.version, set, app.clock.now()).await?.ok_or_else(stale)?;
    let target = Target { kind: "model", id: &before.id.to_string() };
    audit::record(app, tx, actor, "model.change", target, shown(before), shown(&after)).await?;
    Ok(after)
}

/// Changes a model or its price.
pub async fn change(app: &App, actor: &Actor, model_id: i64, change: ModelChange) -> Result<Model> {
    actor.may(Act::Manage)?;
    if let Some(Some(price)) = &change.price {
        check_price(price)?;
    }
    check_sizes(change.context_window.flatten(), change.max_output.flatten())?;
    field::text("displayName", change.display_name.as_deref().unwrap_or(""), 200)?;
    field::text("provider", change.provider.as_deref().unwrap_or(""), 64)?;
    field::text("description", change.description.as_deref().unwrap_or(""), 2_000)?;
    let mut tx = app.db.begin().await?;
    let before = Model::find(&mut tx, model_id).await?.ok_or(Error::NotFound { what: "model" })?;
    if change.expected_version.is_some_and(|v| v != before.version) {
        return Err(stale());
    }
    let set = ModelRowChange {
        display_name: change.display_name,
        provider: change.provider,
        category: change.category,
        description: change.description,
        enabled: change.enabled,
        context_window: change.context_window,
        max_output: change.max_output,
        price: None,
        override_price: change.price.map(|price| price.map(|price| Doc(price.into()))),
    };
    let after = change_in(app, &mut tx, actor, &before, &set).await?;
    tx.commit().await?;
    announce(app).await;
    Ok(after)
}

/// Sets an administrator's price by name, making the model known when it is not; `None` takes it away.
pub async fn set_price(app: &App, actor: &Actor, name: &str, price: Option<Price>) -> Result<Model> {
    let mut conn = app.db.conn().await?;
    let known = Model::by_name(&mut conn, name).await?;
    drop(conn);
    match known {
        Some(model) => change(app, actor, model.id, ModelChange { price: Some(price), ..ModelChange::default() }).await,
        None => {
            let draft = ModelDraft::priced(name, price);
            add(app, actor, draft).await
        }
    }
}

/// Removes a model; calls of it are without a price from then on, unless another spelling of it has one. A list that names
/// it and is read later adds it again: who reads one wants what it names, and a price is withdrawn to stay away.
pub async fn delete(app: &App, actor: &Actor, model_id: i64) -> Result<()> {
    actor.may(Act::Manage)?;
    let mut tx = app.db.begin().await?;
    let before = Model::find(&mut tx, model_id).await?.ok_or(Error::NotFound { what: "model" })?;
    if !Model::delete(&mut tx, model_id).await? {
        // Somebody else was faster.
        return Err(Error::NotFound { what: "model" });
    }
    let target = Target { kind: "model", id: &model_id.to_string() };
    audit::record(app, &mut tx, actor, "model.delete", target, shown(&before), ()).await?;
    tx.commit().await?;
    announce(app).await;
    Ok(())
}

/// What everybody may see of what is asked for: models in use; all of them for administrators.
fn seen_by(actor: &Actor, filter: &ModelFilter) -> ModelFilter {
    let mut filter = filter.clone();
    if !actor.is_admin() {
        filter.enabled = Some(true);
    }
    filter
}

/// One model by name.
pub async fn get(app: &App, actor: &Actor, name: &str) -> Result<Model> {
    let mut conn = app.db.conn().await?;
    let model = Model::by_name(&mut conn, name).await?.filter(|m| m.enabled || actor.is_admin());
    model.ok_or(Error::NotFound { what: "model" })
}

/// One model by id.
pub async fn get_by_id(app: &App, actor: &Actor, model_id: i64) -> Result<Model> {
    let mut conn = app.db.conn().await?;
    let model = Model::find(&mut conn, model_id).await?.filter(|m| m.enabled || actor.is_admin());
    model.ok_or(Error::NotFound { what: "model" })
}

/// Those of several models that the caller may see.
pub async fn several(app: &App, actor: &Actor, ids: &[i64]) -> Result<Vec<Model>> {
    let mut conn = app.db.conn().await?;
    Ok(Model::by_ids(&mut conn, ids).await?.into_iter().filter(|m| m.enabled || actor.is_admin()).collect())
}

/// Models by cursor; anybody may ask.
pub async fn list(
    app: &App,
    actor: &Actor,
    filter: &ModelFilter,
    order: (ModelOrder, Direction),
    seek: &Seek,
) -> Result<Page<Model>> {
    let mut conn = app.db.conn().await?;
    Ok(Page::cut(Model::seek(&mut conn, &seen_by(actor, filter), order, seek).await?, seek))
}

/// Models by numbered page.
pub async fn pages(
    app: &App,
    actor: &Actor,
    filter: &ModelFilter,
    order: (ModelOrder, Direction),
    window: Window,
) -> Result<Counted<Model>> {
    let filter = seen_by(actor, filter);
    let mut conn = app.db.conn().await?;
    let rows = Model::window(&mut conn, &filter, order, window).await?;
    Ok(Counted { rows, total: Model::count(&mut conn, &filter).await? })
}

/// How many models a filter finds.
pub async fn count(app: &App, actor: &Actor, filter: &ModelFilter) -> Result<i64> {
    let mut conn = app.db.conn().await?;
    Ok(Model::count(&mut conn, &seen_by(actor, filter)).await?)
}

/// Providers that have models.
pub async fn providers(app: &App) -> Result<Vec<String>> {
    let mut conn = app.db.conn().await?;
    Ok(Model::providers(&mut conn).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::catalog::Rates;
    use crate::testing::TestApp;

    fn code<T>(result: Result<T>) -> &'static str {
        match result {
            Ok(_) => "OK",
            Err(e) => e.detail_code().unwrap_or_else(|| e.code()),
        }
    }

    fn of(input: i64) -> Price {
        Price { rates: Rates { input, ..Rates::default() }, ..Price::default() }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_administrators_price_survives_an_import() {
        let t = TestApp::new().await;
        let root = t.admin().await;
        seed(&t).await.expect("seeded");
        let before = get(&t, &root, "gpt-4o").await.expect("a model");
        set_price(&t, &root, "gpt-4o", Some(of(7))).await.expect("set");
        let file = r#"{"gpt-4o":{"input_cost_per_token":1e-6},"gpt-4o-mini":{"input_cost_per_token":1e-6},
                       "brand-new":{"input_cost_per_token":2e-6}}"#;
        let report = import(&t, &root, file).await.expect("imported");
        assert_eq!(report, ImportReport { added: 1, updated: 2, unchanged: 0 });
        assert_eq!(import(&t, &root, file).await.expect("imported").unchanged, 3);
        let after = get(&t, &root, "gpt-4o").await.expect("a model");
        assert_eq!(after.effective_price(), Some(&of(7)));
        assert_ne!(before.price, after.price);
        set_price(&t, &root, "gpt-4o", None).await.expect("set");
        let back = get(&t, &root, "gpt-4o").await.expect("a model");
        assert_eq!(back.effective_price().map(|p| p.rates.input), Some(1_000_000));
        seed(&t).await.expect("seeded");
        assert_eq!(
            get(&t, &root, "gpt-4o").await.expect("a model").price,
            back.price,
            "seeding is for empty catalogues"
        );
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_model_that_was_removed_comes_back_with_a_list_that_names_it_and_only_then() {
        let t = TestApp::new().await;
        let root = t.admin().await;
        seed(&t).await.expect("seeded");
        let model = get(&t, &root, "gpt-4o").await.expect("a model");
        set_price(&t, &root, "gpt-4o", Some(of(7))).await.expect("set");
        delete(&t, &root, model.id).await.expect("removed");
        seed(&t).await.expect("a process that starts");
        import(&t, &root, r#"{"gpt-4o-mini":{"input_cost_per_token":1e-6}}"#).await.expect("imported");
        assert_eq!(code(get(&t, &root, "gpt-4o").await), "NOT_FOUND");
        let report = import(&t, &root, r#"{"gpt-4o":{"input_cost_per_token":1e-6}}"#).await.expect("imported");
        assert_eq!(report.added, 1);
        let back = get(&t, &root, "gpt-4o").await.expect("a model");
        assert_eq!((back.effective_price().map(|p| p.rates.input), back.override_price), (Some(1_000_000), None));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn models_are_shown_to_all_and_changed_by_administrators() {
        let t = TestApp::new().await;
        let (root, ann) = (t.admin().await, t.user("ann").await);
        let model = set_price(&t, &root, "mine", Some(of(1))).await.expect("added");
        assert_eq!(code(set_price(&t, &ann, "mine", None).await), "FORBIDDEN");
        assert_eq!(code(import(&t, &ann, "{}").await), "FORBIDDEN");
        assert_eq!(code(delete(&t, &ann, model.id).await), "FORBIDDEN");
        assert!(get(&t, &ann, "mine").await.is_ok());
        let off = ModelChange { enabled: Some(false), expected_version: Some(model.version), ..ModelChange::default() };
        change(&t, &root, model.id, off.clone()).await.expect("changed");
        assert_eq!(code(change(&t, &root, model.id, off).await), "STALE_VERSION");
        assert_eq!(code(get(&t, &ann, "mine").await), "NOT_FOUND");
        let filter = ModelFilter { search: Some("MINE".into()), ..ModelFilter::default() };
        assert_eq!(count(&t, &ann, &filter).await.expect("a count"), 0);
        assert_eq!(count(&t, &root, &filter).await.expect("a count"), 1);
        assert_eq!(code(set_price(&t, &root, "mine", Some(of(-1))).await), "BAD_USER_INPUT");
        assert_eq!(code(set_price(&t, &root, " ", Some(of(1))).await), "BAD_USER_INPUT");
        delete(&t, &root, model.id).await.expect("deleted");
        assert_eq!(code(delete(&t, &root, model.id).await), "NOT_FOUND");
    }
}
