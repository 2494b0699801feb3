//! OpenAI's videos, for clients that make films with its SDK. Whoever makes them hears New-API's words, or
//! Kling's.

use http::StatusCode;
use schema::model::task::{Task, TaskStatus};
use serde_json::{Value, json};

use super::studio::{Fields, Heard, Order, Question, Seen, Studio, Taken, View, bad, reason, required, text};
use super::video::Video;
use crate::convert::Fault;

/// The service.
pub struct OpenaiVideo;

/// What is made where the client does not say.
const MODEL: &str = "sora-2";
const SECONDS: &str = "4";
const SIZE: &str = "720x1280";
/// The longest film that is asked for.
const LONGEST: i64 = 3_600;

impl Studio for OpenaiVideo {
    fn order(&self, heard: Heard<'_>) -> Result<Order, Fault> {
        let mut body = heard.fields;
        required(&body, "prompt")?;
        if heard.action == "remix" {
            return remix(body, heard.parent);
        }
        let model = text(&body, "model").unwrap_or_else(|| MODEL.to_owned());
        body.insert("model".into(), model.into());
        if let Some(told) = text(&body, "seconds") {
            let seconds = told.parse::<i64>().ok().filter(|seconds| (1..=LONGEST).contains(seconds));
            let seconds = seconds.ok_or_else(|| bad("The field 'seconds' is not a number of seconds.", "seconds"))?;
            // New-API's vendors read either.
            body.insert("duration".into(), seconds.into());
        }
        if let Some(image) = reference(&mut body)? {
            body.insert("image".into(), image.into());
        }
        Video.order(Heard { fields: body, native: true, ..heard })
    }

    fn uid(&self) -> String {
        format!("video_{}", schema::id::hex(&schema::id::random::<16>()))
    }

    fn taken(&self, answer: &Value) -> Option<Taken> {
        Video.taken(answer)
    }

    fn submitted(&self, task: &Task, _: &Value) -> Value {
        object(task)
    }

    fn question(&self, tasks: &[Task], ids: &[&str]) -> Question {
        Video.question(tasks, ids)
    }

    fn read(&self, id: &str, status: StatusCode, answer: &Value) -> Seen {
        Video.read(id, status, answer)
    }

    fn shown(&self, task: &Task, _: &View) -> Value {
        object(task)
    }
}

/// Another film from one that is there.
fn remix(mut body: Fields, parent: Option<&Task>) -> Result<Order, Fault> {
    let upstream = super::studio::upstream_of(parent)?;
    let path = format!("/v1/videos/{upstream}/remix");
    let model = parent.map(|parent| parent.model.clone()).unwrap_or_default();
    // It is as long as the one that it is made from, and is paid by that.
    for field in ["seconds", "size"] {
        if let Some(value) = parent.and_then(|parent| parent.request.0.get(field)) {
            body.entry(field).or_insert_with(|| value.clone());
        }
    }
    let action = "remix".to_owned();
    Ok(Order { action, model, path, body, notify_url: None, native: true, held: None })
}

/// The picture that a film begins with: a file that came in the form, or an address.
fn reference(body: &mut Fields) -> Result<Option<String>, Fault> {
    const FIELD: &str = "input_reference";
    // The SDK's forms say so of an object's member.
    if let Some(url) = body.remove("input_reference[image_url]") {
        return Ok(url.as_str().map(str::to_owned));
    }
    if body.remove("input_reference[file_id]").is_some() {
        return Err(unknown_file(FIELD));
    }
    match body.remove(FIELD) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(picture)) => Ok(Some(picture)),
        Some(Value::Object(mut named)) => match named.remove("image_url") {
            Some(Value::String(url)) => Ok(Some(url)),
            _ => Err(unknown_file(FIELD)),
        },
        Some(_) => Err(bad("The field 'input_reference' is no picture.", FIELD)),
    }
}

fn unknown_file(field: &str) -> Fault {
    bad("A file's id is known only to the vendor that issued it; send the picture.", field)
}

/// OpenAI's object of a film.
pub fn object(task: &Task) -> Value {
    let status = match task.status {
        TaskStatus::Created | TaskStatus::Submitted | TaskStatus::Queued => "queued",
        TaskStatus::Running => "in_progress",
        TaskStatus::Succeeded => "completed",
        TaskStatus::Failed => "failed",
    };
    let asked = |field: &str| text(&task.request.0, field);
    let failed = task.status == TaskStatus::Failed;
    json!({
        "id": task.uid,
        "object": "video",
        "model": task.model,
        "status": status,
        "progress": if task.status == TaskStatus::Succeeded { 100 } else { task.progress },
        "created_at": super::studio::seconds(Some(task.created_at)),
        "completed_at": (task.status == TaskStatus::Succeeded).then(|| super::studio::seconds(task.finished_at)),
        "expires_at": null,
        "prompt": asked("prompt"),
        "seconds": asked("seconds").or_else(|| asked("duration")).unwrap_or_else(|| SECONDS.to_owned()),
        "size": asked("size").unwrap_or_else(|| SIZE.to_owned()),
        "remixed_from_video_id": asked("builds_on"),
        "error": failed.then(|| json!({"code": "video_generation_failed", "message": reason(task)})),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(fields: Value) -> Result<Order, Fault> {
        let Value::Object(fields) = fields else { panic!("an object") };
        let heard = Heard { action: "create", path: "", fields, parent: None, callback: None, native: false };
        OpenaiVideo.order(heard)
    }

    #[test]
    fn what_the_sdk_sends_becomes_what_vendors_know() {
        let made =
            order(json!({"prompt": "a", "seconds": "8", "size": "1280x720", "input_reference": "data:x"})).unwrap();
        assert_eq!((made.model.as_str(), made.path.as_str()), (MODEL, "/v1/video/generations"));
        let wanted = json!({
            "prompt": "a", "model": MODEL, "seconds": "8", "duration": 8, "size": "1280x720", "image": "data:x",
        });
        assert_eq!(Value::Object(made.body), wanted);
        let named = json!({"prompt": "a", "input_reference": {"image_url": "https://x/a.png"}});
        assert_eq!(order(named).unwrap().body["image"], "https://x/a.png");
        let form = json!({"prompt": "a", "input_reference[image_url]": "https://x/a.png"});
        assert_eq!(order(form).unwrap().body["image"], "https://x/a.png");
        for bad in [
            json!({"model": "m"}),
            json!({"prompt": "a", "seconds": "long"}),
            json!({"prompt": "a", "seconds": "0"}),
            json!({"prompt": "a", "input_reference": {"file_id": "f"}}),
        ] {
            assert!(order(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_film_is_shown_as_the_sdk_reads_it() {
        let mut task = crate::task::tests::a_task("openai_video", "up");
        let shown = object(&task);
        assert_eq!((shown["status"].as_str(), shown["seconds"].as_str()), (Some("queued"), Some("4")));
        assert!(shown["error"].is_null() && shown["completed_at"].is_null());
        task.status = TaskStatus::Failed;
        task.fail_reason = "because".into();
        assert_eq!(object(&task)["error"]["message"], "because");
    }
}
