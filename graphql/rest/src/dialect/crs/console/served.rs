//! Which accounts served keys last.

use std::collections::HashMap;

use axum::extract::State;
use schema::model::account::AccountKind;
use schema::model::usage::UsageFilter;
use schema::page::Seek;
use schema::service::{api_key, usage};
use schema::{Actor, App, Error};
use serde_json::{Map, Value, json};

use super::super::family::of_kind;
use super::super::form::{Told, told};
use super::super::shape::ids;
use super::super::{Admin, Body, Reply, data};
use super::calls::Names;

/// Most keys whose last accounts are looked for at a time.
pub const MOST_SERVED: usize = 100;

/// Its word for the vendors whose models accounts of a kind serve.
fn category(kind: AccountKind) -> &'static str {
    match of_kind(kind).platform {
        "claude" | "claude-console" | "ccr" | "bedrock" => "claude",
        "gemini" | "gemini-api" => "gemini",
        "openai" | "openai-responses" | "azure_openai" => "openai",
        platform => platform,
    }
}

/// By which account each of some keys was served last: by the keys' ids, without those that no account served.
///
/// A key costs a look into the calls, so whoever asks says how many it asks after.
pub async fn last_served(app: &App, actor: &Actor, key_ids: &[i64]) -> Result<HashMap<i64, Value>, Error> {
    let mut last = Vec::with_capacity(key_ids.len());
    for id in key_ids {
        let filter = UsageFilter { key_id: Some(*id), ..UsageFilter::default() };
        let seek = Seek { take: 1, ..Seek::default() };
        last.extend(usage::list(app, actor, &filter, &seek).await?.rows.into_iter().next());
    }
    let names = Names::of(app, actor, Vec::new(), last.iter().map(|call| call.account_id).collect()).await?;
    let shown = last.iter().filter_map(|call| {
        let account = names.accounts.get(&call.account_id)?;
        let shown = json!({
            "accountId": account.uid, "rawAccountId": account.uid, "accountType": of_kind(account.kind).platform,
            "accountCategory": category(account.kind), "accountName": account.name,
            "recordedAt": call.at.rfc3339(), "model": call.model,
        });
        Some((call.key_id, shown))
    });
    Ok(shown.collect())
}

/// By which account each of some keys was served last.
pub async fn last_usage(State(app): State<App>, admin: Admin, form: Body<Told<told::KeyIds>>) -> Reply {
    let uids = ids(&form.0, "keyIds", MOST_SERVED)?;
    let mut known = Vec::with_capacity(uids.len());
    for uid in &uids {
        match api_key::get_by_uid(&app, &admin, uid).await {
            Ok(key) => known.push((uid, key.id)),
            Err(Error::NotFound { .. }) => {}
            Err(e) => return Err(e.into()),
        }
    }
    let key_ids: Vec<i64> = known.iter().map(|(_, id)| *id).collect();
    let mut served = last_served(&app, &admin, &key_ids).await?;
    let mut out: Map<String, Value> = uids.iter().map(|uid| (uid.clone(), Value::Null)).collect();
    for (uid, id) in known {
        if let Some(shown) = served.remove(&id) {
            out.insert(uid.clone(), shown);
        }
    }
    Ok(data(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_belong_to_the_vendors_whose_models_they_serve() {
        for (kind, word) in [
            (AccountKind::ClaudeConsole, "claude"),
            (AccountKind::Ccr, "claude"),
            (AccountKind::Bedrock, "claude"),
            (AccountKind::AzureOpenai, "openai"),
            (AccountKind::OpenaiResponses, "openai"),
            (AccountKind::GeminiKey, "gemini"),
        ] {
            assert_eq!(category(kind), word);
        }
    }
}
