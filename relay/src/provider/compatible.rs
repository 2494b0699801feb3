//! Vendors that are compatible with OpenAI, one row each, and New-API's channel numbers.

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use schema::model::account::AccountKind as Kind;

use super::{
    Ask, Blame, Dialect, Failure, Operation, Outgoing, Provider, Refusal, Scope, Upstream, Wish, address, anthropic,
    openai, outgoing,
};
use crate::wire::headers::{self, Family};
use crate::wire::percent;

/// A vendor, and in what it differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vendor {
    /// Its word in an account's settings.
    pub name: &'static str,
    /// Its address; empty where there is none of its own.
    pub base_url: &'static str,
    /// What stands between address and endpoint; `{account}` is the account's number.
    pub version: &'static str,
    /// New-API's channel number, 0 where it has none.
    pub channel: u16,
    /// What stands between address and `/v1/messages` where the vendor speaks Anthropic's dialect, too.
    pub messages: Option<&'static str>,
    /// Whether it speaks responses.
    pub responses: bool,
    /// Whether it takes `stream_options`.
    pub stream_usage: bool,
}

const fn row(name: &'static str, base_url: &'static str, version: &'static str, channel: u16) -> Vendor {
    Vendor { name, base_url, version, channel, messages: None, responses: false, stream_usage: true }
}

const fn with_messages(vendor: Vendor, root: &'static str) -> Vendor {
    Vendor { messages: Some(root), ..vendor }
}

const fn with_responses(vendor: Vendor) -> Vendor {
    Vendor { responses: true, ..vendor }
}

const fn without_stream_usage(vendor: Vendor) -> Vendor {
    Vendor { stream_usage: false, ..vendor }
}

/// The vendors; the first row stands for any other.
pub const VENDORS: &[Vendor] = &[
    row("custom", "", "/v1", 8),
    with_responses(with_messages(row("ollama", "http://localhost:11434", "/v1", 4), "")),
    row("openai-max", "https://api.openaimax.com", "/v1", 6),
    row("ohmygpt", "https://api.ohmygpt.com", "/v1", 7),
    row("ails", "https://api.caipacity.com", "/v1", 9),
    row("aiproxy", "https://api.aiproxy.io", "/v1", 10),
    row("api2gpt", "https://api.api2gpt.com", "/v1", 12),
    row("aigc2d", "https://api.aigc2d.com", "/v1", 13),
    row("baidu", "https://qianfan.baidubce.com", "/v2", 15),
    with_messages(row("zhipu", "https://open.bigmodel.cn", "/api/paas/v4", 16), "/api/anthropic"),
    with_responses(with_messages(
        row("ali", "https://dashscope.aliyuncs.com", "/compatible-mode/v1", 17),
        "/apps/anthropic",
    )),
    row("xunfei", "https://spark-api-open.xf-yun.com", "/v1", 18),
    row("360", "https://api.360.cn", "/v1", 19),
    with_responses(with_messages(row("openrouter", "https://openrouter.ai/api", "/v1", 20), "")),
    row("aiproxy-library", "https://api.aiproxy.io", "/v1", 21),
    row("fastgpt", "https://fastgpt.run/api/openapi", "/v1", 22),
    row("tencent", "https://api.hunyuan.cloud.tencent.com", "/v1", 23),
    with_messages(row("moonshot", "https://api.moonshot.cn", "/v1", 25), "/anthropic"),
    with_messages(row("zhipu-v4", "https://open.bigmodel.cn", "/api/paas/v4", 26), "/api/anthropic"),
    row("perplexity", "https://api.perplexity.ai", "", 27),
    row("lingyiwanwu", "https://api.lingyiwanwu.com", "/v1", 31),
    row("cohere", "https://api.cohere.ai", "/compatibility/v1", 34),
    with_messages(row("minimax", "https://api.minimax.chat", "/v1", 35), "/anthropic"),
    row("dify", "https://api.dify.ai", "/v1", 37),
    row("jina", "https://api.jina.ai", "/v1", 38),
    with_responses(row("cloudflare", "https://api.cloudflare.com", "/client/v4/accounts/{account}/ai/v1", 39)),
    row("siliconflow", "https://api.siliconflow.cn", "/v1", 40),
    without_stream_usage(row("mistral", "https://api.mistral.ai", "/v1", 42)),
    with_messages(row("deepseek", "https://api.deepseek.com", "/v1", 43), "/anthropic"),
    row("moka", "https://api.moka.ai", "/v1", 44),
    with_responses(row("volcengine", "https://ark.cn-beijing.volces.com", "/api/v3", 45)),
    row("baidu-v2", "https://qianfan.baidubce.com", "/v2", 46),
    row("xinference", "", "/v1", 47),
    with_responses(with_messages(row("xai", "https://api.x.ai", "/v1", 48), "")),
    row("coze", "https://api.coze.cn", "/v1", 49),
    row("submodel", "https://llm.submodel.ai", "/v1", 53),
    row("replicate", "https://api.replicate.com", "/v1", 56),
    with_responses(row("groq", "https://api.groq.com/openai", "/v1", 0)),
    row("together", "https://api.together.xyz", "/v1", 0),
    row("fireworks", "https://api.fireworks.ai/inference", "/v1", 0),
    row("cerebras", "https://api.cerebras.ai", "/v1", 0),
    row("nvidia", "https://integrate.api.nvidia.com", "/v1", 0),
    row("hyperbolic", "https://api.hyperbolic.xyz", "/v1", 0),
    with_responses(row("vllm", "http://localhost:8000", "/v1", 0)),
    with_responses(row("lmstudio", "http://localhost:1234", "/v1", 0)),
    with_messages(row("kimi-coding", "https://api.kimi.com/coding", "/v1", 0), ""),
    with_messages(row("zai", "https://api.z.ai", "/api/paas/v4", 0), "/api/anthropic"),
];

/// Channels of New-API that are kinds of their own.
const KINDS: &[(u16, Kind, &str)] = &[
    (1, Kind::OpenaiKey, openai::BASE),
    (2, Kind::Midjourney, "https://oa.api2d.net"),
    (3, Kind::AzureOpenai, ""),
    (5, Kind::Midjourney, "https://api.openai-sb.com"),
    (14, Kind::ClaudeConsole, anthropic::BASE),
    (24, Kind::GeminiKey, super::gemini::BASE),
    (33, Kind::Bedrock, ""),
    (36, Kind::Suno, ""),
    (41, Kind::Vertex, ""),
    (50, Kind::Kling, super::kling::BASE),
    (51, Kind::Video, "https://visual.volcengineapi.com"),
    (52, Kind::Video, "https://api.vidu.cn"),
    (54, Kind::Video, "https://ark.cn-beijing.volces.com"),
    (55, Kind::Video, openai::BASE),
    (57, Kind::OpenaiOauth, super::codex::BASE),
];

/// What a New-API channel number stands for: the kind, the vendor's row, and its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channel {
    /// The kind of account.
    pub kind: Kind,
    /// The vendor's word, for compatible ones.
    pub vendor: Option<&'static str>,
    /// The vendor's own address, empty where there is none.
    pub base_url: &'static str,
}

/// The meaning of a channel number; an unknown one is compatible with OpenAI.
pub fn channel(number: u16) -> Channel {
    if let Some((_, kind, base_url)) = KINDS.iter().find(|(channel, ..)| *channel == number) {
        return Channel { kind: *kind, vendor: None, base_url };
    }
    let vendor = VENDORS.iter().find(|vendor| vendor.channel != 0 && vendor.channel == number).unwrap_or(&VENDORS[0]);
    Channel { kind: Kind::OpenaiCompatible, vendor: Some(vendor.name), base_url: vendor.base_url }
}

/// The row of that word, else the one for any vendor.
pub fn of(name: &str) -> &'static Vendor {
    VENDORS.iter().find(|vendor| vendor.name == name).unwrap_or(&VENDORS[0])
}

/// Accounts of such vendors.
pub struct Compatible;

impl Provider for Compatible {
    fn native(&self, account: &Upstream<'_>, wish: Wish<'_>) -> Option<Dialect> {
        let vendor = vendor(account);
        match wish.operation {
            Operation::Generate if wish.dialect == Dialect::Messages && vendor.messages.is_some() => {
                Some(Dialect::Messages)
            }
            _ => openai::speaks(wish, vendor.responses),
        }
    }

    fn request(&self, account: &Upstream<'_>, ask: &Ask<'_>) -> Result<Outgoing, Refusal> {
        let vendor = vendor(account);
        if let (Dialect::Messages, Some(root)) = (ask.dialect, vendor.messages) {
            return messages(account, ask, root);
        }
        let url = url(account, vendor, ask)?;
        openai::send(account, ask, url, openai::bearer(account, ask)?, openai::body(ask, vendor.stream_usage)?)
    }

    fn in_band(&self, body: &[u8]) -> Option<StatusCode> {
        anthropic::in_band(body).or_else(|| openai::in_band(body))
    }

    fn blame(&self, failure: &Failure<'_>) -> Blame {
        anthropic::blame(failure).unwrap_or_else(|| openai::blame(failure, Scope::Account))
    }

    fn probe(&self, account: &Upstream<'_>, model: Option<&str>, _: i64) -> Result<http::Request<Bytes>, Refusal> {
        let vendor = vendor(account);
        openai::probe(account, model, base(account, vendor)?, &version(account, vendor)?, "max_tokens", 1)
    }
}

fn vendor(account: &Upstream<'_>) -> &'static Vendor {
    of(account.options.vendor.as_deref().unwrap_or_default())
}

fn base<'a>(account: &Upstream<'a>, vendor: &'static Vendor) -> Result<&'a str, Refusal> {
    match account.base(vendor.base_url) {
        "" => Err(Refusal::Account("the account has no base URL".into())),
        base => Ok(base),
    }
}

fn version(account: &Upstream<'_>, vendor: &Vendor) -> Result<String, Refusal> {
    if !vendor.version.contains("{account}") {
        return Ok(vendor.version.to_owned());
    }
    match account.account_id {
        Some(id) => Ok(vendor.version.replace("{account}", &percent::encode(id))),
        None => Err(Refusal::Account(
            "the account's settings lack the account number that the vendor's address holds".into(),
        )),
    }
}

fn url(account: &Upstream<'_>, vendor: &'static Vendor, ask: &Ask<'_>) -> Result<String, Refusal> {
    let base = base(account, vendor)?;
    let tail = openai::tail(ask)?;
    // A custom address may be the endpoint itself, with the model's place marked in it.
    if base.contains("{model}") {
        return Ok(base.replace("{model}", &percent::encode(ask.model)));
    }
    Ok(address::endpoint(base, &version(account, vendor)?, &tail))
}

/// The vendor's door for Anthropic's dialect stands beside the one for OpenAI's.
fn messages(account: &Upstream<'_>, ask: &Ask<'_>, root: &str) -> Result<Outgoing, Refusal> {
    let vendor = vendor(account);
    let base = base(account, vendor)?;
    let base = base.strip_suffix(vendor.version).unwrap_or(base);
    let mut headers = headers::forward(ask.headers, Family::Anthropic, !ask.translated);
    headers.entry("anthropic-version").or_insert(HeaderValue::from_static(anthropic::VERSION));
    anthropic::authenticate(&mut headers, account.credentials)?;
    let root = if base.ends_with(root) { "" } else { root };
    outgoing::finish(account, ask, &format!("{base}{root}/v1/messages"), headers, anthropic::body(ask))
}
