//! Plans: the shop window, its upkeep, and what a person's plan admits.

mod check;
mod defaults;

use crate::App;
use crate::actor::{Act, Actor};
use crate::bus::Event;
use crate::clock::Time;
use crate::db::{Conn, Tx};
use crate::error::{Error, Result};
use crate::model::plan::{Cycle, FREE, NewPlan, Plan, PlanFeatures, PlanFilter, PlanRowChange};
use crate::model::subscription::Subscription;
use crate::money::Micros;
use crate::page::{Page, Seek};
use crate::service::audit::{self, Target};
use crate::service::setting;

use check::{checked, merged, summary};

/// A plan to be offered.
#[derive(Clone, Debug)]
pub struct PlanDraft {
    pub slug: String,
    pub name: String,
    pub display_name: String,
    pub description: String,
    /// Minor units of the currency; during a promotion the lowered price.
    pub price: i64,
    /// What it costs without the promotion.
    pub original_price: Option<i64>,
    pub currency: String,
    pub cycle: Cycle,
    /// `None`: the usual length of the cycle.
    pub cycle_days: Option<i64>,
    pub features: PlanFeatures,
    pub selling_points: Vec<String>,
    pub recommended: bool,
    pub promotion_ends_at: Option<Time>,
    pub is_active: bool,
    pub is_visible: bool,
    pub sort: i64,
}

/// What of a plan changes; `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct PlanChange {
    pub name: Option<String>,
    pub display_name: Option<String>,
    pub description: Option<String>,
    pub price: Option<i64>,
    pub original_price: Option<Option<i64>>,
    pub currency: Option<String>,
    pub cycle: Option<Cycle>,
    pub cycle_days: Option<i64>,
    pub features: Option<PlanFeatures>,
    pub selling_points: Option<Vec<String>>,
    pub recommended: Option<bool>,
    pub promotion_ends_at: Option<Option<Time>>,
    pub is_active: Option<bool>,
    pub is_visible: Option<bool>,
    pub sort: Option<i64>,
}

/// What a person's plan admits; `None` and empty lists mean without limit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlanLimits {
    /// The plan these come from; `None` where no plan governs (no free plan was ever set up).
    pub plan_id: Option<i64>,
    pub slug: String,
    /// Until when, for a subscription.
    pub expires_at: Option<Time>,
    pub daily_requests: Option<i64>,
    pub daily_cost: Option<Micros>,
    pub max_api_keys: Option<i64>,
    pub services: Vec<String>,
    pub models: Vec<String>,
}

impl PlanLimits {
    pub(crate) fn of(plan: Plan, expires_at: Option<Time>) -> Self {
        let features = plan.features.0;
        Self {
            plan_id: Some(plan.id),
            slug: plan.slug,
            expires_at,
            daily_requests: features.daily_requests,
            daily_cost: features.daily_cost,
            max_api_keys: features.max_api_keys,
            services: features.services,
            models: features.models,
        }
    }
    /// Refuses one more key for somebody who has `have`.
    pub fn admits_key(&self, have: i64) -> Result<()> {
        match self.max_api_keys {
            Some(most) if have >= most => Err(Error::QuotaExceeded {
                code: "PLAN_KEY_LIMIT",
                why: format!("your plan admits {most} API keys; choose a larger plan or delete one"),
            }),
            _ => Ok(()),
        }
    }
    /// True when the plan includes this service (`claude`, `openai` …).
    pub fn admits_service(&self, service: &str) -> bool {
        self.services.is_empty() || self.services.iter().any(|s| s == service || s == "all")
    }
    /// True when the plan includes this model.
    pub fn admits_model(&self, model: &str) -> bool {
        self.models.is_empty() || self.models.iter().any(|m| m == model || m == "*")
    }
}

/// The limits of a person's live subscription, or else of the free plan.
pub async fn limits_of(conn: &mut Conn, user_id: i64, now: Time) -> Result<PlanLimits> {
    if let Some(subscription) = Subscription::live_of(conn, user_id, now).await?
        && let Some(plan) = Plan::find(conn, subscription.plan_id).await?
    {
        return Ok(PlanLimits::of(plan, Some(subscription.expires_at)));
    }
    Ok(Plan::by_slug(conn, FREE).await?.map(|plan| PlanLimits::of(plan, None)).unwrap_or_default())
}

/// As [`limits_of`], on a connection of its own.
pub async fn limits(app: &App, user_id: i64) -> Result<PlanLimits> {
    let mut conn = app.db.conn().await?;
    limits_of(&mut conn, user_id, app.clock.now()).await
}

/// The plans of these ids, deleted ones too: what was bought keeps its name.
pub async fn by_ids(app: &App, ids: &[i64]) -> Result<Vec<Plan>> {
    let mut conn = app.db.conn().await?;
    Ok(Plan::by_ids(&mut conn, ids).await?)
}

/// The plans that are offered; anybody may ask.
pub async fn offered(app: &App) -> Result<Vec<Plan>> {
    let mut conn = app.db.conn().await?;
    Ok(Plan::list(&mut conn, &PlanFilter::default()).await?)
}

/// All plans, hidden ones included, for administrators; inactive ones when asked for.
pub async fn list(app: &App, actor: &Actor, with_inactive: bool) -> Result<Vec<Plan>> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    let filter = PlanFilter { with_hidden: true, with_inactive, with_deleted: false };
    Ok(Plan::list(&mut conn, &filter).await?)
}

/// By keyset: what is offered for anybody, everything for administrators.
pub async fn entries(app: &App, actor: &Actor, filter: &PlanFilter, seek: &Seek) -> Result<Page<Plan>> {
    visible(actor, filter)?;
    let mut conn = app.db.conn().await?;
    Ok(Page::cut(Plan::seek(&mut conn, filter, seek).await?, seek))
}

/// How many there are.
pub async fn count(app: &App, actor: &Actor, filter: &PlanFilter) -> Result<i64> {
    visible(actor, filter)?;
    let mut conn = app.db.conn().await?;
    Ok(Plan::count(&mut conn, filter).await?)
}

fn visible(actor: &Actor, filter: &PlanFilter) -> Result<()> {
    if filter.with_hidden || filter.with_inactive || filter.with_deleted {
        actor.may(Act::ViewAll)?;
    }
    Ok(())
}

/// One plan by its id, as [`get`] by its slug.
pub async fn get_by_id(app: &App, actor: &Actor, plan_id: i64) -> Result<Plan> {
    let mut conn = app.db.conn().await?;
    shown_to(actor, Plan::find(&mut conn, plan_id).await?.filter(|p| p.deleted_at.is_none()))
}

/// Those of several plans that the caller may see.
pub async fn several(app: &App, actor: &Actor, ids: &[i64]) -> Result<Vec<Plan>> {
    let living = by_ids(app, ids).await?.into_iter().filter(|p| p.deleted_at.is_none());
    Ok(living.filter_map(|plan| shown_to(actor, Some(plan)).ok()).collect())
}

fn shown_to(actor: &Actor, plan: Option<Plan>) -> Result<Plan> {
    let offered = |p: &Plan| p.is_available() && p.is_visible;
    plan.filter(|p| actor.is_admin() || offered(p)).ok_or(NOT_FOUND)
}

/// One plan by its slug: an offered one for anybody, any living one for administrators.
pub async fn get(app: &App, actor: &Actor, slug: &str) -> Result<Plan> {
    let mut conn = app.db.conn().await?;
    shown_to(actor, Plan::by_slug(&mut conn, slug).await?)
}

pub(crate) const NOT_FOUND: Error = Error::NotFound { what: "plan" };

/// Offers a new plan.
pub async fn create(app: &App, actor: &Actor, draft: PlanDraft) -> Result<Plan> {
    actor.may(Act::Manage)?;
    let new = checked(app, draft)?;
    let mut tx = app.db.begin().await?;
    if Plan::by_slug(&mut tx, &new.slug).await?.is_some() {
        return Err(Error::conflict("ALREADY_EXISTS", format!("there is a plan {} already", new.slug)));
    }
    let plan = insert(app, &mut tx, actor, &new).await?;
    tx.commit().await?;
    app.bus.publish(Event::PlanChanged { user_id: None }).await;
    Ok(plan)
}

async fn insert(app: &App, tx: &mut Tx, actor: &Actor, new: &NewPlan) -> Result<Plan> {
    let plan = Plan::insert(tx, new).await?;
    let target = Target { kind: "plan", id: &plan.id.to_string() };
    audit::record(app, tx, actor, "plan.create", target, (), summary(&plan)).await?;
    Ok(plan)
}

/// Changes a plan. What people have paid for already is left alone; their limits follow at once.
pub async fn change(
    app: &App,
    actor: &Actor,
    plan_id: i64,
    change: PlanChange,
    expected_version: Option<i64>,
) -> Result<Plan> {
    actor.may(Act::Manage)?;
    let mut tx = app.db.begin().await?;
    let plan = living(&mut tx, plan_id, expected_version).await?;
    let draft = merged(&plan, change);
    let new = checked(app, draft)?;
    let row = PlanRowChange {
        slug: None,
        name: Some(new.name),
        display_name: Some(new.display_name),
        description: Some(new.description),
        price: Some(new.price),
        original_price: Some(new.original_price),
        currency: Some(new.currency),
        cycle: Some(new.cycle),
        cycle_days: Some(new.cycle_days),
        features: Some(new.features),
        selling_points: Some(new.selling_points),
        recommended: Some(new.recommended),
        promotion_ends_at: Some(new.promotion_ends_at),
        is_active: Some(new.is_active),
        is_visible: Some(new.is_visible),
        sort: Some(new.sort),
        deleted_at: None,
    };
    let after = Plan::update(&mut tx, plan.id, plan.version, &row, app.clock.now()).await?.ok_or_else(stale)?;
    let target = Target { kind: "plan", id: &plan.id.to_string() };
    audit::record(app, &mut tx, actor, "plan.change", target, summary(&plan), summary(&after)).await?;
    tx.commit().await?;
    app.bus.publish(Event::PlanChanged { user_id: None }).await;
    Ok(after)
}

/// Takes a plan off the shelf. Running subscriptions keep its terms until they end; the slug is free again.
pub async fn delete(app: &App, actor: &Actor, plan_id: i64, expected_version: Option<i64>) -> Result<Plan> {
    actor.may(Act::Manage)?;
    let mut tx = app.db.begin().await?;
    let plan = living(&mut tx, plan_id, expected_version).await?;
    if plan.slug == FREE {
        // Without it everybody who has no subscription would be without limits.
        return Err(Error::conflict(
            "PLAN_IN_USE",
            "the free plan holds the limits of everybody without a subscription; hide it instead",
        ));
    }
    let now = app.clock.now();
    let row = PlanRowChange {
        slug: Some(format!("{}~{}", plan.slug, plan.id)),
        is_active: Some(false),
        is_visible: Some(false),
        deleted_at: Some(Some(now)),
        ..PlanRowChange::default()
    };
    let after = Plan::update(&mut tx, plan.id, plan.version, &row, now).await?.ok_or_else(stale)?;
    let target = Target { kind: "plan", id: &plan.id.to_string() };
    audit::record(app, &mut tx, actor, "plan.delete", target, summary(&plan), ()).await?;
    tx.commit().await?;
    app.bus.publish(Event::PlanChanged { user_id: None }).await;
    Ok(after)
}

/// Makes those of the default plans that are not there; answers the new ones.
pub async fn init_defaults(app: &App, actor: &Actor) -> Result<Vec<Plan>> {
    actor.may(Act::Manage)?;
    let now = app.clock.now();
    let drafts = defaults::plans(setting::current(app).zone(), now);
    let mut tx = app.db.begin().await?;
    let mut made = Vec::new();
    for draft in drafts {
        if Plan::by_slug(&mut tx, &draft.slug).await?.is_none() {
            let new = checked(app, draft)?;
            made.push(insert(app, &mut tx, actor, &new).await?);
        }
    }
    tx.commit().await?;
    if !made.is_empty() {
        app.bus.publish(Event::PlanChanged { user_id: None }).await;
    }
    Ok(made)
}

async fn living(tx: &mut Tx, plan_id: i64, expected_version: Option<i64>) -> Result<Plan> {
    let plan = Plan::find(tx, plan_id).await?.filter(|p| p.deleted_at.is_none()).ok_or(NOT_FOUND)?;
    if expected_version.is_some_and(|v| v != plan.version) {
        return Err(stale());
    }
    Ok(plan)
}

pub(crate) fn stale() -> Error {
    Error::conflict("STALE_VERSION", "somebody changed this meanwhile; read it again")
}

#[cfg(test)]
mod tests;
