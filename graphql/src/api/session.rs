//! Signing in and out.

use async_graphql::{Context, InputObject, Object, SimpleObject};
use schema::service::session;
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
}

/// The answer to a sign-in.
#[derive(SimpleObject, Default)]
pub struct SignInPayload {
    /// Bearer token for further requests; null when refused.
    pub token: Option<String>,
    /// When the token ends.
    pub expires_at: Option<DateTime>,
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

#[derive(Default)]
pub struct SessionMutation;

#[Object]
impl SessionMutation {
    /// Signs in with a name (or e-mail address) and a password.
    async fn sign_in(&self, ctx: &Context<'_>, input: SignInInput) -> Result<SignInPayload> {
        match session::sign_in(ctx.app(), ctx.actor(), &input.username, &input.password, Role::User).await {
            Ok(done) => Ok(SignInPayload {
                token: Some(done.token.token),
                expires_at: Some(DateTime(done.token.expires_at)),
                user: Some(User(done.user)),
                user_errors: Vec::new(),
            }),
            Err(e @ (Error::Unauthenticated { .. } | Error::Forbidden { .. })) => Ok(SignInPayload {
                user_errors: vec![UserError {
                    field: None,
                    message: e.to_string(),
                    code: UserErrorCode::WrongCredentials,
                    detail: None,
                    index: None,
                }],
                ..SignInPayload::default()
            }),
            Err(e) => Err(e.into()),
        }
    }

    /// Ends the token this was asked with, at once and in every process.
    async fn sign_out(&self, ctx: &Context<'_>) -> Result<SignOutPayload> {
        let (done, user_errors) = split(session::sign_out(ctx.app(), ctx.actor()).await)?;
        Ok(SignOutPayload { signed_out: done.is_some(), user_errors })
    }
}
