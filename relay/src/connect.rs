//! Questions to an account's vendor outside of calls: logging in by OAuth, renewing tokens, asking after
//! the account, and probing whether it works. Each with a time limit; none shows a secret.

pub mod balance;
pub mod login;
pub mod renew;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use schema::clock::{SECOND, Time};
use schema::model::account::{Account, AccountKind, AccountOptions, Health};
use schema::service::account::{self, Opened, Proxy};
use schema::service::sweep::Job;
use schema::{Act, Actor, App, Error, Result};
use serde_json::{Map, Value, json};

use self::renew::NoToken;
use crate::provider::claude_oauth::{Profile, Usage, profile_request, usage_request};
use crate::provider::{Credentials, Probe, Refusal, Upstream, Verdict, gemini_oauth, probe, provider};

/// What is done about accounts' logins in the background.
pub const JOBS: &[Job] = &[renew::JOB];
/// Longest wait for a vendor's whole answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longest answer that is read.
const LONGEST: usize = 4 << 20;

/// A vendor's answer.
pub(crate) struct Heard {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// What a probe has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub healthy: bool,
    /// The vendor's words, without secrets; empty when all is well.
    pub message: String,
    /// The vendor's status; 0 when no answer came.
    pub status: u16,
    pub took_ms: i64,
    /// How many models the vendor lists, where it was asked.
    pub models: Option<usize>,
}

fn proxied(proxy: &Proxy) -> Result<reqwest::Client> {
    let bad = |e: reqwest::Error| Error::invalid("proxy", format!("the proxy cannot be used: {}", e.without_url()));
    let mut way = reqwest::Proxy::all(format!("{}://{}:{}", proxy.kind, proxy.host, proxy.port)).map_err(bad)?;
    if let Some(name) = &proxy.username {
        way = way.basic_auth(name, proxy.password.as_deref().unwrap_or(""));
    }
    reqwest::Client::builder()
        .proxy(way)
        .connect_timeout(Duration::from_secs(10))
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(bad)
}

/// Sends and reads whole, within the time limit. `Err` says why no answer came, and names no address.
pub(crate) async fn send(
    app: &App,
    proxy: Option<&Proxy>,
    request: http::Request<Bytes>,
) -> Result<std::result::Result<Heard, &'static str>> {
    let client = match proxy {
        Some(proxy) => proxied(proxy)?,
        None => app.http.clone(),
    };
    let request = reqwest::Request::try_from(request)
        .map_err(|_| Error::invalid("baseUrl", "the account's address cannot be used"))?;
    let exchange = async {
        let mut answer = client.execute(request).await.map_err(|e| {
            if e.is_connect() { "the vendor could not be reached" } else { "the vendor closed the connection early" }
        })?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|_| "the vendor's answer was cut off")? {
            if body.len() + chunk.len() > LONGEST {
                return Err("the vendor's answer was too long");
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Heard { status, headers, body: body.into() })
    };
    Ok(tokio::time::timeout(PATIENCE, exchange).await.unwrap_or(Err("the vendor did not answer in time")))
}

fn upstream<'a>(account: &'a Account, opened: &'a Opened) -> Upstream<'a> {
    let told = |name: &str| account.info.0.get(name).and_then(Value::as_str).filter(|t| !t.is_empty());
    Upstream {
        kind: account.kind,
        base_url: account.base_url.as_deref(),
        credentials: Credentials::of(&opened.credentials, 0, None),
        options: &account.options.0,
        account_id: told("account_id").or_else(|| told("chatgpt_account_id")),
    }
}

fn refused(refusal: Refusal) -> Error {
    Error::invalid("account", refusal.to_string())
}

/// Scrubs an account's secrets out of a vendor's words.
fn scrubbed(account: &Upstream<'_>, text: &str) -> String {
    account.hidden("").scrub_text(text).unwrap_or_else(|| text.to_owned())
}

/// Renews an account's access token; by one caller at a time, and whoever comes second gets what the first got.
pub async fn refresh(app: &App, actor: &Actor, account_id: i64) -> Result<Account> {
    actor.may(Act::Manage)?;
    let before = account::get(app, actor, account_id).await?;
    let opened = account::open(app, &before)?;
    let (Some(_), Some(tokens)) = (renew::flow(before.kind, false), opened.credentials.oauth()) else {
        return Err(Error::invalid("account", "accounts of this kind have no tokens to renew"));
    };
    if tokens.refresh_token.is_none() {
        return Err(Error::invalid("account", "the account has no refresh token; log in anew"));
    }
    renew::renew(app, account_id, &tokens.access_token).await.map_err(|no| match no {
        NoToken::ForGood(why) => Error::invalid("account", format!("{why}; log in anew")),
        NoToken::Later { status, why } => Error::upstream(before.kind.as_str(), status, why),
    })
}

/// What tokens tell about whose account it is.
pub fn facts(identity: &crate::wire::oauth::Identity) -> Map<String, Value> {
    let pairs = [
        ("account_id", &identity.account_id),
        ("user_id", &identity.user_id),
        ("email", &identity.email),
        ("name", &identity.name),
        ("plan", &identity.plan),
        ("organization_id", &identity.organization_id),
        ("organization", &identity.organization),
        ("organization_role", &identity.organization_role),
    ];
    pairs.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?.into()))).collect()
}

/// Asks a question about the account, once more with a new token when the old one was refused.
async fn ask(
    app: &App,
    actor: &Actor,
    account: Account,
    question: impl Fn(&Upstream<'_>) -> std::result::Result<http::Request<Bytes>, Refusal>,
) -> Result<(Account, Bytes)> {
    let mut account = account;
    for attempt in 0..2 {
        let opened = account::open(app, &account)?;
        let request = question(&upstream(&account, &opened));
        let again = attempt == 0 && upstream(&account, &opened).credentials.refresh_token().is_some();
        let request = match request {
            Err(Refusal::NoToken) if again => None,
            other => Some(other.map_err(refused)?),
        };
        if let Some(request) = request {
            let vendor = account.kind.as_str();
            let heard =
                send(app, opened.proxy.as_ref(), request).await?.map_err(|why| Error::upstream(vendor, 0, why))?;
            if heard.status.is_success() {
                return Ok((account, heard.body));
            }
            if !(again && heard.status == StatusCode::UNAUTHORIZED) {
                let words = probe::message(&heard.body)
                    .unwrap_or_else(|| format!("the vendor answered {}", heard.status.as_u16()));
                let words = scrubbed(&upstream(&account, &opened), &words);
                return Err(if heard.status.is_client_error() {
                    Error::invalid("account", words)
                } else {
                    Error::upstream(vendor, heard.status.as_u16(), words)
                });
            }
        }
        account = refresh(app, actor, account.id).await?;
    }
    Err(Error::invalid("account", "the vendor refuses the account's tokens"))
}

/// Asks the vendor whose account it is and notes what it says; those facts.
pub async fn profile(app: &App, actor: &Actor, account_id: i64) -> Result<Map<String, Value>> {
    let account = account::get(app, actor, account_id).await?;
    let mut found = Map::new();
    match account.kind {
        AccountKind::ClaudeOauth if account.options.setup_token => {
            return Err(Error::invalid("account", "a setup token may not ask for the profile (scope user:profile)"));
        }
        AccountKind::ClaudeOauth => {
            let (_, body) = ask(app, actor, account, profile_request).await?;
            let profile = Profile::read(&body)
                .ok_or_else(|| Error::upstream("claude_oauth", 200, "the vendor's profile could not be read"))?;
            let kind = profile.organization_type.clone().unwrap_or_default();
            let subscription = json!({
                "hasClaudeMax": kind.contains("max"), "hasClaudePro": kind.contains("pro"),
                "accountType": kind, "organizationType": kind, "rateLimitTier": profile.rate_limit_tier,
                "email": profile.email,
            });
            for (name, value) in [("email", profile.email), ("account_id", profile.account_id)] {
                if let Some(value) = value {
                    found.insert(name.to_owned(), value.into());
                }
            }
            found.insert("subscription".into(), subscription);
        }
        AccountKind::GeminiOauth => {
            let (_, body) = ask(app, actor, account, gemini_oauth::load_request).await?;
            let (project, tier) = gemini_oauth::project(&body)
                .ok_or_else(|| Error::upstream("gemini_oauth", 200, "the vendor's answer could not be read"))?;
            found.insert("project".into(), project.into());
            found.insert("tier".into(), tier.into());
        }
        AccountKind::OpenaiOauth => {
            let opened = account::open(app, &account)?;
            let token = opened.credentials.oauth().and_then(|t| t.id_token.clone());
            let token =
                token.ok_or_else(|| Error::invalid("account", "the account has no id token; renew it first"))?;
            found = facts(&crate::wire::oauth::identity(&token));
        }
        _ => return Err(Error::invalid("account", "accounts of this kind have no profile")),
    }
    found.insert("profiled_at".into(), app.clock.now().rfc3339().into());
    account::learn(app, account_id, &found).await?;
    Ok(found)
}

/// Asks a Claude account how much of its windows is used and notes it, in the words crs uses.
pub async fn windows(app: &App, actor: &Actor, account_id: i64) -> Result<Value> {
    let account = account::get(app, actor, account_id).await?;
    if account.kind != AccountKind::ClaudeOauth || account.options.setup_token {
        return Ok(Value::Null);
    }
    let (_, body) = ask(app, actor, account, usage_request).await?;
    let usage: Usage = serde_json::from_slice(&body)
        .map_err(|_| Error::upstream("claude_oauth", 200, "the vendor's usage could not be read"))?;
    let now = app.clock.now();
    let window = |w: &Option<crate::provider::claude_oauth::Window>| {
        w.as_ref().map_or(Value::Null, |w| {
            let left = w.resets_at.as_deref().and_then(Time::parse).map(|t| (t.0 - now.0).max(0) / SECOND);
            json!({ "utilization": w.utilization, "resetsAt": w.resets_at, "remainingSeconds": left })
        })
    };
    let shown = json!({
        "updatedAt": now.rfc3339(), "fiveHour": window(&usage.five_hour), "sevenDay": window(&usage.seven_day),
        "sevenDayOpus": window(&usage.seven_day_opus),
    });
    account::learn(app, account_id, &Map::from_iter([("claude_usage".to_owned(), shown.clone())])).await?;
    Ok(shown)
}

/// The models an account's vendor lists, by name.
pub async fn models(app: &App, actor: &Actor, account_id: i64) -> Result<Vec<String>> {
    let account = account::get(app, actor, account_id).await?;
    let (kind, now) = (account.kind, app.clock.now().0);
    // Asked without a model, a probe of these vendors is the question for their list.
    let (_, body) = ask(app, actor, account, |up| provider(kind).probe(up, None, now)).await?;
    probe::names(&body).ok_or_else(|| Error::invalid("account", "the vendor of this account tells no list of models"))
}

/// The models a vendor lists for credentials that are no account's yet.
pub async fn models_of(
    app: &App,
    actor: &Actor,
    kind: AccountKind,
    base_url: Option<&str>,
    credentials: &account::Credentials,
    options: &AccountOptions,
) -> Result<Vec<String>> {
    actor.may(Act::Manage)?;
    credentials.check(kind)?;
    base_url.map(account::check::base_url).transpose()?;
    let credentials = Credentials::of(credentials, 0, None);
    let upstream = Upstream { kind, base_url, credentials, options, account_id: None };
    let request = provider(kind).probe(&upstream, None, app.clock.now().0).map_err(refused)?;
    let heard = send(app, None, request).await?.map_err(|why| Error::upstream(kind.as_str(), 0, why))?;
    if !heard.status.is_success() {
        let status = heard.status.as_u16();
        let words = probe::message(&heard.body).unwrap_or_else(|| format!("the vendor answered {status}"));
        return Err(Error::upstream(kind.as_str(), status, scrubbed(&upstream, &words)));
    }
    probe::names(&heard.body).ok_or_else(|| Error::invalid("type", "this vendor tells no list of models"))
}

/// Really asks an account's vendor whether the account works, with one of its models when named.
///
/// A healthy answer lifts what was held against the account; a bad one only reports.
pub async fn test(app: &App, actor: &Actor, account_id: i64, model: Option<&str>) -> Result<Found> {
    let mut account = account::get(app, actor, account_id).await?;
    let began = app.clock.now();
    let mut found = Found { healthy: false, message: String::new(), status: 0, took_ms: 0, models: None };
    for attempt in 0..2 {
        let opened = account::open(app, &account)?;
        let up = upstream(&account, &opened);
        let again = attempt == 0 && up.credentials.refresh_token().is_some();
        let wants_token = match provider(account.kind).probe(&up, model, began.0) {
            Err(Refusal::NoToken) if again => true,
            Err(refusal) => {
                found.message = refusal.to_string();
                false
            }
            Ok(request) => match send(app, opened.proxy.as_ref(), request).await? {
                Err(why) => {
                    found.message = why.to_owned();
                    false
                }
                Ok(heard) => {
                    let seen = Probe {
                        status: heard.status,
                        headers: &heard.headers,
                        body: &heard.body,
                        model: model.unwrap_or(""),
                        now: app.clock.now().0,
                    };
                    let verdict = probe::read(account.kind, &seen);
                    found.status = heard.status.as_u16();
                    match &verdict {
                        Verdict::Healthy { models } => {
                            found.healthy = true;
                            found.models = *models;
                            found.message.clear();
                        }
                        Verdict::Refused { message } | Verdict::Failing { message, .. } => {
                            found.message = scrubbed(&up, message);
                        }
                    }
                    again && verdict.wants_token()
                }
            },
        };
        if !wants_token {
            break;
        }
        match refresh(app, actor, account.id).await {
            Ok(renewed) => account = renewed,
            Err(e) => {
                found.message = e.to_string();
                break;
            }
        }
    }
    found.took_ms = app.clock.now().0 - began.0;
    if found.healthy && account.health != Health::Ok {
        account::reset_status(app, actor, account_id).await?;
    }
    Ok(found)
}
