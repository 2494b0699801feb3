//! What every resolver reaches: the application, who asks, and this request's loaders.

use async_graphql::Context;
use schema::{Actor, App};

use crate::loader::Loaders;

/// Short ways to what the transport put into each request.
pub trait Reach {
    fn app(&self) -> &App;
    fn actor(&self) -> &Actor;
    fn loaders(&self) -> &Loaders;
}

impl Reach for Context<'_> {
    fn app(&self) -> &App {
        self.data_unchecked::<App>()
    }
    fn actor(&self) -> &Actor {
        self.data_unchecked::<Actor>()
    }
    fn loaders(&self) -> &Loaders {
        self.data_unchecked::<Loaders>()
    }
}

/// For `visible`: what only administrators use is not shown to others. Hiding protects nothing; the
/// services refuse as well.
pub fn to_admins(ctx: &Context<'_>) -> bool {
    ctx.data_opt::<Actor>().is_none_or(Actor::is_admin)
}
