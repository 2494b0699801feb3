//! Making, changing and removing people.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, SimpleObject};
use schema::service::user as service;

use super::{Role, User, UserStatus};
use crate::context::{Reach, once, to_admins};
use crate::fault::{Result, UserError, gather, split};
use crate::node;
use crate::scalar::{BigInt, Decimal, Json};

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

/// Several people to be removed.
#[derive(InputObject)]
pub struct UsersDeleteInput {
    /// Whom; at most 100.
    pub ids: Vec<ID>,
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

/// The answer to a removal of several people, each by itself.
#[derive(SimpleObject)]
pub struct UsersDeletePayload {
    /// The ids of those who were removed.
    pub deleted_ids: Vec<ID>,
    /// Why others were not; `index` tells which.
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

/// A wish for an access token.
#[derive(InputObject)]
pub struct AccessTokenCreateInput {
    /// Repeating the request with this key gives the same token again, not another; remembered for a day.
    pub client_mutation_key: Option<String>,
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
        // Only a digest of it is kept.
        let whole = format!(
            "{:?}",
            (
                (&input.username, &input.password, &input.email, &input.display_name),
                (input.role, &input.group, input.balance, &input.remark),
            )
        );
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
        ctx.actor().may(schema::Act::ManagePeople)?;
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

    /// Removes several people, each by itself.
    #[graphql(visible = "to_admins")]
    async fn users_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whom.")] input: UsersDeleteInput,
    ) -> Result<UsersDeletePayload> {
        ctx.actor().may(schema::Act::ManagePeople)?;
        let mut answers = Vec::new();
        for row in node::rows("User", &input.ids, "ids", 100)? {
            answers.push(service::delete(ctx.app(), ctx.actor(), row).await.map(|()| node::id("User", row)));
        }
        let (deleted_ids, user_errors) = gather(answers)?;
        Ok(UsersDeletePayload { deleted_ids, user_errors })
    }

    /// Makes a fresh access token for oneself, in place of the one before: a bearer token without an end,
    /// accepted by every face. Shown this once.
    async fn access_token_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How, if it matters.")] input: Option<AccessTokenCreateInput>,
    ) -> Result<AccessTokenPayload> {
        let key = input.and_then(|input| input.client_mutation_key);
        let (token, user_errors) = split(service::new_access_token_once(ctx.app(), ctx.actor(), key.as_deref()).await)?;
        Ok(AccessTokenPayload { token, user_errors })
    }
}
