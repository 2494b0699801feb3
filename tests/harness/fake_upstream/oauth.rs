//! Authorize and token addresses of the vendors people sign in to: PKCE verified, refresh tokens rotated strictly.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header};
use ring::digest;
use serde_json::{Value, json};

use super::anthropic::now;
use super::codex::ACCOUNT_ID;
use super::reply::Reply;
use super::script::Refusal;
use super::seen::{Seen, form_pairs};
use super::state::Shared;
use super::vendor::Vendor;

/// Codes and tokens given out.
#[derive(Default)]
pub(super) struct Tokens {
    counter: u64,
    codes: Vec<Code>,
    access: Vec<String>,
    refresh: Vec<(Vendor, String)>,
    spent: Vec<String>,
    granted: usize,
}

struct Code {
    code: String,
    client_id: String,
    redirect_uri: String,
    /// Google lets clients with a secret go without.
    challenge: Option<String>,
}

/// Refresh tokens that are good from the start, for scripts that cannot sign in.
const SEEDS: [(Vendor, &str); 3] = [
    (Vendor::Anthropic, "sk-ant-ort01-fake-refresh"),
    (Vendor::Codex, "codex-fake-refresh"),
    (Vendor::Gemini, "1//fake-google-refresh"),
];

impl Tokens {
    pub(super) fn issue(&mut self, vendor: Vendor) -> (String, String) {
        self.counter += 1;
        let number = self.counter;
        let (access, refresh) = match vendor {
            Vendor::Anthropic => (format!("sk-ant-oat01-issued-{number}"), format!("sk-ant-ort01-issued-{number}")),
            Vendor::Codex => (codex_token(number, 864_000), format!("codex-refresh-{number}")),
            _ => (format!("ya29.issued-{number}"), format!("1//issued-{number}")),
        };
        self.access.push(access.clone());
        self.refresh.push((vendor, refresh.clone()));
        (access, refresh)
    }

    pub(super) fn is_good_access_token(&self, token: &str) -> bool {
        self.access.iter().any(|good| good == token)
    }

    pub(super) fn expire_access_tokens(&mut self) {
        self.access.clear();
    }

    pub(super) fn revoke_refresh_tokens(&mut self) {
        self.refresh.clear();
        self.spent.extend(SEEDS.map(|(_, seed)| seed.to_owned()));
    }

    pub(super) fn refreshes(&self) -> usize {
        self.granted
    }

    /// Whether a refresh token is good; where they rotate it is used up by asking.
    fn redeem(&mut self, vendor: Vendor, token: &str, rotates: bool) -> Result<(), Spent> {
        if self.spent.iter().any(|spent| spent == token) {
            return Err(Spent::Reused);
        }
        let issued = self.refresh.iter().any(|(of, good)| *of == vendor && good == token);
        if !issued && !SEEDS.contains(&(vendor, token)) {
            return Err(Spent::Unknown);
        }
        if rotates {
            self.refresh.retain(|(_, good)| good != token);
            self.spent.push(token.to_owned());
        }
        self.granted += 1;
        Ok(())
    }

    /// Passes an authorization as the account's owner would: a code for the client that asked.
    fn authorize(&mut self, query: &[(String, String)], pkce: bool) -> Result<Approval, String> {
        let get = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let need = |name: &str| get(name).filter(|value| !value.is_empty()).ok_or(format!("{name} is missing"));
        if get("response_type").as_deref() != Some("code") {
            return Err("response_type must be code".to_owned());
        }
        let challenge = get("code_challenge");
        if pkce && challenge.as_ref().is_none_or(|challenge| challenge.len() != 43) {
            return Err("code_challenge must be 43 characters".to_owned());
        }
        if challenge.is_some() && get("code_challenge_method").as_deref() != Some("S256") {
            return Err("code_challenge_method must be S256".to_owned());
        }
        need("scope")?;
        self.counter += 1;
        let code = format!("code-{}", self.counter);
        let (client_id, redirect_uri, state) = (need("client_id")?, need("redirect_uri")?, need("state")?);
        self.codes.push(Code { code: code.clone(), client_id, redirect_uri: redirect_uri.clone(), challenge });
        Ok(Approval { code, state, redirect_uri })
    }

    /// Exchanges a code once.
    fn exchange(&mut self, get: &dyn Fn(&str) -> Option<String>) -> Result<(), String> {
        let code = get("code").unwrap_or_default();
        let Some(at) = self.codes.iter().position(|there| there.code == code) else {
            return Err("Invalid authorization code".to_owned());
        };
        let issued = self.codes.remove(at);
        if get("client_id").as_deref() != Some(&issued.client_id) {
            return Err("client_id does not match the authorization".to_owned());
        }
        if get("redirect_uri").as_deref() != Some(&issued.redirect_uri) {
            return Err("redirect_uri does not match the authorization".to_owned());
        }
        if let Some(challenge) = issued.challenge {
            let verifier = get("code_verifier").unwrap_or_default();
            let hashed = digest::digest(&digest::SHA256, verifier.as_bytes());
            if verifier.len() < 43 || URL_SAFE_NO_PAD.encode(hashed) != challenge {
                return Err("code_verifier does not match the challenge".to_owned());
            }
        }
        Ok(())
    }
}

enum Spent {
    Reused,
    Unknown,
}

struct Approval {
    code: String,
    state: String,
    redirect_uri: String,
}

/// The authorize page: sends the browser back, or for copy-and-paste shows `CODE#STATE`.
fn authorize_page(seen: &Seen, shared: &Shared, pkce: bool) -> Reply {
    let query = form_pairs(&seen.query);
    let approval = match shared.memory().oauth.authorize(&query, pkce) {
        Ok(approval) => approval,
        Err(message) => return Reply::whole(400, "text/html", format!("<p>{message}</p>")),
    };
    let Approval { code, state, redirect_uri } = approval;
    if query.iter().any(|(key, value)| key == "code" && value == "true") {
        return Reply::whole(200, "text/html", format!("<code>{code}#{state}</code>"));
    }
    let separator = if redirect_uri.contains('?') { '&' } else { '?' };
    let state = state.replace('%', "%25").replace('&', "%26").replace('#', "%23").replace('+', "%2B");
    Reply::whole(302, "text/html", "").with("location", format!("{redirect_uri}{separator}code={code}&state={state}"))
}

pub(super) fn answer(seen: &Seen, shared: &Shared) -> Reply {
    let mut inner = seen.clone();
    let Some((vendor, path)) = seen.path[1..].split_once('/') else {
        return Reply::json(404, &json!({ "error": "not_found" }));
    };
    inner.path = format!("/{path}");
    match vendor {
        "claude" => claude(&inner, shared),
        "openai" => openai(&inner, shared),
        "google" => google(&inner, shared),
        _ => Reply::json(404, &json!({ "error": "not_found" })),
    }
}

/// Anthropic: JSON both ways.
pub(super) fn claude(seen: &Seen, shared: &Shared) -> Reply {
    if seen.method == "GET" {
        return authorize_page(seen, shared, true);
    }
    let body = seen.json();
    let get = |name: &str| body[name].as_str().map(str::to_owned);
    let refused = |kind: &str, message: &str| Reply::json(400, &json!({ "error": kind, "error_description": message }));
    let mut memory = shared.memory();
    match body["grant_type"].as_str() {
        Some("authorization_code") => {
            if get("code").is_some_and(|code| code.contains('#')) {
                return refused("invalid_grant", "Invalid 'code' in request.");
            }
            if get("state").is_none() {
                return refused("invalid_request", "state is required");
            }
            if let Err(message) = memory.oauth.exchange(&get) {
                return refused("invalid_grant", &message);
            }
        }
        Some("refresh_token") => {
            if get("client_id").is_none() {
                return refused("invalid_request", "client_id is required");
            }
            let token = get("refresh_token").unwrap_or_default();
            if memory.oauth.redeem(Vendor::Anthropic, &token, true).is_err() {
                return refused("invalid_grant", "Refresh token not found or invalid");
            }
        }
        _ => return refused("unsupported_grant_type", "grant_type is not supported"),
    }
    let (access, refresh) = memory.oauth.issue(Vendor::Anthropic);
    // A setup token lives a year and cannot be refreshed.
    let lasting = body["expires_in"] == json!(31_536_000);
    let mut reply = json!({
        "token_type": "Bearer", "access_token": access, "expires_in": if lasting { 31_536_000 } else { 28_800 },
        "scope": if lasting { "user:inference" } else { "user:inference user:profile" },
        "organization": { "uuid": "org-fake", "name": "Fake" },
        "account": { "uuid": "acc-fake", "email_address": "ann@example.com" }
    });
    if !lasting {
        reply["refresh_token"] = json!(refresh);
    }
    Reply::json(200, &reply)
}

/// OpenAI: a code comes as a form, a refresh as JSON or a form.
pub(super) fn openai(seen: &Seen, shared: &Shared) -> Reply {
    if seen.method == "GET" {
        return authorize_page(seen, shared, true);
    }
    let kind = seen.header("content-type").unwrap_or_default().to_owned();
    let (form, body) = (seen.form(), seen.json());
    let is_form = kind.starts_with("application/x-www-form-urlencoded");
    let get = |name: &str| {
        if is_form {
            form.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
        } else {
            body[name].as_str().map(str::to_owned)
        }
    };
    let refused = |status: u16, code: &str, message: &str| {
        Reply::json(
            status,
            &json!({ "error": { "message": message, "type": "invalid_request_error", "param": null, "code": code } }),
        )
    };
    if seen.path.ends_with("/revoke") {
        return Reply::json(200, &json!({}));
    }
    let mut memory = shared.memory();
    match get("grant_type").as_deref() {
        Some("authorization_code") if is_form => {
            if let Err(message) = memory.oauth.exchange(&get) {
                return refused(401, "token_exchange_user_error", &message);
            }
        }
        Some("authorization_code") => {
            return refused(400, "invalid_request", "the code exchange is a form");
        }
        Some("refresh_token") => {
            if get("client_id").is_none() {
                return refused(400, "invalid_request", "client_id is required");
            }
            let token = get("refresh_token").unwrap_or_default();
            match memory.oauth.redeem(Vendor::Codex, &token, true) {
                Ok(()) => {}
                Err(Spent::Reused) => {
                    let message = "Your refresh token has already been used to generate a new access token. Please try \
                                   signing in again.";
                    return refused(401, "refresh_token_reused", message);
                }
                Err(Spent::Unknown) => {
                    return refused(401, "refresh_token_invalidated", "Your refresh token has been invalidated.");
                }
            }
        }
        _ => return refused(400, "unsupported_grant_type", "grant_type is not supported"),
    }
    let (access, refresh) = memory.oauth.issue(Vendor::Codex);
    let number = memory.next();
    Reply::json(
        200,
        &json!({
            "id_token": codex_token(number, 3600), "access_token": access, "refresh_token": refresh,
            "token_type": "Bearer", "expires_in": 864_000, "scope": "openid profile email offline_access"
        }),
    )
}

/// A token with the claims Codex reads. Its key is of no meaning: clients do not check it.
fn codex_token(number: u64, lifetime: u64) -> String {
    let claims = json!({
        "sub": "user-fake", "email": "ann@example.com", "iat": now(), "exp": now() + lifetime, "jti": number.to_string(),
        "https://api.openai.com/auth": {
            "chatgpt_account_id": ACCOUNT_ID, "chatgpt_plan_type": "plus", "chatgpt_user_id": "user-fake",
            "organizations": []
        }
    });
    let key = EncodingKey::from_secret(b"fake");
    jsonwebtoken::encode(&Header::default(), &claims, &key).unwrap_or_default()
}

/// Google: forms, a client secret, refresh tokens that stay.
pub(super) fn google(seen: &Seen, shared: &Shared) -> Reply {
    if seen.method == "GET" {
        return authorize_page(seen, shared, false);
    }
    let form = seen.form();
    let get = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let refused = |kind: &str, message: &str| {
        let status = if kind == "invalid_client" { 401 } else { 400 };
        Reply::json(status, &json!({ "error": kind, "error_description": message }))
    };
    if get("client_id").is_none() || get("client_secret").is_none_or(|secret| secret.is_empty()) {
        return refused("invalid_client", "The OAuth client was not found.");
    }
    let mut memory = shared.memory();
    let first = match get("grant_type").as_deref() {
        Some("authorization_code") => match memory.oauth.exchange(&get) {
            Ok(()) => true,
            Err(message) => return refused("invalid_grant", &message),
        },
        Some("refresh_token") => {
            let token = get("refresh_token").unwrap_or_default();
            if memory.oauth.redeem(Vendor::Gemini, &token, false).is_err() {
                return refused("invalid_grant", "Token has been expired or revoked.");
            }
            false
        }
        _ => return refused("unsupported_grant_type", "Invalid grant_type"),
    };
    let (access, refresh) = memory.oauth.issue(Vendor::Gemini);
    let mut reply: Value = json!({
        "access_token": access, "expires_in": 3599, "token_type": "Bearer",
        "scope": "https://www.googleapis.com/auth/cloud-platform"
    });
    // Only the first exchange brings one.
    if first {
        reply["refresh_token"] = json!(refresh);
    }
    Reply::json(200, &reply)
}

pub(super) fn refuse(refusal: &Refusal) -> Reply {
    let kind = refusal.code.clone().unwrap_or_else(|| match refusal.status {
        400 => "invalid_grant".to_owned(),
        401 => "invalid_client".to_owned(),
        429 => "rate_limit_error".to_owned(),
        _ => "server_error".to_owned(),
    });
    let mut reply = Reply::json(refusal.status, &json!({ "error": kind, "error_description": "refused" }));
    if let Some(seconds) = refusal.retry_after {
        reply = reply.with("retry-after", seconds.to_string());
    }
    reply
}
