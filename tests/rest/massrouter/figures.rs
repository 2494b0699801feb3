//! Prices and figures of models, and what may be asked of them.

use harness::app::ADMIN_PASSWORD;
use harness::{TestApp, at};
use schema::model::usage::{Counts, Settlement};
use serde_json::{Value, json};

use super::{sign_in, told};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_sold_by_tokens_has_its_price_by_the_piece() {
    let app = TestApp::new().await;
    let nobody = app.anonymous();
    let heard = told(&nobody.get("/api/v1/models/whisper-1").await);
    let second = |of: &Value| of["second_price"].as_f64();
    let pricing = at(&heard, "model.pricing");
    let in_dollars = second(&pricing["usd"]).expect("a price a second");
    assert!(in_dollars > 0.0 && in_dollars < 0.01, "{pricing}");
    assert!(second(pricing).is_some_and(|yuan| (yuan / in_dollars - 7.2).abs() < 0.01), "{pricing}");
    let chat = told(&nobody.get("/api/v1/models/gpt-4o-mini").await);
    assert!(at(&chat, "model.pricing.second_price").is_null() && at(&chat, "model.pricing.request_price").is_null());

    // They are neither the cheapest nor the dearest.
    for order in ["asc", "desc"] {
        let page = told(&nobody.get(&format!("/api/v1/models?sort_by=price&order={order}&limit=100")).await);
        let first = at(&page, "models.0.pricing");
        let figure = |price: &Value, name: &str| price[name].as_f64().unwrap_or(0.0);
        let tokens = |price: &Value| figure(price, "input_price") + figure(price, "output_price");
        let pieces = ["second_price", "image_price", "request_price", "character_price"];
        assert!(tokens(first) > 0.0 || pieces.iter().all(|name| first[*name].is_null()), "{order}: {first}");
        let models = at(&page, "models").as_array().expect("models");
        let sold: Vec<f64> = models.iter().map(|m| tokens(&m["pricing"])).filter(|price| *price > 0.0).collect();
        let rises = |pair: &[f64]| pair[1] - pair[0] > -1e-6;
        let falls = |pair: &[f64]| pair[0] - pair[1] > -1e-6;
        assert!(
            sold.windows(2).all(|pair| if order == "asc" { rises(pair) } else { falls(pair) }),
            "{order}: {sold:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_price_leaves_the_figures_as_they_are() {
    let app = TestApp::new().await;
    let ann = app.person("ann", schema::Role::User, schema::Micros(1_000_000)).await;
    let admin = sign_in(&app, "admin", ADMIN_PASSWORD).await;
    let call = Settlement {
        call_id: "call-1".into(),
        at: app.app.clock.now(),
        user_id: ann.id,
        model: "gpt-4o-mini".into(),
        status: 200,
        counts: Counts { input: 1, output: 1, ..Counts::default() },
        ..Settlement::default()
    };
    schema::service::settle::record(&app.app, call, None).await.expect("recorded");
    for _ in 0..200 {
        let seen = told(&admin.get("/api/v1/models/gpt-4o-mini").await);
        if at(&seen, "model.popularity") == &json!(1) {
            let price = json!({ "input_price": 1.0, "currency": "USD" });
            let set = told(&admin.call("PUT", "/api/v1/admin/models/gpt-4o-mini/pricing", price).await);
            assert_eq!(at(&set, "model.popularity"), &json!(1), "{set}");
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the call was never booked");
}

#[test]
fn only_what_is_heeded_may_be_asked() {
    let api = rest::openapi::document();
    let asked = |path: &str| -> Vec<String> {
        let parameters = api["paths"][path]["get"]["parameters"].as_array().cloned().unwrap_or_default();
        let in_query = parameters.iter().filter(|parameter| parameter["in"] == "query");
        in_query.filter_map(|parameter| parameter["name"].as_str().map(str::to_owned)).collect()
    };
    assert_eq!(asked("/api/v1/statistics/users/me/usage"), ["period"]);
    assert_eq!(asked("/api/v1/statistics/models/{model_id}/usage"), ["period"]);
    assert_eq!(asked("/api/v1/statistics/leaderboard").len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_named_twice_is_had_once() {
    let app = TestApp::new().await;
    app.user("ann").await;
    let ann = sign_in(&app, "ann", harness::PASSWORD).await;
    let form = json!({ "name": "k", "permissions": ["write", "read", "write"] });
    let made = told(&ann.post("/api/v1/users/me/api-keys", form).await);
    assert_eq!(at(&made, "api_key.permissions"), &json!(["write", "read"]));
}
