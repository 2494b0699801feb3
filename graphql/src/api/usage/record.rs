//! Single calls as they were booked.

use async_graphql::{ComplexObject, Context, ID, InputObject, Object, SimpleObject};
use schema::model::usage as model;
use schema::service::usage as service;
use schema::{Act, Micros};

use super::sums::words;
use crate::api::account::Account;
use crate::api::api_key::{self, ApiKey};
use crate::api::user::User;
use crate::context::{Reach, to_admins, to_super_admins};
use crate::fault::{Result, UserError, split};
use crate::filter::{DateTimeFilter, joined, search, span};
use crate::page::{self, Connection};
use crate::scalar::{BigInt, DateTime, Decimal, Json};
use crate::{count_by, joins, loader, node};

/// One relayed call.
#[derive(SimpleObject, Clone)]
#[graphql(complex)]
pub struct UsageRecord {
    /// Opaque id.
    pub id: ID,
    /// The call's id, in answers and logs.
    pub call_id: String,
    /// When it began.
    pub at: DateTime,
    /// The model that was asked for.
    pub model: String,
    /// The dialect it was asked in.
    pub dialect: String,
    /// What was asked: `generate`, `embed` and so on.
    pub operation: String,
    /// Whether the answer was streamed.
    pub stream: bool,
    /// HTTP status of the answer.
    pub status: i32,
    /// Why it failed; empty when it did not.
    pub error_code: String,
    /// Whether it failed.
    pub failed: bool,
    /// Tokens sent.
    pub input_tokens: BigInt,
    /// Tokens received.
    pub output_tokens: BigInt,
    /// Tokens of reasoning among them.
    pub reasoning_tokens: BigInt,
    /// Tokens read from the vendor's cache.
    pub cache_read_tokens: BigInt,
    /// Tokens written to the vendor's cache for five minutes.
    #[graphql(name = "cacheWrite5mTokens")]
    pub cache_write_5m_tokens: BigInt,
    /// Tokens written to the vendor's cache for an hour.
    #[graphql(name = "cacheWrite1hTokens")]
    pub cache_write_1h_tokens: BigInt,
    /// Tokens of sound among those sent and received.
    pub audio_tokens: BigInt,
    /// Pictures.
    pub images: BigInt,
    /// What it cost, in US dollars.
    pub cost: Decimal,
    /// True when the vendor told no usage and it was estimated.
    pub estimated: bool,
    /// Milliseconds to the first byte.
    pub first_byte_ms: BigInt,
    /// Milliseconds to the end.
    pub duration_ms: BigInt,
    /// The address it came from.
    pub ip: String,
    /// The program it came from.
    pub client: String,
    /// The key it was made with.
    pub api_key_id: ID,
    #[graphql(skip)]
    row: std::sync::Arc<model::UsageRow>,
}

impl From<model::UsageRow> for UsageRecord {
    fn from(row: model::UsageRow) -> Self {
        Self {
            id: node::id("UsageRecord", &row.call_id),
            call_id: row.call_id.clone(),
            at: DateTime(row.at),
            model: row.model.clone(),
            dialect: row.dialect.clone(),
            operation: row.operation.clone(),
            stream: row.stream,
            status: i32::try_from(row.status).unwrap_or_default(),
            error_code: row.error_code.clone(),
            failed: row.failed(),
            input_tokens: BigInt(row.input),
            output_tokens: BigInt(row.output),
            reasoning_tokens: BigInt(row.reasoning),
            cache_read_tokens: BigInt(row.cache_read),
            cache_write_5m_tokens: BigInt(row.cache_write_5m),
            cache_write_1h_tokens: BigInt(row.cache_write_1h),
            audio_tokens: BigInt(row.audio),
            images: BigInt(row.images),
            cost: Decimal(row.cost),
            estimated: row.estimated,
            first_byte_ms: BigInt(row.first_byte_ms),
            duration_ms: BigInt(row.duration_ms),
            ip: row.ip.clone(),
            client: row.client.clone(),
            api_key_id: node::id("ApiKey", row.key_id),
            row: row.into(),
        }
    }
}

#[ComplexObject]
impl UsageRecord {
    /// Whose call it was.
    async fn user(&self, ctx: &Context<'_>) -> Option<Result<User>> {
        loader::one(ctx, loader::UserById(self.row.user_id)).await
    }
    /// The key it was made with; null when it is gone, or somebody else's by now.
    async fn api_key(&self, ctx: &Context<'_>) -> Option<Result<ApiKey>> {
        api_key::of_viewer(ctx, self.row.key_id).await
    }
    /// The account that served it; null when it reached none.
    #[graphql(visible = "to_admins")]
    async fn account(&self, ctx: &Context<'_>) -> Option<Result<Account>> {
        (self.row.account_id > 0).then_some(())?;
        match ctx.for_admins(|| ())? {
            Ok(()) => loader::one(ctx, loader::AccountById(self.row.account_id)).await,
            Err(refused) => Some(Err(refused)),
        }
    }
    /// The model the vendor was asked for.
    #[graphql(visible = "to_admins")]
    async fn upstream_model(&self, ctx: &Context<'_>) -> Option<Result<&str>> {
        ctx.for_admins(|| self.row.upstream_model.as_str())
    }
    /// What it cost by the list, before ratios, in US dollars.
    #[graphql(visible = "to_admins")]
    async fn raw_cost(&self, ctx: &Context<'_>) -> Option<Result<Decimal>> {
        ctx.for_admins(|| Decimal(self.row.raw_cost))
    }
    /// What else was noted about it.
    #[graphql(visible = "to_admins")]
    async fn details(&self, ctx: &Context<'_>) -> Option<Result<Json>> {
        ctx.for_admins(|| Json(self.row.meta.0.clone().into()))
    }
    /// What was said in it, where that was recorded.
    #[graphql(visible = "to_admins")]
    async fn content(&self, ctx: &Context<'_>) -> Option<Result<CallContent>> {
        if let Err(refused) = ctx.for_admins(|| ())? {
            return Some(Err(refused));
        }
        match ctx.loaders().load_one(loader::ContentOfCall(self.call_id.clone())).await {
            Ok(content) => content.map(|c| Ok(c.into())),
            Err(e) => Some(Err(e.into())),
        }
    }
}

/// What was said in a call.
#[derive(SimpleObject)]
pub struct CallContent {
    /// What the model was told to be.
    pub system_prompt: String,
    /// What it was asked last.
    pub user_message: String,
    /// What it answered.
    pub assistant_message: String,
    /// What the vendor said went wrong.
    pub error_message: String,
}

impl From<model::CallContent> for CallContent {
    fn from(c: model::CallContent) -> Self {
        Self {
            system_prompt: c.system_prompt,
            user_message: c.user_message,
            assistant_message: c.assistant_message,
            error_message: c.error_message,
        }
    }
}

/// Which calls.
#[derive(InputObject, Default)]
pub struct UsageRecordFilter {
    /// Of this person.
    pub user_id: Option<ID>,
    /// Made with this key.
    pub api_key_id: Option<ID>,
    /// Served by this account; for administrators.
    pub account_id: Option<ID>,
    /// Asking for any of these models, at most 50.
    pub models: Option<Vec<String>>,
    /// Asked in this dialect.
    pub dialect: Option<String>,
    /// Asking this.
    pub operation: Option<String>,
    /// Answered with this HTTP status.
    pub status: Option<i32>,
    /// Only those that failed, or only those that did not.
    pub failed: Option<bool>,
    /// Begun within this span.
    pub at: Option<DateTimeFilter>,
    /// Part of the model, the program or the error's code, or a whole call id.
    pub search: Option<String>,
    /// Where all of these hold too.
    pub and: Option<Vec<UsageRecordFilter>>,
    /// Where any of these holds too; not an empty list.
    pub or: Option<Vec<UsageRecordFilter>>,
    /// Where this does not hold.
    pub not: Option<Box<UsageRecordFilter>>,
}

joins!(UsageRecordFilter);

/// The filter as the service means it: of one's own calls, or of anybody's for administrators.
pub fn filtered(ctx: &Context<'_>, filter: Option<UsageRecordFilter>) -> Result<model::UsageFilter> {
    joined(filter.unwrap_or_default(), |filter, _| {
        let (from, until) = span(filter.at);
        let account_id = node::row_if("Account", filter.account_id.as_ref(), "filter.accountId")?;
        if account_id.is_some() {
            super::sums::knows_accounts(ctx)?;
        }
        Ok(model::UsageFilter {
            user_id: ctx.actor().whose(node::row_if("User", filter.user_id.as_ref(), "filter.userId")?)?,
            key_id: node::row_if("ApiKey", filter.api_key_id.as_ref(), "filter.apiKeyId")?,
            account_id,
            models: words(filter.models, "filter.models")?,
            dialect: search(filter.dialect, "filter.dialect")?,
            operation: search(filter.operation, "filter.operation")?,
            status: filter.status.map(i64::from),
            failed: filter.failed,
            from,
            until,
            search: search(filter.search, "filter.search")?,
            ..model::UsageFilter::default()
        })
    })
}

/// Sums over a list of calls, and how busy the last minute was.
#[derive(SimpleObject)]
pub struct UsageRecordStats {
    /// Calls.
    pub requests: BigInt,
    /// Those of them that failed.
    pub errors: BigInt,
    /// Every token that went in or out.
    pub tokens: BigInt,
    /// What they cost, in US dollars.
    pub cost: Decimal,
    /// Calls of the last sixty seconds.
    pub requests_per_minute: BigInt,
    /// Tokens of the last sixty seconds.
    pub tokens_per_minute: BigInt,
}

#[derive(Default)]
pub struct UsageRecordQuery;

#[Object]
impl UsageRecordQuery {
    /// One call; null when there is none, or none for you.
    async fn usage_record(&self, ctx: &Context<'_>, #[graphql(desc = "Which.")] id: ID) -> Result<Option<UsageRecord>> {
        let call = node::name("UsageRecord", &id, "id")?;
        ctx.actor().signed_in()?;
        node::found(service::get(ctx.app(), ctx.actor(), &call).await, UsageRecord::from)
    }

    /// Calls, newest first: one's own, or everybody's for administrators.
    async fn usage_records(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the start: 1 to 100; 20 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end: 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only these.")] filter: Option<UsageRecordFilter>,
    ) -> Result<Connection<UsageRecord>> {
        let seek = page::seek(first, after, last, before)?;
        let filter = filtered(ctx, filter)?;
        let rows = service::list(ctx.app(), ctx.actor(), &filter, &seek).await?;
        Ok(page::connection(rows, model::UsageRow::cursor, UsageRecord::from)
            .counted(count_by!(service::count, filter)))
    }

    /// Sums over calls: one's own, or everybody's for administrators.
    async fn usage_record_stats(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only these.")] filter: Option<UsageRecordFilter>,
    ) -> Result<UsageRecordStats> {
        let stat = service::stat(ctx.app(), ctx.actor(), &filtered(ctx, filter)?).await?;
        Ok(UsageRecordStats {
            requests: BigInt(stat.sums.requests),
            errors: BigInt(stat.sums.errors),
            tokens: BigInt(stat.sums.tokens),
            cost: Decimal(Micros(stat.sums.cost)),
            requests_per_minute: BigInt(stat.rpm),
            tokens_per_minute: BigInt(stat.tpm),
        })
    }
}

/// Calls to be forgotten.
#[derive(InputObject)]
pub struct UsageRecordsDeleteInput {
    /// Those begun before the hour of this moment.
    pub before: DateTime,
}

/// The answer to calls being forgotten.
#[derive(SimpleObject)]
pub struct UsageRecordsDeletePayload {
    /// How many were.
    pub deleted_count: BigInt,
    /// Why it was refused.
    pub user_errors: Vec<UserError>,
}

#[derive(Default)]
pub struct UsageRecordMutation;

#[Object]
impl UsageRecordMutation {
    /// Forgets single calls. Sums and money stay as they are.
    #[graphql(visible = "to_super_admins")]
    async fn usage_records_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: UsageRecordsDeleteInput,
    ) -> Result<UsageRecordsDeletePayload> {
        ctx.actor().may(Act::Configure)?;
        let (gone, user_errors) = split(service::delete_before(ctx.app(), ctx.actor(), input.before.0).await)?;
        let deleted_count = BigInt(gone.map_or(0, |n| i64::try_from(n).unwrap_or(i64::MAX)));
        Ok(UsageRecordsDeletePayload { deleted_count, user_errors })
    }
}
