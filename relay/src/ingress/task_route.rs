//! Which task a method and path mean: Midjourney, Suno, Kling and video.

use http::Method;
use schema::model::account::AccountKind;

use crate::provider::Dialect;

/// The services that make things in their own time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Platform {
    /// Midjourney-proxy.
    Midjourney,
    /// Suno proxies.
    Suno,
    /// Kling.
    Kling,
    /// New-API's video tasks.
    Video,
    /// OpenAI's videos, which the vendors of the two before this make.
    OpenaiVideo,
}

impl Platform {
    /// Its stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Midjourney => "midjourney",
            Self::Suno => "suno",
            Self::Kling => "kling",
            Self::Video => "video",
            Self::OpenaiVideo => "openai_video",
        }
    }

    /// From its stored word.
    pub fn parse(word: &str) -> Option<Self> {
        let all = [Self::Midjourney, Self::Suno, Self::Kling, Self::Video, Self::OpenaiVideo];
        all.into_iter().find(|one| one.as_str() == word)
    }

    /// The service that accounts of a kind speak, where it is one of these.
    pub const fn of(kind: AccountKind) -> Option<Self> {
        match kind {
            AccountKind::Midjourney => Some(Self::Midjourney),
            AccountKind::Suno => Some(Self::Suno),
            AccountKind::Kling => Some(Self::Kling),
            AccountKind::Video => Some(Self::Video),
            _ => None,
        }
    }

    /// The dialect of its clients.
    pub const fn dialect(self) -> Dialect {
        match self {
            Self::Midjourney => Dialect::Midjourney,
            Self::Suno => Dialect::Suno,
            Self::Kling => Dialect::Kling,
            Self::Video => Dialect::Video,
            // No vendor speaks it; its clients read OpenAI's errors.
            Self::OpenaiVideo => Dialect::Chat,
        }
    }
}

/// What is wanted of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskAsk<'a> {
    /// A new one; the action is the path's last word.
    Submit {
        /// `imagine`, `music`, `text2video`, `generations`, …
        action: &'a str,
    },
    /// A new one that builds on one of the caller's.
    Follow {
        /// The id of that one.
        id: &'a str,
        /// What is to be done.
        action: &'a str,
    },
    /// How one stands.
    Fetch {
        /// Its id.
        id: &'a str,
    },
    /// How several stand; their ids are in the body.
    FetchMany,
    /// The caller's tasks, a page at a time.
    List,
    /// What one has come to, itself.
    Content {
        /// Its id.
        id: &'a str,
    },
    /// That one is no longer wanted.
    Remove {
        /// Its id.
        id: &'a str,
    },
    /// Midjourney's seed of a picture.
    Seed {
        /// The task's id.
        id: &'a str,
    },
    /// A picture, by way of this relay.
    Image {
        /// The task's id.
        id: &'a str,
    },
    /// A Midjourney proxy's own news of a task.
    Notify,
}

/// A task call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskRoute<'a> {
    /// The service.
    pub platform: Platform,
    /// What is wanted.
    pub ask: TaskAsk<'a>,
    /// The path as the service's own clients say it, `/mj-fast` and the like included.
    pub tail: &'a str,
}

impl TaskRoute<'_> {
    /// The dialect of the service's clients.
    pub const fn dialect(&self) -> Dialect {
        self.platform.dialect()
    }
}

/// Midjourney's submissions.
const MIDJOURNEY: &[&str] = &[
    "imagine",
    "change",
    "simple-change",
    "describe",
    "blend",
    "shorten",
    "action",
    "modal",
    "upload-discord-images",
    "edits",
    "video",
];
/// Midjourney's modes, as the segment before `mj` or joined to it.
const MODES: &[&str] = &["fast", "turbo", "relax"];

/// Reads a method and path; `None` for what is no task.
pub fn read<'a>(method: &Method, path: &'a str) -> Option<TaskRoute<'a>> {
    let segments: Vec<&'a str> = path.strip_prefix('/')?.split('/').collect();
    let of = |platform, ask| Some(TaskRoute { platform, ask, tail: path });
    match (method, segments.as_slice()) {
        (_, [mode, "mj", rest @ ..]) if is_mode(mode) => of(Platform::Midjourney, midjourney(method, rest)?),
        (_, ["mj", rest @ ..]) => of(Platform::Midjourney, midjourney(method, rest)?),
        (&Method::POST, ["suno", "submit", action]) if !action.is_empty() => {
            of(Platform::Suno, TaskAsk::Submit { action })
        }
        (&Method::POST, ["suno", "fetch"]) => of(Platform::Suno, TaskAsk::FetchMany),
        (&Method::GET, ["suno", "fetch", id]) if !id.is_empty() => of(Platform::Suno, TaskAsk::Fetch { id }),
        (&Method::POST, ["kling", "v1", "videos", action @ ("text2video" | "image2video")]) => {
            of(Platform::Kling, TaskAsk::Submit { action })
        }
        (&Method::GET, ["kling", "v1", "videos", "text2video" | "image2video", id]) if !id.is_empty() => {
            of(Platform::Kling, TaskAsk::Fetch { id })
        }
        (&Method::POST, ["v1", "video", action @ "generations"]) => of(Platform::Video, TaskAsk::Submit { action }),
        (&Method::GET, ["v1", "video", "generations", id]) if !id.is_empty() => {
            of(Platform::Video, TaskAsk::Fetch { id })
        }
        (_, ["v1", "videos", rest @ ..]) => of(Platform::OpenaiVideo, videos(method, rest)?),
        _ => None,
    }
}

/// OpenAI's videos.
fn videos<'a>(method: &Method, rest: &[&'a str]) -> Option<TaskAsk<'a>> {
    match (method, rest) {
        (&Method::POST, []) => Some(TaskAsk::Submit { action: "create" }),
        (&Method::GET, []) => Some(TaskAsk::List),
        (_, ["" | "characters" | "edits" | "extensions", ..]) => None,
        (&Method::GET, [id]) => Some(TaskAsk::Fetch { id }),
        (&Method::DELETE, [id]) => Some(TaskAsk::Remove { id }),
        (&Method::GET, [id, "content"]) => Some(TaskAsk::Content { id }),
        (&Method::POST, [id, action @ "remix"]) => Some(TaskAsk::Follow { id, action }),
        _ => None,
    }
}

fn is_mode(segment: &str) -> bool {
    MODES.contains(&segment.strip_prefix("mj-").unwrap_or(segment))
}

fn midjourney<'a>(method: &Method, rest: &[&'a str]) -> Option<TaskAsk<'a>> {
    match (method, rest) {
        (&Method::POST, ["submit", action]) if MIDJOURNEY.contains(action) => Some(TaskAsk::Submit { action }),
        (&Method::POST, ["insight-face", "swap"]) => Some(TaskAsk::Submit { action: "swap" }),
        (&Method::POST, ["task", "list-by-condition"]) => Some(TaskAsk::FetchMany),
        (&Method::GET, ["task", id, "fetch"]) if !id.is_empty() => Some(TaskAsk::Fetch { id }),
        (&Method::GET, ["task", id, "image-seed"]) if !id.is_empty() => Some(TaskAsk::Seed { id }),
        (&Method::POST, ["notify"]) => Some(TaskAsk::Notify),
        (&Method::GET, ["image", id]) if !id.is_empty() => Some(TaskAsk::Image { id }),
        _ => None,
    }
}
