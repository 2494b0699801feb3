//! Cost and the buckets it is paid from.

use super::*;
use crate::transport::bucket::Budget;

async fn requested(site: &Site, query: &str) -> u64 {
    let told = site.query(query).await;
    let cost = &told.json()["extensions"]["cost"]["requested"];
    cost.as_u64().unwrap_or_else(|| panic!("{:?}", told.body))
}

#[tokio::test(flavor = "multi_thread")]
async fn cost_counts_objects_times_the_page() {
    let site = site(Limits::default()).await;
    for (query, points) in [
        ("{ greeting }", 1),
        ("{ inner { ok } }", 1),
        ("{ inner { ok inner { ok } } }", 2),
        // The connection, and so many nodes.
        ("{ items(first: 7) { nodes { id label } } }", 8),
        ("{ items { nodes { id } } }", 21),
        ("{ items(first: 5) { edges { cursor node { id } } } }", 11),
        ("{ items(first: 1) { totalCount } }", 11),
        ("{ pile { ok } }", 20),
        ("{ ...F } fragment F on Query { items(first: 3) { ...G } } fragment G on Items { nodes { id } }", 4),
        ("{ a: items(first: 2) { nodes { id } } b: items(first: 2) { nodes { id } } }", 6),
    ] {
        assert_eq!(requested(&site, query).await, points, "{query}");
    }
    let sized = "query ($n: Int! = 4) { items(first: $n) { nodes { id } } }";
    assert_eq!(requested(&site, sized).await, 5);
    let told = site.post(json!({"query": sized, "variables": {"n": 9}})).await;
    assert_eq!(told.json()["extensions"]["cost"]["requested"], 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_costs_too_much_is_not_run() {
    let site = site(Limits::default()).await;
    let told = site.query("{ pile { inner { ok } } items(first: 100) { nodes { id } } }").await;
    assert_eq!(told.status, 200);
    let limits = Limits { cost: 50, ..Limits::default() };
    let site = super::site(limits).await;
    let told = site.query("{ items(first: 50) { nodes { id } } }").await;
    refused(&told, 400, "COST_LIMIT");
    assert_eq!(site.query("{ items(first: 49) { nodes { id } } }").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn points_run_out_and_are_told() {
    let door = Door { budget: Budget { max: 100, restore_rate: 1 }, ..Door::default() };
    let site = site_with(Limits::default(), door).await;
    let ask = async |token: &str| {
        let query = "{ items(first: 59) { nodes { id } } }";
        site.post_as(Some(token), json!({ "query": query })).await
    };
    let told = ask("user1").await;
    assert_eq!(told.status, 200);
    let throttle = &told.json()["extensions"]["cost"]["throttle"];
    assert_eq!(throttle, &json!({"max": 100, "available": 40, "restoreRate": 1}));
    assert_eq!(told.header("ratelimit"), "\"cost\";r=40;t=60");
    assert_eq!(told.header("ratelimit-policy"), "\"cost\";q=100;w=100");
    let told = ask("user1").await;
    refused(&told, 429, "RATE_LIMITED");
    let wait: u64 = told.header("retry-after").parse().unwrap();
    assert!((18..=20).contains(&wait), "{wait}");
    assert_eq!(told.json()["extensions"]["cost"]["requested"], 60);
    assert_eq!(ask("user2").await.status, 200, "everyone has their own");
}
