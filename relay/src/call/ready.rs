//! An account made ready for calls: what of it has to be put together once, and its keys taking turns.

use std::sync::Arc;
use std::time::Duration;

use ring::digest;
use schema::model::account::{AccountKind, AccountOptions};
use schema::service::account::{Proxy, ProxyKind};
use schema::service::directory::AccountView;

use crate::provider::{Credentials, Upstream};
use crate::wire::percent;

/// An account that can be called.
pub struct Ready {
    /// The row, its opened secrets, and what moves about it.
    pub view: Arc<AccountView>,
    /// The way to it.
    pub proxy: Option<String>,
    account_id: Option<String>,
}

impl Ready {
    /// Puts an account together; `None` when its secrets do not open.
    pub fn of(view: Arc<AccountView>) -> Option<Self> {
        let opened = view.opened.as_ref()?;
        let told = |name: &str| {
            let value = view.account.options.extra.get(name).or_else(|| view.account.info.0.get(name))?;
            value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
        };
        Some(Self {
            proxy: opened.proxy.as_ref().map(address),
            account_id: ["account_id", "accountId", "chatgpt_account_id"].into_iter().find_map(told),
            view,
        })
    }

    /// Whether this was put together from that very view.
    pub fn is_of(&self, view: &Arc<AccountView>) -> bool {
        Arc::ptr_eq(&self.view, view)
    }

    /// Its id.
    pub fn id(&self) -> i64 {
        self.view.account.id
    }

    /// Its kind, for the provider.
    pub fn kind(&self) -> AccountKind {
        self.view.account.kind
    }

    /// Its lesser settings.
    pub fn options(&self) -> &AccountOptions {
        &self.view.account.options.0
    }

    /// Longest wait for the first byte of a stream.
    pub fn first_byte(&self) -> Option<Duration> {
        let ms = self.options().first_byte_ms.and_then(|ms| u64::try_from(ms).ok()).filter(|ms| *ms > 0);
        ms.map(Duration::from_millis)
    }

    /// How long it rests after a refusal that names no end, in milliseconds.
    pub fn rest_ms(&self) -> Option<i64> {
        self.options().rate_limit_minutes.map(|minutes| minutes.max(0).saturating_mul(60_000))
    }

    /// Whose turn it is among several keys.
    pub fn key(&self) -> usize {
        if self.keys() < 2 {
            return 0;
        }
        self.view.key(schema::id::lot()).map_or(0, |(number, _)| number)
    }

    /// How many keys it has.
    pub fn keys(&self) -> usize {
        self.view.opened.as_ref().map_or(0, |opened| opened.credentials.keys().len())
    }

    /// A name for one of its keys that tells nothing of the key and stays when others come and go; empty where
    /// it has no keys.
    pub fn key_name(&self, key: usize) -> String {
        let keys = self.view.opened.as_ref().map_or(&[] as &[String], |opened| opened.credentials.keys());
        keys.get(key).map_or_else(String::new, |key| name(key))
    }

    /// The key of such a name, if it is still there and in use.
    pub fn key_named(&self, wanted: &str) -> Option<usize> {
        let keys = self.view.opened.as_ref()?.credentials.keys();
        let key = keys.iter().position(|key| !wanted.is_empty() && name(key) == wanted)?;
        let disabled = self.options().disabled_keys.iter().any(|number| usize::try_from(*number) == Ok(key));
        (!disabled).then_some(key)
    }

    /// The account as a provider sees it, with one of its keys or a token that was bought with its own.
    pub fn upstream<'a>(&'a self, key: usize, bought: Option<&'a str>) -> Upstream<'a> {
        let credentials = self
            .view
            .opened
            .as_ref()
            .map_or(Credentials::None, |opened| Credentials::of(&opened.credentials, key, bought));
        Upstream {
            kind: self.kind(),
            base_url: self.view.account.base_url.as_deref(),
            credentials,
            options: self.options(),
            account_id: self.account_id.as_deref(),
        }
    }

    /// The status a client is told for one that came.
    pub fn status(&self, came: u16) -> u16 {
        self.options().status_mapping.get(&came).copied().unwrap_or(came)
    }
}

impl std::fmt::Debug for Ready {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ready").field("id", &self.id()).field("kind", &self.kind()).finish_non_exhaustive()
    }
}

fn name(key: &str) -> String {
    let digest = digest::digest(&digest::SHA256, key.as_bytes());
    schema::id::hex(digest.as_ref().get(..8).unwrap_or_default())
}

fn address(proxy: &Proxy) -> String {
    let scheme = match proxy.kind {
        ProxyKind::Http => "http",
        ProxyKind::Https => "https",
        ProxyKind::Socks5 => "socks5",
    };
    let login = match (&proxy.username, &proxy.password) {
        (Some(name), Some(password)) if !name.is_empty() => {
            format!("{}:{}@", percent::encode(name), percent::encode(password))
        }
        (Some(name), None) if !name.is_empty() => format!("{}@", percent::encode(name)),
        _ => String::new(),
    };
    format!("{scheme}://{login}{}:{}", proxy.host, proxy.port)
}
