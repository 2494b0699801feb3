//! New-API's video tasks.

use http::{Method, StatusCode};
use schema::model::task::{Task, TaskStatus};
use serde_json::{Value, json};

use super::kling::ESTIMATE;
use super::studio::{
    Heard, Order, Question, Seen, Standing, Studio, Taken, View, bad, first, progress, required, seconds, standing,
    status, text,
};
use crate::convert::Fault;

/// The service.
pub struct Video;

/// Fields that only clients of the service itself send.
const OWN: &[&str] = &["size", "mode", "metadata", "images", "width", "height", "fps", "seconds"];

impl Studio for Video {
    fn order(&self, heard: Heard<'_>) -> Result<Order, Fault> {
        let mut body = heard.fields;
        let model = required(&body, "model")?;
        if model.len() > 200 || model.contains(char::is_control) {
            return Err(bad("The field 'model' is not the name of a model.", "model"));
        }
        required(&body, "prompt")?;
        let native = heard.native || OWN.iter().any(|name| body.contains_key(*name));
        let notify_url = text(&body, "callback_url");
        body.remove("callback_url");
        let path = "/v1/video/generations".to_owned();
        Ok(Order { action: heard.action.to_owned(), model, path, body, notify_url, native, held: None })
    }

    fn taken(&self, answer: &Value) -> Option<Taken> {
        let data = answer.get("data");
        let ids = [answer.get("task_id"), data.and_then(|d| d.get("task_id")), answer.get("id")];
        let id = first(ids.into_iter().chain([data.and_then(|d| d.get("id"))]))?;
        Some(Taken { id: Some(id.to_owned()), paid: true, answer: answer.clone() })
    }

    fn submitted(&self, task: &Task, _: &Value) -> Value {
        json!({
            "id": task.uid,
            "task_id": task.uid,
            "object": "video",
            "model": task.model,
            "status": "queued",
            "progress": 0,
            "created_at": seconds(Some(task.created_at)),
            "success": true,
            "message": "视频生成任务提交成功",
            "data": {"task_id": task.uid, "status": "pending", "estimated_time": ESTIMATE},
        })
    }

    fn question(&self, _: &[Task], ids: &[&str]) -> Question {
        let path = format!("/v1/video/generations/{}", ids.first().copied().unwrap_or_default());
        Question { method: Method::GET, path, body: None }
    }

    fn read(&self, _: &str, http: StatusCode, answer: &Value) -> Seen {
        let code = answer.get("code").and_then(Value::as_str).unwrap_or_default();
        if code == "task_not_exist" || http == StatusCode::NOT_FOUND && answer.is_object() {
            return Seen::Unknown;
        }
        if !http.is_success() {
            return Seen::Unclear;
        }
        let found = answer.get("data").filter(|data| data.get("status").is_some()).unwrap_or(answer);
        let Value::Object(found) = found else { return Seen::Unclear };
        let Some(status) = found.get("status").and_then(Value::as_str).and_then(status) else { return Seen::Unclear };
        let told = [found.get("fail_reason"), found.get("error").and_then(|error| error.get("message"))];
        let fail_reason = first(told).unwrap_or_default().to_owned();
        let progress = progress(found.get("progress"));
        Seen::Task(Box::new(Standing { status, progress, result: found.clone(), fail_reason }))
    }

    fn shown(&self, task: &Task, _: &View) -> Value {
        let result = &task.result.0;
        let done = task.status == TaskStatus::Succeeded;
        let url = done.then(|| film(result)).flatten().unwrap_or_default();
        let metadata = result.get("metadata");
        let lengths = [
            metadata.and_then(|m| m.get("duration")),
            result.get("duration"),
            result.get("seconds"),
            task.request.0.get("duration"),
        ];
        let length = lengths.into_iter().flatten().find_map(|n| n.as_f64().or_else(|| n.as_str()?.trim().parse().ok()));
        let mut data = Value::Object(standing(task));
        data["url"] = url.into();
        data["video_url"] = url.into();
        data["format"] = result.get("format").cloned().unwrap_or("mp4".into());
        data["metadata"] = metadata.cloned().unwrap_or_default();
        data["duration"] = (length.unwrap_or(0.0).round() as i64).into();
        data["created_at"] = seconds(Some(task.created_at)).into();
        json!({"success": true, "code": "success", "message": "", "data": data})
    }
}

/// Where a finished film is; older installations put it into the reason of a failure.
pub fn film(result: &super::studio::Fields) -> Option<&str> {
    let inner = result.get("data");
    let of = |name: &str| inner.and_then(|inner| inner.get(name));
    // A film that Kling made.
    let kling = result.get("task_result").and_then(|made| made.pointer("/videos/0/url"));
    let found = first([
        result.get("url"),
        result.get("video_url"),
        result.get("result_url"),
        of("url"),
        of("video_url"),
        kling,
        result.get("fail_reason"),
    ])?;
    (found.starts_with("http://") || found.starts_with("https://")).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(fields: Value) -> Result<Order, Fault> {
        let Value::Object(fields) = fields else { panic!("an object") };
        Video.order(Heard { action: "generations", path: "", fields, parent: None, callback: None, native: false })
    }

    #[test]
    fn requests_keep_what_is_unknown() {
        let body = json!({"model": "m", "prompt": "a", "duration": 5, "aspect_ratio": "16:9", "x": [1]});
        let made = order(body.clone()).unwrap();
        assert_eq!((made.model.as_str(), made.native, Value::Object(made.body)), ("m", false, body));
        assert!(order(json!({"model": "m", "prompt": "a", "size": "1280x720"})).unwrap().native);
        assert!(order(json!({"prompt": "a"})).is_err());
        assert!(order(json!({"model": "m"})).is_err());
    }

    #[test]
    fn every_generation_of_answers_is_read() {
        let taken = |answer: Value| Video.taken(&answer).and_then(|taken| taken.id);
        assert_eq!(taken(json!({"task_id": "t"})).as_deref(), Some("t"));
        assert_eq!(taken(json!({"success": true, "data": {"task_id": "t"}})).as_deref(), Some("t"));
        assert_eq!(taken(json!({"id": "t", "object": "video"})).as_deref(), Some("t"));
        assert_eq!(taken(json!({"object": "video"})), None);
        let seen = |answer: Value| match Video.read("t", StatusCode::OK, &answer) {
            Seen::Task(seen) => (seen.status, film(&seen.result).map(str::to_owned)),
            other => panic!("{other:?}"),
        };
        let url = Some("http://x/a.mp4".to_owned());
        for done in [
            json!({"code": "success", "data": {"status": "SUCCESS", "url": "http://x/a.mp4"}}),
            json!({"code": "success", "data": {"status": "SUCCESS", "fail_reason": "http://x/a.mp4"}}),
            json!({"success": true, "data": {"status": "finished", "video_url": "http://x/a.mp4"}}),
            json!({"id": "t", "status": "completed", "url": "http://x/a.mp4"}),
        ] {
            assert_eq!(seen(done), (TaskStatus::Succeeded, url.clone()));
        }
        assert_eq!(seen(json!({"status": "queued"})).0, TaskStatus::Queued);
        let lost = json!({"code": "task_not_exist", "message": "", "data": null});
        assert_eq!(Video.read("t", StatusCode::BAD_REQUEST, &lost), Seen::Unknown);
        assert_eq!(Video.read("t", StatusCode::BAD_GATEWAY, &json!({})), Seen::Unclear);
    }
}
