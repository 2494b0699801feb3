//! Asking accounts' vendors: logging in, renewing tokens, probing. Each question has a time limit.

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use relay::connect::{self, login};
use relay::wire::oauth::{Flow, Tokens};
use schema::model::account as model;
use schema::service::account as service;

use super::change::{AccountInput, AccountPayload, changed};
use super::input::AccountProxyInput;
use super::{Account, AccountSharing};
use crate::context::{Reach, to_admins};
use crate::fault::{Result, UserError, split};
use crate::filter::search;
use crate::node;
use crate::scalar::{BigInt, Json};

/// A login at a vendor.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
#[graphql(remote = "Flow")]
pub enum ConnectFlow {
    /// A Claude subscription, with tokens that are renewed.
    Claude,
    /// A Claude setup token: good for a year, for inference only.
    ClaudeSetup,
    /// A ChatGPT login as Codex uses it.
    Codex,
    /// A Google login as gemini-cli uses it.
    Gemini,
}

/// A login to be begun.
#[derive(InputObject)]
pub struct ConnectStartInput {
    /// Where.
    pub flow: ConnectFlow,
    /// The proxy the vendor is to be asked through.
    pub proxy: Option<AccountProxyInput>,
}

/// The answer to a login that was begun.
#[derive(SimpleObject)]
pub struct ConnectStartPayload {
    /// The vendor's consent page; null when refused.
    pub url: Option<String>,
    /// Under which its code is to be handed in, once, within ten minutes.
    pub session_id: Option<ID>,
    /// Why it was refused.
    pub user_errors: Vec<UserError>,
}

/// What the consent page gave, and the account it is for: one there is, or a new one.
#[derive(InputObject)]
pub struct ConnectFinishInput {
    /// Where the login was begun.
    pub flow: ConnectFlow,
    /// The session of `connectStart`.
    pub session_id: ID,
    /// The code, or the whole address the consent page went to.
    #[graphql(secret)]
    pub code: String,
    /// The account whose tokens these are to be.
    pub account_id: Option<ID>,
    /// Or the name of a new account.
    pub name: Option<String>,
    /// Who may be sent to the new account; SHARED when absent.
    pub sharing: Option<AccountSharing>,
    /// The proxy the new account is reached through.
    pub proxy: Option<AccountProxyInput>,
}

/// An account to be probed.
#[derive(InputObject)]
pub struct AccountTestInput {
    /// Which.
    pub id: ID,
    /// With this model; one of its own when absent.
    pub model: Option<String>,
}

/// The answer to a probe.
#[derive(SimpleObject)]
pub struct AccountTestPayload {
    /// What was found; null when refused.
    pub result: Option<AccountTestResult>,
    /// The account after the probe; null when refused.
    pub account: Option<Account>,
    /// Why it was refused.
    pub user_errors: Vec<UserError>,
}

/// What a probe has shown.
#[derive(SimpleObject)]
pub struct AccountTestResult {
    /// Whether the account works.
    pub healthy: bool,
    /// The vendor's words, without secrets; empty when all is well.
    pub message: String,
    /// The vendor's HTTP status; null when no answer came.
    pub status: Option<i32>,
    /// Milliseconds it took.
    pub took_ms: BigInt,
    /// How many models the vendor lists, where it was asked.
    pub model_count: Option<i32>,
}

impl From<connect::Found> for AccountTestResult {
    fn from(found: connect::Found) -> Self {
        Self {
            healthy: found.healthy,
            message: found.message,
            status: (found.status != 0).then_some(i32::from(found.status)),
            took_ms: BigInt(found.took_ms),
            model_count: found.models.and_then(|n| i32::try_from(n).ok()),
        }
    }
}

/// The answer to a question about an account's subscription.
#[derive(SimpleObject)]
pub struct AccountProfilePayload {
    /// What the vendor told, in its own shape; null when refused.
    pub profile: Option<Json>,
    /// How much of its windows is used, where the vendor tells that.
    pub windows: Option<Json>,
    /// The account after the question; null when refused.
    pub account: Option<Account>,
    /// Why it was refused.
    pub user_errors: Vec<UserError>,
}

fn kind_of(flow: Flow) -> model::AccountKind {
    match flow {
        Flow::Claude | Flow::ClaudeSetup => model::AccountKind::ClaudeOauth,
        Flow::Codex => model::AccountKind::OpenaiOauth,
        Flow::Gemini => model::AccountKind::GeminiOauth,
    }
}

/// Where the tokens of a finished login go.
enum Place {
    There(i64),
    New(Box<service::AccountDraft>),
}

fn place(input: &mut ConnectFinishInput, flow: Flow) -> Result<Place> {
    let row = node::row_if("Account", input.account_id.as_ref(), "accountId")?;
    match (row, input.name.take()) {
        (Some(row), None) => Ok(Place::There(row)),
        (None, Some(name)) => {
            let mut draft = service::AccountDraft::new(kind_of(flow), name, service::Credentials::None);
            draft.proxy = input.proxy.take().map(Into::into);
            draft.sharing = input.sharing.map_or(draft.sharing, Into::into);
            draft.options.setup_token = flow == Flow::ClaudeSetup;
            Ok(Place::New(Box::new(draft)))
        }
        _ => Err(schema::Error::invalid("accountId", "give an account or the name of a new one").into()),
    }
}

async fn keep(ctx: &Context<'_>, place: Place, flow: Flow, tokens: &Tokens) -> schema::Result<model::Account> {
    let credentials = service::Credentials::Oauth(login::stored(tokens));
    let info = connect::facts(&tokens.identity);
    match place {
        Place::There(row) => {
            let options = serde_json::json!({ "setup_token": flow == Flow::ClaudeSetup });
            let change = service::AccountChange {
                credentials: Some(credentials),
                info,
                options_patch: options.as_object().cloned().unwrap_or_default(),
                ..service::AccountChange::default()
            };
            service::change(ctx.app(), ctx.actor(), row, change).await?;
            // Whatever the vendor held against the old tokens, it does not hold against the new.
            service::reset_status(ctx.app(), ctx.actor(), row).await
        }
        Place::New(draft) => {
            let draft = service::AccountDraft { credentials, info, ..*draft };
            service::add(ctx.app(), ctx.actor(), draft).await
        }
    }
}

#[derive(Default)]
pub struct ConnectMutation;

#[Object]
impl ConnectMutation {
    /// Begins a login at a vendor: a person opens the consent page and brings its code to `connectFinish`.
    #[graphql(visible = "to_admins")]
    async fn connect_start(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Where.")] input: ConnectStartInput,
    ) -> Result<ConnectStartPayload> {
        let proxy = input.proxy.map(Into::into);
        let begun = login::begin(ctx.app(), ctx.actor(), input.flow.into(), proxy).await;
        let (begun, user_errors) = split(begun)?;
        let (url, session_id) = begun.map(|b| (b.url, ID(b.session))).unzip();
        Ok(ConnectStartPayload { url, session_id, user_errors })
    }

    /// Ends a login: exchanges the code for tokens and keeps them with an account there is, or a new one.
    #[graphql(visible = "to_admins")]
    async fn connect_finish(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The code, and the account.")] mut input: ConnectFinishInput,
    ) -> Result<AccountPayload> {
        ctx.actor().may(schema::Act::Manage)?;
        let flow: Flow = input.flow.into();
        let place = place(&mut input, flow)?;
        if let Place::There(row) = place {
            // A code works once: it is not spent on an account that cannot take its tokens.
            let account = match service::get(ctx.app(), ctx.actor(), row).await {
                Ok(account) => account,
                Err(e) => return changed(Err(e)),
            };
            if account.kind != kind_of(flow) {
                let refused = schema::Error::invalid("accountId", "the account is of another kind than this login");
                return changed(Err(refused));
            }
        }
        let session = search(Some(input.session_id.to_string()), "sessionId")?.unwrap_or_default();
        match login::finish(ctx.app(), ctx.actor(), flow, &session, &input.code).await {
            Ok(tokens) => changed(keep(ctx, place, flow, &tokens).await),
            Err(e) => changed(Err(e)),
        }
    }

    /// Really asks an account's vendor whether the account works. A good answer lifts what was held against it.
    #[graphql(visible = "to_admins")]
    async fn account_test(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: AccountTestInput,
    ) -> Result<AccountTestPayload> {
        let row = node::row("Account", &input.id, "id")?;
        let model = search(input.model, "model")?;
        let (found, user_errors) = split(connect::test(ctx.app(), ctx.actor(), row, model.as_deref()).await)?;
        let account = match &found {
            Some(_) => Some(service::get(ctx.app(), ctx.actor(), row).await?.into()),
            None => None,
        };
        Ok(AccountTestPayload { result: found.map(Into::into), account, user_errors })
    }

    /// Renews an account's access token now.
    #[graphql(visible = "to_admins")]
    async fn account_refresh(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: AccountInput,
    ) -> Result<AccountPayload> {
        let row = node::row("Account", &input.id, "id")?;
        changed(connect::refresh(ctx.app(), ctx.actor(), row).await)
    }

    /// Asks the vendor whose account it is, what its subscription admits and how much of its windows is used.
    #[graphql(visible = "to_admins")]
    async fn account_profile(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: AccountInput,
    ) -> Result<AccountProfilePayload> {
        let row = node::row("Account", &input.id, "id")?;
        let asked = async {
            let profile = connect::profile(ctx.app(), ctx.actor(), row).await?;
            let windows = connect::windows(ctx.app(), ctx.actor(), row).await?;
            schema::Result::Ok((profile, windows, service::get(ctx.app(), ctx.actor(), row).await?))
        };
        let (told, user_errors) = split(asked.await)?;
        Ok(match told {
            None => AccountProfilePayload { profile: None, windows: None, account: None, user_errors },
            Some((profile, windows, account)) => AccountProfilePayload {
                profile: Some(Json(profile.into())),
                windows: (!windows.is_null()).then_some(Json(windows)),
                account: Some(account.into()),
                user_errors,
            },
        })
    }
}
