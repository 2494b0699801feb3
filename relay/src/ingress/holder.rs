//! Whose call it is: the holder of the key that was presented, and the account that an administrator names with it.

use std::sync::Arc;

use http::HeaderMap;
use schema::App;
use schema::service::api_key;
use schema::service::directory::{self, KeyView};

use super::key::{self, Presented};
use super::refuse::{Ear, KeyFault};
use crate::call::admit;
use crate::convert::Fault;
use crate::convert::fault::Kind;

/// The holder of the presented key, if they may come through this door, and the account that they name.
pub(super) async fn holder(
    app: &App,
    ear: Ear,
    headers: &HeaderMap,
    query: &str,
    ip: &str,
) -> Result<(Arc<KeyView>, Option<i64>), admit::No> {
    let secret = match key::find(headers, query) {
        Presented::Key(secret) => secret,
        Presented::Nothing => return Err(Box::new(ear.bad_key(KeyFault::Missing))),
        Presented::Malformed => return Err(Box::new(ear.bad_key(KeyFault::Wrong))),
    };
    let (view, account) = match lookup(app, &secret).await {
        Ok(Some(found)) => found,
        Ok(None) => return Err(Box::new(ear.bad_key(KeyFault::Wrong))),
        Err(error) => {
            tracing::error!(cause = error.cause(), "a key could not be looked up");
            return Err(Box::new(
                ear.refuse(&Fault::new(Kind::Unavailable, "Keys cannot be checked right now."), Some(5)),
            ));
        }
    };
    admit::door(app, ear, &view, ip)?;
    if view.waits_for_first_use() {
        first_use(app, view.key.id);
    }
    if account.is_some() && !view.owner.is_admin {
        let fault = Fault::new(Kind::Permission, "Only administrators' keys may name an account.");
        return Err(Box::new(ear.refuse(&fault.with_code("access_denied"), None)));
    }
    Ok((view, account))
}

/// The key, and the account whose number stands behind it (`sk-…-7`).
async fn lookup(app: &App, secret: &str) -> schema::Result<Option<(Arc<KeyView>, Option<i64>)>> {
    if let Some(view) = known(app, secret).await? {
        return Ok(Some((view, None)));
    }
    let Some((key, number)) = secret.rsplit_once('-') else { return Ok(None) };
    let Some(account) = number.parse::<i64>().ok().filter(|_| number.bytes().all(|b| b.is_ascii_digit())) else {
        return Ok(None);
    };
    Ok(known(app, key).await?.map(|view| (view, Some(account))))
}

async fn known(app: &App, secret: &str) -> schema::Result<Option<Arc<KeyView>>> {
    if let Some(view) = directory::key(app, secret).await? {
        return Ok(Some(view));
    }
    // Some clients leave the customary beginning out.
    if secret.starts_with("sk-") || secret.contains('_') {
        return Ok(None);
    }
    directory::key(app, &format!("sk-{secret}")).await
}

/// Starts the life of a key that waited for this call; the call does not wait for it.
fn first_use(app: &App, key_id: i64) {
    let begun = app.clone();
    app.spawn(async move {
        if let Err(error) = api_key::first_use(&begun, key_id).await {
            tracing::warn!(key = key_id, cause = error.cause(), "a key's first use could not be noted");
        }
    });
}
