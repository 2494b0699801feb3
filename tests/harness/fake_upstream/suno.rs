//! A Suno API proxy: music and lyrics tasks.

use serde_json::{Value, json};

use super::reply::Reply;
use super::script::Refusal;
use super::seen::Seen;
use super::state::{Shared, Stage, Task};
use super::vendor::Vendor;

pub(super) fn answer(seen: &Seen, shared: &Shared) -> Reply {
    if !shared.accepts(Vendor::Suno, seen.bearer().unwrap_or_default(), &[]) {
        return refuse(&Refusal { status: 401, retry_after: None, code: None });
    }
    let pieces = seen.pieces();
    let path: Vec<&str> = pieces.iter().map(String::as_str).collect();
    let body = seen.json();
    match (seen.method.as_str(), &path[..]) {
        ("POST", ["suno", "submit", action]) => submit(&body, &action.to_ascii_uppercase(), shared),
        ("GET", ["suno", "fetch", id]) => match shared.memory().tasks.poll(id) {
            Some(task) => said("success", "", &object(&task, shared.authority())),
            None => failed(400, "task_not_exist"),
        },
        ("POST", ["suno", "fetch"]) => {
            let mut memory = shared.memory();
            let ids = body["ids"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let tasks: Vec<Value> =
                ids.filter_map(|id| memory.tasks.poll(id)).map(|task| object(&task, shared.authority())).collect();
            said("success", "", &json!(tasks))
        }
        _ => failed(404, "not_found"),
    }
}

fn submit(body: &Value, action: &str, shared: &Shared) -> Reply {
    let has = |field: &str| body[field].as_str().is_some_and(|text| !text.is_empty());
    match action {
        "MUSIC" if !has("prompt") && !has("gpt_description_prompt") && !has("continue_clip_id") => {
            return failed(400, "prompt_or_gpt_description_prompt_required");
        }
        "LYRICS" if !has("prompt") => return failed(400, "prompt_empty"),
        "MUSIC" | "LYRICS" => {}
        _ => return failed(400, "invalid_action"),
    }
    let mut memory = shared.memory();
    if let Some(parent) = body["task_id"].as_str().filter(|parent| !parent.is_empty()) {
        match memory.tasks.get(parent).map(Task::stage) {
            Some(Stage::Done) => {}
            Some(_) => return failed(400, "task_not_finished"),
            None => return failed(400, "task_not_exist"),
        }
    }
    let id = format!("suno-task-{:06}", memory.next());
    memory.tasks.submit(&id, action, body.clone());
    said("success", "", &json!(id))
}

fn said(code: &str, message: &str, data: &Value) -> Reply {
    Reply::json(200, &json!({ "code": code, "message": message, "data": data }))
}

fn failed(status: u16, code: &str) -> Reply {
    Reply::json(status, &json!({ "code": code, "message": code, "data": null }))
}

fn object(task: &Task, authority: &str) -> Value {
    let (status, progress) = match task.stage() {
        Stage::Waiting => ("NOT_START", "0%".to_owned()),
        Stage::Working(percent) => ("IN_PROGRESS", format!("{percent}%")),
        Stage::Done => ("SUCCESS", "100%".to_owned()),
        Stage::Failed => ("FAILURE", "100%".to_owned()),
    };
    let done = status == "SUCCESS";
    let clip = |number: u32| {
        json!({
            "id": format!("clip-{}-{number}", task.id), "status": "complete", "title": task.request["title"],
            "audio_url": format!("http://{authority}/cdn/{}-{number}.mp3", task.id), "video_url": "",
            "image_url": format!("http://{authority}/cdn/{}-{number}.jpeg", task.id), "model_name": "chirp-v3.5",
            "metadata": { "prompt": task.request["prompt"], "tags": task.request["tags"], "duration": 123.4 }
        })
    };
    let data = match (done, task.action.as_str()) {
        (false, _) => json!([]),
        (true, "LYRICS") => {
            json!({ "id": "lyrics-1", "title": "Fake", "text": "[Verse]\nLa la la", "status": "complete" })
        }
        (true, _) => json!([clip(1), clip(2)]),
    };
    json!({
        "task_id": task.id, "action": task.action, "status": status,
        "fail_reason": if status == "FAILURE" { "the song failed" } else { "" },
        "submit_time": 1_750_000_000, "start_time": if status == "NOT_START" { 0 } else { 1_750_000_001 },
        "finish_time": if done || status == "FAILURE" { 1_750_000_060 } else { 0 }, "progress": progress, "data": data
    })
}

pub(super) fn refuse(refusal: &Refusal) -> Reply {
    let code = match (refusal.status, refusal.code.as_deref()) {
        (_, Some(code)) => code,
        (401, _) => "unauthorized",
        (429, _) => "too_many_requests",
        (status, _) if status < 500 => "invalid_request",
        _ => "internal_error",
    };
    failed(refusal.status, code)
}
