//! Anything by its opaque id. Each kind goes through the same service, and so the same rules, as its own
//! root field.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use async_graphql::{Context, ID, Interface, Object};
use schema::Error;
use schema::service::{
    account, account_group, announcement, api_key, audit, card, catalog, export, order, plan, request_log, setting,
    subscription, task, usage, user, wallet,
};

use super::account::{Account, AccountEvent, AccountGroup};
use super::announcement::Announcement;
use super::api_key::ApiKey;
use super::audit::AuditEntry;
use super::card::{Card, CardRedemption};
use super::export::Export;
use super::ledger::LedgerEntry;
use super::model::Model;
use super::order::{Order, PaymentEvent};
use super::plan::Plan;
use super::request_log::RequestLog;
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
    AccountEvent(AccountEvent),
    AccountGroup(AccountGroup),
    Announcement(Announcement),
    ApiKey(ApiKey),
    AuditEntry(AuditEntry),
    Card(Card),
    CardRedemption(CardRedemption),
    Export(Export),
    LedgerEntry(LedgerEntry),
    Model(Model),
    Order(Order),
    PaymentEvent(PaymentEvent),
    Plan(Plan),
    PlanSubscription(PlanSubscription),
    RequestLog(RequestLog),
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
        Ok(find(ctx, &[id]).await?.pop().flatten())
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
        find(ctx, &ids).await
    }
}

/// The places of an answer that wait for things of one kind, and the names these have.
#[derive(Default)]
struct Wanted {
    places: Vec<usize>,
    names: Vec<String>,
}

impl Wanted {
    /// The names as numbers of rows.
    fn rows(&self) -> Result<Vec<i64>> {
        self.names.iter().map(|name| number(name).ok_or_else(|| bad().into())).collect()
    }

    /// Puts what was found where it was asked for. Whoever may not see a kind at all learns no more than from
    /// things that are not there.
    fn put<K: Eq + Hash, R: Clone>(
        &self,
        found: schema::Result<Vec<R>>,
        keys: &[K],
        key: impl Fn(&R) -> K,
        wrap: impl Fn(R) -> Node,
        out: &mut [Option<Node>],
    ) -> Result<()> {
        let rows = match found {
            Ok(rows) => rows,
            Err(Error::NotFound { .. } | Error::Forbidden { .. }) => return Ok(()),
            Err(e) => return Err(e.into()),
        };
        let rows: HashMap<K, R> = rows.into_iter().map(|row| (key(&row), row)).collect();
        for (place, key) in self.places.iter().zip(keys) {
            out[*place] = rows.get(key).cloned().map(&wrap);
        }
        Ok(())
    }
}

fn bad() -> Error {
    Error::invalid("id", "this is no id")
}

/// The things of some ids: one question a kind, whatever their number.
async fn find(ctx: &Context<'_>, ids: &[ID]) -> Result<Vec<Option<Node>>> {
    let (app, actor) = (ctx.app(), ctx.actor());
    actor.signed_in()?;
    let mut asked: BTreeMap<String, Wanted> = BTreeMap::new();
    for (place, id) in ids.iter().enumerate() {
        let (kind, name) = split(id).ok_or_else(bad)?;
        let wanted = asked.entry(kind).or_default();
        wanted.places.push(place);
        wanted.names.push(name);
    }
    let mut out: Vec<Option<Node>> = ids.iter().map(|_| None).collect();
    for (kind, wanted) in &asked {
        macro_rules! by_row {
            ($several:path, $node:ident) => {{
                let rows = wanted.rows()?;
                wanted.put($several(app, actor, &rows).await, &rows, |r| r.id, |r| Node::$node(r.into()), &mut out)?
            }};
        }
        let names = &wanted.names;
        match kind.as_str() {
            "Account" => by_row!(account::several, Account),
            "AccountEvent" => by_row!(account::several_events, AccountEvent),
            "AccountGroup" => by_row!(account_group::several, AccountGroup),
            "Announcement" => by_row!(announcement::several, Announcement),
            "ApiKey" => by_row!(api_key::several, ApiKey),
            "AuditEntry" => by_row!(audit::several, AuditEntry),
            "Card" => by_row!(card::several, Card),
            "CardRedemption" => by_row!(card::several_redemptions, CardRedemption),
            "Export" => by_row!(export::several, Export),
            "LedgerEntry" => by_row!(wallet::several, LedgerEntry),
            "Model" => by_row!(catalog::several, Model),
            "PaymentEvent" => by_row!(order::several_payment_events, PaymentEvent),
            "Plan" => by_row!(plan::several, Plan),
            "PlanSubscription" => by_row!(subscription::several, PlanSubscription),
            "RequestLog" => by_row!(request_log::several, RequestLog),
            "Task" => by_row!(task::several, Task),
            "User" => by_row!(user::several, User),
            "Order" => {
                let found = order::several(app, actor, names).await;
                wanted.put(found, names, |r| r.no.clone(), |r| Node::Order(r.into()), &mut out)?;
            }
            "UsageRecord" => {
                let found = usage::several(app, actor, names).await;
                wanted.put(found, names, |r| r.call_id.clone(), |r| Node::UsageRecord(r.into()), &mut out)?;
            }
            "Setting" => {
                let found = names.iter().filter_map(|name| setting::get(app, actor, name).ok()).collect();
                let name = |shown: &setting::Shown| shown.definition.name.to_owned();
                wanted.put(Ok(found), names, name, |shown| Node::Setting(shown.into()), &mut out)?;
            }
            _ => return Err(bad().into()),
        }
    }
    Ok(out)
}
