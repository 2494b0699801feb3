//! Finding people: their list, and one of them by name.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use schema::model::joined::Joined;
use schema::model::user::{UserFilter, UserOrder, UserStatus};
use schema::page::{Direction, Window};
use schema::service::user as people;
use schema::{Actor, App, Error};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::page::{Paging, number};
use super::super::shape::Shape;
use super::super::{Caller, Query, Reply, data};
use super::{role, served, shown, status};

/// The number of a person by name, of the latest who had it; one nobody had finds nothing.
pub async fn numbered(app: &App, caller: &Actor, name: &str) -> Result<i64, Error> {
    let filter = UserFilter { named: Some(name.to_owned()), with_deleted: true, ..UserFilter::default() };
    let one = Window { limit: 1, offset: 0 };
    let found = people::pages(app, caller, &filter, (UserOrder::CreatedAt, Direction::Desc), one).await?;
    Ok(found.rows.first().map_or(-1, |user| user.id))
}

#[derive(Deserialize)]
pub struct ListQuery {
    username: Option<String>,
    keyword: Option<String>,
    group: Option<String>,
    role: Option<String>,
    status: Option<String>,
}

impl ListQuery {
    fn filter(self, shape: Shape) -> Result<UserFilter, Error> {
        let some = |text: Option<String>| text.filter(|t| !t.trim().is_empty());
        // The deployed system's page shows who was removed as such.
        let all = || UserFilter { with_deleted: shape == Shape::Deployed, ..UserFilter::default() };
        let search = some(self.keyword);
        // A number may be somebody's own, or part of a name.
        let id = search.as_deref().and_then(|text| text.trim().parse::<i64>().ok());
        let either =
            |id: i64| vec![UserFilter { ids: vec![id], ..all() }, UserFilter { search: search.clone(), ..all() }];
        let statuses = match number("status", &self.status)? {
            None | Some(0) => Vec::new(),
            Some(wanted) => {
                let wanted = status(wanted)?;
                let active = |status: &UserStatus| (*status == UserStatus::Active) == (wanted == UserStatus::Active);
                UserStatus::ALL.iter().copied().filter(active).collect()
            }
        };
        Ok(UserFilter {
            username: some(self.username),
            group: some(self.group),
            role: number("role", &self.role)?.filter(|n| *n != 0).map(role).transpose()?,
            statuses,
            joined: Joined { or: id.map(either).unwrap_or_default(), ..Joined::default() },
            search: search.clone().filter(|_| id.is_none()),
            ..all()
        })
    }
}

pub async fn list(
    State(app): State<App>,
    caller: Caller,
    shape: Shape,
    paging: Query<Paging>,
    query: Query<ListQuery>,
) -> Reply {
    let filter = query.0.filter(shape)?;
    let window = paging.0.window()?;
    let order = (UserOrder::CreatedAt, Direction::Desc);
    let page = people::pages(&app, &caller, &filter, order, window).await?;
    let ids: Vec<i64> = page.rows.iter().map(|user| user.id).collect();
    let calls = served(&app, &caller, &ids).await?;
    let rows = page.rows.iter().map(|user| shown(user, calls.get(&user.id).copied().unwrap_or(0)));
    let rows: Vec<Value> = rows.collect();
    Ok(match shape {
        Shape::Documented => {
            Json(json!({ "success": true, "message": "", "data": rows, "total": page.total })).into_response()
        }
        Shape::Deployed => data(paging.0.envelope(window, page.total, rows)),
    })
}
