//! Models and prices by name, and by the other names they are asked for under.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::catalog::{Category, Model, Price};
use crate::service::price::{spellings, undated};

/// A model as a call sees it.
#[derive(Clone, Debug)]
pub struct ModelView {
    pub id: i64,
    pub name: String,
    pub provider: String,
    pub category: Category,
    pub enabled: bool,
    pub context_window: Option<i64>,
    pub max_output: Option<i64>,
    pub price: Option<Price>,
    /// True when the administrators say that it has no price, so that no other spelling's is taken for it.
    pub withdrawn: bool,
}

/// Every model.
#[derive(Debug, Default)]
pub struct Models {
    by_name: HashMap<String, Arc<ModelView>>,
    /// The newest of those that differ in their date alone.
    by_undated: HashMap<String, Arc<ModelView>>,
}

impl Models {
    pub(super) fn of(rows: Vec<Model>) -> Self {
        let mut models = Self::default();
        // Rows come by name, so the newest date comes last and stays.
        for row in rows {
            let view = Arc::new(ModelView {
                id: row.id,
                price: row.effective_price().cloned(),
                withdrawn: row.override_price.as_ref().is_some_and(|own| own.withdrawn),
                name: row.name,
                provider: row.provider,
                category: row.category,
                enabled: row.enabled,
                context_window: row.context_window,
                max_output: row.max_output,
            });
            if let Some(bare) = undated(&view.name) {
                models.by_undated.insert(bare.to_owned(), view.clone());
            }
            models.by_name.insert(view.name.clone(), view);
        }
        models
    }

    /// The model of exactly this name.
    pub fn get(&self, name: &str) -> Option<&Arc<ModelView>> {
        self.by_name.get(name)
    }

    /// The model of this name, or of another spelling of it.
    pub fn find(&self, name: &str) -> Option<&Arc<ModelView>> {
        self.get(name).or_else(|| self.other(name, |_| true))
    }

    /// The price of a model, under whatever spelling it is known; `None` says that there is none.
    pub fn price(&self, name: &str) -> Option<&Price> {
        let said = |m: &ModelView| m.price.is_some() || m.withdrawn;
        let exact = self.get(name).filter(|m| said(m));
        exact.or_else(|| self.other(name, said)).and_then(|m| m.price.as_ref())
    }

    fn other(&self, name: &str, fits: impl Fn(&ModelView) -> bool) -> Option<&Arc<ModelView>> {
        let names = spellings(name);
        let known = names.iter().find_map(|n| self.by_name.get(n).filter(|m| fits(m)));
        known.or_else(|| names.iter().find_map(|n| self.by_undated.get(n).filter(|m| fits(m))))
    }

    /// Every model, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<ModelView>> {
        self.by_name.values()
    }
}
