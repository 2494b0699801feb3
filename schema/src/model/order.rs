//! Orders: what was asked for, what was paid, and what became of it.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use crate::clock::Time;
use crate::db::{Conn, Together};
use crate::model::joined::{Joined, also};
use crate::money::Micros;
use crate::page::{CursorKey, Direction, Seek, Window};
use crate::table::orders;
use crate::value::escape_like;
use crate::{on, text_enum};

text_enum! {
    /// What an order buys.
    pub enum OrderKind {
        Subscription = "subscription",
        Upgrade = "upgrade",
        /// A subscription's next period, paid from the wallet.
        Renewal = "renewal",
        Topup = "topup",
    }
}

text_enum! {
    /// How an order stands.
    pub enum OrderStatus {
        Pending = "pending",
        /// The money is there, what it buys is not yet in effect.
        Paid = "paid",
        Activated = "activated",
        Cancelled = "cancelled",
        Expired = "expired",
        /// Given back in whole.
        Refunded = "refunded",
    }
}

text_enum! {
    /// How an order is paid.
    pub enum Method {
        Alipay = "alipay",
        WechatPay = "wechat_pay",
        Stripe = "stripe",
        /// A gateway to others, of Epay's make.
        Epay = "epay",
        BankTransfer = "bank_transfer",
        Wallet = "wallet",
        /// Nothing to pay.
        Free = "free",
    }
}

impl Method {
    /// Those with a provider that can be asked.
    pub const ONLINE: &'static [Self] = &[Self::Alipay, Self::WechatPay, Self::Stripe, Self::Epay];

    /// True for a method whose provider can be asked.
    pub fn is_online(self) -> bool {
        Self::ONLINE.contains(&self)
    }
    /// The method of a word as any face writes it.
    pub fn named(word: &str) -> Option<Self> {
        match word {
            "wechat" | "wxpay" | "wechatpay" => Some(Self::WechatPay),
            "bank" => Some(Self::BankTransfer),
            "balance" => Some(Self::Wallet),
            other => Self::parse(other).filter(|m| *m != Self::Free),
        }
    }
}

/// An order.
#[derive(Clone, Debug, Queryable, Selectable, Identifiable)]
pub struct Order {
    pub id: i64,
    pub no: String,
    pub user_id: i64,
    pub kind: OrderKind,
    pub plan_id: Option<i64>,
    /// The subscription whose rest was taken off the price.
    pub replaces_id: Option<i64>,
    /// Minor units of `currency`.
    pub amount: i64,
    pub currency: String,
    /// What a top-up adds to the wallet.
    pub credit: Micros,
    pub period_days: i64,
    pub method: Method,
    pub status: OrderStatus,
    /// The provider's own name of the order.
    pub provider_ref: Option<String>,
    /// The provider's number of the payment.
    pub transaction_id: Option<String>,
    pub pay_url: Option<String>,
    pub qr_content: Option<String>,
    pub paid_amount: Option<i64>,
    pub paid_currency: Option<String>,
    /// Given back, or on its way back.
    pub refunded_amount: i64,
    pub note: String,
    pub client_ip: String,
    pub created_at: Time,
    pub expires_at: Time,
    pub paid_at: Option<Time>,
    pub activated_at: Option<Time>,
    pub closed_at: Option<Time>,
    /// When the provider was last asked about it.
    pub checked_at: Option<Time>,
    pub updated_at: Time,
    pub version: i64,
}

/// An order to be made.
#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = orders)]
pub struct NewOrder {
    pub no: String,
    pub user_id: i64,
    pub kind: OrderKind,
    pub plan_id: Option<i64>,
    pub replaces_id: Option<i64>,
    pub amount: i64,
    pub currency: String,
    pub credit: Micros,
    pub period_days: i64,
    pub method: Method,
    pub status: OrderStatus,
    pub transaction_id: Option<String>,
    pub paid_amount: Option<i64>,
    pub paid_currency: Option<String>,
    pub note: String,
    pub client_ip: String,
    pub created_at: Time,
    pub expires_at: Time,
    pub paid_at: Option<Time>,
    pub activated_at: Option<Time>,
    pub updated_at: Time,
}

/// What of an order changes; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, AsChangeset)]
#[diesel(table_name = orders)]
pub struct OrderChange {
    pub status: Option<OrderStatus>,
    pub provider_ref: Option<Option<String>>,
    pub transaction_id: Option<Option<String>>,
    pub pay_url: Option<Option<String>>,
    pub qr_content: Option<Option<String>>,
    pub paid_amount: Option<Option<i64>>,
    pub paid_currency: Option<Option<String>>,
    pub refunded_amount: Option<i64>,
    pub note: Option<String>,
    pub paid_at: Option<Option<Time>>,
    pub activated_at: Option<Option<Time>>,
    pub closed_at: Option<Option<Time>>,
}

/// Which orders.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OrderFilter {
    pub user_id: Option<i64>,
    pub statuses: Vec<OrderStatus>,
    pub kinds: Vec<OrderKind>,
    pub method: Option<Method>,
    pub plan_id: Option<i64>,
    /// Part of the order's number.
    pub search: Option<String>,
    pub created_from: Option<Time>,
    pub created_until: Option<Time>,
    pub paid_from: Option<Time>,
    pub paid_until: Option<Time>,
    /// What else must hold.
    #[serde(skip_serializing_if = "Joined::is_empty")]
    pub joined: Joined<OrderFilter>,
}

/// By what orders are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OrderOrder {
    #[default]
    CreatedAt,
    Amount,
}

macro_rules! filtered {
    ($query:expr, $filter:expr) => {{
        let mut query = $query;
        let filter: &OrderFilter = $filter;
        if let Some(id) = filter.user_id {
            query = query.filter(orders::user_id.eq(id));
        }
        if !filter.statuses.is_empty() {
            query = query.filter(orders::status.eq_any(filter.statuses.clone()));
        }
        if !filter.kinds.is_empty() {
            query = query.filter(orders::kind.eq_any(filter.kinds.clone()));
        }
        if let Some(method) = filter.method {
            query = query.filter(orders::method.eq(method));
        }
        if let Some(id) = filter.plan_id {
            query = query.filter(orders::plan_id.eq(id));
        }
        if let Some(text) = &filter.search {
            let pattern = format!("%{}%", escape_like(&text.trim().to_ascii_uppercase()));
            query = query.filter(orders::no.like(pattern).escape('\\'));
        }
        if let Some(from) = filter.created_from {
            query = query.filter(orders::created_at.ge(from));
        }
        if let Some(until) = filter.created_until {
            query = query.filter(orders::created_at.lt(until));
        }
        if let Some(from) = filter.paid_from {
            query = query.filter(orders::paid_at.assume_not_null().ge(from));
        }
        if let Some(until) = filter.paid_until {
            query = query.filter(orders::paid_at.assume_not_null().lt(until));
        }
        if let Some(more) = also(filter, ()) {
            query = query.filter(more);
        }
        query
    }};
}

crate::composed!(filtered, orders, OrderFilter);

impl Order {
    /// True while it can still be paid.
    pub fn is_payable(&self, now: Time) -> bool {
        self.status == OrderStatus::Pending && self.expires_at > now
    }
    /// What could still be given back, in minor units.
    pub fn refundable(&self) -> i64 {
        self.paid_amount.unwrap_or(0) - self.refunded_amount
    }

    pub async fn find(conn: &mut Conn, id: i64) -> QueryResult<Option<Self>> {
        on!(conn, |c| orders::table.find(id).select(Self::as_select()).first(c).await.optional())
    }
    pub async fn by_ids(conn: &mut Conn, ids: &[i64]) -> QueryResult<Vec<Self>> {
        on!(conn, |c| orders::table.filter(orders::id.eq_any(ids)).select(Self::as_select()).load(c).await)
    }
    pub async fn by_numbers(conn: &mut Conn, numbers: &[String]) -> QueryResult<Vec<Self>> {
        on!(conn, |c| orders::table.filter(orders::no.eq_any(numbers)).select(Self::as_select()).load(c).await)
    }
    pub async fn by_no(conn: &mut Conn, no: &str) -> QueryResult<Option<Self>> {
        on!(conn, |c| orders::table.filter(orders::no.eq(no)).select(Self::as_select()).first(c).await.optional())
    }
    /// The order of this number, its row locked for the rest of the transaction.
    pub async fn lock(conn: &mut Conn, no: &str) -> QueryResult<Option<Self>> {
        on!(conn, |c| diesel::update(orders::table.filter(orders::no.eq(no)))
            .set(orders::version.eq(orders::version + 0))
            .returning(Self::as_returning())
            .get_result(c)
            .await
            .optional())
    }
    pub async fn insert(conn: &mut Conn, new: &NewOrder) -> QueryResult<Self> {
        on!(conn, |c| diesel::insert_into(orders::table)
            .values(new)
            .returning(Self::as_returning())
            .get_result(c)
            .await)
    }
    /// Changes an order whose version is still `version`; `None` when somebody was faster.
    pub async fn update(
        conn: &mut Conn,
        id: i64,
        version: i64,
        change: &OrderChange,
        now: Time,
    ) -> QueryResult<Option<Self>> {
        on!(conn, |c| diesel::update(orders::table.filter(orders::id.eq(id)).filter(orders::version.eq(version)))
            .set((change, orders::updated_at.eq(now), orders::version.eq(orders::version + 1)))
            .returning(Self::as_returning())
            .get_result(c)
            .await
            .optional())
    }
    /// Notes that the provider was asked; no new version, nobody edits this.
    pub async fn touch_checked(conn: &mut Conn, id: i64, now: Time) -> QueryResult<()> {
        on!(conn, |c| diesel::update(orders::table.find(id)).set(orders::checked_at.eq(now)).execute(c).await)?;
        Ok(())
    }
    /// Orders whose time to pay is over.
    pub async fn overdue(conn: &mut Conn, now: Time, most: i64) -> QueryResult<Vec<Self>> {
        on!(conn, |c| orders::table
            .filter(orders::status.eq(OrderStatus::Pending))
            .filter(orders::expires_at.le(now))
            .order((orders::expires_at.asc(), orders::id.asc()))
            .limit(most)
            .select(Self::as_select())
            .load(c)
            .await)
    }
    /// Orders in these states by these methods that the provider was not asked about since `asked_before`, made before
    /// it and payable until after `ends_after`; the longest unasked first.
    pub async fn hanging(
        conn: &mut Conn,
        statuses: &[OrderStatus],
        methods: &[Method],
        asked_before: Time,
        ends_after: Time,
        most: i64,
    ) -> QueryResult<Vec<Self>> {
        on!(conn, |c| orders::table
            .filter(orders::status.eq_any(statuses))
            .filter(orders::method.eq_any(methods))
            .filter(orders::created_at.le(asked_before))
            .filter(orders::expires_at.gt(ends_after))
            .filter(orders::checked_at.is_null().or(orders::checked_at.assume_not_null().le(asked_before)))
            .order((orders::checked_at.asc(), orders::id.asc()))
            .limit(most)
            .select(Self::as_select())
            .load(c)
            .await)
    }
    /// Paid orders from outside the wallet with something left after refunds, oldest payment first, after a place.
    pub async fn paid_after(
        conn: &mut Conn,
        from: Time,
        until: Time,
        after: (Time, i64),
        most: i64,
    ) -> QueryResult<Vec<Self>> {
        let (at, id) = after;
        on!(conn, |c| {
            let paid_at = orders::paid_at.assume_not_null();
            orders::table
                .filter(paid_at.ge(from))
                .filter(paid_at.lt(until))
                .filter(orders::method.ne(Method::Wallet))
                .filter(paid_at.gt(at).or(paid_at.eq(at).and(orders::id.gt(id))))
                .order((paid_at.asc(), orders::id.asc()))
                .limit(most)
                .select(Self::as_select())
                .load(c)
                .await
        })
    }
    crate::counted!(filtered, orders, OrderFilter);
    /// One numbered page.
    pub async fn window(
        conn: &mut Conn,
        filter: &OrderFilter,
        order: (OrderOrder, Direction),
        window: Window,
    ) -> QueryResult<Vec<Self>> {
        on!(conn, |c| {
            let query = filtered!(orders::table.select(Self::as_select()).into_boxed(), filter);
            let query = match order {
                (OrderOrder::CreatedAt, Direction::Asc) => query.order((orders::created_at.asc(), orders::id.asc())),
                (OrderOrder::CreatedAt, Direction::Desc) => query.order((orders::created_at.desc(), orders::id.desc())),
                (OrderOrder::Amount, Direction::Asc) => query.order((orders::amount.asc(), orders::id.asc())),
                (OrderOrder::Amount, Direction::Desc) => query.order((orders::amount.desc(), orders::id.desc())),
            };
            query.limit(window.limit).offset(window.offset).load(c).await
        })
    }
    /// One keyset page, one row more than asked for.
    pub async fn seek(
        conn: &mut Conn,
        filter: &OrderFilter,
        order: (OrderOrder, Direction),
        seek: &Seek,
    ) -> QueryResult<Vec<Self>> {
        Self::seek_each(conn, std::slice::from_ref(filter), order, seek).await
    }
    /// The same page of several lists, in one statement.
    pub async fn seek_each(
        conn: &mut Conn,
        filters: &[OrderFilter],
        order: (OrderOrder, Direction),
        seek: &Seek,
    ) -> QueryResult<Vec<Self>> {
        use crate::seek_by;
        on!(conn, |c| {
            let mut lists = Vec::with_capacity(filters.len());
            for filter in filters {
                let query = filtered!(orders::table.select(Self::as_select()).into_boxed(), filter);
                let query = match order.0 {
                    OrderOrder::CreatedAt => {
                        seek_by!(query, orders::created_at, orders::id, Number, Time, order.1, seek)
                    }
                    OrderOrder::Amount => seek_by!(query, orders::amount, orders::id, Number, i64::from, order.1, seek),
                };
                lists.push(query.limit(seek.take + 1));
            }
            Together(lists).load(c).await
        })
    }
    /// The sort value of a row, for its cursor.
    pub fn cursor_key(&self, order: OrderOrder) -> CursorKey {
        match order {
            OrderOrder::CreatedAt => CursorKey::Number(self.created_at.0),
            OrderOrder::Amount => CursorKey::Number(self.amount),
        }
    }
}
