//! Trusted documents: operations of the graph that were written down beforehand, by a build of a front end, each
//! under the SHA-256 of its text. They are read at start-up; what they say is the graph's business.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::Env;

/// Which documents are trusted, and whether others are taken.
#[derive(Clone, Debug, Default)]
pub struct TrustedConfig {
    /// Their texts; none when nothing was named.
    pub documents: Arc<Vec<String>>,
    /// Whoever is no administrator asks by these alone.
    pub only: bool,
}

/// Reads `TRUSTED_DOCUMENTS` and `TRUSTED_DOCUMENTS_ONLY`.
pub(super) fn read(env: &Env, faults: &mut Vec<String>) -> TrustedConfig {
    let path = env.get("TRUSTED_DOCUMENTS").map(Path::new);
    let only = match env.get("TRUSTED_DOCUMENTS_ONLY") {
        None | Some("false") => false,
        Some("true") => {
            if path.is_none() {
                faults.push("TRUSTED_DOCUMENTS_ONLY is true, but TRUSTED_DOCUMENTS names none".to_owned());
            }
            true
        }
        Some(other) => {
            faults.push(format!("TRUSTED_DOCUMENTS_ONLY is true or false, not {other:?}"));
            false
        }
    };
    let documents = path.map(|path| collect(path).map_err(|why| format!("TRUSTED_DOCUMENTS: {why}")));
    match documents.transpose() {
        Ok(documents) => TrustedConfig { documents: documents.unwrap_or_default().into(), only },
        Err(fault) => {
            faults.push(fault);
            TrustedConfig::default()
        }
    }
}

/// The documents of a manifest, of one document's file, or of every such file of a folder.
fn collect(path: &Path) -> Result<Vec<String>, String> {
    let mut files = vec![path.to_path_buf()];
    if path.is_dir() {
        let listed = std::fs::read_dir(path).and_then(|entries| entries.map(|e| e.map(|e| e.path())).collect());
        files = listed.map_err(|e| format!("the folder {path:?} cannot be read ({e})"))?;
        files.retain(|file| matches!(extension(file), Some("json" | "graphql" | "gql")));
        files.sort();
    }
    let mut documents = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).map_err(|e| format!("{file:?} cannot be read ({e})"))?;
        match extension(&file) {
            Some("graphql" | "gql") => documents.push(text),
            _ => documents.extend(manifest(&text).map_err(|why| format!("{file:?} {why}"))?),
        }
    }
    if documents.is_empty() { Err(format!("{path:?} holds no document")) } else { Ok(documents) }
}

fn extension(file: &Path) -> Option<&str> {
    file.extension().and_then(|end| end.to_str())
}

/// The texts of a manifest, each under its hash: one object of them, or Apollo's list of `operations`.
fn manifest(text: &str) -> Result<Vec<String>, String> {
    const NO_MANIFEST: &str = "is no manifest: an object of documents by their SHA-256";
    let Ok(Value::Object(whole)) = serde_json::from_str(text.trim_start_matches('\u{feff}')) else {
        return Err(NO_MANIFEST.to_owned());
    };
    let entries: Vec<(String, Value)> = match whole.get("operations") {
        Some(Value::Array(list)) => {
            let entry = |one: &Value| Some((one["id"].as_str()?.to_owned(), one["body"].clone()));
            list.iter().map(entry).collect::<Option<_>>().ok_or(NO_MANIFEST)?
        }
        _ => whole.into_iter().collect(),
    };
    let mut documents = Vec::with_capacity(entries.len());
    for (name, document) in entries {
        let Value::String(document) = document else { return Err(NO_MANIFEST.to_owned()) };
        let hash = name.strip_prefix("sha256:").unwrap_or(&name);
        if !hash.eq_ignore_ascii_case(&crate::id::digest(&document)) {
            return Err(format!("names {name:?}, which is not the SHA-256 of its document"));
        }
        documents.push(document);
    }
    Ok(documents)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that goes with the test.
    struct Folder(std::path::PathBuf);

    impl Folder {
        fn with(files: &[(&str, &str)]) -> Self {
            let folder = Self(std::env::temp_dir().join(format!("tollgate-trusted-{}", crate::id::uuid())));
            std::fs::create_dir_all(&folder.0).unwrap();
            for (name, text) in files {
                std::fs::write(folder.0.join(name), text).unwrap();
            }
            folder
        }
        fn read(&self, file: &str) -> Result<Vec<String>, Vec<String>> {
            let path = self.0.join(file);
            let mut faults = Vec::new();
            let read = read(&Env::of(&[("TRUSTED_DOCUMENTS", path.to_str().unwrap())]), &mut faults);
            if faults.is_empty() { Ok(read.documents.to_vec()) } else { Err(faults) }
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn documents_are_read_from_manifests_files_and_folders() {
        let (one, two) = ("query One { viewer { id } }", "query Two { viewer { username } }");
        let object = serde_json::json!({ (crate::id::digest(one)): one }).to_string();
        let list = serde_json::json!({ "format": "apollo-persisted-query-manifest", "version": 1, "operations": [
            { "id": format!("sha256:{}", crate::id::digest(two)), "name": "Two", "type": "query", "body": two },
        ] })
        .to_string();
        let folder = Folder::with(&[("a.json", &object), ("b.json", &list), ("c.graphql", one), ("notes.txt", "no")]);
        assert_eq!(folder.read("a.json").unwrap(), [one]);
        assert_eq!(folder.read("b.json").unwrap(), [two]);
        assert_eq!(folder.read("c.graphql").unwrap(), [one]);
        assert_eq!(folder.read("").unwrap(), [one, two, one]);
    }

    #[test]
    fn what_is_no_manifest_is_told_at_start_up() {
        let lie = serde_json::json!({ (crate::id::digest("{ a }")): "{ b }" }).to_string();
        let folder = Folder::with(&[("lie.json", &lie), ("list.json", "[]"), ("none.json", "{}"), ("text.json", "no")]);
        for file in ["lie.json", "list.json", "none.json", "text.json", "missing.json", ""] {
            let faults = folder.read(file).unwrap_err();
            assert_eq!(faults.len(), 1, "{file}: {faults:?}");
            assert!(faults[0].starts_with("TRUSTED_DOCUMENTS: "), "{faults:?}");
        }
    }
}
