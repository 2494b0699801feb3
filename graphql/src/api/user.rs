//! People.

use async_graphql::connection::Connection;
use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use schema::model::user as model;
use schema::page::{Cursor, Direction};
use schema::service::user as service;

use crate::context::{Reach, to_admins};
use crate::fault::{Result, UserError, split};
use crate::scalar::{BigInt, DateTime, Decimal};
use crate::{node, page};

/// A person who may sign in, with a wallet.
pub struct User(pub model::User);

/// What a person may do.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
#[graphql(remote = "schema::Role")]
pub enum Role {
    /// Calls models and manages their own things.
    User,
    /// Manages other people's things.
    Admin,
    /// Manages everything, the system's settings included.
    SuperAdmin,
}

/// Whether a person may use the service.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
#[graphql(remote = "model::UserStatus")]
pub enum UserStatus {
    /// May.
    Active,
    /// Switched off.
    Inactive,
    /// Barred.
    Suspended,
}

/// A person who may sign in, with a wallet.
#[Object]
impl User {
    /// Opaque id.
    async fn id(&self) -> ID {
        node::id("User", self.0.id)
    }
    /// The number other faces know this person by.
    async fn database_id(&self) -> BigInt {
        BigInt(self.0.id)
    }
    /// Name to sign in with.
    async fn username(&self) -> &str {
        &self.0.username
    }
    /// E-mail address.
    async fn email(&self) -> Option<&str> {
        self.0.email.as_deref()
    }
    /// Name to show.
    async fn display_name(&self) -> &str {
        &self.0.display_name
    }
    /// What this person may do.
    async fn role(&self) -> Role {
        self.0.role.into()
    }
    /// Whether this person may use the service.
    async fn status(&self) -> UserStatus {
        self.0.status.into()
    }
    /// Group, which decides over accounts and ratios.
    async fn group(&self) -> &str {
        &self.0.group_name
    }
    /// Wallet, in US dollars.
    async fn balance(&self) -> Decimal {
        Decimal(self.0.balance)
    }
    /// Spent on calls so far, in US dollars.
    async fn spent(&self) -> Decimal {
        Decimal(self.0.spent)
    }
    /// Calls so far.
    async fn request_count(&self) -> BigInt {
        BigInt(self.0.request_count)
    }
    /// Code by which this person invites others.
    async fn invitation_code(&self) -> &str {
        &self.0.aff_code
    }
    /// Note for administrators.
    #[graphql(visible = "to_admins")]
    async fn remark(&self, ctx: &Context<'_>) -> Option<&str> {
        ctx.actor().is_admin().then_some(&self.0.remark)
    }
    /// When this person was made.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }
    /// When this person was last changed.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.updated_at)
    }
    /// When this person last signed in.
    async fn last_login_at(&self) -> Option<DateTime> {
        self.0.last_login_at.map(DateTime)
    }
    /// Grows with every change; send it back as `expectedVersion`.
    async fn version(&self) -> BigInt {
        BigInt(self.0.version)
    }
}

/// Which people.
#[derive(InputObject, Default)]
pub struct UserFilter {
    /// Part of the name, the e-mail address or the shown name.
    #[graphql(validator(max_length = 100))]
    pub search: Option<String>,
    /// Of this role.
    pub role: Option<Role>,
    /// Of this status.
    pub status: Option<UserStatus>,
    /// In this group.
    #[graphql(validator(max_length = 64))]
    pub group: Option<String>,
    /// Made at or after this moment.
    pub created_from: Option<DateTime>,
    /// Made before this moment.
    pub created_until: Option<DateTime>,
}

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

/// Which way a list runs.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
pub enum OrderDirection {
    /// Small to large, old to new.
    Asc,
    /// Large to small, new to old.
    Desc,
}

impl From<OrderDirection> for Direction {
    fn from(direction: OrderDirection) -> Self {
        match direction {
            OrderDirection::Asc => Self::Asc,
            OrderDirection::Desc => Self::Desc,
        }
    }
}

/// How people are sorted.
#[derive(InputObject)]
pub struct UserOrder {
    /// By what.
    pub field: UserOrderField,
    /// Which way.
    pub direction: OrderDirection,
}

/// The count of a whole list, worked out only when asked for.
pub struct UserTotals(model::UserFilter);

#[Object]
impl UserTotals {
    /// How many there are on all pages.
    async fn total_count(&self, ctx: &Context<'_>) -> Option<Result<BigInt>> {
        Some(service::count(ctx.app(), ctx.actor(), &self.0).await.map(BigInt).map_err(Into::into))
    }
}

#[derive(Default)]
pub struct UserQuery;

#[Object]
impl UserQuery {
    /// The person who asks.
    async fn viewer(&self, ctx: &Context<'_>) -> Result<User> {
        let id = ctx.actor().signed_in()?;
        Ok(User(service::get(ctx.app(), ctx.actor(), id).await?))
    }

    /// One person; null when there is none, or none for you.
    async fn user(&self, ctx: &Context<'_>, id: ID) -> Result<Option<User>> {
        let row = node::row("User", &id, "id")?;
        match service::get(ctx.app(), ctx.actor(), row).await {
            Ok(user) => Ok(Some(User(user))),
            Err(schema::Error::NotFound { .. }) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// All people, for administrators.
    #[graphql(visible = "to_admins")]
    async fn users(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        filter: Option<UserFilter>,
        order_by: Option<UserOrder>,
    ) -> Result<Connection<String, User, UserTotals>> {
        let seek = page::seek(first, after, last, before)?;
        let filter = filter.unwrap_or_default();
        let filter = model::UserFilter {
            search: filter.search,
            role: filter.role.map(Into::into),
            status: filter.status.map(Into::into),
            group: filter.group,
            created_from: filter.created_from.map(|t| t.0),
            created_until: filter.created_until.map(|t| t.0),
            ..model::UserFilter::default()
        };
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
        Ok(page::connection(rows, UserTotals(filter), cursor, User))
    }
}

/// A person to be made.
#[derive(InputObject)]
pub struct UserCreateInput {
    /// Name to sign in with.
    pub username: String,
    /// 8 to 128 characters.
    #[graphql(secret)]
    pub password: String,
    /// E-mail address.
    pub email: Option<String>,
    /// Name to show.
    pub display_name: Option<String>,
    /// Role; USER when absent.
    pub role: Option<Role>,
    /// Group; `default` when absent.
    pub group: Option<String>,
    /// What the wallet starts with, in US dollars.
    pub balance: Option<Decimal>,
}

/// The answer to a change of a person.
#[derive(SimpleObject)]
pub struct UserPayload {
    /// The person after the change; null when refused.
    pub user: Option<User>,
    /// Why it was refused.
    pub user_errors: Vec<UserError>,
}

#[derive(Default)]
pub struct UserMutation;

#[Object]
impl UserMutation {
    /// Makes a person.
    #[graphql(visible = "to_admins")]
    async fn user_create(&self, ctx: &Context<'_>, input: UserCreateInput) -> Result<UserPayload> {
        let person = service::NewPerson {
            username: input.username,
            password: Some(input.password),
            email: input.email,
            display_name: input.display_name,
            role: input.role.map(Into::into),
            group: input.group,
            balance: input.balance.map(|b| b.0),
            ..service::NewPerson::default()
        };
        let (user, user_errors) = split(service::create(ctx.app(), ctx.actor(), person).await)?;
        Ok(UserPayload { user: user.map(User), user_errors })
    }
}
