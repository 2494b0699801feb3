use std::collections::HashMap;
use std::convert::Infallible;
use std::hash::Hash;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_graphql::dataloader::{DataLoader, Loader};
use futures_util::future::{join, join_all, poll_fn};
use futures_util::stream;
use futures_util::task::SpawnExt;

use super::*;

/// How many batches of each kind were read.
#[derive(Default)]
struct Reads {
    first: AtomicUsize,
    slow: AtomicUsize,
    last: AtomicUsize,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct First(usize);
#[derive(Clone, PartialEq, Eq, Hash)]
struct Slow(usize);
#[derive(Clone, PartialEq, Eq, Hash)]
struct Last(usize);

struct Db(Arc<Reads>);

async fn read<K: Clone + Eq + Hash>(
    count: &AtomicUsize,
    turns: usize,
    keys: &[K],
) -> Result<HashMap<K, ()>, Infallible> {
    count.fetch_add(1, Ordering::SeqCst);
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
    Ok(keys.iter().map(|key| (key.clone(), ())).collect())
}

impl Loader<First> for Db {
    type Value = ();
    type Error = Infallible;

    async fn load(&self, keys: &[First]) -> Result<HashMap<First, ()>, Infallible> {
        read(&self.0.first, 1, keys).await
    }
}

impl Loader<Slow> for Db {
    type Value = ();
    type Error = Infallible;

    async fn load(&self, keys: &[Slow]) -> Result<HashMap<Slow, ()>, Infallible> {
        read(&self.0.slow, 200, keys).await
    }
}

impl Loader<Last> for Db {
    type Value = ();
    type Error = Infallible;

    async fn load(&self, keys: &[Last]) -> Result<HashMap<Last, ()>, Infallible> {
        read(&self.0.last, 0, keys).await
    }
}

fn begin() -> (Progress, Arc<DataLoader<Db>>, Arc<Reads>) {
    let (progress, reads) = (Progress::default(), Arc::<Reads>::default());
    let loader = DataLoader::new(Db(reads.clone()), progress.clone(), progress.clone());
    (progress, Arc::new(loader), reads)
}

fn counted(reads: &Reads) -> (usize, usize, usize) {
    let of = |count: &AtomicUsize| count.load(Ordering::SeqCst);
    (of(&reads.first), of(&reads.slow), of(&reads.last))
}

/// Gives up its turn and asks for another.
async fn turn() {
    let mut before = true;
    poll_fn(|cx| {
        if std::mem::take(&mut before) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    })
    .await;
}

/// Rows that come to their questions in different turns, each with a second question behind two first ones.
async fn page(loader: &DataLoader<Db>, rows: usize) {
    join_all((0..rows).map(|row| async move {
        for _ in 0..row % 7 {
            turn().await;
        }
        let one = async {
            loader.load_one(First(row)).await.unwrap().unwrap();
            loader.load_one(Last(row)).await.unwrap().unwrap();
        };
        let other = async {
            loader.load_one(Slow(row)).await.unwrap().unwrap();
            loader.load_one(Last(rows + row)).await.unwrap().unwrap();
        };
        join(one, other).await;
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_level_is_read_at_once_whatever_the_rows_and_the_clock() {
    for _ in 0..50 {
        for rows in [1, 4, 200] {
            let (progress, loader, reads) = begin();
            progress.watch(page(&loader, rows)).await;
            // What belongs to the quick and to the slow is of one level.
            assert_eq!(counted(&reads), (1, 1, 1), "{rows} rows");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_event_of_a_subscription_reads_for_itself() {
    let (progress, loader, reads) = begin();
    let events = stream::iter(0..3).then(move |_| {
        let loader = loader.clone();
        async move { page(&loader, 40).await }
    });
    assert_eq!(progress.watch_events(events.boxed()).count().await, 3);
    assert_eq!(counted(&reads), (3, 3, 3));
}

#[tokio::test]
async fn what_nobody_watches_is_read_at_once() {
    let (_, loader, reads) = begin();
    loader.load_one(First(1)).await.unwrap().unwrap();
    assert_eq!(counted(&reads), (1, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_for_is_let_go_when_the_request_is() {
    let (progress, loader, reads) = begin();
    let mut request = Box::pin(progress.clone().watch(join(loader.load_one(First(1)), async {
        loop {
            turn().await;
        }
    })));
    // It never comes to rest; its batch waits for as long as it is there.
    for _ in 0..100 {
        assert!(futures_util::poll!(&mut request).is_pending());
        tokio::task::yield_now().await;
    }
    assert_eq!(counted(&reads), (0, 0, 0));
    drop(request);
    let gone = async {
        while counted(&reads) != (1, 0, 0) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_panics_holds_up_no_other() {
    let (progress, loader, reads) = begin();
    progress.spawn(async { panic!("as it should, in this test") }).unwrap();
    let request = progress.watch(loader.load_one(First(1)));
    tokio::time::timeout(Duration::from_secs(10), request).await.unwrap().unwrap().unwrap();
    assert_eq!(counted(&reads), (1, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_resolver_reads_itself_holds_back_what_others_ask_for() {
    let file = std::env::temp_dir().join(format!("tollgate-progress-{}.db", std::process::id()));
    let database =
        schema::db::Db::connect(&format!("sqlite://{}", file.display()), schema::db::PoolSize(1)).await.unwrap();
    let (progress, loader, reads) = begin();
    let quick = async {
        loader.load_one(First(1)).await.unwrap().unwrap();
        loader.load_one(Last(1)).await.unwrap().unwrap();
    };
    let slow = async {
        let conn = database.conn().await.unwrap();
        // Nothing wakes it, and nothing of it is asked of the loader.
        tokio::time::sleep(Duration::from_millis(50)).await;
        drop(conn);
        loader.load_one(First(2)).await.unwrap().unwrap();
        loader.load_one(Last(2)).await.unwrap().unwrap();
    };
    progress.watch(join(quick, slow)).await;
    drop(database);
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", file.display()));
    }
    assert_eq!(counted(&reads), (1, 0, 1));
}
