//! Finding models.

use async_graphql::{Context, Enum, ID, InputObject, Object};
use schema::model::catalog as model;
use schema::page::{Cursor, Direction};
use schema::service::catalog as service;

use super::{Model, ModelCategory};
use crate::context::Reach;
use crate::fault::Result;
use crate::filter::{joined, search};
use crate::page::{self, Connection, OrderDirection};
use crate::{count_by, joins, node};

/// Which models. Whoever is no administrator sees what is offered.
#[derive(InputObject, Default)]
pub struct ModelFilter {
    /// Part of the name.
    pub search: Option<String>,
    /// Made by this provider.
    pub provider: Option<String>,
    /// Making this.
    pub category: Option<ModelCategory>,
    /// Offered, or not.
    pub enabled: Option<bool>,
    /// With a price, or without.
    pub priced: Option<bool>,
    /// Where all of these hold too.
    pub and: Option<Vec<ModelFilter>>,
    /// Where any of these holds too; not an empty list.
    pub or: Option<Vec<ModelFilter>>,
    /// Where this does not hold.
    pub not: Option<Box<ModelFilter>>,
}

joins!(ModelFilter);

/// By what models can be sorted.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
pub enum ModelOrderField {
    /// Their names.
    Name,
    /// Their providers.
    Provider,
    /// When they were added.
    CreatedAt,
}

/// How models are sorted.
#[derive(InputObject)]
pub struct ModelOrder {
    /// By what.
    pub field: ModelOrderField,
    /// Which way.
    #[graphql(default)]
    pub direction: OrderDirection,
}

#[derive(Default)]
pub struct ModelQuery;

#[Object]
impl ModelQuery {
    /// One model by its id or its name; null when there is none, or none for you.
    async fn model(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] id: Option<ID>,
        #[graphql(desc = "Or which, by its name.")] name: Option<String>,
    ) -> Result<Option<Model>> {
        let found = match (id, name) {
            (Some(id), None) => service::get_by_id(ctx.app(), ctx.actor(), node::row("Model", &id, "id")?).await,
            (None, Some(name)) => {
                let name = search(Some(name), "name")?.unwrap_or_default();
                service::get(ctx.app(), ctx.actor(), &name).await
            }
            _ => return Err(schema::Error::invalid("id", "give an id or a name").into()),
        };
        node::found(found, Model::from)
    }

    /// Models and their prices, by name unless told otherwise; anybody may ask.
    async fn public_models(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the start: 1 to 100; 20 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end: 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only these.")] filter: Option<ModelFilter>,
    ) -> Result<Connection<Model>> {
        let filter = ModelFilter { enabled: Some(true), ..filter.unwrap_or_default() };
        list(ctx, page::seek(first, after, last, before), filter, None).await
    }

    /// Models and their prices, by name unless told otherwise; those that are not offered too, for administrators.
    async fn models(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the start: 1 to 100; 20 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end: 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only these.")] filter: Option<ModelFilter>,
        #[graphql(desc = "In this order.")] order_by: Option<ModelOrder>,
    ) -> Result<Connection<Model>> {
        list(ctx, page::seek(first, after, last, before), filter.unwrap_or_default(), order_by).await
    }

    /// Providers that have models.
    async fn model_providers(&self, ctx: &Context<'_>) -> Result<Vec<String>> {
        Ok(service::providers(ctx.app()).await?)
    }
}

async fn list(
    ctx: &Context<'_>,
    seek: Result<schema::page::Seek>,
    filter: ModelFilter,
    order: Option<ModelOrder>,
) -> Result<Connection<Model>> {
    let filter = joined(filter, |filter, _| {
        Ok(model::ModelFilter {
            search: search(filter.search, "filter.search")?,
            provider: search(filter.provider, "filter.provider")?,
            category: filter.category.map(Into::into),
            enabled: filter.enabled,
            priced: filter.priced,
            ..model::ModelFilter::default()
        })
    })?;
    let order = order.map_or((model::ModelOrder::Name, Direction::Asc), |o| {
        let field = match o.field {
            ModelOrderField::Name => model::ModelOrder::Name,
            ModelOrderField::Provider => model::ModelOrder::Provider,
            ModelOrderField::CreatedAt => model::ModelOrder::CreatedAt,
        };
        (field, o.direction.into())
    });
    let rows = service::list(ctx.app(), ctx.actor(), &filter, order, &seek?).await?;
    let cursor = |m: &model::Model| Cursor { key: m.cursor_key(order.0), id: m.id };
    Ok(page::connection(rows, cursor, Model::from).counted(count_by!(service::count, filter)))
}
