//! What can be watched while it happens. Events carry ids and small numbers; whole things are loaded only
//! when selected. Administrators hear everything, others what is their own.
//!
//! A listener that fell behind, or whose link to the other processes broke, is not sent the past: its next
//! event says `missed`, and where a state can be read afresh it is read and sent at once.

mod accounts;
mod calls;
mod exports;
mod spend;
mod things;
mod wallets;

use futures_util::{Stream, stream};
use schema::bus::{Event, Listener};

pub use accounts::AccountSubscription;
pub use calls::CallSubscription;
pub use exports::ExportSubscription;
pub use spend::SpendSubscription;
pub use things::ThingSubscription;
pub use wallets::WalletSubscription;

/// Events that are picked, one by one; after a loss the next says so.
fn picked<T, P>(listener: Listener, pick: P) -> impl Stream<Item = T>
where
    P: FnMut(&Event, bool) -> Option<T>,
{
    stream::unfold((listener, pick, false), |(mut listener, mut pick, mut missed)| async move {
        loop {
            let event = listener.next().await?;
            if matches!(*event, Event::Resync) {
                missed = true;
            } else if let Some(item) = pick(&event, missed) {
                return Some((item, (listener, pick, false)));
            }
        }
    })
}
