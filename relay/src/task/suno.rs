//! Suno proxies.

use http::{Method, StatusCode};
use schema::model::task::{Task, TaskStatus};
use serde_json::{Value, json};

use super::studio::{
    Fields, Heard, Order, Question, Seen, Standing, Studio, Taken, View, bad, first, is_native, progress, required,
    standing, status, text, upstream_of,
};
use crate::convert::Fault;

/// The service.
pub struct Suno;

/// A clip, as calls that go on from one name it.
const CLIP: &str = "suno_clip";
/// Fields that only clients of the service itself send.
const OWN: &[&str] = &[
    "mv",
    "gpt_description_prompt",
    "tags",
    "title",
    "make_instrumental",
    "task_id",
    "continue_clip_id",
    "continue_at",
];

impl Studio for Suno {
    fn parent(&self, _: &str, fields: &Fields) -> Option<String> {
        text(fields, "task_id")
    }

    fn order(&self, heard: Heard<'_>) -> Result<Order, Fault> {
        let mut body = heard.fields;
        let action = heard.action.to_ascii_uppercase();
        let native = heard.native || action != "MUSIC" || OWN.iter().any(|name| body.contains_key(*name));
        match action.as_str() {
            "MUSIC" => {
                let told = ["prompt", "gpt_description_prompt", "continue_clip_id"];
                if told.iter().all(|name| text(&body, name).is_none()) {
                    return Err(bad("One of the fields 'prompt' and 'gpt_description_prompt' is required.", "prompt"));
                }
            }
            "LYRICS" => {
                required(&body, "prompt")?;
            }
            other => {
                let shown: String = other.chars().take(40).collect();
                return Err(bad(format!("'{shown}' is none of the actions music and lyrics."), "action")
                    .with_code("invalid_action"));
            }
        }
        // The documented form's word for what the service calls tags.
        if let Some(style) = body.remove("style")
            && !body.contains_key("tags")
        {
            body.insert("tags".into(), style);
        }
        if body.contains_key("task_id") {
            body.insert("task_id".into(), upstream_of(heard.parent)?.into());
        }
        let notify_url = ["notify_hook", "callback_url"].into_iter().find_map(|name| text(&body, name));
        body.remove("notify_hook");
        body.remove("callback_url");
        let held = text(&body, "continue_clip_id").map(|clip| (CLIP, clip));
        let model = format!("suno_{}", action.to_ascii_lowercase());
        let path = format!("/suno/submit/{}", heard.action);
        Ok(Order { action, model, path, body, notify_url, native, held })
    }

    fn taken(&self, answer: &Value) -> Option<Taken> {
        if !is_good(answer) {
            return None;
        }
        let data = answer.get("data")?;
        let id = first([Some(data), data.get("task_id"), data.get("id")])?;
        Some(Taken { id: Some(id.to_owned()), paid: true, answer: answer.clone() })
    }

    fn submitted(&self, task: &Task, _: &Value) -> Value {
        if is_native(task) {
            return json!({"code": "success", "message": "", "data": task.uid});
        }
        json!({
            "success": true,
            "code": "success",
            "message": "音乐生成任务提交成功",
            "data": {"task_id": task.uid, "status": "pending"},
        })
    }

    fn batch(&self) -> usize {
        50
    }

    fn question(&self, _: &[Task], ids: &[&str]) -> Question {
        Question { method: Method::POST, path: "/suno/fetch".to_owned(), body: Some(json!({"ids": ids})) }
    }

    fn read(&self, id: &str, http: StatusCode, answer: &Value) -> Seen {
        if !http.is_success() || !is_good(answer) {
            return Seen::Unclear;
        }
        let found = match answer.get("data") {
            Some(Value::Array(list)) => {
                list.iter().find(|task| task.get("task_id").and_then(Value::as_str) == Some(id))
            }
            Some(task @ Value::Object(_)) => Some(task),
            _ => None,
        };
        let Some(Value::Object(found)) = found else { return Seen::Unknown };
        let Some(status) = found.get("status").and_then(Value::as_str).and_then(status) else { return Seen::Unclear };
        let fail_reason = found.get("fail_reason").and_then(Value::as_str).unwrap_or_default().to_owned();
        let progress = progress(found.get("progress"));
        Seen::Task(Box::new(Standing { status, progress, result: found.clone(), fail_reason }))
    }

    fn shown(&self, task: &Task, _: &View) -> Value {
        let made = task.result.0.get("data").cloned().unwrap_or_else(|| json!([]));
        let clip = made.get(0).or(made.is_object().then_some(&made));
        let of_clip = |name: &str| clip.and_then(|clip| clip.get(name));
        let title = first([of_clip("title"), task.request.0.get("title")]).unwrap_or_default();
        let length = [of_clip("duration"), of_clip("metadata").and_then(|meta| meta.get("duration"))];
        let length = length.into_iter().flatten().find_map(Value::as_f64);
        let asked = task.request.0.get("duration").and_then(Value::as_f64);
        let mut data = Value::Object(standing(task));
        data["audio_url"] = first([of_clip("audio_url")]).unwrap_or_default().into();
        data["title"] = title.into();
        // Whole seconds, as documented.
        data["duration"] = (length.or(asked).unwrap_or(0.0).round() as i64).into();
        data["data"] = made;
        json!({"success": true, "code": "success", "message": "", "data": data})
    }

    fn listed(&self, tasks: &[Task], view: &View) -> Value {
        let list: Vec<Value> = tasks.iter().map(|task| self.shown(task, view)["data"].take()).collect();
        json!({"success": true, "code": "success", "message": "", "data": list})
    }

    fn holds(&self, task: &Task) -> Vec<(&'static str, String)> {
        if task.status != TaskStatus::Succeeded {
            return Vec::new();
        }
        let clips = task.result.0.get("data").and_then(Value::as_array);
        let ids = clips.into_iter().flatten().filter_map(|clip| clip.get("id")?.as_str());
        ids.take(20).map(|id| (CLIP, id.to_owned())).collect()
    }
}

fn is_good(answer: &Value) -> bool {
    match answer.get("code") {
        Some(Value::String(code)) => code == "success",
        Some(Value::Number(code)) => matches!(code.as_i64(), Some(0 | 200)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(action: &str, fields: Value) -> Result<Order, Fault> {
        let Value::Object(fields) = fields else { panic!("an object") };
        let parent = crate::task::tests::a_task("suno", "up-1");
        Suno.order(Heard { action, path: "", fields, parent: Some(&parent), callback: None, native: false })
    }

    #[test]
    fn documented_and_own_requests_are_told_apart() {
        let documented = order("music", json!({"prompt": "a", "style": "pop", "duration": 30})).unwrap();
        assert_eq!((documented.model.as_str(), documented.native), ("suno_music", false));
        assert_eq!(documented.body["tags"], "pop");
        assert!(!documented.body.contains_key("style"));
        let own = order("music", json!({"prompt": "a", "mv": "chirp-v3-5"})).unwrap();
        assert!(own.native);
        let lyrics = order("lyrics", json!({"prompt": "a"})).unwrap();
        assert_eq!((lyrics.model.as_str(), lyrics.action.as_str(), lyrics.native), ("suno_lyrics", "LYRICS", true));
        let further =
            json!({"task_id": "mine", "continue_clip_id": "c1", "continue_at": 30, "callback_url": "http://x"});
        let further = order("music", further).unwrap();
        assert_eq!(further.body["task_id"], "up-1");
        assert_eq!(further.held, Some((CLIP, "c1".to_owned())));
        assert_eq!(further.notify_url.as_deref(), Some("http://x"));
        assert!(!further.body.contains_key("callback_url"));
        for (action, fields) in [("music", json!({})), ("lyrics", json!({})), ("concat", json!({"prompt": "a"}))] {
            assert!(order(action, fields).is_err(), "{action}");
        }
    }

    #[test]
    fn a_proxys_words_are_read() {
        let taken = |answer: Value| Suno.taken(&answer).and_then(|taken| taken.id);
        assert_eq!(taken(json!({"code": "success", "data": "t"})).as_deref(), Some("t"));
        assert_eq!(taken(json!({"code": 200, "data": {"task_id": "t"}})).as_deref(), Some("t"));
        assert_eq!(taken(json!({"code": "error", "data": "t"})), None);
        let list = json!({"code": "success", "data": [{"task_id": "t", "status": "SUCCESS", "progress": "100%", "data": [{"id": "c"}]}]});
        let Seen::Task(seen) = Suno.read("t", StatusCode::OK, &list) else { panic!("seen") };
        assert_eq!(seen.status, TaskStatus::Succeeded);
        assert_eq!(Suno.read("x", StatusCode::OK, &list), Seen::Unknown);
        assert_eq!(Suno.read("t", StatusCode::OK, &json!({"code": "fail"})), Seen::Unclear);
        let mut task = crate::task::tests::a_task("suno", "t");
        task.status = TaskStatus::Succeeded;
        task.result = schema::model::task::TaskDoc::from(seen.result);
        assert_eq!(Suno.holds(&task), [(CLIP, "c".to_owned())]);
    }
}
