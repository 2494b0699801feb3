//! The house's own rules: who imports whom, migrations that mirror, tables that can be read.
#![expect(clippy::unwrap_used, reason = "tests")]

mod documents;
mod floors;
mod migrations;
