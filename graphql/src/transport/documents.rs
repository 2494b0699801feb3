//! Documents read and guarded once: a least-recently-used cache bounded by bytes, not by entries.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use ring::digest::{SHA256, digest};

use super::{
    code::Fault,
    guard::{self, Document},
    limits::Limits,
};

/// The SHA-256 of a document's text.
pub type Hash = [u8; 32];

#[derive(Default)]
struct Shelf {
    entries: HashMap<Hash, (Arc<Document>, u64)>,
    by_use: BTreeMap<u64, Hash>,
    clock: u64,
    bytes: usize,
}

/// The cache.
#[derive(Default)]
pub struct Documents {
    shelf: Mutex<Shelf>,
}

impl Documents {
    /// The document behind `source`, from the cache or read now. Refused documents are not kept.
    pub fn get(&self, source: &str, limits: &Limits) -> Result<(Hash, Arc<Document>), Fault> {
        // Nothing longer can be in the cache; hashing a megabyte would be for nothing.
        if source.len() > limits.document_bytes {
            super::scan::tokens(source, limits)?;
        }
        let mut hash = Hash::default();
        hash.copy_from_slice(digest(&SHA256, source.as_bytes()).as_ref());
        if let Some(found) = self.lock().touch(&hash) {
            return Ok((hash, found));
        }
        let document = Arc::new(guard::read(source, limits)?);
        self.lock().put(hash, document.clone(), limits.document_cache_bytes);
        Ok((hash, document))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    fn touch(&mut self, hash: &Hash) -> Option<Arc<Document>> {
        self.clock += 1;
        let (document, used) = self.entries.get_mut(hash)?;
        self.by_use.remove(used);
        *used = self.clock;
        self.by_use.insert(self.clock, *hash);
        Some(document.clone())
    }

    fn put(&mut self, hash: Hash, document: Arc<Document>, most: usize) {
        if document.weight > most || self.touch(&hash).is_some() {
            return;
        }
        self.bytes += document.weight;
        self.clock += 1;
        self.by_use.insert(self.clock, hash);
        self.entries.insert(hash, (document, self.clock));
        while self.bytes > most {
            let Some((_, oldest)) = self.by_use.pop_first() else {
                break;
            };
            if let Some((gone, _)) = self.entries.remove(&oldest) {
                self.bytes -= gone.weight;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_is_used_within_its_bytes() {
        let limits = Limits { document_cache_bytes: 4_000, ..Limits::default() };
        let documents = Documents::default();
        let (_, first) = documents.get("{a}", &limits).unwrap();
        for index in 0..50 {
            documents.get(&format!("{{b{index}}}"), &limits).unwrap();
            let (_, again) = documents.get("{a}", &limits).unwrap();
            assert!(Arc::ptr_eq(&first, &again));
            let shelf = documents.lock();
            assert!(shelf.bytes <= 4_000);
            assert_eq!(shelf.entries.len(), shelf.by_use.len());
        }
    }

    #[test]
    fn refused_documents_are_not_kept() {
        let documents = Documents::default();
        assert!(documents.get("{", &Limits::default()).is_err());
        assert_eq!(documents.lock().entries.len(), 0);
    }
}
