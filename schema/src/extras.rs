//! What the floors above hang onto the application: one value a type, made at its first use.
//!
//! The relay keeps its connections and what it has seen of accounts here, so that every face that holds
//! the [`App`](crate::App) speaks to the same relay.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// The values.
#[derive(Default)]
pub struct Extras(RwLock<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>);

impl Extras {
    /// The value of a type; the first to ask makes it. What `make` does must not ask again.
    pub fn get<T: Any + Send + Sync>(&self, make: impl FnOnce() -> T) -> Arc<T> {
        if let Some(value) = self.found() {
            return value;
        }
        let mut values = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let value = values.entry(TypeId::of::<T>()).or_insert_with(|| Arc::new(make())).clone();
        // The key is the value's own type, so this is never another one.
        value.downcast().unwrap_or_else(|_| unreachable!("an extra under another type's name"))
    }

    fn found<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        let values = self.0.read().unwrap_or_else(PoisonError::into_inner);
        values.get(&TypeId::of::<T>())?.clone().downcast().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_has_one_value() {
        let extras = Extras::default();
        let first = extras.get(|| 1_u8);
        assert_eq!(*extras.get(|| 2_u8), *first);
        assert_eq!(*extras.get(|| "text"), "text");
    }
}
