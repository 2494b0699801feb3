//! Which account serves a call. The rules are the schema's; what is added here is what only the relay knows:
//! whether a vendor can do this, serves this client, and how it has been doing.

use schema::Time;
use schema::model::account::AccountKind;
use schema::service::directory::{AccountView, Accounts, KeyView, Terms};
use schema::service::routing::{self, Asked, Candidate, Choice, Reason, Request, Verdict};

use super::bridge;
use super::engine::Engine;
use super::health::Standing;
use super::{Call, admit};
use crate::provider::provider;

/// What an account is wanted for.
pub struct Wanted<'a> {
    /// The call.
    pub call: &'a Call,
    /// Its key.
    pub view: &'a KeyView,
    /// Ratios and policies.
    pub terms: &'a Terms,
    /// Accounts that were tried already.
    pub tried: &'a [i64],
    /// The account that served the conversation before.
    pub sticky: Option<i64>,
    /// The account that holds what is asked for.
    pub pinned: Option<i64>,
    /// Whose abilities are looked at.
    pub asked: Asked,
}

/// Chooses among the accounts of the moment.
pub fn choose(engine: &Engine, accounts: &Accounts, wanted: &Wanted<'_>, now: Time, random: u64) -> Choice {
    let sure = among(engine, accounts, wanted, now, random, false);
    if sure.picked.is_some() {
        return sure;
    }
    // Better an account whose vendor failed a moment ago than none.
    among(engine, accounts, wanted, now, random, true)
}

fn among(engine: &Engine, accounts: &Accounts, wanted: &Wanted<'_>, now: Time, random: u64, doubtful: bool) -> Choice {
    let call = wanted.call;
    let kinds = kinds(wanted.view, &call.model);
    let candidates: Vec<Candidate<'_>> = accounts.iter().map(|view| Candidate::now(view, now)).collect();
    let request = Request {
        kinds,
        model: Some(call.model.as_str()).filter(|model| !model.is_empty()),
        groups: wanted.view.groups(wanted.terms),
        bindings: &wanted.view.key.bindings.0,
        bound_fallback: wanted.terms.bound_fallback,
        client: admit::client_word(call.client),
        tried: wanted.tried,
        sticky: wanted.sticky,
        pinned: wanted.pinned,
    };
    let able = |view: &AccountView| capable(engine, call, view, now, doubtful);
    routing::choose(&request, &candidates, wanted.asked, able, now, random)
}

/// The kinds of accounts that a key may reach for a model: those of its services, and for a model of one of
/// its services every kind that has it.
pub fn kinds(view: &KeyView, model: &str) -> u32 {
    let allows = |service| {
        view.key.permissions.allows(service) && (view.owner.is_admin || view.plan.admits_service(service.as_str()))
    };
    if routing::family(model).is_some_and(allows) {
        return u32::MAX;
    }
    AccountKind::ALL.iter().filter(|kind| allows(kind.service())).fold(0, |kinds, kind| kinds | kind.bit())
}

/// Whether an account's vendor can serve the call, as far as can be told without asking it.
fn capable(engine: &Engine, call: &Call, view: &AccountView, now: Time, doubtful: bool) -> bool {
    let Some(opened) = &view.opened else { return true };
    let account = &view.account;
    let vendor = provider(account.kind);
    if vendor.serves(call.client).is_err() {
        return false;
    }
    let model = account.options.mapped(&call.model);
    let upstream = crate::provider::Upstream {
        kind: account.kind,
        base_url: account.base_url.as_deref(),
        credentials: crate::provider::Credentials::of(&opened.credentials, 0, None),
        options: &account.options.0,
        account_id: None,
    };
    if bridge::native(vendor, &upstream, call, &model).is_none() {
        return false;
    }
    match engine.accounts.standing(account.id, &model, now.0) {
        Standing::Free => true,
        Standing::Doubtful => doubtful,
        Standing::Rests(_) => false,
    }
}

/// What is said when no account was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nobody {
    /// There are such accounts, but not now; when to ask again, in epoch milliseconds, where it is known.
    NotNow(Option<i64>),
    /// No account serves this model, and waiting does not help.
    NoModel,
    /// Only accounts that serve their vendor's own client.
    OtherClient,
    /// Only accounts that the key may not reach.
    NotAllowed,
}

/// Why nobody was chosen.
pub fn nobody(engine: &Engine, accounts: &Accounts, choice: &Choice, wanted: &Wanted<'_>, now: Time) -> Nobody {
    let mut found = Nobody::NoModel;
    let mut wake: Option<i64> = None;
    let mut waiting = choice.judged.is_empty() || !wanted.tried.is_empty();
    for judged in &choice.judged {
        let (Verdict::Refused(reason), Some(view)) = (judged.verdict, accounts.get(judged.account_id)) else {
            continue;
        };
        match reason {
            Reason::Cooling | Reason::BeingTried | Reason::Full | Reason::QuotaSpent | Reason::AlreadyTried => {
                waiting = true;
                let until = view.live.state(now).cool_until.filter(|_| reason == Reason::Cooling).map(|at| at.0);
                wake = [wake, until].into_iter().flatten().min();
            }
            Reason::Disabled
            | Reason::NotSchedulable
            | Reason::Blocked
            | Reason::Expired
            | Reason::SubscriptionEnded
            | Reason::DoesNotOpen => {
                // These wait for the operator, who may be quick.
                waiting |= view.lists(&wanted.call.model).unwrap_or(true);
            }
            Reason::NotCapable => {
                let model = view.account.options.mapped(&wanted.call.model);
                if let Standing::Rests(until) = engine.accounts.standing(judged.account_id, &model, now.0) {
                    waiting = true;
                    wake = [wake, Some(until)].into_iter().flatten().min();
                } else if provider(view.account.kind).serves(wanted.call.client).is_err() {
                    found = Nobody::OtherClient;
                }
            }
            Reason::WrongKind if found == Nobody::NoModel && routing::serves(view, &wanted.call.model) => {
                found = Nobody::NotAllowed
            }
            _ => {}
        }
    }
    if waiting { Nobody::NotNow(wake) } else { found }
}
