//! The management plane: GraphQL over every road it is asked by, and the process that can hold everything.
//!
//! `api` is the graph (one file a resource), `transport` the wire under it, [`process`] what the binary
//! mounts. Resolvers translate; every rule is a service's.

pub mod api;
pub mod budget;
pub mod context;
pub mod download;
pub mod fault;
pub mod filter;
pub mod gate;
pub mod live;
pub mod loader;
pub mod nested;
pub mod node;
pub mod page;
pub mod process;
pub mod progress;
pub mod scalar;
pub mod transport;
