//! The first administrator, without whom nobody could make another.

use super::{check_name, check_password, doubled, shown};
use crate::App;
use crate::actor::{Actor, Role};
use crate::config::AdminConfig;
use crate::error::{Error, Result};
use crate::id;
use crate::model::user::{NewUser, User, UserStatus, fold};
use crate::service::audit::{self, Target};

/// Makes the first super admin when there is none; answers the password when it was made up.
pub async fn ensure_first_admin(app: &App) -> Result<Option<FirstAdmin>> {
    let mut tx = app.db.begin().await?;
    crate::model::lock::take(&mut tx, "roles").await?;
    if User::count_active_with_role(&mut tx, Role::SuperAdmin).await? > 0 {
        tx.rollback().await?;
        return Ok(None);
    }
    check_wish(&app.config.admin)?;
    let username = check_name(&app.config.admin.username)?;
    let given = app.config.admin.password.as_ref().map(|p| p.reveal().clone());
    let password = given.clone().unwrap_or_else(|| id::code(id::TOKEN_ALPHABET, 20));
    let now = app.clock.now();
    let new = NewUser {
        uid: id::uuid(),
        username_key: fold(&username),
        username: username.clone(),
        email: None,
        email_key: None,
        email_verified: false,
        display_name: username.clone(),
        password_hash: Some(app.hasher.hash(&password).await?),
        role: Role::SuperAdmin,
        status: UserStatus::Active,
        group_name: "default".into(),
        aff_code: id::code(id::CODE_ALPHABET, 8),
        inviter_id: None,
        remark: String::new(),
        created_at: now,
        updated_at: now,
    };
    let user = User::insert(&mut tx, &new).await.map_err(doubled)?;
    let target = Target { kind: "user", id: &user.id.to_string() };
    audit::record(app, &mut tx, &Actor::system(), "user.first_admin", target, (), shown(&user)).await?;
    tx.commit().await?;
    Ok(Some(FirstAdmin { username, made_up: given.is_none().then_some(password) }))
}

/// Refuses a name or a password that no administrator can have; says by which variable it was given.
pub fn check_wish(admin: &AdminConfig) -> Result<()> {
    let named = |variable: &str, e: Error| Error::invalid(variable, format!("{variable}: {e}"));
    check_name(&admin.username).map_err(|e| named("ADMIN_USERNAME", e))?;
    let password = admin.password.as_ref().map(|password| check_password(password.reveal()));
    password.transpose().map(drop).map_err(|e| named("ADMIN_PASSWORD", e))
}

/// The first administrator, just made.
pub struct FirstAdmin {
    pub username: String,
    /// The password, when nobody gave one.
    pub made_up: Option<String>,
}
