//! Finding keys.

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use schema::Time;
use schema::model::api_key as model;
use schema::model::joined::Composed;
use schema::model::nested::Nested;
use schema::page::{Cursor, Direction, Seek};
use schema::service::{api_key as service, nested as lists};

use super::{ApiKey, ApiKeyState};
use crate::api::account::Service;
use crate::context::Reach;
use crate::fault::Result;
use crate::filter::{DateTimeFilter, Place, joined, search, span};
use crate::page::{self, Connection, OrderDirection};
use crate::scalar::BigInt;
use crate::{count_by, joins, loader, nested, node};

/// Which keys.
#[derive(InputObject, Default)]
pub struct ApiKeyFilter {
    /// Part of the name, the masked key or the owner's name; or a whole key.
    pub search: Option<String>,
    /// Of this person; for administrators.
    pub owner_id: Option<ID>,
    /// Standing like this. `DELETED` finds the deleted, for administrators.
    pub state: Option<ApiKeyState>,
    /// With any of these tags.
    pub tags: Option<Vec<String>>,
    /// That may call this service.
    pub service: Option<Service>,
    /// Using this group.
    pub group: Option<String>,
    /// Made through this face.
    pub source: Option<String>,
    /// Ending within this span.
    pub expires_at: Option<DateTimeFilter>,
    /// Made within this span.
    pub created_at: Option<DateTimeFilter>,
    /// Bound to this account.
    pub account_id: Option<ID>,
    /// Bound to this account group.
    pub account_group_id: Option<ID>,
    /// That called any of these models.
    pub used_models: Option<Vec<String>>,
    /// Where all of these hold too.
    pub and: Option<Vec<ApiKeyFilter>>,
    /// Where any of these holds too; not an empty list.
    pub or: Option<Vec<ApiKeyFilter>>,
    /// Where this does not hold.
    pub not: Option<Box<ApiKeyFilter>>,
}

joins!(ApiKeyFilter);

/// By what keys can be sorted.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
pub enum ApiKeyOrderField {
    /// When they were made.
    CreatedAt,
    /// Their names.
    Name,
    /// When they end; those without an end come last.
    ExpiresAt,
    /// When they were last used.
    LastUsedAt,
    /// What they spent.
    Spent,
}

/// How keys are sorted.
#[derive(InputObject)]
pub struct ApiKeyOrder {
    /// By what.
    pub field: ApiKeyOrderField,
    /// Which way.
    #[graphql(default)]
    pub direction: OrderDirection,
}

/// A tag and how many keys carry it.
#[derive(SimpleObject)]
pub struct ApiKeyTag {
    /// The word.
    pub name: String,
    /// How many keys carry it.
    pub key_count: BigInt,
}

fn words(list: Option<Vec<String>>, field: &str) -> Result<Vec<String>> {
    let list = list.unwrap_or_default();
    if list.len() > 20 || list.iter().any(|w| w.len() > 200 || w.contains('\0')) {
        return Err(schema::Error::invalid(field, "at most 20 words of at most 200 characters").into());
    }
    Ok(list)
}

/// The filter as the service means it, for one person's keys or all; states are those of a moment.
pub fn filtered(owner: Option<i64>, filter: ApiKeyFilter, now: Time) -> Result<model::KeyFilter> {
    let mut whole = joined(filter, |filter, place| {
        let (expires_from, expires_until) = span(filter.expires_at);
        let (created_from, created_until) = span(filter.created_at);
        let named = node::row_if("User", filter.owner_id.as_ref(), "filter.ownerId")?;
        if owner.is_some() && named.is_some() && owner != named {
            return Err(schema::Error::invalid("filter.ownerId", "this list is of one person's keys").into());
        }
        Ok(model::KeyFilter {
            search: search(filter.search, "filter.search")?,
            user_id: if place == Place::Whole { owner.or(named) } else { named },
            state: filter.state.map(|s| (s.into(), now)),
            deleted: match (filter.state, place) {
                (Some(ApiKeyState::Deleted), _) => model::Deleted::Only,
                // Whether the list has deleted keys is said by the whole.
                (None, Place::Part) => model::Deleted::With,
                _ => model::Deleted::Without,
            },
            tags: words(filter.tags, "filter.tags")?,
            permission: filter.service.map(Into::into),
            group: search(filter.group, "filter.group")?,
            source: search(filter.source, "filter.source")?,
            expires_from,
            expires_until,
            created_from,
            created_until,
            bound_account: node::row_if("Account", filter.account_id.as_ref(), "filter.accountId")?,
            bound_group: node::row_if("AccountGroup", filter.account_group_id.as_ref(), "filter.accountGroupId")?,
            used_models: words(filter.used_models, "filter.usedModels")?,
            ..model::KeyFilter::default()
        })
    })?;
    if whole.state.is_none() && whole.any(&|part| part.deleted == model::Deleted::Only) {
        whole.deleted = model::Deleted::With;
    }
    Ok(whole)
}

/// Keys by cursor: one's own, or anybody's for administrators.
pub async fn list(
    ctx: &Context<'_>,
    owner: Option<i64>,
    seek: Result<Seek>,
    filter: Option<ApiKeyFilter>,
    order: Option<ApiKeyOrder>,
) -> Result<Connection<ApiKey>> {
    if let (Some(owner), true) = (owner, filter.is_none() && order.is_none() && nested::is_first(&seek)) {
        return nested::newest(ctx, Nested::KeysOfUser, owner, seek?.take, loader::ApiKeyById, |k: &model::ApiKey| {
            Cursor { key: k.cursor_key(model::KeyOrder::CreatedAt), id: k.id }
        })
        .await;
    }
    let seek = seek?;
    let now = ctx.app().clock.now();
    // The keys of many owners are read together, and for that stand at one moment: the beginning of the second.
    let now = if owner.is_some() { now.plus(-now.0.rem_euclid(1_000)) } else { now };
    let filter = filtered(owner, filter.unwrap_or_default(), now)?;
    let order = order.map_or((model::KeyOrder::CreatedAt, Direction::Desc), |o| {
        let field = match o.field {
            ApiKeyOrderField::CreatedAt => model::KeyOrder::CreatedAt,
            ApiKeyOrderField::Name => model::KeyOrder::Name,
            ApiKeyOrderField::ExpiresAt => model::KeyOrder::ExpiresAt,
            ApiKeyOrderField::LastUsedAt => model::KeyOrder::LastUsedAt,
            ApiKeyOrderField::Spent => model::KeyOrder::Spent,
        };
        (field, o.direction.into())
    });
    let cursor = |k: &model::ApiKey| Cursor { key: k.cursor_key(order.0), id: k.id };
    if let Some(owner) = owner {
        let filter = model::KeyFilter { user_id: None, ..filter };
        return nested::page(ctx, lists::Keys { filter, order }, owner, seek, cursor).await;
    }
    let rows = service::list(ctx.app(), ctx.actor(), &filter, order, &seek).await?;
    Ok(page::connection(rows, cursor, ApiKey::from).counted(count_by!(service::count, filter)))
}

#[derive(Default)]
pub struct ApiKeyQuery;

#[Object]
impl ApiKeyQuery {
    /// One key; null when there is none, or none for you.
    async fn api_key(&self, ctx: &Context<'_>, #[graphql(desc = "Which.")] id: ID) -> Result<Option<ApiKey>> {
        let row = node::row("ApiKey", &id, "id")?;
        node::found(service::get(ctx.app(), ctx.actor(), row).await, ApiKey::from)
    }

    /// Keys, newest first unless told otherwise: one's own, or everybody's for administrators.
    async fn api_keys(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the start: 1 to 100; 20 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end: 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only these.")] filter: Option<ApiKeyFilter>,
        #[graphql(desc = "In this order.")] order_by: Option<ApiKeyOrder>,
    ) -> Result<Connection<ApiKey>> {
        list(ctx, None, page::seek(first, after, last, before), filter, order_by).await
    }

    /// The tags in use: of one's own keys, or of everybody's for administrators.
    async fn api_key_tags(&self, ctx: &Context<'_>) -> Result<Vec<ApiKeyTag>> {
        let tags = service::tags(ctx.app(), ctx.actor()).await?;
        Ok(tags.into_iter().map(|(name, count)| ApiKeyTag { name, key_count: BigInt(count) }).collect())
    }
}
