//! Subscriptions: who is on which plan, and until when. (`Subscription` is the graph's own word for what
//! can be watched, so the type is called `PlanSubscription`.)

use async_graphql::{ComplexObject, Context, Enum, ID, InputObject, Object, SimpleObject};
use schema::model::nested::Nested;
use schema::model::subscription as model;
use schema::page::{Cursor, Direction, Seek};
use schema::service::{nested as lists, subscription as service};

use super::plan::{Plan, PlanLimits};
use super::user::User;
use crate::context::{Reach, once, to_admins};
use crate::fault::{Result, UserError, split};
use crate::filter::joined;
use crate::page::{self, Connection, OrderDirection};
use crate::scalar::{BigInt, DateTime};
use crate::{count_by, joins, loader, nested, node};

/// A person on a plan for a time.
#[derive(SimpleObject, Clone)]
#[graphql(complex)]
pub struct PlanSubscription {
    /// Opaque id.
    pub id: ID,
    /// The number other faces know this subscription by.
    pub database_id: BigInt,
    /// How it stands.
    pub status: PlanSubscriptionStatus,
    /// Where it came from.
    pub source: PlanSubscriptionSource,
    /// When it began.
    pub started_at: DateTime,
    /// When it ends.
    pub expires_at: DateTime,
    /// Whether it renews itself from the wallet.
    pub auto_renew: bool,
    /// When it was given up; it stays until it ends.
    pub cancelled_at: Option<DateTime>,
    /// When it was made.
    pub created_at: DateTime,
    /// When it was last changed.
    pub updated_at: DateTime,
    /// Grows with every change; send it back as `expectedVersion`.
    pub version: BigInt,
    #[graphql(skip)]
    user_row: i64,
    #[graphql(skip)]
    plan_row: i64,
}

impl From<model::Subscription> for PlanSubscription {
    fn from(row: model::Subscription) -> Self {
        Self {
            id: node::id("PlanSubscription", row.id),
            database_id: BigInt(row.id),
            status: row.status.into(),
            source: row.source.into(),
            started_at: DateTime(row.started_at),
            expires_at: DateTime(row.expires_at),
            auto_renew: row.auto_renew,
            cancelled_at: row.cancelled_at.map(DateTime),
            created_at: DateTime(row.created_at),
            updated_at: DateTime(row.updated_at),
            version: BigInt(row.version),
            user_row: row.user_id,
            plan_row: row.plan_id,
        }
    }
}

#[ComplexObject]
impl PlanSubscription {
    /// Who is on it.
    async fn user(&self, ctx: &Context<'_>) -> Option<Result<User>> {
        loader::one(ctx, loader::UserById(self.user_row)).await
    }
    /// The plan.
    async fn plan(&self, ctx: &Context<'_>) -> Option<Result<Plan>> {
        loader::one(ctx, loader::PlanById(self.plan_row)).await
    }
}

/// How a subscription stands.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
#[graphql(remote = "model::SubscriptionStatus")]
pub enum PlanSubscriptionStatus {
    /// It runs, until its end.
    Active,
    /// Its time is over.
    Expired,
    /// Another plan took its place.
    Replaced,
    /// Its payment was given back.
    Revoked,
}

/// Where a subscription came from.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
#[graphql(remote = "model::SubscriptionSource")]
pub enum PlanSubscriptionSource {
    /// An order.
    Order,
    /// A card.
    Card,
    /// An administrator.
    Grant,
}

/// Which subscriptions.
#[derive(InputObject, Default)]
pub struct PlanSubscriptionFilter {
    /// To this plan.
    pub plan_id: Option<ID>,
    /// Standing like this.
    pub status: Option<PlanSubscriptionStatus>,
    /// Ending after this moment.
    pub ends_after: Option<DateTime>,
    /// Where all of these hold too.
    pub and: Option<Vec<PlanSubscriptionFilter>>,
    /// Where any of these holds too; not an empty list.
    pub or: Option<Vec<PlanSubscriptionFilter>>,
    /// Where this does not hold.
    pub not: Option<Box<PlanSubscriptionFilter>>,
}

joins!(PlanSubscriptionFilter);

/// Subscriptions of one person, or of all.
pub async fn list(
    ctx: &Context<'_>,
    user: Option<i64>,
    seek: Result<Seek>,
    filter: Option<PlanSubscriptionFilter>,
    direction: OrderDirection,
) -> Result<Connection<PlanSubscription>> {
    let cursor = |s: &model::Subscription| Cursor { key: s.cursor_key(), id: s.id };
    if let (Some(owner), true) =
        (user, filter.is_none() && direction == OrderDirection::Desc && nested::is_first(&seek))
    {
        return nested::newest(ctx, Nested::SubscriptionsOfUser, owner, seek?.take, loader::SubscriptionById, cursor)
            .await;
    }
    let filter = joined(filter.unwrap_or_default(), |filter, _| {
        Ok(model::SubscriptionFilter {
            plan_id: node::row_if("Plan", filter.plan_id.as_ref(), "filter.planId")?,
            status: filter.status.map(Into::into),
            ends_after: filter.ends_after.map(|t| t.0),
            ..model::SubscriptionFilter::default()
        })
    })?;
    let direction: Direction = direction.into();
    if let Some(owner) = user {
        return nested::page(ctx, lists::Subscriptions { filter, order: direction }, owner, seek?, cursor).await;
    }
    let rows = service::entries(ctx.app(), ctx.actor(), &filter, direction, &seek?).await?;
    Ok(page::connection(rows, cursor, PlanSubscription::from).counted(count_by!(service::count, filter)))
}

/// What a person is on now.
#[derive(SimpleObject)]
pub struct HeldPlan {
    /// The subscription; null for whoever is on the free plan without having asked for it.
    pub subscription: Option<PlanSubscription>,
    /// Its plan, or the free plan where there is one.
    pub plan: Option<Plan>,
    /// What the person may use by it.
    pub limits: PlanLimits,
}

/// What one person is on now.
pub async fn held(ctx: &Context<'_>, user: i64) -> Result<HeldPlan> {
    let held = ctx.loaders().load_one(loader::HeldBy(user)).await?;
    let held = held.ok_or(schema::Error::NotFound { what: "user" })?;
    Ok(HeldPlan {
        limits: held.limits().into(),
        subscription: held.subscription.map(Into::into),
        plan: held.plan.map(Into::into),
    })
}

#[derive(Default)]
pub struct PlanSubscriptionQuery;

#[Object]
impl PlanSubscriptionQuery {
    /// Subscriptions, newest first: one's own, or everybody's for administrators.
    async fn subscriptions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the start: 1 to 100; 20 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end: 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "Whose; everybody's for administrators, one's own for others when absent.")] user_id: Option<
            ID,
        >,
        #[graphql(desc = "Only these.")] filter: Option<PlanSubscriptionFilter>,
        #[graphql(desc = "By when they were made.", default)] direction: OrderDirection,
    ) -> Result<Connection<PlanSubscription>> {
        let user = ctx.actor().whose(node::row_if("User", user_id.as_ref(), "userId")?)?;
        list(ctx, user, page::seek(first, after, last, before), filter, direction).await
    }
}

/// Somebody's running subscription.
#[derive(InputObject)]
pub struct SubscriptionCancelInput {
    /// Whose; one's own when absent.
    pub user_id: Option<ID>,
    /// Refuses when the subscription was changed since this version was read.
    pub expected_version: Option<BigInt>,
}

/// Whether somebody's running subscription is to renew itself.
#[derive(InputObject)]
pub struct SubscriptionSetAutoRenewInput {
    /// Whose; one's own when absent.
    pub user_id: Option<ID>,
    /// Whether.
    pub auto_renew: bool,
    /// Refuses when the subscription was changed since this version was read.
    pub expected_version: Option<BigInt>,
}

/// Days on a plan to be given to somebody.
#[derive(InputObject)]
pub struct SubscriptionGrantInput {
    /// To whom.
    pub user_id: ID,
    /// On which plan.
    pub plan_id: ID,
    /// How many, 1 to 36500; a period of the plan when absent.
    pub days: Option<BigInt>,
    /// Repeating the request with this key gives nothing twice; remembered for a day.
    pub client_mutation_key: Option<String>,
}

/// The answer to a change of a subscription.
#[derive(SimpleObject)]
pub struct PlanSubscriptionPayload {
    /// The subscription after the change; null when refused.
    pub subscription: Option<PlanSubscription>,
    /// Why it was refused.
    pub user_errors: Vec<UserError>,
}

fn changed(answer: schema::Result<model::Subscription>) -> Result<PlanSubscriptionPayload> {
    let (subscription, user_errors) = split(answer)?;
    Ok(PlanSubscriptionPayload { subscription: subscription.map(Into::into), user_errors })
}

/// The person a change is about: oneself when nobody is named.
fn whom(ctx: &Context<'_>, user: Option<&ID>) -> Result<i64> {
    match node::row_if("User", user, "userId")? {
        Some(user) => Ok(user),
        None => Ok(ctx.actor().signed_in()?),
    }
}

#[derive(Default)]
pub struct PlanSubscriptionMutation;

#[Object]
impl PlanSubscriptionMutation {
    /// Gives a running subscription up: it is not renewed, and stays until it ends.
    async fn subscription_cancel(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose.")] input: SubscriptionCancelInput,
    ) -> Result<PlanSubscriptionPayload> {
        let user = whom(ctx, input.user_id.as_ref())?;
        let version = input.expected_version.map(Into::into);
        changed(service::cancel(ctx.app(), ctx.actor(), user, version).await.map(|(s, _)| s))
    }

    /// Lets a running subscription renew itself from the wallet, or not.
    async fn subscription_set_auto_renew(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose, and whether.")] input: SubscriptionSetAutoRenewInput,
    ) -> Result<PlanSubscriptionPayload> {
        let user = whom(ctx, input.user_id.as_ref())?;
        let version = input.expected_version.map(Into::into);
        let done = service::set_auto_renew(ctx.app(), ctx.actor(), user, input.auto_renew, version).await;
        changed(done.map(|(s, _)| s))
    }

    /// Gives somebody days on a plan.
    #[graphql(visible = "to_admins")]
    async fn subscription_grant(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "To whom, and what.")] input: SubscriptionGrantInput,
    ) -> Result<PlanSubscriptionPayload> {
        let user = node::row("User", &input.user_id, "userId")?;
        let plan = node::row("Plan", &input.plan_id, "planId")?;
        let days: Option<i64> = input.days.map(Into::into);
        let whole = format!("{user} {plan} {days:?}");
        let granted = once(
            ctx,
            "subscriptionGrant",
            input.client_mutation_key.as_deref(),
            &whole,
            async |actor| service::grant(ctx.app(), actor, user, plan, days).await.map(|(s, _)| s),
            async |thing| service::get(ctx.app(), ctx.actor(), thing.row()?).await,
        );
        changed(granted.await)
    }
}
