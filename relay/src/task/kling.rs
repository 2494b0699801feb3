//! Kling's own video tasks.

use http::{Method, StatusCode};
use schema::model::task::{Task, TaskStatus};
use serde_json::{Value, json};

use super::studio::{
    Heard, Order, Question, Seen, Standing, Studio, Taken, View, bad, documented, first, per_cent, reason, required,
    status, text,
};
use crate::convert::Fault;

/// The service.
pub struct Kling;

/// The model of a request that names none, as at the vendor.
const MODEL: &str = "kling-v1";
/// How long a film takes, as a hint, in seconds.
pub const ESTIMATE: i64 = 300;

impl Studio for Kling {
    fn order(&self, heard: Heard<'_>) -> Result<Order, Fault> {
        let mut body = heard.fields;
        let named = body.remove("model").and_then(|model| model.as_str().map(str::to_owned));
        let model = text(&body, "model_name").or(named).unwrap_or_else(|| MODEL.to_owned());
        if model.len() > 200 || model.contains(char::is_control) {
            return Err(bad("The field 'model_name' is not the name of a model.", "model_name"));
        }
        body.insert("model_name".into(), model.clone().into());
        if heard.action == "text2video" {
            required(&body, "prompt")?;
        } else if text(&body, "image").is_none() && text(&body, "image_tail").is_none() {
            return Err(bad("The field 'image' is required.", "image"));
        }
        // A number in the documented form, a text at the vendor.
        if let Some(duration) = text(&body, "duration") {
            body.insert("duration".into(), duration.into());
        }
        for name in ["image", "image_tail"] {
            if let Some(bare) = text(&body, name).as_deref().and_then(base64_of) {
                body.insert(name.into(), bare.into());
            }
        }
        if let Some(scale) = text(&body, "cfg_scale").and_then(|scale| scale.parse::<f64>().ok()) {
            body.insert("cfg_scale".into(), scale.into());
        }
        let notify_url = text(&body, "callback_url");
        body.remove("callback_url");
        let action = heard.action.to_owned();
        let path = format!("/v1/videos/{action}");
        Ok(Order { action, model, path, body, notify_url, native: heard.native, held: None })
    }

    fn taken(&self, answer: &Value) -> Option<Taken> {
        let good = answer.get("code").and_then(Value::as_i64) == Some(0);
        let id = answer.get("data")?.get("task_id")?.as_str().filter(|id| !id.is_empty())?;
        good.then(|| Taken { id: Some(id.to_owned()), paid: true, answer: answer.clone() })
    }

    fn submitted(&self, task: &Task, _: &Value) -> Value {
        let mut told = object(task);
        told["estimated_time"] = ESTIMATE.into();
        json!({"code": 0, "request_id": request_id(), "success": true, "message": "视频生成任务提交成功", "data": told})
    }

    fn question(&self, tasks: &[Task], ids: &[&str]) -> Question {
        let action = tasks.first().map_or("text2video", |task| task.action.as_str());
        let path = format!("/v1/videos/{action}/{}", ids.first().copied().unwrap_or_default());
        Question { method: Method::GET, path, body: None }
    }

    fn read(&self, _: &str, http: StatusCode, answer: &Value) -> Seen {
        match answer.get("code").and_then(Value::as_i64) {
            Some(0) if http.is_success() => {}
            // Not found; the neighbouring codes are of requests and say nothing of the task.
            Some(1203) => return Seen::Unknown,
            _ => return Seen::Unclear,
        }
        let Some(Value::Object(found)) = answer.get("data") else { return Seen::Unclear };
        let word = found.get("task_status").and_then(Value::as_str);
        let Some(status) = word.and_then(status) else { return Seen::Unclear };
        let fail_reason = found.get("task_status_msg").and_then(Value::as_str).unwrap_or_default().to_owned();
        let progress = (status == TaskStatus::Running).then_some(50);
        Seen::Task(Box::new(Standing { status, progress, result: found.clone(), fail_reason }))
    }

    fn shown(&self, task: &Task, _: &View) -> Value {
        json!({"code": 0, "request_id": request_id(), "success": true, "message": "SUCCEED", "data": object(task)})
    }
}

/// Kling's own object, with the documented fields beside.
fn object(task: &Task) -> Value {
    let videos = task.result.0.get("task_result").and_then(|made| made.get("videos")).cloned();
    let film = videos.as_ref().and_then(|videos| videos.get(0));
    let length = film.and_then(|film| film.get("duration")).or_else(|| task.request.0.get("duration"));
    let length = length.and_then(|n| n.as_f64().or_else(|| n.as_str()?.trim().parse().ok()));
    let word = match task.status {
        TaskStatus::Created | TaskStatus::Submitted | TaskStatus::Queued => "submitted",
        TaskStatus::Running => "processing",
        TaskStatus::Succeeded => "succeed",
        TaskStatus::Failed => "failed",
    };
    let mut object = json!({
        "task_id": task.uid,
        "task_status": word,
        "task_status_msg": reason(task),
        "task_info": {"external_task_id": task.request.0.get("external_task_id")},
        "created_at": task.created_at.0,
        "updated_at": task.updated_at.0,
        "status": documented(task.status),
        "progress": per_cent(task),
        "video_url": first([film.and_then(|film| film.get("url"))]).unwrap_or_default(),
        "duration": length.unwrap_or(0.0).round() as i64,
    });
    if let Some(videos) = videos {
        object["task_result"] = json!({"videos": videos});
    }
    object
}

/// A New-API video request in Kling's words.
pub fn from_video(order: Order) -> Result<Order, Fault> {
    let Order { mut body, notify_url, native, .. } = order;
    // What is particular to a vendor stands in the metadata.
    if let Some(Value::Object(particular)) = body.remove("metadata") {
        for (name, value) in particular {
            body.entry(name).or_insert(value);
        }
    }
    if let Some(Value::Array(images)) = body.remove("images")
        && !body.contains_key("image")
        && let Some(first) = images.into_iter().next()
    {
        body.insert("image".into(), first);
    }
    // The same in another word.
    if let Some(seconds) = body.remove("seconds") {
        body.entry("duration").or_insert(seconds);
    }
    let size = text(&body, "size");
    body.remove("size");
    if let Some((width, height)) = size.as_deref().and_then(sides)
        && !body.contains_key("aspect_ratio")
    {
        let ratio = if width > height {
            "16:9"
        } else if width < height {
            "9:16"
        } else {
            "1:1"
        };
        body.insert("aspect_ratio".into(), ratio.into());
    }
    let pictured = text(&body, "image").is_some();
    let action = if pictured { "image2video" } else { "text2video" };
    let heard = Heard { action, path: "", fields: body, parent: None, callback: None, native };
    Kling.order(heard).map(|order| Order { notify_url, ..order })
}

/// The sides of `1280x720`.
fn sides(size: &str) -> Option<(u32, u32)> {
    let (width, height) = size.split_once(['x', '*'])?;
    Some((width.trim().parse().ok()?, height.trim().parse().ok()?))
}

fn request_id() -> String {
    schema::id::uuid()
}

/// The bare base64 of a data URL, which is all that the vendor takes.
fn base64_of(image: &str) -> Option<&str> {
    image.strip_prefix("data:")?.split_once(";base64,").map(|(_, data)| data)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(action: &str, fields: Value) -> Result<Order, Fault> {
        let Value::Object(fields) = fields else { panic!("an object") };
        Kling.order(Heard { action, path: "", fields, parent: None, callback: None, native: false })
    }

    #[test]
    fn documented_requests_become_the_vendors() {
        let text =
            order("text2video", json!({"model": "kling-v1-6", "prompt": "a", "duration": 5, "mode": "pro"})).unwrap();
        assert_eq!((text.model.as_str(), text.path.as_str()), ("kling-v1-6", "/v1/videos/text2video"));
        assert_eq!(
            Value::Object(text.body),
            json!({"model_name": "kling-v1-6", "prompt": "a", "duration": "5", "mode": "pro"})
        );
        let image = json!({"image": "data:image/png;base64,AAAA", "callback_url": "http://x"});
        let image = order("image2video", image).unwrap();
        assert_eq!((image.model.as_str(), image.notify_url.as_deref()), (MODEL, Some("http://x")));
        assert_eq!(Value::Object(image.body), json!({"model_name": MODEL, "image": "AAAA"}));
        assert!(order("text2video", json!({"model_name": "k"})).is_err());
        assert!(order("image2video", json!({"prompt": "a"})).is_err());
        assert!(order("text2video", json!({"model_name": "k\u{1}", "prompt": "a"})).is_err());
    }

    #[test]
    fn new_apis_requests_become_the_vendors() {
        let fields = json!({
            "model": "kling-v1", "prompt": "a", "images": ["http://x/a.png"], "size": "720x1280", "duration": 10,
            "metadata": {"negative_prompt": "b"},
        });
        let Value::Object(fields) = fields else { panic!("an object") };
        let heard = Heard { action: "generations", path: "", fields, parent: None, callback: None, native: false };
        let made = from_video(super::super::video::Video.order(heard).unwrap()).unwrap();
        assert_eq!((made.path.as_str(), made.native), ("/v1/videos/image2video", true));
        assert_eq!(
            Value::Object(made.body),
            json!({
                "model_name": "kling-v1", "prompt": "a", "image": "http://x/a.png", "aspect_ratio": "9:16",
                "duration": "10", "negative_prompt": "b",
            })
        );
    }

    #[test]
    fn the_vendors_words_are_read() {
        let said = |word: &str| {
            let answer = json!({"code": 0, "data": {"task_id": "t", "task_status": word, "task_status_msg": "why"}});
            match Kling.read("t", StatusCode::OK, &answer) {
                Seen::Task(seen) => seen.status,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(said("submitted"), TaskStatus::Submitted);
        assert_eq!(said("processing"), TaskStatus::Running);
        assert_eq!(said("succeed"), TaskStatus::Succeeded);
        assert_eq!(said("failed"), TaskStatus::Failed);
        assert_eq!(Kling.read("t", StatusCode::NOT_FOUND, &json!({"code": 1203})), Seen::Unknown);
        assert_eq!(Kling.read("t", StatusCode::NOT_FOUND, &json!({})), Seen::Unclear);
        assert_eq!(Kling.read("t", StatusCode::UNAUTHORIZED, &json!({"code": 1004})), Seen::Unclear);
        assert_eq!(Kling.taken(&json!({"code": 1201, "data": {"task_id": "t"}})), None);
    }
}
