//! What the documents name exists: files, functions, variables.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use schema::config::VARIABLES;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if ["target", "node_modules", ".git"].contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// Every word of the sources.
fn words(all: &[PathBuf]) -> HashSet<String> {
    let kinds = ["rs", "sql", "toml", "sh", "graphql", "txt"];
    let sources = all.iter().filter(|path| path.extension().is_some_and(|e| kinds.contains(&&*e.to_string_lossy())));
    let mut words = HashSet::new();
    for path in sources {
        let text = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
        let split = text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
        words.extend(split.map(str::to_owned));
    }
    words
}

/// What stands between backticks, outside of fenced blocks.
fn spans(text: &str) -> Vec<String> {
    let plain: String = text.split("```").step_by(2).collect();
    plain.lines().flat_map(|line| line.split('`').skip(1).step_by(2).map(str::to_owned)).collect()
}

/// A path as documents write it; `None` for what is none, or stands for several.
fn path_in(span: &str) -> Option<&str> {
    let plain = span.chars().all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c));
    let kinds = [".rs", ".md", ".sh", ".toml", ".graphql", ".txt"];
    let rooted = ["schema/", "relay/", "graphql/", "tests/", "migrations/", "docs/", ".ci/"];
    let path = kinds.iter().any(|kind| span.ends_with(kind)) || rooted.iter().any(|start| span.starts_with(start));
    (plain && path).then(|| span.trim_start_matches("../").trim_start_matches("./"))
}

/// The names of a piece of code such as `service::card::redeem` or `ON_CONFLICT`; none for ordinary words.
fn names_in(span: &str) -> Vec<&str> {
    let name = span.split('(').next().unwrap_or("").trim_end_matches('!');
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
    let camel = name.chars().zip(name.chars().skip(1)).any(|(a, b)| a.is_lowercase() && b.is_uppercase());
    if !plain || !(name.contains("::") || name.contains('_') || camel) {
        return Vec::new();
    }
    name.split("::").filter(|part| !part.is_empty()).collect()
}

#[test]
fn documents_name_what_exists() {
    let root = root();
    let mut all = Vec::new();
    files(&root, &mut all);
    let words = words(&all);
    let mut missing = Vec::new();
    for document in all.iter().filter(|path| path.extension().is_some_and(|e| e == "md")) {
        let text = std::fs::read_to_string(document).unwrap();
        let shown = document.strip_prefix(&root).unwrap().display().to_string();
        // Decisions also speak of what was not taken.
        let decides = shown.starts_with("docs/decisions/");
        for span in spans(&text) {
            if let Some(path) = path_in(&span) {
                // As said from the root, from the document's folder, or from somewhere below it.
                let there = root.join(path).exists() || all.iter().any(|file| file.ends_with(path));
                if !there && !span.contains("thing") {
                    missing.push(format!("{shown}: {span}"));
                }
            } else if !decides {
                let gone = names_in(&span).into_iter().filter(|name| !words.contains(*name));
                missing.extend(gone.map(|name| format!("{shown}: {name} in `{span}`")));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn the_readme_lists_every_variable_and_no_other() {
    let text = std::fs::read_to_string(root().join("README.md")).unwrap();
    let table = text.split("\n## Settings\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows: Vec<Vec<&str>> = table
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    let told: Vec<&str> = rows.iter().map(|row| row[0].trim_matches('`')).collect();
    let known: Vec<&str> = VARIABLES.iter().map(|(name, ..)| *name).collect();
    assert_eq!(told, known);
    for (row, (name, default, _)) in rows.iter().zip(VARIABLES) {
        // A default that can be written down is the one of `--help`; of others the README says how they come about.
        let plain = default.split(" (").next().unwrap_or(default);
        if !plain.contains(' ') {
            assert!(row[1].starts_with(&format!("`{plain}`")) || row[1] == plain, "{name}: {row:?}, but {default}");
        }
        assert!(!row[2].is_empty(), "{name}");
    }
}
