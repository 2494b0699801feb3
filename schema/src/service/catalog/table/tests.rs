//! Tables of prices, put by an administrator.

use super::*;
use crate::model::audit::AuditFilter;
use crate::model::catalog::Rates;
use crate::service::audit;
use crate::service::catalog::{get, seed};
use crate::testing::TestApp;

async fn world() -> (TestApp, Actor) {
    let t = TestApp::new().await;
    seed(&t).await.unwrap();
    let root = t.admin().await;
    (t, root)
}

async fn price_of(t: &TestApp, root: &Actor, name: &str) -> Option<Price> {
    get(t, root, name).await.unwrap().effective_price().cloned()
}

/// The tables as they stand in the database.
async fn now(t: &TestApp) -> Tables {
    let mut conn = t.db.conn().await.unwrap();
    let models = Model::all(&mut conn).await.unwrap();
    let prices = models.iter().filter_map(|m| Some((m.name.as_str(), m.effective_price()?)));
    tables(prices, &waiting(t))
}

fn only(name: &str, figure: i64) -> Option<Figures> {
    Some(Figures::from([(name.to_owned(), figure)]))
}

async fn put(t: &TestApp, root: &Actor, tables: Tables) -> Result<()> {
    put_tables(t, root, &tables, &BTreeMap::new()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_say_what_is_so_change_nothing() {
    let (t, root) = world().await;
    put(&t, &root, now(&t).await).await.unwrap();
    let mut conn = t.db.conn().await.unwrap();
    let models = Model::all(&mut conn).await.unwrap();
    assert!(models.iter().all(|m| m.override_price.is_none() && m.version == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inputs_price_carries_everything_that_is_paid_by_tokens() {
    let (t, root) = world().await;
    let name = "claude-sonnet-4-5-20250929";
    let before = price_of(&t, &root, name).await.unwrap();
    let mut table = now(&t).await.input.unwrap();
    table.insert(name.into(), before.rates.input * 2);
    put(&t, &root, Tables { input: Some(table.clone()), ..Tables::default() }).await.unwrap();
    let after = price_of(&t, &root, name).await.unwrap();
    assert_eq!((after.rates.input, after.rates.output), (before.rates.input * 2, before.rates.output * 2));
    assert_eq!(after.rates.cache_write_1h, before.rates.cache_write_1h.map(|n| n * 2));
    assert_eq!(after.long[0].rates.output, before.long[0].rates.output * 2);

    let mut ratios = now(&t).await.output.unwrap();
    ratios.insert(name.into(), 3 * super::super::price::ONE);
    let mut reads = now(&t).await.cache_read.unwrap();
    reads.insert(name.into(), 500_000);
    put(&t, &root, Tables { output: Some(ratios), cache_read: Some(reads), ..Tables::default() }).await.unwrap();
    let after = price_of(&t, &root, name).await.unwrap();
    assert_eq!((after.rates.output, after.rates.cache_read), (after.rates.input * 3, Some(after.rates.input / 2)));
    assert_eq!(after.long[0].rates.cache_read, Some(after.long[0].rates.input / 2));

    // What is no longer named has the vendor's price again, and other models were left alone.
    table.remove(name);
    put(&t, &root, Tables { input: Some(table), ..Tables::default() }).await.unwrap();
    assert_eq!(price_of(&t, &root, name).await.unwrap(), before);
    let model = get(&t, &root, "gpt-4o").await.unwrap();
    assert_eq!((model.override_price, model.version), (None, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_model_may_be_told_of_in_any_order() {
    let (t, root) = world().await;
    // By the call, and then by tokens: each of these comes in a request of its own.
    put(&t, &root, Tables { output: only("mine", 4_000_000), ..Tables::default() }).await.unwrap();
    assert_eq!(now(&t).await.output.unwrap()["mine"], 4_000_000, "it waits, and is shown");
    put(&t, &root, Tables { calls: only("mine", 7), ..Tables::default() }).await.unwrap();
    let by_call = price_of(&t, &root, "mine").await.unwrap();
    assert_eq!((by_call.calls, by_call.rates), (7, Rates::default()));
    let mut input = now(&t).await.input.unwrap();
    input.insert("mine".into(), 1_000);
    put(&t, &root, Tables { input: Some(input), ..Tables::default() }).await.unwrap();
    assert_eq!(price_of(&t, &root, "mine").await.unwrap(), by_call, "the call's price wins while it is named");
    let calls: Figures = now(&t).await.calls.unwrap().into_iter().filter(|(name, _)| name != "mine").collect();
    put(&t, &root, Tables { calls: Some(calls), ..Tables::default() }).await.unwrap();
    let rates = price_of(&t, &root, "mine").await.unwrap().rates;
    assert_eq!((rates.input, rates.output), (1_000, 4_000));
    assert_eq!(waiting(&t), Waiting::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_put_at_the_same_time_all_count() {
    let (t, root) = world().await;
    let (output, input, cache_read) = (only("mine", 2_000_000), now(&t).await.input.unwrap(), only("mine", 250_000));
    let input = Some(input.into_iter().chain([("mine".to_owned(), 8_000)]).collect());
    let parts = [
        Tables { output, ..Tables::default() },
        Tables { input, ..Tables::default() },
        Tables { cache_read, ..Tables::default() },
    ];
    let done = futures_util::future::join_all(parts.into_iter().map(|part| put(&t, &root, part))).await;
    assert!(done.iter().all(Result::is_ok), "{done:?}");
    let rates = price_of(&t, &root, "mine").await.unwrap().rates;
    assert_eq!((rates.input, rates.output, rates.cache_read), (8_000, 16_000, Some(2_000)));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_it_or_nothing_and_by_those_who_may() {
    let (t, root) = world().await;
    let before = now(&t).await;
    let name = BTreeMap::from([(names::SITE_NAME.to_owned(), Some("Other".to_owned()))]);
    for bad in [only("mine", -1), only(" mine", 1), only("", 1), only("mine", i64::MAX)] {
        let refused = put_tables(&t, &root, &Tables { input: bad, ..Tables::default() }, &name).await;
        assert_eq!(refused.map_err(|e| e.code()), Err("BAD_USER_INPUT"));
    }
    let nonsense = BTreeMap::from([("no_such_setting".to_owned(), Some("1".to_owned()))]);
    let good = Tables { input: only("mine", 1), ..Tables::default() };
    assert!(put_tables(&t, &root, &good, &nonsense).await.is_err());
    assert_eq!(now(&t).await, before);
    assert_eq!(setting::current(&t).text(names::SITE_NAME), "Tollgate");
    let ann = t.user("ann").await;
    assert_eq!(put(&t, &ann, good.clone()).await.map_err(|e| e.code()), Err("FORBIDDEN"));
    assert_eq!(reset_prices(&t, &ann).await.map_err(|e| e.code()), Err("FORBIDDEN"));

    put_tables(&t, &root, &good, &name).await.unwrap();
    assert_eq!(setting::current(&t).text(names::SITE_NAME), "Other");
    let added = AuditFilter { action: Some("model.add".into()), ..AuditFilter::default() };
    assert_eq!(audit::count(&t, &root, &added).await.unwrap(), 1);
    reset_prices(&t, &root).await.unwrap();
    assert_eq!(price_of(&t, &root, "gpt-4o").await, get(&t, &root, "gpt-4o").await.unwrap().price.map(|p| p.0));
    assert_eq!(price_of(&t, &root, "mine").await, None);
}
