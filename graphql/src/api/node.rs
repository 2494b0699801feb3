//! Anything by its opaque id. Each kind goes through the same service, and so the same rules, as its own
//! root field.

use async_graphql::{Context, ID, Interface, Object};
use schema::Error;
use schema::service::{
    account, account_group, announcement, api_key, audit, card, catalog, order, plan, setting, subscription, task,
    usage, user, wallet,
};

use super::account::{Account, AccountGroup};
use super::announcement::Announcement;
use super::api_key::ApiKey;
use super::audit::AuditEntry;
use super::card::Card;
use super::ledger::LedgerEntry;
use super::model::Model;
use super::order::Order;
use super::plan::Plan;
use super::setting::Setting;
use super::subscription::PlanSubscription;
use super::task::Task;
use super::usage::UsageRecord;
use super::user::User;
use crate::context::Reach;
use crate::fault::Result;
use crate::node::{number, split};

/// Anything that has an opaque id.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "&ID", desc = "Opaque id."))]
#[expect(clippy::large_enum_variant, reason = "lives for one field of one answer")]
pub enum Node {
    Account(Account),
    AccountGroup(AccountGroup),
    Announcement(Announcement),
    ApiKey(ApiKey),
    AuditEntry(AuditEntry),
    Card(Card),
    LedgerEntry(LedgerEntry),
    Model(Model),
    Order(Order),
    Plan(Plan),
    PlanSubscription(PlanSubscription),
    Setting(Setting),
    Task(Task),
    UsageRecord(UsageRecord),
    User(User),
}

#[derive(Default)]
pub struct NodeQuery;

#[Object]
impl NodeQuery {
    /// The thing of an id; null when there is none, or none for you.
    async fn node(&self, ctx: &Context<'_>, #[graphql(desc = "Its id.")] id: ID) -> Result<Option<Node>> {
        find(ctx, &id).await
    }

    /// The things of several ids, in the order given; null where there is none, or none for you.
    async fn nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Their ids, at most 100.")] ids: Vec<ID>,
    ) -> Result<Vec<Option<Node>>> {
        if ids.len() > 100 {
            return Err(Error::invalid("ids", "at most 100 ids at once").into());
        }
        futures_util::future::try_join_all(ids.iter().map(|id| find(ctx, id))).await
    }
}

async fn find(ctx: &Context<'_>, id: &ID) -> Result<Option<Node>> {
    let (app, actor) = (ctx.app(), ctx.actor());
    actor.signed_in()?;
    let bad = || Error::invalid("id", "this is no id");
    let (kind, name) = split(id).ok_or_else(bad)?;
    let row = || number(&name).ok_or_else(bad);
    let found = match kind.as_str() {
        "Account" => account::get(app, actor, row()?).await.map(|r| Node::Account(r.into())),
        "AccountGroup" => account_group::get(app, actor, row()?).await.map(|r| Node::AccountGroup(r.into())),
        "Announcement" => announcement::get(app, actor, row()?).await.map(|r| Node::Announcement(r.into())),
        "ApiKey" => api_key::get(app, actor, row()?).await.map(|r| Node::ApiKey(r.into())),
        "AuditEntry" => audit::get(app, actor, row()?).await.map(|r| Node::AuditEntry(r.into())),
        "Card" => card::get(app, actor, row()?).await.map(|r| Node::Card(r.into())),
        "LedgerEntry" => wallet::entry(app, actor, row()?).await.map(|r| Node::LedgerEntry(r.into())),
        "Model" => catalog::get_by_id(app, actor, row()?).await.map(|r| Node::Model(r.into())),
        "Order" => order::get(app, actor, &name).await.map(|placed| Node::Order(placed.order.into())),
        "Plan" => plan::get_by_id(app, actor, row()?).await.map(|r| Node::Plan(r.into())),
        "PlanSubscription" => subscription::get(app, actor, row()?).await.map(|r| Node::PlanSubscription(r.into())),
        "Setting" => setting::get(app, actor, &name).map(|s| Node::Setting(s.into())),
        "Task" => task::get_by_id(app, actor, row()?).await.map(|r| Node::Task(r.into())),
        "UsageRecord" => usage::get(app, actor, &name).await.map(|r| Node::UsageRecord(r.into())),
        "User" => user::get(app, actor, row()?).await.map(|r| Node::User(r.into())),
        _ => return Err(bad().into()),
    };
    match found {
        Ok(node) => Ok(Some(node)),
        // Whoever may not see a kind at all learns no more than from a thing that is not there.
        Err(Error::NotFound { .. } | Error::Forbidden { .. }) => Ok(None),
        Err(e) => Err(e.into()),
    }
}
