//! The life of a call, from its admission to its settlement.
//!
//! [`run`] reads from top to bottom: admit, choose, send, and carry the answer to the client. The client's
//! connection may end at any moment; the call does not end with it before the vendor's figures are in.

pub mod admit;
pub mod attached;
pub mod attempt;
mod background;
mod bind;
pub mod bridge;
pub mod carry;
pub mod choose;
mod early;
pub mod engine;
pub mod explain;
pub mod fetch;
mod finish;
pub mod forbidden;
pub mod health;
pub mod heard;
pub mod meter;
pub mod pins;
mod place;
pub mod pump;
pub mod queue;
pub mod ready;
pub mod realtime;
pub mod rules;
pub mod said;
mod served;
pub mod session;
pub mod socket;
pub mod stick;
mod task;
pub mod tokens;
pub mod turn;
pub mod units;
pub mod words;

use std::sync::Arc;

use axum::body::Body;
use http::Response;
use schema::App;
use schema::service::directory::KeyView;
use tokio::sync::oneshot;

pub use heard::{Call, Content, Request, Unheard};

use self::attempt::{Means, Miss, Tried, attempt};
use self::bind::Bound;
use self::choose::Nobody;
use self::engine::Engine;
use self::health::Found;
use self::meter::{End, Meter};
use self::pins::{Held, Keeper};
use self::place::Place;
use self::rules::Rules;
use self::served::Served;
use self::tokens::{Armed, NoToken};
use self::units::Size;
use crate::convert::Fault;
use crate::convert::edit::Body as JsonBody;
use crate::convert::fault::Kind;
use crate::provider::blame::{Blame, Fault as AccountFault, pause};
use crate::provider::{Operation, Reason, Refusal};
use crate::sse::tap::response_items;
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
    mut call: Call,
    view: Arc<KeyView>,
    task: Option<Handing>,
) -> Response<Body> {
    let rules = engine.rules.current(app);
    let admitted = match admit::admit(app, &rules, &call, &view).await {
        Ok(admitted) => admitted,
        Err(no) => return *no,
    };
    let ear = call.ear;
    let early = (rules.early_keep_alive && call.stream).then_some((rules.pace.keep_alive, ear.dialect));
    let meter = Meter::start(app, &call, view, admitted.bill, admitted.ticket, rules.log_every);
    attached::strip(&mut call);
    let hands_in = task.is_some();
    let life = Life::begin(app, engine, rules, call, admitted.size, meter, task);
    let served = Served::begin(&app.tasks, |answer| life.run(answer));
    let answer = match early {
        _ if hands_in => {
            // A vendor that has taken a task works on it whether its client waits for the id or not.
            let (forward, forwarded) = oneshot::channel();
            app.spawn(async move {
                let _gone = forward.send(served.await);
            });
            forwarded.await.unwrap_or(None)
        }
        Some((wait, dialect)) => early::answer(app, served, wait, dialect).await,
        None => served.await,
    };
    answer.unwrap_or_else(|| ear.refuse(&Fault::new(Kind::Server, "The call was aborted."), None))
}

/// Where the answer goes.
type Answer = oneshot::Sender<Response<Body>>;

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
    /// Who holds what the call builds on.
    keeper: Option<Keeper>,
    /// Its session, where sessions are bound to accounts.
    bound: Bound,
}

impl Life {
    /// An admitted call that nobody has been asked for yet.
    fn begin(
        app: &App,
        engine: &Arc<Engine>,
        rules: Arc<Rules>,
        call: Call,
        size: Size,
        meter: Meter,
        task: Option<Handing>,
    ) -> Self {
        let (app, engine) = (app.clone(), engine.clone());
        Self { app, engine, rules, call, size, meter: Some(meter), task, keeper: None, bound: Bound::Free }
    }

    /// What few calls come to is boxed, so that a call is not as large as the largest of them.
    async fn run(mut self, mut answer: Answer) {
        let Some(view) = self.meter.as_ref().map(|meter| meter.view().clone()) else { return };
        let conversation = session::name(&self.call.headers, self.call.dialect, self.json());
        let sticky = match &conversation {
            Some(name) => self.engine.sticky.find(&self.app, view.key.id, name).await,
            None => None,
        };
        self.keeper = match self.pinned(&view).await {
            Ok(keeper) => keeper,
            Err(no) => return self.refuse(answer, *no, "pin_not_found"),
        };
        if self.rules.binding.is_some()
            && let Err(no) = Box::pin(self.bind(&view)).await
        {
            return self.refuse(answer, *no, "pin_not_read");
        }
        let mut tried: Vec<i64> = Vec::new();
        let mut refused: Option<Refusal> = None;
        let mut missed: Option<Miss> = None;
        let mut attempts = 0;
        loop {
            let place = match self.place(&view, &mut tried, sticky).await {
                Ok(place) => place,
                Err(nobody) => return self.give_up(answer, nobody, refused, missed),
            };
            let account = place.ready.id();
            tried.push(account);
            attempts += 1;
            if self.task.is_some()
                && let Err(no) = Box::pin(self.note_task(&place)).await
            {
                return self.refuse(answer, *no, "task_not_kept");
            }
            let turn = match self.rules.turns {
                None => Ok(None),
                Some(_) => Box::pin(self.turn(&place, &mut answer)).await,
            };
            let turn = match turn {
                Ok(turn) => turn,
                Err(None) => return self.client_gone(),
                Err(Some(why)) => {
                    missed.get_or_insert(why);
                    if attempts >= self.rules.tries {
                        return self.give_up(answer, Nobody::NotNow(None), refused, missed);
                    }
                    continue;
                }
            };
            let outcome = self.try_at(place, &mut answer).await;
            drop(turn);
            let (tried_it, place, key, model) = match outcome {
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
                        let key = place.ready.key_name(key);
                        return Box::pin(self.handed_in(answer, task, &body, key)).await;
                    }
                    if let Some(held) = pins::made(&self.call, &body) {
                        self.pin(&view, held, &place, key);
                        if pins::keeps_items(&self.call) {
                            pins::items(&response_items(&body)).for_each(|held| self.pin(&view, held, &place, key));
                        }
                    }
                    if let Some(id) = background::pending(&self.call, &body) {
                        let begun = (status, headers, body, warnings);
                        return self.later(answer, begun, &place, key, &id).await;
                    }
                    return self.whole(answer, status, headers, body, usage, &warnings);
                }
                Tried::Stream(begun) => {
                    self.works(&view, &place, conversation.as_deref());
                    if let Some(held) = begun.ready.first().and_then(|first| pins::made(&self.call, first)) {
                        self.pin(&view, held, &place, key);
                    }
                    // On a task of its own: this one is as large as all that led here, and a stream may last.
                    let app = self.app.clone();
                    return app.spawn(Box::pin(self.stream(answer, begun, place, key)));
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

    fn pin(&self, view: &KeyView, held: Held, place: &Place, key: usize) {
        let keeper = Keeper { account: place.ready.id(), key: place.ready.key_name(key) };
        self.engine.pins.pin(&self.app, view.key.id, held, keeper, pins::LIFE);
    }

    /// Who holds what the call builds on.
    async fn pinned(&self, view: &KeyView) -> Result<Option<Keeper>, admit::No> {
        let chosen = self.call.account.map(|account| Keeper { account, key: String::new() });
        if let Some(task) = &self.task {
            return Ok(task.pinned().cloned().or(chosen));
        }
        if chosen.is_some() {
            return Ok(chosen);
        }
        let Some(held) = pins::named(&self.call) else { return Ok(None) };
        match Box::pin(self.engine.pins.find(&self.app, view.key.id, &held)).await {
            Ok(Some(keeper)) => Ok(Some(keeper)),
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
            place = match Box::pin(tokens::renew(&self.app, &self.engine, place.ready.clone())).await {
                Ok(Armed { ready, bought }) => Place { ready, bought, ..place },
                Err(no) => return Err(Some(self.tokenless(&place, no))),
            };
            refreshed = true;
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
            record: self.rules.record,
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
            if let (Bound::ToBe(held), Some(binding)) = (&self.bound, &self.rules.binding) {
                // Any of the account's keys will do.
                let keeper = Keeper { account: place.ready.id(), key: String::new() };
                self.engine.pins.pin(&self.app, view.key.id, held.clone(), keeper, binding.life);
            }
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
