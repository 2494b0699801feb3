//! Plans: what a subscription admits and costs.

mod change;
mod money;

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use schema::Time;
use schema::model::plan as model;
use schema::page::Cursor;
use schema::service::plan as service;

use crate::context::Reach;
use crate::fault::Result;
use crate::page::{self, Connection};
use crate::scalar::{BigInt, DateTime, Decimal};
use crate::{count_by, node};

pub use change::PlanMutation;
pub use money::{Money, MoneyInput, minor};

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
