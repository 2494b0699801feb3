//! Everything between a well-formed request and its execution.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use async_graphql::{Request, parser::types::OperationType};
use http::HeaderMap;

use super::{
    Gate, OperationInfo, Plane, Policy, Road, Roots,
    bucket::Throttle,
    code::{Code, Fault, HttpFault},
    coerce, cost,
    intake::{Asked, Call},
};

/// Where a request came from.
#[derive(Clone, Debug)]
pub struct Source {
    /// The id told in errors.
    pub request_id: Arc<str>,
    /// The road.
    pub road: Road,
    /// The other end.
    pub peer: Option<SocketAddr>,
    /// Its `User-Agent`.
    pub user_agent: Option<String>,
    /// Whether this road may carry writes.
    pub writes: bool,
    /// Whether this road may carry more than one answer.
    pub streams: bool,
}

impl Source {
    /// The `User-Agent` of some headers, cut to a sane length.
    pub fn user_agent(headers: &HeaderMap) -> Option<String> {
        let value = headers.get(http::header::USER_AGENT)?.to_str().ok()?;
        Some(value.chars().take(256).collect())
    }
}

/// An operation that may run.
pub struct Admitted {
    /// For the executor; holds the parsed document and the gate's data.
    pub request: Request,
    /// What it is.
    pub info: OperationInfo,
    /// The caller's bucket after it was charged.
    pub throttle: Throttle,
    /// When it was admitted.
    pub since: Instant,
}

/// A refusal, with what is known of the caller's bucket.
pub struct Refusal {
    /// Why.
    pub fault: Fault,
    /// The points it would have cost and the bucket, once known.
    pub charged: Option<(u64, Throttle)>,
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self { fault, charged: None }
    }
}

/// Holds a request against everything that does not need a resolver.
pub async fn admit<G: Gate>(
    plane: &Plane<G>,
    principal: &G::Principal,
    source: &Source,
    call: Call,
) -> Result<Admitted, Refusal> {
    let since = Instant::now();
    let limits = plane.limits();
    let policy = plane.gate.policy(principal);
    let trusted = &plane.settings.trusted;
    let text = match &call.document {
        Asked::Text(text) => text.as_str(),
        Asked::Hash(hash) => trusted.find(hash)?,
    };
    let (hash, document) = plane.documents.get(text, limits)?;
    let operation = document.operation(call.operation_name.as_deref())?;
    trusted.admit(policy.texts, &hash, operation)?;
    road_carries(operation.kind, source)?;
    caller_may(&policy, operation)?;
    let definition = document
        .definition(operation)
        .ok_or_else(|| Fault::new(Code::OperationResolution, "The operation is not there."))?;
    coerce::variables(definition, &call.variables, &plane.catalogue)?;

    let points = cost::of(&document, definition, &call.variables, &plane.catalogue, &plane.settings.cost);
    if points > limits.cost {
        return Err(Fault::new(
            Code::CostLimit,
            format!(
                "The operation costs {points} points; {} are the most. Ask for smaller pages or fewer nested lists.",
                limits.cost
            ),
        )
        .into());
    }
    let throttle = plane.settings.buckets.take(&policy.bucket, points, policy.budget).await;
    if let Some(wait) = throttle.wait {
        let mut fault = Fault::new(
            Code::RateLimited,
            format!(
                "The operation costs {points} points and {} are left; try again in {} s.",
                throttle.available,
                super::code::whole_seconds(wait)
            ),
        );
        fault.retry_after = Some(wait);
        return Err(Refusal { fault, charged: Some((points, throttle)) });
    }

    let info = OperationInfo {
        request_id: source.request_id.clone(),
        name: operation.name.clone(),
        kind: operation.kind,
        document: hash.iter().map(|byte| format!("{byte:02x}")).collect(),
        road: source.road,
        peer: source.peer,
        user_agent: source.user_agent.clone(),
        cost: points,
    };
    let mut request = Request::new("").variables(call.variables);
    // The executor takes a name for a wish to choose, and finds nothing to choose in a nameless document.
    request.operation_name.clone_from(&info.name);
    if !policy.introspection {
        request = request.disable_introspection();
    }
    request.set_parsed_query(document.ast.clone());
    Ok(Admitted { request: plane.gate.prepare(principal, &info, request), info, throttle, since })
}

fn road_carries(kind: OperationType, source: &Source) -> Result<(), Fault> {
    match kind {
        OperationType::Mutation if !source.writes => {
            Err(Fault::http(HttpFault::Method("POST"), "Mutations are sent by POST."))
        }
        OperationType::Subscription if !source.streams => Err(Fault::bad_request(
            "Subscriptions need a websocket (graphql-transport-ws), or Accept: text/event-stream or multipart/mixed;subscriptionSpec=1.0.",
        )),
        _ => Ok(()),
    }
}

fn caller_may(policy: &Policy, operation: &super::guard::Operation) -> Result<(), Fault> {
    if let Roots::Only(allowed) = policy.roots
        && let Some(root) = operation.roots.iter().find(|root| !allowed.contains(&root.as_str()))
    {
        // The list is the same for every such caller, so the name of the field tells nothing new.
        return Err(Fault::new(Code::Unauthenticated, format!("Sign in to use `{root}`.")));
    }
    if operation.introspects() && !policy.introspection {
        return Err(Fault::new(Code::Forbidden, "The schema is not open to introspection for this caller."));
    }
    Ok(())
}
