//! ChatGPT logins: Codex's own requests, with the account's token and account id.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use serde_json::Value;

use super::blame;
use super::{
    Ask, Blame, Client, Dialect, Failure, Operation, Outgoing, Provider, Reason, Refusal, Scope, Upstream, Wish,
    address, client, openai, outgoing,
};
use crate::wire::headers::{self, Family};
use crate::wire::oauth::{self, Dead, Endpoints, Flow, Tokens};
use crate::wire::{percent, ratelimit};

/// The vendor's own address.
pub const BASE: &str = "https://chatgpt.com/backend-api/codex";
/// The release of Codex whose list of models is asked for when the client names none.
const CLIENT_VERSION: &str = "0.169.0";

/// Accounts with a ChatGPT login.
pub struct Codex;

impl Provider for Codex {
    fn native(&self, _: &Upstream<'_>, wish: Wish<'_>) -> Option<Dialect> {
        match wish.operation {
            Operation::ListModels => Some(Dialect::Models),
            Operation::Generate | Operation::Compact | Operation::Side => {
                (wish.dialect == Dialect::Responses).then_some(Dialect::Responses)
            }
            _ => None,
        }
    }

    fn serves(&self, client: Client) -> Result<(), Refusal> {
        client::only(Client::Codex, "ChatGPT login", client)
    }

    fn request(&self, account: &Upstream<'_>, ask: &Ask<'_>) -> Result<Outgoing, Refusal> {
        let mut headers = headers::forward(ask.headers, Family::Codex, !ask.translated);
        authenticate(account, &mut headers)?;
        let base = base(account);
        let url = match ask.operation {
            Operation::Generate => format!("{base}/responses"),
            Operation::Compact => format!("{base}/responses/compact"),
            Operation::ListModels => {
                let version =
                    percent::query_value(ask.query, "client_version").unwrap_or_else(|| CLIENT_VERSION.to_owned());
                format!("{base}/models?client_version={}", percent::encode(&version))
            }
            // Side endpoints stand beside the Codex ones.
            Operation::Side => {
                let root = base.strip_suffix("/codex").unwrap_or(base);
                address::with_query(
                    format!("{root}{}", address::tail(ask.path)?),
                    &percent::query_without(ask.query, &["key"]),
                )
            }
            _ => return Err(Refusal::unsupported("ChatGPT login accounts cannot do this")),
        };
        outgoing::finish(account, ask, &url, headers, openai::body(ask, false)?)
    }

    fn in_band(&self, body: &[u8]) -> Option<StatusCode> {
        openai::in_band(body)
    }

    fn blame(&self, failure: &Failure<'_>) -> Blame {
        let body = failure.json();
        let error = body.get("error").or_else(|| body.pointer("/response/error")).unwrap_or(&body);
        let text = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
        let is = |word: &str| text("type") == word || text("code") == word;
        if is("usage_limit_reached") {
            let until = ratelimit::codex_body(error, failure.now).unwrap_or_else(|| failure.limited_until(None));
            return Blame::cooling(until, Scope::Account);
        }
        if is("usage_not_included") {
            return Blame::blocked(Reason::Forbidden);
        }
        if is("deactivated_workspace") || is("account_deactivated") {
            return Blame::blocked(Reason::Disabled);
        }
        match failure.status.as_u16() {
            429 => {
                Blame::cooling(failure.limited_until(ratelimit::sentence(text("message"), failure.now)), Scope::Account)
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
        let own = Flow::Codex.defaults();
        Some(Flow::Codex.refresh(endpoints.unwrap_or(&own), refresh).map_err(Refusal::from))
    }

    fn read_token(&self, status: StatusCode, body: &[u8], now: i64) -> Result<Tokens, Dead> {
        oauth::read_tokens(Flow::Codex, status, body, now)
    }

    /// The list of models: it shows that the login works and uses nothing up.
    fn probe(&self, account: &Upstream<'_>, _: Option<&str>, _: i64) -> Result<http::Request<Bytes>, Refusal> {
        let url = format!("{}/models?client_version={CLIENT_VERSION}", base(account));
        let mut request = super::probe::bare(Method::GET, &url, String::new())?;
        authenticate(account, request.headers_mut())?;
        account.extra(request.headers_mut());
        Ok(request)
    }
}

fn base<'a>(account: &Upstream<'a>) -> &'a str {
    let base = account.base(BASE);
    base.strip_suffix("/responses").unwrap_or(base)
}

fn authenticate(account: &Upstream<'_>, headers: &mut HeaderMap) -> Result<(), Refusal> {
    headers.insert(header::AUTHORIZATION, headers::secret(&format!("Bearer {}", account.credentials.access_token()?))?);
    if let Some(id) = account.account_id.filter(|id| !id.is_empty()) {
        headers.insert("chatgpt-account-id", headers::secret(id)?);
    }
    Ok(())
}
