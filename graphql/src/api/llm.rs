//! The one account that is named as "the" model service, and the switch over all model calls.

use async_graphql::{Context, InputObject, Object, SimpleObject};
use schema::secret::Secret;
use schema::service::llm as service;

use super::account::Account;
use crate::context::{Reach, to_admins};
use crate::fault::{Result, UserError, split};

/// The account that is named as the model service, and the switch over all model calls.
#[derive(SimpleObject)]
pub struct ModelService {
    /// Whether models can be called at all.
    pub enabled: bool,
    /// The provider as it was named.
    pub provider: String,
    /// The model that is asked when none is named.
    pub model: String,
    /// The address that is called.
    pub base_url: String,
    /// Whether there is a key.
    pub has_key: bool,
    /// The account; null when none was named yet.
    pub account: Option<Account>,
}

impl From<service::Setup> for ModelService {
    fn from(setup: service::Setup) -> Self {
        Self {
            enabled: setup.enabled,
            provider: setup.provider().to_owned(),
            model: setup.model().to_owned(),
            base_url: setup.base_url(),
            has_key: setup.has_key(),
            account: setup.account.map(Into::into),
        }
    }
}

#[derive(Default)]
pub struct ModelServiceQuery;

#[Object]
impl ModelServiceQuery {
    /// How the model service is set up; for administrators.
    #[graphql(visible = "to_admins")]
    async fn model_service(&self, ctx: &Context<'_>) -> Result<ModelService> {
        Ok(service::get(ctx.app(), ctx.actor()).await?.into())
    }
}

/// What of the model service changes. What is absent stays as it is.
#[derive(InputObject)]
pub struct ModelServiceChangeInput {
    /// Whether models can be called at all.
    pub enabled: Option<bool>,
    /// The provider: `openai`, `anthropic`, `gemini` and so on.
    pub provider: Option<String>,
    /// Its key.
    #[graphql(secret)]
    pub api_key: Option<String>,
    /// The model that is asked when none is named.
    pub model: Option<String>,
    /// The address that is called; empty for the provider's own.
    pub base_url: Option<String>,
}

/// The answer to a change of the model service.
#[derive(SimpleObject)]
pub struct ModelServicePayload {
    /// The service after the change; null when refused.
    pub model_service: Option<ModelService>,
    /// Why it was refused.
    pub user_errors: Vec<UserError>,
}

#[derive(Default)]
pub struct ModelServiceMutation;

#[Object]
impl ModelServiceMutation {
    /// Changes the model service; its account is made when there is none.
    #[graphql(visible = "to_admins")]
    async fn model_service_change(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What changes.")] input: ModelServiceChangeInput,
    ) -> Result<ModelServicePayload> {
        let change = service::SetupChange {
            enabled: input.enabled,
            provider: input.provider,
            key: input.api_key.map(Secret::new),
            model: input.model,
            base_url: input.base_url,
        };
        let (setup, user_errors) = split(service::change(ctx.app(), ctx.actor(), change).await)?;
        Ok(ModelServicePayload { model_service: setup.map(Into::into), user_errors })
    }
}
