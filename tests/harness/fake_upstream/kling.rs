//! Kling: signed tokens, video tasks from text or an image.

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

use super::anthropic::now;
use super::reply::Reply;
use super::script::Refusal;
use super::seen::Seen;
use super::state::{Shared, Stage, Task};

/// The access key the fake knows.
pub const KLING_ACCESS_KEY: &str = "kling-fake-access";
/// Its secret key.
pub const KLING_SECRET_KEY: &str = "kling-fake-secret";

/// Checks a Kling token as Kling does and answers its claims.
///
/// # Errors
/// Kling's code and message.
pub fn kling_token_claims(token: &str) -> Result<Value, (u16, String)> {
    let header =
        jsonwebtoken::decode_header(token).map_err(|error| (1002, format!("Authorization is invalid: {error}")))?;
    if header.alg != Algorithm::HS256 || header.typ.as_deref() != Some("JWT") {
        return Err((1002, "Authorization is invalid: the header must be HS256 and JWT".to_owned()));
    }
    let mut rules = Validation::new(Algorithm::HS256);
    rules.validate_aud = false;
    rules.validate_exp = false;
    rules.set_required_spec_claims::<&str>(&[]);
    let key = DecodingKey::from_secret(KLING_SECRET_KEY.as_bytes());
    let claims = jsonwebtoken::decode::<Value>(token, &key, &rules)
        .map_err(|_| (1002, "Authorization is invalid: the signature is wrong".to_owned()))?
        .claims;
    if claims["iss"] != KLING_ACCESS_KEY {
        return Err((1002, "access key not found".to_owned()));
    }
    let (Some(expires), Some(from)) = (claims["exp"].as_u64(), claims["nbf"].as_u64()) else {
        return Err((1002, "exp and nbf are needed".to_owned()));
    };
    if from > now() {
        return Err((1003, "Authorization is not active".to_owned()));
    }
    if expires <= now() {
        return Err((1004, "Authorization is expired".to_owned()));
    }
    if expires > now() + 3600 {
        return Err((1002, "exp is too far away".to_owned()));
    }
    Ok(claims)
}

pub(super) fn answer(seen: &Seen, shared: &Shared) -> Reply {
    let Some(token) = seen.bearer() else {
        return said(401, 1001, "Authorization is empty", shared, Value::Null);
    };
    if let Err((code, message)) = kling_token_claims(token) {
        return said(401, code, &message, shared, Value::Null);
    }
    let pieces = seen.pieces();
    let path: Vec<&str> = pieces.iter().map(String::as_str).collect();
    match (seen.method.as_str(), &path[..]) {
        ("POST", ["v1", "videos", kind @ ("text2video" | "image2video")]) => submit(seen, kind, shared),
        ("GET", ["v1", "videos", "text2video" | "image2video", id]) => {
            let polled = shared.memory().tasks.poll(id);
            match polled {
                Some(task) => said(200, 0, "SUCCEED", shared, object(&task, shared.authority())),
                None => said(404, 1203, "task not found", shared, Value::Null),
            }
        }
        _ => said(404, 1202, "Requested resource does not exist", shared, Value::Null),
    }
}

fn submit(seen: &Seen, kind: &str, shared: &Shared) -> Reply {
    let body = seen.json();
    let bad = |message: &str| said(400, 1201, message, shared, Value::Null);
    if !body.is_object() {
        return said(400, 1200, "the body must be JSON", shared, Value::Null);
    }
    let text = |field: &str| body[field].as_str().unwrap_or_default();
    if kind == "text2video" && text("prompt").is_empty() {
        return bad("prompt can not be empty");
    }
    if kind == "image2video" && text("image").is_empty() && text("image_tail").is_empty() {
        return bad("image and image_tail can not be both empty");
    }
    if text("image").starts_with("data:") {
        return bad("image must be a URL or base64 without a prefix");
    }
    if !body["duration"].is_null() && !["5", "10"].contains(&text("duration")) {
        return bad("duration value '' is invalid: a string, 5 or 10");
    }
    if !body["mode"].is_null() && !["std", "pro"].contains(&text("mode")) {
        return bad("mode is invalid");
    }
    if !body["model"].is_null() {
        return bad("unknown field model: the name is model_name");
    }
    let id = {
        let mut memory = shared.memory();
        let id = format!("kling-task-{:06}", memory.next());
        memory.tasks.submit(&id, kind, body.clone());
        id
    };
    let data = json!({
        "task_id": id, "task_status": "submitted", "task_info": { "external_task_id": body["external_task_id"] },
        "created_at": 1_750_000_000_000_u64, "updated_at": 1_750_000_000_000_u64
    });
    said(200, 0, "SUCCEED", shared, data)
}

fn object(task: &Task, authority: &str) -> Value {
    let status = match task.stage() {
        Stage::Waiting => "submitted",
        Stage::Working(_) => "processing",
        Stage::Done => "succeed",
        Stage::Failed => "failed",
    };
    let mut object = json!({
        "task_id": task.id, "task_status": status, "task_status_msg": "",
        "task_info": { "external_task_id": task.request["external_task_id"] },
        "created_at": 1_750_000_000_000_u64, "updated_at": 1_750_000_060_000_u64
    });
    match status {
        "succeed" => {
            let url = format!("http://{authority}/cdn/{}.mp4", task.id);
            let duration = task.request["duration"].as_str().unwrap_or("5");
            let video = json!({ "id": format!("video-{}", task.id), "url": url, "duration": duration });
            object["task_result"] = json!({ "videos": [video] });
        }
        "failed" => object["task_status_msg"] = json!("Failure to pass the risk control system"),
        _ => {}
    }
    object
}

fn said(status: u16, code: u16, message: &str, shared: &Shared, data: Value) -> Reply {
    let mut body = json!({ "code": code, "message": message, "request_id": shared.id("kl-") });
    if !data.is_null() {
        body["data"] = data;
    }
    Reply::json(status, &body)
}

pub(super) fn refuse(refusal: &Refusal) -> Reply {
    let (code, message) = match (refusal.status, refusal.code.as_deref()) {
        (401, _) => (1004, "Authorization is expired"),
        (403, _) => (1103, "No permission to access the resource"),
        (429, Some("arrears")) => (1101, "Account in arrears"),
        (429, Some("balance")) => (1102, "Account balance not enough"),
        (429, Some("parallel")) => (1303, "parallel task over resource pack limit"),
        (429, _) => (1302, "API request rate over limit"),
        (400, Some("policy")) => (1301, "Failure to pass the risk control system"),
        (503, _) => (5001, "Server temporarily unavailable, please try again later"),
        (504, _) => (5002, "Server internal timeout"),
        (status, _) if status < 500 => (1200, "Request parameter is invalid"),
        _ => (5000, "Server internal error"),
    };
    Reply::json(refusal.status, &json!({ "code": code, "message": message, "request_id": "kl-refused" }))
}
