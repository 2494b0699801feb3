//! The data plane: hears a model call, chooses an account, sends, streams, meters.

pub mod connect;
pub mod convert;
pub mod edge;
pub mod provider;
pub mod sse;
pub mod wire;
