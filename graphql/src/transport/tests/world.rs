//! A small schema and a gate to try the transport on: it fails, panics, sleeps and ticks on demand.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use async_graphql::{
    Context, Enum, Error, ErrorExtensions, InputObject, Object, Request, Result, Schema, SimpleObject, Subscription,
};
use futures_util::{Stream, StreamExt};
use tokio_stream::wrappers::IntervalStream;

use crate::transport::{AuthError, Credentials, Gate, OperationInfo, Policy, Roots, Texts, bucket::Budget};

pub type World = Schema<Query, Mutation, Subscriptions>;

/// Who calls.
#[derive(Clone, Debug)]
pub enum Caller {
    Nobody,
    User(#[expect(dead_code, reason = "shown by Debug")] String),
    Admin,
}

/// Lets in `Bearer admin` and `Bearer user-…`.
#[derive(Clone)]
pub struct Door {
    pub open: Arc<AtomicBool>,
    pub budget: Budget,
}

impl Default for Door {
    fn default() -> Self {
        Self { open: Arc::new(AtomicBool::new(true)), budget: Budget { max: 1_000_000, restore_rate: 100_000 } }
    }
}

impl Gate for Door {
    type Principal = Caller;

    async fn authenticate(&self, credentials: Credentials<'_>) -> Result<Caller, AuthError> {
        match credentials.bearer() {
            Some("admin") => Ok(Caller::Admin),
            Some("banned") => Err(AuthError::Forbidden("This account is suspended.")),
            Some("hasty") => Err(AuthError::Limited(Duration::from_secs(7))),
            Some("unsure") => Err(AuthError::Unavailable),
            Some("panic") => panic!("the gate breaks"),
            Some(user) if user.starts_with("user") => Ok(Caller::User(user.to_owned())),
            Some(_) => Err(AuthError::Invalid),
            None if credentials.shows_something() => Err(AuthError::Invalid),
            None => Ok(Caller::Nobody),
        }
    }

    fn policy(&self, caller: &Caller) -> Policy {
        Policy {
            roots: match caller {
                Caller::Nobody => Roots::Only(&["signIn", "greeting"]),
                _ => Roots::All,
            },
            texts: Texts::Any,
            introspection: matches!(caller, Caller::Admin),
            bucket: format!("{caller:?}"),
            budget: self.budget,
        }
    }

    fn prepare(&self, caller: &Caller, info: &OperationInfo, request: Request) -> Request {
        request.data(caller.clone()).data(info.clone())
    }

    async fn still_valid(&self, _: &Caller) -> bool {
        self.open.load(Ordering::SeqCst)
    }
}

fn coded(message: &str, code: &'static str) -> Error {
    Error::new(message).extend_with(|_, extensions| extensions.set("code", code))
}

#[derive(Clone, Copy, PartialEq, Eq, Enum)]
pub enum Colour {
    Red,
    Green,
}

#[derive(InputObject)]
pub struct Wish {
    pub word: String,
    pub times: Option<i32>,
    pub colour: Option<Colour>,
}

#[derive(SimpleObject, Clone)]
pub struct Item {
    pub id: i32,
    pub label: String,
}

pub struct Inner;

#[Object]
impl Inner {
    async fn ok(&self) -> i32 {
        1
    }

    async fn bad(&self) -> Result<i32> {
        Err(Error::new("select * from secrets"))
    }

    async fn maybe(&self) -> Option<Result<i32>> {
        Some(Err(coded("There is no such thing.", "NOT_FOUND")))
    }

    async fn inner(&self) -> Inner {
        Inner
    }
}

#[derive(SimpleObject)]
pub struct Edge {
    pub cursor: String,
    pub node: Item,
}

pub struct Items(i32);

#[Object]
impl Items {
    async fn nodes(&self) -> Vec<Item> {
        (0..self.0).map(|id| Item { id, label: format!("item {id}") }).collect()
    }

    async fn edges(&self) -> Vec<Edge> {
        Vec::new()
    }

    async fn total_count(&self) -> i32 {
        1000
    }
}

#[derive(Default)]
pub struct Query;

#[Object]
impl Query {
    async fn greeting(&self, #[graphql(default_with = "\"world\".to_owned()")] name: String) -> String {
        format!("Hello, {name}")
    }

    async fn caller(&self, ctx: &Context<'_>) -> Result<String> {
        Ok(format!("{:?}", ctx.data::<Caller>()?))
    }

    async fn inner(&self) -> Inner {
        Inner
    }

    async fn perhaps(&self) -> Option<Inner> {
        Some(Inner)
    }

    async fn explode(&self, #[graphql(default = 0)] over: i32) -> i32 {
        assert!(over > 0, "a resolver breaks");
        over
    }

    async fn sleep(&self, ms: u64) -> u64 {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        ms
    }

    async fn refuse(&self, code: String) -> Result<i32> {
        Err(Error::new("as you wish").extend_with(|_, extensions| extensions.set("code", code)))
    }

    async fn guarded(&self) -> Option<Result<i32>> {
        Some(Err(coded("Not for you.", "FORBIDDEN")))
    }

    async fn items(&self, #[graphql(default = 20)] first: i32) -> Items {
        Items(first)
    }

    async fn pile(&self) -> Vec<Inner> {
        (0..30).map(|_| Inner).collect()
    }

    async fn wish(&self, wish: Wish) -> String {
        wish.word.repeat(wish.times.unwrap_or(1).max(0) as usize)
    }

    async fn long(&self, size: usize) -> String {
        "x".repeat(size)
    }
}

#[derive(Default)]
pub struct Mutation {
    count: AtomicU32,
}

#[derive(InputObject)]
pub struct SignInInput {
    pub username: String,
    pub password: String,
}

#[derive(SimpleObject)]
pub struct UserError {
    pub code: String,
    pub message: String,
}

#[derive(SimpleObject)]
pub struct SignInPayload {
    pub token: Option<String>,
    pub user_errors: Vec<UserError>,
}

#[Object]
impl Mutation {
    async fn bump(&self) -> u32 {
        self.count.fetch_add(1, Ordering::SeqCst) + 1
    }

    async fn slow_bump(&self, ms: u64) -> u32 {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        self.count.fetch_add(1, Ordering::SeqCst) + 1
    }

    async fn sign_in(&self, input: SignInInput) -> SignInPayload {
        let right = input.username == "admin" && input.password == "admin";
        SignInPayload {
            token: right.then(|| "admin".to_owned()),
            user_errors: if right {
                Vec::new()
            } else {
                vec![UserError {
                    code: "WRONG_CREDENTIALS".to_owned(),
                    message: "The name or the password is wrong.".to_owned(),
                }]
            },
        }
    }
}

#[derive(Default)]
pub struct Subscriptions {
    pub running: Arc<AtomicU32>,
}

struct Running(Arc<AtomicU32>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[Subscription]
impl Subscriptions {
    async fn ticks(
        &self,
        #[graphql(default = 3)] count: usize,
        #[graphql(default = 20)] every: u64,
    ) -> impl Stream<Item = usize> {
        self.running.fetch_add(1, Ordering::SeqCst);
        let running = Running(self.running.clone());
        IntervalStream::new(tokio::time::interval(Duration::from_millis(every.max(1)))).take(count).enumerate().map(
            move |(index, _)| {
                let _ = &running;
                index
            },
        )
    }

    async fn flood(&self, size: usize) -> impl Stream<Item = String> {
        self.running.fetch_add(1, Ordering::SeqCst);
        let running = Running(self.running.clone());
        futures_util::stream::repeat_with(move || {
            let _ = &running;
            "x".repeat(size)
        })
    }

    async fn denied(&self) -> Result<futures_util::stream::Empty<i32>> {
        Err(coded("Not for you.", "FORBIDDEN"))
    }

    async fn falters(&self) -> impl Stream<Item = Result<i32>> {
        futures_util::stream::iter([1, 2, 3])
            .then(|index| async move {
                tokio::time::sleep(Duration::from_millis(5)).await;
                index
            })
            .map(|index| if index == 2 { Err(Error::new("select * from secrets")) } else { Ok(index) })
    }

    async fn explodes(&self) -> impl Stream<Item = i32> {
        futures_util::stream::iter([1, 2]).map(|index| {
            assert!(index < 2, "a stream breaks");
            index
        })
    }
}

/// The schema, and how many of its subscriptions run.
pub fn world() -> (World, Arc<AtomicU32>) {
    let subscriptions = Subscriptions::default();
    let running = subscriptions.running.clone();
    let schema = Schema::build(Query, Mutation::default(), subscriptions).disable_suggestions().finish();
    (schema, running)
}
