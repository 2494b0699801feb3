//! Asking a vendor how much money an account has left, where the vendor tells.

use bytes::Bytes;
use schema::clock::{DAY, Time};
use schema::model::account::{Account, AccountKind};
use schema::service::account;
use schema::service::setting::{self, names};
use schema::{Actor, App, Error, Result};
use serde_json::{Value, json};

use super::{ask, refused};
use crate::provider::provider;

/// How a vendor tells it.
enum Told {
    /// A granted limit and what was used of it, as OpenAI's own billing pages have it.
    Limit,
    /// One figure (as a number or text) under a path, in a currency.
    Figure { tail: &'static str, at: &'static str, yuan: bool },
    /// What was bought and what was used, both in dollars.
    Credits,
}

fn told(account: &Account) -> Option<Told> {
    let vendor = account.options.vendor.as_deref().unwrap_or("");
    Some(match (account.kind, vendor) {
        (AccountKind::OpenaiCompatible, "deepseek") => {
            Told::Figure { tail: "../user/balance", at: "/balance_infos/0/total_balance", yuan: true }
        }
        (AccountKind::OpenaiCompatible, "siliconflow") => {
            Told::Figure { tail: "user/info", at: "/data/totalBalance", yuan: true }
        }
        (AccountKind::OpenaiCompatible, "moonshot") => {
            Told::Figure { tail: "users/me/balance", at: "/data/available_balance", yuan: true }
        }
        (AccountKind::OpenaiCompatible, "openrouter") => Told::Credits,
        (AccountKind::OpenaiCompatible | AccountKind::OpenaiKey | AccountKind::OpenaiResponses, _) => Told::Limit,
        _ => return None,
    })
}

/// The address beside that of the vendor's list of models; `../` leaves the version's folder.
fn beside(models: &http::Uri, tail: &str) -> Result<http::Uri> {
    let bad = || Error::invalid("baseUrl", "the account's address cannot be used");
    let text = models.to_string();
    let folder = text.split(['?', '#']).next().unwrap_or("").strip_suffix("/models").ok_or_else(bad)?;
    let (folder, tail) = match tail.strip_prefix("../") {
        Some(tail) => (
            folder.rsplit_once('/').map_or(folder, |(outer, version)| {
                // Only a version is left: an address without one has no folder to leave.
                if version.starts_with('v') && version.len() < 4 { outer } else { folder }
            }),
            tail,
        ),
        None => (folder, tail),
    };
    format!("{folder}/{tail}").parse().map_err(|_| bad())
}

async fn read(app: &App, actor: &Actor, account: Account, tail: &str) -> Result<(Account, Value)> {
    let (kind, now) = (account.kind, app.clock.now().0);
    let opened = account::open(app, &account)?;
    // The question for the list of models carries the vendor's credential; only its address is another.
    let models = provider(kind).probe(&super::upstream(&account, &opened), None, now).map_err(refused)?;
    let place = beside(models.uri(), tail)?;
    let question = |up: &crate::provider::Upstream<'_>| {
        let mut request = provider(kind).probe(up, None, now)?;
        *request.uri_mut() = place.clone();
        Ok(request)
    };
    let (account, body): (Account, Bytes) = ask(app, actor, account, question).await?;
    let body = serde_json::from_slice(&body)
        .map_err(|_| Error::upstream(kind.as_str(), 200, "the vendor's balance could not be read"))?;
    Ok((account, body))
}

fn figure(body: &Value, at: &str) -> Result<f64> {
    let found = body.pointer(at).and_then(|v| v.as_f64().or_else(|| v.as_str()?.trim().parse().ok()));
    found.filter(|n: &f64| n.is_finite()).ok_or_else(|| Error::upstream("", 200, "the vendor told no balance"))
}

/// Asks an account's vendor how many dollars are left there, and notes it with the account.
pub async fn balance(app: &App, actor: &Actor, account_id: i64) -> Result<f64> {
    let account = account::get(app, actor, account_id).await?;
    let left = left(app, actor, account).await?;
    let facts = json!({ "balance": left, "balance_updated_time": app.clock.now().seconds() });
    if let Value::Object(facts) = facts {
        account::learn(app, account_id, &facts).await?;
    }
    Ok(left)
}

async fn left(app: &App, actor: &Actor, account: Account) -> Result<f64> {
    let how =
        told(&account).ok_or_else(|| Error::invalid("account", "vendors of this kind of account tell no balance"))?;
    match how {
        Told::Figure { tail, at, yuan } => {
            let (_, body) = read(app, actor, account, tail).await?;
            let rate = if yuan { setting::current(app).number(names::CNY_PER_USD) } else { 1.0 };
            Ok(figure(&body, at)? / rate)
        }
        Told::Credits => {
            let (_, body) = read(app, actor, account, "credits").await?;
            Ok(figure(&body, "/data/total_credits")? - figure(&body, "/data/total_usage")?)
        }
        Told::Limit => {
            let (account, granted) = read(app, actor, account, "dashboard/billing/subscription").await?;
            let granted = figure(&granted, "/hard_limit_usd")?;
            let day = |at: Time| at.rfc3339().chars().take(10).collect::<String>();
            let now = app.clock.now();
            let span = format!("start_date={}&end_date={}", day(now.plus(-99 * DAY)), day(now.plus(DAY)));
            let (_, used) = read(app, actor, account, &format!("dashboard/billing/usage?{span}")).await?;
            // Told in cents.
            Ok(granted - figure(&used, "/total_usage")? / 100.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_stand_beside_the_list_of_models() {
        let at = |models: &str, tail: &str| beside(&models.parse().unwrap(), tail).map(|u| u.to_string()).ok();
        let billing = "dashboard/billing/subscription";
        assert_eq!(
            at("https://api.x.com/v1/models", billing).as_deref(),
            Some("https://api.x.com/v1/dashboard/billing/subscription")
        );
        assert_eq!(
            at("https://api.x.com/v1/models", "../user/balance").as_deref(),
            Some("https://api.x.com/user/balance")
        );
        assert_eq!(
            at("https://api.x.com/models", "../user/balance").as_deref(),
            Some("https://api.x.com/user/balance")
        );
        assert_eq!(at("https://api.x.com/v1/chat", billing), None);
    }

    #[test]
    fn figures_are_read_as_numbers_and_as_text() {
        let body = serde_json::json!({ "a": { "b": "1.5" }, "n": 2, "t": "x" });
        assert_eq!(figure(&body, "/a/b").ok(), Some(1.5));
        assert_eq!(figure(&body, "/n").ok(), Some(2.0));
        assert!(figure(&body, "/t").is_err() && figure(&body, "/none").is_err());
    }
}
