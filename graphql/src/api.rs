//! The graph: one file a resource, merged here.

mod session;
mod user;

use async_graphql::{EmptySubscription, MergedObject, Schema};

/// Everything that can be read.
#[derive(MergedObject, Default)]
pub struct Query(user::UserQuery);

/// Everything that can be changed.
#[derive(MergedObject, Default)]
pub struct Mutation(session::SessionMutation, user::UserMutation);

/// The whole graph.
pub type Graph = Schema<Query, Mutation, EmptySubscription>;

/// Builds the graph.
pub fn graph() -> Graph {
    Schema::build(Query::default(), Mutation::default(), EmptySubscription).disable_suggestions().finish()
}
