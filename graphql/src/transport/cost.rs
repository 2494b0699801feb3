//! What an operation costs, told from its text and variables before it runs: a point for every object it
//! may load, nothing for a scalar, times the size of the page. Runs after the guard, which bounds the
//! number of selections this walk can meet.

use std::collections::HashMap;

use async_graphql::{
    Name, Value, Variables,
    parser::types::{Field, OperationDefinition, Selection, SelectionSet},
};

use super::{
    catalogue::{Catalogue, FieldShape},
    guard::Document,
};

/// How fields are weighed.
#[derive(Clone, Debug)]
pub struct CostRules {
    /// The size of a list nothing is said about.
    pub default_size: u64,
    /// Sizes above this count as this: no resolver admits larger pages.
    pub largest_size: u64,
    /// Arguments that say how many.
    pub size_arguments: Vec<&'static str>,
    /// Weights by `Type.field` or by `field`; the first form wins.
    pub weights: HashMap<&'static str, u64>,
    /// Sizes of particular lists, by `Type.field` or by `field`.
    pub sizes: HashMap<&'static str, u64>,
}

impl Default for CostRules {
    fn default() -> Self {
        Self {
            default_size: 20,
            largest_size: 100,
            size_arguments: vec!["first", "last", "limit", "ids"],
            weights: HashMap::from([("totalCount", 10), ("__schema", 50), ("__type", 5)]),
            sizes: HashMap::from([("userErrors", 1)]),
        }
    }
}

/// The points `operation` costs; never less than one.
pub fn of(
    document: &Document,
    operation: &OperationDefinition,
    variables: &Variables,
    catalogue: &Catalogue,
    rules: &CostRules,
) -> u64 {
    let reckoning = Reckoning { document, operation, variables, catalogue, rules };
    reckoning.set(&operation.selection_set.node, catalogue.root(operation.ty), None).max(1)
}

struct Reckoning<'a> {
    document: &'a Document,
    operation: &'a OperationDefinition,
    variables: &'a Variables,
    catalogue: &'a Catalogue,
    rules: &'a CostRules,
}

impl Reckoning<'_> {
    /// `page` is what the connection around this set was asked for.
    fn set(&self, set: &SelectionSet, parent: &str, page: Option<u64>) -> u64 {
        set.items.iter().fold(0_u64, |total, item| {
            total.saturating_add(match &item.node {
                Selection::Field(field) => self.field(&field.node, parent, page),
                Selection::InlineFragment(inline) => {
                    let on = inline.node.type_condition.as_ref();
                    let on = on.map_or(parent, |on| on.node.on.node.as_str());
                    self.set(&inline.node.selection_set.node, on, page)
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    self.document.ast.fragments.get(name).map_or(0, |fragment| {
                        let on = fragment.node.type_condition.node.on.node.as_str();
                        self.set(&fragment.node.selection_set.node, on, page)
                    })
                }
            })
        })
    }

    fn field(&self, field: &Field, parent: &str, page: Option<u64>) -> u64 {
        let name = field.name.node.as_str();
        if name.starts_with("__") {
            return self.rules.weights.get(name).copied().unwrap_or(0);
        }
        let Some(shape) = self.catalogue.field(parent, name) else {
            return 0;
        };
        let composite = self.catalogue.is_composite(&shape.named);
        let weight = lookup(&self.rules.weights, parent, name).unwrap_or(u64::from(composite));
        if !composite {
            return weight;
        }
        let asked = self.asked(field, shape);
        let (times, within) = if shape.list {
            let size =
                asked.or(page).or_else(|| lookup(&self.rules.sizes, parent, name)).unwrap_or(self.rules.default_size);
            (size, None)
        } else {
            (1, asked)
        };
        let children = self.set(&field.selection_set.node, &shape.named, within);
        times.saturating_mul(weight.saturating_add(children))
    }

    /// How many the field's own arguments ask for; `None` when it has no such argument.
    fn asked(&self, field: &Field, shape: &FieldShape) -> Option<u64> {
        let mut sized = false;
        for argument in &self.rules.size_arguments {
            let Some(default) = shape.arguments.get(*argument) else {
                continue;
            };
            sized = true;
            let given = field
                .get_argument(argument)
                .and_then(|value| {
                    let value = value.node.clone();
                    value.into_const_with(|name| self.variable(&name)).ok()
                })
                .filter(|value| !matches!(value, Value::Null));
            if let Some(size) = given.as_ref().or(default.as_ref()).and_then(size_of) {
                return Some(size.min(self.rules.largest_size));
            }
        }
        sized.then_some(self.rules.default_size)
    }

    fn variable(&self, name: &Name) -> Result<Value, ()> {
        let given = self.variables.get(name).cloned();
        given
            .or_else(|| {
                self.operation
                    .variable_definitions
                    .iter()
                    .find(|definition| definition.node.name.node == *name)
                    .and_then(|definition| definition.node.default_value.as_ref())
                    .map(|default| default.node.clone())
            })
            .ok_or(())
    }
}

fn lookup(table: &HashMap<&'static str, u64>, parent: &str, name: &str) -> Option<u64> {
    table.get(format!("{parent}.{name}").as_str()).or_else(|| table.get(name)).copied()
}

/// A number as it stands, a list by its length. What no resolver will take counts as the largest.
fn size_of(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => Some(number.as_u64().unwrap_or(u64::MAX)),
        Value::List(items) => u64::try_from(items.len()).ok(),
        _ => None,
    }
}
