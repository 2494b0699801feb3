use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use super::*;

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("tollgate-journal-{}", crate::id::uuid())))
    }
    fn slot(&self) -> Slot {
        claim(&self.0).expect("a slot").0
    }
    fn open(&self, bounds: Bounds) -> Journal<String> {
        Journal::open(self.slot(), bounds, |_| {}).expect("a journal")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn text(n: usize) -> String {
    format!("record {n}")
}

async fn all(journal: &Journal<String>) -> Vec<String> {
    let mut found = Vec::new();
    loop {
        let (part, _) = journal.take(7).await.expect("records");
        if part.is_empty() {
            return found;
        }
        found.extend(part);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_come_back_in_order_and_share_their_syncs() {
    let folder = Folder::new();
    let groups = Arc::new(AtomicUsize::new(0));
    let counted = groups.clone();
    let told = move |_: &[String]| {
        counted.fetch_add(1, Ordering::SeqCst);
    };
    let journal = Arc::new(Journal::open(folder.slot(), Bounds::default(), told).expect("a journal"));
    let appends: Vec<_> = (0..200)
        .map(|n| {
            let journal = journal.clone();
            tokio::spawn(async move { journal.append(text(n)).await })
        })
        .collect();
    for append in appends {
        append.await.expect("a task").expect("durable");
    }
    let mut found = all(&journal).await;
    found.sort_by_key(|t| t.rsplit(' ').next().and_then(|n| n.parse::<usize>().ok()));
    assert_eq!(found, (0..200).map(text).collect::<Vec<_>>());
    assert!(groups.load(Ordering::SeqCst) < 150, "many appends share a sync: {groups:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_carried_is_read_again_and_a_torn_tail_is_no_loss() {
    let folder = Folder::new();
    let journal = folder.open(Bounds::default());
    for n in 0..10 {
        journal.append(text(n)).await.expect("durable");
    }
    let (_, carried) = journal.take(4).await.expect("records");
    journal.carried(carried).await.expect("noted");
    journal.close().await;
    drop(journal);

    // A crash in the middle of a write.
    let slot = folder.slot();
    let last = *slot::segments(slot.dir()).expect("segments").last().expect("one");
    let mut torn = Vec::new();
    slot::encode(&text(99), &mut torn).expect("encoded");
    torn.truncate(torn.len() - 3);
    let path = slot::path(slot.dir(), last);
    let mut bytes = std::fs::read(&path).expect("the file");
    bytes.extend_from_slice(&torn);
    std::fs::write(&path, &bytes).expect("written");
    drop(slot);

    let journal = folder.open(Bounds::default());
    journal.append(text(10)).await.expect("durable");
    assert_eq!(all(&journal).await, (4..11).map(text).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_ends_a_segment_but_not_the_journal() {
    let folder = Folder::new();
    let journal = folder.open(Bounds { segment_bytes: 1, ..Bounds::default() });
    for n in 0..3 {
        journal.append(text(n)).await.expect("durable");
    }
    journal.close().await;
    drop(journal);
    let slot = folder.slot();
    let ids = slot::segments(slot.dir()).expect("segments");
    assert!(ids.len() >= 3, "a segment a record: {ids:?}");
    let path = slot::path(slot.dir(), ids[1]);
    let mut bytes = std::fs::read(&path).expect("the file");
    let end = bytes.len() - 1;
    bytes[end] ^= 1;
    std::fs::write(&path, bytes).expect("written");
    drop(slot);
    let journal = folder.open(Bounds::default());
    assert_eq!(all(&journal).await, [text(0), text(2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_is_served_from_the_files() {
    let folder = Folder::new();
    let bounds = Bounds { in_memory: 5, segment_bytes: 100, gap: Duration::ZERO, ..Bounds::default() };
    let journal = folder.open(bounds);
    for n in 0..40 {
        journal.append(text(n)).await.expect("durable");
    }
    let mut found = all(&journal).await;
    assert_eq!(journal.ready(), 0, "caught up");
    for n in 40..44 {
        journal.append(text(n)).await.expect("durable");
    }
    assert_eq!(journal.ready(), 4, "from memory again");
    found.extend(all(&journal).await);
    assert_eq!(found, (0..44).map(text).collect::<Vec<_>>());

    let (_, end) = journal.take(1).await.expect("nothing more");
    journal.carried(end).await.expect("noted");
    assert!(journal.bytes() < 200, "carried segments are deleted: {}", journal.bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_journal_says_so_before_it_refuses() {
    let folder = Folder::new();
    let journal = folder.open(Bounds { most_bytes: 300, segment_bytes: 50, ..Bounds::default() });
    assert!(journal.is_open());
    for n in 0..20 {
        // Work already under way is still taken past the bound.
        journal.append(text(n)).await.expect("durable");
    }
    assert!(!journal.is_open(), "new work is to be refused");
    assert!(journal.fill() >= 100);
    all(&journal).await;
    let (_, end) = journal.take(1).await.expect("nothing more");
    journal.carried(end).await.expect("noted");
    assert!(journal.is_open(), "and taken again once there is room");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_cannot_be_written_says_so_and_recovers() {
    let folder = Folder::new();
    let journal = folder.open(Bounds { segment_bytes: 1, ..Bounds::default() });
    journal.append(text(0)).await.expect("durable");
    // The next segment's name is taken by a folder, so that it cannot be made.
    let dir = folder.0.join("slot-0");
    let next = slot::segments(&dir).expect("segments").last().expect("one") + 1;
    let aside = dir.with_extension("aside");
    std::fs::rename(&dir, &aside).expect("moved away");
    journal.append(text(1)).await.expect("the open file still takes it");
    let lost = journal.append(text(2)).await;
    let _ = next;
    drop(lost);
    std::fs::rename(&aside, &dir).expect("moved back");
    journal.append(text(3)).await.expect("durable again");
    assert!(journal.is_open());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_have_a_slot_each_and_the_next_one_finds_the_dead() {
    let folder = Folder::new();
    let (first, left) = claim(&folder.0).expect("a slot");
    assert!(left.is_empty());
    let (second, left) = claim(&folder.0).expect("a slot");
    assert!(left.is_empty());
    assert_ne!(first.dir(), second.dir());
    let journal: Journal<String> = Journal::open(second, Bounds::default(), |_| {}).expect("a journal");
    journal.append(text(1)).await.expect("durable");
    journal.close().await;
    drop(journal);
    drop(first);
    let (own, left) = claim(&folder.0).expect("a slot");
    assert_eq!(own.dir().file_name().and_then(|n| n.to_str()), Some("slot-0"));
    assert_eq!(left.len(), 1, "the dead process's records");
    assert_eq!(left[0].read::<String>(left[0].noted(), 10).expect("records").0, [text(1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_journal_refuses() {
    let folder = Folder::new();
    let journal = folder.open(Bounds::default());
    journal.submit(text(0)).expect("taken");
    journal.close().await;
    assert_eq!(journal.append(text(1)).await.map_err(|e| e.code()), Err("UNAVAILABLE"));
    assert_eq!(all(&journal).await, [text(0)], "what was taken before is durable");
}
