//! Signing in and out, registering, and one's own password.

use async_graphql::{Context, InputObject, Object, SimpleObject};
use schema::service::{session, user as people};
use schema::{Error, Role};

use super::user::User;
use crate::context::Reach;
use crate::fault::{Result, UserError, UserErrorCode, split};
use crate::scalar::DateTime;

/// Whom to sign in.
#[derive(InputObject)]
pub struct SignInInput {
    /// Name or e-mail address.
    pub username: String,
    /// The password.
    #[graphql(secret)]
    pub password: String,
    /// True to be given a refresh token too, good for thirty days.
    #[graphql(default)]
    pub remember: bool,
}

/// A refresh token to be exchanged.
#[derive(InputObject)]
pub struct RefreshSessionInput {
    /// The token as it was given; it can be used once.
    #[graphql(secret)]
    pub refresh_token: String,
}

/// Somebody who registers.
#[derive(InputObject)]
pub struct RegisterInput {
    /// Name to sign in with.
    pub username: String,
    /// 8 to 128 characters.
    #[graphql(secret)]
    pub password: String,
    /// E-mail address.
    pub email: Option<String>,
    /// Name to show; the name to sign in with when absent.
    pub display_name: Option<String>,
    /// The code of whoever invited them.
    pub invitation_code: Option<String>,
}

/// One's own new password.
#[derive(InputObject)]
pub struct ChangePasswordInput {
    /// The password of now.
    #[graphql(secret)]
    pub current_password: String,
    /// The new one, 8 to 128 characters.
    #[graphql(secret)]
    pub new_password: String,
}

/// The answer to a sign-in.
#[derive(SimpleObject, Default)]
pub struct SignInPayload {
    /// Bearer token for further requests; null when refused.
    pub token: Option<String>,
    /// When the token ends.
    pub expires_at: Option<DateTime>,
    /// To be exchanged for the next token by `refreshSession`; when it was asked for.
    pub refresh_token: Option<String>,
    /// Who signed in.
    pub user: Option<User>,
    /// Why it was refused.
    pub user_errors: Vec<UserError>,
}

/// The answer to a sign-out.
#[derive(SimpleObject)]
pub struct SignOutPayload {
    /// True: the token is worth nothing any more.
    pub signed_out: bool,
    /// Why it was refused.
    pub user_errors: Vec<UserError>,
}

impl From<session::Pair> for SignInPayload {
    fn from(pair: session::Pair) -> Self {
        Self {
            token: Some(pair.access.token),
            expires_at: Some(DateTime(pair.access.expires_at)),
            refresh_token: Some(pair.refresh),
            user: Some(pair.user.into()),
            user_errors: Vec::new(),
        }
    }
}

impl From<session::SignedIn> for SignInPayload {
    fn from(done: session::SignedIn) -> Self {
        Self {
            token: Some(done.token.token),
            expires_at: Some(DateTime(done.token.expires_at)),
            refresh_token: None,
            user: Some(done.user.into()),
            user_errors: Vec::new(),
        }
    }
}

/// Wrong names, passwords and refresh tokens are expected; the rest is not.
fn answered(answer: schema::Result<impl Into<SignInPayload>>) -> Result<SignInPayload> {
    let error = match answer {
        Ok(done) => return Ok(done.into()),
        Err(e @ (Error::Unauthenticated { .. } | Error::Forbidden { .. })) => UserError {
            field: None,
            message: e.to_string(),
            code: UserErrorCode::WrongCredentials,
            detail: None,
            index: None,
        },
        Err(e) => UserError::expected(e)?,
    };
    Ok(SignInPayload { user_errors: vec![error], ..SignInPayload::default() })
}

#[derive(Default)]
pub struct SessionMutation;

#[Object]
impl SessionMutation {
    /// Signs in with a name (or e-mail address) and a password. Attempts are limited.
    async fn sign_in(&self, ctx: &Context<'_>, #[graphql(desc = "Whom.")] input: SignInInput) -> Result<SignInPayload> {
        let (app, caller) = (ctx.app(), ctx.actor());
        if !input.remember {
            return answered(session::sign_in(app, caller, &input.username, &input.password, Role::User).await);
        }
        match session::check(app, caller, &input.username, &input.password, Role::User).await {
            Ok(user) => answered(session::open_pair(app, caller, user).await),
            Err(e) => answered(Err::<session::Pair, _>(e)),
        }
    }

    /// Exchanges a refresh token for a new pair. A token used twice ends everything that came of it.
    async fn refresh_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The token.")] input: RefreshSessionInput,
    ) -> Result<SignInPayload> {
        answered(session::refresh(ctx.app(), ctx.actor(), &input.refresh_token).await)
    }

    /// Registers oneself and signs in, where that is switched on.
    async fn register(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who.")] input: RegisterInput,
    ) -> Result<SignInPayload> {
        let person = people::NewPerson {
            username: input.username,
            password: Some(input.password),
            email: input.email,
            display_name: input.display_name,
            invited_by: input.invitation_code,
            ..people::NewPerson::default()
        };
        match people::register(ctx.app(), ctx.actor(), person).await {
            Ok(user) => answered(session::sign_in_as(ctx.app(), ctx.actor(), user).await),
            Err(e) => {
                let (_, user_errors) = split(Err::<(), _>(e))?;
                Ok(SignInPayload { user_errors, ..SignInPayload::default() })
            }
        }
    }

    /// Changes one's own password and ends all sessions; the answer holds a fresh token.
    async fn change_password(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The passwords.")] input: ChangePasswordInput,
    ) -> Result<SignInPayload> {
        let changed =
            people::change_own_password(ctx.app(), ctx.actor(), &input.current_password, &input.new_password, None);
        match changed.await {
            Ok(user) => answered(session::sign_in_as(ctx.app(), ctx.actor(), user).await),
            Err(e) => {
                let (_, user_errors) = split(Err::<(), _>(e))?;
                Ok(SignInPayload { user_errors, ..SignInPayload::default() })
            }
        }
    }

    /// Ends the token this was asked with, at once and in every process.
    async fn sign_out(&self, ctx: &Context<'_>) -> Result<SignOutPayload> {
        let (done, user_errors) = split(session::sign_out(ctx.app(), ctx.actor()).await)?;
        Ok(SignOutPayload { signed_out: done.is_some(), user_errors })
    }
}
