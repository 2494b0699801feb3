//! Every setting the product knows, by category. To add one: a name, and a row in the file of its category.

mod llm;
mod mail;
mod money;
pub mod names;
mod panel;
mod payment;
mod people;
mod sign_in;
mod site;
mod upkeep;

use super::{Definition, Kind};

const fn row(
    category: &'static str,
    name: &'static str,
    kind: Kind,
    default: &'static str,
    description: &'static str,
) -> Definition {
    Definition { name, kind, default, category, description, secret: false, editable: true }
}

/// A setting that is shown here and decided elsewhere, by the process's environment.
const fn fixed(category: &'static str, name: &'static str, kind: Kind, description: &'static str) -> Definition {
    Definition { name, kind, default: "", category, description, secret: false, editable: false }
}

/// A setting that is sealed and never shown.
const fn secret(category: &'static str, name: &'static str, kind: Kind, description: &'static str) -> Definition {
    Definition { name, kind, default: "", category, description, secret: true, editable: true }
}

/// The list, category by category.
pub fn all() -> impl Iterator<Item = &'static Definition> {
    [
        site::ROWS,
        panel::ROWS,
        people::ROWS,
        sign_in::ROWS,
        mail::ROWS,
        llm::ROWS,
        money::ROWS,
        payment::ROWS,
        upkeep::ROWS,
    ]
    .into_iter()
    .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_stands_once_and_its_default_fits() {
        let mut names = std::collections::HashSet::new();
        for definition in all() {
            assert!(names.insert(definition.name), "{} is there twice", definition.name);
            if !definition.secret {
                let kept = super::super::check(definition, definition.default);
                assert!(kept.is_ok_and(|kept| kept == definition.default), "{}", definition.name);
            }
        }
    }
}
