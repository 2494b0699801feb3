//! Settings as they are read while they change.

use std::collections::BTreeMap;

use super::*;
use crate::testing::TestApp;

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_that_began_before_a_change_does_not_hide_it() {
    let t = TestApp::new().await;
    let root = t.admin().await;
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let app = t.app.clone();
            tokio::spawn(async move {
                loop {
                    reload(&app).await.expect("read");
                }
            })
        })
        .collect();
    for n in 0..60 {
        let name = format!("Gate {n}");
        let change = BTreeMap::from([(names::SITE_NAME.to_owned(), Some(name.clone()))]);
        put(&t, &root, &change).await.expect("put");
        for _ in 0..5 {
            assert_eq!(current(&t).text(names::SITE_NAME), name);
            tokio::task::yield_now().await;
        }
    }
    for reader in readers {
        reader.abort();
    }
}
