//! Every number the transport enforces, in one place.

use std::time::Duration;

/// The limits of the transport. `Limits::default()` is what production runs.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of a request body and of a socket message.
    pub body_bytes: usize,
    /// Bytes of a document.
    pub document_bytes: usize,
    /// Lexical tokens of a document.
    pub tokens: usize,
    /// Brackets open at once; keeps the recursive parser from running out of stack.
    pub nesting: usize,
    /// Fields within fields, fragments followed.
    pub depth: usize,
    /// Selections after every fragment is written out.
    pub fields: usize,
    /// Aliases after every fragment is written out.
    pub aliases: usize,
    /// Directives after every fragment is written out.
    pub directives: usize,
    /// Root fields of one operation.
    pub root_fields: usize,
    /// Introspection lists (`fields`, `inputFields`, `interfaces`, `possibleTypes`) within one another.
    pub introspection_lists: usize,
    /// Points one operation may cost.
    pub cost: u64,
    /// Errors told in one answer.
    pub errors: usize,
    /// How long a query or a mutation may run.
    pub operation_time: Duration,
    /// How long a request body may take to arrive.
    pub body_time: Duration,
    /// Bytes the document cache may hold.
    pub document_cache_bytes: usize,
    /// How long a socket may stay without `connection_init`.
    pub init_time: Duration,
    /// Operations alive at once on one socket.
    pub socket_operations: usize,
    /// Messages waiting to be written to one socket or event stream.
    pub send_queue: usize,
    /// How long a full queue or an unread connection is borne before it is dropped.
    pub slow_reader: Duration,
    /// Pause between pings (sockets) and comments (event streams).
    pub keepalive: Duration,
    /// Pause between checks that a long connection's caller may still be there.
    pub recheck: Duration,
    /// Answers longer than this are compressed.
    pub compress_above: u16,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1 << 20,
            document_bytes: 64 << 10,
            tokens: 2_000,
            nesting: 64,
            depth: 20,
            fields: 2_000,
            aliases: 60,
            directives: 20,
            root_fields: 10,
            introspection_lists: 3,
            cost: 10_000,
            errors: 10,
            operation_time: Duration::from_secs(10),
            body_time: Duration::from_secs(10),
            document_cache_bytes: 16 << 20,
            init_time: Duration::from_secs(5),
            socket_operations: 100,
            send_queue: 64,
            slow_reader: Duration::from_secs(5),
            keepalive: Duration::from_secs(12),
            recheck: Duration::from_secs(5),
            compress_above: 1024,
        }
    }
}
