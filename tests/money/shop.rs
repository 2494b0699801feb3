//! A product that sells, with an Alipay, a WeChat Pay and a Stripe of its own.

use std::collections::BTreeMap;

use harness::TestApp;
use harness::fake_pay::{FakePay, Message, Mood, Trade, Tweak};
use schema::model::order::{Method, Order};
use schema::model::payment_event::PaymentEventFilter;
use schema::page::Seek;
use schema::payment::{NoticeReply, ProviderConfig};
use schema::service::order::{self, Wanted};
use schema::service::setting::{self, names};
use schema::service::{plan, token, wallet};
use schema::{Actor, App, Face, Micros, Role, Time};

/// 2026-03-01T10:00:00Z, when every test begins.
pub const START: Time = Time(1_772_359_200_000);
pub const MINUTE: i64 = 60_000;
pub const METHODS: [Method; 3] = [Method::Alipay, Method::WechatPay, Method::Stripe];

pub struct Shop {
    pub t: TestApp,
    pub pay: FakePay,
    pub admin: Actor,
    pub bob: Actor,
    pub bob_id: i64,
}

impl std::ops::Deref for Shop {
    type Target = App;
    fn deref(&self) -> &App {
        &self.t.app
    }
}

impl Shop {
    pub async fn open() -> Self {
        let pay = FakePay::start().await;
        pay.clock.set(START.0);
        let t = TestApp::builder().clock_at(START).start().await;
        let person = t.person("bob", Role::User, Micros::ZERO).await;
        let bob = token::actor_of(&person, Actor::anonymous(Face::Commercial, "127.0.0.1", ""), None);
        let shop = Self { t, pay, admin: Actor::system(), bob, bob_id: person.id };
        plan::init_defaults(&shop, &shop.admin).await.expect("plans");
        shop.set_up_alipay().await;
        shop.set_up_wechat().await;
        shop.set_up_stripe().await;
        shop
    }

    async fn set_up_alipay(&self) {
        let ProviderConfig::Alipay(c) = self.pay.alipay.config() else { panic!("Alipay's settings") };
        self.set(&[
            (names::ALIPAY_ENABLED, "true"),
            (names::ALIPAY_APP_ID, &c.app_id),
            (names::ALIPAY_SELLER_ID, c.seller_id.as_deref().unwrap_or_default()),
            (names::ALIPAY_PRIVATE_KEY, &c.private_key),
            (names::ALIPAY_PUBLIC_KEY, &c.alipay_public_key),
            (names::ALIPAY_GATEWAY_URL, &c.gateway_url),
        ])
        .await;
    }

    async fn set_up_wechat(&self) {
        let ProviderConfig::WechatPay(c) = self.pay.wechat.config() else { panic!("WeChat Pay's settings") };
        self.set(&[
            (names::WECHAT_PAY_ENABLED, "true"),
            (names::WECHAT_PAY_APP_ID, &c.app_id),
            (names::WECHAT_PAY_MCH_ID, &c.mch_id),
            (names::WECHAT_PAY_CERT_SERIAL, &c.cert_serial),
            (names::WECHAT_PAY_PRIVATE_KEY, &c.private_key),
            (names::WECHAT_PAY_API_V3_KEY, &c.api_v3_key),
            (names::WECHAT_PAY_BASE_URL, &c.base_url),
        ])
        .await;
    }

    async fn set_up_stripe(&self) {
        let ProviderConfig::Stripe(c) = self.pay.stripe.config() else { panic!("Stripe's settings") };
        self.set(&[
            (names::STRIPE_ENABLED, "true"),
            (names::STRIPE_SECRET_KEY, &c.secret_key),
            (names::STRIPE_WEBHOOK_SECRET, &c.webhook_secret),
            (names::STRIPE_BASE_URL, &c.base_url),
        ])
        .await;
    }

    pub async fn set(&self, values: &[(&str, &str)]) {
        let changes: BTreeMap<String, Option<String>> =
            values.iter().map(|(n, v)| ((*n).to_owned(), Some((*v).to_owned()))).collect();
        setting::put(self, &self.admin, &changes).await.expect("settings");
    }

    /// Moves our clock and the providers'.
    pub fn advance(&self, ms: i64) {
        self.clock.advance(ms);
        self.pay.clock.set(self.clock.now().0);
    }

    /// Ten dollars in yuan.
    pub async fn topup(&self, method: Method) -> Order {
        let wanted = Wanted::Topup { amount: 7_200, currency: "CNY".to_owned() };
        order::place(self, &self.bob, wanted, method).await.expect("an order").order
    }

    pub async fn plan(&self, slug: &str, method: Method) -> Order {
        let wanted = Wanted::Plan { slug: slug.to_owned() };
        order::place(self, &self.bob, wanted, method).await.expect("an order").order
    }

    pub fn trade(&self, order: &Order) -> Trade {
        let trade = match order.method {
            Method::Alipay => self.pay.alipay.trade(&order.no),
            Method::WechatPay => self.pay.wechat.trade(&order.no),
            _ => self.pay.stripe.trade(&order.no),
        };
        trade.expect("the provider knows the order")
    }

    /// The payer pays, and nobody is told yet.
    pub fn paid(&self, order: &Order) {
        match order.method {
            Method::Alipay => self.pay.alipay.mark_paid(&order.no),
            Method::WechatPay => self.pay.wechat.mark_paid(&order.no),
            _ => self.pay.stripe.mark_paid(&order.no),
        }
    }

    pub fn message(&self, order: &Order, tweak: &Tweak) -> Message {
        match order.method {
            Method::Alipay => self.pay.alipay.message(&order.no, tweak),
            Method::WechatPay => self.pay.wechat.message(&order.no, tweak),
            _ => self.pay.stripe.message(&order.no, tweak),
        }
    }

    pub fn set_mood(&self, method: Method, mood: Mood) {
        match method {
            Method::Alipay => self.pay.alipay.set_mood(mood),
            Method::WechatPay => self.pay.wechat.set_mood(mood),
            _ => self.pay.stripe.set_mood(mood),
        }
    }

    pub async fn deliver(&self, method: Method, message: &Message) -> NoticeReply {
        order::notify(self, method, &message.header_map(), &message.body, "203.0.113.9").await
    }

    /// The payer pays, and we are told.
    pub async fn pay_and_tell(&self, order: &Order) {
        self.paid(order);
        let reply = self.deliver(order.method, &self.message(order, &Tweak::default())).await;
        assert!(is_yes(order.method, reply), "{reply:?}");
    }

    pub async fn read(&self, order: &Order) -> Order {
        order::get(self, &self.admin, &order.no).await.expect("the order").order
    }

    pub async fn balance(&self) -> i64 {
        schema::service::user::get(self, &self.admin, self.bob_id).await.expect("bob").balance.0
    }

    pub async fn adds_up(&self) {
        assert!(wallet::check_ledger(self).await.expect("a check").is_empty());
    }

    /// What was written down about an order, in order.
    pub async fn outcomes(&self, order: &Order) -> Vec<&'static str> {
        self.events(PaymentEventFilter { order_no: Some(order.no.clone()), ..PaymentEventFilter::default() }).await
    }

    /// What was written down about a provider and no order.
    pub async fn doubts(&self, method: Method) -> Vec<&'static str> {
        let provider = Some(method.as_str().to_owned());
        let order_no = Some(String::new());
        self.events(PaymentEventFilter { provider, order_no, ..PaymentEventFilter::default() }).await
    }

    async fn events(&self, filter: PaymentEventFilter) -> Vec<&'static str> {
        let seek = Seek { take: 100, ..Seek::default() };
        let page = order::payment_events(self, &self.admin, &filter, &seek).await.expect("events");
        page.rows.iter().rev().map(|e| e.outcome.as_str()).collect()
    }
}

/// Whether a reply ends the provider's retries.
pub fn is_yes(method: Method, (status, _, body): NoticeReply) -> bool {
    match method {
        Method::Alipay => body == "success",
        _ => (200..300).contains(&status),
    }
}
