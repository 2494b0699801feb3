//! OpenAI responses: `POST /v1/responses`, stateless: what names state held by the vendor is refused.

mod answer;
mod request_in;
mod request_out;
mod stream_in;
mod stream_out;

pub(crate) use answer::{read_response, write_response};
pub(crate) use request_in::{echo, read_request};
pub(crate) use request_out::write_request;
pub(crate) use stream_in::Reader;
pub(crate) use stream_out::Writer;
