//! Plans: what a subscription admits and costs.

use async_graphql::{Context, Enum, ID, InputObject, MaybeUndefined, Object, SimpleObject};
use schema::model::plan as model;
use schema::page::Cursor;
use schema::service::plan as service;
use schema::{Micros, Time, money};

use crate::context::{Reach, to_admins};
use crate::fault::{Result, UserError, split};
use crate::page::{self, Connection};
use crate::scalar::{BigInt, DateTime, Decimal};
use crate::{count_by, node};

/// An amount of some currency.
#[derive(SimpleObject, Clone)]
pub struct Money {
    /// How much, in the currency's main unit.
    pub amount: Decimal,
    /// Which currency, by its three letters.
    pub currency: String,
}

/// An amount of some currency.
#[derive(InputObject, Clone)]
pub struct MoneyInput {
    /// How much, in the currency's main unit; no more decimals than it has.
    pub amount: Decimal,
    /// Which currency, by its three letters.
    pub currency: String,
}

fn scale(currency: &str) -> i64 {
    10_i64.pow(6_u32.saturating_sub(money::minor_digits(currency)))
}

impl Money {
    /// From minor units.
    pub fn of(minor: i64, currency: &str) -> Self {
        Self { amount: Decimal(Micros(minor.saturating_mul(scale(currency)))), currency: currency.to_owned() }
    }
}

/// A decimal figure in minor units of its currency.
pub fn minor(amount: Decimal, currency: &str, field: &str) -> Result<i64> {
    let scale = scale(currency);
    if amount.0.0 % scale != 0 {
        return Err(schema::Error::invalid(field, format!("{currency} has no such small amounts")).into());
    }
    Ok(amount.0.0 / scale)
}

/// What can be subscribed to.
#[derive(SimpleObject, Clone)]
pub struct Plan {
    /// Opaque id.
    pub id: ID,
    /// The number other faces know this plan by.
    pub database_id: BigInt,
    /// The word clients know it by.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// Its name as it is shown.
    pub display_name: String,
    /// What it is.
    pub description: String,
    /// What a period costs; during a promotion the lowered price.
    pub price: Money,
    /// What a period costs without the promotion.
    pub original_price: Option<Money>,
    /// How often it is paid.
    pub cycle: PlanCycle,
    /// Days of a period.
    pub cycle_days: BigInt,
    /// What it admits.
    pub features: PlanFeatures,
    /// What speaks for it.
    pub selling_points: Vec<String>,
    /// Whether it is the one that is recommended.
    pub recommended: bool,
    /// When the promotion ends.
    pub promotion_ends_at: Option<DateTime>,
    /// Whether it can be subscribed to.
    pub is_active: bool,
    /// Whether it is shown to everybody.
    pub is_visible: bool,
    /// Its place in the list; small comes first.
    pub sort: BigInt,
    /// When it was made.
    pub created_at: DateTime,
    /// When it was last changed.
    pub updated_at: DateTime,
    /// Grows with every change; send it back as `expectedVersion`.
    pub version: BigInt,
}

impl From<model::Plan> for Plan {
    fn from(row: model::Plan) -> Self {
        Self {
            id: node::id("Plan", row.id),
            database_id: BigInt(row.id),
            price: Money::of(row.price, &row.currency),
            original_price: row.original_price.map(|p| Money::of(p, &row.currency)),
            slug: row.slug,
            name: row.name,
            display_name: row.display_name,
            description: row.description,
            cycle: row.cycle.into(),
            cycle_days: BigInt(row.cycle_days),
            features: row.features.0.into(),
            selling_points: row.selling_points.0,
            recommended: row.recommended,
            promotion_ends_at: row.promotion_ends_at.map(DateTime),
            is_active: row.is_active,
            is_visible: row.is_visible,
            sort: BigInt(row.sort),
            created_at: DateTime(row.created_at),
            updated_at: DateTime(row.updated_at),
            version: BigInt(row.version),
        }
    }
}

/// What a plan admits; null and an empty list mean without limit.
#[derive(SimpleObject, Clone)]
pub struct PlanFeatures {
    /// Requests a day.
    pub daily_requests: Option<BigInt>,
    /// Cost a day, in US dollars.
    pub daily_cost: Option<Decimal>,
    /// API keys at the same time.
    pub max_api_keys: Option<BigInt>,
    /// Services.
    pub services: Vec<String>,
    /// Models.
    pub models: Vec<String>,
    /// What support goes with it.
    pub support: String,
}

impl From<model::PlanFeatures> for PlanFeatures {
    fn from(f: model::PlanFeatures) -> Self {
        Self {
            daily_requests: f.daily_requests.map(BigInt),
            daily_cost: f.daily_cost.map(Decimal),
            max_api_keys: f.max_api_keys.map(BigInt),
            services: f.services,
            models: f.models,
            support: f.support,
        }
    }
}

/// How often a plan is paid.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
#[graphql(remote = "model::Cycle")]
pub enum PlanCycle {
    /// Every day.
    Daily,
    /// Every 7 days.
    Weekly,
    /// Every 30 days.
    Monthly,
    /// Every 90 days.
    Quarterly,
    /// Every 365 days.
    Yearly,
    /// Every so many days.
    Custom,
}

/// Which plans, beyond those that are offered; for administrators.
#[derive(InputObject, Default)]
pub struct PlanFilter {
    /// Hidden ones too.
    #[graphql(default)]
    pub with_hidden: bool,
    /// Those that cannot be subscribed to as well.
    #[graphql(default)]
    pub with_inactive: bool,
    /// The deleted too.
    #[graphql(default)]
    pub with_deleted: bool,
}

#[derive(Default)]
pub struct PlanQuery;

#[Object]
impl PlanQuery {
    /// The plans that are offered; anybody may ask.
    async fn public_plans(&self, ctx: &Context<'_>) -> Result<Vec<Plan>> {
        Ok(service::offered(ctx.app()).await?.into_iter().map(Plan::from).collect())
    }

    /// One plan by its id or its slug; null when there is none, or none for you.
    async fn plan(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] id: Option<ID>,
        #[graphql(desc = "Or which, by its slug.")] slug: Option<String>,
    ) -> Result<Option<Plan>> {
        let found = match (id, slug) {
            (Some(id), None) => service::get_by_id(ctx.app(), ctx.actor(), node::row("Plan", &id, "id")?).await,
            (None, Some(slug)) => service::get(ctx.app(), ctx.actor(), &slug).await,
            _ => return Err(schema::Error::invalid("id", "give an id or a slug").into()),
        };
        node::found(found, Plan::from)
    }

    /// Plans in their order: what is offered, and more for administrators.
    async fn plans(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the start: 1 to 100; 20 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end: 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only these.")] filter: Option<PlanFilter>,
    ) -> Result<Connection<Plan>> {
        let filter = filter.unwrap_or_default();
        let filter = model::PlanFilter {
            with_hidden: filter.with_hidden,
            with_inactive: filter.with_inactive,
            with_deleted: filter.with_deleted,
        };
        let rows = service::entries(ctx.app(), ctx.actor(), &filter, &page::seek(first, after, last, before)?).await?;
        let cursor = |p: &model::Plan| Cursor { key: p.cursor_key(), id: p.id };
        Ok(page::connection(rows, cursor, Plan::from).counted(count_by!(service::count, filter)))
    }
}

/// What a plan is to admit; null and an empty list mean without limit.
#[derive(InputObject, Clone, Default)]
pub struct PlanFeaturesInput {
    /// Requests a day.
    pub daily_requests: Option<BigInt>,
    /// Cost a day, in US dollars.
    pub daily_cost: Option<Decimal>,
    /// API keys at the same time.
    pub max_api_keys: Option<BigInt>,
    /// Services.
    #[graphql(default)]
    pub services: Vec<String>,
    /// Models.
    #[graphql(default)]
    pub models: Vec<String>,
    /// What support goes with it.
    #[graphql(default)]
    pub support: String,
}

impl From<PlanFeaturesInput> for model::PlanFeatures {
    fn from(f: PlanFeaturesInput) -> Self {
        Self {
            daily_requests: f.daily_requests.map(Into::into),
            daily_cost: f.daily_cost.map(|d| d.0),
            max_api_keys: f.max_api_keys.map(Into::into),
            services: f.services,
            models: f.models,
            support: f.support,
        }
    }
}

/// A plan to be offered.
#[derive(InputObject)]
pub struct PlanCreateInput {
    /// The word clients are to know it by; it never changes.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// Its name as it is shown; its name when absent.
    pub display_name: Option<String>,
    /// What it is.
    pub description: Option<String>,
    /// What a period costs; during a promotion the lowered price.
    pub price: MoneyInput,
    /// What a period costs without the promotion, in the price's currency.
    pub original_price: Option<Decimal>,
    /// How often it is paid.
    pub cycle: PlanCycle,
    /// Days of a period; the usual ones of the cycle when absent.
    pub cycle_days: Option<BigInt>,
    /// What it admits.
    pub features: Option<PlanFeaturesInput>,
    /// What speaks for it.
    pub selling_points: Option<Vec<String>>,
    /// Whether it is the one that is recommended.
    #[graphql(default)]
    pub recommended: bool,
    /// When the promotion ends.
    pub promotion_ends_at: Option<DateTime>,
    /// Whether it can be subscribed to.
    #[graphql(default = true)]
    pub is_active: bool,
    /// Whether it is shown to everybody.
    #[graphql(default = true)]
    pub is_visible: bool,
    /// Its place in the list; small comes first.
    pub sort: Option<BigInt>,
}

/// What of a plan changes. What is absent stays as it is.
#[derive(InputObject)]
pub struct PlanChangeInput {
    /// Which.
    pub id: ID,
    /// Its name.
    pub name: Option<String>,
    /// Its name as it is shown.
    pub display_name: Option<String>,
    /// What it is.
    pub description: Option<String>,
    /// What a period costs.
    pub price: Option<MoneyInput>,
    /// What a period costs without the promotion; null ends the promotion.
    pub original_price: MaybeUndefined<MoneyInput>,
    /// How often it is paid.
    pub cycle: Option<PlanCycle>,
    /// Days of a period.
    pub cycle_days: Option<BigInt>,
    /// All it admits anew.
    pub features: Option<PlanFeaturesInput>,
    /// What speaks for it.
    pub selling_points: Option<Vec<String>>,
    /// Whether it is the one that is recommended.
    pub recommended: Option<bool>,
    /// When the promotion ends; null when that is not fixed.
    pub promotion_ends_at: MaybeUndefined<DateTime>,
    /// Whether it can be subscribed to.
    pub is_active: Option<bool>,
    /// Whether it is shown to everybody.
    pub is_visible: Option<bool>,
    /// Its place in the list.
    pub sort: Option<BigInt>,
    /// Refuses the change when the plan was changed since this version was read.
    pub expected_version: Option<BigInt>,
}

/// A plan to be removed.
#[derive(InputObject)]
pub struct PlanDeleteInput {
    /// Which.
    pub id: ID,
    /// Refuses when the plan was changed since this version was read.
    pub expected_version: Option<BigInt>,
}

/// The answer to a change of a plan.
#[derive(SimpleObject)]
pub struct PlanPayload {
    /// The plan after the change; null when refused.
    pub plan: Option<Plan>,
    /// Why it was refused.
    pub user_errors: Vec<UserError>,
}

/// The answer to a wish for the usual plans.
#[derive(SimpleObject)]
pub struct PlansPayload {
    /// Those that were made; what was there already is left alone.
    pub plans: Vec<Plan>,
    /// Why it was refused.
    pub user_errors: Vec<UserError>,
}

fn changed(answer: schema::Result<model::Plan>) -> Result<PlanPayload> {
    let (plan, user_errors) = split(answer)?;
    Ok(PlanPayload { plan: plan.map(Into::into), user_errors })
}

#[derive(Default)]
pub struct PlanMutation;

#[Object]
impl PlanMutation {
    /// Makes a plan.
    #[graphql(visible = "to_admins")]
    async fn plan_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The plan.")] input: PlanCreateInput,
    ) -> Result<PlanPayload> {
        let currency = input.price.currency;
        let draft = service::PlanDraft {
            slug: input.slug,
            display_name: input.display_name.unwrap_or_else(|| input.name.clone()),
            name: input.name,
            description: input.description.unwrap_or_default(),
            price: minor(input.price.amount, &currency, "price.amount")?,
            original_price: input.original_price.map(|p| minor(p, &currency, "originalPrice")).transpose()?,
            currency,
            cycle: input.cycle.into(),
            cycle_days: input.cycle_days.map(Into::into),
            features: input.features.unwrap_or_default().into(),
            selling_points: input.selling_points.unwrap_or_default(),
            recommended: input.recommended,
            promotion_ends_at: input.promotion_ends_at.map(|t| t.0),
            is_active: input.is_active,
            is_visible: input.is_visible,
            sort: input.sort.map_or(0, Into::into),
        };
        changed(service::create(ctx.app(), ctx.actor(), draft).await)
    }

    /// Changes a plan. Whoever is on it keeps what they paid for.
    #[graphql(visible = "to_admins")]
    async fn plan_change(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which, and what changes.")] input: PlanChangeInput,
    ) -> Result<PlanPayload> {
        let row = node::row("Plan", &input.id, "id")?;
        let price = |m: &MoneyInput, field: &str| minor(m.amount, &m.currency, field);
        let original: Option<Option<MoneyInput>> = input.original_price.into();
        if let (Some(now), Some(Some(before))) = (&input.price, &original)
            && now.currency != before.currency
        {
            return Err(schema::Error::invalid("originalPrice", "both prices are in one currency").into());
        }
        let promotion: Option<Option<DateTime>> = input.promotion_ends_at.into();
        let change = service::PlanChange {
            name: input.name,
            display_name: input.display_name,
            description: input.description,
            price: input.price.as_ref().map(|m| price(m, "price.amount")).transpose()?,
            original_price: original.map(|m| m.map(|m| price(&m, "originalPrice.amount")).transpose()).transpose()?,
            currency: input.price.map(|m| m.currency),
            cycle: input.cycle.map(Into::into),
            cycle_days: input.cycle_days.map(Into::into),
            features: input.features.map(Into::into),
            selling_points: input.selling_points,
            recommended: input.recommended,
            promotion_ends_at: promotion.map(|t| t.map(|t| t.0)),
            is_active: input.is_active,
            is_visible: input.is_visible,
            sort: input.sort.map(Into::into),
        };
        let version = input.expected_version.map(Into::into);
        changed(service::change(ctx.app(), ctx.actor(), row, change, version).await)
    }

    /// Removes a plan nobody can subscribe to any more; whoever is on it stays until their time is over.
    #[graphql(visible = "to_admins")]
    async fn plan_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: PlanDeleteInput,
    ) -> Result<PlanPayload> {
        let row = node::row("Plan", &input.id, "id")?;
        let version = input.expected_version.map(Into::into);
        changed(service::delete(ctx.app(), ctx.actor(), row, version).await)
    }

    /// Makes the usual plans, where there are none of their names yet.
    #[graphql(visible = "to_admins")]
    async fn plans_create_defaults(&self, ctx: &Context<'_>) -> Result<PlansPayload> {
        let (plans, user_errors) = split(service::init_defaults(ctx.app(), ctx.actor()).await)?;
        Ok(PlansPayload { plans: plans.unwrap_or_default().into_iter().map(Plan::from).collect(), user_errors })
    }
}

/// What a person's plan admits now, whatever subscription it comes from.
#[derive(SimpleObject)]
pub struct PlanLimits {
    /// The slug of the plan; empty when no plan governs.
    pub slug: String,
    /// Until when, for a subscription.
    pub expires_at: Option<DateTime>,
    /// What it admits.
    pub features: PlanFeatures,
}

impl From<service::PlanLimits> for PlanLimits {
    fn from(limits: service::PlanLimits) -> Self {
        Self {
            slug: limits.slug,
            expires_at: limits.expires_at.map(|t: Time| DateTime(t)),
            features: PlanFeatures {
                daily_requests: limits.daily_requests.map(BigInt),
                daily_cost: limits.daily_cost.map(Decimal),
                max_api_keys: limits.max_api_keys.map(BigInt),
                services: limits.services,
                models: limits.models,
                support: String::new(),
            },
        }
    }
}
