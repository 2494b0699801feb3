//! Monthly partitions of single calls.

use schema::App;
use schema::Time;
use schema::service::{settle, sweep};

use crate::{Pair, call};

/// One round of the job that tends partitions.
async fn tend(app: &App) {
    let job = sweep::JOBS.iter().find(|job| job.name == "usage.partitions").expect("the job");
    (job.run)(app.clone()).await.expect("a round");
}

async fn partitions(url: &str) -> Vec<(String, i64)> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.expect("a connection");
    let task = tokio::spawn(connection);
    let mut found = Vec::new();
    let names = "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
                 WHERE i.inhparent = 'usage'::regclass ORDER BY 1";
    for row in client.query(names, &[]).await.expect("names") {
        let name: String = row.get(0);
        let count = client.query_one(&format!("SELECT count(*) FROM {name}"), &[]).await.expect("a count").get(0);
        found.push((name, count));
    }
    task.abort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn months_are_made_ahead_filled_and_dropped() {
    let Some(pair) = Pair::start().await else { return };
    let user_id = pair.user("ann", 1_000_000).await;
    let url = pair.one.config.database.url.reveal().to_owned();
    let at = |text: &str| Time::parse(text).expect("a time");
    let named = |list: &[(&str, i64)]| list.iter().map(|(n, c)| ((*n).to_owned(), *c)).collect::<Vec<_>>();
    let here = [("usage_2025_10", 0), ("usage_2025_11", 0), ("usage_2025_12", 0), ("usage_default", 0)];
    assert_eq!(partitions(&url).await, named(&here), "made at start");
    // Calls that came before anybody made a month for them.
    for day in ["2025-08-31", "2025-10-01", "2025-10-31"] {
        settle::record(&pair.one, call(user_id, 1, at(day), 1), None).await.expect("durable");
    }
    settle::flush(&pair.one).await.expect("carried");
    assert_eq!(partitions(&url).await[3], ("usage_default".to_owned(), 1));

    tend(&pair.one).await;
    let made =
        [("usage_2025_08", 1), ("usage_2025_10", 2), ("usage_2025_11", 0), ("usage_2025_12", 0), ("usage_default", 0)];
    assert_eq!(partitions(&url).await, named(&made));
    // New calls find their month; one that was booked before is still known.
    let again = call(user_id, 1, at("2025-11-05"), 1);
    settle::record(&pair.one, again.clone(), None).await.expect("durable");
    settle::record(&pair.two, again, None).await.expect("durable");
    settle::flush(&pair.one).await.expect("carried");
    settle::flush(&pair.two).await.expect("carried");
    assert_eq!(partitions(&url).await[2], ("usage_2025_11".to_owned(), 1));

    // Half a year and a month later: August and September are past their retention, October is not quite.
    pair.clock.advance(at("2026-04-15").0 - pair.clock.now().0);
    tend(&pair.two).await;
    let left: Vec<String> = partitions(&url).await.into_iter().map(|(name, _)| name).collect();
    assert!(!left.contains(&"usage_2025_08".to_owned()) && !left.contains(&"usage_2025_09".to_owned()), "{left:?}");
    assert!(left.contains(&"usage_2025_10".to_owned()) && left.contains(&"usage_2026_06".to_owned()), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn months_are_made_while_calls_are_booked() {
    let Some(pair) = Pair::start().await else { return };
    let user_id = pair.user("ann", 1_000_000).await;
    let start = pair.clock.now();
    let booking = {
        let (one, two) = (pair.one.clone(), pair.two.clone());
        tokio::spawn(async move {
            for n in 0..1_500 {
                let app = if n % 2 == 0 { &one } else { &two };
                settle::submit(app, call(user_id, 1, start.plus(n), 1), None).expect("taken");
                if n % 100 == 0 {
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                }
            }
            settle::flush(&one).await.expect("carried");
            settle::flush(&two).await.expect("carried");
        })
    };
    // The month is taken away and made again in the middle of it.
    let url = pair.one.config.database.url.reveal().to_owned();
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.expect("a connection");
    let task = tokio::spawn(connection);
    for _ in 0..3 {
        let away = "BEGIN; LOCK TABLE usage IN ACCESS EXCLUSIVE MODE; CREATE TEMP TABLE kept AS SELECT * FROM usage_2025_10; DROP TABLE usage_2025_10; \
                    INSERT INTO usage SELECT * FROM kept; DROP TABLE kept; COMMIT";
        client.batch_execute(away).await.expect("taken away");
        tokio::time::sleep(std::time::Duration::from_millis(40)).await;
        tokio::join!(tend(&pair.one), tend(&pair.two));
    }
    task.abort();
    booking.await.expect("a task");
    let found = partitions(&url).await;
    assert_eq!(found.iter().map(|(_, n)| n).sum::<i64>(), 1_500, "{found:?}");
    assert!(found.iter().any(|(name, _)| name == "usage_2025_10"), "{found:?}");
}
