//! Adding and changing models, and taking over price files.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, SimpleObject};
use schema::model::catalog as model;
use schema::service::catalog as service;

use super::{Model, ModelCategory, ModelPrice};
use crate::context::{Reach, to_admins, to_super_admins};
use crate::fault::{Result, UserError, gather, split};
use crate::node;
use crate::scalar::BigInt;

/// A model to be added by hand.
#[derive(InputObject)]
pub struct ModelCreateInput {
    /// The name it is called by.
    pub name: String,
    /// Its name as it is shown.
    pub display_name: Option<String>,
    /// Who makes it.
    pub provider: Option<String>,
    /// What it makes; CHAT when absent.
    pub category: Option<ModelCategory>,
    /// What it is.
    pub description: Option<String>,
    /// Whether it is offered.
    #[graphql(default = true)]
    pub enabled: bool,
    /// Tokens it can look at.
    pub context_window: Option<BigInt>,
    /// Tokens it can answer with.
    pub max_output: Option<BigInt>,
    /// What it costs.
    pub price: Option<ModelPrice>,
}

/// What of a model changes. What is absent stays as it is.
#[derive(InputObject)]
pub struct ModelChangeInput {
    /// Which.
    pub id: ID,
    /// Its name as it is shown.
    pub display_name: Option<String>,
    /// Who makes it.
    pub provider: Option<String>,
    /// What it makes.
    pub category: Option<ModelCategory>,
    /// What it is.
    pub description: Option<String>,
    /// Whether it is offered.
    pub enabled: Option<bool>,
    /// Tokens it can look at; null when that is not known.
    pub context_window: MaybeUndefined<BigInt>,
    /// Tokens it can answer with; null when that is not known.
    pub max_output: MaybeUndefined<BigInt>,
    /// The administrator's price; null returns to the imported one.
    pub price: MaybeUndefined<ModelPrice>,
    /// Refuses the change when the model was changed since this version was read.
    pub expected_version: Option<BigInt>,
}

/// A model.
#[derive(InputObject)]
pub struct ModelInput {
    /// Which.
    pub id: ID,
}

/// Several models.
#[derive(InputObject)]
pub struct ModelsInput {
    /// Which; at most 500.
    pub ids: Vec<ID>,
}

/// Several models to be offered, or not.
#[derive(InputObject)]
pub struct ModelsSetEnabledInput {
    /// Which; at most 500.
    pub ids: Vec<ID>,
    /// Whether they are offered.
    pub enabled: bool,
}

/// A price file.
#[derive(InputObject)]
pub struct ModelPricesImportInput {
    /// The file: a JSON object of models, in the `model_prices` form.
    pub file: String,
}

/// The answer to a change of a model.
#[derive(SimpleObject)]
pub struct ModelPayload {
    /// The model after the change; null when refused.
    pub model: Option<Model>,
    /// Why it was refused.
    pub user_errors: Vec<UserError>,
}

/// The answer to a removal.
#[derive(SimpleObject)]
pub struct ModelDeletePayload {
    /// The id of what was removed; null when refused.
    pub deleted_id: Option<ID>,
    /// Why it was refused.
    pub user_errors: Vec<UserError>,
}

/// The answer to a change of several models, each by itself.
#[derive(SimpleObject)]
pub struct ModelsPayload {
    /// Those that were changed, in the order given.
    pub models: Vec<Model>,
    /// Why others were not; `index` tells which.
    pub user_errors: Vec<UserError>,
}

/// The answer to a removal of several models, each by itself.
#[derive(SimpleObject)]
pub struct ModelsDeletePayload {
    /// The ids of those that were removed.
    pub deleted_ids: Vec<ID>,
    /// Why others were not; `index` tells which.
    pub user_errors: Vec<UserError>,
}

/// The answer to an import of prices.
#[derive(SimpleObject)]
pub struct ModelPricesImportPayload {
    /// Models that were not known.
    pub added_count: BigInt,
    /// Models whose price changed.
    pub updated_count: BigInt,
    /// Models whose price was the same.
    pub unchanged_count: BigInt,
    /// Why it was refused.
    pub user_errors: Vec<UserError>,
}

fn changed(answer: schema::Result<model::Model>) -> Result<ModelPayload> {
    let (model, user_errors) = split(answer)?;
    Ok(ModelPayload { model: model.map(Into::into), user_errors })
}

#[derive(Default)]
pub struct ModelMutation;

#[Object]
impl ModelMutation {
    /// Adds a model by hand.
    #[graphql(visible = "to_admins")]
    async fn model_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The model.")] input: ModelCreateInput,
    ) -> Result<ModelPayload> {
        let draft = service::ModelDraft {
            name: input.name,
            display_name: input.display_name.unwrap_or_default(),
            provider: input.provider.unwrap_or_default(),
            category: input.category.map_or(model::Category::Chat, Into::into),
            description: input.description.unwrap_or_default(),
            enabled: input.enabled,
            context_window: input.context_window.map(Into::into),
            max_output: input.max_output.map(Into::into),
            price: input.price.map(Into::into),
        };
        changed(service::add(ctx.app(), ctx.actor(), draft).await)
    }

    /// Changes a model, its price among the rest. Every process follows within a second.
    #[graphql(visible = "to_admins")]
    async fn model_change(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which, and what changes.")] input: ModelChangeInput,
    ) -> Result<ModelPayload> {
        let row = node::row("Model", &input.id, "id")?;
        let count = |n: MaybeUndefined<BigInt>| Option::<Option<BigInt>>::from(n).map(|n| n.map(|n| n.0));
        let price: Option<Option<ModelPrice>> = input.price.into();
        let change = service::ModelChange {
            display_name: input.display_name,
            provider: input.provider,
            category: input.category.map(Into::into),
            description: input.description,
            enabled: input.enabled,
            context_window: count(input.context_window),
            max_output: count(input.max_output),
            price: price.map(|p| p.map(Into::into)),
            expected_version: input.expected_version.map(Into::into),
        };
        changed(service::change(ctx.app(), ctx.actor(), row, change).await)
    }

    /// Removes a model. A later import may bring it back.
    #[graphql(visible = "to_admins")]
    async fn model_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: ModelInput,
    ) -> Result<ModelDeletePayload> {
        let row = node::row("Model", &input.id, "id")?;
        let (done, user_errors) = split(service::delete(ctx.app(), ctx.actor(), row).await)?;
        Ok(ModelDeletePayload { deleted_id: done.map(|()| input.id), user_errors })
    }

    /// Offers several models, or offers them no more; each by itself.
    #[graphql(visible = "to_admins")]
    async fn models_set_enabled(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which, and whether.")] input: ModelsSetEnabledInput,
    ) -> Result<ModelsPayload> {
        let change = service::ModelChange { enabled: Some(input.enabled), ..service::ModelChange::default() };
        let mut answers = Vec::new();
        for row in node::rows("Model", &input.ids, "ids", 500)? {
            answers.push(service::change(ctx.app(), ctx.actor(), row, change.clone()).await.map(Model::from));
        }
        let (models, user_errors) = gather(answers)?;
        Ok(ModelsPayload { models, user_errors })
    }

    /// Removes several models, each by itself.
    #[graphql(visible = "to_admins")]
    async fn models_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: ModelsInput,
    ) -> Result<ModelsDeletePayload> {
        let mut answers = Vec::new();
        for row in node::rows("Model", &input.ids, "ids", 500)? {
            let gone = service::delete(ctx.app(), ctx.actor(), row).await;
            answers.push(gone.map(|()| node::id("Model", row)));
        }
        let (deleted_ids, user_errors) = gather(answers)?;
        Ok(ModelsDeletePayload { deleted_ids, user_errors })
    }

    /// Takes over a price file. Unknown models are added, known ones get the new price; administrators' own
    /// prices stay.
    #[graphql(visible = "to_super_admins")]
    async fn model_prices_import(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The file.")] input: ModelPricesImportInput,
    ) -> Result<ModelPricesImportPayload> {
        let (report, user_errors) = split(service::import(ctx.app(), ctx.actor(), &input.file).await)?;
        let report = report.unwrap_or_default();
        Ok(ModelPricesImportPayload {
            added_count: BigInt(report.added),
            updated_count: BigInt(report.updated),
            unchanged_count: BigInt(report.unchanged),
            user_errors,
        })
    }
}
