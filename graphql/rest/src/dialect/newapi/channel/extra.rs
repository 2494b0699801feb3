//! A channel's `setting`: a JSON document as text, of which this system keeps the proxy and what is so for every
//! channel anyway; the rest it does not do, and says so.

use relay::wire::percent;
use reqwest::Url;
use schema::model::account::{Account, AccountOptions};
use schema::service::account::{self, Proxy, ProxyKind};
use schema::{Actor, App, Error};
use serde_json::{Map, Value};

use super::document;

/// What is so for every channel and may be asked for: answers have the form of the interface that was called, and
/// a body goes on as it came but for what must be changed.
const ALWAYS: [&str; 2] = ["force_format", "pass_through_body_enabled"];
/// What stands in the place of a proxy's password.
const COVER: &str = "***";
/// Where an account's options keep what was asked for of [`ALWAYS`].
const KEPT: &str = "channelSetting";

/// The document as text, the password covered; nothing where nothing was set.
pub fn told(app: &App, actor: &Actor, channel: &Account) -> Result<String, Error> {
    let mut setting = asked(&channel.options.0);
    if let Some(proxy) = account::proxy_of(app, actor, channel)? {
        let user = proxy.username.as_deref().filter(|name| !name.is_empty()).map(percent::encode);
        let who = match (user, proxy.has_password) {
            (None, false) => String::new(),
            (user, true) => format!("{}:{COVER}@", user.unwrap_or_default()),
            (Some(user), false) => format!("{user}@"),
        };
        setting.insert("proxy".into(), format!("{}://{who}{}:{}", proxy.kind, proxy.host, proxy.port).into());
    }
    Ok(if setting.is_empty() { String::new() } else { Value::Object(setting).to_string() })
}

/// What was asked for of what is always so.
fn asked(options: &AccountOptions) -> Map<String, Value> {
    options.extra.get(KEPT).and_then(Value::as_object).cloned().unwrap_or_default()
}

/// Keeps what a document asks for of what is always so, in place of what an earlier one did. What is off, empty or
/// null asks for nothing.
pub fn keep(text: &str, options: &mut AccountOptions) -> Result<(), Error> {
    let mut setting: Map<String, Value> = document("setting", text)?;
    setting.retain(|name, value| ALWAYS.contains(&name.as_str()) && value.as_bool() == Some(true));
    if setting.is_empty() {
        options.extra.remove(KEPT);
    } else {
        options.extra.insert(KEPT.to_owned(), setting.into());
    }
    Ok(())
}

/// The proxy that a document names; a covered password is the one there was before. Refuses what is not done here.
pub fn proxy(text: &str, before: Option<&Proxy>) -> Result<Option<Proxy>, Error> {
    let setting: Map<String, Value> = document("setting", text)?;
    for (name, value) in &setting {
        let asks = !matches!(value, Value::Null | Value::Bool(false)) && value != "";
        if name != "proxy" && asks && !(ALWAYS.contains(&name.as_str()) && value.as_bool() == Some(true)) {
            return Err(Error::invalid("setting", format!("setting.{name} 不能设置：本系统没有这一项")));
        }
    }
    match setting.get("proxy").and_then(Value::as_str).map(str::trim).filter(|address| !address.is_empty()) {
        None => Ok(None),
        Some(address) => read(address, before).map(Some),
    }
}

fn read(address: &str, before: Option<&Proxy>) -> Result<Proxy, Error> {
    let bad = || Error::invalid("setting", "setting.proxy 的格式为 socks5://用户名:密码@主机:端口（或 http、https）");
    let url = Url::parse(address).map_err(|_| bad())?;
    let kind = match url.scheme() {
        "socks5" | "socks5h" => ProxyKind::Socks5,
        scheme => ProxyKind::parse(scheme).ok_or_else(bad)?,
    };
    let host = url.host_str().ok_or_else(bad)?.to_owned();
    let port = url.port_or_known_default().ok_or_else(bad)?;
    let username = Some(percent::decode(url.username(), false)).filter(|name| !name.is_empty());
    let password = match url.password() {
        Some(COVER) => {
            let same = before.filter(|old| (&old.host, old.port, &old.username) == (&host, port, &username));
            let same = same.ok_or_else(|| Error::invalid("setting", "setting.proxy 已改变，请重新填写密码"))?;
            same.password.clone()
        }
        other => other.map(|text| percent::decode(text, false)),
    };
    Ok(Proxy { kind, host, port, username, password })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_read_and_its_covered_password_kept() {
        let old =
            proxy(r#"{"proxy":"socks5://a%40b:p%3As@10.0.0.1:1080","force_format":false}"#, None).unwrap().unwrap();
        assert_eq!((old.kind, old.host.as_str(), old.port), (ProxyKind::Socks5, "10.0.0.1", 1080));
        assert_eq!((old.username.as_deref(), old.password.as_deref()), (Some("a@b"), Some("p:s")));
        let back = format!("{{\"proxy\":\"socks5://{}:***@10.0.0.1:1080\"}}", percent::encode("a@b"));
        assert_eq!(proxy(&back, Some(&old)).unwrap(), Some(old.clone()));
        assert!(proxy(&back.replace("1080", "1081"), Some(&old)).is_err(), "another host does not get the password");
        assert_eq!(proxy("", Some(&old)).unwrap(), None);
        assert_eq!(proxy(r#"{"proxy":""}"#, Some(&old)).unwrap(), None);
        let always = r#"{"force_format":true,"pass_through_body_enabled":true,"proxy":""}"#;
        assert_eq!(proxy(always, None).unwrap(), None, "what is always so may be asked for");
        let mut options = AccountOptions::default();
        keep(always, &mut options).unwrap();
        assert_eq!(Value::from(asked(&options)).to_string(), always.replace(",\"proxy\":\"\"", ""));
        keep(r#"{"force_format":false,"proxy":"http://a:1"}"#, &mut options).unwrap();
        assert_eq!(options, AccountOptions::default(), "what is off is nothing to keep");
        for bad in ["{", r#"{"force_format":"x"}"#, r#"{"system_prompt":"x"}"#, r#"{"proxy":"ftp://a:1"}"#] {
            assert!(proxy(bad, None).is_err(), "{bad}");
        }
    }
}
