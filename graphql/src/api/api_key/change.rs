//! Making and changing keys.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use schema::model::api_key as model;
use schema::service::api_key as service;

use super::ApiKey;
use super::input::{ApiKeyCreateInput, ApiKeyFieldsInput};
use crate::context::{Reach, to_admins};
use crate::fault::{Result, UserError, gather, split};
use crate::node;
use crate::scalar::BigInt;

/// Several keys to be made alike.
#[derive(InputObject)]
pub struct ApiKeysCreateInput {
    /// How many, 2 to 500. Names become `name_1`, `name_2` and so on.
    pub count: i32,
    /// What they have in common.
    pub each: ApiKeyCreateInput,
}

/// A key to be changed.
#[derive(InputObject)]
pub struct ApiKeyChangeInput {
    /// Which.
    pub id: ID,
    /// What changes.
    #[graphql(flatten)]
    pub fields: ApiKeyFieldsInput,
    /// Refuses the change when the key was changed since this version was read.
    pub expected_version: Option<BigInt>,
}

/// Several keys to be changed alike.
#[derive(InputObject)]
pub struct ApiKeysChangeInput {
    /// Which; at most 500.
    pub ids: Vec<ID>,
    /// What changes.
    #[graphql(flatten)]
    pub fields: ApiKeyFieldsInput,
}

/// A key.
#[derive(InputObject)]
pub struct ApiKeyInput {
    /// Which.
    pub id: ID,
}

/// Several keys.
#[derive(InputObject)]
pub struct ApiKeysInput {
    /// Which; at most 500.
    pub ids: Vec<ID>,
}

/// A key that is to have a new text.
#[derive(InputObject)]
pub struct ApiKeyRotateInput {
    /// Which.
    pub id: ID,
    /// Refuses when the key was changed since this version was read.
    pub expected_version: Option<BigInt>,
    /// Repeating the request with this key gives the same text again, not another; remembered for a day.
    pub client_mutation_key: Option<String>,
}

/// A tag to be renamed.
#[derive(InputObject)]
pub struct ApiKeyTagRenameInput {
    /// Its name now.
    pub name: String,
    /// Its new name; null or absent takes it off every key.
    pub to: Option<String>,
}

/// The answer to a key that was made, or given a new text.
#[derive(SimpleObject)]
pub struct ApiKeySecretPayload {
    /// The key; null when refused.
    pub api_key: Option<ApiKey>,
    /// What callers present. Told this once; only its digest is kept.
    pub secret: Option<String>,
    /// Why it was refused.
    pub user_errors: Vec<UserError>,
}

/// A fresh key and its text.
#[derive(SimpleObject)]
pub struct IssuedApiKey {
    /// The key.
    pub api_key: ApiKey,
    /// What callers present. Told this once; only its digest is kept.
    pub secret: String,
}

/// The answer to several keys that were made: all, or none.
#[derive(SimpleObject)]
pub struct ApiKeysSecretPayload {
    /// The keys; empty when refused.
    pub issued: Vec<IssuedApiKey>,
    /// Why it was refused.
    pub user_errors: Vec<UserError>,
}

/// The answer to a change of a key.
#[derive(SimpleObject)]
pub struct ApiKeyPayload {
    /// The key after the change; null when refused.
    pub api_key: Option<ApiKey>,
    /// Why it was refused.
    pub user_errors: Vec<UserError>,
}

/// The answer to a change of several keys, each by itself.
#[derive(SimpleObject)]
pub struct ApiKeysPayload {
    /// Those that were changed, in the order given.
    pub api_keys: Vec<ApiKey>,
    /// Why others were not; `index` tells which.
    pub user_errors: Vec<UserError>,
}

/// The answer to a removal for good.
#[derive(SimpleObject)]
pub struct ApiKeyPurgePayload {
    /// How many keys were removed.
    pub purged_count: BigInt,
    /// Why it was refused.
    pub user_errors: Vec<UserError>,
}

/// The answer to a change of a tag.
#[derive(SimpleObject)]
pub struct ApiKeyTagPayload {
    /// How many keys carried it.
    pub key_count: BigInt,
    /// Why it was refused.
    pub user_errors: Vec<UserError>,
}

fn told(answer: schema::Result<service::IssuedKey>) -> Result<ApiKeySecretPayload> {
    let (issued, user_errors) = split(answer)?;
    let (api_key, secret) = issued.map(|i| (i.key.into(), i.secret.reveal().clone())).unzip();
    Ok(ApiKeySecretPayload { api_key, secret, user_errors })
}

fn changed(answer: schema::Result<model::ApiKey>) -> Result<ApiKeyPayload> {
    let (key, user_errors) = split(answer)?;
    Ok(ApiKeyPayload { api_key: key.map(Into::into), user_errors })
}

fn each(answers: Vec<(i64, schema::Result<model::ApiKey>)>) -> Result<ApiKeysPayload> {
    let (api_keys, user_errors) = gather(answers.into_iter().map(|(_, answer)| answer.map(ApiKey::from)))?;
    Ok(ApiKeysPayload { api_keys, user_errors })
}

#[derive(Default)]
pub struct ApiKeyMutation;

#[Object]
impl ApiKeyMutation {
    /// Makes a key: for oneself within one's plan, for anybody by an administrator.
    async fn api_key_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The key.")] input: ApiKeyCreateInput,
    ) -> Result<ApiKeySecretPayload> {
        told(service::issue(ctx.app(), ctx.actor(), input.draft()?).await)
    }

    /// Makes several keys alike: all of them, or none.
    async fn api_keys_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, and what they have in common.")] input: ApiKeysCreateInput,
    ) -> Result<ApiKeysSecretPayload> {
        let each = input.each.draft()?;
        let count = usize::try_from(input.count).unwrap_or_default();
        let batch = service::Batch { base: each.name.clone(), count, each };
        let (issued, user_errors) = split(service::issue_many(ctx.app(), ctx.actor(), batch).await)?;
        let shown = |i: service::IssuedKey| IssuedApiKey { api_key: i.key.into(), secret: i.secret.reveal().clone() };
        Ok(ApiKeysSecretPayload { issued: issued.unwrap_or_default().into_iter().map(shown).collect(), user_errors })
    }

    /// Changes a key: its owner within limits, or an administrator.
    async fn api_key_change(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which, and what changes.")] input: ApiKeyChangeInput,
    ) -> Result<ApiKeyPayload> {
        let row = node::row("ApiKey", &input.id, "id")?;
        let change = input.fields.change(input.expected_version)?;
        changed(service::change(ctx.app(), ctx.actor(), row, change).await)
    }

    /// Changes several keys alike, each by itself.
    async fn api_keys_change(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which, and what changes.")] input: ApiKeysChangeInput,
    ) -> Result<ApiKeysPayload> {
        let rows = node::rows("ApiKey", &input.ids, "ids", 500)?;
        each(service::change_many(ctx.app(), ctx.actor(), &rows, &input.fields.change(None)?).await?)
    }

    /// Gives a key a new text; the old one ends at once.
    async fn api_key_rotate(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: ApiKeyRotateInput,
    ) -> Result<ApiKeySecretPayload> {
        let row = node::row("ApiKey", &input.id, "id")?;
        let (version, key) = (input.expected_version.map(Into::into), input.client_mutation_key.as_deref());
        told(service::rotate_once(ctx.app(), ctx.actor(), row, version, key).await)
    }

    /// Starts the life of a key that waits for its first use.
    async fn api_key_activate(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: ApiKeyInput,
    ) -> Result<ApiKeyPayload> {
        let row = node::row("ApiKey", &input.id, "id")?;
        changed(service::activate_now(ctx.app(), ctx.actor(), row).await)
    }

    /// Deletes a key; it stops working at once and can be restored.
    async fn api_key_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: ApiKeyInput,
    ) -> Result<ApiKeyPayload> {
        let row = node::row("ApiKey", &input.id, "id")?;
        changed(service::delete(ctx.app(), ctx.actor(), row).await)
    }

    /// Deletes several keys, each by itself.
    async fn api_keys_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: ApiKeysInput,
    ) -> Result<ApiKeysPayload> {
        let rows = node::rows("ApiKey", &input.ids, "ids", 500)?;
        each(service::delete_many(ctx.app(), ctx.actor(), &rows).await?)
    }

    /// Brings a deleted key back as it was.
    #[graphql(visible = "to_admins")]
    async fn api_key_restore(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: ApiKeyInput,
    ) -> Result<ApiKeyPayload> {
        let row = node::row("ApiKey", &input.id, "id")?;
        changed(service::restore(ctx.app(), ctx.actor(), row).await)
    }

    /// Removes a deleted key for good; what it used stays in the books.
    #[graphql(visible = "to_admins")]
    async fn api_key_purge(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: ApiKeyInput,
    ) -> Result<ApiKeyPurgePayload> {
        let row = node::row("ApiKey", &input.id, "id")?;
        let (done, user_errors) = split(service::purge(ctx.app(), ctx.actor(), row).await)?;
        Ok(ApiKeyPurgePayload { purged_count: BigInt(i64::from(done.is_some())), user_errors })
    }

    /// Removes every deleted key for good.
    #[graphql(visible = "to_admins")]
    async fn api_keys_purge_deleted(&self, ctx: &Context<'_>) -> Result<ApiKeyPurgePayload> {
        let (count, user_errors) = split(service::purge_all_deleted(ctx.app(), ctx.actor()).await)?;
        Ok(ApiKeyPurgePayload { purged_count: BigInt(count.unwrap_or_default()), user_errors })
    }

    /// Renames a tag wherever it is carried, or takes it off every key.
    #[graphql(visible = "to_admins")]
    async fn api_key_tag_rename(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which, and to what.")] input: ApiKeyTagRenameInput,
    ) -> Result<ApiKeyTagPayload> {
        let (app, actor) = (ctx.app(), ctx.actor());
        let answer = match &input.to {
            Some(to) => service::rename_tag(app, actor, &input.name, to).await,
            None => service::remove_tag(app, actor, &input.name).await,
        };
        let (count, user_errors) = split(answer)?;
        Ok(ApiKeyTagPayload { key_count: BigInt(count.unwrap_or_default()), user_errors })
    }
}
