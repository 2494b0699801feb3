//! The schema as a document: it is checked in, and it says what everything is for.

use std::path::Path;

use harness::TestApp;
use serde_json::{Value, json};

/// `UPDATE_SCHEMA=1` writes the file instead of comparing it.
#[test]
fn the_file_is_the_schema() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../graphql/schema.graphql");
    let sdl = graphql::api::sdl();
    if std::env::var("UPDATE_SCHEMA").is_ok_and(|v| v == "1") {
        std::fs::write(&file, sdl).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        kept == sdl,
        "graphql/schema.graphql is not the schema any more; UPDATE_SCHEMA=1 cargo test -p tests --test graphql \
         the_file_is_the_schema writes it"
    );
}

const INTROSPECTION: &str = "{ __schema { types { name description kind \
     fields(includeDeprecated: true) { name description args { name description } } \
     inputFields { name description } enumValues(includeDeprecated: true) { name description } } } }";

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_described() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    let schema = admin.data(INTROSPECTION, json!({})).await;
    let mut silent = Vec::new();
    let mut look = |place: String, thing: &Value| {
        if thing["description"].as_str().is_none_or(|text| text.trim().len() < 3) {
            silent.push(place);
        }
    };
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    for ty in list(&schema["__schema"]["types"]) {
        let name = ty["name"].as_str().unwrap().to_owned();
        // What the language itself defines, it describes.
        if name.starts_with("__") || ["ID", "Int", "Float", "String", "Boolean"].contains(&name.as_str()) {
            continue;
        }
        look(name.clone(), &ty);
        for field in list(&ty["fields"]) {
            let place = format!("{name}.{}", field["name"].as_str().unwrap());
            look(place.clone(), &field);
            for argument in list(&field["args"]) {
                look(format!("{place}({})", argument["name"].as_str().unwrap()), &argument);
            }
        }
        for inner in list(&ty["inputFields"]).into_iter().chain(list(&ty["enumValues"])) {
            look(format!("{name}.{}", inner["name"].as_str().unwrap()), &inner);
        }
    }
    assert!(silent.is_empty(), "without a description: {silent:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_for_administrators_is_not_shown_to_others() {
    let app = TestApp::new().await;
    let ann = app.user("ann").await;
    let refused = ann.graphql("{ __schema { types { name } } }", json!({})).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], json!("FORBIDDEN"), "{refused}");
    // An administrator who is none above all others does not see what only those may do.
    app.person("bob", schema::Role::Admin, schema::Micros::ZERO).await;
    let bob = app.sign_in("bob", harness::PASSWORD).await;
    let fields = "{ __schema { queryType { fields { name } } mutationType { fields { name } } } }";
    let shown = bob.data(fields, json!({})).await.to_string();
    assert!(shown.contains("\"users\"") && !shown.contains("\"settings\"") && !shown.contains("\"settingsPut\""));
    assert!(app.admin().await.data(fields, json!({})).await.to_string().contains("\"settingsPut\""));
}
