//! What an export is of: one list and its filter.

use serde::{Deserialize, Serialize};

use crate::App;
use crate::actor::{Act, Actor};
use crate::error::Result;
use crate::model::api_key::KeyFilter;
use crate::model::audit::AuditFilter;
use crate::model::card::CardFilter;
use crate::model::export::ExportKind;
use crate::model::joined::Composed;
use crate::model::ledger::LedgerFilter;
use crate::model::order::OrderFilter;
use crate::model::request_log::LogFilter;
use crate::model::usage::UsageFilter;
use crate::model::user::UserFilter;
use crate::service::{api_key, usage};

/// Rows of one list. A process that does not know a condition of a filter does not write the export.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    UsageRecords(UsageFilter),
    LedgerEntries(LedgerFilter),
    Orders(OrderFilter),
    Users(UserFilter),
    ApiKeys(KeyFilter),
    Cards(CardFilter),
    AuditLog(AuditFilter),
    RequestLogs(LogFilter),
}

impl Wanted {
    /// Which list.
    pub fn kind(&self) -> ExportKind {
        match self {
            Self::UsageRecords(_) => ExportKind::UsageRecords,
            Self::LedgerEntries(_) => ExportKind::LedgerEntries,
            Self::Orders(_) => ExportKind::Orders,
            Self::Users(_) => ExportKind::Users,
            Self::ApiKeys(_) => ExportKind::ApiKeys,
            Self::Cards(_) => ExportKind::Cards,
            Self::AuditLog(_) => ExportKind::AuditLog,
            Self::RequestLogs(_) => ExportKind::RequestLogs,
        }
    }

    /// The same, no wider than the caller may see: one's own rows, or anybody's for administrators. The state of
    /// a key is that of this moment.
    pub(super) fn narrowed(self, app: &App, actor: &Actor) -> Result<Self> {
        Ok(match self {
            Self::UsageRecords(filter) => {
                if filter.any(&|filter| filter.account_id.is_some() || filter.accounts.is_some()) {
                    actor.may(Act::ViewAll)?;
                }
                Self::UsageRecords(usage::seen(actor, &filter)?)
            }
            Self::LedgerEntries(filter) => {
                Self::LedgerEntries(LedgerFilter { user_id: actor.whose(filter.user_id)?, ..filter })
            }
            Self::Orders(filter) => Self::Orders(OrderFilter { user_id: actor.whose(filter.user_id)?, ..filter }),
            Self::ApiKeys(filter) => {
                let mut filter = api_key::seen_by(actor, &filter)?;
                let now = app.clock.now();
                filter.each(&mut |filter| {
                    filter.state = filter.state.map(|(state, _)| (state, now));
                    Ok::<(), crate::Error>(())
                })?;
                Self::ApiKeys(filter)
            }
            Self::Users(_) | Self::Cards(_) | Self::AuditLog(_) | Self::RequestLogs(_) => {
                actor.may(Act::ViewAll)?;
                self
            }
        })
    }
}
