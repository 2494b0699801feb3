//! What a vendor's tokens say about their owner. Signatures are not checked: the token came from the
//! vendor itself over TLS, and nothing is granted on the strength of it.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::Value;

const OPENAI: &str = "https://api.openai.com/auth";

/// Who owns an account, as far as a vendor says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The vendor's id of the account (ChatGPT account, Claude account).
    pub account_id: Option<String>,
    /// The vendor's id of the person.
    pub user_id: Option<String>,
    /// The person's address.
    pub email: Option<String>,
    /// Whether the vendor has verified it.
    pub email_verified: bool,
    /// The person's name.
    pub name: Option<String>,
    /// The subscription.
    pub plan: Option<String>,
    /// The organisation's id.
    pub organization_id: Option<String>,
    /// The organisation's name.
    pub organization: Option<String>,
    /// The person's role in it.
    pub organization_role: Option<String>,
}

/// Reads an OpenAI id token.
pub fn identity(id_token: &str) -> Identity {
    let Some(claims) = payload(id_token) else {
        return Identity::default();
    };
    let auth = claims.get(OPENAI).cloned().unwrap_or_default();
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let organizations = auth.get("organizations").and_then(Value::as_array).cloned().unwrap_or_default();
    let own = organizations
        .iter()
        .find(|o| o.get("is_default").and_then(Value::as_bool) == Some(true))
        .or(organizations.first());
    let of_own = |name: &str| own.and_then(|organization| text(organization, name));
    Identity {
        account_id: text(&auth, "chatgpt_account_id"),
        user_id: text(&auth, "chatgpt_user_id").or_else(|| text(&auth, "user_id")),
        email: text(&claims, "email"),
        email_verified: claims.get("email_verified").and_then(Value::as_bool).unwrap_or(false),
        name: text(&claims, "name"),
        plan: text(&auth, "chatgpt_plan_type"),
        organization_id: of_own("id"),
        organization: of_own("title"),
        organization_role: of_own("role"),
    }
}

/// When a token that is a JWT expires, in epoch milliseconds.
pub fn expires_at(token: &str) -> Option<i64> {
    payload(token)?.get("exp")?.as_i64()?.checked_mul(1000)
}

fn payload(token: &str) -> Option<Value> {
    let part = token.split('.').nth(1)?;
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok()?).ok()
}
