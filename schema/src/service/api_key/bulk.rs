//! Many keys at a time, and the tags that hold them together.

use std::collections::{BTreeMap, BTreeSet};

use crate::App;
use crate::actor::{Act, Actor};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::model::api_key::ApiKey;
use crate::model::lock;
use crate::service::audit::{self, Target};
use crate::service::field;
use crate::service::idempotency::{self, Claim};
use crate::service::setting::{self, names};
use crate::value::Words;

use super::{IssuedKey, KeyChange, NewKey, announce, change, delete, issue_in, recall, remember};

/// What happens to a key's tags.
#[derive(Clone, Debug)]
pub enum TagChange {
    Replace(Vec<String>),
    Add(Vec<String>),
    Remove(Vec<String>),
}

impl TagChange {
    pub(super) fn over(&self, before: &Words) -> Result<Words> {
        let (Self::Replace(given) | Self::Add(given) | Self::Remove(given)) = self;
        let given = field::list("tags", given, 50, 64)?;
        let tags: Vec<String> = match self {
            Self::Replace(_) => given,
            Self::Add(_) => before.0.iter().cloned().chain(given).collect(),
            Self::Remove(_) => before.0.iter().filter(|t| !given.contains(t)).cloned().collect(),
        };
        let tags = Words::of(tags);
        if tags.0.len() > 50 {
            return Err(Error::invalid("tags", "a key has at most 50 tags"));
        }
        Ok(tags)
    }
}

/// Many keys alike.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Names become `base_1` to `base_n`.
    pub base: String,
    pub count: usize,
    /// Everything but the name.
    pub each: NewKey,
}

/// Issues 2 to 500 keys alike: all of them, or none.
pub async fn issue_many(app: &App, actor: &Actor, batch: Batch) -> Result<Vec<IssuedKey>> {
    let base = field::name("baseName", &batch.base, 90)?;
    if !(2..=500).contains(&batch.count) {
        return Err(Error::invalid("count", "between 2 and 500 keys are made at a time"));
    }
    let input = serde_json::json!([base, batch.count, batch.each]).to_string();
    let mut tx = app.db.begin().await?;
    if let Some(idem) = &batch.each.idem_key
        && let Claim::Answered(answer) = idempotency::claim(&mut tx, actor, "api_key.issue_many", idem, &input).await?
    {
        let answers: Vec<String> = serde_json::from_str(&answer).map_err(Error::internal)?;
        let mut issued = Vec::with_capacity(answers.len());
        for answer in &answers {
            issued.push(recall(app, &mut tx, answer).await?);
        }
        tx.rollback().await?;
        return Ok(issued);
    }
    let mut issued = Vec::with_capacity(batch.count);
    for i in 1..=batch.count {
        // The first asks for room for all of them; the others find it taken by their brothers.
        let together = (batch.count - i + 1) as i64;
        let new = NewKey { name: format!("{base}_{i}"), idem_key: None, ..batch.each.clone() };
        issued.push(issue_in(app, &mut tx, actor, new, together).await?);
    }
    if let Some(idem) = &batch.each.idem_key {
        let answers = issued.iter().map(|i| remember(app, i)).collect::<Result<Vec<_>>>()?;
        let answer = serde_json::to_string(&answers).map_err(Error::internal)?;
        idempotency::answer(app, &mut tx, actor, "api_key.issue_many", idem, &input, answer).await?;
    }
    tx.commit().await?;
    for one in &issued {
        announce(app, &one.key).await;
    }
    Ok(issued)
}

/// Most keys that are changed at a time.
const MOST: usize = 1_000;

/// Changes many keys alike, each on its own: one refusal does not hold up the others.
pub async fn change_many(
    app: &App,
    actor: &Actor,
    ids: &[i64],
    alike: &KeyChange,
) -> Result<Vec<(i64, Result<ApiKey>)>> {
    some(ids)?;
    let mut out = Vec::with_capacity(ids.len());
    for id in ids {
        out.push((*id, change(app, actor, *id, alike.clone()).await));
    }
    Ok(out)
}

/// Deletes many keys, each on its own.
pub async fn delete_many(app: &App, actor: &Actor, ids: &[i64]) -> Result<Vec<(i64, Result<ApiKey>)>> {
    some(ids)?;
    let mut out = Vec::with_capacity(ids.len());
    for id in ids {
        out.push((*id, delete(app, actor, *id).await));
    }
    Ok(out)
}

fn some(ids: &[i64]) -> Result<()> {
    if ids.is_empty() || ids.len() > MOST {
        return Err(Error::invalid("ids", format!("between 1 and {MOST} keys at a time")));
    }
    Ok(())
}

/// The tags in use and how many keys carry each: one's own, or everybody's for administrators.
pub async fn tags(app: &App, actor: &Actor) -> Result<BTreeMap<String, i64>> {
    let of = if actor.is_admin() { None } else { Some(actor.signed_in()?) };
    let mut conn = app.db.conn().await?;
    let mut counts = BTreeMap::new();
    for (_, words) in ApiKey::tag_lists(&mut conn, of).await? {
        for tag in words.0 {
            *counts.entry(tag).or_insert(0) += 1;
        }
    }
    if of.is_none() {
        for tag in offered(app) {
            counts.entry(tag).or_insert(0);
        }
    }
    Ok(counts)
}

/// Tags that administrators made before any key carried them.
fn offered(app: &App) -> BTreeSet<String> {
    setting::current(app).json(names::KEY_TAGS)
}

/// Who changes tags waits here for whoever does so already, so that neither writes over the other.
const LOCK: &str = "key_tags";

/// Writes the tags that are offered over the version that was read.
async fn offer_in(app: &App, tx: &mut Tx, actor: &Actor, tags: &BTreeSet<String>, version: i64) -> Result<()> {
    let text = serde_json::to_string(tags).map_err(Error::internal)?;
    setting::put_over_in(app, tx, actor, names::KEY_TAGS, text, version).await
}

/// Most tags that are offered beside those in use.
const MOST_OFFERED: usize = 1_000;

/// Makes a tag that no key carries yet.
pub async fn create_tag(app: &App, actor: &Actor, tag: &str) -> Result<()> {
    actor.may(Act::Manage)?;
    let tag = field::list("name", &[tag.to_owned()], 1, 64)?.into_iter().next();
    let tag = tag.ok_or_else(|| Error::invalid("name", "标签名称不能为空"))?;
    let mut tx = app.db.begin().await?;
    lock::take(&mut tx, LOCK).await?;
    let (mut all, version): (BTreeSet<String>, i64) = setting::json_in(&mut tx, names::KEY_TAGS).await?;
    let carried = ApiKey::tag_lists(&mut tx, None).await?.iter().any(|(_, words)| words.0.contains(&tag));
    if carried || all.contains(&tag) {
        tx.rollback().await?;
        return Err(Error::invalid("name", "标签已存在"));
    }
    if all.len() >= MOST_OFFERED {
        tx.rollback().await?;
        return Err(Error::invalid("name", format!("at most {MOST_OFFERED} tags are kept that no key carries")));
    }
    all.insert(tag);
    offer_in(app, &mut tx, actor, &all, version).await?;
    tx.commit().await?;
    setting::announce(app).await
}

/// Renames a tag wherever it is carried; how many keys that were.
pub async fn rename_tag(app: &App, actor: &Actor, from: &str, to: &str) -> Result<i64> {
    let to = field::list("name", &[to.to_owned()], 1, 64)?;
    retag(app, actor, from, &to).await
}

/// Takes a tag off every key; how many that were.
pub async fn remove_tag(app: &App, actor: &Actor, tag: &str) -> Result<i64> {
    retag(app, actor, tag, &[]).await
}

async fn retag(app: &App, actor: &Actor, from: &str, to: &[String]) -> Result<i64> {
    actor.may(Act::Manage)?;
    let mut tx = app.db.begin().await?;
    lock::take(&mut tx, LOCK).await?;
    let mut changed = Vec::new();
    for (id, words) in ApiKey::tag_lists(&mut tx, None).await? {
        if !words.0.iter().any(|t| t == from) {
            continue;
        }
        let tags = words.0.iter().flat_map(|t| if t == from { to.to_vec() } else { vec![t.clone()] });
        let tags = Words::of(tags);
        if let Some(key) = ApiKey::set_tags(&mut tx, id, &tags, app.clock.now()).await? {
            changed.push(key);
        }
    }
    let (mut kept, version): (BTreeSet<String>, i64) = setting::json_in(&mut tx, names::KEY_TAGS).await?;
    let was_offered = kept.remove(from);
    if changed.is_empty() && !was_offered {
        tx.rollback().await?;
        return Err(Error::NotFound { what: "tag" });
    }
    if was_offered {
        kept.extend(to.iter().cloned());
        offer_in(app, &mut tx, actor, &kept, version).await?;
    }
    let target = Target { kind: "tag", id: from };
    let after = serde_json::json!({ "name": to.first(), "keys": changed.len() });
    audit::record(app, &mut tx, actor, "api_key.retag", target, serde_json::json!({ "name": from }), after).await?;
    tx.commit().await?;
    for key in &changed {
        announce(app, key).await;
    }
    if was_offered {
        setting::announce(app).await?;
    }
    Ok(changed.len() as i64)
}
