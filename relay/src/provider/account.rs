//! An account as a provider sees it: plain data, borrowed for one attempt.

use std::fmt;

use crate::wire::headers;
use crate::wire::scrub::Hidden;
use http::HeaderMap;
use schema::model::account::{AccountKind, AccountOptions};
use schema::service::account::Credentials as Stored;

use super::Refusal;

/// What an account proves itself with, opened and chosen for one attempt.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Credentials<'a> {
    /// A key.
    Key(&'a str),
    /// An OAuth login.
    Oauth {
        /// The access token, once there is one.
        access_token: Option<&'a str>,
        /// The refresh token; a setup token has none.
        refresh_token: Option<&'a str>,
    },
    /// AWS access keys.
    Aws {
        /// `AKIA…` or `ASIA…`.
        access_key_id: &'a str,
        /// The secret.
        secret_access_key: &'a str,
        /// Goes with temporary keys.
        session_token: Option<&'a str>,
    },
    /// A Google service account.
    ServiceAccount {
        /// The JSON key file.
        key_file: &'a str,
        /// The access token bought with it, once there is one.
        access_token: Option<&'a str>,
    },
    /// An access key and the secret that signs for it.
    Pair {
        /// The public half.
        access_key: &'a str,
        /// The secret half.
        secret_key: &'a str,
    },
    /// None, for gateways on the own machine.
    None,
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key(_) => "Key(<secret>)",
            Self::Oauth { .. } => "Oauth(<secret>)",
            Self::Aws { .. } => "Aws(<secret>)",
            Self::ServiceAccount { .. } => "ServiceAccount(<secret>)",
            Self::Pair { .. } => "Pair(<secret>)",
            Self::None => "None",
        })
    }
}

impl<'a> Credentials<'a> {
    /// Those of an opened account: of several keys the one at `key`, and with a service account the access
    /// token that was `bought` with it.
    pub fn of(opened: &'a Stored, key: usize, bought: Option<&'a str>) -> Self {
        match opened {
            Stored::None => Self::None,
            Stored::Keys { keys } => keys.get(key).or(keys.first()).map_or(Self::None, |key| Self::Key(key)),
            Stored::Oauth(tokens) => Self::Oauth {
                access_token: Some(tokens.access_token.as_str()).filter(|token| !token.is_empty()),
                refresh_token: tokens.refresh_token.as_deref().filter(|token| !token.is_empty()),
            },
            Stored::Aws { access_key_id, secret_access_key, session_token } => {
                Self::Aws { access_key_id, secret_access_key, session_token: session_token.as_deref() }
            }
            Stored::ServiceAccount { json } => Self::ServiceAccount { key_file: json, access_token: bought },
            Stored::Pair { access, secret } => Self::Pair { access_key: access, secret_key: secret },
        }
    }

    /// Every secret, for scrubbing.
    pub fn secrets(&self) -> Vec<&'a str> {
        match *self {
            Self::Key(key) => vec![key],
            Self::Oauth { access_token, refresh_token } => access_token.into_iter().chain(refresh_token).collect(),
            Self::Aws { access_key_id, secret_access_key, session_token } => {
                [access_key_id, secret_access_key].into_iter().chain(session_token).collect()
            }
            Self::ServiceAccount { key_file, access_token } => std::iter::once(key_file).chain(access_token).collect(),
            Self::Pair { access_key, secret_key } => vec![access_key, secret_key],
            Self::None => Vec::new(),
        }
    }

    /// The key, for kinds that have one.
    pub fn key(&self) -> Result<&'a str, Refusal> {
        match *self {
            Self::Key(key) if !key.is_empty() => Ok(key),
            _ => Err(Refusal::Account("the account has no API key".into())),
        }
    }

    /// The access token, for kinds that log in.
    pub fn access_token(&self) -> Result<&'a str, Refusal> {
        match *self {
            Self::Oauth { access_token, .. } | Self::ServiceAccount { access_token, .. } => {
                access_token.filter(|token| !token.is_empty()).ok_or(Refusal::NoToken)
            }
            _ => Err(Refusal::Account("the account has no login".into())),
        }
    }

    /// The refresh token, where there is one.
    pub fn refresh_token(&self) -> Option<&'a str> {
        match *self {
            Self::Oauth { refresh_token, .. } => refresh_token,
            _ => None,
        }
    }
}

/// One account for one attempt.
#[derive(Clone, Copy, Debug)]
pub struct Upstream<'a> {
    /// Its kind.
    pub kind: AccountKind,
    /// Its address, where it is not the vendor's own.
    pub base_url: Option<&'a str>,
    /// What it proves itself with.
    pub credentials: Credentials<'a>,
    /// Its further settings.
    pub options: &'a AccountOptions,
    /// The vendor's number of the account, where an address or a header must hold it (ChatGPT, Cloudflare).
    pub account_id: Option<&'a str>,
}

impl<'a> Upstream<'a> {
    /// The account's address, else the vendor's own.
    pub fn base<'b>(&self, own: &'b str) -> &'b str
    where
        'a: 'b,
    {
        self.base_url.map(str::trim).filter(|url| !url.is_empty()).unwrap_or(own).trim_end_matches('/')
    }

    /// The account's address, for kinds whose vendors have none of their own.
    pub fn required_base(&self) -> Result<&'a str, Refusal> {
        let base = self.base_url.map(str::trim).unwrap_or_default().trim_end_matches('/');
        if base.is_empty() { Err(Refusal::Account("the account has no base URL".into())) } else { Ok(base) }
    }

    /// Lays the account's extra headers over a request's.
    pub fn extra(&self, headers: &mut HeaderMap) {
        headers::add_extra(headers, &self.options.headers);
    }

    /// What of this account and of the address it was reached at no client may see: secrets, addresses, and
    /// the names that the vendor knows it by.
    pub fn hidden(&self, address: &str) -> Hidden {
        let names = [self.options.organization.as_deref(), self.options.project.as_deref(), self.account_id];
        let secrets = self.credentials.secrets().into_iter().chain(names.into_iter().flatten());
        Hidden::new(secrets, [address].into_iter().chain(self.base_url))
    }
}
