//! What Midjourney clients ask, and what proxies say.

use super::*;

fn order(action: &str, fields: Value, parent: Option<&Task>) -> Result<Order, Fault> {
    let Value::Object(fields) = fields else { panic!("an object") };
    let path = format!("/mj/submit/{action}");
    Midjourney.order(Heard { action, path: &path, fields, parent, callback: None, native: false })
}

#[test]
fn actions_and_models_follow_what_is_asked() {
    let parent = crate::task::tests::a_task("midjourney", "up-1");
    for (action, fields, model) in [
        ("imagine", json!({"prompt": "a"}), "mj_imagine"),
        ("change", json!({"taskId": "x", "action": "UPSCALE", "index": 2}), "mj_upscale"),
        ("change", json!({"taskId": "x", "action": "UPSCALE", "content": "U1"}), "mj_upscale"),
        ("change", json!({"taskId": "x", "action": "reroll"}), "mj_reroll"),
        ("simple-change", json!({"content": "x V3"}), "mj_variation"),
        ("action", json!({"taskId": "x", "customId": "MJ::JOB::upsample::1::abc"}), "mj_upscale"),
        ("action", json!({"taskId": "x", "customId": "MJ::JOB::low_variation::1::abc"}), "mj_low_variation"),
        ("action", json!({"taskId": "x", "customId": "MJ::Outpaint::50::1::abc"}), "mj_zoom"),
        ("action", json!({"taskId": "x", "customId": "MJ::Inpaint::1::abc"}), "mj_inpaint"),
        ("modal", json!({"taskId": "x", "prompt": "b"}), "mj_modal"),
        ("describe", json!({"base64": "data:"}), "mj_describe"),
        ("blend", json!({"base64Array": ["a", "b"]}), "mj_blend"),
        ("shorten", json!({"prompt": "a"}), "mj_shorten"),
        ("swap", json!({"sourceBase64": "a", "targetBase64": "b"}), "swap_face"),
        ("upload-discord-images", json!({"base64Array": ["a"]}), "mj_upload"),
    ] {
        let made = order(action, fields.clone(), Some(&parent)).unwrap_or_else(|e| panic!("{fields}: {}", e.message));
        assert_eq!(made.model, model, "{action} {fields}");
    }
    let changed = order("change", json!({"taskId": "x", "content": "V4"}), Some(&parent)).unwrap();
    assert_eq!(Value::Object(changed.body), json!({"taskId": "up-1", "action": "VARIATION", "index": 4}));
    let simple = order("simple-change", json!({"content": "x U2"}), Some(&parent)).unwrap();
    assert_eq!(simple.body["content"], "up-1 U2");
    let wide = order("imagine", json!({"prompt": "a", "aspect": "16:9", "unknown": 1}), None).unwrap();
    assert_eq!(Value::Object(wide.body), json!({"prompt": "a --ar 16:9", "unknown": 1}));
}

#[test]
fn what_cannot_be_made_is_refused() {
    let parent = crate::task::tests::a_task("midjourney", "up-1");
    for (action, fields) in [
        ("imagine", json!({})),
        ("imagine", json!({"prompt": " "})),
        ("imagine", json!({"prompt": "a", "aspect": "wide"})),
        ("shorten", json!({})),
        ("describe", json!({})),
        ("blend", json!({"base64Array": ["a"]})),
        ("change", json!({"taskId": "x", "action": "UPSCALE"})),
        ("change", json!({"taskId": "x", "action": "UPSCALE", "index": 5})),
        ("change", json!({"taskId": "x", "action": "DELETE", "index": 1})),
        ("change", json!({"action": "UPSCALE", "index": 1})),
        ("simple-change", json!({"content": "x"})),
        ("simple-change", json!({"content": "x U9"})),
        ("action", json!({"taskId": "x"})),
        ("modal", json!({})),
    ] {
        assert!(order(action, fields.clone(), Some(&parent)).is_err(), "{action} {fields}");
    }
    assert!(order("modal", json!({"taskId": "x"}), None).is_err(), "nobody took what it builds on");
}

#[test]
fn consents_are_told_from_refusals() {
    let taken = |code: i64, result: Value| Midjourney.taken(&json!({"code": code, "result": result}));
    assert_eq!(taken(1, json!("7")).map(|t| (t.id, t.paid)), Some((Some("7".into()), true)));
    assert_eq!(taken(22, json!(7)).map(|t| (t.id, t.paid)), Some((Some("7".into()), true)));
    assert_eq!(taken(21, json!("7")).map(|t| t.paid), Some(false));
    assert_eq!(taken(1, json!(["http://a"])).map(|t| t.id), Some(None));
    assert_eq!(taken(24, json!("7")), None);
    assert_eq!(taken(1, json!("")), None);
}

#[test]
fn a_proxys_words_are_read() {
    let said = json!([{"id": "a", "status": "IN_PROGRESS", "progress": "42%"}, {"id": 7, "status": "FAILURE", "failReason": "no"}]);
    let Seen::Task(a) = Midjourney.read("a", StatusCode::OK, &said) else { panic!("seen") };
    assert_eq!((a.status, a.progress), (TaskStatus::Running, Some(42)));
    let Seen::Task(b) = Midjourney.read("7", StatusCode::OK, &said) else { panic!("seen") };
    assert_eq!((b.status, b.fail_reason.as_str()), (TaskStatus::Failed, "no"));
    assert_eq!(Midjourney.read("c", StatusCode::OK, &said), Seen::Unknown);
    assert_eq!(Midjourney.read("a", StatusCode::OK, &json!("oops")), Seen::Unclear);
    assert_eq!(Midjourney.read("a", StatusCode::BAD_GATEWAY, &said), Seen::Unclear);
}
