//! What opens an account at its vendor, and the way there. Sealed in the database, never shown.

use serde::{Deserialize, Serialize};

use crate::App;
use crate::clock::Time;
use crate::error::{Error, Result};
use crate::model::account::{Account, AccountKind};
use crate::secret;
use crate::service::field;
use crate::text_enum;

/// The places that sealed values are bound to.
const CREDENTIALS: &str = "accounts.credentials";
const PROXY: &str = "accounts.proxy";

/// What opens an account.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Credentials {
    /// Nothing yet; such an account serves nobody.
    #[default]
    None,
    /// One key, or several that take turns.
    Keys { keys: Vec<String> },
    /// OAuth tokens.
    Oauth(OauthTokens),
    /// An AWS access key.
    Aws {
        access_key_id: String,
        secret_access_key: String,
        #[serde(default)]
        session_token: Option<String>,
    },
    /// A Google service account's JSON key.
    ServiceAccount { json: String },
    /// An access key and its secret, from which short-lived tokens are signed.
    Pair { access: String, secret: String },
}

/// Tokens of an OAuth login.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OauthTokens {
    pub access_token: String,
    pub refresh_token: Option<String>,
    pub id_token: Option<String>,
    pub expires_at: Option<Time>,
    pub scopes: Vec<String>,
}

impl Credentials {
    /// Keys, one a line.
    pub fn lines(text: &str) -> Self {
        let keys: Vec<String> = text.lines().map(str::trim).filter(|k| !k.is_empty()).map(str::to_owned).collect();
        if keys.is_empty() { Self::None } else { Self::Keys { keys } }
    }
    /// What kind of credentials these are.
    pub fn name(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Keys { .. } => "keys",
            Self::Oauth(_) => "oauth",
            Self::Aws { .. } => "aws",
            Self::ServiceAccount { .. } => "service_account",
            Self::Pair { .. } => "pair",
        }
    }
    /// The keys, where these are keys.
    pub fn keys(&self) -> &[String] {
        match self {
            Self::Keys { keys } => keys,
            _ => &[],
        }
    }
    /// The tokens, where these are tokens.
    pub fn oauth(&self) -> Option<&OauthTokens> {
        match self {
            Self::Oauth(tokens) => Some(tokens),
            _ => None,
        }
    }
    /// Enough to recognise them by.
    pub fn hint(&self) -> String {
        match self {
            Self::None => String::new(),
            Self::Keys { keys } => match keys.as_slice() {
                [] => String::new(),
                [one] => secret::hint(one),
                [first, rest @ ..] => format!("{} +{}", secret::hint(first), rest.len()),
            },
            Self::Oauth(tokens) => secret::hint(tokens.refresh_token.as_deref().unwrap_or(&tokens.access_token)),
            Self::Aws { access_key_id, .. } => secret::hint(access_key_id),
            Self::ServiceAccount { .. } => "service account".to_owned(),
            Self::Pair { access, .. } => secret::hint(access),
        }
    }
    /// Whether credentials of this hint could be, or hold, a secret.
    pub(super) fn may_be(hint: &str, secret: &str) -> bool {
        let first = secret.split('|').next().unwrap_or_default();
        // Of several keys the hint names the first alone; a JSON key has none of its own, and of two tokens it is one's.
        hint.contains(" +")
            || hint == "service account" && secret.starts_with('{')
            || hint == secret::hint(secret)
            || hint == secret::hint(first)
    }
    /// Everything of them that opens the account by itself, as people write it.
    pub(super) fn secrets(self) -> Vec<String> {
        match self {
            Self::None => Vec::new(),
            Self::Keys { keys } => keys,
            Self::Oauth(tokens) => vec![tokens.refresh_token.unwrap_or(tokens.access_token)],
            Self::Aws { access_key_id, secret_access_key, .. } => vec![format!("{access_key_id}|{secret_access_key}")],
            Self::ServiceAccount { json } => vec![json],
            Self::Pair { access, secret } => vec![format!("{access}|{secret}")],
        }
    }
    /// When they run out, as far as they say.
    pub fn expires_at(&self) -> Option<Time> {
        self.oauth().and_then(|t| t.expires_at)
    }
    /// Refuses what an account of this kind cannot be opened with.
    pub fn check(&self, kind: AccountKind) -> Result<()> {
        let refuse = |why: &str| Err(Error::invalid("credentials", format!("a {kind} account {why}")));
        match (kind, self) {
            // An OAuth login may follow the account; so may the keys of a Bedrock account.
            (k, Self::None) if k.is_oauth() || k == AccountKind::Bedrock => return Ok(()),
            (_, Self::None) => return refuse("needs credentials"),
            (k, Self::Oauth(tokens)) if k.is_oauth() => {
                if tokens.access_token.is_empty() && tokens.refresh_token.as_deref().unwrap_or("").is_empty() {
                    return refuse("needs an access token or a refresh token");
                }
            }
            (k, _) if k.is_oauth() => return refuse("is opened by OAuth tokens"),
            (AccountKind::Bedrock, Self::Aws { access_key_id, secret_access_key, .. }) => {
                if access_key_id.is_empty() || secret_access_key.is_empty() {
                    return refuse("needs an access key id and a secret access key");
                }
            }
            (AccountKind::Vertex, Self::ServiceAccount { json }) => {
                let key: serde_json::Map<String, serde_json::Value> = serde_json::from_str(json).unwrap_or_default();
                if !["client_email", "private_key"].iter().all(|f| key.get(*f).is_some_and(|v| v.is_string())) {
                    return refuse("needs a service account's JSON key with client_email and private_key");
                }
            }
            (AccountKind::Kling, Self::Pair { access, secret }) => {
                if access.is_empty() || secret.is_empty() {
                    return refuse("needs an access key and a secret key");
                }
            }
            (_, Self::Keys { .. }) => {}
            _ => return refuse("is opened by a key"),
        }
        self.sizes()
    }

    fn sizes(&self) -> Result<()> {
        let parts: Vec<&str> = match self {
            Self::None => Vec::new(),
            Self::Keys { keys } => {
                if keys.len() > 1_000 {
                    return Err(Error::invalid("credentials", "an account has at most 1000 keys"));
                }
                keys.iter().map(String::as_str).collect()
            }
            Self::Oauth(t) => [Some(&t.access_token), t.refresh_token.as_ref(), t.id_token.as_ref()]
                .into_iter()
                .flatten()
                .map(String::as_str)
                .collect(),
            Self::Aws { access_key_id, secret_access_key, session_token } => {
                let mut parts = vec![access_key_id.as_str(), secret_access_key];
                parts.extend(session_token.as_deref());
                parts
            }
            // Holds line breaks by nature, and was read as JSON.
            Self::ServiceAccount { json } => return field::text("credentials", json, 20_000),
            Self::Pair { access, secret } => vec![access, secret],
        };
        for part in parts {
            // They travel in headers.
            if part.len() > 10_000 || !part.bytes().all(|b| (0x20..0x7f).contains(&b)) {
                return Err(Error::invalid(
                    "credentials",
                    "keys and tokens have at most 10000 plain characters and no line breaks",
                ));
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({})", self.name())
    }
}

impl std::fmt::Debug for OauthTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OauthTokens").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

text_enum! {
    /// What a proxy speaks.
    pub enum ProxyKind {
        Http = "http",
        Https = "https",
        Socks5 = "socks5",
    }
}

/// The way to a vendor.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proxy {
    #[serde(rename = "type")]
    pub kind: ProxyKind,
    pub host: String,
    pub port: u16,
    #[serde(default)]
    pub username: Option<String>,
    #[serde(default)]
    pub password: Option<String>,
}

impl Proxy {
    /// Refuses what is no proxy.
    pub fn check(&self) -> Result<()> {
        let host = &self.host;
        let plain = !host.is_empty()
            && host.len() <= 253
            && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b));
        if !plain {
            return Err(Error::invalid("proxy.host", "this is no name or address of a host"));
        }
        if self.port == 0 {
            return Err(Error::invalid("proxy.port", "a port is between 1 and 65535"));
        }
        for (field, value) in [("proxy.username", &self.username), ("proxy.password", &self.password)] {
            field::text(field, value.as_deref().unwrap_or(""), 255)?;
        }
        Ok(())
    }
    /// The proxy without its password.
    pub fn shown(&self) -> ShownProxy {
        ShownProxy {
            kind: self.kind,
            host: self.host.clone(),
            port: self.port,
            username: self.username.clone(),
            has_password: self.password.as_deref().is_some_and(|p| !p.is_empty()),
        }
    }
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Proxy({}://{}:{})", self.kind, self.host, self.port)
    }
}

/// A proxy as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownProxy {
    #[serde(rename = "type")]
    pub kind: ProxyKind,
    pub host: String,
    pub port: u16,
    pub username: Option<String>,
    #[serde(rename = "hasPassword")]
    pub has_password: bool,
}

/// An account's opened secrets, for the relay and for probes.
#[derive(Clone, Debug)]
pub struct Opened {
    pub credentials: Credentials,
    pub proxy: Option<Proxy>,
}

/// Opens an account's secrets; the only place that does.
pub fn open(app: &App, account: &Account) -> Result<Opened> {
    let credentials = app.seal.open_json(CREDENTIALS, &account.credentials)?;
    let proxy = account.proxy.as_deref().map(|sealed| app.seal.open_json(PROXY, sealed)).transpose()?;
    Ok(Opened { credentials, proxy })
}

/// Seals what opens an account.
pub(crate) fn seal_credentials(app: &App, credentials: &Credentials) -> Result<Vec<u8>> {
    app.seal.seal_json(CREDENTIALS, credentials)
}

/// Seals the way to an account.
pub(super) fn seal_proxy(app: &App, proxy: &Proxy) -> Result<Vec<u8>> {
    proxy.check()?;
    app.seal.seal_json(PROXY, proxy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_is_shown() {
        let keys = Credentials::lines("sk-aaaaaaaaaaaaaaaaaaaa\n\n sk-bbbbbbbbbbbbbbbbbbbb \n");
        assert_eq!(keys.keys().len(), 2);
        assert_eq!(keys.hint(), "sk-aaaa****aaaa +1");
        let tokens = Credentials::Oauth(OauthTokens { access_token: "very-secret".into(), ..OauthTokens::default() });
        assert!(!format!("{keys:?}{tokens:?}").contains("aaaa"));
        assert!(!format!("{:?}", tokens.oauth()).contains("very"));
        let proxy = Proxy {
            kind: ProxyKind::Socks5,
            host: "proxy.example".into(),
            port: 1080,
            username: Some("u".into()),
            password: Some("hush".into()),
        };
        assert!(!format!("{proxy:?}").contains("hush"));
        assert!(proxy.shown().has_password && proxy.check().is_ok());
        assert!(Proxy { host: "a b".into(), ..proxy.clone() }.check().is_err());
        assert!(Proxy { port: 0, ..proxy }.check().is_err());
    }

    #[test]
    fn each_kind_takes_its_own() {
        use AccountKind as K;
        let key = Credentials::lines("sk-1");
        let oauth = Credentials::Oauth(OauthTokens { refresh_token: Some("r".into()), ..OauthTokens::default() });
        let aws = Credentials::Aws { access_key_id: "A".into(), secret_access_key: "S".into(), session_token: None };
        let service = Credentials::ServiceAccount { json: r#"{"client_email":"a","private_key":"b"}"#.into() };
        for (kind, fits, does_not) in [
            (K::ClaudeOauth, &oauth, &key),
            (K::ClaudeConsole, &key, &oauth),
            (K::Bedrock, &aws, &oauth),
            (K::Bedrock, &key, &service),
            (K::Vertex, &service, &aws),
            (K::OpenaiCompatible, &key, &Credentials::None),
        ] {
            assert!(fits.check(kind).is_ok(), "{kind} {fits:?}");
            assert!(does_not.check(kind).is_err(), "{kind} {does_not:?}");
        }
        assert!(Credentials::Keys { keys: vec!["a\nb".into()] }.check(K::OpenaiKey).is_err());
        assert!(Credentials::ServiceAccount { json: "{}".into() }.check(K::Vertex).is_err());
    }
}
