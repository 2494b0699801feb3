//! What a person is to be, and what of one is to change.

use crate::actor::Role;
use crate::model::user::UserStatus;
use crate::money::Micros;

/// A person to be made.
#[derive(Clone, Debug, Default)]
pub struct NewPerson {
    pub username: String,
    pub password: Option<String>,
    pub email: Option<String>,
    pub email_verified: bool,
    /// The code that was sent to the address, where registering asks for one.
    pub email_code: Option<String>,
    pub display_name: Option<String>,
    pub role: Option<Role>,
    pub group: Option<String>,
    pub balance: Option<Micros>,
    pub remark: Option<String>,
    /// The code of whoever invited them.
    pub invited_by: Option<String>,
    /// A sign-in by somebody else's word, linked at once.
    pub identity: Option<NewLink>,
}

/// An identity at a sign-in provider.
#[derive(Clone, Debug)]
pub struct NewLink {
    pub provider: String,
    pub subject: String,
    pub name: String,
}

/// What of a person changes; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct PersonChange {
    pub username: Option<String>,
    /// `Some(None)` removes the address.
    pub email: Option<Option<String>>,
    pub display_name: Option<String>,
    pub avatar: Option<String>,
    pub bio: Option<String>,
    pub password: Option<String>,
    /// The one it replaces, which somebody has to know who changes their own.
    pub current_password: Option<String>,
    pub role: Option<Role>,
    pub status: Option<UserStatus>,
    pub group: Option<String>,
    pub remark: Option<String>,
    pub balance: Option<Micros>,
    pub prefs: Option<serde_json::Map<String, serde_json::Value>>,
    pub expected_version: Option<i64>,
}
