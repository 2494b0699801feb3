//! Sessions that are bound to the account that served them first, where the operator wants it so: they stay there for
//! the binding's life, and are refused when that account cannot serve.
//!
//! Without it conversations stay with their account as well, and move on when it cannot serve ([`super::stick`]).

use schema::service::directory::{self, KeyView};
use schema::service::routing;

use super::pins::{self, Held};
use super::{Life, admit, session};
use crate::convert::Fault;
use crate::convert::fault::Kind;

/// How a call's session is bound to an account.
pub(super) enum Bound {
    /// Not at all.
    Free,
    /// To the account that serves it first.
    ToBe(Held),
    /// To the keeper.
    Kept,
}

impl Life {
    /// Where sessions are bound: the account of this one, or the wish to bind it to whoever serves it.
    pub(super) async fn bind(&mut self, view: &KeyView) -> Result<(), admit::No> {
        if self.rules.binding.is_none() || self.keeper.is_some() || self.task.is_some() {
            return Ok(());
        }
        let Some(session) = session::named(&self.call.headers, self.call.dialect, self.json()) else { return Ok(()) };
        // Of one client's session each vendor's part is bound by itself.
        let family = routing::family(&self.call.model).map_or("other", |service| service.as_str());
        let held = Held { scope: pins::SESSION, name: format!("{family}:{session}") };
        match self.engine.pins.find(&self.app, view.key.id, &held).await {
            Ok(Some(keeper)) if directory::accounts(&self.app).get(keeper.account).is_some() => {
                self.keeper = Some(keeper);
                self.bound = Bound::Kept;
            }
            // An account that is no more binds nobody.
            Ok(_) => self.bound = Bound::ToBe(held),
            Err(error) => {
                tracing::error!(cause = error.cause(), "a session's account could not be read");
                let fault = Fault::new(Kind::Unavailable, "The session's account cannot be looked up right now.");
                return Err(Box::new(self.call.ear.refuse(&fault, Some(5))));
            }
        }
        Ok(())
    }
}
