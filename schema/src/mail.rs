//! Mail: a letter in its wire form, and the SMTP conversation that hands it over.
//!
//! Pure of the database and the settings: who is written to, and why, is decided by whoever calls [`send`].

mod letter;
mod smtp;

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::secret::Secret;

pub use letter::Letter;

/// How the way to the server is kept from listeners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// Encrypted from the first byte (port 465).
    Tls,
    /// Begun in the open and encrypted before anything is said (port 587); a server that cannot is not used.
    StartTls,
    /// Not at all; a password is then only told to this very machine.
    None,
}

/// A server that takes letters.
#[derive(Clone, Debug)]
pub struct Server {
    pub host: String,
    pub port: u16,
    /// Where it is; empty: wherever its name leads.
    pub addresses: Vec<SocketAddr>,
    pub security: Security,
    /// Empty: the server asks for no name.
    pub user: String,
    pub password: Secret<String>,
    /// Certificates (PEM) that are believed further to the system's.
    pub trusted: String,
    /// Longest the whole conversation may take.
    pub patience: Duration,
}

/// Why a letter was not handed over. No text here holds a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailError {
    /// The settings cannot work; says which one and why.
    Misconfigured(&'static str),
    /// No conversation came about, or it broke.
    Unreachable(&'static str),
    /// The server said no.
    Refused {
        /// What it was asked, by its first word.
        step: &'static str,
        /// Its code.
        code: u16,
        /// Its words, shortened.
        words: String,
    },
}

impl MailError {
    /// Whether the same letter may be taken later.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Misconfigured(_) => false,
            Self::Unreachable(_) => true,
            Self::Refused { code, .. } => (400..500).contains(code),
        }
    }
}

impl fmt::Display for MailError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misconfigured(why) => write!(f, "the mail settings are wrong: {why}"),
            Self::Unreachable(why) => write!(f, "the mail server cannot be spoken to: {why}"),
            Self::Refused { step, code, words } => write!(f, "the mail server refused {step} ({code}): {words}"),
        }
    }
}

impl std::error::Error for MailError {}

/// Hands a letter over; returns when the server has taken it upon itself.
pub async fn send(server: &Server, letter: &Letter) -> Result<(), MailError> {
    let conversation = smtp::hand_over(server, letter);
    match tokio::time::timeout(server.patience, conversation).await {
        Ok(done) => done,
        Err(_) => Err(MailError::Unreachable("it took too long")),
    }
}
