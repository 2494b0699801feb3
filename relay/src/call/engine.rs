//! What the relay of one process keeps between calls: connections, what it has seen of accounts, pins, tokens.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use schema::App;
use schema::bus::Event;
use schema::service::directory::AccountView;

use super::health::Accounts;
use super::pins::Pins;
use super::queue::Queue;
use super::ready::Ready;
use super::rules;
use super::stick::Sticky;
use super::tokens::Tokens;
use super::turn::Turns;
use crate::upstream::Upstreams;

/// The relay of one process.
pub struct Engine {
    /// Connections to the vendors.
    pub upstreams: Upstreams,
    /// How accounts are doing.
    pub accounts: Accounts,
    /// What vendors hold.
    pub pins: Pins,
    /// Which account a conversation stays with.
    pub sticky: Sticky,
    /// Who waits for a turn.
    pub queue: Queue,
    /// Whose turn it is at an account.
    pub turns: Turns,
    /// Access tokens.
    pub tokens: Tokens,
    /// The settings.
    pub rules: rules::Kept,
    ready: Mutex<HashMap<i64, Arc<Ready>>>,
}

impl Engine {
    /// The relay of this application; the first call starts what works behind it.
    pub fn of(app: &App) -> Arc<Self> {
        app.extras.get(|| {
            follow(app);
            Self {
                upstreams: Upstreams::default(),
                accounts: Accounts::start(app),
                pins: Pins::start(app),
                sticky: Sticky::default(),
                queue: Queue::default(),
                turns: Turns::default(),
                tokens: Tokens::default(),
                rules: rules::Kept::default(),
                ready: Mutex::default(),
            }
        })
    }

    /// An account made ready for calls; `None` when its secrets do not open.
    pub fn ready(&self, view: &Arc<AccountView>) -> Option<Arc<Ready>> {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        let id = view.account.id;
        if let Some(known) = ready.get(&id).filter(|known| known.is_of(view)) {
            return Some(known.clone());
        }
        let made = Arc::new(Ready::of(view.clone())?);
        ready.insert(id, made.clone());
        Some(made)
    }

    fn forget(&self, account: i64) {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).remove(&account);
        self.accounts.forget(account);
        self.tokens.forget(account);
    }
}

/// Forgets what was seen of accounts that others have changed.
fn follow(app: &App) {
    let mut listener = app.bus.listen();
    let app = app.clone();
    app.clone().spawn(async move {
        loop {
            let event = tokio::select! {
                () = app.stop.cancelled() => return,
                event = listener.next() => event,
            };
            match event.as_deref() {
                None => return,
                Some(Event::AccountChanged { id }) => Engine::of(&app).forget(*id),
                Some(Event::HealthChanged { id, health, .. }) if health == "ok" => {
                    Engine::of(&app).accounts.forget(*id)
                }
                Some(Event::Resync) => Engine::of(&app).accounts.forget_all(),
                Some(_) => {}
            }
        }
    });
}
