//! What the codes of task services mean.

use super::blames::{blame, cooling, vendor};
use super::*;
use crate::provider::blame::pause;

#[test]
fn task_services_tell_by_their_codes() {
    let full = |code: i64| format!(r#"{{"code":{code},"description":"x","result":null}}"#);
    let mj = |code: i64| {
        provider(Kind::Midjourney)
            .in_band(full(code).as_bytes())
            .map(|status| blame(Kind::Midjourney, status.as_u16(), &full(code)))
    };
    for good in [1, 21, 22] {
        assert_eq!(mj(good), None);
    }
    assert_eq!(mj(3), Some(cooling(pause::RATE_LIMIT, Scope::Account)));
    let lost = r#"{"code":3,"description":"关联任务不存在或已失效","result":""}"#;
    assert_eq!(provider(Kind::Midjourney).in_band(lost.as_bytes()), Some(StatusCode::NOT_FOUND));
    assert_eq!(mj(23), Some(cooling(pause::RATE_LIMIT, Scope::Account)));
    assert_eq!(mj(24), Some(Blame::Caller));
    assert_eq!(mj(4), Some(Blame::Caller));
    assert_eq!(mj(9), Some(vendor(pause::FAILURE)));

    let kling = |status: u16, code: i64| blame(Kind::Kling, status, &format!(r#"{{"code":{code},"message":"x"}}"#));
    for (status, code, wanted) in [
        (401, 1000, Blame::blocked(Reason::BadCredential)),
        (401, 1002, Blame::blocked(Reason::BadCredential)),
        (401, 1004, vendor(pause::FAILURE)),
        (429, 1100, Blame::blocked(Reason::Disabled)),
        (429, 1101, Blame::blocked(Reason::OutOfMoney)),
        (429, 1102, Blame::blocked(Reason::OutOfMoney)),
        (400, 1201, Blame::Caller),
        (404, 1203, Blame::Caller),
        (400, 1301, Blame::Caller),
        (429, 1302, cooling(pause::OVERLOAD, Scope::Account)),
        (429, 1303, cooling(pause::OVERLOAD, Scope::Account)),
        (403, 1304, Blame::blocked(Reason::Forbidden)),
        (500, 5000, vendor(pause::FAILURE)),
    ] {
        assert_eq!(kling(status, code), wanted, "{code}");
        let hidden = provider(Kind::Kling).in_band(format!(r#"{{"code":{code}}}"#).as_bytes()).unwrap();
        assert_eq!(kling(hidden.as_u16(), code), wanted, "hidden {code}");
    }
    assert_eq!(provider(Kind::Kling).in_band(br#"{"code":0,"message":"SUCCEED"}"#), None);

    let suno = |body: &str| provider(Kind::Suno).in_band(body.as_bytes()).map(|status| status.as_u16());
    assert_eq!(suno(r#"{"code":"success","data":"t"}"#), None);
    assert_eq!(suno(r#"{"code":200,"data":"t"}"#), None);
    assert_eq!(suno(r#"{"code":"error","message":"x"}"#), Some(502));
    assert_eq!(suno(r#"{"code":400,"message":"x"}"#), Some(400));
    let video = |body: &str| provider(Kind::Video).in_band(body.as_bytes()).map(|status| status.as_u16());
    assert_eq!(video(r#"{"task_id":"t","status":"queued"}"#), None);
    assert_eq!(video(r#"{"success":true,"data":{"task_id":"t"}}"#), None);
    assert_eq!(video(r#"{"code":"success","data":{}}"#), None);
    assert_eq!(video(r#"{"success":false}"#), Some(502));
    assert_eq!(video(r#"{"code":"fail"}"#), Some(502));
}
