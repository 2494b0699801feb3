//! A New-API style video service.

use serde_json::{Value, json};

use super::openai;
use super::reply::Reply;
use super::seen::Seen;
use super::state::{Shared, Stage, Task};
use super::vendor::Vendor;

pub(super) fn answer(seen: &Seen, shared: &Shared) -> Reply {
    // Finished films lie where everybody may fetch them.
    if let ["cdn", film] = seen.pieces().iter().map(String::as_str).collect::<Vec<_>>()[..] {
        return content(seen, film.trim_end_matches(".mp4"));
    }
    if !shared.accepts(Vendor::Video, seen.bearer().unwrap_or_default(), &[]) {
        return openai::error(
            401,
            "Incorrect API key provided",
            "invalid_request_error",
            None,
            Some("invalid_api_key"),
        );
    }
    let pieces = seen.pieces();
    let path: Vec<&str> = pieces.iter().map(String::as_str).collect();
    match (seen.method.as_str(), &path[..]) {
        ("POST", ["v1", "video", "generations"]) => submit(&seen.json(), shared),
        ("GET", ["v1", "video", "generations", id]) => match shared.memory().tasks.poll(id) {
            Some(task) => Reply::json(
                200,
                &json!({ "code": "success", "message": "", "data": object(&task, shared.authority()) }),
            ),
            None => Reply::json(400, &json!({ "code": "task_not_exist", "message": "task_not_exist", "data": null })),
        },
        ("POST", ["v1", "videos", id, "remix"]) => remix(id, &seen.json(), shared),
        ("GET", ["v1", "videos", id, "content"]) => content(seen, id),
        _ => openai::error(404, "Invalid URL", "invalid_request_error", None, None),
    }
}

/// A film of one task; a part of it for who asks for a part.
fn content(seen: &Seen, id: &str) -> Reply {
    let film = format!("the film of {id}");
    let part = seen.header("range").and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    let ends = part.and_then(|(from, to)| Some((from.parse::<usize>().ok()?, to.parse::<usize>().ok()?)));
    match ends {
        Some((from, to)) => Reply::whole(206, "video/mp4", film.as_bytes()[from..=to].to_vec())
            .with("content-range", format!("bytes {from}-{to}/{}", film.len())),
        None => Reply::whole(200, "video/mp4", film),
    }
}

/// Another film from one that is done.
fn remix(id: &str, body: &Value, shared: &Shared) -> Reply {
    let known = shared.memory().tasks.get(id).map(|task| task.request.clone());
    let Some(mut request) = known else {
        return openai::error(404, "No such video", "invalid_request_error", None, Some("video_not_found"));
    };
    request["prompt"] = body["prompt"].clone();
    submit(&request, shared)
}

fn submit(body: &Value, shared: &Shared) -> Reply {
    for needed in ["model", "prompt"] {
        if body[needed].as_str().is_none_or(str::is_empty) {
            let message = format!("{needed} is required");
            return Reply::json(400, &json!({ "code": "invalid_request", "message": message, "data": null }));
        }
    }
    let mut memory = shared.memory();
    let id = format!("video-task-{:06}", memory.next());
    memory.tasks.submit(&id, "generate", body.clone());
    Reply::json(
        200,
        &json!({
            "id": id, "task_id": id, "object": "video", "model": body["model"], "status": "queued", "progress": 0,
            "created_at": 1_750_000_000
        }),
    )
}

fn object(task: &Task, authority: &str) -> Value {
    let (status, progress) = match task.stage() {
        Stage::Waiting => ("QUEUED", "0%".to_owned()),
        Stage::Working(percent) => ("IN_PROGRESS", format!("{percent}%")),
        Stage::Done => ("SUCCESS", "100%".to_owned()),
        Stage::Failed => ("FAILURE", "100%".to_owned()),
    };
    // Sora's films lie behind the vendor's own door.
    let url = match task.request["model"].as_str() {
        Some(model) if model.starts_with("sora") => format!("http://{authority}/v1/videos/{}/content", task.id),
        _ => format!("http://{authority}/cdn/{}.mp4", task.id),
    };
    json!({
        "task_id": task.id, "status": status, "progress": progress,
        "url": if status == "SUCCESS" { json!(url) } else { json!("") },
        "format": "mp4",
        "fail_reason": if status == "FAILURE" { "the video failed" } else { "" },
        "metadata": { "duration": task.request["duration"], "fps": 24, "width": 1280, "height": 720 }
    })
}
