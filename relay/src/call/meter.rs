//! The meter of one call: settles it exactly once, whatever ends it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use schema::App;
use schema::metrics::catalogue;
use schema::model::api_key::Service;
use schema::service::admission::{self, Ticket};
use schema::service::directory::KeyView;
use schema::service::price::Units;
use schema::service::settle::{self, Recorded, Settlement};

use super::admit::{Bill, demand, refusal};
use super::units::{self, Size};
use super::{Call, words};
use crate::provider::Operation;

/// Where a call was served.
#[derive(Clone, Debug)]
pub struct Served {
    /// The account.
    pub account: i64,
    /// The service it belongs to.
    pub service: Service,
    /// The user group in whose name it served.
    pub group: String,
    /// The vendor's name of the model.
    pub model: String,
}

/// How a call ended.
#[derive(Clone, Debug, Default)]
pub struct End {
    /// The HTTP status that the client saw.
    pub status: u16,
    /// What went wrong, in a word; empty when nothing did.
    pub error: &'static str,
    /// What was used.
    pub units: Option<Units>,
    /// Whether that was guessed.
    pub estimated: bool,
    /// What was said, when that is recorded.
    pub said: Option<Recorded>,
}

/// A call's meter.
pub struct Meter {
    app: App,
    view: Arc<KeyView>,
    bill: Bill,
    ticket: Option<Ticket>,
    sheet: Option<Settlement>,
    began: std::time::Instant,
    served: Option<Served>,
    log_every: u64,
    request_id: String,
}

impl Meter {
    /// Starts metering an admitted call.
    pub fn start(app: &App, call: &Call, view: Arc<KeyView>, bill: Bill, ticket: Ticket, log_every: u64) -> Self {
        catalogue::CALLS.add(1);
        catalogue::CALLS_OPEN.add(1);
        let sheet = Settlement {
            call_id: call.id.clone(),
            at: call.at,
            user_id: view.owner.id,
            key_id: view.key.id,
            model: call.model.clone(),
            dialect: words::dialect(call.dialect).to_owned(),
            operation: words::operation(call.operation, call.dialect).to_owned(),
            stream: call.stream,
            from_wallet: bill.from_wallet,
            ip: call.origin.ip.clone(),
            client: call.origin.agent.clone(),
            meta: super::attached::of(call),
            ..Settlement::default()
        };
        Self {
            app: app.clone(),
            view,
            bill,
            ticket: Some(ticket),
            sheet: Some(sheet),
            began: call.began,
            served: None,
            log_every,
            request_id: call.origin.request_id.clone(),
        }
    }

    /// The key.
    pub fn view(&self) -> &Arc<KeyView> {
        &self.view
    }

    /// How the call is priced.
    pub fn bill(&self) -> &Bill {
        &self.bill
    }

    /// An account is being asked; what follows is billed to it.
    pub fn at(&mut self, served: Served) {
        self.served = Some(served);
    }

    /// No account has served the call after all.
    pub fn unserved(&mut self) {
        self.served = None;
    }

    /// The first byte of the answer is there.
    pub fn first_byte(&mut self) {
        let elapsed = self.began.elapsed();
        if let Some(sheet) = &mut self.sheet {
            sheet.first_byte_ms = millis(elapsed);
            catalogue::FIRST_BYTE_MS.note(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
        }
    }

    /// Settles the call; what comes after changes nothing.
    pub fn settle(mut self, end: End) {
        self.close(end);
    }

    /// Settles the call, and returns when that is durable.
    pub async fn settle_durably(mut self, end: End) -> schema::Result<()> {
        match self.closing(end) {
            Some((sheet, ticket)) => settle::record(&self.app, sheet, ticket).await,
            None => Ok(()),
        }
    }

    /// Books one part of a call that goes on, such as a response of a session, and lets go of what it held.
    pub fn part(&mut self, number: u64, units: &Units) {
        let Some(sheet) = &self.sheet else { return };
        let mut part = Settlement {
            call_id: format!("{}-{number}", sheet.call_id),
            at: self.app.clock.now(),
            status: 200,
            ..sheet.clone()
        };
        self.price(&mut part, units);
        part.duration_ms = millis(self.began.elapsed());
        let ticket = self.ticket.take();
        self.submit(part, ticket);
    }

    /// What the next part of a call that goes on asks of the limits.
    pub fn next_demand(&self, view: &KeyView, size: &Size) -> admission::Ask {
        let guessed = units::guess(Operation::Realtime, size, None);
        let model = self.sheet.as_ref().map_or("", |sheet| sheet.model.as_str());
        let estimate = self.bill.estimate(view, model, &guessed);
        let tokens = guessed.whole_input().saturating_add(guessed.output);
        demand(view, model, estimate, tokens, self.app.clock.now(), Some(&self.bill))
    }

    /// Holds the next part back; the error is for the caller.
    pub async fn hold(&mut self, ask: &admission::Ask) -> Result<(), String> {
        match admission::admit(&self.app, ask).await {
            Ok(ticket) => {
                self.ticket = Some(ticket);
                Ok(())
            }
            Err(denied) => Err(refusal(&denied).message),
        }
    }

    /// Ends a call whose parts were all booked.
    pub fn leave(mut self) {
        if self.sheet.take().is_some() {
            catalogue::CALLS_OPEN.add(-1);
        }
        let Some(ticket) = self.ticket.take() else { return };
        let app = self.app.clone();
        self.app.spawn(async move {
            if let Err(error) = admission::cancel(&app, ticket).await {
                tracing::warn!(cause = error.cause(), "what a session held runs out by itself");
            }
        });
    }

    fn price(&self, sheet: &mut Settlement, units: &Units) {
        sheet.counts = units::counts(units);
        if let Some(served) = &self.served {
            sheet.account_id = served.account;
            sheet.upstream_model.clone_from(&served.model);
            let (raw, billed) = self.bill.cost(&self.view, &served.group, &sheet.model, served.service, units);
            sheet.raw_cost = raw;
            sheet.cost = billed;
        }
    }

    fn close(&mut self, end: End) {
        if let Some((sheet, ticket)) = self.closing(end) {
            self.submit(sheet, ticket);
        }
    }

    /// What is to be booked of a call that ends now, and what it held; `None` when that was done.
    fn closing(&mut self, end: End) -> Option<(Settlement, Option<Ticket>)> {
        let mut sheet = self.sheet.take()?;
        catalogue::CALLS_OPEN.add(-1);
        let ticket = self.ticket.take();
        sheet.status = i64::from(end.status);
        end.error.clone_into(&mut sheet.error_code);
        sheet.estimated = end.estimated;
        sheet.content = end.said;
        sheet.duration_ms = millis(self.began.elapsed());
        // Nothing was served: nothing is owed, and the account is named only for the statistics.
        let units = end.units.unwrap_or(Units { calls: 0, ..Units::default() });
        self.price(&mut sheet, &units);
        if sheet.failed() {
            catalogue::CALL_ERRORS.add(1);
        }
        self.log(&sheet);
        if self.served.is_none() {
            // A call that nobody could serve does not count against its key's limits.
            if let Some(ticket) = ticket {
                let app = self.app.clone();
                self.app.spawn(async move {
                    if let Err(error) = admission::cancel(&app, ticket).await {
                        tracing::warn!(cause = error.cause(), "a call that was not served stays counted");
                    }
                });
            }
            return Some((sheet, None));
        }
        Some((sheet, ticket))
    }

    fn submit(&self, sheet: Settlement, ticket: Option<Ticket>) {
        let (call, key) = (sheet.call_id.clone(), sheet.key_id);
        if let Err(error) = settle::submit(&self.app, sheet, ticket) {
            tracing::error!(call, key, cause = error.cause(), "a call could not be recorded: {error}");
        }
    }

    /// One line per failed call, and one per so many others.
    fn log(&self, sheet: &Settlement) {
        static CALLS: AtomicU64 = AtomicU64::new(0);
        let failed = sheet.failed();
        let turn = CALLS.fetch_add(1, Ordering::Relaxed);
        if !failed && (self.log_every == 0 || !turn.is_multiple_of(self.log_every)) {
            return;
        }
        tracing::info!(
            request = self.request_id,
            call = sheet.call_id,
            key = sheet.key_id,
            account = sheet.account_id,
            model = sheet.model,
            dialect = sheet.dialect,
            operation = sheet.operation,
            stream = sheet.stream,
            status = sheet.status,
            error = sheet.error_code,
            input = sheet.counts.input,
            output = sheet.counts.output,
            cost = sheet.cost,
            first_byte_ms = sheet.first_byte_ms,
            duration_ms = sheet.duration_ms,
            "call"
        );
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        // Only a call whose task was dropped or panicked comes here unsettled.
        self.close(End { status: 499, error: "aborted", ..End::default() });
    }
}

fn millis(elapsed: Duration) -> i64 {
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}
