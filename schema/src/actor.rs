//! Who is acting, through which face, and what their role lets them do.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::text_enum;

text_enum! {
    /// How much a person may do; ordered.
    pub enum Role {
        User = "user",
        Admin = "admin",
        SuperAdmin = "super_admin",
    }
}

text_enum! {
    /// Through which face something was asked; also the audience of the tokens a face issues.
    pub enum Face {
        Graphql = "graphql",
        Crs = "crs",
        Commercial = "commercial",
        Massrouter = "massrouter",
        Newapi = "newapi",
        Ledger = "ledger",
        Relay = "relay",
        Page = "page",
        System = "system",
    }
}

/// What is about to be done, where a role alone does not say enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// See other people's things.
    ViewAll,
    /// Change keys, accounts, plans, cards, announcements and the like for others.
    Manage,
    /// Change people: their data, status, roles, money.
    ManagePeople,
    /// Change how the system itself works.
    Configure,
}

impl Act {
    fn least(self) -> Role {
        match self {
            Self::ViewAll | Self::Manage => Role::Admin,
            Self::ManagePeople => Role::Admin,
            Self::Configure => Role::SuperAdmin,
        }
    }
}

/// Somebody at work: a signed-in user, an anonymous caller, or the system itself.
#[derive(Clone, Debug)]
pub struct Actor {
    pub user_id: Option<i64>,
    pub name: String,
    pub role: Option<Role>,
    pub face: Face,
    pub ip: String,
    pub request_id: String,
    /// The token this actor came with, so that signing out can end it.
    pub token: Option<TokenRef>,
    /// Set while doing a piece of work that a client's idempotency key guards.
    pub guard: Option<Arc<Guard>>,
}

/// The right to do a piece of work once under a client's idempotency key; see `service::idempotency`.
#[derive(Debug)]
pub struct Guard {
    pub(crate) operation: String,
    pub(crate) key: String,
    pub(crate) input_digest: String,
    /// Tells this request from another under the same key.
    pub(crate) nonce: String,
}

/// The identity of a presented token.
#[derive(Clone, Debug, Default)]
pub struct TokenRef {
    pub jti: String,
    pub expires_at: i64,
    /// The session row (cookie or refresh family) behind it, when there is one.
    pub session: Option<String>,
}

impl Actor {
    /// Nobody in particular.
    pub fn anonymous(face: Face, ip: impl Into<String>, request_id: impl Into<String>) -> Self {
        Self {
            user_id: None,
            name: "anonymous".into(),
            role: None,
            face,
            ip: ip.into(),
            request_id: request_id.into(),
            token: None,
            guard: None,
        }
    }
    /// Periodic work and start-up.
    pub fn system() -> Self {
        Self { name: "system".into(), role: Some(Role::SuperAdmin), ..Self::anonymous(Face::System, "", "") }
    }
    /// The signed-in user's id.
    pub fn signed_in(&self) -> Result<i64> {
        self.user_id.ok_or_else(|| Error::unauthenticated("sign in first"))
    }
    /// True for at least this role.
    pub fn is(&self, role: Role) -> bool {
        self.role.is_some_and(|r| r >= role)
    }
    /// True for administrators.
    pub fn is_admin(&self) -> bool {
        self.is(Role::Admin)
    }
    /// Refuses whoever is below a role.
    pub fn require(&self, role: Role) -> Result<()> {
        match self.role {
            None => Err(Error::unauthenticated("sign in first")),
            Some(r) if r >= role => Ok(()),
            Some(_) => Err(Error::forbidden(format!("this needs the role {role}"))),
        }
    }
    /// Refuses whoever may not do this.
    pub fn may(&self, act: Act) -> Result<()> {
        self.require(act.least())
    }
    /// Whose things a list means that names nobody: everybody's (`None`) for administrators, else one's own.
    /// Somebody else's are as good as not there.
    pub fn whose(&self, named: Option<i64>) -> Result<Option<i64>> {
        match named {
            Some(owner) => self.owns_or_admin(owner, "user").map(|()| Some(owner)),
            None if self.is_admin() => Ok(None),
            None => self.signed_in().map(Some),
        }
    }
    /// Refuses whoever is neither the owner nor an administrator, without telling that the thing exists.
    pub fn owns_or_admin(&self, owner: i64, what: &'static str) -> Result<()> {
        if self.is_admin() || self.user_id == Some(owner) {
            return Ok(());
        }
        self.signed_in()?;
        Err(Error::NotFound { what })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_learns_nothing() {
        let mut ann = Actor::anonymous(Face::Graphql, "", "");
        assert_eq!(ann.owns_or_admin(7, "api key").map_err(|e| e.code()), Err("UNAUTHENTICATED"));
        ann.user_id = Some(1);
        ann.role = Some(Role::User);
        assert_eq!(ann.owns_or_admin(7, "api key").map_err(|e| e.code()), Err("NOT_FOUND"));
        assert!(ann.owns_or_admin(1, "api key").is_ok());
        assert_eq!(ann.whose(None).ok(), Some(Some(1)));
        assert_eq!(ann.whose(Some(7)).map_err(|e| e.code()), Err("NOT_FOUND"));
        assert_eq!(ann.may(Act::Manage).map_err(|e| e.code()), Err("FORBIDDEN"));
        ann.role = Some(Role::Admin);
        assert!(ann.may(Act::Manage).is_ok());
        assert_eq!(ann.whose(None).ok(), Some(None));
        assert_eq!(ann.whose(Some(7)).ok(), Some(Some(7)));
        assert!(ann.may(Act::Configure).is_err());
    }
}
