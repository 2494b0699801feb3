//! Films as this system's page of tasks knows them: made from a picture or from words alone, and seen where a task
//! that succeeded has the reason of a failure.

use schema::model::joined::Joined;
use schema::model::task::{Task, TaskFilter, TaskStatus};

/// This system's two words for them.
const OF_PICTURE: &str = "generate";
const OF_WORDS: &str = "textGenerate";

/// What a task does, in this system's words.
pub fn action(task: &Task) -> &str {
    match task.action.as_str() {
        "image2video" => OF_PICTURE,
        "text2video" | "remix" => OF_WORDS,
        "generations" | "create" if task.is_pictured() => OF_PICTURE,
        "generations" | "create" => OF_WORDS,
        other => other,
    }
}

/// The tasks that do what this system means by a word.
pub fn doing(word: Option<String>) -> TaskFilter {
    let one = |action: &str, pictured: Option<bool>| TaskFilter {
        action: Some(action.to_owned()),
        pictured,
        ..TaskFilter::default()
    };
    let any = |or: Vec<TaskFilter>| TaskFilter { joined: Joined { or, ..Joined::default() }, ..TaskFilter::default() };
    match word.as_deref() {
        Some(OF_PICTURE) => {
            any(vec![one("image2video", None), one("generations", Some(true)), one("create", Some(true))])
        }
        Some(OF_WORDS) => any(vec![
            one("text2video", None),
            one("remix", None),
            one("generations", Some(false)),
            one("create", Some(false)),
        ]),
        _ => TaskFilter { action: word, ..TaskFilter::default() },
    }
}

/// What the page shows beside a task: where its film is, which is a link there, or why it failed.
pub fn outcome(task: &Task) -> &str {
    match task.status {
        // What a vendor shows to its own keys alone is no link for a browser.
        TaskStatus::Succeeded if is_film(task) => {
            let address = relay::task::film(&task.result.0).unwrap_or_default();
            if address.ends_with("/content") { "" } else { address }
        }
        _ => &task.fail_reason,
    }
}

fn is_film(task: &Task) -> bool {
    [OF_PICTURE, OF_WORDS].contains(&action(task))
}
