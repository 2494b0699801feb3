//! Finding people: oneself, or anybody for administrators.

use crate::App;
use crate::actor::{Act, Actor};
use crate::error::{Error, Result};
use crate::model::user::{User, UserFilter, UserOrder};
use crate::page::{Counted, Direction, Page, Seek, Window};

/// A person by id: oneself, or anybody for administrators.
pub async fn get(app: &App, actor: &Actor, user_id: i64) -> Result<User> {
    actor.owns_or_admin(user_id, "user")?;
    let mut conn = app.db.conn().await?;
    User::find(&mut conn, user_id).await?.filter(|u| u.deleted_at.is_none()).ok_or(Error::NotFound { what: "user" })
}

/// A person by their public id, for administrators.
pub async fn get_by_uid(app: &App, actor: &Actor, uid: &str) -> Result<User> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    User::by_uid(&mut conn, uid).await?.filter(|u| u.deleted_at.is_none()).ok_or(Error::NotFound { what: "user" })
}

/// Several people, for administrators; the deleted too.
pub async fn by_ids(app: &App, actor: &Actor, user_ids: &[i64]) -> Result<Vec<User>> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    Ok(User::by_ids(&mut conn, user_ids).await?)
}

/// Those of several people that the caller may see.
pub async fn several(app: &App, actor: &Actor, ids: &[i64]) -> Result<Vec<User>> {
    let ids: Vec<i64> = ids.iter().copied().filter(|id| actor.owns_or_admin(*id, "user").is_ok()).collect();
    let mut conn = app.db.conn().await?;
    Ok(User::by_ids(&mut conn, &ids).await?.into_iter().filter(|u| u.deleted_at.is_none()).collect())
}

/// People by keyset.
pub async fn list(
    app: &App,
    actor: &Actor,
    filter: &UserFilter,
    order: (UserOrder, Direction),
    seek: &Seek,
) -> Result<Page<User>> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    Ok(Page::cut(User::seek(&mut conn, filter, order, seek).await?, seek))
}

/// People by numbered page.
pub async fn pages(
    app: &App,
    actor: &Actor,
    filter: &UserFilter,
    order: (UserOrder, Direction),
    window: Window,
) -> Result<Counted<User>> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    let rows = User::window(&mut conn, filter, order, window).await?;
    Ok(Counted { rows, total: User::count(&mut conn, filter).await? })
}

/// How many people there are.
pub async fn count(app: &App, actor: &Actor, filter: &UserFilter) -> Result<i64> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    Ok(User::count(&mut conn, filter).await?)
}
