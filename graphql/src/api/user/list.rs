//! Finding people.

use async_graphql::{Context, Enum, ID, InputObject, Object};
use schema::model::user as model;
use schema::page::{Cursor, Direction};
use schema::service::user as service;

use super::{Role, User, UserStatus};
use crate::context::{Reach, to_admins};
use crate::fault::Result;
use crate::filter::{Choice, DateTimeFilter, joined, search, span, values};
use crate::page::{self, Connection, OrderDirection};
use crate::{count_by, joins, node};

/// Which people.
#[derive(InputObject, Default)]
pub struct UserFilter {
    /// Part of the name, the e-mail address or the shown name.
    pub search: Option<String>,
    /// Of this role.
    pub role: Option<Choice<Role>>,
    /// Of this status.
    pub status: Option<Choice<UserStatus>>,
    /// In this group.
    pub group: Option<String>,
    /// Made within this span.
    pub created_at: Option<DateTimeFilter>,
    /// Where all of these hold too.
    pub and: Option<Vec<UserFilter>>,
    /// Where any of these holds too; not an empty list.
    pub or: Option<Vec<UserFilter>>,
    /// Where this does not hold.
    pub not: Option<Box<UserFilter>>,
}

joins!(UserFilter);

/// By what people can be sorted.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
pub enum UserOrderField {
    /// When they were made.
    CreatedAt,
    /// Name to sign in with.
    Username,
    /// Wallet.
    Balance,
}

/// How people are sorted.
#[derive(InputObject)]
pub struct UserOrder {
    /// By what.
    pub field: UserOrderField,
    /// Which way.
    #[graphql(default)]
    pub direction: OrderDirection,
}

/// The filter as the service means it.
pub fn filtered(filter: UserFilter) -> Result<model::UserFilter> {
    joined(filter, |filter, _| {
        let (created_from, created_until) = span(filter.created_at);
        Ok(model::UserFilter {
            search: search(filter.search, "filter.search")?,
            roles: values(filter.role, "filter.role")?,
            statuses: values(filter.status, "filter.status")?,
            group: search(filter.group, "filter.group")?,
            created_from,
            created_until,
            ..model::UserFilter::default()
        })
    })
}

#[derive(Default)]
pub struct UserQuery;

#[Object]
impl UserQuery {
    /// The person who asks.
    async fn viewer(&self, ctx: &Context<'_>) -> Result<User> {
        let id = ctx.actor().signed_in()?;
        Ok(service::get(ctx.app(), ctx.actor(), id).await?.into())
    }

    /// One person; null when there is none, or none for you.
    async fn user(&self, ctx: &Context<'_>, #[graphql(desc = "Whose.")] id: ID) -> Result<Option<User>> {
        let row = node::row("User", &id, "id")?;
        node::found(service::get(ctx.app(), ctx.actor(), row).await, User::from)
    }

    /// All people, for administrators; newest first unless told otherwise.
    #[graphql(visible = "to_admins")]
    async fn users(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the start: 1 to 100; 20 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end: 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only these.")] filter: Option<UserFilter>,
        #[graphql(desc = "In this order.")] order_by: Option<UserOrder>,
    ) -> Result<Connection<User>> {
        let seek = page::seek(first, after, last, before)?;
        let filter = filtered(filter.unwrap_or_default())?;
        let order = order_by.map_or((model::UserOrder::CreatedAt, Direction::Desc), |o| {
            let field = match o.field {
                UserOrderField::CreatedAt => model::UserOrder::CreatedAt,
                UserOrderField::Username => model::UserOrder::Username,
                UserOrderField::Balance => model::UserOrder::Balance,
            };
            (field, o.direction.into())
        });
        let rows = service::list(ctx.app(), ctx.actor(), &filter, order, &seek).await?;
        let cursor = |u: &model::User| Cursor { key: u.cursor_key(order.0), id: u.id };
        Ok(page::connection(rows, cursor, User::from).counted(count_by!(service::count, filter)))
    }
}
