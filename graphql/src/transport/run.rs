//! Execution within a time and behind a wall for panics.

use std::{panic::AssertUnwindSafe, sync::Arc};

use async_graphql::{Executor, Request, Response, parser::types::OperationType};
use futures_util::{
    FutureExt, StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};

use tracing::Instrument;

use super::{
    Gate, Outcome, Plane,
    admit::Admitted,
    answer::{Answer, Verdict, internal},
    code::{Code, Fault},
};
use crate::progress::Progress;

/// The executor behind the schema, its types forgotten.
pub trait Engine: Send + Sync {
    /// Runs a query or a mutation.
    fn execute(&self, request: Request) -> BoxFuture<'_, Response>;
    /// Opens a subscription.
    fn subscribe(&self, request: Request) -> BoxStream<'static, Response>;
}

impl<E: Executor> Engine for E {
    fn execute(&self, request: Request) -> BoxFuture<'_, Response> {
        Progress::of(&request).watch(Executor::execute(self, request)).boxed()
    }

    fn subscribe(&self, request: Request) -> BoxStream<'static, Response> {
        Progress::of(&request).watch_events(self.execute_stream(request, None))
    }
}

/// Runs a query or a mutation to its answer. A caller who hangs up stops a query; a mutation runs on, so
/// that what it does after its commit is not cut off.
pub async fn once<G: Gate>(plane: Arc<Plane<G>>, admitted: Admitted) -> Answer {
    if admitted.info.kind != OperationType::Mutation {
        return to_the_end(&plane, admitted).await;
    }
    let request_id = admitted.info.request_id.clone();
    let running = tokio::spawn({
        let plane = plane.clone();
        async move { to_the_end(&plane, admitted).await }
    });
    match running.await {
        Ok(answer) => answer,
        Err(_) => Answer::refusal(&plane.gate, &request_id, internal()),
    }
}

async fn to_the_end<G: Gate>(plane: &Plane<G>, admitted: Admitted) -> Answer {
    let Admitted { request, info, throttle, since } = admitted;
    let limits = plane.limits();
    let span = tracing::info_span!(
        "graphql",
        "graphql.operation.type" = %info.kind,
        "graphql.operation.name" = info.name.as_deref(),
        "graphql.document.hash" = info.document,
        cost = info.cost,
        errors = tracing::field::Empty,
    );
    let running = AssertUnwindSafe(plane.engine.execute(request)).catch_unwind().instrument(span.clone());
    let mut answer = match tokio::time::timeout(limits.operation_time, running).await {
        Ok(Ok(response)) => Answer::executed(&plane.gate, limits, &info, response),
        Ok(Err(_)) => Answer::refusal(&plane.gate, &info.request_id, internal()),
        Err(_) => Answer::refusal(&plane.gate, &info.request_id, overdue(plane)),
    };
    span.record("errors", answer.errors.len());
    answer.tell_cost(info.cost, throttle);
    plane
        .gate
        .on_finish(&info, &Outcome { errors: answer.errors.len(), refused: answer.refused(), took: since.elapsed() });
    answer
}

fn overdue<G: Gate>(plane: &Plane<G>) -> Fault {
    Fault::new(
        Code::Timeout,
        format!("The operation was stopped after {} s.", plane.limits().operation_time.as_secs_f32()),
    )
}

/// A running subscription.
pub struct Events<G: Gate> {
    plane: Arc<Plane<G>>,
    info: super::OperationInfo,
    since: std::time::Instant,
    stream: Option<BoxStream<'static, std::thread::Result<Response>>>,
    ahead: Option<Answer>,
    started: bool,
    last: (usize, Option<Code>),
}

impl<G: Gate> Events<G> {
    /// Opens a subscription; nothing of it runs until the first event is asked for.
    pub fn open(plane: Arc<Plane<G>>, admitted: Admitted) -> Self {
        let Admitted { request, info, since, .. } = admitted;
        let engine = plane.engine.clone();
        let opened = std::panic::catch_unwind(AssertUnwindSafe(|| engine.subscribe(request)));
        let stream = match opened {
            Ok(stream) => AssertUnwindSafe(stream).catch_unwind().boxed(),
            Err(panic) => stream::iter([Err(panic)]).boxed(),
        };
        Self { plane, info, since, stream: Some(stream), ahead: None, started: false, last: (0, None) }
    }

    /// The next event; `None` when the subscription is over. A subscription that never came to stand
    /// answers once, with a refusal.
    pub async fn next(&mut self) -> Option<Answer> {
        if let Some(answer) = self.ahead.take() {
            return Some(answer);
        }
        let first = !self.started;
        self.started = true;
        let mut answer = self.pull().await?;
        if first && answer.data.as_ref().is_none_or(|data| *data == async_graphql::Value::Null) {
            // Errors and no data may be a first event gone wrong, or a stream that was never made: then
            // it ends at once.
            let peeked = match &mut self.stream {
                Some(_) => self.pull().now_or_never(),
                None => Some(None),
            };
            match peeked {
                None => {}
                Some(Some(second)) => self.ahead = Some(second),
                Some(None) => {
                    let code = answer.errors.first().and_then(code_of);
                    answer.verdict = Verdict::Refused(code.unwrap_or(Code::Internal));
                    answer.data = None;
                }
            }
        }
        self.last = (answer.errors.len(), answer.refused());
        Some(answer)
    }

    async fn pull(&mut self) -> Option<Answer> {
        let plane = &self.plane;
        match self.stream.as_mut()?.next().await {
            Some(Ok(response)) => Some(Answer::executed(&plane.gate, plane.limits(), &self.info, response)),
            Some(Err(_)) => {
                self.stream = None;
                Some(Answer::refusal(&plane.gate, &self.info.request_id, internal()))
            }
            None => {
                self.stream = None;
                None
            }
        }
    }
}

impl<G: Gate> Drop for Events<G> {
    fn drop(&mut self) {
        self.plane
            .gate
            .on_finish(&self.info, &Outcome { errors: self.last.0, refused: self.last.1, took: self.since.elapsed() });
    }
}

fn code_of(error: &async_graphql::ServerError) -> Option<Code> {
    match error.extensions.as_ref()?.get("code")? {
        async_graphql::Value::String(word) => Code::parse(word),
        _ => None,
    }
}
