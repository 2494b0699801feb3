//! The life of a call, from its admission to its settlement.
//!
//! [`run`] reads from top to bottom: admit, then on a task of its own choose, send, and carry the answer to the
//! client. The client's connection may end at any moment; the task does not end with it before the vendor's
//! figures are in.

pub mod admit;
pub mod attached;
pub mod attempt;
pub mod bridge;
pub mod carry;
pub mod choose;
mod early;
pub mod engine;
pub mod explain;
pub mod fetch;
mod finish;
pub mod health;
pub mod heard;
pub mod meter;
pub mod pins;
pub mod pump;
pub mod queue;
pub mod ready;
pub mod realtime;
pub mod rules;
pub mod said;
pub mod session;
pub mod socket;
pub mod stick;
mod task;
pub mod tokens;
pub mod units;
pub mod words;

use std::sync::Arc;

use axum::body::Body;
use http::Response;
use schema::App;
use schema::service::admission;
use schema::service::directory::{self, AccountView, KeyView, Seat};
use schema::service::routing::Picked;
use tokio::sync::oneshot;

pub use heard::{Call, Content, Request, Unheard};

use self::attempt::{Means, Miss, Tried, attempt};
use self::choose::{Nobody, Wanted};
use self::engine::Engine;
use self::health::Found;
use self::meter::{End, Meter, Served};
use self::ready::Ready;
use self::rules::Rules;
use self::tokens::{Armed, NoToken};
use self::units::Size;
use crate::convert::Fault;
use crate::convert::edit::Body as JsonBody;
use crate::convert::fault::Kind;
use crate::provider::blame::{Blame, Fault as AccountFault, pause};
use crate::provider::{Operation, Reason, Refusal};
use crate::task::Handing;

/// Serves a call whose key may come through its door.
pub async fn run(app: &App, engine: &Arc<Engine>, call: Call, view: Arc<KeyView>) -> Response<Body> {
    begin(app, engine, call, view, None).await
}

/// Serves a call that hands a task in.
pub async fn hand_in(app: &App, engine: &Arc<Engine>, call: Call, view: Arc<KeyView>, task: Handing) -> Response<Body> {
    begin(app, engine, call, view, Some(task)).await
}

async fn begin(
    app: &App,
    engine: &Arc<Engine>,
    call: Call,
    view: Arc<KeyView>,
    task: Option<Handing>,
) -> Response<Body> {
    let rules = engine.rules.current(app);
    let admitted = match admit::admit(app, &call, &view).await {
        Ok(admitted) => admitted,
        Err(no) => return *no,
    };
    let ear = call.ear;
    let early = (rules.early_keep_alive && call.stream).then_some((rules.pace.keep_alive, ear.dialect));
    let meter = Meter::start(app, &call, view, admitted.bill, admitted.ticket, rules.log_every);
    let (answer, mut response) = oneshot::channel();
    if task.is_some() {
        // A vendor that has taken a task works on it whether its client waits for the id or not.
        let (forward, forwarded) = oneshot::channel();
        app.spawn(async move {
            if let Ok(done) = response.await {
                let _gone = forward.send(done);
            }
        });
        response = forwarded;
    }
    let (size, meter) = (admitted.size, Some(meter));
    let life = Life { app: app.clone(), engine: engine.clone(), rules, call, size, meter, task };
    app.spawn(life.run(answer));
    let lost = || ear.refuse(&Fault::new(Kind::Server, "The call was aborted."), None);
    match early {
        Some((wait, dialect)) => early::answer(app, response, wait, dialect).await.unwrap_or_else(lost),
        None => response.await.unwrap_or_else(|_| lost()),
    }
}

/// Where the answer goes.
type Answer = oneshot::Sender<Response<Body>>;

/// An account at work for a call.
struct Place {
    ready: Arc<Ready>,
    bought: Option<String>,
    picked: Picked,
    /// Its places, given back when the call is over.
    _seat: Seat,
    _slot: Option<admission::Slot>,
}

struct Life {
    app: App,
    engine: Arc<Engine>,
    rules: Arc<Rules>,
    call: Call,
    size: Size,
    /// Taken when the call is settled.
    meter: Option<Meter>,
    /// The task that it hands in; taken when its row is finished with.
    task: Option<Handing>,
}

impl Life {
    async fn run(mut self, mut answer: Answer) {
        let Some(view) = self.meter.as_ref().map(|meter| meter.view().clone()) else { return };
        let conversation = session::name(&self.call.headers, self.call.dialect, self.json());
        let sticky = match &conversation {
            Some(name) => self.engine.sticky.find(&self.app, view.key.id, name).await,
            None => None,
        };
        let pinned = match self.pinned(&view).await {
            Ok(pinned) => pinned,
            Err(no) => return self.refuse(answer, *no, "pin_not_found"),
        };
        let mut tried: Vec<i64> = Vec::new();
        let mut refused: Option<Refusal> = None;
        let mut missed: Option<Miss> = None;
        let mut attempts = 0;
        loop {
            let place = match self.place(&view, &mut tried, sticky, pinned).await {
                Ok(place) => place,
                Err(nobody) => return self.give_up(answer, nobody, refused, missed),
            };
            let account = place.ready.id();
            tried.push(account);
            attempts += 1;
            if let Err(no) = self.note_task(&place).await {
                return self.refuse(answer, *no, "task_not_kept");
            }
            let (tried_it, place, key, model) = match self.try_at(place, &mut answer).await {
                Ok(done) => done,
                Err(None) => return self.client_gone(),
                Err(Some(why)) => {
                    missed = Some(why);
                    continue;
                }
            };
            match tried_it {
                Tried::Whole { status, headers, body, usage, warnings } => {
                    self.works(&view, &place, conversation.as_deref());
                    if let Some(task) = self.task.take() {
                        return self.handed_in(answer, task, &body).await;
                    }
                    if let Some(held) = pins::made(&self.call, &body) {
                        self.engine.pins.pin(&self.app, view.key.id, held, account);
                    }
                    return self.whole(answer, status, headers, body, usage, &warnings);
                }
                Tried::Stream(begun) => {
                    self.works(&view, &place, conversation.as_deref());
                    if let Some(held) = begun.ready.first().and_then(|first| pins::made(&self.call, first)) {
                        self.engine.pins.pin(&self.app, view.key.id, held, account);
                    }
                    return self.stream(answer, *begun, &place).await;
                }
                Tried::Caller { status, headers, body, fault } => {
                    self.works(&view, &place, None);
                    return self.callers_fault(answer, status, headers, body, &fault);
                }
                Tried::Unsaid(fault) => {
                    let no = self.call.ear.refuse(&fault, None);
                    return self.refuse(answer, no, "unsupported");
                }
                Tried::Refused(refusal) => refused = Some(refusal),
                Tried::Missed(miss) => {
                    self.note(&place, &miss, &model, key);
                    // Only one of its keys was refused; the call may come back with another.
                    if self.has_another_key(&place.ready, &miss) {
                        tried.retain(|tried| *tried != account);
                    }
                    missed = Some(miss);
                }
            }
            if attempts >= self.rules.tries {
                let nobody = Nobody::NotNow(None);
                return self.give_up(answer, nobody, refused, missed);
            }
        }
    }

    fn json(&self) -> Option<&JsonBody> {
        match &self.call.content {
            Content::Json(body) => Some(body),
            Content::Raw(_) | Content::Empty => None,
        }
    }

    /// The account that holds what the call builds on.
    async fn pinned(&self, view: &KeyView) -> Result<Option<i64>, admit::No> {
        if let Some(task) = &self.task {
            return Ok(task.pinned());
        }
        let Some(held) = pins::named(&self.call) else { return Ok(None) };
        match self.engine.pins.find(&self.app, view.key.id, &held).await {
            Ok(Some(account)) => Ok(Some(account)),
            // Where only one account could know it, its vendor may say whether it does.
            Ok(None) if self.call.operation != Operation::Stored => Ok(None),
            Ok(None) => {
                let text =
                    format!("No {} with the id '{}' was made with this key.", held.scope.replace('_', " "), held.name);
                Err(Box::new(self.call.ear.refuse(&Fault::new(Kind::NotFound, text), None)))
            }
            Err(error) => {
                tracing::error!(cause = error.cause(), "a pin could not be read");
                let fault = Fault::new(Kind::Unavailable, "The stored object cannot be looked up right now.");
                Err(Box::new(self.call.ear.refuse(&fault, Some(5))))
            }
        }
    }

    /// An account with a free place, its token good as far as is known.
    async fn place(
        &self,
        view: &Arc<KeyView>,
        tried: &mut Vec<i64>,
        sticky: Option<i64>,
        pinned: Option<i64>,
    ) -> Result<Place, Nobody> {
        let Some(meter) = &self.meter else { return Err(Nobody::NotNow(None)) };
        loop {
            let now = self.app.clock.now();
            let accounts = directory::accounts(&self.app);
            let wanted = Wanted { call: &self.call, view, terms: meter.bill().terms(), tried, sticky, pinned };
            let random = u64::from_le_bytes(schema::id::random::<8>());
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

    /// One account's turn, with a second attempt where only its token was stale. `Err(None)` says that the
    /// client has gone and nothing is owed.
    async fn try_at(
        &mut self,
        mut place: Place,
        answer: &mut Answer,
    ) -> Result<(Tried, Place, usize, String), Option<Miss>> {
        place = match tokens::arm(&self.app, &self.engine, place.ready.clone()).await {
            Ok(Armed { ready, bought }) => Place { ready, bought, ..place },
            Err(no) => return Err(Some(self.tokenless(&place, no))),
        };
        let mut refreshed = false;
        loop {
            let key = self.key(&place.ready);
            let model = place.ready.options().mapped(&self.call.model).into_owned();
            self.served_at(&place, &model);
            let tried = self.attempt(&place, key, &model, refreshed, answer).await.ok_or(None)?;
            let stale = match &tried {
                Tried::Missed(miss) => miss.blame == Blame::Account(AccountFault::RefreshToken),
                Tried::Refused(Refusal::NoToken) => true,
                _ => false,
            };
            if !stale || refreshed {
                return Ok((tried, place, key, model));
            }
            self.engine.tokens.forget(place.ready.id());
            place = match tokens::renew(&self.app, &self.engine, place.ready.clone()).await {
                Ok(Armed { ready, bought }) => Place { ready, bought, ..place },
                Err(no) => return Err(Some(self.tokenless(&place, no))),
            };
            refreshed = true;
        }
    }

    /// Whose turn it is among an account's keys, those that were refused of late left out.
    fn key(&self, ready: &Ready) -> usize {
        let (first, keys) = (ready.key(), ready.keys());
        (0..keys).map(|step| (first + step) % keys).find(|key| self.takes_key(ready, *key)).unwrap_or(first)
    }

    fn takes_key(&self, ready: &Ready, key: usize) -> bool {
        let disabled = ready.options().disabled_keys.iter().any(|number| usize::try_from(*number) == Ok(key));
        !disabled && !self.engine.accounts.refuses_key(ready.id(), key, self.app.clock.now().0)
    }

    fn has_another_key(&self, ready: &Ready, miss: &Miss) -> bool {
        let keys = ready.keys();
        matches!(miss.blame, Blame::Account(_)) && keys > 1 && (0..keys).any(|key| self.takes_key(ready, key))
    }

    fn served_at(&mut self, place: &Place, model: &str) {
        let account = &place.ready.view.account;
        if let Some(meter) = &mut self.meter {
            let groups = meter.view().groups(meter.bill().terms());
            let group = groups.get(place.picked.rank.group).or(groups.first()).cloned().unwrap_or_default();
            meter.at(Served { account: account.id, service: account.kind.service(), group, model: model.to_owned() });
        }
    }

    /// One attempt. A client that goes while it runs leaves it a short while for the vendor's figures.
    async fn attempt(
        &self,
        place: &Place,
        key: usize,
        model: &str,
        refreshed: bool,
        answer: &mut Answer,
    ) -> Option<Tried> {
        let means = Means {
            upstreams: &self.engine.upstreams,
            fetcher: &self.rules.fetcher,
            limits: self.rules.limits,
            patience: self.rules.patience,
            now: self.app.clock.now().0,
            refreshed,
        };
        let upstream = place.ready.upstream(key, place.bought.as_deref());
        let work = attempt(&means, &self.call, &place.ready, upstream, model);
        tokio::pin!(work);
        tokio::select! {
            biased;
            tried = &mut work => return Some(tried),
            () = answer.closed() => {}
        }
        tokio::time::timeout(self.rules.pace.client_gone, work).await.ok()
    }

    fn tokenless(&self, place: &Place, no: NoToken) -> Miss {
        let now = self.app.clock.now().0;
        let (blame, why) = match no {
            NoToken::ForGood(why) => (Blame::blocked(Reason::BadCredential), why),
            NoToken::Later { why, .. } => (Blame::Vendor { until: now + pause::FAILURE }, why),
        };
        let miss = Miss { blame, status: 0, why };
        // A dead login is noted where it died.
        if matches!(miss.blame, Blame::Vendor { .. }) {
            self.note(place, &miss, "", 0);
        }
        miss
    }

    fn note(&self, place: &Place, miss: &Miss, model: &str, key: usize) {
        schema::metrics::catalogue::FAILOVERS.add(1);
        let found = Found {
            blame: &miss.blame,
            status: miss.status,
            why: &miss.why,
            model,
            key: (key, place.ready.keys()),
            now: self.app.clock.now().0,
        };
        tracing::warn!(
            account = place.ready.id(),
            call = self.call.id,
            status = miss.status,
            why = miss.why,
            "an account failed a call"
        );
        self.engine.accounts.failed(&place.ready.view, &found);
    }

    fn works(&self, view: &KeyView, place: &Place, conversation: Option<&str>) {
        self.engine.accounts.works(&place.ready.view, self.app.clock.now());
        if let Some(name) = conversation {
            self.engine.sticky.stay(&self.app, view.key.id, name, place.ready.id());
        }
    }

    fn settle(&mut self, end: End) {
        if let Some(task) = self.task.take() {
            task.abandon(&self.app, end.error);
        }
        if let Some(meter) = self.meter.take() {
            meter.settle(end);
        }
    }

    fn client_gone(mut self) {
        self.settle(End { status: 499, error: "client_gone", ..End::default() });
    }
}
