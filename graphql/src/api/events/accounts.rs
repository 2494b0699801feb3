//! Accounts' health as it changes, and what the administrators should know.

use async_graphql::{ComplexObject, Context, ID, SimpleObject, Subscription};
use futures_util::{Stream, StreamExt, stream};
use schema::bus::Event;
use schema::model::account::Health;
use schema::service;
use schema::{App, Time};

use super::picked;
use crate::api::account::{Account, AccountHealth};
use crate::context::{Reach, to_admins};
use crate::fault::Result;
use crate::scalar::DateTime;
use crate::{loader, node};

/// An account whose health has just changed.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct AccountHealthEvent {
    /// The account.
    pub account_id: ID,
    /// Its health now.
    pub health: AccountHealth,
    /// Until when it rests.
    pub cool_until: Option<DateTime>,
    /// Why.
    pub note: String,
    /// When.
    pub at: DateTime,
    /// True when changes before this one may not have been told: every account is then told anew.
    pub missed: bool,
    #[graphql(skip)]
    row: i64,
}

#[ComplexObject]
impl AccountHealthEvent {
    /// The account.
    async fn account(&self, ctx: &Context<'_>) -> Option<Result<Account>> {
        loader::one(ctx, loader::AccountById(self.row)).await
    }
}

/// Something the administrators should know.
#[derive(SimpleObject)]
pub struct SystemAlert {
    /// `info`, `warning` or `error`.
    pub level: String,
    /// A word for programs.
    pub code: String,
    /// For people.
    pub message: String,
    /// When.
    pub at: DateTime,
    /// True when alerts before this one may have been lost.
    pub missed: bool,
}

#[derive(Default)]
pub struct AccountSubscription;

#[Subscription]
impl AccountSubscription {
    /// Accounts whose health changes. After a loss the health of every account is told anew.
    #[graphql(visible = "to_admins")]
    async fn account_health(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only this account.")] account_id: Option<ID>,
    ) -> Result<impl Stream<Item = AccountHealthEvent> + use<>> {
        ctx.actor().may(schema::Act::ViewAll)?;
        let account = node::row_if("Account", account_id.as_ref(), "accountId")?;
        let app = ctx.app().clone();
        let events = stream::unfold(app.bus.listen(), move |mut listener| {
            let app = app.clone();
            async move {
                loop {
                    let told = match &*listener.next().await? {
                        Event::HealthChanged { id, health, cool_until, note, at }
                            if account.is_none_or(|a| a == *id) =>
                        {
                            let Some(health) = Health::parse(health) else { continue };
                            vec![AccountHealthEvent {
                                account_id: node::id("Account", *id),
                                health: health.into(),
                                cool_until: cool_until.map(|t| DateTime(Time(t))),
                                note: note.clone(),
                                at: DateTime(Time(*at)),
                                missed: false,
                                row: *id,
                            }]
                        }
                        Event::Resync => all_anew(&app, account).await,
                        _ => continue,
                    };
                    return Some((stream::iter(told), listener));
                }
            }
        });
        Ok(events.flatten())
    }

    /// What the administrators should know, as it happens.
    #[graphql(visible = "to_admins")]
    async fn system_alerts(&self, ctx: &Context<'_>) -> Result<impl Stream<Item = SystemAlert> + use<>> {
        ctx.actor().may(schema::Act::ViewAll)?;
        Ok(picked(ctx.app().bus.listen(), |event, missed| match event {
            Event::Alert { level, code, message, at } => Some(SystemAlert {
                level: level.clone(),
                code: code.clone(),
                message: message.clone(),
                at: DateTime(Time(*at)),
                missed,
            }),
            _ => None,
        }))
    }
}

/// Every account as it stands, for a listener that may have missed changes.
async fn all_anew(app: &App, account: Option<i64>) -> Vec<AccountHealthEvent> {
    let now = app.clock.now();
    let rows = service::account::all(app).await.unwrap_or_default();
    let told = |a: schema::model::account::Account| AccountHealthEvent {
        account_id: node::id("Account", a.id),
        health: a.health.into(),
        cool_until: a.cool_until.map(DateTime),
        note: a.health_note,
        at: DateTime(now),
        missed: true,
        row: a.id,
    };
    rows.into_iter().filter(|a| account.is_none_or(|id| id == a.id)).map(told).collect()
}
