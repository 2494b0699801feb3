//! Making, changing and removing plans.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, SimpleObject};
use schema::model::plan as model;
use schema::service::plan as service;

use super::money::{MoneyInput, minor};
use super::{Plan, PlanCycle};
use crate::context::{Reach, to_admins};
use crate::fault::{Result, UserError, split};
use crate::node;
use crate::scalar::{BigInt, DateTime, Decimal};

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
