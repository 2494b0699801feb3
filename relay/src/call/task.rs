//! Where the life of a call meets the task that it hands in: the row before the vendor is asked, the booking
//! before the id is told.

use bytes::Bytes;
use http::StatusCode;

use super::meter::End;
use super::{Answer, Life, Place, admit, units};
use crate::convert::Fault;
use crate::convert::fault::Kind;
use crate::ingress::refuse::plain;
use crate::provider::Operation;
use crate::task::Handing;

impl Life {
    /// Keeps the task's row in step with the account that is asked next.
    pub(super) async fn note_task(&mut self, place: &Place) -> Result<(), admit::No> {
        let (Some(task), Some(meter)) = (&mut self.task, &self.meter) else { return Ok(()) };
        let account = &place.ready.view.account;
        let groups = meter.view().groups(meter.bill().terms());
        let group = groups.get(place.picked.rank.group).or(groups.first()).cloned().unwrap_or_default();
        let units = units::guess(Operation::Submit, &self.size, None);
        let service = account.kind.service();
        let (_, cost) = meter.bill().cost(meter.view(), &group, &self.call.model, service, &units);
        let until = self.app.clock.now().plus(i64::try_from(self.rules.patience.whole.as_millis()).unwrap_or(i64::MAX));
        let paid = (schema::Micros(cost), meter.bill().from_wallet);
        match task.at(&self.app, &self.call, meter.view(), account.id, paid, until).await {
            Ok(()) => Ok(()),
            Err(error) => {
                tracing::error!(cause = error.cause(), "a task could not be kept: {error}");
                let fault = Fault::new(Kind::Unavailable, "The task cannot be kept right now. Please try again later.");
                Err(Box::new(self.call.ear.refuse(&fault, Some(5))))
            }
        }
    }

    /// The vendor has answered: books the task, and only then tells its id. `key` names the account's key by which
    /// the vendor knows it.
    pub(super) async fn handed_in(mut self, answer: Answer, task: Handing, body: &Bytes, key: String) {
        let Some(taken) = task.taken(body) else {
            task.abandon(&self.app, "the vendor's answer names no task");
            let fault = Fault { status: Some(502), ..Fault::new(Kind::Server, "The vendor's answer names no task.") };
            let no = self.call.ear.refuse(&fault, None);
            return self.refuse(answer, no, "no_task");
        };
        let units = units::guess(Operation::Submit, &self.size, None);
        let end = End { status: 200, units: taken.paid.then_some(units), ..End::default() };
        if let Some(mut meter) = self.meter.take() {
            meter.first_byte();
            if let Err(error) = meter.settle_durably(end).await {
                tracing::error!(call = self.call.id, cause = error.cause(), "a task could not be booked: {error}");
                task.undo(&self.app, "the task could not be booked");
                let fault = Fault::new(Kind::Unavailable, "The task could not be booked. Please try again later.");
                let _gone = answer.send(self.call.ear.refuse(&fault, Some(5)));
                return;
            }
        }
        let response = match task.keep(&self.app, &self.call, taken, key).await {
            Some(told) => plain(StatusCode::OK, told.to_string().into_bytes()),
            // What was booked is given back when the row's end is found.
            None => {
                let fault = Fault::new(Kind::Unavailable, "The task could not be kept. Please try again later.");
                self.call.ear.refuse(&fault, Some(5))
            }
        };
        let _gone = answer.send(response);
    }
}
