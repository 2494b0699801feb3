//! Exports from the order to the file, and everything that stops one in between.

use futures_util::TryStreamExt;

use super::columns::Form;
use super::*;
use crate::actor::Role;
use crate::clock::{HOUR, MINUTE};
use crate::model::audit::{AuditEntry, AuditFilter};
use crate::model::export::ExportKind;
use crate::model::export::Step;
use crate::model::ledger::{EntryKind, LedgerEntry, LedgerFilter, NewLedgerEntry};
use crate::model::request_log::LogFilter;
use crate::model::usage::UsageFilter;
use crate::model::user::{User, UserChange, UserFilter};
use crate::money::Micros;
use crate::page::{Cursor, CursorKey};
use crate::testing::TestApp;

fn ledger(user_id: Option<i64>) -> Wanted {
    Wanted::LedgerEntries(LedgerFilter { user_id, ..LedgerFilter::default() })
}

fn own(actor: &Actor) -> i64 {
    actor.user_id.expect("an id")
}

/// So many movements of a person's wallet.
async fn moved(t: &TestApp, user_id: i64, count: i64, note: &str) {
    let mut tx = t.db.begin().await.expect("a transaction");
    for seq in 0..count {
        let new = NewLedgerEntry {
            user_id,
            seq: seq + 1,
            kind: EntryKind::Adjustment,
            amount: Micros(-1_500_000),
            balance_after: Micros(seq),
            reference: "",
            idem_key: None,
            note,
            actor: "test",
            created_at: t.clock.now(),
        };
        LedgerEntry::insert(&mut tx, &new).await.expect("an entry");
    }
    tx.commit().await.expect("committed");
}

async fn text(t: &TestApp, actor: &Actor, id: i64) -> Result<String> {
    let (export, pieces) = download(t, actor, id).await?;
    let bytes = pieces.try_concat().await?;
    assert_eq!(bytes.len() as i64, export.byte_count, "as long as was told");
    Ok(String::from_utf8(bytes).expect("text"))
}

async fn row(t: &TestApp, id: i64) -> Export {
    let mut conn = t.db.conn().await.expect("a connection");
    Export::find(&mut conn, id).await.expect("a row").expect("an export")
}

async fn pieces(t: &TestApp, id: i64) -> bool {
    let mut conn = t.db.conn().await.expect("a connection");
    Export::chunk(&mut conn, id, 0).await.expect("an answer").is_some()
}

fn word<T: std::fmt::Debug>(answer: Result<T>) -> &'static str {
    let error = answer.expect_err("a refusal");
    error.detail_code().unwrap_or(error.code())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_becomes_a_file_with_one_s_own_rows() {
    let t = TestApp::new().await;
    let (ann, bob) = (t.user("ann").await, t.user("bob").await);
    moved(&t, own(&ann), 2, "=HYPERLINK(\"x\")").await;
    moved(&t, own(&bob), 1, "of bob").await;
    let made = create(&t, &ann, ledger(None), ExportFormat::Csv).await.expect("ordered");
    assert_eq!((made.status, made.kind, made.wide), (ExportStatus::Pending, ExportKind::LedgerEntries, false));
    assert_eq!(word(text(&t, &ann, made.id).await), "EXPORT_NOT_READY");
    assert_eq!(work_due(&t).await.expect("written"), 1);
    let file = text(&t, &ann, made.id).await.expect("a file");
    let lines: Vec<&str> = file.strip_prefix(crate::csv::MARK).expect("a mark").lines().collect();
    assert_eq!(lines[0], "id,createdAt,userId,username,kind,amount,balanceAfter,reference,note");
    assert_eq!(lines.len(), 3);
    let at = t.clock.now().rfc3339();
    // Newest first, as in the list; an amount is a number, a note no formula.
    let wanted = format!(",{at},{},ann,adjustment,-1.500000,0.000001,,\"'=HYPERLINK(\"\"x\"\")\"", own(&ann));
    assert!(lines[1].ends_with(&wanted), "{}", lines[1]);
    let done = row(&t, made.id).await;
    assert_eq!((done.status, done.row_count), (ExportStatus::Ready, 2));
    assert_eq!(done.expires_at, Some(t.clock.now().plus(24 * HOUR)));

    let json = create(&t, &ann, ledger(Some(own(&ann))), ExportFormat::Jsonl).await.expect("ordered");
    work_due(&t).await.expect("written");
    let file = text(&t, &ann, json.id).await.expect("a file");
    let first: Value = serde_json::from_str(file.lines().next().expect("a line")).expect("JSON");
    assert_eq!(first["note"], "=HYPERLINK(\"x\")");
    assert!(file.starts_with("{\"id\":") && file.contains("\"amount\":\"-1.500000\",\"balanceAfter\""), "{file}");

    let mut conn = t.db.conn().await.expect("a connection");
    for (action, times) in [("export.create", 2), ("export.download", 2)] {
        let filter = AuditFilter { action: Some(action.into()), actor_id: ann.user_id, ..AuditFilter::default() };
        assert_eq!(AuditEntry::count(&mut conn, &filter).await.expect("a count"), times, "{action}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_may_not_see_is_not_exported() {
    let t = TestApp::new().await;
    let (admin, ann, bob) = (t.admin().await, t.user("ann").await, t.user("bob").await);
    let csv = ExportFormat::Csv;
    let nobody = Actor { user_id: None, role: None, ..ann.clone() };
    assert_eq!(word(create(&t, &nobody, ledger(None), csv).await), "UNAUTHENTICATED");
    assert_eq!(word(create(&t, &ann, ledger(bob.user_id), csv).await), "NOT_FOUND");
    assert_eq!(word(create(&t, &ann, Wanted::Users(UserFilter::default()), csv).await), "FORBIDDEN");
    assert_eq!(word(create(&t, &ann, Wanted::RequestLogs(LogFilter::default()), csv).await), "FORBIDDEN");
    let by_account = UsageFilter { account_id: Some(1), ..UsageFilter::default() };
    assert_eq!(word(create(&t, &ann, Wanted::UsageRecords(by_account), csv).await), "FORBIDDEN");
    let made = create(&t, &ann, ledger(None), csv).await.expect("ordered");
    work_due(&t).await.expect("written");
    for stranger in [&bob, &nobody] {
        let wanted = if stranger.user_id.is_some() { "NOT_FOUND" } else { "UNAUTHENTICATED" };
        assert_eq!(word(get(&t, stranger, made.id).await), wanted);
        assert_eq!(word(text(&t, stranger, made.id).await), wanted);
        assert_eq!(word(cancel(&t, stranger, made.id).await), wanted);
    }
    let all = ExportFilter::default();
    assert_eq!(count(&t, &bob, &all).await.expect("a count"), 0);
    assert_eq!(count(&t, &ann, &all).await.expect("a count"), 1);
    assert!(several(&t, &bob, &[made.id]).await.expect("a list").is_empty());
    // An administrator sees it, and reads it under their own name.
    assert_eq!(list(&t, &admin, &all, &Seek::default()).await.expect("a page").rows.len(), 1);
    text(&t, &admin, made.id).await.expect("a file");
    assert_eq!(word(get(&t, &admin, 987).await), "NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_is_written_in_both_formats_and_the_administrators_columns_are_theirs() {
    let t = TestApp::new().await;
    let (admin, ann) = (t.admin().await, t.user("ann").await);
    moved(&t, own(&ann), 1, "").await;
    let kinds = [
        Wanted::UsageRecords(UsageFilter::default()),
        ledger(None),
        Wanted::Orders(Default::default()),
        Wanted::Users(UserFilter::default()),
        Wanted::ApiKeys(Default::default()),
        Wanted::Cards(Default::default()),
        Wanted::AuditLog(AuditFilter::default()),
        Wanted::RequestLogs(LogFilter::default()),
    ];
    for wanted in &kinds {
        let mut heads = Vec::new();
        for format in ExportFormat::ALL {
            let made = create(&t, &admin, wanted.clone(), *format).await.expect("ordered");
            work_due(&t).await.expect("written");
            let done = row(&t, made.id).await;
            assert_eq!(done.status, ExportStatus::Ready, "{:?}: {}", wanted.kind(), done.fail_reason);
            let file = text(&t, &admin, made.id).await.expect("a file");
            match format {
                ExportFormat::Csv => {
                    heads = file
                        .trim_start_matches(crate::csv::MARK)
                        .lines()
                        .next()
                        .expect("a head")
                        .split(',')
                        .map(str::to_owned)
                        .collect();
                    assert!(heads.len() > 5, "{heads:?}");
                }
                ExportFormat::Jsonl => {
                    assert_eq!(file.lines().count() as i64, done.row_count);
                    for line in file.lines() {
                        let members: serde_json::Map<String, Value> = serde_json::from_str(line).expect("JSON");
                        assert!(members.keys().eq(&heads), "{line}");
                    }
                }
            }
            cancel(&t, &admin, made.id).await.expect("forgotten");
        }
    }
    let narrow = Form { format: ExportFormat::Csv, wide: false };
    let head = String::from_utf8(narrow.head(columns::USAGE)).expect("text");
    assert!(head.contains("cost,") && !head.contains("rawCost") && !head.contains("accountId"), "{head}");
    let filter = serde_json::to_string(&kinds[0]).expect("JSON").replace("\"user_id\"", "\"unheard_of\"");
    assert!(serde_json::from_str::<Wanted>(&filter).is_err(), "a condition nobody knows is not passed over");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_at_a_time_and_so_many_kept() {
    let t = TestApp::new().await;
    let (ann, bob) = (t.user("ann").await, t.user("bob").await);
    let order = || create(&t, &ann, ledger(None), ExportFormat::Csv);
    let (one, two) = tokio::join!(order(), order());
    let (won, lost) = if one.is_ok() { (one, two) } else { (two, one) };
    let won = won.expect("one is ordered");
    assert_eq!(word(lost), "EXPORT_RUNNING");
    assert_eq!(word(order().await), "EXPORT_RUNNING");
    create(&t, &bob, ledger(None), ExportFormat::Csv).await.expect("somebody else's");
    assert_eq!(work_due(&t).await.expect("written"), 2);
    for _ in 1..MOST_KEPT {
        order().await.expect("ordered");
        work_due(&t).await.expect("written");
    }
    assert_eq!(word(order().await), "EXPORT_TOO_MANY");
    cancel(&t, &ann, won.id).await.expect("forgotten");
    assert!(!pieces(&t, won.id).await);
    assert_eq!(word(text(&t, &ann, won.id).await), "EXPORT_GONE");
    assert_eq!(word(cancel(&t, &ann, won.id).await), "EXPORT_ENDED");
    order().await.expect("there is room again");
}

/// What somebody wrote who then died: the first page of it.
async fn half_written(t: &TestApp, actor: &Actor, id: i64) -> Export {
    let seen = row(t, id).await;
    let now = t.clock.now();
    let mut conn = t.db.conn().await.expect("a connection");
    let held = Export::claim(&mut conn, &seen, "the dead", now, now.plus(MINUTE)).await.expect("claimed");
    drop(conn);
    let held = held.expect("it is free");
    let wanted: Wanted = serde_json::from_str(&held.wanted).expect("what was wanted");
    let form = Form { format: held.format, wide: held.wide };
    let page = pages::write(t, actor, &wanted, form, None, 500).await.expect("a page");
    let position = page.last.map(|c| c.encode());
    let step = Step { body: page.body, rows: page.rows, position, held_until: now.plus(MINUTE) };
    let mut tx = t.db.begin().await.expect("a transaction");
    assert!(Export::step(&mut tx, &held, &step, now).await.expect("a step"));
    tx.commit().await.expect("committed");
    held
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_process_left_is_taken_up_and_no_row_is_there_twice() {
    let t = TestApp::new().await;
    let ann = t.user("ann").await;
    moved(&t, own(&ann), 1_203, "n").await;
    let whole = create(&t, &ann, ledger(None), ExportFormat::Csv).await.expect("ordered");
    assert_eq!(work_due(&t).await.expect("written"), 1);
    let whole = text(&t, &ann, whole.id).await.expect("a file");
    assert_eq!(whole.lines().count(), 1_204);

    let left = create(&t, &ann, ledger(None), ExportFormat::Csv).await.expect("ordered");
    let held = half_written(&t, &ann, left.id).await;
    assert_eq!(work_due(&t).await.expect("a round"), 0, "its writer may still live");
    t.advance(MINUTE + 1);
    let neighbour = t.neighbour().await;
    let (here, there) = tokio::join!(work_due(&t), work_due(&neighbour));
    assert_eq!(here.expect("a round") + there.expect("a round"), 1, "one of the two takes it up");
    assert_eq!(text(&t, &ann, left.id).await.expect("a file"), whole);
    // The dead, had it only slept, cannot write into it any more.
    let mut tx = t.db.begin().await.expect("a transaction");
    let late = Step { body: b"late".to_vec(), rows: 1, position: None, held_until: t.clock.now() };
    assert!(!Export::step(&mut tx, &held, &late, t.clock.now()).await.expect("an answer"));
    drop(tx);
    neighbour.stop.cancel();

    // One that is begun again and again without getting anywhere is given up, and says so.
    let bad = create(&t, &ann, ledger(None), ExportFormat::Csv).await.expect("ordered");
    for _ in 0..5 {
        let seen = row(&t, bad.id).await;
        let now = t.clock.now();
        let mut conn = t.db.conn().await.expect("a connection");
        let claimed = Export::claim(&mut conn, &seen, "dying", now, now.plus(1)).await.expect("claimed");
        assert!(claimed.is_some());
        drop(conn);
        t.advance(2);
    }
    assert_eq!(work_due(&t).await.expect("a round"), 1);
    let bad = row(&t, bad.id).await;
    assert_eq!((bad.status, bad.fail_reason.contains("however often")), (ExportStatus::Failed, true));
    assert_eq!(word(text(&t, &ann, bad.id).await), "EXPORT_FAILED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_one_is_written_no_further_and_a_long_one_is_refused() {
    let t = TestApp::new().await;
    let ann = t.user("ann").await;
    moved(&t, own(&ann), 600, "n").await;
    let made = create(&t, &ann, ledger(None), ExportFormat::Csv).await.expect("ordered");
    let held = half_written(&t, &ann, made.id).await;
    assert!(pieces(&t, made.id).await);
    cancel(&t, &ann, made.id).await.expect("cancelled");
    let mut tx = t.db.begin().await.expect("a transaction");
    let more = Step { body: b"more".to_vec(), rows: 1, position: None, held_until: t.clock.now() };
    let at = Export { chunk_count: 1, ..held };
    assert!(!Export::step(&mut tx, &at, &more, t.clock.now()).await.expect("an answer"));
    drop(tx);
    t.advance(2 * MINUTE);
    assert_eq!(work_due(&t).await.expect("a round"), 0);
    assert!(!pieces(&t, made.id).await);

    let long = create(&t, &ann, ledger(None), ExportFormat::Csv).await.expect("ordered");
    let seen = row(&t, long.id).await;
    let now = t.clock.now();
    let mut tx = t.db.begin().await.expect("a transaction");
    let held = Export::claim(&mut tx, &seen, "it", now, now).await.expect("claimed").expect("free");
    let top = Cursor { key: CursorKey::Number(i64::MAX), id: i64::MAX };
    let step = Step { body: b"x".to_vec(), rows: 999_900, position: Some(top.encode()), held_until: now };
    assert!(Export::step(&mut tx, &held, &step, now).await.expect("a step"));
    tx.commit().await.expect("committed");
    assert_eq!(work_due(&t).await.expect("a round"), 1);
    let long = row(&t, long.id).await;
    assert_eq!(
        (long.status, long.fail_reason.as_str()),
        (ExportStatus::Failed, "more than 1000000 rows; narrow the filter")
    );
    assert!(!pieces(&t, long.id).await);
}

async fn depose(t: &TestApp, actor: &Actor) -> Actor {
    let mut conn = t.db.conn().await.expect("a connection");
    let user = User::find(&mut conn, own(actor)).await.expect("a row").expect("a person");
    let change = UserChange { role: Some(Role::User), ..UserChange::default() };
    User::update(&mut conn, user.id, user.version, &change, false, t.clock.now()).await.expect("deposed");
    Actor { role: Some(Role::User), ..actor.clone() }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_no_administrator_any_more_gets_nothing_of_everybody() {
    let t = TestApp::new().await;
    let eve = t.person("eve", Role::Admin).await.1;
    let read = create(&t, &eve, Wanted::Users(UserFilter::default()), ExportFormat::Csv).await.expect("ordered");
    work_due(&t).await.expect("written");
    let waiting = create(&t, &eve, ledger(None), ExportFormat::Csv).await.expect("ordered");
    let eve = depose(&t, &eve).await;
    assert_eq!(word(text(&t, &eve, read.id).await), "FORBIDDEN");
    assert_eq!(work_due(&t).await.expect("a round"), 1);
    let failed = row(&t, waiting.id).await;
    assert_eq!(failed.status, ExportStatus::Failed);
    assert!(failed.fail_reason.contains("no administrator"), "{}", failed.fail_reason);
    create(&t, &eve, ledger(None), ExportFormat::Csv).await.expect("of their own");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_has_its_time() {
    let t = TestApp::new().await;
    let ann = t.user("ann").await;
    let made = create(&t, &ann, ledger(None), ExportFormat::Jsonl).await.expect("ordered");
    work_due(&t).await.expect("written");
    assert_eq!(text(&t, &ann, made.id).await.expect("a file"), "", "no rows, no bytes");
    let made = create(&t, &ann, ledger(None), ExportFormat::Csv).await.expect("ordered");
    work_due(&t).await.expect("written");
    let written = t.clock.now();
    t.advance(24 * HOUR - 1);
    text(&t, &ann, made.id).await.expect("a file");
    t.advance(1);
    assert_eq!(word(text(&t, &ann, made.id).await), "EXPORT_GONE");
    assert!(pieces(&t, made.id).await);
    assert_eq!(expire_due(&t).await.expect("a round"), 2);
    assert_eq!(expire_due(&t).await.expect("a round"), 0);
    assert!(!pieces(&t, made.id).await);
    let gone = row(&t, made.id).await;
    assert_eq!((gone.status, gone.finished_at), (ExportStatus::Expired, Some(written)), "it was finished when it was");
    assert_eq!(gone.updated_at, t.clock.now());
    t.advance(KEPT_MS);
    expire_due(&t).await.expect("a round");
    assert_eq!(row(&t, made.id).await.status, ExportStatus::Expired, "kept from when its file went");
    t.advance(1);
    expire_due(&t).await.expect("a round");
    assert_eq!(word(get(&t, &ann, made.id).await), "NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_export_ended_when_its_file_was_finished_or_else_then() {
    let t = TestApp::new().await;
    let ann = t.user("ann").await;
    let made = create(&t, &ann, ledger(None), ExportFormat::Csv).await.expect("ordered");
    work_due(&t).await.expect("written");
    let written = t.clock.now();
    t.advance(HOUR);
    let cancelled = cancel(&t, &ann, made.id).await.expect("cancelled");
    assert_eq!((cancelled.status, cancelled.finished_at), (ExportStatus::Cancelled, Some(written)));
    assert_eq!(word(cancel(&t, &ann, made.id).await), "EXPORT_ENDED");
    let pending = create(&t, &ann, ledger(None), ExportFormat::Csv).await.expect("ordered");
    let cancelled = cancel(&t, &ann, pending.id).await.expect("cancelled");
    assert_eq!(cancelled.finished_at, Some(t.clock.now()));
    // Who held it is too late, whatever it has to say.
    let end = End { why: "late", ..End::without_file(ExportStatus::Failed) };
    let mut conn = t.db.conn().await.expect("a connection");
    let held = (&[ExportStatus::Running][..], Some("it"));
    assert!(Export::end(&mut conn, pending.id, held, &end, t.clock.now()).await.expect("an answer").is_none());
}
