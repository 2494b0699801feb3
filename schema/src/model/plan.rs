//! Plans: what a subscription admits, and what it costs.

use diesel::backend::Backend;
use diesel::deserialize::{FromSql, FromSqlRow};
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel_async::RunQueryDsl;

use crate::clock::Time;
use crate::db::Conn;
use crate::money::Micros;
use crate::page::{CursorKey, Direction, Seek};
use crate::table::plans;
use crate::value::Doc;
use crate::{on, text_enum};

text_enum! {
    /// How often a plan is paid for, as people say it; [`Plan::cycle_days`] is what counts.
    pub enum Cycle {
        Daily = "daily",
        Weekly = "weekly",
        Monthly = "monthly",
        Quarterly = "quarterly",
        Yearly = "yearly",
        Custom = "custom",
    }
}

impl Cycle {
    /// The usual length of the cycle.
    pub const fn days(self) -> Option<i64> {
        match self {
            Self::Daily => Some(1),
            Self::Weekly => Some(7),
            Self::Monthly => Some(30),
            Self::Quarterly => Some(90),
            Self::Yearly => Some(365),
            Self::Custom => None,
        }
    }
}

/// What a plan admits; `None` and an empty list mean without limit.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct PlanFeatures {
    pub daily_requests: Option<i64>,
    pub daily_cost: Option<Micros>,
    pub max_api_keys: Option<i64>,
    pub services: Vec<String>,
    pub models: Vec<String>,
    pub support: String,
}

/// A plan.
#[derive(Clone, Debug, Queryable, Selectable, Identifiable)]
pub struct Plan {
    pub id: i64,
    /// The name clients use (`pro`).
    #[diesel(deserialize_as = ShownSlug)]
    pub slug: String,
    pub name: String,
    pub display_name: String,
    pub description: String,
    /// Minor units of `currency`; during a promotion the lowered price.
    pub price: i64,
    pub original_price: Option<i64>,
    pub currency: String,
    pub cycle: Cycle,
    pub cycle_days: i64,
    pub features: Doc<PlanFeatures>,
    pub selling_points: Doc<Vec<String>>,
    pub recommended: bool,
    pub promotion_ends_at: Option<Time>,
    pub is_active: bool,
    pub is_visible: bool,
    pub sort: i64,
    pub created_at: Time,
    pub updated_at: Time,
    pub deleted_at: Option<Time>,
    pub version: i64,
}

/// A slug as it is shown: a deleted plan's is kept aside as `pro~17`, so that `pro` is free again.
#[derive(Debug, FromSqlRow)]
pub struct ShownSlug(String);

impl<DB: Backend> FromSql<Text, DB> for ShownSlug
where
    String: FromSql<Text, DB>,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> diesel::deserialize::Result<Self> {
        let text = String::from_sql(bytes)?;
        Ok(Self(text.split('~').next().unwrap_or_default().to_owned()))
    }
}

impl From<ShownSlug> for String {
    fn from(slug: ShownSlug) -> Self {
        slug.0
    }
}

/// A plan to be made.
#[derive(Debug, Insertable)]
#[diesel(table_name = plans)]
pub struct NewPlan {
    pub slug: String,
    pub name: String,
    pub display_name: String,
    pub description: String,
    pub price: i64,
    pub original_price: Option<i64>,
    pub currency: String,
    pub cycle: Cycle,
    pub cycle_days: i64,
    pub features: Doc<PlanFeatures>,
    pub selling_points: Doc<Vec<String>>,
    pub recommended: bool,
    pub promotion_ends_at: Option<Time>,
    pub is_active: bool,
    pub is_visible: bool,
    pub sort: i64,
    pub created_at: Time,
    pub updated_at: Time,
}

/// What of a plan changes; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, AsChangeset)]
#[diesel(table_name = plans)]
pub struct PlanRowChange {
    pub slug: Option<String>,
    pub name: Option<String>,
    pub display_name: Option<String>,
    pub description: Option<String>,
    pub price: Option<i64>,
    pub original_price: Option<Option<i64>>,
    pub currency: Option<String>,
    pub cycle: Option<Cycle>,
    pub cycle_days: Option<i64>,
    pub features: Option<Doc<PlanFeatures>>,
    pub selling_points: Option<Doc<Vec<String>>>,
    pub recommended: Option<bool>,
    pub promotion_ends_at: Option<Option<Time>>,
    pub is_active: Option<bool>,
    pub is_visible: Option<bool>,
    pub sort: Option<i64>,
    pub deleted_at: Option<Option<Time>>,
}

/// Which plans; by default those that are offered.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlanFilter {
    pub with_hidden: bool,
    pub with_inactive: bool,
    pub with_deleted: bool,
}

macro_rules! filtered {
    ($query:expr, $filter:expr) => {{
        let mut query = $query;
        let filter: &PlanFilter = $filter;
        if !filter.with_deleted {
            query = query.filter(plans::deleted_at.is_null());
        }
        if !filter.with_hidden {
            query = query.filter(plans::is_visible.eq(true));
        }
        if !filter.with_inactive {
            query = query.filter(plans::is_active.eq(true));
        }
        query
    }};
}

/// The slug of the plan that holds for everybody without a subscription.
pub const FREE: &str = "free";

impl Plan {
    /// True while the lowered price holds.
    pub fn is_on_promotion(&self, now: Time) -> bool {
        self.original_price.is_some_and(|full| full > self.price) && self.promotion_ends_at.is_none_or(|end| end > now)
    }
    /// What the plan costs at a moment, in minor units: a promotion that is over charges the original price.
    pub fn price_at(&self, now: Time) -> i64 {
        match self.original_price {
            Some(full) if full > self.price && !self.is_on_promotion(now) => full,
            _ => self.price,
        }
    }
    /// Percent off the original price, rounded, while a promotion holds.
    pub fn discount(&self, now: Time) -> Option<i64> {
        let full = self.original_price.filter(|_| self.is_on_promotion(now))?;
        let off = i128::from(full - self.price) * 100;
        i64::try_from((off * 2 + i128::from(full)) / (i128::from(full) * 2)).ok()
    }
    /// True for a plan that can be bought or granted.
    pub fn is_available(&self) -> bool {
        self.is_active && self.deleted_at.is_none()
    }
    /// The length of one paid period in milliseconds.
    pub fn cycle_ms(&self) -> i64 {
        self.cycle_days.saturating_mul(crate::clock::DAY)
    }

    pub async fn find(conn: &mut Conn, id: i64) -> QueryResult<Option<Self>> {
        on!(conn, |c| plans::table.find(id).select(Self::as_select()).first(c).await.optional())
    }
    pub async fn by_ids(conn: &mut Conn, ids: &[i64]) -> QueryResult<Vec<Self>> {
        on!(conn, |c| plans::table.filter(plans::id.eq_any(ids)).select(Self::as_select()).load(c).await)
    }
    /// The living plan of this slug.
    pub async fn by_slug(conn: &mut Conn, slug: &str) -> QueryResult<Option<Self>> {
        on!(conn, |c| plans::table
            .filter(plans::slug.eq(slug))
            .filter(plans::deleted_at.is_null())
            .select(Self::as_select())
            .first(c)
            .await
            .optional())
    }
    /// All of them in the order of the shop window.
    pub async fn list(conn: &mut Conn, filter: &PlanFilter) -> QueryResult<Vec<Self>> {
        on!(conn, |c| filtered!(plans::table.select(Self::as_select()).into_boxed(), filter)
            .order((plans::sort.asc(), plans::id.asc()))
            .load(c)
            .await)
    }
    pub async fn count(conn: &mut Conn, filter: &PlanFilter) -> QueryResult<i64> {
        on!(conn, |c| filtered!(plans::table.into_boxed(), filter).count().get_result(c).await)
    }
    /// One keyset page in the order of the shop window, one row more than asked for.
    pub async fn seek(conn: &mut Conn, filter: &PlanFilter, seek: &Seek) -> QueryResult<Vec<Self>> {
        use crate::seek_by;
        on!(conn, |c| {
            let query = filtered!(plans::table.select(Self::as_select()).into_boxed(), filter);
            let query = seek_by!(query, plans::sort, plans::id, Number, i64::from, Direction::Asc, seek);
            query.limit(seek.take + 1).load(c).await
        })
    }
    /// The sort value of a row, for its cursor.
    pub fn cursor_key(&self) -> CursorKey {
        CursorKey::Number(self.sort)
    }
    pub async fn insert(conn: &mut Conn, new: &NewPlan) -> QueryResult<Self> {
        on!(conn, |c| diesel::insert_into(plans::table).values(new).returning(Self::as_returning()).get_result(c).await)
    }
    /// Changes a plan whose version is still `version`; `None` when somebody was faster.
    pub async fn update(
        conn: &mut Conn,
        id: i64,
        version: i64,
        change: &PlanRowChange,
        now: Time,
    ) -> QueryResult<Option<Self>> {
        on!(conn, |c| diesel::update(plans::table.filter(plans::id.eq(id)).filter(plans::version.eq(version)))
            .set((change, plans::updated_at.eq(now), plans::version.eq(plans::version + 1)))
            .returning(Self::as_returning())
            .get_result(c)
            .await
            .optional())
    }
}
