//! The bus through Redis: one channel, events in batches, own events skipped when they come back.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use redis::AsyncCommands;
use tokio::sync::{broadcast, mpsc};

use super::Event;
use crate::error::{Error, Result};

const QUEUE: usize = 4096;
const BATCH: usize = 256;

#[derive(serde::Serialize, serde::Deserialize)]
struct Envelope<E> {
    from: String,
    events: Vec<E>,
}

/// Starts the two ends; returns the way out.
pub async fn connect(
    url: &str,
    prefix: &str,
    local: broadcast::Sender<Arc<Event>>,
) -> Result<mpsc::Sender<Arc<Event>>> {
    let client = redis::Client::open(url).map_err(|_| Error::invalid("REDIS_URL", "REDIS_URL is no Redis address"))?;
    let mut out = client
        .get_connection_manager()
        .await
        .map_err(|e| Error::unavailable("REDIS_URL: the Redis server is not reachable", e))?;
    let me = crate::id::uuid();
    let channel = format!("{prefix}events");
    let (sender, mut queue) = mpsc::channel::<Arc<Event>>(QUEUE);

    // The first subscription is made before anybody may rely on being told.
    let mut pubsub = Some(subscribe(&client, &channel).await?);
    let (mine, heard) = (me.clone(), channel.clone());
    tokio::spawn(async move {
        loop {
            let Some(stream) = pubsub.take() else { break };
            let mut messages = stream.into_on_message();
            while let Some(message) = messages.next().await {
                let Ok(text) = message.get_payload::<String>() else {
                    continue;
                };
                match serde_json::from_str::<Envelope<Event>>(&text) {
                    Ok(envelope) if envelope.from != mine => {
                        for event in envelope.events {
                            let _ = local.send(Arc::new(event));
                        }
                    }
                    Ok(_) => {}
                    Err(cause) => tracing::warn!(%cause, "an event of another version was skipped"),
                }
            }
            tracing::warn!("lost the event connection to Redis; reconnecting");
            loop {
                tokio::time::sleep(Duration::from_millis(200)).await;
                if let Ok(again) = subscribe(&client, &heard).await {
                    pubsub = Some(again);
                    let _ = local.send(Arc::new(Event::Resync));
                    break;
                }
            }
        }
    });

    tokio::spawn(async move {
        let mut batch = Vec::with_capacity(BATCH);
        while queue.recv_many(&mut batch, BATCH).await > 0 {
            let envelope = Envelope { from: me.clone(), events: std::mem::take(&mut batch) };
            let Ok(text) = serde_json::to_string(&envelope) else {
                continue;
            };
            if let Err(cause) = out.publish::<_, _, ()>(&channel, text).await {
                tracing::warn!(%cause, "events did not reach Redis");
            }
        }
    });
    Ok(sender)
}

async fn subscribe(client: &redis::Client, channel: &str) -> Result<redis::aio::PubSub> {
    let away = |e| Error::unavailable("the Redis server is not reachable", e);
    let mut pubsub = client.get_async_pubsub().await.map_err(away)?;
    pubsub.subscribe(channel).await.map_err(away)?;
    Ok(pubsub)
}
