//! Where a call is served: a free place at an account, and the key it is asked by.

use std::sync::Arc;

use schema::service::admission;
use schema::service::directory::{self, AccountView, KeyView, Seat};
use schema::service::routing::{Asked, Picked};

use super::Life;
use super::attempt::Miss;
use super::choose::{self, Nobody, Wanted};
use super::meter::Served;
use super::ready::Ready;
use crate::provider::blame::Blame;

/// An account at work for a call.
pub(super) struct Place {
    pub(super) ready: Arc<Ready>,
    pub(super) bought: Option<String>,
    pub(super) picked: Picked,
    /// Its places, given back when the call is over.
    pub(super) _seat: Seat,
    pub(super) _slot: Option<admission::Slot>,
}

impl Life {
    /// An account with a free place, its token good as far as is known.
    pub(super) async fn place(
        &self,
        view: &Arc<KeyView>,
        tried: &mut Vec<i64>,
        sticky: Option<i64>,
    ) -> Result<Place, Nobody> {
        let Some(meter) = &self.meter else { return Err(Nobody::NotNow(None)) };
        let pinned = self.keeper.as_ref().map(|keeper| keeper.account);
        loop {
            let now = self.app.clock.now();
            let accounts = directory::accounts(&self.app);
            let terms = meter.bill().terms();
            let wanted = Wanted { call: &self.call, view, terms, tried, sticky, pinned, asked: Asked::Few };
            let random = schema::id::lot();
            let choice = choose::choose(&self.engine, &accounts, &wanted, now, random);
            let Some(picked) = choice.picked else {
                return Err(choose::nobody(&self.engine, &accounts, &choice, &wanted, now));
            };
            let chosen = accounts.get(picked.account_id).cloned();
            let Some(chosen) = chosen else { return Err(Nobody::NotNow(None)) };
            if let Some(place) = self.enter(&chosen, picked).await {
                return Ok(place);
            }
            // Somebody else took its last place a moment ago.
            tried.push(picked.account_id);
        }
    }

    async fn enter(&self, chosen: &Arc<AccountView>, picked: Picked) -> Option<Place> {
        let most = chosen.account.max_concurrency;
        let seat = chosen.live.enter(most, self.app.clock.now())?;
        // One process counts its own; several count together.
        let slot = if most > 0 && self.app.config.redis_url.is_some() {
            Some(admission::take_slot(&self.app, chosen.account.id, most).await.ok().flatten()?)
        } else {
            None
        };
        let ready = self.engine.ready(chosen)?;
        Some(Place { ready, bought: None, picked, _seat: seat, _slot: slot })
    }

    /// The key by which a vendor knows what the call builds on. A task is its key's alone; of what else is kept
    /// another key of the same organisation may know, while that one is refused.
    fn keeping_key(&self, ready: &Ready) -> Option<usize> {
        let keeper = self.keeper.as_ref().filter(|keeper| keeper.account == ready.id())?;
        ready.key_named(&keeper.key).filter(|key| self.task.is_some() || self.takes_key(ready, *key))
    }

    /// Whose turn it is among an account's keys, those that were refused of late left out.
    pub(super) fn key(&self, ready: &Ready) -> usize {
        if let Some(key) = self.keeping_key(ready) {
            return key;
        }
        let (first, keys) = (ready.key(), ready.keys());
        (0..keys).map(|step| (first + step) % keys).find(|key| self.takes_key(ready, *key)).unwrap_or(first)
    }

    fn takes_key(&self, ready: &Ready, key: usize) -> bool {
        let disabled = ready.options().disabled_keys.iter().any(|number| usize::try_from(*number) == Ok(key));
        !disabled && !self.engine.accounts.refuses_key(ready.id(), key, self.app.clock.now().0)
    }

    pub(super) fn has_another_key(&self, ready: &Ready, miss: &Miss) -> bool {
        let keys = ready.keys();
        let free = self.keeping_key(ready).is_none();
        matches!(miss.blame, Blame::Account(_)) && free && keys > 1 && (0..keys).any(|key| self.takes_key(ready, key))
    }

    pub(super) fn served_at(&mut self, place: &Place, model: &str) {
        let account = &place.ready.view.account;
        if let Some(meter) = &mut self.meter {
            let groups = meter.view().groups(meter.bill().terms());
            let group = groups.get(place.picked.rank.group).or(groups.first()).cloned().unwrap_or_default();
            meter.at(Served { account: account.id, service: account.kind.service(), group, model: model.to_owned() });
        }
    }
}
