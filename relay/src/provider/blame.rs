//! Whose fault a failure is: the caller's, the account's or the vendor's.
//!
//! The rules that every vendor shares stand here; a provider adds its own before them.

use std::fmt;

use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::wire::ratelimit;

/// Waiting times in milliseconds where the vendor names none.
pub mod pause {
    /// After a refusal for too many requests.
    pub const RATE_LIMIT: i64 = 60_000;
    /// After an overloaded vendor.
    pub const OVERLOAD: i64 = 30_000;
    /// After a vendor's inner failure, or when it could not be reached.
    pub const FAILURE: i64 = 15_000;
    /// After a refusal that concerns one model of one account.
    pub const MODEL: i64 = 30 * 60_000;
    /// After a refusal that came from something in front of the vendor.
    pub const WALL: i64 = 5 * 60_000;
}

/// A refusal as it came from a vendor.
#[derive(Clone, Copy, Debug)]
pub struct Failure<'a> {
    /// Its status; of an error inside a stream, the one that it stands for.
    pub status: StatusCode,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its body, or the event's data.
    pub body: &'a [u8],
    /// The vendor's name of the model that was asked.
    pub model: &'a str,
    /// How long the account's settings let it rest after a rate limit that names no end, in milliseconds.
    pub rest: Option<i64>,
    /// Whether the access token had just been refreshed for this attempt.
    pub refreshed: bool,
    /// Now, in epoch milliseconds.
    pub now: i64,
}

impl Failure<'_> {
    /// The body as JSON, null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(self.body).unwrap_or_default()
    }

    /// The moment that the headers name, else `pause` from now.
    pub fn until(&self, pause: i64) -> i64 {
        ratelimit::cool_until(self.headers, self.now).unwrap_or(self.now + pause)
    }

    /// The moment that the headers or `said` name, else the end of the account's rest after a rate limit.
    pub fn limited_until(&self, said: Option<i64>) -> i64 {
        let named = ratelimit::cool_until(self.headers, self.now).or(said);
        named.unwrap_or(self.now + self.rest.unwrap_or(pause::RATE_LIMIT))
    }

    /// Whether the text holds one of these, whatever its case.
    pub fn mentions(&self, phrases: &[&str]) -> bool {
        let text = String::from_utf8_lossy(self.body).to_lowercase();
        phrases.iter().any(|phrase| text.contains(phrase))
    }
}

/// Whose fault a failure is, and what follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The caller's: it goes through unchanged, is not tried again and harms no account.
    Caller,
    /// The account's: another one is tried.
    Account(Fault),
    /// The vendor's: another account is tried, this one rests until then.
    Vendor {
        /// Epoch milliseconds.
        until: i64,
    },
}

/// What is wrong with an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It has used up a limit.
    Cooling {
        /// Epoch milliseconds.
        until: i64,
        /// What of it rests.
        scope: Scope,
    },
    /// It does not work until a person mends it.
    Blocked(Reason),
    /// Its access token no longer works; one refresh and one more attempt, then it is blocked.
    RefreshToken,
}

/// What of an account rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// All of it.
    Account,
    /// The model that was asked.
    Model,
    /// The models whose name holds this word (`opus`).
    Family(&'static str),
}

/// Why an account is blocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The vendor does not accept the credential.
    BadCredential,
    /// The credential may not do this.
    Forbidden,
    /// There is no money left.
    OutOfMoney,
    /// A limit of spending that the owner set has been reached.
    SpendLimit,
    /// The vendor has switched the account or its organisation off.
    Disabled,
}

impl Reason {
    /// The reason as a stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadCredential => "bad_credential",
            Self::Forbidden => "forbidden",
            Self::OutOfMoney => "out_of_money",
            Self::SpendLimit => "spend_limit",
            Self::Disabled => "disabled",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadCredential => "the vendor does not accept the credential",
            Self::Forbidden => "the vendor does not allow this account to make the call",
            Self::OutOfMoney => "the account has no money left at the vendor",
            Self::SpendLimit => "the account has reached its limit of spending at the vendor",
            Self::Disabled => "the vendor has disabled the account",
        })
    }
}

impl Blame {
    /// An account that works no more until a person mends it.
    pub const fn blocked(reason: Reason) -> Self {
        Self::Account(Fault::Blocked(reason))
    }

    /// An account, or a part of it, that rests.
    pub const fn cooling(until: i64, scope: Scope) -> Self {
        Self::Account(Fault::Cooling { until, scope })
    }
}

/// The rules that hold for every vendor; `login` says that the credential is a token that can be refreshed.
pub fn by_status(failure: &Failure<'_>, login: bool) -> Blame {
    let denied = |reason| match login && !failure.refreshed {
        true => Blame::Account(Fault::RefreshToken),
        false => Blame::blocked(reason),
    };
    match failure.status.as_u16() {
        401 => denied(Reason::BadCredential),
        // What answers HTML is not the vendor's API but a wall before it.
        403 if !failure.json().is_object() => Blame::cooling(failure.until(pause::WALL), Scope::Account),
        403 => denied(Reason::Forbidden),
        402 => Blame::blocked(Reason::OutOfMoney),
        429 => Blame::cooling(failure.limited_until(None), Scope::Account),
        529 => Blame::Vendor { until: failure.until(pause::OVERLOAD) },
        // The vendor does not have this endpoint, which no other account can change.
        501 => Blame::Caller,
        503 => Blame::Vendor { until: failure.until(pause::OVERLOAD) },
        408 | 425 => Blame::Vendor { until: failure.until(pause::FAILURE) },
        400..=499 => Blame::Caller,
        _ => Blame::Vendor { until: failure.until(pause::FAILURE) },
    }
}

/// A vendor that could not be reached, or that fell silent before its first byte.
pub fn unreachable(now: i64) -> Blame {
    Blame::Vendor { until: now + pause::FAILURE }
}
