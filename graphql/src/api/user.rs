//! People.

use async_graphql::{ComplexObject, Context, Enum, ID, InputObject, MaybeUndefined, Object, SimpleObject};
use schema::model::user as model;
use schema::page::{Cursor, Direction};
use schema::service::user as service;

use crate::context::{Reach, once, to_admins};
use crate::fault::{Result, UserError, gather, split};
use crate::filter::{Choice, DateTimeFilter, search, span, values};
use crate::page::{self, Connection, OrderDirection};
use crate::scalar::{BigInt, DateTime, Decimal, Json};
use crate::{count_by, loader, node};

use super::api_key::{ApiKey, ApiKeyFilter, ApiKeyOrder};
use super::card::{CardRedemption, CardRedemptionFilter};
use super::ledger::{LedgerEntry, LedgerEntryFilter};
use super::order::{Order, OrderFilter, OrderOrder};
use super::subscription::{HeldPlan, PlanSubscription, PlanSubscriptionFilter};

/// A person who may sign in, with a wallet.
#[derive(SimpleObject, Clone)]
#[graphql(complex)]
pub struct User {
    /// Opaque id.
    pub id: ID,
    /// The number other faces know this person by.
    pub database_id: BigInt,
    /// Name to sign in with.
    pub username: String,
    /// E-mail address.
    pub email: Option<String>,
    /// Whether the address was proved.
    pub email_verified: bool,
    /// Name to show.
    pub display_name: String,
    /// Address of a picture; empty when there is none.
    pub avatar: String,
    /// What this person says of themselves.
    pub bio: String,
    /// What this person may do.
    pub role: Role,
    /// Whether this person may use the service.
    pub status: UserStatus,
    /// Group, which decides over accounts and ratios.
    pub group: String,
    /// Wallet, in US dollars.
    pub balance: Decimal,
    /// Spent on calls so far, in US dollars.
    pub spent: Decimal,
    /// Calls so far.
    pub request_count: BigInt,
    /// Code by which this person invites others.
    pub invitation_code: String,
    /// What the pages remember for this person.
    pub preferences: Json,
    /// When this person was made.
    pub created_at: DateTime,
    /// When this person was last changed.
    pub updated_at: DateTime,
    /// When this person last signed in.
    pub last_login_at: Option<DateTime>,
    /// Grows with every change; send it back as `expectedVersion`.
    pub version: BigInt,
    #[graphql(skip)]
    row: i64,
    #[graphql(skip)]
    remark: String,
    #[graphql(skip)]
    inviter: Option<i64>,
}

impl From<model::User> for User {
    fn from(row: model::User) -> Self {
        Self {
            id: node::id("User", row.id),
            database_id: BigInt(row.id),
            username: row.username,
            email: row.email,
            email_verified: row.email_verified,
            display_name: row.display_name,
            avatar: row.avatar,
            bio: row.bio,
            role: row.role.into(),
            status: row.status.into(),
            group: row.group_name,
            balance: Decimal(row.balance),
            spent: Decimal(row.spent),
            request_count: BigInt(row.request_count),
            invitation_code: row.aff_code,
            preferences: Json(row.prefs.0.into()),
            created_at: DateTime(row.created_at),
            updated_at: DateTime(row.updated_at),
            last_login_at: row.last_login_at.map(DateTime),
            version: BigInt(row.version),
            row: row.id,
            remark: row.remark,
            inviter: row.inviter_id,
        }
    }
}

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

#[ComplexObject]
impl User {
    /// Note of the administrators.
    #[graphql(visible = "to_admins")]
    async fn remark(&self, ctx: &Context<'_>) -> Option<Result<&str>> {
        ctx.for_admins(|| self.remark.as_str())
    }
    /// Who invited this person.
    #[graphql(visible = "to_admins")]
    async fn invited_by(&self, ctx: &Context<'_>) -> Option<Result<User>> {
        let inviter = self.inviter?;
        if let Err(refused) = ctx.for_admins(|| ())? {
            return Some(Err(refused));
        }
        loader::one(ctx, loader::UserById(inviter)).await
    }
    /// What moved this person's wallet, newest first.
    async fn ledger_entries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the start: 1 to 100; 20 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end: 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only these.")] filter: Option<LedgerEntryFilter>,
    ) -> Option<Result<Connection<LedgerEntry>>> {
        Some(super::ledger::list(ctx, Some(self.row), page::seek(first, after, last, before), filter).await)
    }
    /// This person's API keys, newest first unless told otherwise.
    async fn api_keys(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the start: 1 to 100; 20 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end: 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only these.")] filter: Option<ApiKeyFilter>,
        #[graphql(desc = "In this order.")] order_by: Option<ApiKeyOrder>,
    ) -> Option<Result<Connection<ApiKey>>> {
        let seek = page::seek(first, after, last, before);
        Some(super::api_key::list(ctx, Some(self.row), seek, filter, order_by).await)
    }
    /// The plan this person is on now, and what it admits.
    async fn plan(&self, ctx: &Context<'_>) -> Option<Result<HeldPlan>> {
        Some(super::subscription::held(ctx, self.row).await)
    }
    /// This person's subscriptions, newest first.
    async fn subscriptions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the start: 1 to 100; 20 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end: 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only these.")] filter: Option<PlanSubscriptionFilter>,
    ) -> Option<Result<Connection<PlanSubscription>>> {
        let seek = page::seek(first, after, last, before);
        Some(super::subscription::list(ctx, Some(self.row), seek, filter, OrderDirection::Desc).await)
    }
    /// This person's orders, newest first unless told otherwise.
    async fn orders(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the start: 1 to 100; 20 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end: 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only these.")] filter: Option<OrderFilter>,
        #[graphql(desc = "In this order.")] order_by: Option<OrderOrder>,
    ) -> Option<Result<Connection<Order>>> {
        let seek = page::seek(first, after, last, before);
        Some(super::order::list(ctx, Some(self.row), seek, filter, order_by).await)
    }
    /// The cards this person redeemed, newest first.
    async fn card_redemptions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the start: 1 to 100; 20 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end: 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only these.")] filter: Option<CardRedemptionFilter>,
    ) -> Option<Result<Connection<CardRedemption>>> {
        let seek = page::seek(first, after, last, before);
        Some(super::card::redemptions(ctx, Some(self.row), seek, filter).await)
    }
}

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

/// How people are sorted.
#[derive(InputObject)]
pub struct UserOrder {
    /// By what.
    pub field: UserOrderField,
    /// Which way.
    #[graphql(default)]
    pub direction: OrderDirection,
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
        let filter = filter.unwrap_or_default();
        let (created_from, created_until) = span(filter.created_at);
        let filter = model::UserFilter {
            search: search(filter.search, "filter.search")?,
            roles: values(filter.role, "filter.role")?,
            statuses: values(filter.status, "filter.status")?,
            group: search(filter.group, "filter.group")?,
            created_from,
            created_until,
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
        Ok(page::connection(rows, cursor, User::from).counted(count_by!(service::count, filter)))
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
    /// Name to show; the name to sign in with when absent.
    pub display_name: Option<String>,
    /// Role; USER when absent. Only roles below one's own can be given.
    pub role: Option<Role>,
    /// Group; `default` when absent.
    pub group: Option<String>,
    /// What the wallet starts with, in US dollars.
    pub balance: Option<Decimal>,
    /// Note of the administrators.
    pub remark: Option<String>,
    /// Repeating the request with this key makes nobody twice; remembered for a day.
    pub client_mutation_key: Option<String>,
}

/// What of a person changes. What is absent stays as it is.
#[derive(InputObject)]
pub struct UserChangeInput {
    /// Whom.
    pub id: ID,
    /// Name to sign in with.
    pub username: Option<String>,
    /// E-mail address; null removes it.
    pub email: MaybeUndefined<String>,
    /// Name to show.
    pub display_name: Option<String>,
    /// Address of a picture.
    pub avatar: Option<String>,
    /// What this person says of themselves.
    pub bio: Option<String>,
    /// A new password, given by an administrator; ends all of this person's sessions.
    #[graphql(secret)]
    pub password: Option<String>,
    /// Role, for administrators; ends all of this person's sessions.
    pub role: Option<Role>,
    /// Status, for administrators.
    pub status: Option<UserStatus>,
    /// Group, for administrators.
    pub group: Option<String>,
    /// Note, for administrators.
    pub remark: Option<String>,
    /// What the pages are to remember; an object.
    pub preferences: Option<Json>,
    /// Refuses the change when the person was changed since this version was read.
    pub expected_version: Option<BigInt>,
}

/// Whom to remove.
#[derive(InputObject)]
pub struct UserDeleteInput {
    /// Whom.
    pub id: ID,
}

/// Several people to be set to a status.
#[derive(InputObject)]
pub struct UsersSetStatusInput {
    /// Whom; at most 100.
    pub ids: Vec<ID>,
    /// The status.
    pub status: UserStatus,
}

/// The answer to a change of a person.
#[derive(SimpleObject)]
pub struct UserPayload {
    /// The person after the change; null when refused.
    pub user: Option<User>,
    /// Why it was refused.
    pub user_errors: Vec<UserError>,
}

/// The answer to a removal.
#[derive(SimpleObject)]
pub struct UserDeletePayload {
    /// The id of whom was removed; null when refused.
    pub deleted_id: Option<ID>,
    /// Why it was refused.
    pub user_errors: Vec<UserError>,
}

/// The answer to a change of several people, each by itself.
#[derive(SimpleObject)]
pub struct UsersPayload {
    /// Those who were changed, in the order given.
    pub users: Vec<User>,
    /// Why others were not; `index` tells which.
    pub user_errors: Vec<UserError>,
}

/// The answer to a wish for an access token.
#[derive(SimpleObject)]
pub struct AccessTokenPayload {
    /// The token, shown this once; null when refused.
    pub token: Option<String>,
    /// Why it was refused.
    pub user_errors: Vec<UserError>,
}

#[derive(Default)]
pub struct UserMutation;

#[Object]
impl UserMutation {
    /// Makes a person.
    #[graphql(visible = "to_admins")]
    async fn user_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The person.")] input: UserCreateInput,
    ) -> Result<UserPayload> {
        let whole = format!("{} {:?} {:?}", input.username, input.email, input.balance);
        let key = input.client_mutation_key.clone();
        let person = service::NewPerson {
            username: input.username,
            password: Some(input.password),
            email: input.email,
            display_name: input.display_name,
            role: input.role.map(Into::into),
            group: input.group,
            balance: input.balance.map(|b| b.0),
            remark: input.remark,
            ..service::NewPerson::default()
        };
        let made = once(
            ctx,
            "userCreate",
            key.as_deref(),
            &whole,
            async |actor| service::create(ctx.app(), actor, person).await,
            async |thing| service::get(ctx.app(), ctx.actor(), thing.row()?).await,
        );
        let (user, user_errors) = split(made.await)?;
        Ok(UserPayload { user: user.map(User::from), user_errors })
    }

    /// Changes a person: oneself within limits, anybody below one's role for administrators.
    async fn user_change(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What changes.")] input: UserChangeInput,
    ) -> Result<UserPayload> {
        let row = node::row("User", &input.id, "id")?;
        let prefs = match input.preferences.map(Json::into_object) {
            Some(None) => return Err(schema::Error::invalid("preferences", "must be an object").into()),
            prefs => prefs.flatten(),
        };
        let change = service::PersonChange {
            username: input.username,
            email: input.email.into(),
            display_name: input.display_name,
            avatar: input.avatar,
            bio: input.bio,
            password: input.password,
            role: input.role.map(Into::into),
            status: input.status.map(Into::into),
            group: input.group,
            remark: input.remark,
            prefs,
            expected_version: input.expected_version.map(Into::into),
            ..service::PersonChange::default()
        };
        let (user, user_errors) = split(service::change(ctx.app(), ctx.actor(), row, change).await)?;
        Ok(UserPayload { user: user.map(User::from), user_errors })
    }

    /// Sets the status of several people, each by itself.
    #[graphql(visible = "to_admins")]
    async fn users_set_status(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whom, and to what.")] input: UsersSetStatusInput,
    ) -> Result<UsersPayload> {
        let mut answers = Vec::new();
        for row in node::rows("User", &input.ids, "ids", 100)? {
            let change =
                service::PersonChange { status: Some(input.status.into()), ..service::PersonChange::default() };
            answers.push(service::change(ctx.app(), ctx.actor(), row, change).await.map(User::from));
        }
        let (users, user_errors) = gather(answers)?;
        Ok(UsersPayload { users, user_errors })
    }

    /// Removes a person: oneself, or somebody below one's role. Their keys end with them; the ledger stays.
    async fn user_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whom.")] input: UserDeleteInput,
    ) -> Result<UserDeletePayload> {
        let row = node::row("User", &input.id, "id")?;
        let (done, user_errors) = split(service::delete(ctx.app(), ctx.actor(), row).await)?;
        Ok(UserDeletePayload { deleted_id: done.map(|()| input.id), user_errors })
    }

    /// Makes a fresh access token for oneself, in place of the one before: a bearer token without an end,
    /// accepted by every face. Shown this once.
    async fn access_token_create(&self, ctx: &Context<'_>) -> Result<AccessTokenPayload> {
        let (token, user_errors) = split(service::new_access_token(ctx.app(), ctx.actor()).await)?;
        Ok(AccessTokenPayload { token, user_errors })
    }
}
