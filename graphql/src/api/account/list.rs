//! Finding accounts.

use async_graphql::{Context, Enum, ID, InputObject, Object};
use schema::model::account as model;
use schema::model::nested::Nested;
use schema::page::{Cursor, Direction, Seek};
use schema::service::{account as service, nested as lists};

use super::{Account, AccountEvent, AccountHealth, AccountKind, AccountSharing, event_cursor};
use crate::context::{Reach, to_admins};
use crate::fault::Result;
use crate::filter::{Choice, DateTimeFilter, joined, search, span, values};
use crate::page::{self, Connection, OrderDirection};
use crate::{count_by, joins, loader, nested, node};

/// Which accounts.
#[derive(InputObject, Default)]
pub struct AccountFilter {
    /// Part of the name or the address.
    pub search: Option<String>,
    /// Of this kind.
    pub kind: Option<Choice<AccountKind>>,
    /// Members of this account group.
    pub account_group_id: Option<ID>,
    /// True for members of no account group.
    pub ungrouped: Option<bool>,
    /// Serving this user group by name.
    pub user_group: Option<String>,
    /// In this health.
    pub health: Option<AccountHealth>,
    /// Switched on, or off.
    pub enabled: Option<bool>,
    /// That may be chosen, or may not.
    pub schedulable: Option<bool>,
    /// Shared like this.
    pub sharing: Option<AccountSharing>,
    /// With this tag.
    pub tag: Option<String>,
    /// Listing this model.
    pub model: Option<String>,
    /// Whose token ends within this span; only its end counts.
    pub token_expires_at: Option<DateTimeFilter>,
    /// Where all of these hold too.
    pub and: Option<Vec<AccountFilter>>,
    /// Where any of these holds too; not an empty list.
    pub or: Option<Vec<AccountFilter>>,
    /// Where this does not hold.
    pub not: Option<Box<AccountFilter>>,
}

joins!(AccountFilter);

/// By what accounts can be sorted.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
pub enum AccountOrderField {
    /// When they were added.
    CreatedAt,
    /// Their names.
    Name,
    /// Their priority.
    Priority,
    /// When they were last used.
    LastUsedAt,
    /// What was spent on them.
    Spent,
}

/// How accounts are sorted.
#[derive(InputObject)]
pub struct AccountOrder {
    /// By what.
    pub field: AccountOrderField,
    /// Which way.
    #[graphql(default)]
    pub direction: OrderDirection,
}

/// The filter as the service means it.
fn filtered(filter: AccountFilter) -> Result<model::AccountFilter> {
    joined(filter, |filter, _| {
        let group = node::row_if("AccountGroup", filter.account_group_id.as_ref(), "filter.accountGroupId")?;
        let account_group = match (group, filter.ungrouped) {
            (Some(group), None | Some(false)) => Some(Some(group)),
            (None, Some(true)) => Some(None),
            (None, _) => None,
            _ => return Err(schema::Error::invalid("filter.ungrouped", "a group and none exclude each other").into()),
        };
        let (from, token_expires_until) = span(filter.token_expires_at);
        if from.is_some() {
            return Err(schema::Error::invalid("filter.tokenExpiresAt", "only lt and lte can be compared").into());
        }
        Ok(model::AccountFilter {
            search: search(filter.search, "filter.search")?,
            kinds: values(filter.kind, "filter.kind")?,
            account_group,
            user_group: search(filter.user_group, "filter.userGroup")?,
            health: filter.health.map(Into::into),
            enabled: filter.enabled,
            schedulable: filter.schedulable,
            sharing: filter.sharing.map(Into::into),
            tag: search(filter.tag, "filter.tag")?,
            model: search(filter.model, "filter.model")?,
            token_expires_until,
            ..model::AccountFilter::default()
        })
    })
}

/// What happened to one account's health, or to all.
pub async fn events(ctx: &Context<'_>, account: Option<i64>, seek: Result<Seek>) -> Result<Connection<AccountEvent>> {
    if let (Some(account), true) = (account, nested::is_first(&seek)) {
        let (list, key) = (Nested::EventsOfAccount, loader::AccountEventById);
        return nested::newest(ctx, list, account, seek?.take, key, event_cursor).await;
    }
    if let Some(account) = account {
        return nested::page(ctx, lists::AccountEvents, account, seek?, event_cursor).await;
    }
    let rows = service::events(ctx.app(), ctx.actor(), account, &seek?).await?;
    Ok(page::connection(rows, event_cursor, AccountEvent::from))
}

#[derive(Default)]
pub struct AccountQuery;

#[Object]
impl AccountQuery {
    /// One account, for administrators; null when there is none.
    #[graphql(visible = "to_admins")]
    async fn account(&self, ctx: &Context<'_>, #[graphql(desc = "Which.")] id: ID) -> Result<Option<Account>> {
        let row = node::row("Account", &id, "id")?;
        node::found(service::get(ctx.app(), ctx.actor(), row).await, Account::from)
    }

    /// Accounts, newest first unless told otherwise; for administrators.
    #[graphql(visible = "to_admins")]
    async fn accounts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the start: 1 to 100; 20 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end: 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only these.")] filter: Option<AccountFilter>,
        #[graphql(desc = "In this order.")] order_by: Option<AccountOrder>,
    ) -> Result<Connection<Account>> {
        let seek = page::seek(first, after, last, before)?;
        let filter = filtered(filter.unwrap_or_default())?;
        let order = order_by.map_or((model::AccountOrder::CreatedAt, Direction::Desc), |o| {
            let field = match o.field {
                AccountOrderField::CreatedAt => model::AccountOrder::CreatedAt,
                AccountOrderField::Name => model::AccountOrder::Name,
                AccountOrderField::Priority => model::AccountOrder::Priority,
                AccountOrderField::LastUsedAt => model::AccountOrder::LastUsedAt,
                AccountOrderField::Spent => model::AccountOrder::Spent,
            };
            (field, o.direction.into())
        });
        let rows = service::list(ctx.app(), ctx.actor(), &filter, order, &seek).await?;
        let cursor = |a: &model::Account| Cursor { key: a.cursor_key(order.0), id: a.id };
        Ok(page::connection(rows, cursor, Account::from).counted(count_by!(service::count, filter)))
    }

    /// What happened to accounts' health, newest first; for administrators.
    #[graphql(visible = "to_admins")]
    async fn account_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the start: 1 to 100; 20 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end: 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "Of this account.")] account_id: Option<ID>,
    ) -> Result<Connection<AccountEvent>> {
        let account = node::row_if("Account", account_id.as_ref(), "accountId")?;
        events(ctx, account, page::seek(first, after, last, before)).await
    }

    /// The tags of accounts in use; for administrators.
    #[graphql(visible = "to_admins")]
    async fn account_tags(&self, ctx: &Context<'_>) -> Result<Vec<String>> {
        Ok(service::tags(ctx.app(), ctx.actor()).await?)
    }
}
