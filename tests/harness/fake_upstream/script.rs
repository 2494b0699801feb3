//! Scripts: what a fake does to a request instead of just answering it well.

use std::time::Duration;

use bytes::Bytes;

use super::reply::Reply;

/// What happens to one request.
#[derive(Clone, Debug)]
pub struct Step {
    pub(super) path_contains: Option<String>,
    pub(super) what: What,
    pub(super) before_head: Duration,
    pub(super) before_body: Duration,
    pub(super) headers: Vec<(String, String)>,
    pub(super) split: Split,
    pub(super) gap: Duration,
    pub(super) stall: Option<(usize, Duration)>,
    pub(super) cut_after: Option<usize>,
    pub(super) error_after: Option<usize>,
    pub(super) gzip: bool,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    Default,
    Refuse(Refusal),
    Exactly(Box<Reply>),
    EmptyStream,
    Cut,
    Hang,
}

/// A refusal in the vendor's own words.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// When to come back, said in whatever way the vendor says it (headers, body, both, not at all).
    pub retry_after: Option<u64>,
    /// The vendor's finer code, where the status alone does not tell (`insufficient_quota`, `usage_limit_reached`, …).
    pub code: Option<String>,
}

/// Where a streamed body is cut into chunks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Split {
    /// One chunk an event, as vendors do on a good day.
    #[default]
    Events,
    /// The whole stream in one chunk.
    Nowhere,
    /// Every so many bytes.
    Every(usize),
    /// At these positions of the body.
    At(Vec<usize>),
    /// Inside every multi-byte character, inside every `data:`, and between the two line ends of a frame.
    Awkward,
}

impl Step {
    /// The default answer, to be bent by the methods below.
    pub fn answer() -> Step {
        Step::new(What::Default)
    }

    /// The vendor's refusal with this status.
    pub fn refuse(status: u16) -> Step {
        Step::new(What::Refuse(Refusal { status, retry_after: None, code: None }))
    }

    /// Exactly this reply.
    pub fn reply(reply: Reply) -> Step {
        Step::new(What::Exactly(Box::new(reply)))
    }

    /// A status with a body of no particular vendor, such as a proxy's HTML page.
    pub fn raw(status: u16, content_type: &str, body: impl Into<Bytes>) -> Step {
        Step::reply(Reply::whole(status, content_type, body))
    }

    /// The head of a stream and then its end.
    pub fn empty_stream() -> Step {
        Step::new(What::EmptyStream)
    }

    /// The connection is closed before any answer.
    pub fn cut() -> Step {
        Step::new(What::Cut)
    }

    /// The request is taken and never answered.
    pub fn hang() -> Step {
        Step::new(What::Hang)
    }

    fn new(what: What) -> Step {
        Step {
            path_contains: None,
            what,
            before_head: Duration::ZERO,
            before_body: Duration::ZERO,
            headers: Vec::new(),
            split: Split::Events,
            gap: Duration::ZERO,
            stall: None,
            cut_after: None,
            error_after: None,
            gzip: false,
        }
    }

    /// Only for requests whose path contains `part`; others pass the step by.
    pub fn on(mut self, part: impl Into<String>) -> Step {
        self.path_contains = Some(part.into());
        self
    }

    /// Waits before the status line.
    pub fn after(mut self, wait: Duration) -> Step {
        self.before_head = wait;
        self
    }

    /// Waits between the head and the first byte of the body.
    pub fn first_byte_after(mut self, wait: Duration) -> Step {
        self.before_body = wait;
        self
    }

    /// Adds or replaces a response header.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Step {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Says when to come back, in the vendor's way.
    pub fn retry_after(mut self, seconds: u64) -> Step {
        if let What::Refuse(refusal) = &mut self.what {
            refusal.retry_after = Some(seconds);
        }
        self
    }

    /// Picks the vendor's finer reason.
    pub fn code(mut self, code: &str) -> Step {
        if let What::Refuse(refusal) = &mut self.what {
            refusal.code = Some(code.to_owned());
        }
        self
    }

    /// Chunks the body.
    pub fn split(mut self, split: Split) -> Step {
        self.split = split;
        self
    }

    /// Waits between chunks.
    pub fn gap(mut self, gap: Duration) -> Step {
        self.gap = gap;
        self
    }

    /// Pauses once when that many bytes of the body are out, or at its end where it has fewer.
    pub fn stall_after(mut self, bytes: usize, pause: Duration) -> Step {
        self.stall = Some((bytes, pause));
        self
    }

    /// Closes the connection when that many bytes of the body are out; zero leaves only the head.
    pub fn cut_after(mut self, bytes: usize) -> Step {
        self.cut_after = Some(bytes);
        self
    }

    /// Ends the stream after so many events with the vendor's in-band error.
    pub fn error_after_events(mut self, events: usize) -> Step {
        self.error_after = Some(events);
        self
    }

    /// Compresses the body and says so.
    pub fn gzip(mut self) -> Step {
        self.gzip = true;
        self
    }
}

/// Cuts a body made of events into chunks.
pub(super) fn chunks(events: Vec<Bytes>, split: &Split) -> Vec<Bytes> {
    if *split == Split::Events {
        return events;
    }
    let whole = Bytes::from(events.concat());
    let ends: Vec<usize> = match split {
        Split::Events | Split::Nowhere => Vec::new(),
        Split::Every(size) => (1..).map(|n| n * (*size).max(1)).take_while(|end| *end < whole.len()).collect(),
        Split::At(positions) => positions.clone(),
        Split::Awkward => awkward(&whole),
    };
    let mut chunks = Vec::with_capacity(ends.len() + 1);
    let mut start = 0;
    for end in ends.into_iter().chain([whole.len()]) {
        if end > start && end <= whole.len() {
            chunks.push(whole.slice(start..end));
            start = end;
        }
    }
    chunks
}

fn awkward(body: &[u8]) -> Vec<usize> {
    let text = std::str::from_utf8(body).is_ok();
    if !text {
        return (1..).map(|n| n * 7).take_while(|end| *end < body.len()).collect();
    }
    (1..body.len())
        .filter(|at| {
            let inside_character = body[*at] & 0b1100_0000 == 0b1000_0000;
            let inside_field = body[..*at].ends_with(b"da") && body[*at..].starts_with(b"ta:");
            let inside_end = body[*at - 1] == b'\n' && body[*at] == b'\n';
            inside_character || inside_field || inside_end
        })
        .collect()
}
