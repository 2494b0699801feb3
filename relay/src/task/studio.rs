//! A task service as the relay sees it: what its clients send, what its vendor answers, what its clients are shown.
//!
//! Everything here is pure. A client's ids are the relay's own; the vendor's stay in the row.

use http::{Method, StatusCode};
use schema::model::task::{Task, TaskStatus};
use serde_json::{Map, Value, json};

use crate::convert::Fault;
use crate::convert::fault::Kind;

/// A JSON object's members.
pub type Fields = Map<String, Value>;

/// What a client has handed in.
pub struct Heard<'a> {
    /// The path's last word.
    pub action: &'a str,
    /// The client's own path.
    pub path: &'a str,
    /// Its body.
    pub fields: Fields,
    /// The task it builds on, which was looked up by what [`Studio::parent`] found.
    pub parent: Option<&'a Task>,
    /// Where the vendor may tell of the task, if this installation can be reached.
    pub callback: Option<String>,
    /// Whether the client says that it is one of the service's own.
    pub native: bool,
}

/// A task as the vendor is asked for it.
#[derive(Debug)]
pub struct Order {
    /// What is done, in the word that clients are shown.
    pub action: String,
    /// What is billed.
    pub model: String,
    /// The vendor's path.
    pub path: String,
    /// The vendor's body.
    pub body: Fields,
    /// Where the client wants to be told.
    pub notify_url: Option<String>,
    /// Whether answers have the service's own form where that clashes with the documented one.
    pub native: bool,
    /// A piece of a vendor's state it builds on, where it names no task.
    pub held: Option<(&'static str, String)>,
}

/// What a vendor's consent says.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken {
    /// The vendor's id; `None` where the work is done already.
    pub id: Option<String>,
    /// Whether it is to be paid.
    pub paid: bool,
    /// The vendor's answer.
    pub answer: Value,
}

/// A question to a vendor about some of its tasks.
#[derive(Debug)]
pub struct Question {
    /// The method.
    pub method: Method,
    /// The path.
    pub path: String,
    /// The body, where there is one.
    pub body: Option<Value>,
}

/// What a vendor says of one task.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// How it stands.
    Task(Box<Standing>),
    /// The vendor does not know it.
    Unknown,
    /// The answer says nothing about it.
    Unclear,
}

/// How a task stands at its vendor.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// How far it is.
    pub status: TaskStatus,
    /// Per cent, where it is told.
    pub progress: Option<i64>,
    /// The vendor's own object.
    pub result: Fields,
    /// Why it failed.
    pub fail_reason: String,
}

/// Where clients reach this installation, and what of it they are shown.
pub struct View {
    /// Its address.
    pub base: String,
    /// Whether pictures are shown there rather than at the vendor's.
    pub pictures: bool,
}

/// One service.
pub trait Studio: Send + Sync {
    /// The client's id of the task that a new one builds on.
    fn parent(&self, action: &str, fields: &Fields) -> Option<String> {
        let _ = (action, fields);
        None
    }

    /// What a client wants made.
    fn order(&self, heard: Heard<'_>) -> Result<Order, Fault>;

    /// A fresh id for a client; nobody can guess another's.
    fn uid(&self) -> String {
        format!("task_{}", schema::id::hex(&schema::id::random::<16>()))
    }

    /// What a vendor's consent says; `None` where it is none.
    fn taken(&self, answer: &Value) -> Option<Taken>;

    /// What the client is answered.
    fn submitted(&self, task: &Task, answer: &Value) -> Value;

    /// How many tasks one question may be about.
    fn batch(&self) -> usize {
        1
    }

    /// The question about some tasks of one account; `ids` are the vendor's.
    fn question(&self, tasks: &[Task], ids: &[&str]) -> Question;

    /// What the answer says about one of them.
    fn read(&self, id: &str, status: StatusCode, answer: &Value) -> Seen;

    /// A task as its client sees it.
    fn shown(&self, task: &Task, view: &View) -> Value;

    /// Several tasks as their client sees them.
    fn listed(&self, tasks: &[Task], view: &View) -> Value {
        let tasks: Vec<Value> = tasks.iter().map(|task| self.shown(task, view)).collect();
        json!({"success": true, "code": "success", "message": "", "data": tasks})
    }

    /// The vendor's names of what it holds for a task that has ended well, for calls that build on them.
    fn holds(&self, task: &Task) -> Vec<(&'static str, String)> {
        let _ = task;
        Vec::new()
    }
}

/// The text of a field; numbers count as text, as ids are sent both ways.
pub fn text(fields: &Fields, name: &str) -> Option<String> {
    let found = match fields.get(name)? {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (!found.is_empty()).then_some(found)
}

/// A field that must be there.
pub fn required(fields: &Fields, name: &'static str) -> Result<String, Fault> {
    text(fields, name).ok_or_else(|| bad(format!("The field '{name}' is required."), name))
}

/// A request that is wrong at a field.
pub fn bad(message: impl Into<String>, param: &str) -> Fault {
    Fault { param: Some(param.to_owned()), ..Fault::new(Kind::InvalidRequest, message) }
}

/// The vendor's id of the task that is built on.
pub fn upstream_of(parent: Option<&Task>) -> Result<&str, Fault> {
    parent.and_then(|task| task.upstream_id.as_deref()).ok_or_else(|| {
        Fault::new(Kind::Conflict, "The task that this builds on has not been taken by its vendor.")
            .with_code("task_not_ready")
    })
}

/// A task's status in the documented words.
pub fn documented(status: TaskStatus) -> &'static str {
    match status {
        TaskStatus::Created | TaskStatus::Submitted | TaskStatus::Queued => "pending",
        TaskStatus::Running => "processing",
        TaskStatus::Succeeded => "finished",
        TaskStatus::Failed => "failed",
    }
}

/// A task's status in New-API's words.
pub fn word(status: TaskStatus) -> &'static str {
    match status {
        TaskStatus::Created => "NOT_START",
        TaskStatus::Submitted => "SUBMITTED",
        TaskStatus::Queued => "QUEUED",
        TaskStatus::Running => "IN_PROGRESS",
        TaskStatus::Succeeded => "SUCCESS",
        TaskStatus::Failed => "FAILURE",
    }
}

/// A status in whichever words a vendor uses.
pub fn status(word: &str) -> Option<TaskStatus> {
    Some(match word.to_ascii_uppercase().as_str() {
        "NOT_START" | "SUBMITTED" | "PENDING" | "CREATED" => TaskStatus::Submitted,
        "QUEUED" | "QUEUING" => TaskStatus::Queued,
        "IN_PROGRESS" | "PROCESSING" | "RUNNING" | "MODAL" | "STREAMING" => TaskStatus::Running,
        "SUCCESS" | "SUCCEED" | "SUCCEEDED" | "COMPLETED" | "COMPLETE" | "FINISHED" => TaskStatus::Succeeded,
        "FAILURE" | "FAILED" | "FAIL" | "ERROR" | "CANCEL" | "CANCELLED" | "CANCELED" | "EXPIRED" => TaskStatus::Failed,
        _ => return None,
    })
}

/// Per cent, from `"50%"`, `50` or `0.5`.
pub fn progress(value: Option<&Value>) -> Option<i64> {
    match value? {
        Value::String(text) => text.trim().trim_end_matches('%').trim().parse::<f64>().ok().map(|n| n as i64),
        Value::Number(number) => {
            let n = number.as_f64()?;
            Some(if n > 0.0 && n < 1.0 { (n * 100.0) as i64 } else { n as i64 })
        }
        _ => None,
    }
    .map(|n| n.clamp(0, 100))
}

/// A task's own progress, as text.
pub fn per_cent(task: &Task) -> String {
    format!("{}%", if task.status.is_final() { 100 } else { task.progress })
}

/// What New-API's envelopes say of any task: what it is, how far it is, and when it got there.
pub fn standing(task: &Task) -> Fields {
    let status = if is_native(task) { word(task.status) } else { documented(task.status) };
    Fields::from_iter([
        ("task_id".to_owned(), task.uid.clone().into()),
        ("action".to_owned(), task.action.clone().into()),
        ("status".to_owned(), status.into()),
        ("fail_reason".to_owned(), reason(task).into()),
        ("submit_time".to_owned(), seconds(Some(task.created_at)).into()),
        ("start_time".to_owned(), seconds(task.started_at).into()),
        ("finish_time".to_owned(), seconds(task.finished_at).into()),
        ("progress".to_owned(), per_cent(task).into()),
    ])
}

/// Seconds of a moment, 0 for none.
pub fn seconds(at: Option<schema::Time>) -> i64 {
    at.map_or(0, |at| at.0.div_euclid(1_000))
}

/// Why a task failed; nothing while it has not.
pub fn reason(task: &Task) -> &str {
    if task.status == TaskStatus::Failed { &task.fail_reason } else { "" }
}

/// Whether a task's client hears the service's own form where that clashes with the documented one.
pub fn is_native(task: &Task) -> bool {
    task.request.0.get("form").and_then(Value::as_str) == Some("native")
}

/// The first text that is no empty one.
pub fn first<'a>(values: impl IntoIterator<Item = Option<&'a Value>>) -> Option<&'a str> {
    values.into_iter().flatten().filter_map(Value::as_str).find(|text| !text.is_empty())
}
