//! Ordering and cancelling exports.

use async_graphql::{Context, ID, InputObject, Object, OneofObject, SimpleObject};
use schema::service::export::{self as service, Wanted};
use schema::{Error, Time};

use super::{Export, ExportFormat};
use crate::api::api_key::{self, ApiKeyFilter};
use crate::api::audit::{self, AuditFilter};
use crate::api::card::{self, CardFilter};
use crate::api::ledger::{self, LedgerEntryFilter};
use crate::api::order::{self, OrderFilter};
use crate::api::request_log::{self, RequestLogFilter};
use crate::api::usage::{self, UsageRecordFilter};
use crate::api::user::{self, UserFilter};
use crate::context::{Reach, once, to_admins};
use crate::fault::{Fault, Result, UserError, split};
use crate::node;

/// Rows of one list, found by the list's own filter; `{}` means all of them one may see.
#[derive(OneofObject)]
pub enum ExportRowsInput {
    /// Calls.
    UsageRecords(UsageRecordFilter),
    /// Movements of wallets.
    LedgerEntries(LedgerEntryFilter),
    /// Orders.
    Orders(OrderFilter),
    /// Keys.
    ApiKeys(ApiKeyFilter),
    /// People; for administrators.
    #[graphql(visible = "to_admins")]
    Users(UserFilter),
    /// Cards; for administrators.
    #[graphql(visible = "to_admins")]
    Cards(CardFilter),
    /// Changes and who made them; for administrators.
    #[graphql(visible = "to_admins")]
    AuditLog(AuditFilter),
    /// Requests over HTTP; for administrators.
    #[graphql(visible = "to_admins")]
    RequestLogs(RequestLogFilter),
}

/// An export to be made.
#[derive(InputObject)]
pub struct ExportCreateInput {
    /// Which rows.
    pub rows: ExportRowsInput,
    /// Whose ledger entries or orders; everybody's for administrators, one's own for others when absent.
    pub user_id: Option<ID>,
    /// How they are written.
    #[graphql(default)]
    pub format: ExportFormat,
    /// Repeating the request with this key orders nothing twice; remembered for a day.
    pub client_mutation_key: Option<String>,
}

/// An export.
#[derive(InputObject)]
pub struct ExportInput {
    /// Which.
    pub id: ID,
}

/// The answer to a change of an export.
#[derive(SimpleObject)]
pub struct ExportPayload {
    /// The export; null when refused.
    pub export: Option<Export>,
    /// Why it was refused.
    pub user_errors: Vec<UserError>,
}

/// What is asked for, as the service means it. A fault of a filter is told at its place in the input.
fn wanted(ctx: &Context<'_>, rows: ExportRowsInput, user: Option<i64>) -> Result<Wanted> {
    let (place, wanted) = match rows {
        // Whose rows these two are is no part of their filters, as in their lists.
        ExportRowsInput::LedgerEntries(filter) => {
            ("ledgerEntries", ledger::filtered(user, filter).map(Wanted::LedgerEntries))
        }
        ExportRowsInput::Orders(filter) => ("orders", order::filtered(user, filter).map(Wanted::Orders)),
        _ if user.is_some() => {
            return Err(Error::invalid("userId", "this goes with ledger entries and orders alone").into());
        }
        ExportRowsInput::UsageRecords(filter) => {
            ("usageRecords", usage::filtered(ctx, Some(filter)).map(Wanted::UsageRecords))
        }
        // The service says at which moment a key's state counts.
        ExportRowsInput::ApiKeys(filter) => {
            ("apiKeys", api_key::filtered(None, filter, Time::default()).map(Wanted::ApiKeys))
        }
        ExportRowsInput::Users(filter) => ("users", user::filtered(filter).map(Wanted::Users)),
        ExportRowsInput::Cards(filter) => ("cards", card::filtered(filter).map(Wanted::Cards)),
        ExportRowsInput::AuditLog(filter) => ("auditLog", audit::filtered(filter).map(Wanted::AuditLog)),
        ExportRowsInput::RequestLogs(filter) => ("requestLogs", request_log::filtered(filter).map(Wanted::RequestLogs)),
    };
    wanted.map_err(|Fault(error)| match error {
        Error::Invalid { field, why } => {
            let field = field.strip_prefix("filter.").map(|rest| format!("rows.{place}.{rest}")).unwrap_or(field);
            Error::Invalid { field, why }.into()
        }
        other => other.into(),
    })
}

#[derive(Default)]
pub struct ExportMutation;

#[Object]
impl ExportMutation {
    /// Orders a whole list as a file: of one's own rows, or of everybody's for administrators, one at a time a
    /// person. It is written in the background; `exportChanged` tells when `downloadUrl` can be asked for it.
    async fn export_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of what, and how.")] input: ExportCreateInput,
    ) -> Result<ExportPayload> {
        ctx.actor().signed_in()?;
        let user = node::row_if("User", input.user_id.as_ref(), "userId")?;
        let wanted = wanted(ctx, input.rows, user)?;
        let format: schema::model::export::ExportFormat = input.format.into();
        let whole = format!("{format} {wanted:?}");
        let made = once(
            ctx,
            "exportCreate",
            input.client_mutation_key.as_deref(),
            &whole,
            async |actor| service::create(ctx.app(), actor, wanted, format).await,
            async |thing| service::get(ctx.app(), ctx.actor(), thing.row()?).await,
        );
        told(made.await)
    }

    /// Stops an export that is being written, or forgets the file of one that is ready.
    async fn export_cancel(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: ExportInput,
    ) -> Result<ExportPayload> {
        let row = node::row("Export", &input.id, "id")?;
        ctx.actor().signed_in()?;
        told(service::cancel(ctx.app(), ctx.actor(), row).await)
    }
}

fn told(answer: schema::Result<schema::model::export::Export>) -> Result<ExportPayload> {
    let (export, user_errors) = split(answer)?;
    Ok(ExportPayload { export: export.map(Export::from), user_errors })
}
