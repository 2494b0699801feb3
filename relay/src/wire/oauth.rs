//! The vendors' OAuth flows: address of the consent page, code exchange, refresh, and their answers.
//!
//! Requests are built and answers read; sending them, storing the tokens and taking turns is done
//! elsewhere. Every address is a parameter, [`Flow::defaults`] holds the vendors' own.

mod answer;
mod claims;

use std::borrow::Cow;
use std::fmt;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use ring::digest;
use serde_json::json;

pub use answer::{Dead, Tokens, read_tokens};
pub use claims::{Identity, expires_at, identity};

use super::{WireError, percent, post_form, post_json};

/// The ways in which an account's tokens are got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flow {
    /// A Claude subscription: access token of hours, rotating refresh token.
    Claude,
    /// A Claude setup token: one access token of a year, no refresh token, inference only.
    ClaudeSetup,
    /// A ChatGPT login as Codex uses it.
    Codex,
    /// A Google login as gemini-cli uses it.
    Gemini,
}

/// Where a flow goes and as which client.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// The consent page.
    pub authorize: Cow<'static, str>,
    /// Where codes and refresh tokens are exchanged.
    pub token: Cow<'static, str>,
    /// Where the consent page sends the person.
    pub redirect: Cow<'static, str>,
    /// The client's id.
    pub client_id: Cow<'static, str>,
    /// The client's secret, where the flow has one; it is configured, never built in.
    pub client_secret: Option<String>,
    /// What is asked for.
    pub scope: Cow<'static, str>,
}

impl fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoints")
            .field("authorize", &self.authorize)
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

/// The vendors' own addresses, public client ids and scopes: flow, authorize, token, redirect, client, scope.
const DEFAULTS: &[(Flow, &str, &str, &str, &str, &str)] = &[
    (
        Flow::Claude,
        "https://claude.com/cai/oauth/authorize",
        "https://platform.claude.com/v1/oauth/token",
        "https://platform.claude.com/oauth/code/callback",
        "9d1c250a-e61b-44d9-88ed-5944d1962f5e",
        "org:create_api_key user:profile user:inference user:sessions:claude_code user:mcp_servers user:file_upload",
    ),
    (
        Flow::ClaudeSetup,
        "https://claude.com/cai/oauth/authorize",
        "https://platform.claude.com/v1/oauth/token",
        "https://platform.claude.com/oauth/code/callback",
        "9d1c250a-e61b-44d9-88ed-5944d1962f5e",
        "user:inference",
    ),
    (
        Flow::Codex,
        "https://auth.openai.com/oauth/authorize",
        "https://auth.openai.com/oauth/token",
        "http://localhost:1455/auth/callback",
        "app_EMoamEEZ73f0CkXaXp7hrann",
        "openid profile email offline_access api.connectors.read api.connectors.invoke",
    ),
    (
        Flow::Gemini,
        "https://accounts.google.com/o/oauth2/v2/auth",
        "https://oauth2.googleapis.com/token",
        "https://codeassist.google.com/authcode",
        "681255809395-oo8ft2oprdrnp9e3aqf6av3hmdib135j.apps.googleusercontent.com",
        "https://www.googleapis.com/auth/cloud-platform https://www.googleapis.com/auth/userinfo.email https://www.googleapis.com/auth/userinfo.profile",
    ),
];

/// A setup token is asked for a year.
const SETUP_LIFE: i64 = 31_536_000;

/// A PKCE pair: the verifier stays here, the challenge goes to the consent page.
#[derive(Clone)]
pub struct Pkce {
    /// Sent with the code.
    pub verifier: String,
    /// SHA-256 of the verifier.
    pub challenge: String,
}

impl Pkce {
    /// The S256 pair of 32 random bytes.
    pub fn from_random(random: &[u8; 32]) -> Self {
        let verifier = BASE64_URL_SAFE_NO_PAD.encode(random);
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()));
        Self { verifier, challenge }
    }
}

/// What a person brings back from the consent page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pasted {
    /// The code.
    pub code: String,
    /// The state, where it came along.
    pub state: Option<String>,
}

impl Pasted {
    /// Reads what was pasted: a bare code, `CODE#STATE`, or the whole address that was called back.
    pub fn read(input: &str) -> Result<Self, WireError> {
        let input = input.trim();
        let missing = || WireError::Body("the pasted text holds no authorization code".into());
        if input.contains("://") || input.starts_with('?') {
            let query = input.split_once('?').ok_or_else(missing)?.1;
            let query = query.split('#').next().unwrap_or(query);
            if let Some(error) = percent::query_value(query, "error") {
                return Err(WireError::Body(format!("the vendor refused the login: {error}")));
            }
            let code = percent::query_value(query, "code").filter(|code| !code.is_empty()).ok_or_else(missing)?;
            return Ok(Self { code, state: percent::query_value(query, "state") });
        }
        let (code, state) = match input.split_once('#') {
            Some((code, state)) => (code, Some(state.to_owned())),
            None => (input, None),
        };
        if code.is_empty() || code.contains(char::is_whitespace) {
            return Err(missing());
        }
        Ok(Self { code: code.to_owned(), state })
    }
}

impl Flow {
    /// The vendor's own addresses.
    pub fn defaults(self) -> Endpoints {
        // Every flow has a row; a test counts them. The first row stands in for a missing one.
        let row = DEFAULTS.iter().find(|row| row.0 == self).unwrap_or(&DEFAULTS[0]);
        Endpoints {
            authorize: row.1.into(),
            token: row.2.into(),
            redirect: row.3.into(),
            client_id: row.4.into(),
            client_secret: None,
            scope: row.5.into(),
        }
    }

    /// The address of the consent page.
    pub fn authorize_url(self, at: &Endpoints, challenge: &str, state: &str) -> String {
        let mut query: Vec<(&str, &str)> = vec![
            ("client_id", &at.client_id),
            ("response_type", "code"),
            ("redirect_uri", &at.redirect),
            ("scope", &at.scope),
            ("code_challenge", challenge),
            ("code_challenge_method", "S256"),
            ("state", state),
        ];
        match self {
            // The page that shows the code for copying.
            Self::Claude | Self::ClaudeSetup => query.insert(0, ("code", "true")),
            Self::Codex => {
                query.extend([("id_token_add_organizations", "true"), ("codex_cli_simplified_flow", "true")])
            }
            Self::Gemini => query.extend([("access_type", "offline"), ("prompt", "consent")]),
        }
        let join = if at.authorize.contains('?') { '&' } else { '?' };
        format!("{}{join}{}", at.authorize, percent::form(&query))
    }

    /// The request that turns a code into tokens.
    pub fn exchange(
        self,
        at: &Endpoints,
        code: &str,
        verifier: &str,
        state: &str,
    ) -> Result<http::Request<Bytes>, WireError> {
        match self {
            Self::Claude | Self::ClaudeSetup => {
                let mut body = json!({
                    "grant_type": "authorization_code", "client_id": at.client_id, "code": code,
                    "redirect_uri": at.redirect, "code_verifier": verifier, "state": state,
                });
                if self == Self::ClaudeSetup {
                    body["expires_in"] = SETUP_LIFE.into();
                }
                post_json(&at.token, &body)
            }
            Self::Codex | Self::Gemini => {
                let mut fields = vec![
                    ("grant_type", "authorization_code"),
                    ("code", code),
                    ("redirect_uri", at.redirect.as_ref()),
                    ("client_id", at.client_id.as_ref()),
                    ("code_verifier", verifier),
                ];
                if self == Self::Gemini {
                    fields.push(("client_secret", secret(at)?));
                }
                post_form(&at.token, &fields)
            }
        }
    }

    /// The request that turns a refresh token into a new access token.
    pub fn refresh(self, at: &Endpoints, refresh_token: &str) -> Result<http::Request<Bytes>, WireError> {
        match self {
            Self::ClaudeSetup => Err(WireError::Key("a setup token cannot be refreshed; create a new one")),
            Self::Claude => post_json(
                &at.token,
                &json!({"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": at.client_id, "scope": at.scope}),
            ),
            Self::Codex => post_json(
                &at.token,
                &json!({"client_id": at.client_id, "grant_type": "refresh_token", "refresh_token": refresh_token}),
            ),
            Self::Gemini => post_form(
                &at.token,
                &[
                    ("client_id", &at.client_id),
                    ("client_secret", secret(at)?),
                    ("refresh_token", refresh_token),
                    ("grant_type", "refresh_token"),
                ],
            ),
        }
    }
}

fn secret(at: &Endpoints) -> Result<&str, WireError> {
    at.client_secret.as_deref().ok_or(WireError::Key("the Google OAuth client secret is not configured"))
}

#[cfg(test)]
mod tests;
