//! What handlers read from requests, told by their own types.
//!
//! A handler is a function of extractors; every extractor that may stand in a route table implements
//! [`Part`], so a route cannot be mounted without being described.

use std::future::Future;

use axum::extract::{FromRequest, Request, State};
use axum::response::{IntoResponse, Response};
use schema::{App, Face};
use serde::de::DeserializeOwned;

use super::kind::Type;
use super::probe;
use crate::dialect::{Body, Caller, Dialect, Maybe, Path, Query};

/// Who may ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// Nobody is asked for.
    #[default]
    Anybody,
    /// Credentials are heeded and not needed.
    Known,
    /// Only who is signed in.
    SignedIn,
}

/// What a handler reads.
#[derive(Debug, Default)]
pub struct Asked {
    /// The system whose words the handler speaks.
    pub face: Option<Face>,
    pub who: Who,
    /// The path's parameters, in its order.
    pub path: Vec<Type>,
    /// The query string's fields, a struct each.
    pub query: Vec<Type>,
    /// The JSON body.
    pub body: Option<Type>,
    /// True when a header decides between the documented answer and another.
    pub two_shapes: bool,
    /// Headers, with what they are for.
    pub headers: Vec<(&'static str, &'static str)>,
}

/// Something a handler takes out of a request.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say what it reads from a request",
    note = "a route is mounted together with its description: implement `openapi::Part` for `{Self}`"
)]
pub trait Part {
    /// Adds what it reads.
    fn describe(asked: &mut Asked);
}

/// A function that can stand in a route table.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be described",
    note = "a handler is an async function whose arguments all implement `openapi::Part`"
)]
pub trait Handled<Args> {
    /// What its arguments read.
    fn asked() -> Asked;
}

macro_rules! handled {
    ($($part:ident)*) => {
        impl<F, Fut, $($part: Part),*> Handled<($($part,)*)> for F
        where
            F: Fn($($part),*) -> Fut,
            Fut: Future,
            Fut::Output: IntoResponse,
        {
            fn asked() -> Asked {
                let mut asked = Asked::default();
                $($part::describe(&mut asked);)*
                asked
            }
        }
    };
}

impl<F, Fut> Handled<()> for F
where
    F: Fn() -> Fut,
    Fut: Future,
    Fut::Output: IntoResponse,
{
    fn asked() -> Asked {
        Asked::default()
    }
}

handled! { A }
handled! { A B }
handled! { A B C }
handled! { A B C D }
handled! { A B C D E }
handled! { A B C D E G }
handled! { A B C D E G H }

/// What a handler reads.
pub fn asked<Args, H: Handled<Args>>(_: &H) -> Asked {
    H::asked()
}

macro_rules! reads_nothing {
    ($($part:ty),+ $(,)?) => { $(
        impl Part for $part {
            fn describe(_: &mut Asked) {}
        }
    )+ };
}

// What these are read for, if anything, others tell.
reads_nothing!(
    State<App>,
    Request,
    http::request::Parts,
    http::HeaderMap,
    http::Uri,
    axum::body::Bytes,
    relay::edge::Origin
);

impl<D: Dialect> Part for Caller<D> {
    fn describe(asked: &mut Asked) {
        asked.face = Some(D::FACE);
        asked.who = Who::SignedIn;
    }
}

impl<D: Dialect> Part for Maybe<D> {
    fn describe(asked: &mut Asked) {
        asked.face = Some(D::FACE);
        asked.who = asked.who.max(Who::Known);
    }
}

fn in_path<T: DeserializeOwned>(asked: &mut Asked) {
    match probe::of::<T>() {
        Type::Tuple(all) => asked.path.extend(all),
        one => asked.path.push(one),
    }
}

impl<D: Dialect, T: DeserializeOwned> Part for Path<D, T> {
    fn describe(asked: &mut Asked) {
        asked.face = Some(D::FACE);
        in_path::<T>(asked);
    }
}

impl<T: DeserializeOwned> Part for axum::extract::Path<T> {
    fn describe(asked: &mut Asked) {
        in_path::<T>(asked);
    }
}

impl<D: Dialect, T: DeserializeOwned> Part for Query<D, T> {
    fn describe(asked: &mut Asked) {
        asked.face = Some(D::FACE);
        asked.query.push(probe::of::<T>());
    }
}

impl<D: Dialect, T: DeserializeOwned + 'static> Part for Body<D, T> {
    fn describe(asked: &mut Asked) {
        asked.face = Some(D::FACE);
        asked.body = Some(probe::known::<T>().clone());
    }
}

macro_rules! several {
    ($($part:ident)+) => {
        impl<$($part: Part),+> Part for ($($part,)+) {
            fn describe(asked: &mut Asked) {
                $($part::describe(asked);)+
            }
        }
    };
}

several! { A B }
several! { A B C }
several! { A B C D }

/// A request whose parts `T` the handler takes out itself, when it has seen what the request is.
pub struct Later<T>(pub Request, std::marker::PhantomData<T>);

impl<T: Part> Part for Later<T> {
    fn describe(asked: &mut Asked) {
        T::describe(asked);
    }
}

impl<T, S: Sync> FromRequest<S> for Later<T> {
    type Rejection = Response;

    async fn from_request(request: Request, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(request, std::marker::PhantomData))
    }
}
