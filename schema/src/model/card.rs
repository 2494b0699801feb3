//! Cards: codes that are worth money or a plan; who redeemed them is in `redemption`.

mod redemption;

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use crate::clock::Time;
use crate::db::Conn;
use crate::model::joined::{Joined, also};
use crate::money::Micros;
use crate::page::{CursorKey, Direction, Seek, Window};
use crate::table::cards;
use crate::value::escape_like;
use crate::{on, text_enum};

pub use redemption::{NewRedemption, Redemption, RedemptionFilter};

text_enum! {
    /// What a card gives.
    pub enum CardKind {
        Credit = "credit",
        Plan = "plan",
        /// A longer life of a key, and perhaps money as well.
        Time = "time",
    }
}

text_enum! {
    /// How a card stands at a moment; computed, not stored.
    pub enum CardStatus {
        Active = "active",
        Used = "used",
        Expired = "expired",
        Disabled = "disabled",
    }
}

/// A card. Its code is sealed; the digest finds it and the hint names it.
#[derive(Clone, Debug, Queryable, Selectable, Identifiable)]
pub struct Card {
    pub id: i64,
    pub digest: String,
    pub code: Vec<u8>,
    pub hint: String,
    pub kind: CardKind,
    /// What the wallet gains each time it is redeemed; nothing for a plan card.
    pub value: Micros,
    pub plan_id: Option<i64>,
    pub plan_days: i64,
    pub uses_allowed: i64,
    pub uses_left: i64,
    pub enabled: bool,
    pub expires_at: Option<Time>,
    pub name: String,
    pub note: String,
    /// Cards made in one go share this.
    pub batch: String,
    pub created_by: Option<i64>,
    pub created_at: Time,
    pub last_redeemed_at: Option<Time>,
    pub last_redeemed_by: Option<i64>,
    pub version: i64,
    /// By how much it makes the life of the key longer that it is redeemed for.
    pub key_ms: i64,
    /// When it was removed although somebody had redeemed it: it stays for the books alone.
    pub removed_at: Option<Time>,
}

/// A card to be made.
#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = cards)]
pub struct NewCard {
    pub digest: String,
    pub code: Vec<u8>,
    pub hint: String,
    pub kind: CardKind,
    pub value: Micros,
    pub plan_id: Option<i64>,
    pub plan_days: i64,
    pub uses_allowed: i64,
    pub uses_left: i64,
    pub expires_at: Option<Time>,
    pub name: String,
    pub note: String,
    pub batch: String,
    pub created_by: Option<i64>,
    pub created_at: Time,
    pub key_ms: i64,
}

/// What of a card changes; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, AsChangeset, serde::Serialize)]
#[diesel(table_name = cards)]
pub struct CardChange {
    pub value: Option<Micros>,
    pub enabled: Option<bool>,
    pub expires_at: Option<Option<Time>>,
    pub name: Option<String>,
    pub note: Option<String>,
}

/// Which cards.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CardFilter {
    pub kind: Option<CardKind>,
    pub status: Option<CardStatus>,
    pub batch: Option<String>,
    pub plan_id: Option<i64>,
    /// Part of the name or the note.
    pub search: Option<String>,
    /// The one with this code's digest.
    pub digest: Option<String>,
    pub id: Option<i64>,
    pub without_used: bool,
    /// Only those that were not removed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub without_removed: bool,
    /// What else must hold.
    #[serde(skip_serializing_if = "Joined::is_empty")]
    pub joined: Joined<CardFilter>,
}

macro_rules! filtered {
    ($query:expr, $filter:expr, $now:expr) => {{
        let mut query = $query;
        let (filter, now): (&CardFilter, Time) = ($filter, $now);
        if let Some(kind) = filter.kind {
            query = query.filter(cards::kind.eq(kind));
        }
        match filter.status {
            None => {}
            Some(CardStatus::Used) => query = query.filter(cards::uses_left.le(0)),
            Some(CardStatus::Disabled) => query = query.filter(cards::uses_left.gt(0)).filter(cards::enabled.eq(false)),
            Some(CardStatus::Expired) => {
                query = query
                    .filter(cards::uses_left.gt(0))
                    .filter(cards::enabled.eq(true))
                    .filter(cards::expires_at.assume_not_null().le(now));
            }
            Some(CardStatus::Active) => {
                query = query
                    .filter(cards::uses_left.gt(0))
                    .filter(cards::enabled.eq(true))
                    .filter(cards::expires_at.is_null().or(cards::expires_at.assume_not_null().gt(now)));
            }
        }
        if filter.without_used {
            query = query.filter(cards::uses_left.gt(0));
        }
        if filter.without_removed {
            query = query.filter(cards::removed_at.is_null());
        }
        if let Some(batch) = &filter.batch {
            query = query.filter(cards::batch.eq(batch));
        }
        if let Some(id) = filter.plan_id {
            query = query.filter(cards::plan_id.eq(id));
        }
        if let Some(digest) = &filter.digest {
            query = query.filter(cards::digest.eq(digest));
        }
        if let Some(id) = filter.id {
            query = query.filter(cards::id.eq(id));
        }
        if let Some(text) = &filter.search {
            let pattern = format!("%{}%", escape_like(text.trim()));
            query =
                query.filter(cards::name.like(pattern.clone()).escape('\\').or(cards::note.like(pattern).escape('\\')));
        }
        if let Some(more) = also(filter, now) {
            query = query.filter(more);
        }
        query
    }};
}

crate::composed!(filtered, cards, CardFilter, Time);

impl Card {
    /// How the card stands at a moment.
    pub fn status(&self, now: Time) -> CardStatus {
        if self.uses_left <= 0 {
            CardStatus::Used
        } else if !self.enabled {
            CardStatus::Disabled
        } else if self.expires_at.is_some_and(|end| end <= now) {
            CardStatus::Expired
        } else {
            CardStatus::Active
        }
    }
    /// How often it was redeemed.
    pub fn times_used(&self) -> i64 {
        self.uses_allowed - self.uses_left
    }

    pub async fn find(conn: &mut Conn, id: i64) -> QueryResult<Option<Self>> {
        on!(conn, |c| cards::table.find(id).select(Self::as_select()).first(c).await.optional())
    }
    pub async fn by_ids(conn: &mut Conn, ids: &[i64]) -> QueryResult<Vec<Self>> {
        on!(conn, |c| cards::table.filter(cards::id.eq_any(ids)).select(Self::as_select()).load(c).await)
    }
    pub async fn by_digest(conn: &mut Conn, digest: &str) -> QueryResult<Option<Self>> {
        on!(conn, |c| cards::table.filter(cards::digest.eq(digest)).select(Self::as_select()).first(c).await.optional())
    }
    /// All cards made in one go, in the order they were made.
    pub async fn of_batch(conn: &mut Conn, batch: &str) -> QueryResult<Vec<Self>> {
        on!(conn, |c| cards::table
            .filter(cards::batch.eq(batch))
            .order(cards::id.asc())
            .select(Self::as_select())
            .load(c)
            .await)
    }
    pub async fn count(conn: &mut Conn, filter: &CardFilter, now: Time) -> QueryResult<i64> {
        on!(conn, |c| filtered!(cards::table.into_boxed(), filter, now).count().get_result(c).await)
    }
    /// Newest first, one numbered page.
    pub async fn window(conn: &mut Conn, filter: &CardFilter, now: Time, window: Window) -> QueryResult<Vec<Self>> {
        on!(conn, |c| filtered!(cards::table.select(Self::as_select()).into_boxed(), filter, now)
            .order((cards::created_at.desc(), cards::id.desc()))
            .limit(window.limit)
            .offset(window.offset)
            .load(c)
            .await)
    }
    /// By the time they were made, one keyset page and one row more.
    pub async fn seek(
        conn: &mut Conn,
        filter: &CardFilter,
        now: Time,
        direction: Direction,
        seek: &Seek,
    ) -> QueryResult<Vec<Self>> {
        use crate::seek_by;
        on!(conn, |c| {
            let query = filtered!(cards::table.select(Self::as_select()).into_boxed(), filter, now);
            let query = seek_by!(query, cards::created_at, cards::id, Number, Time, direction, seek);
            query.limit(seek.take + 1).load(c).await
        })
    }
    /// The sort value of a row, for its cursor.
    pub fn cursor_key(&self) -> CursorKey {
        CursorKey::Number(self.created_at.0)
    }
    /// Writes many at once: whole statements on PostgreSQL; on SQLite, which has no such batches here,
    /// one prepared statement again and again without leaving its thread.
    pub async fn insert_many(conn: &mut Conn, new: Vec<NewCard>) -> QueryResult<()> {
        on!(
            conn,
            pg | c | {
                // PostgreSQL takes 65,535 parameters a statement.
                for chunk in new.chunks(2_000) {
                    diesel::insert_into(cards::table).values(chunk).execute(c).await?;
                }
                Ok(())
            },
            lite | c
                | c.spawn_blocking(move |c| {
                    for card in &new {
                        diesel::RunQueryDsl::execute(diesel::insert_into(cards::table).values(card), c)?;
                    }
                    Ok(())
                })
                .await
        )
    }
    /// Takes one use off the card of this digest, if it has one to give now.
    pub async fn take_use(conn: &mut Conn, digest: &str, user_id: i64, now: Time) -> QueryResult<Option<Self>> {
        on!(conn, |c| diesel::update(
            cards::table
                .filter(cards::digest.eq(digest))
                .filter(cards::enabled.eq(true))
                .filter(cards::uses_left.gt(0))
                .filter(cards::expires_at.is_null().or(cards::expires_at.assume_not_null().gt(now)))
        )
        .set((
            cards::uses_left.eq(cards::uses_left - 1),
            cards::last_redeemed_at.eq(now),
            cards::last_redeemed_by.eq(user_id),
            cards::version.eq(cards::version + 1),
        ))
        .returning(Self::as_returning())
        .get_result(c)
        .await
        .optional())
    }
    /// Changes a card whose version is still `version`; `None` when somebody was faster.
    pub async fn update(conn: &mut Conn, id: i64, version: i64, change: &CardChange) -> QueryResult<Option<Self>> {
        on!(conn, |c| diesel::update(cards::table.filter(cards::id.eq(id)).filter(cards::version.eq(version)))
            .set((change, cards::version.eq(cards::version + 1)))
            .returning(Self::as_returning())
            .get_result(c)
            .await
            .optional())
    }
    /// Deletes a card that nobody ever redeemed; false when there is none such.
    pub async fn delete_unused(conn: &mut Conn, id: i64) -> QueryResult<bool> {
        let n = on!(conn, |c| diesel::delete(
            cards::table.filter(cards::id.eq(id)).filter(cards::uses_left.eq(cards::uses_allowed))
        )
        .execute(c)
        .await)?;
        Ok(n == 1)
    }
    /// Switches a card off for good and marks it as removed; false when it is not there, or was removed before.
    pub async fn mark_removed(conn: &mut Conn, id: i64, now: Time) -> QueryResult<bool> {
        let n =
            on!(conn, |c| diesel::update(cards::table.filter(cards::id.eq(id)).filter(cards::removed_at.is_null()))
                .set((cards::enabled.eq(false), cards::removed_at.eq(now), cards::version.eq(cards::version + 1)))
                .execute(c)
                .await)?;
        Ok(n == 1)
    }
    /// How many there are of each kind and state.
    pub async fn stats(conn: &mut Conn, now: Time) -> QueryResult<Vec<KindStats>> {
        let now = now.0;
        let query = format!(
            "SELECT kind, COUNT(*) AS total, \
             CAST(SUM(CASE WHEN uses_left <= 0 THEN 1 ELSE 0 END) AS BIGINT) AS used, \
             CAST(SUM(CASE WHEN uses_left > 0 AND NOT enabled THEN 1 ELSE 0 END) AS BIGINT) AS disabled, \
             CAST(SUM(CASE WHEN uses_left > 0 AND enabled AND expires_at <= {now} THEN 1 ELSE 0 END) AS BIGINT) AS expired \
             FROM cards GROUP BY kind"
        );
        on!(conn, |c| diesel::sql_query(query).load(c).await)
    }
}

/// Counts of one kind of card; the rest of `total` is active.
#[derive(Clone, Debug, QueryableByName)]
pub struct KindStats {
    #[diesel(sql_type = diesel::sql_types::Text)]
    pub kind: CardKind,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    pub total: i64,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    pub used: i64,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    pub disabled: i64,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    pub expired: i64,
}
