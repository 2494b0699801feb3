//! Answers of the token endpoints.

use std::fmt;

use http::StatusCode;
use serde_json::Value;

use super::Flow;
use super::claims::{self, Identity};
use crate::wire::scrub::Hidden;

/// Longest description of a refusal that is kept.
const DESCRIPTION: usize = 200;

/// What a token endpoint gave; what it left out stays as it was.
#[derive(Clone, Default, PartialEq)]
pub struct Tokens {
    /// The new access token.
    pub access_token: String,
    /// The new refresh token; `None` means that the old one goes on living.
    pub refresh_token: Option<String>,
    /// The new id token.
    pub id_token: Option<String>,
    /// When the access token dies, in epoch milliseconds.
    pub expires_at: Option<i64>,
    /// What was granted.
    pub scopes: Vec<String>,
    /// Whose account it is, as far as the answer says.
    pub identity: Identity,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens")
            .field("expires_at", &self.expires_at)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

/// Why no token came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dead {
    /// Whether trying again is useless: the person must log in anew.
    pub for_good: bool,
    /// The vendor's reason in short, without any token.
    pub reason: String,
}

impl fmt::Display for Dead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

/// Error codes after which a refresh token never works again.
const FOR_GOOD: &[&str] = &[
    "invalid_grant",
    "unauthorized_client",
    "invalid_client",
    "refresh_token_expired",
    "refresh_token_reused",
    "refresh_token_invalidated",
];

/// Reads a token endpoint's answer that arrived at `now` (epoch milliseconds).
pub fn read_tokens(flow: Flow, status: StatusCode, body: &[u8], now: i64) -> Result<Tokens, Dead> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    if !status.is_success() {
        return Err(refusal(status, &body));
    }
    let text = |name: &str| body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let Some(access_token) = text("access_token") else {
        return Err(Dead { for_good: false, reason: "the token endpoint answered without an access token".into() });
    };
    let id_token = text("id_token");
    let mut identity = id_token.as_deref().map(claims::identity).unwrap_or_default();
    if matches!(flow, Flow::Claude | Flow::ClaudeSetup) {
        let at = |path: &str| body.pointer(path).and_then(Value::as_str).map(str::to_owned);
        identity.account_id = at("/account/uuid");
        identity.email = at("/account/email_address");
        identity.organization_id = at("/organization/uuid");
        identity.organization = at("/organization/name");
    }
    let expires_at = body
        .get("expires_in")
        .and_then(|life| life.as_f64().or_else(|| life.as_str()?.parse().ok()))
        .filter(|life| (0.0..1e10).contains(life))
        .map(|life| now + (life * 1000.0) as i64)
        // OpenAI leaves the life out at times; the access token says it itself.
        .or_else(|| claims::expires_at(&access_token));
    Ok(Tokens {
        refresh_token: text("refresh_token"),
        id_token,
        expires_at,
        scopes: text("scope").map(|scopes| scopes.split_whitespace().map(str::to_owned).collect()).unwrap_or_default(),
        identity,
        access_token,
    })
}

fn refusal(status: StatusCode, body: &Value) -> Dead {
    let code = body
        .pointer("/error/code")
        .or_else(|| body.pointer("/error/type"))
        .or_else(|| body.get("error"))
        .or_else(|| body.get("code"))
        .and_then(Value::as_str);
    let description = ["/error_description", "/error/message", "/message"]
        .into_iter()
        .find_map(|place| body.pointer(place).and_then(Value::as_str))
        .map(described)
        .filter(|text| !text.is_empty());
    // A code is an identifier; a sentence in its place is read as one.
    let named = code.filter(|code| !code.is_empty() && code.len() <= 60 && code.bytes().all(is_word));
    let said = match (named, description) {
        (Some(code), Some(text)) => format!("refused ({}: {code}): {text}", status.as_u16()),
        (Some(code), None) => format!("refused ({}: {code})", status.as_u16()),
        (None, Some(text)) => format!("answered {}: {text}", status.as_u16()),
        (None, None) => format!("answered {}", status.as_u16()),
    };
    let for_good = status.is_client_error()
        && status != StatusCode::TOO_MANY_REQUESTS
        && code.is_some_and(|code| FOR_GOOD.contains(&code));
    Dead { for_good, reason: format!("the token endpoint {said}") }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-.".contains(&byte)
}

/// A vendor's sentence on one line, short, and without what looks like a token. What only the caller knows to
/// be secret is the caller's to hide.
fn described(text: &str) -> String {
    let text = Hidden::default().scrub_text(text).unwrap_or_else(|| text.to_owned());
    let line: Vec<&str> = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
    line.join(" ").chars().take(DESCRIPTION).collect()
}
