//! Models that are paid by the picture, the character or their length: told as such, and kept so by every save.

use schema::model::catalog::{Price, Rates};
use schema::model::usage::{Counts, Settlement};
use schema::service::{catalog, settle};
use serde_json::{Value, json};

use super::price::{put, table};
use super::{Cast, cast, deployed, told};

const TABLES: [&str; 4] = ["ModelPrice", "ModelRatio", "CompletionRatio", "CacheRatio"];

async fn serve(c: &Cast, models: &str) {
    let form = json!({ "name": "c", "type": 1, "key": "sk-1", "base_url": "http://127.0.0.1:9", "models": models,
        "group": "default", "status": 1 });
    told(&c.admin.post("/api/channel", form).await);
}

async fn price_of(c: &Cast, model: &str) -> Price {
    let model = catalog::get(&c.app.app, &c.app.system(), model).await.expect("a model");
    model.effective_price().cloned().expect("a price")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_paid_one_by_one_is_told_and_saved_as_it_is() {
    let c = cast().await;
    serve(&c, "dall-e-3,tts-1,whisper-1,sora-2,mj_imagine,mj_inpaint,gpt-4o").await;
    let pricing = c.nobody.get("/api/pricing").await.json();
    let rows = pricing["data"].as_array().expect("rows");
    let tables = [table(&c, "ModelRatio").await, table(&c, "ModelPrice").await, table(&c, "CompletionRatio").await];
    let [ratios, prices, completions] = &tables;
    for (name, kind, ratio, price) in [
        // Dollars a picture, a second of film, a minute of sound, a call.
        ("dall-e-3", 1, 0.0, 0.04),
        ("sora-2", 1, 0.0, 0.1),
        ("whisper-1", 1, 0.0, 0.006),
        ("mj_imagine", 1, 0.0, 0.1),
        // Fifteen dollars a million characters.
        ("tts-1", 0, 7.5, 0.0),
        ("mj_inpaint", 0, 0.0, 0.0),
        ("gpt-4o", 0, 1.25, 0.0),
    ] {
        let row = rows.iter().find(|row| row["model_name"] == name).unwrap_or_else(|| panic!("{name}: {pricing}"));
        assert_eq!(
            (&row["quota_type"], &row["model_ratio"], &row["model_price"]),
            (&json!(kind), &json!(ratio), &json!(price)),
            "{name}"
        );
        let wanted = if kind == 1 { (None, Some(&row["model_price"])) } else { (Some(&row["model_ratio"]), None) };
        assert_eq!((ratios.get(name), prices.get(name)), wanted, "{name}");
        assert_eq!(completions.contains_key(name), name == "gpt-4o", "{name}");
    }
    let before = price_of(&c, "dall-e-3").await;
    for name in TABLES {
        put(&c, name, table(&c, name).await).await;
    }
    for name in ["dall-e-3", "sora-2", "whisper-1", "mj_imagine", "tts-1", "mj_inpaint", "gpt-4o"] {
        let model = catalog::get(&c.app.app, &c.app.system(), name).await.expect("a model");
        assert!(model.override_price.is_none() && model.version == 1, "{name}: {model:?}");
    }
    // Another figure is another price of the same.
    for (option, name, figure) in [("ModelPrice", "dall-e-3", 0.08), ("ModelRatio", "tts-1", 15.0)] {
        let mut all = table(&c, option).await;
        all.insert(name.into(), json!(figure));
        put(&c, option, all).await;
        assert_eq!(table(&c, option).await[name], json!(figure));
    }
    let (picture, speech) = (price_of(&c, "dall-e-3").await, price_of(&c, "tts-1").await);
    assert_eq!((picture.images, picture.calls), (before.images * 2, 0), "by the picture, not by the call");
    assert_eq!((speech.characters, speech.rates), (30_000_000, Rates::default()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_under_another_spelling_is_none_that_is_missing() {
    let c = cast().await;
    serve(&c, "gpt-4o,openai/gpt-4o,unheard-of").await;
    let path = "/api/channel/models_enabled";
    assert_eq!(told(&c.admin.get(path).await), json!(["gpt-4o", "openai/gpt-4o", "unheard-of"]));
    let listed = told(&deployed(&c.admin).get(path).await);
    assert_eq!(listed, json!(["gpt-4o", "unheard-of"]), "the page asks its tables for each of these");
    let ratios = table(&c, "ModelRatio").await;
    assert!(ratios.contains_key("gpt-4o") && !ratios.contains_key("openai/gpt-4o"), "{ratios:?}");
    // Taken out, it is missing under every spelling.
    let mut without = ratios;
    without.remove("gpt-4o");
    put(&c, "ModelRatio", without).await;
    let listed = told(&deployed(&c.admin).get(path).await);
    assert_eq!(listed, json!(["gpt-4o", "openai/gpt-4o", "unheard-of"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_what_has_no_tokens_tell_what_was_billed() {
    let c = cast().await;
    let ann = told(&c.ann.get("/api/user/self").await)["id"].as_i64().expect("an id");
    let now = c.app.app.clock.now();
    for (model, cost, counts) in [
        ("tts-1", 15_000, Counts::default()),
        ("whisper-1", 6_000, Counts { input: 7, ..Counts::default() }),
        ("sora-2", 400_000, Counts::default()),
        // Its price is by tokens now, and none were counted.
        ("gpt-4o", 40_000, Counts { images: 1, ..Counts::default() }),
        ("gpt-4o-mini", 50, Counts { input: 10, output: 20, ..Counts::default() }),
    ] {
        let call = Settlement {
            call_id: model.into(),
            at: now,
            user_id: ann,
            model: model.into(),
            status: 200,
            counts,
            cost,
            raw_cost: cost,
            ..Settlement::default()
        };
        settle::submit(&c.app.app, call, None).expect("taken");
    }
    settle::flush(&c.app.app).await.expect("carried");
    let page = told(&deployed(&c.admin).get("/api/log/?p=1&page_size=100&type=2").await);
    let price = |model: &str| {
        let rows = page["items"].as_array().expect("rows");
        let row = rows.iter().find(|row| row["model_name"] == model).expect("a row");
        let other: Value = serde_json::from_str(row["other"].as_str().expect("text")).expect("a document");
        other["model_price"].clone()
    };
    for (model, told) in [("tts-1", 0.015), ("whisper-1", 0.006), ("sora-2", 0.4), ("gpt-4o", 0.04)] {
        assert_eq!(price(model), json!(told), "{model}");
    }
    assert_eq!(price("gpt-4o-mini"), json!(-1), "tokens are told by their ratios");
}
