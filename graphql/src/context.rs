//! What every resolver reaches: the application, who asks, and this request's loaders.

use async_graphql::Context;
use schema::service::idempotency::{self, Begun, Thing};
use schema::{Actor, App, Error, Role};

use crate::fault::Result;
use crate::live::Live;
use crate::loader::Loaders;

/// Short ways to what the gate put into each request.
pub trait Reach {
    fn app(&self) -> &App;
    fn actor(&self) -> &Actor;
    fn loaders(&self) -> &Loaders;
    fn live(&self) -> &Live;

    /// A field of a thing others see too, but this part of it only administrators: null and a refusal.
    fn for_admins<T>(&self, value: impl FnOnce() -> T) -> Option<Result<T>> {
        Some(if self.actor().is_admin() {
            Ok(value())
        } else {
            Err(Error::forbidden("this is for administrators").into())
        })
    }
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
    fn live(&self) -> &Live {
        self.data_unchecked::<Live>()
    }
}

/// For `visible`: what only administrators use is not shown to others. Hiding protects nothing; the
/// services refuse as well.
pub fn to_admins(ctx: &Context<'_>) -> bool {
    ctx.data_opt::<Actor>().is_none_or(Actor::is_admin)
}

/// For `visible`: what only super administrators use.
pub fn to_super_admins(ctx: &Context<'_>) -> bool {
    ctx.data_opt::<Actor>().is_none_or(|a| a.is(Role::SuperAdmin))
}

/// Does a piece of work once under the client's key: `work` as the actor to do it as, or `again` with what
/// it was done on when it was done before. Without a key it is simply done.
pub async fn once<T>(
    ctx: &Context<'_>,
    operation: &str,
    key: Option<&str>,
    input: &str,
    work: impl AsyncFnOnce(&Actor) -> schema::Result<T>,
    again: impl AsyncFnOnce(Thing) -> schema::Result<T>,
) -> schema::Result<T> {
    let Some(key) = key else { return work(ctx.actor()).await };
    match idempotency::begin(ctx.app(), ctx.actor(), operation, key, input).await? {
        Begun::Fresh(actor) => work(&actor).await,
        Begun::Done(thing) => again(thing).await,
    }
}
