//! Import directions, read from the sources and the manifests.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// Lines of a folder's code (comments left out) that hold one of the words.
fn lines_with(folder: &str, words: &[&str]) -> Vec<String> {
    let mut files = Vec::new();
    sources(&root().join(folder), &mut files);
    let mut found = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for line in text.lines().filter(|l| !l.trim_start().starts_with("//")) {
            // A word counts where a name begins: `json!(` holds no `on!(`.
            let names = |w: &str| {
                line.match_indices(w).any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
            };
            if words.iter().any(|w| names(w)) {
                found.push(format!("{}: {line}", file.display()));
            }
        }
    }
    found
}

#[test]
fn only_schema_names_the_database_and_redis() {
    for folder in ["relay/src", "graphql/src", "graphql/rest/src"] {
        let found = lines_with(folder, &["diesel::", "diesel_async", "redis::", "schema::table", "on!("]);
        assert!(found.is_empty(), "{found:#?}");
    }
    for manifest in ["relay/Cargo.toml", "graphql/Cargo.toml", "graphql/rest/Cargo.toml"] {
        let text = std::fs::read_to_string(root().join(manifest)).unwrap();
        for word in ["diesel", "redis", "bb8"] {
            assert!(!text.lines().any(|l| l.starts_with(word)), "{manifest} depends on {word}");
        }
    }
}

#[test]
fn nothing_imports_upward() {
    assert!(lines_with("schema/src", &["relay::", "graphql::", "rest::", "axum::"]).is_empty());
    assert!(lines_with("relay/src", &["graphql::", "rest::"]).is_empty());
    assert!(lines_with("graphql/rest/src", &["async_graphql", "graphql::"]).is_empty());
    for (manifest, words) in [
        ("schema/Cargo.toml", &["relay", "graphql", "rest", "axum"][..]),
        ("relay/Cargo.toml", &["graphql", "rest", "async-graphql"][..]),
        ("graphql/rest/Cargo.toml", &["graphql", "async-graphql"][..]),
    ] {
        let text = std::fs::read_to_string(root().join(manifest)).unwrap();
        for word in words {
            let named = |l: &str| l.split(['.', ' ', '=']).next() == Some(word);
            assert!(!text.lines().any(named), "{manifest} names {word}");
        }
    }
}

#[test]
fn models_know_no_services() {
    for folder in ["schema/src/model", "schema/src/db"] {
        assert!(lines_with(folder, &["crate::service"]).is_empty());
    }
}
