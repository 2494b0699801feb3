//! The management plane: GraphQL over every road it is asked by.

pub mod transport;
