//! Claude subscriptions: Claude Code's own requests, with the account's token in place of the caller's key.
//!
//! Anthropic's terms keep these credentials to Claude Code and its native apps, so nothing else is served
//! and nothing is made to look like it: beside the token only the beta word that goes with OAuth is added.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::Deserialize;

use super::{
    Ask, Blame, Client, Dialect, Failure, Fault, Outgoing, Provider, Reason, Refusal, Scope, Upstream, Wish, address,
    anthropic, blame, client,
};
use crate::wire::headers;
use crate::wire::oauth::{self, Dead, Endpoints, Flow, Tokens};

/// The beta word that OAuth tokens need.
const BETA: &str = "oauth-2025-04-20";
/// Model families that Anthropic limits on their own, as the limit's name ends.
const FAMILIES: [&str; 4] = ["opus", "sonnet", "haiku", "fable"];

/// Accounts with a Claude login.
pub struct ClaudeOauth;

impl Provider for ClaudeOauth {
    fn native(&self, _: &Upstream<'_>, wish: Wish<'_>) -> Option<Dialect> {
        // Nothing is translated for a subscription: its client speaks messages.
        anthropic::speaks(wish).filter(|native| *native == Dialect::Models || *native == wish.dialect)
    }

    fn serves(&self, client: Client) -> Result<(), Refusal> {
        client::only(Client::ClaudeCode, "Claude subscription", client)
    }

    fn request(&self, account: &Upstream<'_>, ask: &Ask<'_>) -> Result<Outgoing, Refusal> {
        let mut headers = anthropic::describe(ask);
        authenticate(&mut headers, account)?;
        anthropic::send(account, ask, account.base(anthropic::BASE), headers)
    }

    fn in_band(&self, body: &[u8]) -> Option<StatusCode> {
        anthropic::in_band(body)
    }

    fn blame(&self, failure: &Failure<'_>) -> Blame {
        if let Some(known) = anthropic::blame(failure) {
            return known;
        }
        match failure.status.as_u16() {
            // The plan lacks something that this very request asks for (a long context); nothing is used up.
            429 if failure.mentions(&["extra usage is required"]) => Blame::Caller,
            429 => match blame::by_status(failure, true) {
                Blame::Account(Fault::Cooling { until, .. }) => Blame::cooling(until, claimed(failure.headers)),
                other => other,
            },
            403 if failure.mentions(&["oauth authentication is currently not allowed for this organization"]) => {
                Blame::blocked(Reason::Forbidden)
            }
            _ => blame::by_status(failure, true),
        }
    }

    fn token(
        &self,
        account: &Upstream<'_>,
        endpoints: Option<&Endpoints>,
        _: i64,
    ) -> Option<Result<http::Request<Bytes>, Refusal>> {
        let refresh = account.credentials.refresh_token()?;
        let own = Flow::Claude.defaults();
        Some(Flow::Claude.refresh(endpoints.unwrap_or(&own), refresh).map_err(Refusal::from))
    }

    fn read_token(&self, status: StatusCode, body: &[u8], now: i64) -> Result<Tokens, Dead> {
        oauth::read_tokens(Flow::Claude, status, body, now)
    }

    /// The profile: it costs nothing and is the relay's own question. Setup tokens may not ask it, so they
    /// ask for the list of models.
    fn probe(&self, account: &Upstream<'_>, _: Option<&str>, _: i64) -> Result<http::Request<Bytes>, Refusal> {
        let path = if account.credentials.refresh_token().is_some() && !account.options.setup_token {
            "/api/oauth/profile"
        } else {
            "/v1/models"
        };
        own_question(account, path)
    }
}

/// Asks how much of the subscription's windows is used; [`Usage::read`] reads the answer.
pub fn usage_request(account: &Upstream<'_>) -> Result<http::Request<Bytes>, Refusal> {
    own_question(account, "/api/oauth/usage")
}

/// Asks whose subscription it is; [`Profile::read`] reads the answer.
pub fn profile_request(account: &Upstream<'_>) -> Result<http::Request<Bytes>, Refusal> {
    own_question(account, "/api/oauth/profile")
}

fn own_question(account: &Upstream<'_>, path: &str) -> Result<http::Request<Bytes>, Refusal> {
    let mut request = super::probe::bare(Method::GET, &origin(account, path), String::new())?;
    request.headers_mut().insert("anthropic-version", HeaderValue::from_static(anthropic::VERSION));
    authenticate(request.headers_mut(), account)?;
    account.extra(request.headers_mut());
    Ok(request)
}

fn origin(account: &Upstream<'_>, path: &str) -> String {
    let base = account.base(anthropic::BASE);
    let base = base.strip_suffix("/messages").unwrap_or(base);
    address::versioned(base.strip_suffix("/v1").unwrap_or(base), "", path)
}

fn authenticate(headers: &mut HeaderMap, account: &Upstream<'_>) -> Result<(), Refusal> {
    let token = account.credentials.access_token()?;
    headers.insert(header::AUTHORIZATION, headers::secret(&format!("Bearer {token}"))?);
    headers::merge_word(headers, "anthropic-beta", BETA);
    Ok(())
}

/// What of the account a limit concerns: `seven_day_opus` stops one family, the other claims the account.
fn claimed(headers: &HeaderMap) -> Scope {
    let claim = headers
        .get("anthropic-ratelimit-unified-representative-claim")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    FAMILIES.into_iter().find(|family| claim.ends_with(family)).map_or(Scope::Account, Scope::Family)
}

/// Whose subscription an account is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// The person's address.
    pub email: Option<String>,
    /// The account's id at the vendor.
    pub account_id: Option<String>,
    /// `claude_max`, `claude_pro`, `claude_team`, …
    pub organization_type: Option<String>,
    /// The tier of limits.
    pub rate_limit_tier: Option<String>,
}

impl Profile {
    /// Reads the answer to [`profile_request`].
    pub fn read(body: &[u8]) -> Option<Self> {
        let body: serde_json::Value = serde_json::from_slice(body).ok()?;
        let text = |path: &str| body.pointer(path).and_then(serde_json::Value::as_str).map(str::to_owned);
        let profile = Self {
            email: text("/account/email").or_else(|| text("/account/email_address")),
            account_id: text("/account/uuid"),
            organization_type: text("/organization/organization_type"),
            rate_limit_tier: text("/organization/rate_limit_tier"),
        };
        (profile != Self::default()).then_some(profile)
    }
}

/// One window of a subscription.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Window {
    /// Per cent used.
    #[serde(default)]
    pub utilization: f64,
    /// When it begins anew, RFC 3339.
    #[serde(default)]
    pub resets_at: Option<String>,
}

/// How much of a subscription is used.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// The window of five hours.
    pub five_hour: Option<Window>,
    /// The week.
    pub seven_day: Option<Window>,
    /// The week's Opus.
    pub seven_day_opus: Option<Window>,
}

impl Usage {
    /// Reads the answer to [`usage_request`].
    pub fn read(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }
}
