//! The one account an administrator names as "the" model service: its address, key and model, and the
//! switch over all model calls.

use std::collections::BTreeMap;

use crate::App;
use crate::actor::{Act, Actor};
use crate::error::{Error, Result};
use crate::model::account::{Account, AccountFilter, AccountKind, AccountOrder};
use crate::page::{Direction, Window};
use crate::secret::Secret;
use crate::service::account::{self, AccountChange, AccountDraft, Credentials};
use crate::service::setting::{self, names};

/// The tag by which the account is known.
pub const TAG: &str = "ledger-llm";
/// Where an account remembers the provider's name as it was given.
const PROVIDER: &str = "provider";

/// How the model service is set up.
#[derive(Clone, Debug)]
pub struct Setup {
    pub enabled: bool,
    pub account: Option<Account>,
}

impl Setup {
    /// The provider as it was named.
    pub fn provider(&self) -> &str {
        let given = self.account.as_ref().and_then(|a| a.info.get(PROVIDER)).and_then(|v| v.as_str());
        given.unwrap_or("openai")
    }
    /// The model that is asked by default.
    pub fn model(&self) -> &str {
        self.account.as_ref().and_then(|a| a.models.0.first()).map_or("", String::as_str)
    }
    /// The address that is called.
    pub fn base_url(&self) -> String {
        let own = self.account.as_ref().and_then(|a| a.base_url.clone());
        own.unwrap_or_else(|| usual_address(kind_of(self.provider())).to_owned())
    }
    /// True when there is a key.
    pub fn has_key(&self) -> bool {
        self.account.as_ref().is_some_and(|a| !a.hint.is_empty())
    }
}

/// What of the setup changes; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct SetupChange {
    pub enabled: Option<bool>,
    pub provider: Option<String>,
    pub key: Option<Secret<String>>,
    pub model: Option<String>,
    pub base_url: Option<String>,
}

/// The kind of account behind a provider's name.
pub fn kind_of(provider: &str) -> AccountKind {
    match provider.trim().to_ascii_lowercase().as_str() {
        "openai" | "" => AccountKind::OpenaiKey,
        "anthropic" | "claude" => AccountKind::ClaudeConsole,
        "google" | "gemini" => AccountKind::GeminiKey,
        _ => AccountKind::OpenaiCompatible,
    }
}

/// The vendor's own address; empty where there is none.
pub fn usual_address(kind: AccountKind) -> &'static str {
    match kind {
        AccountKind::OpenaiKey => "https://api.openai.com/v1",
        AccountKind::ClaudeConsole => "https://api.anthropic.com",
        AccountKind::GeminiKey => "https://generativelanguage.googleapis.com",
        _ => "",
    }
}

/// How it is set up.
pub async fn get(app: &App, actor: &Actor) -> Result<Setup> {
    actor.may(Act::Manage)?;
    let filter = AccountFilter { tag: Some(TAG.into()), ..AccountFilter::default() };
    let order = (AccountOrder::CreatedAt, Direction::Asc);
    let found = account::pages(app, actor, &filter, order, Window { limit: 1, offset: 0 }).await?;
    let enabled = setting::current(app).bool(names::LLM_ENABLED);
    Ok(Setup { enabled, account: found.rows.into_iter().next() })
}

/// Changes it; the account is made when there is none.
pub async fn change(app: &App, actor: &Actor, change: SetupChange) -> Result<Setup> {
    let before = get(app, actor).await?;
    let provider = change.provider.clone().unwrap_or_else(|| before.provider().to_owned());
    if provider.chars().count() > 64 {
        return Err(Error::invalid("provider", "provider has at most 64 characters"));
    }
    let kind = kind_of(&provider);
    let info = serde_json::Map::from_iter([(PROVIDER.to_owned(), provider.clone().into())]);
    let credentials = change.key.as_ref().map(|key| Credentials::Keys { keys: vec![key.reveal().clone()] });
    let models = change.model.as_ref().map(|m| vec![m.clone()]);
    let touches = change.provider.is_some() || credentials.is_some() || models.is_some() || change.base_url.is_some();
    match &before.account {
        _ if !touches => {}
        Some(old) => {
            let change = AccountChange {
                kind: Some(kind).filter(|k| *k != old.kind),
                credentials,
                models,
                base_url: change.base_url.clone().map(|url| Some(url).filter(|u| !u.is_empty())),
                info,
                ..AccountChange::default()
            };
            account::change(app, actor, old.id, change).await?;
        }
        None => {
            let credentials = credentials.ok_or_else(|| Error::invalid("apiKey", "apiKey is needed"))?;
            let mut draft = AccountDraft::new(kind, format!("LLM ({provider})"), credentials);
            draft.tag = TAG.into();
            draft.models = models.unwrap_or_default();
            draft.base_url = change.base_url.clone().filter(|u| !u.is_empty());
            draft.info = info;
            account::add(app, actor, draft).await?;
        }
    }
    if let Some(enabled) = change.enabled.filter(|on| *on != before.enabled) {
        let switch = BTreeMap::from([(names::LLM_ENABLED.to_owned(), Some(enabled.to_string()))]);
        // Administrators may manage the model service, of which this is the switch, without other settings.
        setting::put_checked(app, actor, &switch).await?;
    }
    get(app, actor).await
}

/// The key of the account, for calling it; `None` when there is none.
pub async fn key(app: &App, actor: &Actor) -> Result<Option<Secret<String>>> {
    let Some(account) = get(app, actor).await?.account else { return Ok(None) };
    Ok(account::open(app, &account)?.credentials.keys().first().map(|key| Secret::new(key.clone())))
}
