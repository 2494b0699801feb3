//! Models and what they cost.

pub mod price;

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use crate::clock::Time;
use crate::db::Conn;
use crate::model::joined::{Joined, also};
use crate::page::{CursorKey, Direction, Seek, Window};
use crate::table::models;
use crate::value::{Doc, escape_like};
use crate::{on, text_enum};

pub use price::{OwnPrice, Price, Rates, Steps};

text_enum! {
    /// What a model makes.
    pub enum Category {
        Chat = "chat",
        Completion = "completion",
        Embedding = "embedding",
        Rerank = "rerank",
        Image = "image",
        Speech = "speech",
        Transcription = "transcription",
        Video = "video",
        Music = "music",
        Moderation = "moderation",
        Realtime = "realtime",
    }
}

/// A model.
#[derive(Clone, Debug, Queryable, Selectable, Identifiable)]
pub struct Model {
    pub id: i64,
    pub name: String,
    pub display_name: String,
    pub provider: String,
    pub category: Category,
    pub description: String,
    pub enabled: bool,
    pub context_window: Option<i64>,
    pub max_output: Option<i64>,
    /// The imported price.
    pub price: Option<Doc<Price>>,
    /// What the administrators say of its price, which wins.
    pub override_price: Option<Doc<OwnPrice>>,
    pub created_at: Time,
    pub updated_at: Time,
    pub version: i64,
}

/// A model to be added.
#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = models)]
pub struct NewModel {
    pub name: String,
    pub display_name: String,
    pub provider: String,
    pub category: Category,
    pub description: String,
    pub enabled: bool,
    pub context_window: Option<i64>,
    pub max_output: Option<i64>,
    pub price: Option<Doc<Price>>,
    pub override_price: Option<Doc<OwnPrice>>,
    pub created_at: Time,
    pub updated_at: Time,
}

/// What of a model changes; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, AsChangeset)]
#[diesel(table_name = models)]
pub struct ModelRowChange {
    pub display_name: Option<String>,
    pub provider: Option<String>,
    pub category: Option<Category>,
    pub description: Option<String>,
    pub enabled: Option<bool>,
    pub context_window: Option<Option<i64>>,
    pub max_output: Option<Option<i64>>,
    pub price: Option<Option<Doc<Price>>>,
    pub override_price: Option<Option<Doc<OwnPrice>>>,
}

/// Which models.
#[derive(Clone, Debug, Default)]
pub struct ModelFilter {
    /// Part of the name or the shown name, in any case.
    pub search: Option<String>,
    pub names: Vec<String>,
    pub provider: Option<String>,
    pub category: Option<Category>,
    pub enabled: Option<bool>,
    /// Models with (or without) any price.
    pub priced: Option<bool>,
    /// What else must hold.
    pub joined: Joined<ModelFilter>,
}

/// By what models are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ModelOrder {
    #[default]
    Name,
    Provider,
    CreatedAt,
}

diesel::define_sql_function! {
    /// Lower case (of ASCII letters only, on SQLite).
    fn lower(text: diesel::sql_types::Text) -> diesel::sql_types::Text;
}

macro_rules! filtered {
    ($query:expr, $filter:expr) => {{
        let mut query = $query;
        let filter: &ModelFilter = $filter;
        if let Some(text) = filter.search.as_deref().map(str::trim).filter(|t| !t.is_empty()) {
            let pattern = format!("%{}%", escape_like(&text.to_lowercase()));
            query = query.filter(
                lower(models::name)
                    .like(pattern.clone())
                    .escape('\\')
                    .or(lower(models::display_name).like(pattern).escape('\\')),
            );
        }
        if !filter.names.is_empty() {
            query = query.filter(models::name.eq_any(filter.names.clone()));
        }
        if let Some(provider) = &filter.provider {
            query = query.filter(models::provider.eq(provider));
        }
        if let Some(category) = filter.category {
            query = query.filter(models::category.eq(category));
        }
        if let Some(enabled) = filter.enabled {
            query = query.filter(models::enabled.eq(enabled));
        }
        if let Some(priced) = filter.priced {
            let own = models::override_price.is_not_null();
            let listed = models::override_price.is_null();
            let word = models::override_price.assume_not_null();
            if priced {
                let set = own.and(word.not_like(OwnPrice::WITHDRAWN));
                query = query.filter(set.or(listed.and(models::price.is_not_null())));
            } else {
                let withdrawn = own.and(word.like(OwnPrice::WITHDRAWN));
                query = query.filter(withdrawn.or(listed.and(models::price.is_null())));
            }
        }
        if let Some(more) = also(filter, ()) {
            query = query.filter(more);
        }
        query
    }};
}

crate::composed!(filtered, models, ModelFilter);

impl Model {
    /// The price that counts; `None` when the model has none.
    pub fn effective_price(&self) -> Option<&Price> {
        match &self.override_price {
            Some(own) => own.price(),
            None => self.price.as_ref().map(|listed| &listed.0),
        }
    }

    pub async fn find(conn: &mut Conn, id: i64) -> QueryResult<Option<Self>> {
        on!(conn, |c| models::table.find(id).select(Self::as_select()).first(c).await.optional())
    }
    pub async fn by_ids(conn: &mut Conn, ids: &[i64]) -> QueryResult<Vec<Self>> {
        on!(conn, |c| models::table.filter(models::id.eq_any(ids)).select(Self::as_select()).load(c).await)
    }
    pub async fn by_names(conn: &mut Conn, names: &[String]) -> QueryResult<Vec<Self>> {
        on!(conn, |c| models::table.filter(models::name.eq_any(names)).select(Self::as_select()).load(c).await)
    }
    pub async fn by_name(conn: &mut Conn, name: &str) -> QueryResult<Option<Self>> {
        on!(conn, |c| models::table.filter(models::name.eq(name)).select(Self::as_select()).first(c).await.optional())
    }
    /// Every model by name.
    pub async fn all(conn: &mut Conn) -> QueryResult<Vec<Self>> {
        on!(conn, |c| models::table.order(models::name).select(Self::as_select()).load(c).await)
    }
    /// True while no model is known.
    pub async fn none_known(conn: &mut Conn) -> QueryResult<bool> {
        let first: Option<i64> = on!(conn, |c| models::table.select(models::id).first(c).await.optional())?;
        Ok(first.is_none())
    }
    pub async fn insert(conn: &mut Conn, new: &NewModel) -> QueryResult<Self> {
        on!(conn, |c| diesel::insert_into(models::table)
            .values(new)
            .returning(Self::as_returning())
            .get_result(c)
            .await)
    }
    /// Adds a model unless its name is known; true when it was added.
    pub async fn insert_unknown(conn: &mut Conn, new: &NewModel) -> QueryResult<bool> {
        let added =
            on!(conn, |c| diesel::insert_into(models::table).values(new).on_conflict_do_nothing().execute(c).await)?;
        Ok(added > 0)
    }
    /// Changes a model whose version is still `version`; `None` when somebody was faster.
    pub async fn update(
        conn: &mut Conn,
        id: i64,
        version: i64,
        change: &ModelRowChange,
        now: Time,
    ) -> QueryResult<Option<Self>> {
        on!(conn, |c| diesel::update(models::table.filter(models::id.eq(id)).filter(models::version.eq(version)))
            .set((change, models::updated_at.eq(now), models::version.eq(models::version + 1)))
            .returning(Self::as_returning())
            .get_result(c)
            .await
            .optional())
    }
    pub async fn delete(conn: &mut Conn, id: i64) -> QueryResult<bool> {
        Ok(on!(conn, |c| diesel::delete(models::table.find(id)).execute(c).await)? > 0)
    }
    pub async fn count(conn: &mut Conn, filter: &ModelFilter) -> QueryResult<i64> {
        on!(conn, |c| filtered!(models::table.into_boxed(), filter).count().get_result(c).await)
    }
    /// One keyset page, one row more than asked for.
    pub async fn seek(
        conn: &mut Conn,
        filter: &ModelFilter,
        order: (ModelOrder, Direction),
        seek: &Seek,
    ) -> QueryResult<Vec<Self>> {
        use crate::seek_by;
        on!(conn, |c| {
            let query = filtered!(models::table.select(Self::as_select()).into_boxed(), filter);
            let query = match order.0 {
                ModelOrder::Name => seek_by!(query, models::name, models::id, Text, (), order.1, seek),
                ModelOrder::Provider => seek_by!(query, models::provider, models::id, Text, (), order.1, seek),
                ModelOrder::CreatedAt => seek_by!(query, models::created_at, models::id, Number, Time, order.1, seek),
            };
            query.limit(seek.take + 1).load(c).await
        })
    }
    /// The sort value of a row, for its cursor.
    pub fn cursor_key(&self, order: ModelOrder) -> CursorKey {
        match order {
            ModelOrder::Name => CursorKey::Text(self.name.clone()),
            ModelOrder::Provider => CursorKey::Text(self.provider.clone()),
            ModelOrder::CreatedAt => CursorKey::Number(self.created_at.0),
        }
    }
    /// One numbered page.
    pub async fn window(
        conn: &mut Conn,
        filter: &ModelFilter,
        order: (ModelOrder, Direction),
        window: Window,
    ) -> QueryResult<Vec<Self>> {
        on!(conn, |c| {
            let query = filtered!(models::table.select(Self::as_select()).into_boxed(), filter);
            let query = match order {
                (ModelOrder::Name, Direction::Asc) => query.order((models::name.asc(), models::id.asc())),
                (ModelOrder::Name, Direction::Desc) => query.order((models::name.desc(), models::id.desc())),
                (ModelOrder::Provider, Direction::Asc) => query.order((models::provider.asc(), models::id.asc())),
                (ModelOrder::Provider, Direction::Desc) => query.order((models::provider.desc(), models::id.desc())),
                (ModelOrder::CreatedAt, Direction::Asc) => query.order((models::created_at.asc(), models::id.asc())),
                (ModelOrder::CreatedAt, Direction::Desc) => query.order((models::created_at.desc(), models::id.desc())),
            };
            query.limit(window.limit).offset(window.offset).load(c).await
        })
    }
    /// Providers that have models.
    pub async fn providers(conn: &mut Conn) -> QueryResult<Vec<String>> {
        on!(conn, |c| models::table.select(models::provider).distinct().order(models::provider).load(c).await)
    }
}
