//! Follows the bus so that this process's caches are never older than the last event.

use crate::App;
use crate::bus::Event;
use crate::service::{admission, directory, setting};

/// How often what accounts have spent in their day is read afresh, beside the events that tell of it.
const QUOTAS_EVERY: std::time::Duration = std::time::Duration::from_secs(60);

/// Starts following; ends when the process stops.
pub fn start(app: &App) {
    let mut listener = app.bus.listen();
    let app = app.clone();
    let stop = app.stop.clone();
    app.clone().spawn(async move {
        let mut often = tokio::time::interval(QUOTAS_EVERY);
        often.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // The first tick comes at once, when they were read just now.
        often.tick().await;
        loop {
            let event = tokio::select! {
                () = stop.cancelled() => return,
                event = listener.next() => event,
                _ = often.tick() => {
                    if let Err(cause) = directory::refresh_quotas(&app).await {
                        tracing::error!(cause = cause.cause().unwrap_or_default(), "quotas could not be read again");
                    }
                    continue;
                }
            };
            let Some(event) = event else { return };
            admission::heed(&app, &event).await;
            if matches!(*event, Event::SettingsChanged | Event::Resync)
                && let Err(cause) = setting::reload(&app).await
            {
                tracing::error!(cause = cause.cause().unwrap_or_default(), "settings could not be read again");
            }
            if let Err(cause) = directory::follow(&app, &event).await {
                tracing::error!(cause = cause.cause().unwrap_or_default(), "the directory could not follow an event");
            }
        }
    });
}
