//! What a fake remembers: requests, the script, and the state its vendor would hold.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard};

use serde_json::Value;

use super::answer::{Answer, Usage};
use super::oauth::Tokens;
use super::script::Step;
use super::seen::Seen;
use super::vendor::Vendor;

/// Requests kept for inspection.
const MOST_REQUESTS: usize = 20_000;

pub(super) struct Shared {
    authority: String,
    control: Mutex<Control>,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Control {
    requests: Vec<Seen>,
    script: VecDeque<Step>,
    always: Option<Step>,
    faults: Vec<String>,
    forbidden: Vec<String>,
    answer: Option<Answer>,
    usage: Option<Usage>,
    accepted: Option<Vec<String>>,
}

/// What the vendor itself would keep between requests.
#[derive(Default)]
pub(super) struct Memory {
    counter: u64,
    pub(super) oauth: Tokens,
    pub(super) tasks: Tasks,
    /// Prompt prefixes that are in the prompt cache.
    pub(super) cached_prefixes: HashSet<u64>,
    /// Anthropic message ids that a thread can be continued from, and whether one already was.
    pub(super) threads: HashMap<String, bool>,
    /// Stored Responses objects.
    pub(super) responses: HashMap<String, Value>,
    /// Responses that are made in the background, and how often more one must ask after them.
    pub(super) working: HashMap<String, u32>,
    /// Conversations that responses can be added to.
    pub(super) conversations: HashMap<String, Value>,
    /// Gemini cached contents.
    pub(super) cached_contents: HashMap<String, Value>,
}

/// Asynchronous tasks of any vendor.
#[derive(Default)]
pub(super) struct Tasks {
    open: HashMap<String, Task>,
    failing: bool,
    finish_after: Option<u32>,
}

#[derive(Clone)]
pub(super) struct Task {
    pub(super) id: String,
    pub(super) action: String,
    pub(super) request: Value,
    pub(super) polls: u32,
    finish_after: u32,
    fails: bool,
}

/// Where a task stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Waiting,
    Working(u32),
    Done,
    Failed,
}

impl Task {
    /// Where it stands after the polls so far: waiting at the first, working until the last, then done or failed.
    pub(super) fn stage(&self) -> Stage {
        match self.polls {
            0 => Stage::Waiting,
            polls if polls > self.finish_after => {
                if self.fails {
                    Stage::Failed
                } else {
                    Stage::Done
                }
            }
            1 if self.finish_after > 1 => Stage::Waiting,
            polls => Stage::Working(polls * 100 / (self.finish_after + 1)),
        }
    }
}

impl Tasks {
    pub(super) fn fail(&mut self, fail: bool) {
        self.failing = fail;
    }

    pub(super) fn finish_after(&mut self, polls: u32) {
        self.finish_after = Some(polls);
    }

    pub(super) fn submit(&mut self, id: &str, action: &str, request: Value) {
        let task = Task {
            id: id.to_owned(),
            action: action.to_owned(),
            request,
            polls: 0,
            finish_after: self.finish_after.unwrap_or(2),
            fails: self.failing,
        };
        self.open.insert(id.to_owned(), task);
    }

    /// Counts a poll and answers the task.
    pub(super) fn poll(&mut self, id: &str) -> Option<Task> {
        let task = self.open.get_mut(id)?;
        task.polls += 1;
        Some(task.clone())
    }

    /// Looks without counting.
    pub(super) fn get(&self, id: &str) -> Option<&Task> {
        self.open.get(id)
    }
}

impl Memory {
    /// The next number of a running count, for ids.
    pub(super) fn next(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }
}

impl Shared {
    pub(super) fn new(address: SocketAddr) -> Shared {
        Shared { authority: address.to_string(), control: Mutex::default(), memory: Mutex::default() }
    }

    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// A fresh id with a prefix.
    pub(super) fn id(&self, prefix: &str) -> String {
        format!("{prefix}{:016x}", 0x00fa_ce00_0000_0000_u64 + self.memory().next())
    }

    /// Keeps the request; a stand-alone fake that runs for hours forgets the oldest.
    pub(super) fn record(&self, seen: Seen) {
        let mut control = self.control();
        if control.requests.len() >= MOST_REQUESTS {
            control.requests.drain(..MOST_REQUESTS / 2);
        }
        control.requests.push(seen);
    }

    pub(super) fn requests(&self) -> Vec<Seen> {
        self.control().requests.clone()
    }

    pub(super) fn forget(&self) {
        self.control().requests.clear();
    }

    pub(super) fn script(&self, steps: Vec<Step>) {
        self.control().script.extend(steps);
    }

    pub(super) fn always(&self, step: Option<Step>) {
        self.control().always = step;
    }

    pub(super) fn steps_left(&self) -> usize {
        self.control().script.len()
    }

    /// The step for this request, taken off the script.
    pub(super) fn step_for(&self, seen: &Seen) -> Option<Step> {
        let applies = |step: &Step| match &step.path_contains {
            Some(part) => seen.path.contains(part.as_str()) || seen.query.contains(part.as_str()),
            None => true,
        };
        let mut control = self.control();
        let at = control.script.iter().position(applies);
        at.and_then(|at| control.script.remove(at)).or_else(|| control.always.clone().filter(applies))
    }

    pub(super) fn say(&self, answer: Answer) {
        self.control().answer = Some(answer);
    }

    pub(super) fn said(&self) -> Option<Answer> {
        self.control().answer.clone()
    }

    pub(super) fn report_usage(&self, usage: Usage) {
        self.control().usage = Some(usage);
    }

    pub(super) fn usage(&self) -> Option<Usage> {
        self.control().usage.clone()
    }

    pub(super) fn accept_only(&self, keys: Vec<String>) {
        self.control().accepted = Some(keys);
    }

    /// Whether a key or access token is good: those of the list if there is one, else the vendor's own, those in
    /// `also`, and those issued here and not expired.
    pub(super) fn accepts(&self, vendor: Vendor, key: &str, also: &[&str]) -> bool {
        if let Some(accepted) = &self.control().accepted {
            return accepted.iter().any(|good| good == key);
        }
        key == vendor.key() || also.contains(&key) || self.memory().oauth.is_good_access_token(key)
    }

    pub(super) fn forbid(&self, secret: String) {
        self.control().forbidden.push(secret);
    }

    pub(super) fn forbidden(&self) -> Vec<String> {
        self.control().forbidden.clone()
    }

    pub(super) fn note_fault(&self, fault: String) {
        self.control().faults.push(fault);
    }

    pub(super) fn take_faults(&self) -> Vec<String> {
        std::mem::take(&mut self.control().faults)
    }
}
