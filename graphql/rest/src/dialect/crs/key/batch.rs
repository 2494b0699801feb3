//! Many keys at a time.

use axum::extract::State;
use schema::service::api_key::{self, Batch};
use schema::{App, Error};
use serde_json::{Value, json};

use super::super::form::{Told, told};
use super::super::shape::ids;
use super::super::{Admin, Body, Reply, flat};
use super::{found, wire, with_secret};

pub async fn create(State(app): State<App>, admin: Admin, form: Body<Told<told::KeyBatch>>) -> Reply {
    let form = form.0;
    let base = form.required("baseName", "Base name is required and must be a non-empty string")?;
    if base.chars().count() > 90 {
        return Err(
            Error::invalid("baseName", "Base name must be less than 90 characters to allow for numbering").into()
        );
    }
    let sentence = "Count must be an integer between 2 and 500";
    let count = form.whole("count", 2, sentence)?.filter(|n| (2..=500).contains(n));
    let count = count.ok_or_else(|| Error::invalid("count", sentence))?;
    let each = wire::new_key(&app, &admin, &form, base.clone()).await?;
    let issued = api_key::issue_many(&app, &admin, Batch { base, count: count as usize, each }).await?;
    let mut rows = Vec::with_capacity(issued.len());
    for one in &issued {
        rows.push(with_secret(&app, &admin, one).await?);
    }
    let summary = json!({ "requested": count, "created": rows.len(), "failed": 0 });
    Ok(flat(json!({ "data": rows, "errors": [], "summary": summary })))
}

pub async fn update(State(app): State<App>, admin: Admin, form: Body<Told<told::KeyUpdates>>) -> Reply {
    let form = form.0;
    let uids = ids(&form, "keyIds", 1_000)?;
    let updates = form.object("updates")?.ok_or_else(|| Error::invalid("updates", "updates must be an object"))?;
    let change = wire::change(&app, &admin, &updates).await?;
    let (mut done, mut errors) = (0, Vec::new());
    for uid in &uids {
        let changed = async {
            let key = found(&app, &admin, uid).await?;
            api_key::change(&app, &admin, key.id, change.clone()).await
        };
        match changed.await {
            Ok(_) => done += 1,
            Err(e @ (Error::Internal(_) | Error::Unavailable { .. })) => return Err(e.into()),
            Err(e) => errors.push(Value::from(format!("{uid}: {e}"))),
        }
    }
    let data = json!({ "successCount": done, "failedCount": errors.len(), "errors": errors });
    Ok(flat(json!({ "message": "批量编辑完成", "data": data })))
}

pub async fn delete(State(app): State<App>, admin: Admin, form: Body<Told<told::KeyIds>>) -> Reply {
    let uids = ids(&form.0, "keyIds", 100)?;
    let (mut done, mut errors) = (0, Vec::new());
    for uid in &uids {
        let deleted = async {
            let key = found(&app, &admin, uid).await?;
            api_key::delete(&app, &admin, key.id).await
        };
        match deleted.await {
            Ok(_) => done += 1,
            Err(e @ (Error::Internal(_) | Error::Unavailable { .. })) => return Err(e.into()),
            Err(e) => errors.push(json!({ "keyId": uid, "error": e.to_string() })),
        }
    }
    let data = json!({ "successCount": done, "failedCount": errors.len(), "errors": errors });
    Ok(flat(json!({ "message": "批量删除完成", "data": data })))
}
