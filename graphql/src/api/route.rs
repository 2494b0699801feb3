//! Why a call would go where it would go.

use async_graphql::{ComplexObject, Context, Enum, ID, InputObject, Object, SimpleObject};
use relay::call::explain::{Supposed, explain};
use schema::Act;
use schema::service::{api_key, routing};

use super::account::Account;
use crate::context::{Reach, to_admins};
use crate::fault::Result;
use crate::filter::search;
use crate::scalar::BigInt;
use crate::{loader, node};

/// The dialect a call is spoken in.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
#[graphql(remote = "relay::provider::Dialect")]
pub enum CallDialect {
    /// OpenAI chat completions.
    Chat,
    /// OpenAI responses.
    Responses,
    /// OpenAI's older text completions.
    Completions,
    /// OpenAI embeddings.
    Embeddings,
    /// OpenAI images.
    Images,
    /// OpenAI audio.
    Audio,
    /// OpenAI moderations.
    Moderations,
    /// Rerank as Cohere and Jina have it.
    Rerank,
    /// OpenAI realtime.
    Realtime,
    /// Anthropic messages.
    Messages,
    /// Gemini.
    Gemini,
    /// Vertex's predictions, which are only ever spoken to Vertex.
    Predict,
    /// Gemini inside Code Assist's envelope.
    CodeAssist,
    /// Bedrock's invoke calls.
    Invoke,
    /// Bedrock's converse calls.
    Converse,
    /// Lists of models.
    Models,
    /// Midjourney proxies.
    Midjourney,
    /// Suno proxies.
    Suno,
    /// Kling's own film tasks.
    Kling,
    /// Other film tasks.
    Video,
}

/// What a call asks for.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
#[graphql(remote = "relay::provider::Operation")]
pub enum CallOperation {
    /// A turn of a conversation.
    Generate,
    /// The size of a prompt.
    CountTokens,
    /// A text to be continued.
    Complete,
    /// Vectors.
    Embed,
    /// A batch of vectors.
    EmbedBatch,
    /// Pictures from a text.
    ImageGenerate,
    /// A picture changed by a text.
    ImageEdit,
    /// Variations of a picture.
    ImageVary,
    /// Speech to text.
    Transcribe,
    /// Speech to English text.
    Translate,
    /// Text to speech.
    Speak,
    /// A text judged.
    Moderate,
    /// Documents ordered by relevance.
    Rerank,
    /// A conversation by voice.
    Realtime,
    /// The vendor's list of models.
    ListModels,
    /// One of the vendor's models.
    GetModel,
    /// A conversation made shorter.
    Compact,
    /// Something that the account holds.
    Stored,
    /// A side endpoint of the vendor's own program.
    Side,
    /// A task handed in.
    Submit,
    /// A task asked after.
    Fetch,
}

/// The program a call comes from.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
#[graphql(remote = "relay::provider::Client")]
pub enum CallClient {
    /// Anthropic's Claude Code.
    ClaudeCode,
    /// OpenAI's Codex.
    Codex,
    /// Google's gemini-cli.
    GeminiCli,
    /// Anything else.
    Other,
}

/// Why an account does not serve a call.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
#[graphql(remote = "routing::Reason")]
pub enum RouteRefusal {
    /// Its kind cannot serve such calls.
    WrongKind,
    /// It was tried for this call already.
    AlreadyTried,
    /// It does not hold what is asked for.
    NotPinned,
    /// The key is bound to another account.
    NotBound,
    /// It serves only keys bound to it.
    Dedicated,
    /// It serves only keys bound to one of its groups.
    GroupOnly,
    /// It does not serve the key's user group.
    OtherGroup,
    /// It is switched off.
    Disabled,
    /// It may not be chosen.
    NotSchedulable,
    /// Its credentials cannot be opened.
    DoesNotOpen,
    /// Its vendor refuses it.
    Blocked,
    /// Its credentials have run out.
    Expired,
    /// Its subscription at the vendor has ended.
    SubscriptionEnded,
    /// It rests.
    Cooling,
    /// Its rest is over and one call tries whether it is well.
    BeingTried,
    /// It does not serve the model.
    ModelNotServed,
    /// It does not serve the program.
    ClientNotServed,
    /// It lacks something the call needs.
    NotCapable,
    /// What it may spend today is spent.
    QuotaSpent,
    /// As many calls as it bears are running.
    Full,
}

/// What decided between the accounts that could serve.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
#[graphql(remote = "routing::How")]
pub enum RouteDecision {
    /// It holds what is asked for.
    Pinned,
    /// It served the conversation before.
    Sticky,
    /// It was the only one of the highest rank.
    Only,
    /// All of its rank weigh the same; it rested longest.
    LeastRecent,
    /// Drawn by weight.
    Drawn,
}

/// A call that might be made.
#[derive(InputObject)]
pub struct ExplainRouteInput {
    /// The key it would be made with.
    pub api_key_id: ID,
    /// The model it would name.
    pub model: String,
    /// The dialect it would be spoken in.
    pub dialect: CallDialect,
    /// What it would ask for.
    #[graphql(default_with = "CallOperation::Generate")]
    pub operation: CallOperation,
    /// The program it would come from.
    #[graphql(default_with = "CallClient::Other")]
    pub client: CallClient,
    /// The account that is said to have served its conversation before.
    pub sticky_account_id: Option<ID>,
}

/// Where a call would go, and what was found about every account.
#[derive(SimpleObject)]
pub struct RouteExplanation {
    /// The choice; null when no account could serve.
    pub picked: Option<RoutePick>,
    /// Every account's verdict.
    pub verdicts: Vec<RouteVerdict>,
}

/// The account chosen.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct RoutePick {
    /// What decided.
    pub decision: RouteDecision,
    /// True when the key's binding led to it.
    pub bound: bool,
    /// Its priority.
    pub priority: BigInt,
    #[graphql(skip)]
    row: i64,
}

#[ComplexObject]
impl RoutePick {
    /// The account.
    async fn account(&self, ctx: &Context<'_>) -> Option<Result<Account>> {
        loader::one(ctx, loader::AccountById(self.row)).await
    }
}

/// What was found about one account.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct RouteVerdict {
    /// Whether it could serve.
    pub eligible: bool,
    /// Why it could not; null when it could.
    pub refusal: Option<RouteRefusal>,
    /// Its priority, where it could.
    pub priority: Option<BigInt>,
    /// The verdict in words.
    pub text: String,
    #[graphql(skip)]
    row: i64,
}

impl From<routing::Judged> for RouteVerdict {
    fn from(judged: routing::Judged) -> Self {
        let (refusal, priority) = match judged.verdict {
            routing::Verdict::Eligible(rank) => (None, Some(BigInt(-rank.priority))),
            routing::Verdict::Refused(reason) => (Some(reason.into()), None),
        };
        Self { eligible: refusal.is_none(), refusal, priority, text: judged.text(), row: judged.account_id }
    }
}

#[ComplexObject]
impl RouteVerdict {
    /// The account.
    async fn account(&self, ctx: &Context<'_>) -> Option<Result<Account>> {
        loader::one(ctx, loader::AccountById(self.row)).await
    }
}

#[derive(Default)]
pub struct RouteQuery;

#[Object]
impl RouteQuery {
    /// Where a call would go and why, by the very function that decides about calls; for administrators. Nothing
    /// is called.
    #[graphql(visible = "to_admins")]
    async fn explain_route(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The call.")] input: ExplainRouteInput,
    ) -> Result<RouteExplanation> {
        ctx.actor().may(Act::ViewAll)?;
        let key = node::row("ApiKey", &input.api_key_id, "apiKeyId")?;
        let key = api_key::get(ctx.app(), ctx.actor(), key).await?;
        let model = search(Some(input.model), "model")?.unwrap_or_default();
        let supposed = Supposed {
            digest: &key.digest,
            model: &model,
            dialect: input.dialect.into(),
            operation: input.operation.into(),
            client: input.client.into(),
            sticky: node::row_if("Account", input.sticky_account_id.as_ref(), "stickyAccountId")?,
        };
        let choice = explain(ctx.app(), &supposed).await?;
        let picked = choice.picked.map(|p| RoutePick {
            decision: p.how.into(),
            bound: p.bound,
            priority: BigInt(-p.rank.priority),
            row: p.account_id,
        });
        Ok(RouteExplanation { picked, verdicts: choice.judged.into_iter().map(Into::into).collect() })
    }
}
