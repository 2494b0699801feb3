//! The built binary as an operator meets it: commands, variables, a `.env` file, starts, signals. Nothing but the
//! standard library on this side, so that what is tested is the process.
#![expect(clippy::unwrap_used, reason = "tests")]

mod commands;
mod product;
mod starts;
mod stopping;
mod telling;
