//! May this call be made: the key and its rules, the price, and every limit at once; what may be spent is held
//! back before anything is sent.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use http::Response;
use schema::model::api_key::{KeyLimits, KeyState, Permissions, Service};
use schema::model::catalog::Price;
use schema::service::admission::{self, Denied, Limit, Ticket, WindowLimits};
use schema::service::directory::{self, Ask, KeyView, NoPrice, Refusal, Terms};
use schema::service::price::{self, ONE, Units};
use schema::service::routing::family;
use schema::service::setting::{self, names};
use schema::{App, Micros, Time};

use super::Call;
use super::forbidden;
use super::queue;
use super::rules::Rules;
use super::units::{self, Size};
use crate::convert::Fault;
use crate::convert::fault::Kind;
use crate::ingress::refuse::{Ear, KeyFault};
use crate::provider::{Client, Operation};

/// A refusal, said.
pub type No = Box<Response<Body>>;

/// An admitted call.
pub struct Admitted {
    /// What it holds until it is settled.
    pub ticket: Ticket,
    /// How it is priced.
    pub bill: Bill,
    /// What its request says about its size.
    pub size: Size,
}

/// How a call is priced.
#[derive(Clone, Debug)]
pub struct Bill {
    price: Option<Price>,
    terms: Arc<Terms>,
    /// Whether the owner's wallet pays.
    pub from_wallet: bool,
}

impl Bill {
    /// What units cost: as the vendor lists it, and as it is billed to a key for a service in a group.
    pub fn cost(&self, view: &KeyView, group: &str, model: &str, service: Service, units: &Units) -> (i64, i64) {
        let Some(price) = &self.price else { return (0, 0) };
        let cost = price::cost(price, units, self.terms.ratio(view, group, model, service));
        (cost.raw.0, cost.billed.0)
    }

    /// What units could cost at most, in whichever group the call will be served.
    pub fn estimate(&self, view: &KeyView, model: &str, units: &Units) -> Micros {
        let service = family(model).unwrap_or(Service::Openai);
        let ratios = view.groups(&self.terms).iter().map(|group| self.terms.ratio(view, group, model, service));
        let dearest = ratios.max().unwrap_or(ONE);
        self.price.as_ref().map_or(Micros::ZERO, |price| price::cost(price, units, dearest).billed)
    }

    /// The terms it was made under.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }
}

/// Whether a key may come through a door at all, before the body is read.
pub fn door(app: &App, ear: Ear, view: &KeyView, address: &str) -> Result<(), No> {
    let service = ear.mount.service().unwrap_or_else(|| some_service(&view.key.permissions));
    let ask = Ask { now: app.clock.now(), service, model: None, address: address.parse::<IpAddr>().ok() };
    view.admit(&ask).map_err(|refusal| say(ear, view, &refusal))
}

/// Any service that a key may call; doors at the root ask by the account that serves.
fn some_service(permissions: &Permissions) -> Service {
    match permissions {
        Permissions::Only(list) => list.first().copied().unwrap_or(Service::Openai),
        Permissions::All => Service::Openai,
    }
}

fn say(ear: Ear, view: &KeyView, refusal: &Refusal) -> No {
    let permission =
        |text: String, code: &str| ear.refuse(&Fault::new(Kind::Permission, text).with_code(code.to_lowercase()), None);
    Box::new(match refusal {
        Refusal::State(KeyState::Exhausted) => ear.refuse(
            &Fault::new(Kind::Billing, "The budget of this API key is spent.").with_code("insufficient_quota"),
            None,
        ),
        Refusal::State(_) => ear.bad_key(KeyFault::Wrong),
        Refusal::Service(service) => ear.denied(&view.key.permissions, *service),
        other => permission(sentence(&other.to_string()), other.code()),
    })
}

/// Checks everything and holds the estimate back.
pub async fn admit(app: &App, set: &Rules, call: &Call, view: &KeyView) -> Result<Admitted, No> {
    let ear = call.ear;
    rules(call, view).map_err(|refusal| say(ear, view, &refusal))?;
    client(app, call, view)?;
    words(set, call)?;
    let terms = directory::terms(app);
    let models = directory::models(app);
    let known = models.find(&call.model);
    if known.is_some_and(|model| !model.enabled) && !call.model.is_empty() {
        let fault = Fault::new(Kind::NotFound, format!("The model '{}' is not available.", call.model))
            .with_code("model_not_found");
        return Err(Box::new(ear.refuse(&fault, None)));
    }
    let size = units::size(call);
    let guessed = units::guess(call.operation, &size, known.and_then(|model| model.max_output));
    let price = match terms.price(&view.owner, models.price(&call.model)) {
        Ok(price) => price,
        Err(NoPrice) if costs(call.operation) => {
            let text = format!(
                "No price is set for the model '{}'; the operator has to set one before it can be called.",
                call.model
            );
            let fault = Fault::new(Kind::InvalidRequest, text).with_code("model_price_not_set");
            return Err(Box::new(ear.refuse(&fault, None)));
        }
        Err(NoPrice) => None,
    };
    let bill = Bill { price, terms, from_wallet: view.pays_by_wallet() };
    let estimate = bill.estimate(view, &call.model, &guessed);
    let tokens = guessed.whole_input().saturating_add(guessed.output);
    let paid = costs(call.operation).then_some(&bill);
    let ask = demand(view, &call.model, estimate, tokens, call.at, paid);
    match queue::admit(app, ask).await {
        Ok(ticket) => Ok(Admitted { ticket, bill, size }),
        Err(denied) => Err(Box::new(refused(ear, &denied, call.at))),
    }
}

fn rules(call: &Call, view: &KeyView) -> Result<(), Refusal> {
    let service = call.ear.mount.service().unwrap_or_else(|| some_service(&view.key.permissions));
    let model = Some(call.model.as_str()).filter(|model| !model.is_empty());
    let address = call.origin.ip.parse::<IpAddr>().ok();
    view.admit(&Ask { now: call.at, service, model, address })
}

fn words(set: &Rules, call: &Call) -> Result<(), No> {
    let forbidden = set.forbidden.as_ref().filter(|_| costs(call.operation));
    let Some(word) = forbidden.and_then(|words| words.find(call)) else { return Ok(()) };
    let fault = Fault::new(Kind::InvalidRequest, forbidden::sentence(word)).with_code("sensitive_words_detected");
    Err(Box::new(call.ear.refuse(&fault, None)))
}

fn client(app: &App, call: &Call, view: &KeyView) -> Result<(), No> {
    let rules = &view.key.rules;
    let word = client_word(call.client);
    let claudes = call.ear.mount.service() == Some(Service::Claude) || family(&call.model) == Some(Service::Claude);
    if claudes && call.client != Client::ClaudeCode && setting::current(app).bool(names::CLAUDE_CODE_ONLY) {
        let text = "Claude is served to Claude Code alone here.";
        return Err(Box::new(
            call.ear.refuse(&Fault::new(Kind::Permission, text).with_code("client_not_allowed"), None),
        ));
    }
    if !rules.restrict_clients || word.is_some_and(|word| rules.allowed_clients.iter().any(|allowed| allowed == word)) {
        return Ok(());
    }
    let text = format!("This API key may be used from these clients only: {}.", rules.allowed_clients.join(", "));
    Err(Box::new(call.ear.refuse(&Fault::new(Kind::Permission, text).with_code("client_not_allowed"), None)))
}

/// The id under which keys and accounts list a client program.
pub const fn client_word(client: Client) -> Option<&'static str> {
    match client {
        Client::ClaudeCode => Some("claude_code"),
        Client::Codex => Some("codex_cli"),
        Client::GeminiCli => Some("gemini_cli"),
        Client::Other => None,
    }
}

/// What is asked of the counters for a call of this key; `paid` is there for one that costs something.
pub fn demand(
    view: &KeyView,
    model: &str,
    estimate: Micros,
    tokens: i64,
    now: Time,
    paid: Option<&Bill>,
) -> admission::Ask {
    let KeyLimits {
        window_ms, window_requests, window_tokens, window_cost, concurrency, daily_cost, weekly_cost, ..
    } = view.key.limits.0;
    let some = |n: i64| (n > 0).then_some(n);
    let limits = &view.key.limits.0;
    // Without a window, tokens are counted altogether, and the other two not at all.
    let windowed = window_ms > 0;
    let total_tokens = some(window_tokens).filter(|_| !windowed);
    let small = |n: i64| i8::try_from(n).unwrap_or(0);
    let governed = !view.owner.is_admin;
    admission::Ask {
        key_id: view.key.id,
        user_id: view.owner.id,
        now,
        estimate: estimate.0,
        estimate_tokens: tokens,
        concurrency: some(concurrency),
        window: windowed.then(|| WindowLimits {
            length_ms: window_ms,
            requests: some(window_requests),
            tokens: some(window_tokens),
            cost: some(window_cost.0),
        }),
        requests_per_minute: some(limits.rpm),
        tokens_per_minute: some(limits.tpm),
        daily_requests: some(limits.daily_requests),
        total_tokens,
        daily_cost: some(daily_cost.0),
        weekly_cost: some(weekly_cost.0).filter(|_| family(model) == Some(Service::Claude)),
        week_begins: (small(limits.week_start_day), small(limits.week_start_hour)),
        total_cost: view.key.budget.map(|budget| budget.0),
        plan_daily_requests: view.plan.daily_requests.filter(|_| governed),
        plan_daily_cost: view.plan.daily_cost.map(|cost| cost.0).filter(|_| governed),
        wallet: paid.is_some_and(|bill| bill.from_wallet),
        person: paid.and_then(|bill| bill.terms.person(&view.group)),
    }
}

/// Whether an operation costs anything.
const fn costs(operation: Operation) -> bool {
    !matches!(
        operation,
        Operation::CountTokens
            | Operation::ListModels
            | Operation::GetModel
            | Operation::Stored
            | Operation::Side
            | Operation::Fetch
            | Operation::Moderate
    )
}

/// Says which limit refused.
pub fn refused(ear: Ear, denied: &Denied, now: Time) -> Response<Body> {
    let wait = match denied {
        Denied::Failed(error) => {
            tracing::error!(cause = error.cause(), "a call could not be admitted");
            Some(5)
        }
        Denied::Refused(refusal) if refusal.kind == Limit::Concurrency => Some(1),
        Denied::Refused(refusal) => refusal.resets_at.map(|at| seconds(at, now)),
    };
    ear.refuse(&refusal(denied), wait)
}

/// Which limit refused, in words.
pub fn refusal(denied: &Denied) -> Fault {
    let refusal = match denied {
        Denied::Refused(refusal) => refusal,
        Denied::Failed(error) => return Fault::new(Kind::Unavailable, sentence(&error.to_string())),
    };
    let limit = refusal.limit;
    let dollars = Micros(limit).decimal();
    let (kind, text) = match refusal.kind {
        Limit::Concurrency => {
            (Kind::RateLimit, format!("Too many concurrent requests. Limit: {limit} concurrent requests."))
        }
        Limit::WindowRequests => {
            (Kind::RateLimit, format!("Rate limit of {limit} requests in this key's window reached."))
        }
        Limit::WindowTokens => (Kind::RateLimit, format!("Rate limit of {limit} tokens in this key's window reached.")),
        Limit::WindowCost => (Kind::RateLimit, format!("Cost limit of ${dollars} in this key's window reached.")),
        Limit::RequestsPerMinute => (Kind::RateLimit, format!("Rate limit of {limit} requests a minute reached.")),
        Limit::UserRequests => (Kind::RateLimit, format!("Your {limit} requests in this while are used up.")),
        Limit::UserServed => (Kind::RateLimit, format!("Your {limit} successful requests in this while are used up.")),
        Limit::TokensPerMinute => (Kind::RateLimit, format!("Rate limit of {limit} tokens a minute reached.")),
        Limit::DailyRequests => (Kind::RateLimit, format!("This API key's {limit} requests a day are used up.")),
        Limit::TotalTokens => (Kind::Billing, format!("This API key's {limit} tokens are used up.")),
        Limit::DailyCost => (Kind::Billing, format!("This API key's daily cost limit of ${dollars} is reached.")),
        Limit::WeeklyCost => (Kind::Billing, format!("This API key's weekly cost limit of ${dollars} is reached.")),
        Limit::TotalCost => (Kind::Billing, format!("This API key's budget of ${dollars} is spent.")),
        Limit::PlanRequests => (Kind::RateLimit, format!("Your plan's {limit} requests a day are used up.")),
        Limit::PlanCost => (Kind::Billing, format!("Your plan's daily cost limit of ${dollars} is reached.")),
        Limit::Balance => {
            let free = Micros(refusal.current.max(0)).decimal();
            (Kind::Billing, format!("The balance does not cover this call: ${free} free, up to ${dollars} needed."))
        }
    };
    let code = match refusal.kind {
        Limit::Balance => "insufficient_quota",
        other => other.as_str(),
    };
    Fault::new(kind, text).with_code(code)
}

fn seconds(until: Time, now: Time) -> u64 {
    u64::try_from((until.0 - now.0 + 999) / 1_000).unwrap_or(1).max(1)
}

/// A message with a capital and a full stop.
pub fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let mut out: String = letters.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    out.push_str(letters.as_str());
    if !out.ends_with(['.', '!', '?']) {
        out.push('.');
    }
    out
}
