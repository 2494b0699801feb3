//! Adding and changing accounts. Probing and connecting them has a file of its own.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use schema::model::account as model;
use schema::service::account as service;
use serde_json::{Map, Value};

use super::input::{AccountCredentialsInput, AccountFieldsInput, AccountOptionsInput, AccountProxyInput, group_rows};
use super::{Account, AccountKind, AccountSharing};
use crate::context::{Reach, to_admins};
use crate::fault::{Result, UserError, gather, split};
use crate::node;
use crate::scalar::{BigInt, DateTime, Decimal};

/// An account to be added.
#[derive(InputObject)]
pub struct AccountCreateInput {
    /// What it is at its vendor.
    pub kind: AccountKind,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Its address; the vendor's own when absent, where there is one.
    pub base_url: Option<String>,
    /// What opens it. A login by OAuth may follow.
    #[graphql(secret)]
    pub credentials: Option<AccountCredentialsInput>,
    /// The proxy it is reached through.
    pub proxy: Option<AccountProxyInput>,
    /// The models it serves; what its kind serves when absent or empty.
    pub models: Option<Vec<String>>,
    /// The user groups it serves; all when absent or empty.
    pub user_groups: Option<Vec<String>>,
    /// Who may be sent to it; SHARED when absent.
    pub sharing: Option<AccountSharing>,
    /// The account groups it is to be a member of.
    pub account_group_ids: Option<Vec<ID>>,
    /// Higher is asked first; 50 when absent.
    pub priority: Option<BigInt>,
    /// Its share among accounts of one priority; 1 when absent.
    pub weight: Option<BigInt>,
    /// Calls at the same time; 0 or absent means no limit.
    pub max_concurrency: Option<BigInt>,
    /// What it may spend upstream in a day, in US dollars.
    pub daily_quota: Option<Decimal>,
    /// A word to find it by.
    pub tag: Option<String>,
    /// How the relay is to treat it.
    pub options: Option<AccountOptionsInput>,
    /// False to add it switched off.
    pub enabled: Option<bool>,
    /// False when it may not be chosen.
    pub schedulable: Option<bool>,
    /// When its subscription at the vendor ends.
    pub subscription_expires_at: Option<DateTime>,
}

/// An account to be changed.
#[derive(InputObject)]
pub struct AccountChangeInput {
    /// Which.
    pub id: ID,
    /// What changes.
    #[graphql(flatten)]
    pub fields: AccountFieldsInput,
    /// Refuses the change when the account was changed since this version was read.
    pub expected_version: Option<BigInt>,
}

/// Several accounts to be changed alike.
#[derive(InputObject)]
pub struct AccountsChangeInput {
    /// Which; at most 200.
    pub ids: Vec<ID>,
    /// What changes.
    #[graphql(flatten)]
    pub fields: AccountFieldsInput,
}

/// All accounts of a tag, to be changed alike.
#[derive(InputObject)]
pub struct AccountsChangeByTagInput {
    /// The tag they have now.
    pub current_tag: String,
    /// What changes.
    #[graphql(flatten)]
    pub fields: AccountFieldsInput,
}

/// An account.
#[derive(InputObject)]
pub struct AccountInput {
    /// Which.
    pub id: ID,
}

/// Several accounts.
#[derive(InputObject)]
pub struct AccountsInput {
    /// Which; at most 200.
    pub ids: Vec<ID>,
}

/// Kinds of accounts whose daily quotas start anew.
#[derive(InputObject)]
pub struct AccountsResetUsageInput {
    /// Of these kinds; of all when empty.
    pub kinds: Vec<AccountKind>,
}

/// The answer to a change of an account.
#[derive(SimpleObject)]
pub struct AccountPayload {
    /// The account after the change; null when refused.
    pub account: Option<Account>,
    /// Why it was refused.
    pub user_errors: Vec<UserError>,
}

/// The answer to a change of several accounts, each by itself.
#[derive(SimpleObject)]
pub struct AccountsPayload {
    /// Those that were changed, in the order given.
    pub accounts: Vec<Account>,
    /// Why others were not; `index` tells which.
    pub user_errors: Vec<UserError>,
}

/// The answer to a change of all accounts that have something in common.
#[derive(SimpleObject)]
pub struct AccountCountPayload {
    /// How many were changed.
    pub account_count: BigInt,
    /// Why it was refused.
    pub user_errors: Vec<UserError>,
}

/// The answer to a removal.
#[derive(SimpleObject)]
pub struct AccountDeletePayload {
    /// The id of what was removed; null when refused.
    pub deleted_id: Option<ID>,
    /// How many living keys were bound to it and are free now.
    pub freed_key_count: BigInt,
    /// Why it was refused.
    pub user_errors: Vec<UserError>,
}

/// The answer to a removal of several accounts, each by itself.
#[derive(SimpleObject)]
pub struct AccountsDeletePayload {
    /// The ids of those that were removed.
    pub deleted_ids: Vec<ID>,
    /// How many living keys were bound to them and are free now.
    pub freed_key_count: BigInt,
    /// Why others were not; `index` tells which.
    pub user_errors: Vec<UserError>,
}

pub(super) fn changed(answer: schema::Result<model::Account>) -> Result<AccountPayload> {
    let (account, user_errors) = split(answer)?;
    Ok(AccountPayload { account: account.map(Into::into), user_errors })
}

fn counted(answer: schema::Result<i64>) -> Result<AccountCountPayload> {
    let (count, user_errors) = split(answer)?;
    Ok(AccountCountPayload { account_count: BigInt(count.unwrap_or_default()), user_errors })
}

#[derive(Default)]
pub struct AccountMutation;

#[Object]
impl AccountMutation {
    /// Adds an account.
    #[graphql(visible = "to_admins")]
    async fn account_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The account.")] input: AccountCreateInput,
    ) -> Result<AccountPayload> {
        let credentials = input.credentials.map_or(service::Credentials::None, Into::into);
        let plain = service::AccountDraft::new(input.kind.into(), input.name, credentials);
        let patch = Value::from(input.options.unwrap_or_default().patch());
        let options = serde_json::from_value(without_nulls(patch))
            .map_err(|e| schema::Error::invalid("options", format!("the options do not fit: {e}")))?;
        let draft = service::AccountDraft {
            description: input.description.unwrap_or_default(),
            base_url: input.base_url,
            proxy: input.proxy.map(Into::into),
            models: input.models.unwrap_or_default(),
            groups: input.user_groups.unwrap_or_default(),
            sharing: input.sharing.map_or(plain.sharing, Into::into),
            group_ids: group_rows(&input.account_group_ids.unwrap_or_default())?,
            priority: input.priority.map_or(plain.priority, Into::into),
            weight: input.weight.map_or(plain.weight, Into::into),
            max_concurrency: input.max_concurrency.map_or(0, Into::into),
            daily_quota: input.daily_quota.map(|d| d.0),
            tag: input.tag.unwrap_or_default(),
            options,
            enabled: input.enabled.unwrap_or(true),
            schedulable: input.schedulable.unwrap_or(true),
            subscription_expires_at: input.subscription_expires_at.map(|t| t.0),
            ..plain
        };
        changed(service::add(ctx.app(), ctx.actor(), draft).await)
    }

    /// Changes an account.
    #[graphql(visible = "to_admins")]
    async fn account_change(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which, and what changes.")] input: AccountChangeInput,
    ) -> Result<AccountPayload> {
        let row = node::row("Account", &input.id, "id")?;
        let change = input.fields.change(input.expected_version)?;
        changed(service::change(ctx.app(), ctx.actor(), row, change).await)
    }

    /// Changes several accounts alike, each by itself.
    #[graphql(visible = "to_admins")]
    async fn accounts_change(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which, and what changes.")] input: AccountsChangeInput,
    ) -> Result<AccountsPayload> {
        let rows = node::rows("Account", &input.ids, "ids", 200)?;
        let change = input.fields.change(None)?;
        let mut answers = Vec::with_capacity(rows.len());
        for row in rows {
            answers.push(service::change(ctx.app(), ctx.actor(), row, change.clone()).await.map(Account::from));
        }
        let (accounts, user_errors) = gather(answers)?;
        Ok(AccountsPayload { accounts, user_errors })
    }

    /// Changes all accounts of a tag alike.
    #[graphql(visible = "to_admins")]
    async fn accounts_change_by_tag(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which, and what changes.")] input: AccountsChangeByTagInput,
    ) -> Result<AccountCountPayload> {
        let change = input.fields.change(None)?;
        counted(service::for_tag(ctx.app(), ctx.actor(), &input.current_tag, &change).await)
    }

    /// Removes an account: its secrets are wiped, and keys bound to it are freed.
    #[graphql(visible = "to_admins")]
    async fn account_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: AccountInput,
    ) -> Result<AccountDeletePayload> {
        let row = node::row("Account", &input.id, "id")?;
        let (freed, user_errors) = split(service::delete(ctx.app(), ctx.actor(), row).await)?;
        Ok(AccountDeletePayload {
            deleted_id: freed.map(|_| input.id),
            freed_key_count: BigInt(freed.unwrap_or_default()),
            user_errors,
        })
    }

    /// Removes several accounts, each by itself.
    #[graphql(visible = "to_admins")]
    async fn accounts_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: AccountsInput,
    ) -> Result<AccountsDeletePayload> {
        let mut answers = Vec::new();
        for row in node::rows("Account", &input.ids, "ids", 200)? {
            let freed = service::delete(ctx.app(), ctx.actor(), row).await;
            answers.push(freed.map(|freed| (node::id("Account", row), freed)));
        }
        let (done, user_errors) = gather(answers)?;
        let (deleted_ids, freed): (Vec<ID>, Vec<i64>) = done.into_iter().unzip();
        Ok(AccountsDeletePayload { deleted_ids, freed_key_count: BigInt(freed.iter().sum()), user_errors })
    }

    /// Declares an account well, whatever its vendor said.
    #[graphql(visible = "to_admins")]
    async fn account_reset_status(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: AccountInput,
    ) -> Result<AccountPayload> {
        let row = node::row("Account", &input.id, "id")?;
        changed(service::reset_status(ctx.app(), ctx.actor(), row).await)
    }

    /// Lets an account's daily quota start anew.
    #[graphql(visible = "to_admins")]
    async fn account_reset_usage(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: AccountInput,
    ) -> Result<AccountPayload> {
        let row = node::row("Account", &input.id, "id")?;
        changed(service::reset_usage(ctx.app(), ctx.actor(), row).await)
    }

    /// Lets the daily quotas of all accounts of some kinds start anew.
    #[graphql(visible = "to_admins")]
    async fn accounts_reset_usage(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: AccountsResetUsageInput,
    ) -> Result<AccountCountPayload> {
        let mut kinds: Vec<model::AccountKind> = input.kinds.into_iter().map(Into::into).collect();
        if kinds.is_empty() {
            kinds = model::AccountKind::ALL.to_vec();
        }
        counted(service::reset_all_usage(ctx.app(), ctx.actor(), &kinds).await.map(|n| n as i64))
    }
}

/// What is null in a patch is simply not there in a whole.
fn without_nulls(patch: Value) -> Value {
    match patch {
        Value::Object(map) => map.into_iter().filter(|(_, value)| !value.is_null()).collect::<Map<_, _>>().into(),
        other => other,
    }
}
