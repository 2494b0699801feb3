//! What can go wrong with a provider. No text here ever holds a key, a secret or a whole answer.

use std::fmt;

/// Why a question to a provider failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PayError {
    /// The provider's settings cannot work; says which one and why.
    Misconfigured(&'static str),
    /// The order cannot be put to this provider.
    Invalid(&'static str),
    /// No answer: it may or may not have been done there.
    Unreachable(&'static str),
    /// The provider said no.
    Refused {
        /// The HTTP status it came with.
        status: u16,
        /// The provider's code.
        code: String,
        /// The provider's words, shortened.
        message: String,
    },
    /// The answer was not signed by the provider.
    Forged,
    /// The answer could not be read.
    Malformed(&'static str),
}

impl PayError {
    /// A refusal, its words cut to what fits a log line.
    pub(super) fn refused(status: u16, code: &str, message: &str) -> Self {
        let cut = |text: &str, most: usize| text.chars().filter(|c| !c.is_control()).take(most).collect();
        Self::Refused { status, code: cut(code, 64), message: cut(message, 200) }
    }

    /// Whether the same question may be answered later: nothing was decided.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Refused { status, .. } => *status == 429 || *status >= 500,
            _ => false,
        }
    }
}

impl fmt::Display for PayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misconfigured(what) => {
                write!(f, "the payment provider's settings are wrong: {what}")
            }
            Self::Invalid(what) => write!(f, "the payment cannot be made: {what}"),
            Self::Unreachable(what) => write!(f, "the payment provider did not answer: {what}"),
            Self::Refused { status, code, message } => {
                write!(f, "the payment provider refused ({status} {code}): {message}")
            }
            Self::Forged => f.write_str("the payment provider's answer carries no valid signature"),
            Self::Malformed(what) => {
                write!(f, "the payment provider's answer cannot be read: {what}")
            }
        }
    }
}

impl std::error::Error for PayError {}

/// Why a notification was not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoticeError {
    /// Not signed by the provider, or changed on the way.
    BadSignature,
    /// Signed, but too long ago (or in the future): a replay.
    Stale,
    /// Signed, but not in the form the provider publishes; or not even readable enough to check.
    Malformed(&'static str),
    /// Signed, but meant for another merchant or application.
    ForeignMerchant,
    /// Signed with a key we do not hold and could not fetch.
    UnknownKey,
    /// Genuine, but about nothing an order waits for; holds the provider's word for it.
    Unrelated(String),
    /// This provider sends no notifications.
    NotOffered,
}

impl NoticeError {
    /// Whether the provider should hear that all is well: the notification is genuine, and sending it again would
    /// not make it more useful.
    pub fn is_acknowledged(&self) -> bool {
        matches!(self, Self::Unrelated(_))
    }
}

impl fmt::Display for NoticeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadSignature => f.write_str("the signature does not match"),
            Self::Stale => f.write_str("the notification is too old or from the future"),
            Self::Malformed(what) => write!(f, "the notification cannot be read: {what}"),
            Self::ForeignMerchant => f.write_str("the notification is meant for another merchant"),
            Self::UnknownKey => f.write_str("the notification is signed with an unknown key"),
            Self::Unrelated(kind) => write!(f, "the notification ({kind}) concerns no order"),
            Self::NotOffered => f.write_str("this provider sends no notifications"),
        }
    }
}

impl std::error::Error for NoticeError {}
