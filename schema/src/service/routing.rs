//! Which account serves a call: a pure function of the request, the accounts and their state, the time and
//! one random number. The same function explains every choice.

mod family;

use crate::clock::Time;
use crate::model::account::{AccountKind, Health, Sharing};
use crate::model::api_key::{Binding, BoundTo, Slot};
use crate::service::directory::{AccountView, State};
use crate::text_enum;

pub use family::family;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The kinds that could serve it, one bit each ([`AccountKind::bit`]).
    pub kinds: u32,
    /// `None` for requests without a model.
    pub model: Option<&'a str>,
    /// The user groups to try, in order.
    pub groups: &'a [String],
    /// What the key is bound to.
    pub bindings: &'a [Binding],
    /// Whether a key whose bound accounts cannot serve is sent to the shared ones.
    pub bound_fallback: bool,
    /// The client program, where it is known.
    pub client: Option<&'a str>,
    /// Accounts that were tried for this call already.
    pub tried: &'a [i64],
    /// The account this conversation was served by before.
    pub sticky: Option<i64>,
    /// The one account that holds what is asked for (a file, a response); no other will do.
    pub pinned: Option<i64>,
}

/// One account and what moves about it.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    pub view: &'a AccountView,
    pub state: State,
}

/// Which candidates are asked whether they can do what the request needs. That is dearer than all the rest together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Only as many as it takes to choose one; of the others nothing is said in this.
    Few,
    /// All of them, for whoever wants to know why.
    All,
}

impl<'a> Candidate<'a> {
    /// An account as it is now.
    pub fn now(view: &'a AccountView, now: Time) -> Self {
        Self { view, state: view.live.state(now) }
    }
}

text_enum! {
    /// Why an account does not serve a call.
    pub enum Reason {
        WrongKind = "wrong_kind",
        AlreadyTried = "already_tried",
        NotPinned = "not_pinned",
        NotBound = "not_bound",
        Dedicated = "dedicated",
        GroupOnly = "group_only",
        OtherGroup = "other_group",
        Disabled = "disabled",
        NotSchedulable = "not_schedulable",
        DoesNotOpen = "does_not_open",
        Blocked = "blocked",
        Expired = "expired",
        SubscriptionEnded = "subscription_ended",
        Cooling = "cooling",
        /// Its rest is over and one call tries whether it is well.
        BeingTried = "being_tried",
        ModelNotServed = "model_not_served",
        ClientNotServed = "client_not_served",
        NotCapable = "not_capable",
        QuotaSpent = "quota_spent",
        Full = "full",
    }
}

/// What was found about one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It could serve; candidates with a lower rank go first.
    Eligible(Rank),
    Refused(Reason),
}

/// Where an eligible account stands: lower goes first, field by field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// The place of the user group it would be served in.
    pub group: usize,
    /// The place of the binding's kind.
    pub slot: usize,
    /// The account's priority, negated: higher priorities go first.
    pub priority: i64,
}

/// One account's verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    pub account_id: i64,
    pub verdict: Verdict,
}

text_enum! {
    /// What decided between the eligible.
    pub enum How {
        Pinned = "pinned",
        Sticky = "sticky",
        /// It was the only one of the highest rank.
        Only = "only",
        /// All of its rank weigh the same; it rested longest.
        LeastRecent = "least_recent",
        /// Drawn by weight.
        Drawn = "drawn",
    }
}

/// The account chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picked {
    /// Its place among the candidates.
    pub place: usize,
    pub account_id: i64,
    pub how: How,
    pub rank: Rank,
    /// True when the key's binding led to it.
    pub bound: bool,
}

/// A choice and everything that led to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    pub picked: Option<Picked>,
    /// Every candidate's verdict, in their order.
    pub judged: Vec<Judged>,
}

impl Judged {
    /// The verdict in words.
    pub fn text(&self) -> String {
        match self.verdict {
            Verdict::Eligible(rank) => format!("could serve, priority {}", -rank.priority),
            Verdict::Refused(reason) => reason.text().to_owned(),
        }
    }
}

impl Reason {
    /// The reason in words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::WrongKind => "is of a kind that cannot serve this request",
            Self::AlreadyTried => "was tried for this call already",
            Self::NotPinned => "does not hold what is asked for",
            Self::NotBound => "the key is bound to another account",
            Self::Dedicated => "serves only keys bound to it",
            Self::GroupOnly => "serves only keys bound to one of its groups",
            Self::OtherGroup => "does not serve the key's user group",
            Self::Disabled => "is switched off",
            Self::NotSchedulable => "is not to be chosen",
            Self::DoesNotOpen => "its credentials cannot be read",
            Self::Blocked => "is blocked until an administrator resets it",
            Self::Expired => "its credentials have run out",
            Self::SubscriptionEnded => "its subscription has ended",
            Self::Cooling => "rests after a failure",
            Self::BeingTried => "comes back from a rest and is being tried by another call",
            Self::ModelNotServed => "does not serve the model",
            Self::ClientNotServed => "does not serve this client program",
            Self::NotCapable => "cannot do what the request needs",
            Self::QuotaSpent => "has spent its quota of the day",
            Self::Full => "has as many calls as it may have at a time",
        }
    }
}

/// Chooses. `able` says whether an account can do what the request needs; `random` decides where chance does.
pub fn choose(
    request: &Request<'_>,
    candidates: &[Candidate<'_>],
    asked: Asked,
    able: impl Fn(&AccountView) -> bool,
    now: Time,
    random: u64,
) -> Choice {
    let bound = is_bound(request);
    let choice = among(request, candidates, bound, asked, &able, now, random);
    if choice.picked.is_none() && bound && request.bound_fallback {
        return among(request, candidates, false, asked, &able, now, random);
    }
    choice
}

fn among(
    request: &Request<'_>,
    candidates: &[Candidate<'_>],
    bound: bool,
    asked: Asked,
    able: &impl Fn(&AccountView) -> bool,
    now: Time,
    random: u64,
) -> Choice {
    let judge = |candidate: &Candidate<'_>| Judged {
        account_id: candidate.view.account.id,
        verdict: refusal(request, candidate, bound, now).map_or_else(Verdict::Refused, Verdict::Eligible),
    };
    let mut judged: Vec<Judged> = candidates.iter().map(judge).collect();
    let mut lot = random;
    let mut picked = None;
    if asked == Asked::Few {
        picked = pick(request, candidates, &judged, lot).filter(|picked| able(candidates[picked.place].view));
        lot = crate::id::stir(lot);
    }
    // Most accounts are able. Where the one that was picked is not, it is drawn anew among those that are, which gives
    // each of them the same chance as if all had been asked before.
    if picked.is_none() {
        refuse_unable(candidates, &mut judged, able);
        picked = pick(request, candidates, &judged, lot);
    }
    let picked = picked.map(|picked| Picked { bound, ..picked });
    Choice { picked, judged }
}

/// Refuses what lacks something the request needs; that weighs more than a quota or a place that will be free again.
fn refuse_unable(candidates: &[Candidate<'_>], judged: &mut [Judged], able: &impl Fn(&AccountView) -> bool) {
    for (candidate, judged) in candidates.iter().zip(judged) {
        let open = matches!(judged.verdict, Verdict::Eligible(_) | Verdict::Refused(Reason::QuotaSpent | Reason::Full));
        if open && !able(candidate.view) {
            judged.verdict = Verdict::Refused(Reason::NotCapable);
        }
    }
}

/// Picks one of those that were found eligible.
fn pick(request: &Request<'_>, candidates: &[Candidate<'_>], judged: &[Judged], random: u64) -> Option<Picked> {
    let mut best: Option<Rank> = None;
    let mut special: Option<(usize, How, Rank)> = None;
    for (place, judged) in judged.iter().enumerate() {
        let Verdict::Eligible(rank) = judged.verdict else { continue };
        best = Some(best.map_or(rank, |b| b.min(rank)));
        if request.pinned == Some(judged.account_id) {
            special = Some((place, How::Pinned, rank));
        } else if request.sticky == Some(judged.account_id) && special.is_none() {
            special = Some((place, How::Sticky, rank));
        }
    }
    let (place, how, rank) = special.or_else(|| {
        let best = best?;
        let rank: Vec<usize> = (0..judged.len()).filter(|i| judged[*i].verdict == Verdict::Eligible(best)).collect();
        let (place, how) = draw(candidates, &rank, random)?;
        Some((place, how, best))
    })?;
    Some(Picked { place, account_id: judged[place].account_id, how, rank, bound: false })
}

/// Draws one of those of the highest rank. What weighs nothing is drawn as what weighs one is, so that nobody waits for
/// ever beside others of the same rank: whoever is not to serve is switched off, or has a lower priority.
fn draw(candidates: &[Candidate<'_>], rank: &[usize], random: u64) -> Option<(usize, How)> {
    let weight = |i: usize| u64::try_from(candidates[i].view.account.weight).unwrap_or(0).max(1);
    let (&first, rest) = rank.split_first()?;
    if rest.is_empty() {
        return Some((first, How::Only));
    }
    if rest.iter().all(|i| weight(*i) == weight(first)) {
        // Whoever rested longest; chance decides between those who rested as long.
        let oldest = rank.iter().map(|i| candidates[*i].state.last_used).min()?;
        let rested: Vec<usize> = rank.iter().copied().filter(|i| candidates[*i].state.last_used == oldest).collect();
        let place = usize::try_from(random % rested.len() as u64).unwrap_or(0);
        return Some((rested[place], How::LeastRecent));
    }
    let total: u64 = rank.iter().map(|i| weight(*i)).sum();
    let mut point = random % total;
    for i in rank {
        match point.checked_sub(weight(*i)) {
            Some(left) => point = left,
            None => return Some((*i, How::Drawn)),
        }
    }
    None
}

/// True when one of the key's bindings speaks of a kind that could serve.
fn is_bound(request: &Request<'_>) -> bool {
    request.bindings.iter().any(|b| {
        b.slot == Slot::Any || AccountKind::ALL.iter().any(|k| request.kinds & k.bit() != 0 && k.slot() == b.slot)
    })
}

/// What speaks against an account, or where it stands.
fn refusal(request: &Request<'_>, candidate: &Candidate<'_>, bound: bool, now: Time) -> Result<Rank, Reason> {
    let Candidate { view, state } = candidate;
    let account = &view.account;
    let refuse_if = |when: bool, reason: Reason| if when { Err(reason) } else { Ok(()) };
    refuse_if(request.kinds & account.kind.bit() == 0, Reason::WrongKind)?;
    refuse_if(request.pinned.is_some_and(|id| id != account.id), Reason::NotPinned)?;
    refuse_if(request.tried.contains(&account.id), Reason::AlreadyTried)?;
    let slot = if bound { bound_slot(request, view).ok_or(Reason::NotBound)? } else { shared(view)? };
    let group = group_place(request, view)?;
    refuse_if(!account.enabled, Reason::Disabled)?;
    refuse_if(!account.schedulable, Reason::NotSchedulable)?;
    refuse_if(view.opened.is_none(), Reason::DoesNotOpen)?;
    refuse_if(account.subscription_expires_at.is_some_and(|end| end <= now), Reason::SubscriptionEnded)?;
    match state.health {
        Health::Ok => {}
        Health::Blocked => return Err(Reason::Blocked),
        Health::Expired => return Err(Reason::Expired),
        Health::Cooling => {
            refuse_if(state.cool_until.is_none_or(|until| until > now), Reason::Cooling)?;
            refuse_if(state.in_flight > 0, Reason::BeingTried)?;
        }
    }
    if let Some(model) = request.model {
        refuse_if(!serves(view, model), Reason::ModelNotServed)?;
    }
    let clients = &account.options.clients;
    let known = request.client.is_some_and(|c| clients.iter().any(|known| known == c));
    refuse_if(!clients.is_empty() && !known, Reason::ClientNotServed)?;
    refuse_if(account.daily_quota.is_some_and(|q| q.0 > 0 && state.spent_today >= q), Reason::QuotaSpent)?;
    refuse_if(account.max_concurrency > 0 && state.in_flight >= account.max_concurrency, Reason::Full)?;
    Ok(Rank { group, slot, priority: account.priority.saturating_neg() })
}

/// The place of the binding that leads to an account.
fn bound_slot(request: &Request<'_>, view: &AccountView) -> Option<usize> {
    let slot = view.account.kind.slot();
    let fits = |b: &&Binding| {
        (b.slot == slot || b.slot == Slot::Any)
            && match b.to {
                BoundTo::Account(id) => id == view.account.id,
                BoundTo::Group(id) => view.group_ids.contains(&id),
            }
    };
    request.bindings.iter().filter(fits).map(|b| b.slot as usize).min()
}

fn shared(view: &AccountView) -> Result<usize, Reason> {
    match view.account.sharing {
        Sharing::Shared => Ok(0),
        Sharing::Dedicated => Err(Reason::Dedicated),
        Sharing::Group => Err(Reason::GroupOnly),
    }
}

/// The place of the first user group that the account serves.
fn group_place(request: &Request<'_>, view: &AccountView) -> Result<usize, Reason> {
    let served = &view.account.groups.0;
    if served.is_empty() {
        return Ok(0);
    }
    request.groups.iter().position(|g| served.contains(g)).ok_or(Reason::OtherGroup)
}

/// True when an account serves a model: it lists it, it maps it, or it lists none and its kind serves it.
pub fn serves(view: &AccountView, model: &str) -> bool {
    match view.lists(model) {
        Some(listed) => listed,
        None => view.account.options.maps(model) || family::kind_serves(view.account.kind, model),
    }
}

#[cfg(test)]
mod tests;
