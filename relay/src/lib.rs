//! The data plane: hears a model call, chooses an account, sends, streams, meters.

pub mod edge;
pub mod wire;
