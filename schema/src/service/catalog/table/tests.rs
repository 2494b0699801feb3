//! Tables of prices, put by an administrator.

use super::*;
use crate::model::audit::AuditFilter;
use crate::model::catalog::{ModelFilter, Rates};
use crate::service::audit;
use crate::service::catalog::{count, get, import, seed, set_price};
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
    let prices = models.iter().filter_map(|m| Some((m.name.as_str(), m.category, m.effective_price()?)));
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

    // What is no longer named has no price, while its ratios stay in their tables; and other models were left alone.
    let figure = table.remove(name).unwrap();
    put(&t, &root, Tables { input: Some(table.clone()), ..Tables::default() }).await.unwrap();
    assert_eq!(price_of(&t, &root, name).await, None);
    let left = now(&t).await;
    assert_eq!((left.output.unwrap()[name], left.cache_read.unwrap()[name]), (3_000_000, 500_000));
    // Named again, it is what it was.
    table.insert(name.into(), figure);
    put(&t, &root, Tables { input: Some(table), ..Tables::default() }).await.unwrap();
    assert_eq!(price_of(&t, &root, name).await.unwrap(), after);
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
async fn a_listed_price_that_is_taken_out_does_not_come_back_by_itself() {
    let (t, root) = world().await;
    let listed = price_of(&t, &root, "gpt-4o").await.unwrap();
    let by_call = price_of(&t, &root, "mj_imagine").await.unwrap();
    let all = now(&t).await;
    let without = |table: &Option<Figures>, name: &str| {
        Some(table.clone().unwrap().into_iter().filter(|(other, _)| other != name).collect::<Figures>())
    };
    // As a page does that drops a model from everything it shows, in any order.
    for part in [
        Tables { output: without(&all.output, "gpt-4o"), ..Tables::default() },
        Tables { input: without(&all.input, "gpt-4o"), ..Tables::default() },
        Tables { calls: without(&all.calls, "mj_imagine"), ..Tables::default() },
    ] {
        put(&t, &root, part).await.unwrap();
    }
    let kept = now(&t).await;
    for (table, name) in [(&kept.input, "gpt-4o"), (&kept.output, "gpt-4o"), (&kept.calls, "mj_imagine")] {
        assert!(!table.as_ref().unwrap().contains_key(name), "{name}");
    }
    for name in ["gpt-4o", "mj_imagine"] {
        assert_eq!(price_of(&t, &root, name).await, None, "{name}");
        assert_eq!(crate::service::directory::models(&t).price(name), None, "no other spelling's either: {name}");
    }
    assert!(crate::service::directory::models(&t).price("gpt-4o-mini").is_some());
    let priced = |priced: bool| ModelFilter { priced: Some(priced), ..ModelFilter::default() };
    let both = ["gpt-4o".to_owned(), "gpt-4o-mini".to_owned()];
    for (is_so, wanted) in [(true, 1), (false, 1)] {
        let filter = ModelFilter { names: both.to_vec(), ..priced(is_so) };
        assert_eq!(count(&t, &root, &filter).await.unwrap(), wanted, "{is_so}");
    }
    // Neither a list that is read again nor a process that starts brings it back.
    import(&t, &root, r#"{"gpt-4o":{"input_cost_per_token":1e-6}}"#).await.unwrap();
    seed(&t).await.unwrap();
    assert_eq!(price_of(&t, &root, "gpt-4o").await, None);
    put(&t, &root, Tables { output: all.output.clone(), cache_read: all.cache_read.clone(), ..Tables::default() })
        .await
        .unwrap();
    assert_eq!(price_of(&t, &root, "gpt-4o").await, None, "a ratio is no price");
    // Setting one does, by whatever way, and so does taking every own price back.
    let mut input = now(&t).await.input.unwrap();
    input.insert("gpt-4o".into(), 4_000_000);
    put(&t, &root, Tables { input: Some(input), ..Tables::default() }).await.unwrap();
    let rates = price_of(&t, &root, "gpt-4o").await.unwrap().rates;
    assert_eq!((rates.input, rates.output), (4_000_000, 16_000_000), "{listed:?}");
    set_price(&t, &root, "mj_imagine", Some(by_call.clone())).await.unwrap();
    assert_eq!(price_of(&t, &root, "mj_imagine").await, Some(by_call.clone()));
    put(&t, &root, Tables { calls: without(&all.calls, "mj_imagine"), ..Tables::default() }).await.unwrap();
    assert_eq!(price_of(&t, &root, "mj_imagine").await, None);
    reset_prices(&t, &root).await.unwrap();
    assert_eq!(price_of(&t, &root, "mj_imagine").await, Some(by_call));
    assert_eq!(price_of(&t, &root, "gpt-4o").await.map(|p| p.rates.input), Some(1_000_000), "the list's of today");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_paid_by_the_call_for_a_while_is_paid_by_tokens_again() {
    let (t, root) = world().await;
    let listed = price_of(&t, &root, "gpt-4o").await.unwrap();
    let mut calls = now(&t).await.calls.unwrap();
    let before = calls.clone();
    calls.insert("gpt-4o".into(), 7);
    put(&t, &root, Tables { calls: Some(calls.clone()), ..Tables::default() }).await.unwrap();
    let by_call = price_of(&t, &root, "gpt-4o").await.unwrap();
    assert_eq!((by_call.calls, by_call.rates), (7, Rates::default()));
    assert_eq!(now(&t).await.input.unwrap()["gpt-4o"], listed.rates.input, "still in the other table");
    put(&t, &root, Tables { calls: Some(before.clone()), ..Tables::default() }).await.unwrap();
    assert_eq!(price_of(&t, &root, "gpt-4o").await, Some(listed));
    assert_eq!(get(&t, &root, "gpt-4o").await.unwrap().override_price, None);
    // Taken out of both, it has none.
    put(&t, &root, Tables { calls: Some(calls), ..Tables::default() }).await.unwrap();
    let mut input = now(&t).await.input.unwrap();
    input.remove("gpt-4o");
    put(&t, &root, Tables { calls: Some(before), input: Some(input), ..Tables::default() }).await.unwrap();
    assert_eq!(price_of(&t, &root, "gpt-4o").await, None);
}

/// A table with one figure exchanged, or taken out.
fn but(table: &Option<Figures>, name: &str, figure: Option<i64>) -> Option<Figures> {
    let mut table = table.clone().unwrap();
    match figure {
        Some(figure) => table.insert(name.to_owned(), figure),
        None => table.remove(name),
    };
    Some(table)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_paid_by_the_picture_the_character_or_its_length_stays_paid_by_that() {
    let (t, root) = world().await;
    let all = now(&t).await;
    let (input, calls) = (all.input.clone().unwrap(), all.calls.clone().unwrap());
    let dollar = 1_000_000_000_000;
    for (name, figure) in [
        ("dall-e-3", dollar / 25),
        ("sora-2", dollar / 10),
        ("veo-3.0-generate-001", dollar / 5 * 2),
        // A minute.
        ("whisper-1", dollar * 6 / 1_000),
        ("mj_imagine", dollar / 10),
    ] {
        assert_eq!((calls.get(name), input.get(name)), (Some(&figure), None), "{name}");
        assert!(!all.output.as_ref().unwrap().contains_key(name), "{name}");
    }
    assert_eq!((input.get("tts-1"), calls.get("tts-1")), (Some(&15_000_000), None));
    assert!(!all.output.as_ref().unwrap().contains_key("tts-1"), "there is no output to compare");
    for (table, name, figure) in [
        ("calls", "dall-e-3", dollar / 5),
        ("calls", "sora-2", dollar),
        ("calls", "whisper-1", dollar * 12 / 1_000),
        ("input", "tts-1", 30_000_000),
    ] {
        let listed = price_of(&t, &root, name).await.unwrap();
        let with = async |figure: Option<i64>| {
            let now = now(&t).await;
            let change = match table {
                "calls" => Tables { calls: but(&now.calls, name, figure), ..Tables::default() },
                _ => Tables { input: but(&now.input, name, figure), ..Tables::default() },
            };
            put(&t, &root, change).await.unwrap();
            price_of(&t, &root, name).await
        };
        let after = with(Some(figure)).await.unwrap();
        let per = |p: &Price| (p.images, p.seconds, p.characters);
        let factor = figure / if table == "calls" { calls[name] } else { input[name] };
        let wanted = (listed.images * factor, listed.seconds * factor, listed.characters * factor);
        assert_eq!((per(&after), after.calls, after.rates), (wanted, 0, Rates::default()), "{name}");
        // Taken out, it has none; named again, the list says by what it is paid.
        assert_eq!(with(None).await, None, "{name}");
        assert_eq!(with(Some(figure)).await, Some(after), "{name}");
        let back = if table == "calls" { calls[name] } else { input[name] };
        assert_eq!(with(Some(back)).await, Some(listed), "{name}");
        assert_eq!(get(&t, &root, name).await.unwrap().override_price, None, "{name}");
    }
    put(&t, &root, now(&t).await).await.unwrap();
    assert_eq!(now(&t).await, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_costs_nothing_by_the_call_is_no_model_without_a_price() {
    let (t, root) = world().await;
    let before = now(&t).await;
    // As a page does that shows a model by its prices: out of the inputs, in any order.
    for name in ["gpt-4o", "dall-e-3", "mine"] {
        put(&t, &root, Tables { calls: but(&now(&t).await.calls, name, Some(0)), ..Tables::default() }).await.unwrap();
        let free = Some(Price::default());
        assert_eq!(price_of(&t, &root, name).await, free, "{name}");
        let kept = now(&t).await;
        put(&t, &root, Tables { input: but(&kept.input, name, None), ..Tables::default() }).await.unwrap();
        put(&t, &root, now(&t).await).await.unwrap();
        assert_eq!(price_of(&t, &root, name).await, free, "{name}");
        let kept = now(&t).await;
        assert_eq!((kept.calls.as_ref().unwrap().get(name), kept.input.unwrap().get(name)), (Some(&0), None), "{name}");
        // Dear again, or taken out.
        put(&t, &root, Tables { calls: but(&kept.calls, name, Some(9)), ..Tables::default() }).await.unwrap();
        let dear = price_of(&t, &root, name).await.unwrap();
        assert_eq!((dear.calls, dear.images), if name == "dall-e-3" { (0, 9) } else { (9, 0) });
        for figure in [Some(0), None] {
            let calls = but(&now(&t).await.calls, name, figure);
            put(&t, &root, Tables { calls, ..Tables::default() }).await.unwrap();
        }
        assert_eq!(price_of(&t, &root, name).await, None, "{name}");
    }
    reset_prices(&t, &root).await.unwrap();
    assert_eq!(now(&t).await, before);
    // What the list has for nothing stays among the inputs.
    assert_eq!(before.input.unwrap()["mj_inpaint"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_discount_of_the_cache_that_is_taken_out_is_none() {
    let (t, root) = world().await;
    let mut reads = now(&t).await.cache_read.unwrap();
    reads.remove("gpt-4o").unwrap();
    put(&t, &root, Tables { cache_read: Some(reads), ..Tables::default() }).await.unwrap();
    assert_eq!(price_of(&t, &root, "gpt-4o").await.unwrap().rates.cache_read, None);
    assert!(price_of(&t, &root, "gpt-4o-mini").await.unwrap().rates.cache_read.is_some());
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
