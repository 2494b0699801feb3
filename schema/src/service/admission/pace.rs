//! How many calls of models one person may make in a while, over all of their keys.

use super::{Denied, Limit, Refusal};
use crate::App;
use crate::clock::Time;

/// So many calls, in so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    pub calls: i64,
    pub window_ms: i64,
}

/// Counts one more call of a person, and refuses it when it is one too many. A call that is refused later, or fails,
/// stays counted.
pub async fn pace(app: &App, user_id: i64, pace: Pace, now: Time) -> Result<(), Denied> {
    let hit = app.kv.hit(&format!("calls:{user_id}"), 1, pace.calls, pace.window_ms, now).await?;
    if hit.allowed {
        return Ok(());
    }
    let kind = Limit::UserRequests;
    Err(Denied::Refused(Refusal { kind, limit: pace.calls, current: pace.calls, resets_at: Some(hit.resets_at) }))
}
