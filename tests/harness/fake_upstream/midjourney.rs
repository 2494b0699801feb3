//! midjourney-proxy: submit codes, tasks, follow-ups on finished tasks.

use serde_json::{Value, json};

use super::reply::Reply;
use super::script::Refusal;
use super::seen::Seen;
use super::state::{Memory, Shared, Stage, Task};
use super::vendor::Vendor;

const SUBMIT: [&str; 11] = [
    "imagine",
    "change",
    "simple-change",
    "action",
    "modal",
    "describe",
    "blend",
    "shorten",
    "edits",
    "video",
    "upload-discord-images",
];

pub(super) fn answer(seen: &Seen, shared: &Shared) -> Reply {
    let pieces = seen.pieces();
    // Pictures lie open on the proxy's CDN.
    if let ("GET", ["mj", "image", _]) =
        (seen.method.as_str(), &pieces.iter().map(String::as_str).collect::<Vec<_>>()[..])
    {
        return Reply::whole(200, "image/png", vec![0x89, 0x50, 0x4e, 0x47]);
    }
    let secret = seen.header("mj-api-secret").unwrap_or_default();
    if !shared.accepts(Vendor::Midjourney, secret, &[]) {
        return refuse(&Refusal { status: 401, retry_after: None, code: None });
    }
    let mut path: Vec<&str> = pieces.iter().map(String::as_str).collect();
    if path.first().is_some_and(|mode| ["mj-fast", "mj-turbo", "mj-relax"].contains(mode)) {
        path.remove(0);
    }
    let body = seen.json();
    match (seen.method.as_str(), &path[..]) {
        ("POST", ["mj", "submit", action]) if SUBMIT.contains(action) => submit(&body, action, shared),
        ("POST", ["mj", "insight-face", "swap"]) => submit(&body, "swap-face", shared),
        ("GET", ["mj", "task", id, "fetch"]) => match shared.memory().tasks.poll(id) {
            Some(task) => Reply::json(200, &object(&task, shared.authority())),
            // A task it does not know is an empty answer.
            None => Reply::whole(200, "application/json", ""),
        },
        ("GET", ["mj", "task", id, "image-seed"]) => match shared.memory().tasks.get(id) {
            Some(_) => submitted(1, "success", "1234567890"),
            None => submitted(3, "task not found", ""),
        },
        ("POST", ["mj", "task", "list-by-condition"]) => {
            let mut memory = shared.memory();
            let ids = body["ids"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let tasks: Vec<Value> =
                ids.filter_map(|id| memory.tasks.poll(id)).map(|task| object(&task, shared.authority())).collect();
            Reply::json(200, &json!(tasks))
        }
        _ => Reply::json(404, &json!({ "timestamp": 0, "status": 404, "error": "Not Found", "path": seen.path })),
    }
}

fn submit(body: &Value, action: &str, shared: &Shared) -> Reply {
    let wrong = |what: &str| submitted(4, what, "");
    let text = |field: &str| body[field].as_str().unwrap_or_default();
    let mut memory = shared.memory();
    let kind = match action {
        "imagine" | "shorten" | "video" if text("prompt").is_empty() => {
            return wrong("prompt不能为空");
        }
        "imagine" if text("prompt").contains("forbidden-word") => {
            let properties = json!({ "promptEn": text("prompt"), "bannedWord": "forbidden-word" });
            let body = json!({ "code": 24, "description": "可能包含敏感词", "result": null, "properties": properties });
            return Reply::json(200, &body);
        }
        "blend" if body["base64Array"].as_array().is_none_or(|images| images.len() < 2) => {
            return wrong("base64List参数错误");
        }
        "describe" if text("base64").is_empty() && text("link").is_empty() => {
            return wrong("base64不能为空");
        }
        "change" => {
            let index = body["index"].as_u64().unwrap_or(0);
            if !["UPSCALE", "VARIATION", "REROLL"].contains(&text("action")) {
                return wrong("action参数错误");
            }
            if text("action") != "REROLL" && !(1..=4).contains(&index) {
                return wrong("index参数错误");
            }
            if let Some(refused) = follow_up(&memory, text("taskId")) {
                return refused;
            }
            text("action").to_owned()
        }
        "simple-change" => {
            let (task, change) = text("content").split_once(' ').unwrap_or_default();
            if let Some(refused) = follow_up(&memory, task) {
                return refused;
            }
            if change.starts_with('U') { "UPSCALE".to_owned() } else { "VARIATION".to_owned() }
        }
        "action" => {
            if text("customId").is_empty() {
                return wrong("customId不能为空");
            }
            if let Some(refused) = follow_up(&memory, text("taskId")) {
                return refused;
            }
            "ACTION".to_owned()
        }
        "modal" => {
            if let Some(refused) = follow_up(&memory, text("taskId")) {
                return refused;
            }
            "MODAL".to_owned()
        }
        other => other.to_ascii_uppercase().replace('-', "_"),
    };
    let id = format!("17000000{:08}", memory.next());
    memory.tasks.submit(&id, &kind, body.clone());
    submitted(1, "提交成功", &id)
}

/// Follow-ups need the task where it was made, and finished.
fn follow_up(memory: &Memory, id: &str) -> Option<Reply> {
    match memory.tasks.get(id).map(Task::stage) {
        None => Some(submitted(3, "关联任务不存在或已失效", "")),
        Some(Stage::Done) => None,
        Some(_) => Some(submitted(4, "关联任务状态错误", "")),
    }
}

fn submitted(code: u16, description: &str, result: &str) -> Reply {
    Reply::json(200, &json!({ "code": code, "description": description, "result": result, "properties": {} }))
}

fn object(task: &Task, authority: &str) -> Value {
    let (status, progress) = match task.stage() {
        Stage::Waiting => ("NOT_START", "0%".to_owned()),
        Stage::Working(percent) => ("IN_PROGRESS", format!("{percent}%")),
        Stage::Done => ("SUCCESS", "100%".to_owned()),
        Stage::Failed => ("FAILURE", "100%".to_owned()),
    };
    let done = status == "SUCCESS";
    let ended = done || status == "FAILURE";
    let button = |label: &str| json!({ "customId": format!("MJ::JOB::{label}::1::{}", task.id), "label": label, "type": 2, "style": 2, "emoji": "" });
    let image = format!("http://{authority}/mj/image/{}", task.id);
    json!({
        "id": task.id, "action": task.action, "status": status, "progress": progress,
        "prompt": task.request["prompt"], "promptEn": task.request["prompt"], "description": "Submit success",
        "state": task.request["state"], "submitTime": 1_750_000_000_000_u64,
        "startTime": if status == "NOT_START" { json!(null) } else { json!(1_750_000_001_000_u64) },
        "finishTime": if ended { json!(1_750_000_060_000_u64) } else { json!(null) },
        "imageUrl": if done { json!(image) } else { json!(null) },
        "failReason": if status == "FAILURE" { json!("[Invalid parameter] the picture failed") } else { json!(null) },
        "buttons": if done { json!([button("U1"), button("V1")]) } else { json!([]) },
        "properties": { "finalPrompt": task.request["prompt"] }
    })
}

pub(super) fn refuse(refusal: &Refusal) -> Reply {
    match (refusal.status, refusal.code.as_deref()) {
        (200, Some("queue_full")) => submitted(23, "队列已满，请稍后尝试", ""),
        (200, Some("banned")) => submitted(24, "可能包含敏感词", ""),
        (200, Some("no_account")) => submitted(3, "无可用的账号实例", ""),
        (200, Some("queued")) => submitted(22, "排队中，前面还有1个任务", "1700000000000099"),
        (401, _) => Reply::json(401, &json!({ "code": 4, "description": "鉴权失败", "result": null })),
        (status, _) => Reply::json(status, &json!({ "timestamp": 0, "status": status, "error": "refused" })),
    }
}
