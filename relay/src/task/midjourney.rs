//! Midjourney proxies.

use http::{Method, StatusCode};
use schema::model::task::{Task, TaskStatus};
use serde_json::{Value, json};

use super::studio::{
    Fields, Heard, Order, Question, Seen, Standing, Studio, Taken, View, bad, documented, first, per_cent, progress,
    reason, required, status, text, upstream_of, word,
};
use crate::convert::Fault;

/// The service.
pub struct Midjourney;

/// Of the vendor's object, what its client is shown; the rest names the vendor's accounts.
const SHOWN: &[&str] = &[
    "customId",
    "botType",
    "prompt",
    "promptEn",
    "description",
    "state",
    "seed",
    "buttons",
    "maskBase64",
    "options",
    "videoUrl",
    "videoUrls",
];
/// Of the vendor's properties, beginnings of what is not shown.
const HIDDEN: &[&str] = &["discord", "instance", "notify", "channel", "guild", "nonce", "messageid", "flags"];

/// Beginnings of buttons' ids: the action that a button is.
const BUTTONS: &[(&str, &str)] = &[
    ("mj::job::upsample", "UPSCALE"),
    ("mj::job::low_variation", "LOW_VARIATION"),
    ("mj::job::high_variation", "HIGH_VARIATION"),
    ("mj::job::variation", "VARIATION"),
    ("mj::job::reroll", "REROLL"),
    ("mj::job::pan_", "PAN"),
    ("mj::outpaint::", "ZOOM"),
    ("mj::customzoom::", "CUSTOM_ZOOM"),
    ("mj::inpaint::", "INPAINT"),
    ("mj::job::animate", "VIDEO"),
    ("mj::picread::retry", "DESCRIBE"),
];

impl Studio for Midjourney {
    fn parent(&self, action: &str, fields: &Fields) -> Option<String> {
        match action {
            "simple-change" => text(fields, "content")?.split_whitespace().next().map(str::to_owned),
            _ => text(fields, "taskId"),
        }
    }

    fn order(&self, heard: Heard<'_>) -> Result<Order, Fault> {
        let mut body = heard.fields;
        let action = match heard.action {
            "imagine" => {
                let prompt = required(&body, "prompt")?;
                with_aspect(&mut body, &prompt)?;
                "IMAGINE".to_owned()
            }
            "shorten" => {
                required(&body, "prompt")?;
                "SHORTEN".to_owned()
            }
            "describe" if text(&body, "base64").is_none() && text(&body, "link").is_none() => {
                return Err(bad("One of the fields 'base64' and 'link' is required.", "base64"));
            }
            "blend" if body.get("base64Array").and_then(Value::as_array).is_none_or(|images| images.len() < 2) => {
                return Err(bad("The field 'base64Array' must hold two to five pictures.", "base64Array"));
            }
            "change" => change(&mut body)?,
            "simple-change" => simple_change(&mut body, heard.parent)?,
            "action" => pressed(&required(&body, "customId")?).to_owned(),
            "upload-discord-images" => "UPLOAD".to_owned(),
            "swap" => "SWAP_FACE".to_owned(),
            other => other.to_ascii_uppercase().replace('-', "_"),
        };
        if matches!(heard.action, "change" | "action" | "modal") {
            required(&body, "taskId")?;
        }
        if heard.action != "simple-change" && body.contains_key("taskId") {
            body.insert("taskId".into(), upstream_of(heard.parent)?.into());
        }
        let notify_url = text(&body, "notifyHook");
        body.remove("notifyHook");
        if let Some(callback) = heard.callback {
            body.insert("notifyHook".into(), callback.into());
        }
        let model = match action.as_str() {
            "SWAP_FACE" => "swap_face".to_owned(),
            other => format!("mj_{}", other.to_ascii_lowercase()),
        };
        Ok(Order { action, model, path: heard.path.to_owned(), body, notify_url, native: heard.native, held: None })
    }

    /// Clients take these ids for numbers.
    fn uid(&self) -> String {
        schema::id::code(b"123456789", 1) + &schema::id::code(b"0123456789", 19)
    }

    fn taken(&self, answer: &Value) -> Option<Taken> {
        let code = answer.get("code")?.as_i64()?;
        let id = match answer.get("result")? {
            Value::String(id) if !id.is_empty() => Some(id.clone()),
            Value::Number(id) => Some(id.to_string()),
            // Uploaded pictures are there at once.
            Value::Array(_) => None,
            _ => return None,
        };
        // A task that exists was paid when it was made; one that waits for its window is paid there.
        matches!(code, 1 | 21 | 22).then(|| Taken { id, paid: code != 21, answer: answer.clone() })
    }

    fn submitted(&self, task: &Task, answer: &Value) -> Value {
        let code = answer.get("code").and_then(Value::as_i64).unwrap_or(1);
        let described = answer.get("description").and_then(Value::as_str).unwrap_or("提交成功");
        let result = match answer.get("result") {
            Some(urls @ Value::Array(_)) => urls.clone(),
            _ => task.uid.clone().into(),
        };
        json!({
            // A task that was queued is as good as taken; one whose window waits has to be said so.
            "code": if code == 21 && task.action != "MODAL" { 21 } else { 1 },
            "description": described,
            "result": result,
            "properties": properties(answer.get("properties")),
            "success": true,
            "message": "任务提交成功",
            "data": {"task_id": task.uid, "status": "pending"},
        })
    }

    fn batch(&self) -> usize {
        50
    }

    fn question(&self, _: &[Task], ids: &[&str]) -> Question {
        let path = "/mj/task/list-by-condition".to_owned();
        Question { method: Method::POST, path, body: Some(json!({"ids": ids})) }
    }

    fn read(&self, id: &str, http: StatusCode, answer: &Value) -> Seen {
        let list = match answer {
            Value::Array(list) => list.as_slice(),
            Value::Object(_) if named(answer, id) => std::slice::from_ref(answer),
            _ => return Seen::Unclear,
        };
        if !http.is_success() {
            return Seen::Unclear;
        }
        let Some(Value::Object(found)) = list.iter().find(|task| named(task, id)) else { return Seen::Unknown };
        let Some(status) = found.get("status").and_then(Value::as_str).and_then(status) else { return Seen::Unclear };
        let fail_reason = found.get("failReason").and_then(Value::as_str).unwrap_or_default().to_owned();
        let progress = progress(found.get("progress"));
        Seen::Task(Box::new(Standing { status, progress, result: found.clone(), fail_reason }))
    }

    fn shown(&self, task: &Task, view: &View) -> Value {
        let result = &task.result.0;
        let ms = |at: Option<schema::Time>| at.map_or(0, |at| at.0);
        let picture = first([result.get("imageUrl")]).map_or_else(String::new, |url| {
            if view.pictures { format!("{}/mj/image/{}", view.base, task.uid) } else { url.to_owned() }
        });
        let waits = result.get("status").and_then(Value::as_str) == Some("MODAL") && !task.status.is_final();
        let asked = |name: &str| task.request.0.get(name).cloned().unwrap_or(Value::from(""));
        let mut shown = json!({
            "id": task.uid,
            "action": task.action,
            "customId": "",
            "botType": "",
            "prompt": asked("prompt"),
            "promptEn": asked("prompt"),
            "description": "",
            "state": asked("state"),
            "submitTime": ms(Some(task.created_at)),
            "startTime": ms(task.started_at),
            "finishTime": ms(task.finished_at),
            "imageUrl": picture,
            "status": if waits { "MODAL" } else { word(task.status) },
            "progress": per_cent(task),
            "failReason": reason(task),
            "buttons": [],
            "maskBase64": "",
            "properties": properties(result.get("properties")),
            "success": true,
            "message": "",
            "data": {
                "task_id": task.uid,
                "status": documented(task.status),
                "progress": per_cent(task),
                "image_url": picture,
                "created_at": task.created_at.0.div_euclid(1_000),
            },
        });
        for name in SHOWN {
            if let Some(value) = result.get(*name).filter(|value| !value.is_null()) {
                shown[*name] = value.clone();
            }
        }
        shown
    }

    fn listed(&self, tasks: &[Task], view: &View) -> Value {
        tasks.iter().map(|task| self.shown(task, view)).collect()
    }
}

fn named(task: &Value, id: &str) -> bool {
    match task.get("id") {
        Some(Value::String(own)) => own == id,
        Some(Value::Number(own)) => own.to_string() == id,
        _ => false,
    }
}

/// The vendor's properties without what names its accounts.
fn properties(given: Option<&Value>) -> Value {
    let Some(Value::Object(given)) = given else { return json!({}) };
    let open = given.iter().filter(|(name, _)| {
        let name = name.to_ascii_lowercase();
        !HIDDEN.iter().any(|start| name.starts_with(start))
    });
    Value::Object(open.map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// `aspect` is New-API's documented field; Midjourney reads it in the prompt.
fn with_aspect(body: &mut Fields, prompt: &str) -> Result<(), Fault> {
    let Some(aspect) = text(body, "aspect") else { return Ok(()) };
    let sides = aspect.split_once(':').map(|(a, b)| (a.parse::<u16>(), b.parse::<u16>()));
    let Some((Ok(1..), Ok(1..))) = sides else {
        return Err(bad("The field 'aspect' must be a ratio such as 16:9.", "aspect"));
    };
    body.remove("aspect");
    if !prompt.contains("--ar ") && !prompt.contains("--aspect ") {
        body.insert("prompt".into(), format!("{prompt} --ar {aspect}").into());
    }
    Ok(())
}

/// What `change` does; the picture's number may stand in New-API's documented `content` (`U1`).
fn change(body: &mut Fields) -> Result<String, Fault> {
    let content = text(body, "content").unwrap_or_default();
    let action = match text(body, "action") {
        Some(action) => action.to_ascii_uppercase(),
        None => match content.chars().next() {
            Some('U' | 'u') => "UPSCALE".to_owned(),
            Some('V' | 'v') => "VARIATION".to_owned(),
            Some('R' | 'r') => "REROLL".to_owned(),
            _ => return Err(bad("The field 'action' is required.", "action")),
        },
    };
    if !matches!(action.as_str(), "UPSCALE" | "VARIATION" | "REROLL") {
        return Err(bad("The field 'action' must be UPSCALE, VARIATION or REROLL.", "action"));
    }
    let number = body.get("index").and_then(Value::as_u64).or_else(|| text(body, "index")?.parse().ok());
    let number = number.or_else(|| content.get(1..)?.parse().ok());
    match number {
        Some(number @ 1..=4) => {
            body.insert("index".into(), number.into());
        }
        _ if action == "REROLL" => {}
        _ => return Err(bad("The field 'index' must be a number from 1 to 4.", "index")),
    }
    body.insert("action".into(), action.clone().into());
    body.remove("content");
    Ok(action)
}

/// What `simple-change` does: `<task> U1`, with the vendor's id in the client's place.
fn simple_change(body: &mut Fields, parent: Option<&Task>) -> Result<String, Fault> {
    let content = required(body, "content")?;
    let mut words = content.split_whitespace();
    let (Some(_), Some(change), None) = (words.next(), words.next(), words.next()) else {
        return Err(bad("The field 'content' must be a task's id and a change such as U1.", "content"));
    };
    let action = match change.to_ascii_uppercase().as_bytes() {
        [b'U', b'1'..=b'4'] => "UPSCALE",
        [b'V', b'1'..=b'4'] => "VARIATION",
        [b'R'] => "REROLL",
        _ => return Err(bad("The change in 'content' must be U1 to U4, V1 to V4 or R.", "content")),
    };
    let content = format!("{} {change}", upstream_of(parent)?);
    body.insert("content".into(), content.into());
    Ok(action.to_owned())
}

/// The action of a button.
fn pressed(custom_id: &str) -> &'static str {
    let custom_id = custom_id.to_ascii_lowercase();
    BUTTONS.iter().find(|(start, _)| custom_id.starts_with(start)).map_or("IMAGINE", |(_, action)| *action)
}

/// The seed of a picture, as the proxy answers it.
pub fn seed(answer: &Value) -> Option<Value> {
    let code = answer.get("code")?.as_i64()?;
    (code == 1).then(|| {
        json!({
            "code": 1,
            "description": answer.get("description").and_then(Value::as_str).unwrap_or("success"),
            "result": answer.get("result").cloned().unwrap_or_default(),
            "success": true,
            "message": "",
        })
    })
}

/// Whether a task's picture can be shown.
pub fn picture(task: &Task) -> Option<&str> {
    (task.platform == "midjourney" && task.status != TaskStatus::Failed)
        .then(|| first([task.result.0.get("imageUrl")]))
        .flatten()
}

#[cfg(test)]
mod tests;
