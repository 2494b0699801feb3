//! Finding keys: one's own, or anybody's for administrators.

use super::KeyPrefix;
use crate::actor::{Act, Actor};
use crate::error::{Error, Result};
use crate::model::api_key::{ApiKey, Deleted, KeyFilter, KeyOrder};
use crate::model::joined::Composed;
use crate::page::{Counted, Direction, Page, Seek, Window};
use crate::{App, id};

/// One key, for its owner or an administrator; the deleted for administrators only.
pub async fn get(app: &App, actor: &Actor, key_id: i64) -> Result<ApiKey> {
    let mut conn = app.db.conn().await?;
    visible(actor, ApiKey::find(&mut conn, key_id).await?)
}

/// Those of several keys that the caller may see.
pub async fn several(app: &App, actor: &Actor, ids: &[i64]) -> Result<Vec<ApiKey>> {
    let mut conn = app.db.conn().await?;
    let found = ApiKey::by_ids(&mut conn, ids).await?;
    Ok(found.into_iter().filter_map(|key| visible(actor, Some(key)).ok()).collect())
}

/// One key by its public id.
pub async fn get_by_uid(app: &App, actor: &Actor, uid: &str) -> Result<ApiKey> {
    let mut conn = app.db.conn().await?;
    visible(actor, ApiKey::by_uid(&mut conn, uid).await?)
}

fn visible(actor: &Actor, key: Option<ApiKey>) -> Result<ApiKey> {
    let key = key.filter(|k| k.deleted_at.is_none() || actor.is_admin());
    let key = key.ok_or(Error::NotFound { what: "api key" })?;
    actor.owns_or_admin(key.user_id, "api key")?;
    Ok(key)
}

/// Keys by id, the deleted too, for lists that name what was done with them: one's own, or anybody's for
/// administrators.
pub async fn remembered(app: &App, actor: &Actor, ids: &[i64]) -> Result<Vec<ApiKey>> {
    let whose = actor.whose(None)?;
    let mut conn = app.db.conn().await?;
    let mut keys = ApiKey::by_ids(&mut conn, ids).await?;
    keys.retain(|key| whose.is_none_or(|owner| key.user_id == owner));
    Ok(keys)
}

/// The key of a presented secret, whatever its state but deleted; for faces where a key asks about itself.
pub async fn find_by_secret(app: &App, secret: &str) -> Result<Option<ApiKey>> {
    if !(10..=512).contains(&secret.len()) {
        return Ok(None);
    }
    let mut conn = app.db.conn().await?;
    Ok(ApiKey::by_digest(&mut conn, &id::digest(secret)).await?.filter(|k| k.deleted_at.is_none()))
}

/// Keys by cursor: one's own, or anybody's for administrators.
pub async fn list(
    app: &App,
    actor: &Actor,
    filter: &KeyFilter,
    order: (KeyOrder, Direction),
    seek: &Seek,
) -> Result<Page<ApiKey>> {
    let filter = seen_by(actor, filter)?;
    let mut conn = app.db.conn().await?;
    Ok(Page::cut(ApiKey::seek(&mut conn, &filter, order, seek).await?, seek))
}

/// Keys by numbered page.
pub async fn pages(
    app: &App,
    actor: &Actor,
    filter: &KeyFilter,
    order: (KeyOrder, Direction),
    window: Window,
) -> Result<Counted<ApiKey>> {
    let filter = seen_by(actor, filter)?;
    let mut conn = app.db.conn().await?;
    let rows = ApiKey::window(&mut conn, &filter, order, window).await?;
    Ok(Counted { rows, total: ApiKey::count(&mut conn, &filter).await? })
}

/// How many keys a filter finds.
pub async fn count(app: &App, actor: &Actor, filter: &KeyFilter) -> Result<i64> {
    let filter = seen_by(actor, filter)?;
    let mut conn = app.db.conn().await?;
    Ok(ApiKey::count(&mut conn, &filter).await?)
}

/// The filter as it holds for whoever asks: what they may see of what is asked for.
pub(in crate::service) fn seen_by(actor: &Actor, filter: &KeyFilter) -> Result<KeyFilter> {
    let mut filter = filter.clone();
    if filter.deleted != Deleted::Without {
        actor.may(Act::ViewAll)?;
    }
    filter.each(&mut |filter| {
        if filter.user_id.is_some_and(|id| actor.user_id != Some(id)) {
            actor.may(Act::ViewAll)?;
        }
        // Somebody who searches for a whole secret means that key; its text must not reach a statement.
        if let Some(text) = filter.search.as_deref().map(str::trim)
            && text.len() >= 40
            && KeyPrefix::ALL.iter().any(|p| text.starts_with(p.as_str()))
        {
            filter.digest = Some(id::digest(text));
            filter.search = None;
        }
        Ok::<(), Error>(())
    })?;
    filter.user_id = actor.whose(filter.user_id)?;
    Ok(filter)
}
