//! What prices are multiplied by.

use async_graphql::{Context, InputObject, Object, SimpleObject};
use schema::service::ratio::{self as service, Ratio};

use crate::context::{Reach, to_admins, to_super_admins};
use crate::fault::{Result, UserError, split};
use crate::scalar::Decimal;

/// A factor on prices.
#[derive(SimpleObject)]
pub struct PriceRatio {
    /// Of what: a group, a person, a model or a service, by name.
    pub name: String,
    /// The factor; 1 changes nothing.
    pub factor: Decimal,
}

/// What prices are multiplied by, one factor after the other. What is not named counts 1.
#[derive(SimpleObject)]
pub struct PriceRatios {
    /// By the user group a call is served in.
    pub groups: Vec<PriceRatio>,
    /// By who calls, by the name to sign in with.
    pub users: Vec<PriceRatio>,
    /// By the model.
    pub models: Vec<PriceRatio>,
    /// By the service the model belongs to.
    pub services: Vec<PriceRatio>,
}

fn shown(ctx: &Context<'_>) -> schema::Result<PriceRatios> {
    let list = |kind| -> schema::Result<Vec<PriceRatio>> {
        let factors = service::of(ctx.app(), ctx.actor(), kind)?;
        Ok(factors.into_iter().map(|(name, factor)| PriceRatio { name, factor: Decimal(factor) }).collect())
    };
    Ok(PriceRatios {
        groups: list(Ratio::Group)?,
        users: list(Ratio::User)?,
        models: list(Ratio::Model)?,
        services: list(Ratio::Service)?,
    })
}

#[derive(Default)]
pub struct PriceRatioQuery;

#[Object]
impl PriceRatioQuery {
    /// What prices are multiplied by; for administrators.
    #[graphql(visible = "to_admins")]
    async fn price_ratios(&self, ctx: &Context<'_>) -> Result<PriceRatios> {
        Ok(shown(ctx)?)
    }
}

/// A factor on prices.
#[derive(InputObject)]
pub struct PriceRatioInput {
    /// Of what, by name.
    pub name: String,
    /// The factor, 0 to 1000.
    pub factor: Decimal,
}

/// Factors on prices. Each list that is given takes the place of the one there was; what is absent stays.
#[derive(InputObject)]
pub struct PriceRatiosPutInput {
    /// By user group.
    pub groups: Option<Vec<PriceRatioInput>>,
    /// By the name of who calls.
    pub users: Option<Vec<PriceRatioInput>>,
    /// By model.
    pub models: Option<Vec<PriceRatioInput>>,
    /// By service.
    pub services: Option<Vec<PriceRatioInput>>,
}

/// The answer to a change of factors.
#[derive(SimpleObject)]
pub struct PriceRatiosPayload {
    /// All factors after the change; null when refused.
    pub price_ratios: Option<PriceRatios>,
    /// Why it was refused.
    pub user_errors: Vec<UserError>,
}

#[derive(Default)]
pub struct PriceRatioMutation;

#[Object]
impl PriceRatioMutation {
    /// Changes what prices are multiplied by: all of it, or nothing.
    #[graphql(visible = "to_super_admins")]
    async fn price_ratios_put(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The factors.")] input: PriceRatiosPutInput,
    ) -> Result<PriceRatiosPayload> {
        let given = [
            (Ratio::Group, input.groups),
            (Ratio::User, input.users),
            (Ratio::Model, input.models),
            (Ratio::Service, input.services),
        ];
        let tables = given.into_iter().filter_map(|(kind, list)| {
            let list = list?.into_iter().map(|r| (r.name, r.factor.0)).collect();
            Some((kind, list))
        });
        let done = match service::put(ctx.app(), ctx.actor(), tables.collect()).await {
            Ok(()) => shown(ctx),
            Err(e) => Err(e),
        };
        let (price_ratios, user_errors) = split(done)?;
        Ok(PriceRatiosPayload { price_ratios, user_errors })
    }
}
