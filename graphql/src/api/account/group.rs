//! Account groups: what several keys may be bound to at once.

use async_graphql::{ComplexObject, Context, ID, InputObject, Object, SimpleObject};
use schema::model::account_group as model;
use schema::page::{Cursor, Direction};
use schema::service::account_group as service;

use super::{Account, Service};
use crate::context::{Reach, to_admins};
use crate::fault::{Result, UserError, split};
use crate::filter::{joined, search};
use crate::page::{self, Connection};
use crate::scalar::{BigInt, DateTime};
use crate::{count_by, joins, loader, node};

/// Accounts of one service that keys can be bound to together.
#[derive(SimpleObject, Clone)]
#[graphql(complex)]
pub struct AccountGroup {
    /// Opaque id.
    pub id: ID,
    /// The number other faces know this group by.
    pub database_id: BigInt,
    /// The id other faces know this group by.
    pub uid: String,
    /// Its name.
    pub name: String,
    /// The service its members belong to.
    pub platform: String,
    /// What it is for.
    pub description: String,
    /// When it was made.
    pub created_at: DateTime,
    /// When it was last changed.
    pub updated_at: DateTime,
    /// Grows with every change; send it back as `expectedVersion`.
    pub version: BigInt,
    #[graphql(skip)]
    row: i64,
}

impl From<model::AccountGroup> for AccountGroup {
    fn from(row: model::AccountGroup) -> Self {
        Self {
            id: node::id("AccountGroup", row.id),
            database_id: BigInt(row.id),
            uid: row.uid,
            name: row.name,
            platform: row.platform,
            description: row.description,
            created_at: DateTime(row.created_at),
            updated_at: DateTime(row.updated_at),
            version: BigInt(row.version),
            row: row.id,
        }
    }
}

#[ComplexObject]
impl AccountGroup {
    /// Its members, at most 200; `accounts` lists them all by pages.
    async fn accounts(&self, ctx: &Context<'_>) -> Option<Result<Vec<Account>>> {
        let members = match ctx.loaders().load_one(loader::MembersOfGroup(self.row)).await {
            Ok(members) => members.unwrap_or_default(),
            Err(e) => return Some(Err(e.into())),
        };
        let keys = members.iter().take(200).map(|id| loader::AccountById(*id));
        Some(match ctx.loaders().load_many(keys).await {
            Ok(mut found) => {
                let rows = members.iter().filter_map(|id| found.remove(&loader::AccountById(*id)));
                Ok(rows.map(Into::into).collect())
            }
            Err(e) => Err(e.into()),
        })
    }
    /// How many members it has.
    async fn account_count(&self, ctx: &Context<'_>) -> Option<Result<BigInt>> {
        let members = ctx.loaders().load_one(loader::MembersOfGroup(self.row)).await;
        let count = |ids: Option<Vec<i64>>| BigInt(ids.map_or(0, |ids| ids.len() as i64));
        Some(members.map(count).map_err(Into::into))
    }
}

/// Which groups.
#[derive(InputObject, Default)]
pub struct AccountGroupFilter {
    /// Part of the name.
    pub search: Option<String>,
    /// Of this service.
    pub platform: Option<Service>,
    /// Where all of these hold too.
    pub and: Option<Vec<AccountGroupFilter>>,
    /// Where any of these holds too; not an empty list.
    pub or: Option<Vec<AccountGroupFilter>>,
    /// Where this does not hold.
    pub not: Option<Box<AccountGroupFilter>>,
}

joins!(AccountGroupFilter);

#[derive(Default)]
pub struct AccountGroupQuery;

#[Object]
impl AccountGroupQuery {
    /// One account group, for administrators; null when there is none.
    #[graphql(visible = "to_admins")]
    async fn account_group(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] id: ID,
    ) -> Result<Option<AccountGroup>> {
        let row = node::row("AccountGroup", &id, "id")?;
        node::found(service::get(ctx.app(), ctx.actor(), row).await, AccountGroup::from)
    }

    /// Account groups by name; for administrators.
    #[graphql(visible = "to_admins")]
    async fn account_groups(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the start: 1 to 100; 20 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end: 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only these.")] filter: Option<AccountGroupFilter>,
    ) -> Result<Connection<AccountGroup>> {
        let seek = page::seek(first, after, last, before)?;
        let filter = joined(filter.unwrap_or_default(), |filter, _| {
            let platform = filter.platform.map(|s| schema::model::api_key::Service::from(s).as_str().to_owned());
            let search = search(filter.search, "filter.search")?;
            Ok(model::GroupFilter { search, platform, ..model::GroupFilter::default() })
        })?;
        let rows = service::list(ctx.app(), ctx.actor(), &filter, Direction::Asc, &seek).await?;
        let cursor = |g: &model::AccountGroup| Cursor { key: g.cursor_key(), id: g.id };
        Ok(page::connection(rows, cursor, AccountGroup::from).counted(count_by!(service::count, filter)))
    }
}

/// A group to be made.
#[derive(InputObject)]
pub struct AccountGroupCreateInput {
    /// Its name.
    pub name: String,
    /// The service its members belong to; it never changes.
    pub platform: Service,
    /// What it is for.
    pub description: Option<String>,
}

/// What of a group changes. What is absent stays as it is.
#[derive(InputObject)]
pub struct AccountGroupChangeInput {
    /// Which.
    pub id: ID,
    /// Its name.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Refuses the change when the group was changed since this version was read.
    pub expected_version: Option<BigInt>,
}

/// A group.
#[derive(InputObject)]
pub struct AccountGroupInput {
    /// Which.
    pub id: ID,
}

/// A membership.
#[derive(InputObject)]
pub struct AccountGroupMemberInput {
    /// The group.
    pub id: ID,
    /// The account.
    pub account_id: ID,
}

/// The answer to a change of a group.
#[derive(SimpleObject)]
pub struct AccountGroupPayload {
    /// The group after the change; null when refused.
    pub account_group: Option<AccountGroup>,
    /// Why it was refused.
    pub user_errors: Vec<UserError>,
}

/// The answer to a removal.
#[derive(SimpleObject)]
pub struct AccountGroupDeletePayload {
    /// The id of what was removed; null when refused.
    pub deleted_id: Option<ID>,
    /// Why it was refused.
    pub user_errors: Vec<UserError>,
}

fn changed(answer: schema::Result<model::AccountGroup>) -> Result<AccountGroupPayload> {
    let (group, user_errors) = split(answer)?;
    Ok(AccountGroupPayload { account_group: group.map(Into::into), user_errors })
}

async fn membership(ctx: &Context<'_>, input: &AccountGroupMemberInput, member: bool) -> Result<AccountGroupPayload> {
    let group = node::row("AccountGroup", &input.id, "id")?;
    let account = node::row("Account", &input.account_id, "accountId")?;
    let (app, actor) = (ctx.app(), ctx.actor());
    let done = if member {
        service::add_member(app, actor, group, account).await
    } else {
        service::remove_member(app, actor, group, account).await
    };
    match done {
        Ok(()) => changed(service::get(app, actor, group).await),
        Err(e) => changed(Err(e)),
    }
}

#[derive(Default)]
pub struct AccountGroupMutation;

#[Object]
impl AccountGroupMutation {
    /// Makes an account group.
    #[graphql(visible = "to_admins")]
    async fn account_group_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The group.")] input: AccountGroupCreateInput,
    ) -> Result<AccountGroupPayload> {
        let draft = service::GroupDraft {
            name: input.name,
            platform: schema::model::api_key::Service::from(input.platform).as_str().to_owned(),
            description: input.description.unwrap_or_default(),
        };
        changed(service::create(ctx.app(), ctx.actor(), draft).await)
    }

    /// Changes an account group.
    #[graphql(visible = "to_admins")]
    async fn account_group_change(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which, and what changes.")] input: AccountGroupChangeInput,
    ) -> Result<AccountGroupPayload> {
        let row = node::row("AccountGroup", &input.id, "id")?;
        let change = service::GroupChange {
            name: input.name,
            description: input.description,
            expected_version: input.expected_version.map(Into::into),
        };
        changed(service::change(ctx.app(), ctx.actor(), row, change).await)
    }

    /// Removes an account group that has no members.
    #[graphql(visible = "to_admins")]
    async fn account_group_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: AccountGroupInput,
    ) -> Result<AccountGroupDeletePayload> {
        let row = node::row("AccountGroup", &input.id, "id")?;
        let (done, user_errors) = split(service::delete(ctx.app(), ctx.actor(), row).await)?;
        Ok(AccountGroupDeletePayload { deleted_id: done.map(|()| input.id), user_errors })
    }

    /// Makes an account a member of a group.
    #[graphql(visible = "to_admins")]
    async fn account_group_add(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The group and the account.")] input: AccountGroupMemberInput,
    ) -> Result<AccountGroupPayload> {
        membership(ctx, &input, true).await
    }

    /// Ends an account's membership of a group.
    #[graphql(visible = "to_admins")]
    async fn account_group_remove(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The group and the account.")] input: AccountGroupMemberInput,
    ) -> Result<AccountGroupPayload> {
        membership(ctx, &input, false).await
    }
}
