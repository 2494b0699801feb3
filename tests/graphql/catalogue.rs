//! Models, prices and ratios; where a call would go; accounts at their vendors.

#![expect(clippy::unwrap_used, reason = "tests")]

use harness::fake_upstream::{FakeUpstream, Vendor};
use harness::{Client, TestApp, at};
use schema::model::account::AccountKind;
use schema::service::account::AccountChange;
use serde_json::{Value, json};

use crate::world::{a_key, a_person, an_account, id, mutate};

const MODEL: &str = "id name enabled version price { rates { input output cacheRead cacheWrite5m } calls } \
     ownPrice { rates { input } } importedPrice { rates { input } }";

async fn change(client: &Client, field: &str, input: Value) -> Value {
    let kind = format!("{}{}Input", field[..1].to_uppercase(), &field[1..]);
    let query = format!(
        "mutation ($i: {kind}!) {{ {field}(input: $i) {{ model {{ {MODEL} }} userErrors {{ code field }} }} }}"
    );
    client.data(&query, json!({ "i": input })).await[field].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_of_ones_own_stands_before_the_imported_one() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    let file = r#"{"house-model":{"input_cost_per_token":0.000001,"output_cost_per_token":0.000002,"litellm_provider":"house","mode":"chat"}}"#;
    let import = "mutation ($f: String!) { modelPricesImport(input: { file: $f }) { addedCount updatedCount unchangedCount userErrors { code } } }";
    let done = admin.data(import, json!({ "f": file })).await;
    assert_eq!(
        at(&done, "modelPricesImport"),
        &json!({ "addedCount": "1", "updatedCount": "0", "unchangedCount": "0", "userErrors": [] })
    );
    let one = admin.data(&format!("{{ model(name: \"house-model\") {{ {MODEL} }} }}"), json!({})).await;
    let model = at(&one, "model");
    assert_eq!(model["price"]["rates"]["input"], "1.000000", "US dollars a million");
    let price = json!({ "rates": { "input": "7.5", "output": "15", "cacheRead": "0.75" }, "calls": "2" });
    let input = json!({ "id": model["id"], "price": price, "expectedVersion": model["version"] });
    let changed = change(&admin, "modelChange", input.clone()).await;
    assert_eq!(
        at(&changed, "model.price"),
        &json!({ "rates": { "input": "7.500000", "output": "15.000000", "cacheRead": "0.750000", "cacheWrite5m": null }, "calls": "2.000000" })
    );
    assert_eq!(at(&changed, "model.importedPrice.rates.input"), "1.000000");
    assert_eq!(at(&change(&admin, "modelChange", input).await, "userErrors.0.code"), "STALE_VERSION");
    let back = change(&admin, "modelChange", json!({ "id": model["id"], "price": null })).await;
    assert_eq!((at(&back, "model.price.rates.input"), at(&back, "model.ownPrice")), (&json!("1.000000"), &Value::Null));
    let again = admin.data(import, json!({ "f": file })).await;
    assert_eq!(at(&again, "modelPricesImport.unchangedCount"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_offered_is_seen_by_administrators_alone() {
    let app = TestApp::new().await;
    let (admin, ann, nobody) = (app.admin().await, app.user("ann").await, app.anonymous());
    let made =
        change(&admin, "modelCreate", json!({ "name": "zz-secret", "enabled": false, "provider": "house" })).await;
    assert_eq!(made["userErrors"], json!([]));
    assert_eq!(
        at(&change(&admin, "modelCreate", json!({ "name": "zz-secret" })).await, "userErrors.0.code"),
        "ALREADY_EXISTS"
    );
    let find = "{ models(filter: { search: \"zz-secret\" }) { totalCount } model(name: \"zz-secret\") { name } }";
    assert_eq!(
        admin.data(find, json!({})).await,
        json!({ "models": { "totalCount": "1" }, "model": { "name": "zz-secret" } })
    );
    assert_eq!(ann.data(find, json!({})).await, json!({ "models": { "totalCount": "0" }, "model": null }));
    let offered =
        "{ publicModels(filter: { search: \"zz-secret\" }) { totalCount nodes { name price { rates { input } } } } }";
    assert_eq!(at(&nobody.data(offered, json!({})).await, "publicModels.totalCount"), "0");
    let switch = "mutation ($i: ModelsSetEnabledInput!) { modelsSetEnabled(input: $i) { models { name enabled } userErrors { index code } } }";
    let input = json!({ "i": { "ids": [at(&made, "model.id"), id("Model", 987654)], "enabled": true } });
    let done = admin.data(switch, input).await;
    assert_eq!(
        done["modelsSetEnabled"],
        json!({ "models": [{ "name": "zz-secret", "enabled": true }], "userErrors": [{ "index": 1, "code": "NOT_FOUND" }] })
    );
    assert_eq!(at(&nobody.data(offered, json!({})).await, "publicModels.totalCount"), "1");
    let providers = ann.data("{ modelProviders }", json!({})).await;
    assert!(at(&providers, "modelProviders").as_array().unwrap().contains(&json!("house")));
    let delete = "mutation ($i: ModelsInput!) { modelsDelete(input: $i) { deletedIds userErrors { code } } }";
    let gone = admin.data(delete, json!({ "i": { "ids": [at(&made, "model.id")] } })).await;
    assert_eq!(at(&gone, "modelsDelete.deletedIds.0"), at(&made, "model.id"));
}

#[tokio::test(flavor = "multi_thread")]
async fn ratios_are_set_together_and_left_alone_where_absent() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    let put = "mutation ($i: PriceRatiosPutInput!) { priceRatiosPut(input: $i) { priceRatios { groups { name factor } models { name factor } } userErrors { code } } }";
    let done = admin.data(put, json!({ "i": { "groups": [{ "name": "vip", "factor": "0.5" }] } })).await;
    assert_eq!(
        at(&done, "priceRatiosPut.priceRatios"),
        &json!({ "groups": [{ "name": "vip", "factor": "0.500000" }], "models": [] })
    );
    let done = admin.data(put, json!({ "i": { "models": [{ "name": "m", "factor": "2" }] } })).await;
    assert_eq!(at(&done, "priceRatiosPut.priceRatios.groups.0.name"), "vip");
    assert_eq!(schema::service::directory::terms(&app.app).group("vip"), 500_000, "what calls are priced by");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_is_explained_without_a_call() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    let vendor = FakeUpstream::start(Vendor::OpenAi).await;
    let ann = a_person(&app, "ann").await;
    let key = a_key(&app, ann, "k").await.id;
    let query = "query ($i: ExplainRouteInput!) { explainRoute(input: $i) { picked { decision account { name } } \
         verdicts { eligible refusal text account { name } } } }";
    let input = json!({ "i": { "apiKeyId": id("ApiKey", key), "model": "gpt-4o", "dialect": "CHAT" } });
    let none = admin.data(query, input.clone()).await;
    assert_eq!(at(&none, "explainRoute.picked"), &Value::Null);
    an_account(&app, AccountKind::OpenaiKey, "good", Some(vendor.url())).await;
    let off = an_account(&app, AccountKind::OpenaiKey, "off", Some(vendor.url())).await.id;
    let stop = AccountChange { enabled: Some(false), ..AccountChange::default() };
    schema::service::account::change(&app.app, &app.system(), off, stop).await.unwrap();
    an_account(&app, AccountKind::Suno, "music", Some(vendor.url())).await;
    let told = admin.data(query, input.clone()).await;
    assert_eq!(at(&told, "explainRoute.picked"), &json!({ "decision": "ONLY", "account": { "name": "good" } }));
    let verdicts = at(&told, "explainRoute.verdicts").as_array().unwrap();
    let refusal = |name: &str| verdicts.iter().find(|v| v["account"]["name"] == name).unwrap()["refusal"].clone();
    assert_eq!(
        (refusal("good"), refusal("off"), refusal("music")),
        (Value::Null, json!("DISABLED"), json!("MODEL_NOT_SERVED"))
    );
    assert!(vendor.requests().is_empty(), "nobody was called");
    let gone = json!({ "i": { "apiKeyId": id("ApiKey", 987_654), "model": "gpt-4o", "dialect": "CHAT" } });
    assert_eq!(at(&admin.graphql(query, gone).await, "errors.0.extensions.code"), "NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_probed_at_its_vendor() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    let vendor = FakeUpstream::start(Vendor::OpenAi).await;
    let create =
        "mutation ($i: AccountCreateInput!) { accountCreate(input: $i) { account { id } userErrors { message } } }";
    let input = |key: &str| json!({ "i": { "kind": "OPENAI_KEY", "name": key, "baseUrl": vendor.url(), "credentials": { "keys": [key] } } });
    let good = admin.data(create, input(Vendor::OpenAi.key())).await;
    let test = "mutation ($i: AccountTestInput!) { accountTest(input: $i) { result { healthy message status } account { health } userErrors { code } } }";
    let found = admin.data(test, json!({ "i": { "id": at(&good, "accountCreate.account.id") } })).await;
    assert_eq!(at(&found, "accountTest.result"), &json!({ "healthy": true, "message": "", "status": 200 }), "{found}");
    assert!(!vendor.requests().is_empty());
    assert_eq!(mutate(&admin, "accountTest", json!({ "id": id("Account", 987_654) })).await, ["NOT_FOUND"]);
    // What has no tokens cannot renew them.
    let id = at(&good, "accountCreate.account.id").clone();
    let renew =
        "mutation ($i: AccountInput!) { accountRefresh(input: $i) { account { id } userErrors { code message } } }";
    let refused = admin.data(renew, json!({ "i": { "id": id } })).await;
    assert_eq!(at(&refused, "accountRefresh.userErrors.0.code"), "INVALID");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_makes_an_account_and_its_code_works_once() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    let vendor = FakeUpstream::start(Vendor::Anthropic).await;
    let put = "mutation ($i: SettingsPutInput!) { settingsPut(input: $i) { userErrors { message } } }";
    let settings = json!({ "i": { "settings": [
        { "name": "oauth_claude_authorize_url", "value": format!("{}/oauth/authorize", vendor.url()) },
        { "name": "oauth_claude_token_url", "value": format!("{}/v1/oauth/token", vendor.url()) } ] } });
    assert_eq!(at(&admin.data(put, settings).await, "settingsPut.userErrors"), &json!([]));
    let start = "mutation { connectStart(input: { flow: CLAUDE }) { url sessionId userErrors { message } } }";
    let begun = admin.data(start, json!({})).await;
    let page = consent(at(&begun, "connectStart.url").as_str().unwrap()).await;
    let finish = "mutation ($i: ConnectFinishInput!) { connectFinish(input: $i) { account { id name kind health credentials { kind } maskedKey } userErrors { field code message } } }";
    let mut input = json!({ "flow": "CLAUDE", "sessionId": at(&begun, "connectStart.sessionId"), "code": page, "name": "subscription" });
    let done = admin.data(finish, json!({ "i": input })).await;
    assert_eq!(at(&done, "connectFinish.userErrors"), &json!([]), "{done}");
    assert_eq!(at(&done, "connectFinish.account.kind"), "CLAUDE_OAUTH");
    assert_eq!(at(&done, "connectFinish.account.credentials"), &json!({ "kind": "oauth" }));
    let again = admin.data(finish, json!({ "i": input })).await;
    assert_eq!(at(&again, "connectFinish.userErrors.0.code"), "INVALID", "{again}");

    // New tokens for the account there is; not for one of another kind.
    let begun = admin.data(start, json!({})).await;
    let other = an_account(&app, AccountKind::OpenaiKey, "other", Some(vendor.url())).await.id;
    input = json!({ "flow": "CLAUDE", "sessionId": at(&begun, "connectStart.sessionId"),
        "code": consent(at(&begun, "connectStart.url").as_str().unwrap()).await, "accountId": id("Account", other) });
    let refused = admin.data(finish, json!({ "i": input })).await;
    assert_eq!(at(&refused, "connectFinish.userErrors.0.field"), &json!(["accountId"]));
    input["accountId"] = at(&done, "connectFinish.account.id").clone();
    let renewed = admin.data(finish, json!({ "i": input })).await;
    assert_eq!(
        at(&renewed, "connectFinish.userErrors"),
        &json!([]),
        "the code was not spent on the refusal: {renewed}"
    );
    let renew = "mutation ($i: AccountInput!) { accountRefresh(input: $i) { account { tokenExpiresAt } userErrors { message } } }";
    let refreshed = admin.data(renew, json!({ "i": { "id": at(&done, "connectFinish.account.id") } })).await;
    assert!(at(&refreshed, "accountRefresh.account.tokenExpiresAt").is_string(), "{refreshed}");
    let whole =
        admin.data("{ auditLog { nodes { before after } } accounts { nodes { info maskedKey } } }", json!({})).await;
    assert!(!whole.to_string().contains("sk-ant-ort"), "no refresh token is shown");
}

/// What the consent page shows to a person who agrees: `CODE#STATE`.
async fn consent(url: &str) -> String {
    let answer = reqwest::Client::builder().no_proxy().build().unwrap().get(url).send().await.unwrap();
    let page = answer.text().await.unwrap();
    let code =
        page.split_once("<code>").and_then(|(_, rest)| rest.split_once("</code>")).unwrap_or_else(|| panic!("{page}"));
    code.0.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_service_is_one_account_and_a_switch() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    let query = "{ modelService { enabled provider hasKey account { name } } }";
    assert_eq!(at(&admin.data(query, json!({})).await, "modelService.hasKey"), false);
    let change = "mutation ($i: ModelServiceChangeInput!) { modelServiceChange(input: $i) { modelService { enabled provider model hasKey } userErrors { field code } } }";
    let refused = admin.data(change, json!({ "i": { "model": "m" } })).await;
    assert_eq!(at(&refused, "modelServiceChange.userErrors.0.field"), &json!(["apiKey"]));
    let done = admin
        .data(
            change,
            json!({ "i": { "provider": "openai", "apiKey": "sk-hush-hush-hush-1234", "model": "m", "enabled": false } }),
        )
        .await;
    assert_eq!(
        at(&done, "modelServiceChange.modelService"),
        &json!({ "enabled": false, "provider": "openai", "model": "m", "hasKey": true })
    );
    let log = admin.data("{ auditLog { nodes { before after } } }", json!({})).await;
    assert!(!log.to_string().contains("hush-hush"));
}
