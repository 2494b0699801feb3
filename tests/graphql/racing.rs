//! Many at once: one wins, the others are told so, and the books are right afterwards.

use futures_util::future::join_all;
use harness::{PASSWORD, TestApp, at};
use schema::model::account::AccountKind;
use schema::model::user::UserFilter;
use schema::service::{api_key, user, wallet};
use schema::{Micros, Role};
use serde_json::{Value, json};

use crate::world::{a_key, a_person, an_account, id, mutate, mutate_as};

/// How many of the answers were refused with nothing, and with what the others were.
fn winners(answers: &[Vec<String>]) -> (usize, Vec<String>) {
    let mut losses: Vec<String> = answers.iter().flatten().cloned().collect();
    losses.sort();
    losses.dedup();
    (answers.iter().filter(|codes| codes.is_empty()).count(), losses)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_eight_who_redeem_one_card_one_wins() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    let generate =
        "mutation { cardsGenerate(input: { count: 1, value: \"5\" }) { issued { code } userErrors { code } } }";
    let code = at(&admin.data(generate, json!({})).await, "cardsGenerate.issued.0.code").clone();
    let mut people = Vec::new();
    for n in 0..8 {
        people.push(app.user(&format!("user{n}")).await);
    }
    let answers = join_all(people.iter().map(|p| mutate(p, "cardRedeem", json!({ "code": code })))).await;
    let (won, losses) = winners(&answers);
    assert_eq!((won, losses), (1, vec!["CARD_USED".to_owned()]), "{answers:?}");
    let sum = admin
        .data(
            "{ ledgerEntries(filter: { kind: { eq: CARD } }) { nodes { amount } } cards { nodes { usesLeft } } }",
            json!({}),
        )
        .await;
    assert_eq!(
        sum,
        json!({ "ledgerEntries": { "nodes": [{ "amount": "5.000000" }] }, "cards": { "nodes": [{ "usesLeft": "0" }] } })
    );
    assert!(wallet::check_ledger(&app.app).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_eight_who_rename_one_thing_one_wins() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    let ann = a_person(&app, "ann").await;
    let key = a_key(&app, ann, "k").await;
    let account = an_account(&app, AccountKind::OpenaiKey, "a", None).await;
    let query = "query ($u: ID!) { models(first: 1) { nodes { id version } } user(id: $u) { version } }";
    let model = admin.data(query, json!({ "u": id("User", ann) })).await;
    let ann_version = at(&model, "user.version");
    let (model, model_version) = (at(&model, "models.nodes.0.id"), at(&model, "models.nodes.0.version"));
    for (field, what, version, name) in [
        ("apiKeyChange", json!(id("ApiKey", key.id)), json!(key.version.to_string()), "name"),
        ("accountChange", json!(id("Account", account.id)), json!(account.version.to_string()), "name"),
        ("userChange", json!(id("User", ann)), ann_version.clone(), "displayName"),
        ("modelChange", model.clone(), model_version.clone(), "displayName"),
    ] {
        let asked = (0..8).map(|n| {
            let input = json!({ "id": what, name: format!("name{n}"), "expectedVersion": version });
            mutate(&admin, field, input)
        });
        let answers = join_all(asked).await;
        assert_eq!(winners(&answers), (1, vec!["STALE_VERSION".to_owned()]), "{field}: {answers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_eight_who_delete_one_thing_one_wins() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    let ann = a_person(&app, "ann").await;
    let key = a_key(&app, ann, "k").await.id;
    let account = an_account(&app, AccountKind::OpenaiKey, "a", None).await.id;
    let model = admin.data("{ models(first: 1) { nodes { id } } }", json!({})).await;
    let model = at(&model, "models.nodes.0.id").as_str().unwrap().to_owned();
    for (field, kind, what) in [
        ("apiKeyDelete", "ApiKeyInput", id("ApiKey", key)),
        ("accountDelete", "AccountInput", id("Account", account)),
        ("modelDelete", "ModelInput", model),
        ("userDelete", "UserDeleteInput", id("User", ann)),
    ] {
        let answers = join_all((0..8).map(|_| mutate_as(&admin, field, kind, json!({ "id": what })))).await;
        let (won, losses) = winners(&answers);
        assert_eq!(won, 1, "{field}: {answers:?}");
        assert!(
            losses.iter().all(|code| ["NOT_FOUND", "CONFLICT", "STALE_VERSION"].contains(&code.as_str())),
            "{field}: {losses:?}"
        );
        let deletions = admin.data("{ auditLog(first: 100) { nodes { action } } }", json!({})).await;
        let part = field.trim_end_matches("Delete").to_lowercase();
        let noted = at(&deletions, "auditLog.nodes").as_array().unwrap().iter().filter(|e| {
            let action = e["action"].as_str().unwrap_or("").replace('_', "");
            action.starts_with(&part) && action.ends_with(".delete")
        });
        assert_eq!(noted.count(), 1, "{field}: one audit row: {deletions}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_repeated_at_once_is_done_once() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    let ann = a_person(&app, "ann").await;
    let adjust =
        "mutation ($i: WalletAdjustInput!) { walletAdjust(input: $i) { user { balance } userErrors { code } } }";
    let input = json!({ "i": { "userId": id("User", ann), "amount": "2", "clientMutationKey": "one" } });
    let answers = join_all((0..8).map(|_| admin.graphql(adjust, input.clone()))).await;
    let well = |answer: &&Value| at(answer, "data.walletAdjust.userErrors") == &json!([]);
    assert!(answers.iter().filter(well).count() >= 1);
    for answer in answers.iter().filter(|a| !well(a)) {
        assert_eq!(at(answer, "data.walletAdjust.userErrors.0.code"), "IDEMPOTENCY_IN_PROGRESS", "{answer}");
    }
    let balance = admin.data("query ($u: ID!) { user(id: $u) { balance } }", json!({ "u": id("User", ann) })).await;
    assert_eq!(at(&balance, "user.balance"), "12.000000");

    let create =
        "mutation ($i: ApiKeyCreateInput!) { apiKeyCreate(input: $i) { apiKey { id } secret userErrors { code } } }";
    let input = json!({ "i": { "name": "k", "clientMutationKey": "two" } });
    let made = admin.data(create, input.clone()).await;
    assert_eq!(admin.data(create, input).await, made, "the same answer, the key's text too");
    let other = json!({ "i": { "name": "other", "clientMutationKey": "two" } });
    let refused = admin.data(create, other).await;
    assert_eq!(at(&refused, "apiKeyCreate.userErrors.0.code"), "IDEMPOTENCY_KEY_REUSED");
    // Somebody else's keys are their own.
    let bob = app.user("bob").await;
    let own = bob.data(create, json!({ "i": { "name": "k", "clientMutationKey": "two" } })).await;
    assert_ne!(at(&own, "apiKeyCreate.secret"), at(&made, "apiKeyCreate.secret"));
    let count = admin.data("{ apiKeys { totalCount } }", json!({})).await;
    assert_eq!(at(&count, "apiKeys.totalCount"), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_super_admins_cannot_depose_each_other_at_once() {
    let app = TestApp::new().await;
    let other = app.person("cid", Role::SuperAdmin, Micros::ZERO).await;
    let (one, two) = (app.admin().await, app.sign_in("cid", PASSWORD).await);
    let first = at(&one.data("{ viewer { id } }", json!({})).await, "viewer.id").clone();
    let second = json!(id("User", other.id));
    let depose = |client: &harness::Client, whom: Value| {
        let client = client.clone();
        async move {
            let query = "mutation ($i: UserChangeInput!) { userChange(input: $i) { userErrors { code } } }";
            client.graphql(query, json!({ "i": { "id": whom, "role": "USER" } })).await
        }
    };
    let answers = join_all([
        depose(&one, second.clone()),
        depose(&two, first.clone()),
        depose(&one, first),
        depose(&two, second),
    ])
    .await;
    let supers = UserFilter { roles: vec![Role::SuperAdmin], ..UserFilter::default() };
    let left = user::count(&app.app, &app.system(), &supers).await.unwrap();
    assert!(left >= 1, "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_change_tags_at_once_none_writes_over_another() {
    let app = TestApp::new().await;
    let system = schema::Actor::system();
    api_key::create_tag(&app.app, &system, "old").await.unwrap();
    let made = join_all((0..12).map(|n| {
        let (app, system) = (app.app.clone(), system.clone());
        tokio::spawn(async move { api_key::create_tag(&app, &system, &format!("tag {n}")).await })
    }));
    let renamed = {
        let (app, system) = (app.app.clone(), system.clone());
        tokio::spawn(async move { api_key::rename_tag(&app, &system, "old", "new").await })
    };
    let (made, renamed) = tokio::join!(made, renamed);
    assert!(made.into_iter().all(|made| made.unwrap().is_ok()));
    assert_eq!(renamed.unwrap().unwrap(), 0, "no key carries it");
    let tags: Vec<String> = api_key::tags(&app.app, &system).await.unwrap().into_keys().collect();
    let mut wanted: Vec<String> = (0..12).map(|n| format!("tag {n}")).collect();
    wanted.push("new".into());
    wanted.sort();
    assert_eq!(tags, wanted);
    // Of two who make the same tag, one does.
    let same = join_all((0..4).map(|_| api_key::create_tag(&app.app, &system, "same"))).await;
    assert_eq!(same.iter().filter(|made| made.is_ok()).count(), 1, "{same:?}");
    // A rename touches keys and the kept tags together, or neither.
    let ann = a_person(&app, "ann").await;
    let key = a_key(&app, ann, "k").await;
    let tagged =
        api_key::KeyChange { tags: Some(api_key::TagChange::Replace(vec!["same".into()])), ..Default::default() };
    api_key::change(&app.app, &system, key.id, tagged).await.unwrap();
    assert_eq!(api_key::rename_tag(&app.app, &system, "same", "other").await.unwrap(), 1);
    let tags = api_key::tags(&app.app, &system).await.unwrap();
    assert_eq!((tags.get("other"), tags.get("same")), (Some(&1), None));
}
