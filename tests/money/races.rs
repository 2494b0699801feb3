//! Everything at one moment, through two processes.

use futures_util::future::{BoxFuture, FutureExt, join_all};
use harness::fake_pay::Tweak;
use schema::model::order::{Method, OrderStatus};
use schema::service::card::{CodeForm, Mint, Worth, mint, redeem};
use schema::service::order::{self, Wanted};
use schema::service::{plan, subscription, token, wallet};
use schema::{Actor, Face, Micros, Role};

use crate::shop::{METHODS, MINUTE, Shop};

const DAY: i64 = 24 * 60 * MINUTE;

#[tokio::test(flavor = "multi_thread")]
async fn news_questions_endings_and_cancellations_meet_and_the_money_counts_once() {
    let s = Shop::open().await;
    let mut orders = Vec::new();
    for method in METHODS {
        orders.push(s.topup(method).await);
    }
    s.advance(14 * MINUTE);
    orders.iter().for_each(|o| s.paid(o));
    s.advance(MINUTE);
    let peer = s.t.peer().await;
    let (s, peer) = (&s, &peer);
    let mut all: Vec<BoxFuture<'_, ()>> = Vec::new();
    for order in &orders {
        for _ in 0..4 {
            let told = async move {
                let message = s.message(order, &Tweak::default());
                s.deliver(order.method, &message).await;
            };
            all.push(told.boxed());
        }
        // Refused where the payment came first.
        all.push(order::cancel(s, &s.bob, &order.no, None).map(drop).boxed());
    }
    for _ in 0..3 {
        for app in [&s.t.app, &peer.app] {
            all.push(order::expire_due(app).map(|r| assert!(r.is_ok(), "{r:?}")).boxed());
            all.push(order::reconcile_due(app).map(|r| assert!(r.is_ok(), "{r:?}")).boxed());
        }
    }
    join_all(all).await;
    s.advance(40 * MINUTE);
    order::reconcile_due(s).await.expect("a round");
    for order in &orders {
        assert_eq!(s.read(order).await.status, OrderStatus::Activated, "{}", order.method);
        let accepted = s.outcomes(order).await.iter().filter(|o| **o == "accepted").count();
        assert_eq!(accepted, 1, "{}", order.method);
    }
    assert_eq!(s.balance().await, 30_000_000);
    s.adds_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_people_and_one_card() {
    let s = Shop::open().await;
    let peer = s.t.peer().await;
    let card = Mint {
        count: 1,
        worth: Worth::Credit(Micros(5_000_000)),
        form: CodeForm::Grouped { prefix: "CRD".into() },
        uses: 1,
        expires_at: None,
        name: String::new(),
        note: String::new(),
    };
    let code = mint(&s, &s.admin, card).await.expect("minted").remove(0).code;
    let mut people = Vec::new();
    for n in 0..50 {
        let person = s.t.person(&format!("person{n}"), Role::User, Micros::ZERO).await;
        people.push(token::actor_of(&person, Actor::anonymous(Face::Commercial, "127.0.0.1", ""), None));
    }
    let tries = people.iter().enumerate().map(|(n, person)| {
        let app = if n % 2 == 0 { &s.t.app } else { &peer.app };
        redeem(app, person, &code)
    });
    let outcomes = join_all(tries).await;
    assert_eq!(outcomes.iter().filter(|r| r.is_ok()).count(), 1);
    for refused in outcomes.iter().filter_map(|r| r.as_ref().err()) {
        assert_eq!(refused.detail_code(), Some("CARD_USED"), "{refused}");
    }
    s.adds_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn renewals_of_two_processes_take_one_price() {
    let s = Shop::open().await;
    let peer = s.t.peer().await;
    wallet::adjust(&s, &s.admin, s.bob_id, Micros(1_000_000_000), "", None).await.expect("funded");
    let basic = plan::get(&s, &s.admin, "basic").await.expect("basic");
    subscription::grant(&s, &s.admin, s.bob_id, basic.id, None).await.expect("granted");
    subscription::set_auto_renew(&s, &s.bob, s.bob_id, true, None).await.expect("on");
    s.advance(29 * DAY + MINUTE);
    let rounds = (0..8).map(|n| subscription::renew_due(if n % 2 == 0 { &s.t.app } else { &peer.app }));
    let rounds = join_all(rounds).await;
    let renewed: usize = rounds.into_iter().map(|r| r.expect("a round").renewed).sum();
    assert_eq!(renewed, 1);
    // 199 yuan at 7.2 for a dollar, rounded up.
    assert_eq!(s.balance().await, 1_000_000_000 - 27_638_889);
    s.adds_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_pays_for_as_many_plans_as_it_holds() {
    let s = Shop::open().await;
    wallet::adjust(&s, &s.admin, s.bob_id, Micros(2 * 27_638_889 + 5), "", None).await.expect("funded");
    let wanted = || Wanted::Plan { slug: "basic".to_owned() };
    let tries = join_all((0..8).map(|_| order::place(&s, &s.bob, wanted(), Method::Wallet))).await;
    assert_eq!(tries.iter().filter(|r| r.is_ok()).count(), 2);
    for refused in tries.iter().filter_map(|r| r.as_ref().err()) {
        assert_eq!(refused.detail_code(), Some("INSUFFICIENT_BALANCE"));
    }
    assert_eq!(s.balance().await, 5);
    let held = subscription::current(&s, &s.bob, s.bob_id).await.expect("held").subscription.expect("basic");
    assert_eq!(held.expires_at, s.clock.now().plus(60 * DAY));
    s.adds_up().await;
}
