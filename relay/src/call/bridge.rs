//! From the client's dialect to the vendor's and back, for one attempt: nothing where they are the same, an edit
//! where one is the other in an envelope, the hub where they differ.

use bytes::Bytes;
use http::HeaderMap;

use super::carry::{Carry, Middle, Pack, Unpack};
use super::fetch::Fetcher;
use super::{Call, Content};
use crate::convert::edit::{Body, BodyError};
use crate::convert::embeddings;
use crate::convert::usage::{self, Form, Usage};
use crate::convert::{self, Fault, HubError, Limits, Path, Reply, Stream, bedrock, fault};
use crate::ingress::refuse::spoken;
use crate::provider::{Dialect, Operation, Provider, Upstream, Wish};
use crate::sse::tap::Kind;
use crate::wire::headers;

/// How the two dialects relate.
enum Way {
    /// They are one.
    Same,
    /// The client's Bedrock body is the vendor's messages body with a few fields elsewhere.
    Invoke,
    /// The client's Code Assist body holds the vendor's Gemini body.
    Envelope,
    /// Vectors, asked for in one form and made in another.
    Vectors {
        /// The client's form.
        client: embeddings::Form,
        /// The vendor's form.
        vendor: embeddings::Form,
        /// Whether the client wants packed numbers.
        packed: bool,
        /// The size of the texts, where the vendor does not tell it.
        tokens: u64,
        /// The model as the client named it.
        model: String,
    },
    /// They differ.
    Hub {
        /// The client's.
        client: convert::Dialect,
        /// The vendor's.
        vendor: convert::Dialect,
        /// What the writer of the answer must know.
        reply: Reply,
    },
}

/// The way of one attempt.
pub struct Bridge {
    way: Way,
    /// The client's dialect.
    client: Dialect,
    /// The vendor's dialect.
    vendor: Dialect,
    operation: Operation,
    /// Whether a chat stream's usage was asked for by this relay alone.
    hide_usage: bool,
    /// Whether a Gemini client wants its stream as an array.
    json_array: bool,
}

/// What a call is asked of a vendor as: its own operation and dialect, or the nearest that the vendor knows.
pub fn native(vendor: &dyn Provider, account: &Upstream<'_>, call: &Call, model: &str) -> Option<(Operation, Dialect)> {
    let ask = |operation, dialect| {
        vendor.native(account, Wish { operation, dialect, model }).map(|native| (operation, native))
    };
    ask(call.operation, call.dialect).or_else(|| match (call.operation, call.dialect) {
        (Operation::Complete, Dialect::Completions) => ask(Operation::Generate, Dialect::Completions),
        (Operation::Embed | Operation::EmbedBatch, Dialect::Gemini) => {
            ask(Operation::Embed, Dialect::Embeddings).or_else(|| ask(Operation::Embed, Dialect::Gemini))
        }
        (Operation::Embed, Dialect::Embeddings) => {
            ask(Operation::EmbedBatch, Dialect::Gemini).or_else(|| ask(Operation::Embed, Dialect::Gemini))
        }
        _ => None,
    })
}

/// A request on the vendor's side.
pub struct Crossed {
    /// The way back.
    pub bridge: Bridge,
    /// The body where it is another than the client's.
    pub body: Option<Body>,
    /// Headers where they are others than the client's.
    pub headers: Option<HeaderMap>,
    /// What could not be said.
    pub warnings: Vec<String>,
}

impl Bridge {
    /// Crosses with a call's request to a vendor that is asked for `operation`, speaks `vendor` and calls the model
    /// `model`.
    pub async fn cross(
        call: &Call,
        (operation, vendor): (Operation, Dialect),
        model: &str,
        limits: &Limits,
        fetcher: &Fetcher,
    ) -> Result<Crossed, Fault> {
        let bridge = |way| Bridge {
            way,
            client: call.dialect,
            vendor,
            operation: call.operation,
            hide_usage: call.stream && !call.wants_usage,
            json_array: call.json_array,
        };
        let same = || Crossed { bridge: bridge(Way::Same), body: None, headers: None, warnings: Vec::new() };
        let one_form = operation == call.operation || vector_form(operation, vendor).is_none();
        if vendor == call.dialect && one_form {
            return Ok(same());
        }
        let Content::Json(body) = &call.content else { return Ok(same()) };
        if let Some((from, to)) = vectors(call.operation, call.dialect, operation, vendor) {
            let made = embeddings::request(from, to, body.bytes(), model).map_err(Fault::from)?;
            let body = Some(Body::scan(made.body.into()).map_err(bad_body)?);
            let (packed, tokens, model) = (made.packed, made.tokens, call.model.clone());
            let way = Way::Vectors { client: from, vendor: to, packed, tokens, model };
            return Ok(Crossed { bridge: bridge(way), body, headers: None, warnings: made.warnings });
        }
        match (call.dialect, vendor) {
            (Dialect::CodeAssist, Dialect::Gemini) => {
                let inner = body.object("request").map_err(bad_body)?.ok_or_else(|| missing("request"))?;
                Ok(Crossed { bridge: bridge(Way::Envelope), body: Some(inner), headers: None, warnings: Vec::new() })
            }
            (Dialect::Invoke, _) => {
                let (messages, betas) = bedrock::from_invoke(body, &call.model, call.stream).map_err(Fault::from)?;
                let mut sent = HeaderMap::new();
                for beta in &betas {
                    headers::merge_word(&mut sent, "anthropic-beta", beta);
                }
                let messages = Body::scan(messages).map_err(bad_body)?;
                if vendor == Dialect::Messages {
                    return Ok(Crossed {
                        bridge: bridge(Way::Invoke),
                        body: Some(messages),
                        headers: Some(sent),
                        warnings: Vec::new(),
                    });
                }
                hub(call, &messages, convert::Dialect::Messages, vendor, model, limits, fetcher, bridge).await
            }
            // Its vendor would say so, too.
            (Dialect::Messages, _) if call.operation == Operation::Generate && !body.has("max_tokens") => {
                Err(missing("max_tokens"))
            }
            (client, _) => match hub_dialect(client) {
                Some(client) => hub(call, body, client, vendor, model, limits, fetcher, bridge).await,
                None => Err(unspeakable()),
            },
        }
    }

    /// Whether the vendor hears another dialect than the client speaks.
    pub fn translates(&self) -> bool {
        !matches!(self.way, Way::Same)
    }

    /// The answer for the client, and what the vendor says was used.
    pub fn whole(&self, body: Bytes) -> Result<(Bytes, Option<Usage>), Fault> {
        match &self.way {
            Way::Same | Way::Invoke => {
                let used = usage::of_body(form(self.vendor), &body);
                Ok((body, used))
            }
            Way::Envelope => {
                let used = usage::of_body(Form::Gemini, &body);
                Ok((enveloped(&body), used))
            }
            Way::Vectors { client, vendor, packed, tokens, model } => {
                let told = embeddings::Told { model, packed: *packed, tokens: *tokens };
                let (body, counted) = embeddings::answer(*vendor, *client, &body, &told).map_err(Fault::from)?;
                Ok((body.into(), counted.map(|input| Usage { input, ..Usage::default() })))
            }
            Way::Hub { client, vendor, reply } => {
                let (body, used) = convert::answer(*vendor, *client, &body, reply).map_err(Fault::from)?;
                Ok((body.into(), used))
            }
        }
    }

    /// A whole answer as the stream that the client waits for, and what the vendor says was used; `None` where the
    /// client's form of a stream is none that can be told from a whole answer.
    pub fn retold(&self, body: &[u8], call: &Call) -> Option<Result<(Bytes, Option<Usage>), Fault>> {
        let (from, to, reply) = match &self.way {
            Way::Same if matches!(self.operation, Operation::Generate) => {
                let dialect = hub_dialect(self.client).filter(|dialect| *dialect != convert::Dialect::Converse)?;
                let (id, model) = (call.id.clone(), call.model.clone());
                let (include_usage, json_array) = (call.wants_usage, self.json_array);
                let reply =
                    Reply { id, created: call.at.seconds(), model, include_usage, json_array, ..Reply::default() };
                (dialect, dialect, reply)
            }
            Way::Hub { client, vendor, reply } if *client != convert::Dialect::Converse => {
                (*vendor, *client, reply.clone())
            }
            _ => return None,
        };
        let told = convert::retell(from, to, body, reply);
        Some(told.map(|(stream, used)| (stream.into(), used)).map_err(Fault::from))
    }

    /// A streamed answer for the client; `unpack` undoes the vendor's own frames.
    pub fn carry(&self, unpack: Unpack) -> Result<Carry, HubError> {
        let dialect = spoken(self.client);
        let (unpack, middle) = match &self.way {
            Way::Same if self.vendor == Dialect::Converse => (unpack, Middle::converse()),
            Way::Same | Way::Invoke => (unpack, self.watch()),
            Way::Envelope => (Unpack::enveloped(Box::new(|data| enveloped(&data))), Middle::watch(Kind::Gemini, false)),
            Way::Vectors { .. } => (unpack, Middle::raw()),
            Way::Hub { client, vendor, reply } => {
                (unpack, Middle::Translate(Box::new(Stream::new(*vendor, *client, reply.clone())?)))
            }
        };
        let pack = match (self.client, &self.way) {
            (Dialect::Invoke, _) => Pack::invoke(),
            (Dialect::Converse, _) => Pack::converse(),
            (Dialect::Gemini, Way::Same) if self.json_array => Pack::array(),
            // A translation writes the array by itself.
            (Dialect::Gemini, _) if self.json_array => Pack::Elements,
            _ => Pack::Plain,
        };
        // What Bedrock's clients read inside their frames are Anthropic's events.
        let dialect = if self.client == Dialect::Invoke { convert::Dialect::Messages } else { dialect };
        Ok(Carry::new(unpack, middle, pack, dialect))
    }

    /// The dialect of the vendor's stream, where its words can be read; its envelope is off by then.
    pub fn vendors_dialect(&self) -> Option<convert::Dialect> {
        if self.vendor == Dialect::CodeAssist { Some(convert::Dialect::Gemini) } else { readable(self.vendor) }
    }

    fn watch(&self) -> Middle {
        match self.vendor {
            Dialect::Chat | Dialect::Completions => Middle::watch(Kind::Chat, self.hide_usage),
            Dialect::Messages | Dialect::Invoke => Middle::watch(Kind::Messages, false),
            Dialect::Gemini | Dialect::CodeAssist => Middle::watch(Kind::Gemini, false),
            Dialect::Responses if self.operation == Operation::Generate => Middle::watch(Kind::Responses, false),
            Dialect::Audio if self.operation == Operation::Speak => Middle::raw(),
            _ => Middle::loose(),
        }
    }
}

/// The form in which an operation asks for vectors, if it does.
fn vector_form(operation: Operation, dialect: Dialect) -> Option<embeddings::Form> {
    match (operation, dialect) {
        (Operation::Embed, Dialect::Embeddings) => Some(embeddings::Form::OpenAi),
        (Operation::Embed, Dialect::Gemini) => Some(embeddings::Form::Gemini),
        (Operation::EmbedBatch, Dialect::Gemini) => Some(embeddings::Form::GeminiBatch),
        (Operation::Embed | Operation::EmbedBatch, Dialect::Predict) => Some(embeddings::Form::Predict),
        _ => None,
    }
}

/// The client's form of asking for vectors and the vendor's.
fn vectors(
    asked: Operation,
    client: Dialect,
    operation: Operation,
    vendor: Dialect,
) -> Option<(embeddings::Form, embeddings::Form)> {
    Some((vector_form(asked, client)?, vector_form(operation, vendor)?))
}

async fn hub(
    call: &Call,
    body: &Body,
    client: convert::Dialect,
    vendor: Dialect,
    model: &str,
    limits: &Limits,
    fetcher: &Fetcher,
    bridge: impl Fn(Way) -> Bridge,
) -> Result<Crossed, Fault> {
    let vendor = hub_dialect(vendor).ok_or_else(unspeakable)?;
    let path = Path { model: &call.model, stream: call.stream };
    let mut heard = convert::read(client, body.bytes(), path).map_err(Fault::from)?;
    fetcher.fill(convert::unfetched(&mut heard.request, vendor)).await?;
    let written = convert::write(&heard, vendor, model, limits).map_err(Fault::from)?;
    let mut reply = heard.reply(&call.id, call.at.seconds());
    reply.model.clone_from(&call.model);
    reply.json_array = call.json_array;
    let body = Body::scan(written.body.into()).map_err(bad_body)?;
    Ok(Crossed {
        bridge: bridge(Way::Hub { client, vendor, reply }),
        body: Some(body),
        headers: None,
        warnings: written.warnings,
    })
}

/// The hub's name of a dialect.
pub fn hub_dialect(dialect: Dialect) -> Option<convert::Dialect> {
    Some(match dialect {
        Dialect::Chat => convert::Dialect::Chat,
        Dialect::Responses => convert::Dialect::Responses,
        Dialect::Completions => convert::Dialect::Completions,
        Dialect::Messages => convert::Dialect::Messages,
        Dialect::Gemini => convert::Dialect::Gemini,
        Dialect::Converse => convert::Dialect::Converse,
        _ => return None,
    })
}

/// Whose words a vendor's usage is in.
pub fn form(dialect: Dialect) -> Form {
    match dialect {
        Dialect::Messages | Dialect::Invoke => Form::Anthropic,
        Dialect::Gemini | Dialect::CodeAssist => Form::Gemini,
        Dialect::Converse => Form::Converse,
        _ => Form::OpenAi,
    }
}

fn enveloped(body: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(body.len() + 14);
    out.extend_from_slice(b"{\"response\":");
    out.extend_from_slice(body);
    out.push(b'}');
    out.into()
}

fn bad_body(error: BodyError) -> Fault {
    Fault::new(fault::Kind::InvalidRequest, error.to_string())
}

/// The dialect in which the words of a body can be read.
pub fn readable(dialect: Dialect) -> Option<convert::Dialect> {
    if dialect == Dialect::Invoke { Some(convert::Dialect::Messages) } else { hub_dialect(dialect) }
}

fn missing(field: &str) -> Fault {
    let mut fault = Fault::new(fault::Kind::InvalidRequest, format!("The field '{field}' is required."));
    fault.param = Some(field.to_owned());
    fault
}

fn unspeakable() -> Fault {
    Fault::new(fault::Kind::InvalidRequest, "This model's vendor does not offer this kind of call.")
        .with_code("unsupported_operation")
}
