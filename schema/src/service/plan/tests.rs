use super::*;
use crate::clock::DAY;
use crate::testing::{START, TestApp};

fn draft(slug: &str) -> PlanDraft {
    PlanDraft {
        slug: slug.to_owned(),
        name: "Custom".to_owned(),
        display_name: "定制版".to_owned(),
        description: String::new(),
        price: 199_900,
        original_price: None,
        currency: "CNY".to_owned(),
        cycle: Cycle::Monthly,
        cycle_days: None,
        features: PlanFeatures { max_api_keys: Some(50), ..PlanFeatures::default() },
        selling_points: Vec::new(),
        recommended: false,
        promotion_ends_at: None,
        is_active: true,
        is_visible: true,
        sort: 100,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn default_plans_are_made_once_and_listed_in_order() {
    let t = TestApp::new().await;
    let admin = t.admin().await;
    assert_eq!(init_defaults(&t, &admin).await.expect("made").len(), 4);
    assert!(init_defaults(&t, &admin).await.expect("made").is_empty());
    let slugs: Vec<String> = offered(&t).await.expect("a list").into_iter().map(|p| p.slug).collect();
    assert_eq!(slugs, ["free", "basic", "pro", "enterprise"]);
    let pro = get(&t, &admin, "pro").await.expect("pro");
    assert!(pro.is_on_promotion(START));
    assert_eq!((pro.price_at(START), pro.discount(START)), (39_900, Some(33)));
    let later = START.plus(900 * DAY);
    assert_eq!(
        (pro.price_at(later), pro.discount(later)),
        (59_900, None),
        "a promotion that is over costs the full price"
    );
    let bob = t.user("bob").await;
    assert_eq!(init_defaults(&t, &bob).await.map_err(|e| e.code()).map(|_| ()), Err("FORBIDDEN"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_made_changed_and_deleted_softly() {
    let t = TestApp::new().await;
    let (admin, bob) = (t.admin().await, t.user("bob").await);
    let plan = create(&t, &admin, draft("custom")).await.expect("a plan");
    assert_eq!(plan.cycle_days, 30);
    let again = create(&t, &admin, draft("custom")).await.expect_err("a duplicate");
    assert_eq!(again.detail_code(), Some("ALREADY_EXISTS"));
    for slug in ["init-defaults", "", "a b", "pro~1", &"x".repeat(65)] {
        let e = create(&t, &admin, draft(slug)).await.expect_err("a bad slug");
        assert_eq!(e.code(), "BAD_USER_INPUT", "{slug}");
    }
    let mut odd = draft("odd");
    odd.currency = "XXX".into();
    assert_eq!(create(&t, &admin, odd).await.map_err(|e| e.code()).map(|_| ()), Err("BAD_USER_INPUT"));
    assert_eq!(create(&t, &bob, draft("mine")).await.map_err(|e| e.code()).map(|_| ()), Err("FORBIDDEN"));

    let lower = PlanChange { price: Some(179_900), is_visible: Some(false), ..PlanChange::default() };
    let changed = change(&t, &admin, plan.id, lower.clone(), Some(plan.version)).await.expect("changed");
    assert_eq!((changed.price, changed.display_name.as_str()), (179_900, "定制版"));
    let stale = change(&t, &admin, plan.id, lower, Some(plan.version)).await.expect_err("stale");
    assert_eq!(stale.detail_code(), Some("STALE_VERSION"));
    assert!(offered(&t).await.expect("a list").is_empty(), "hidden plans are not offered");
    assert_eq!(get(&t, &bob, "custom").await.map_err(|e| e.code()).map(|_| ()), Err("NOT_FOUND"));
    assert_eq!(list(&t, &admin, false).await.expect("a list").len(), 1);

    let gone = delete(&t, &admin, plan.id, None).await.expect("deleted");
    assert_eq!(gone.slug, "custom", "shown under its own name for ever");
    assert!(list(&t, &admin, true).await.expect("a list").is_empty());
    assert_eq!(delete(&t, &admin, plan.id, None).await.map_err(|e| e.code()).map(|_| ()), Err("NOT_FOUND"));
    let second = create(&t, &admin, draft("custom")).await.expect("the name is free again");
    assert_ne!(second.id, plan.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_free_plan_governs_whoever_has_no_other() {
    let t = TestApp::new().await;
    let (admin, bob) = (t.admin().await, t.user("bob").await);
    let bob_id = bob.signed_in().expect("an id");
    assert_eq!(limits(&t, bob_id).await.expect("limits"), PlanLimits::default(), "no plans, no limits");
    init_defaults(&t, &admin).await.expect("made");
    let limits = limits(&t, bob_id).await.expect("limits");
    assert_eq!((limits.slug.as_str(), limits.daily_requests, limits.max_api_keys), ("free", Some(1_000), Some(1)));
    assert!(limits.admits_key(0).is_ok());
    assert_eq!(limits.admits_key(1).expect_err("full").detail_code(), Some("PLAN_KEY_LIMIT"));
    assert!(limits.admits_service("claude") && !limits.admits_service("openai"));
    let free = get(&t, &admin, "free").await.expect("free");
    let kept = delete(&t, &admin, free.id, None).await.expect_err("kept");
    assert_eq!(kept.detail_code(), Some("PLAN_IN_USE"));
}

#[tokio::test(flavor = "multi_thread")]
async fn plans_page_by_cursor() {
    use crate::page::Cursor;
    let t = TestApp::new().await;
    let admin = t.admin().await;
    init_defaults(&t, &admin).await.expect("made");
    let nobody = Actor::anonymous(crate::Face::Graphql, "", "");
    let mut seek = Seek { take: 3, ..Seek::default() };
    let page = entries(&t, &nobody, &PlanFilter::default(), &seek).await.expect("a page");
    let total = count(&t, &nobody, &PlanFilter::default()).await.expect("a count");
    assert_eq!((page.rows.len(), page.has_next, total), (3, true, 4));
    let last = page.rows.last().expect("a row");
    seek.after = Some(Cursor { key: last.cursor_key(), id: last.id });
    let page = entries(&t, &nobody, &PlanFilter::default(), &seek).await.expect("a page");
    assert_eq!((page.rows.len(), page.has_next, page.rows[0].slug.as_str()), (1, false, "enterprise"));
    let all = PlanFilter { with_hidden: true, ..PlanFilter::default() };
    assert!(entries(&t, &nobody, &all, &Seek::default()).await.is_err());
}
