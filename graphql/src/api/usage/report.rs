//! Reports: sums, series and leaderboards. All of it is read from the hourly sums, never from single calls.

use async_graphql::{ComplexObject, Context, Enum, Object, SimpleObject};
use schema::service::report::{self as service, GroupKey};

use super::sums::{
    CostParts, UsageDimension, UsageFilter, UsageMeasure, UsagePeriod, UsagePoint, UsageSums, knows_accounts,
};
use crate::api::account::Account;
use crate::api::api_key::{self, ApiKey};
use crate::api::model::{Model, ModelCategory};
use crate::api::user::User;
use crate::context::{Reach, to_admins};
use crate::fault::Result;
use crate::loader;
use crate::page;
use crate::scalar::BigInt;

/// How fine a series is.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
pub enum UsageGrain {
    /// By the hour; the last 24 when no span is named.
    Hour,
    /// By the day; the last 7 when no span is named.
    Day,
    /// By the month; the last 12 when no span is named.
    Month,
}

impl From<UsageGrain> for service::Grain {
    fn from(grain: UsageGrain) -> Self {
        match grain {
            UsageGrain::Hour => Self::Hour,
            UsageGrain::Day => Self::Day,
            UsageGrain::Month => Self::Month,
        }
    }
}

/// What a group is of: one of these is not null, unless what it was is gone.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct UsageGroupKey {
    /// The model's name.
    pub model: Option<String>,
    /// The dialect's name.
    pub dialect: Option<String>,
    #[graphql(skip)]
    by: UsageDimension,
    #[graphql(skip)]
    row: Option<i64>,
}

impl UsageGroupKey {
    fn of(by: UsageDimension, key: &GroupKey) -> Self {
        let word = key.word().map(str::to_owned);
        let (model, dialect) = match by {
            UsageDimension::Model => (word, None),
            UsageDimension::Dialect => (None, word),
            _ => (None, None),
        };
        Self { model, dialect, by, row: key.id() }
    }
    fn id_of(&self, by: UsageDimension) -> Option<i64> {
        (self.by == by).then_some(self.row).flatten()
    }
}

#[ComplexObject]
impl UsageGroupKey {
    /// The key.
    async fn api_key(&self, ctx: &Context<'_>) -> Option<Result<ApiKey>> {
        api_key::of_viewer(ctx, self.id_of(UsageDimension::ApiKey)?).await
    }
    /// The account; null for calls that reached none.
    #[graphql(visible = "to_admins")]
    async fn account(&self, ctx: &Context<'_>) -> Option<Result<Account>> {
        let row = self.id_of(UsageDimension::Account)?;
        match ctx.for_admins(|| ())? {
            Ok(()) => loader::one(ctx, loader::AccountById(row)).await,
            Err(refused) => Some(Err(refused)),
        }
    }
    /// Who called.
    async fn user(&self, ctx: &Context<'_>) -> Option<Result<User>> {
        loader::one(ctx, loader::UserById(self.id_of(UsageDimension::User)?)).await
    }
}

/// One group along time.
#[derive(SimpleObject)]
pub struct UsageLine {
    /// What it is of.
    pub key: UsageGroupKey,
    /// Its sums over the whole span.
    pub total: UsageSums,
    /// Its sums in each step, in the order of the series' points.
    pub sums: Vec<UsageSums>,
}

/// Sums along time.
#[derive(SimpleObject)]
pub struct UsageSeries {
    /// The steps, oldest first; those without calls are there, too.
    pub points: Vec<UsagePoint>,
    /// The largest groups, where they were told apart.
    pub lines: Vec<UsageLine>,
    /// How many groups there are; null where none were told apart.
    pub group_count: Option<BigInt>,
}

/// A group and its sums.
#[derive(SimpleObject)]
pub struct UsageGroup {
    /// Its place, from 1 on.
    pub place: i32,
    /// What it is of.
    pub key: UsageGroupKey,
    /// Its sums.
    pub sums: UsageSums,
    /// Its part of what makes groups large, in percent of all groups.
    pub share: f64,
}

/// A model's place among the others.
#[derive(SimpleObject)]
pub struct RankedModel {
    /// Its place, from 1 on.
    pub place: i32,
    /// Its name.
    pub name: String,
    /// What the catalogue knows of it.
    pub model: Option<Model>,
    /// Its part of all calls, in percent.
    pub share: f64,
    /// Calls.
    pub requests: BigInt,
    /// Every token that went in or out.
    pub tokens: BigInt,
    /// Its calls in the span before, as long as this one.
    pub requests_before: BigInt,
}

/// What one model was used for, and what it cost.
#[derive(SimpleObject)]
pub struct ModelCosts {
    /// Its name.
    pub name: String,
    /// What was used of it.
    pub sums: UsageSums,
    /// What was paid, by what it was paid for, told from the counts by today's price.
    pub costs: CostParts,
}

/// What calls cost.
#[derive(SimpleObject)]
pub struct UsageCosts {
    /// All of them.
    pub total: CostParts,
    /// What was used.
    pub sums: UsageSums,
    /// By model, the dearest first.
    pub models: Vec<ModelCosts>,
}

fn place(index: usize) -> i32 {
    i32::try_from(index + 1).unwrap_or(i32::MAX)
}

#[derive(Default)]
pub struct UsageReportQuery;

#[Object]
impl UsageReportQuery {
    /// What was used: by oneself, or by everybody for administrators.
    async fn usage_sums(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only these calls.")] filter: Option<UsageFilter>,
    ) -> Result<UsageSums> {
        let slice = filter.unwrap_or_default().slice(ctx)?;
        Ok(service::totals(ctx.app(), ctx.actor(), &slice).await?.into())
    }

    /// What was used along time, as a whole, and by group where `by` says how: by oneself, or by everybody for
    /// administrators.
    async fn usage_series(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How fine.")] grain: UsageGrain,
        #[graphql(desc = "What groups are told apart by.")] by: Option<UsageDimension>,
        #[graphql(desc = "What makes a group large.", default)] measure: UsageMeasure,
        #[graphql(desc = "How many of the largest groups: 1 to 100; 20 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Only these calls.")] filter: Option<UsageFilter>,
    ) -> Result<UsageSeries> {
        let slice = filter.unwrap_or_default().slice(ctx)?;
        let (app, actor) = (ctx.app(), ctx.actor());
        let most = page::limit(first)?;
        let Some(by) = by else {
            let points = service::series(app, actor, &slice, grain.into()).await?;
            return Ok(UsageSeries {
                points: points.into_iter().map(Into::into).collect(),
                lines: Vec::new(),
                group_count: None,
            });
        };
        if by == UsageDimension::Account {
            knows_accounts(ctx)?;
        }
        let split = service::split_series(app, actor, &slice, grain.into(), by.into(), measure.into(), most).await?;
        let line = |l: service::Line| UsageLine {
            key: UsageGroupKey::of(by, &l.key),
            total: l.total.into(),
            sums: l.sums.into_iter().map(Into::into).collect(),
        };
        Ok(UsageSeries {
            points: split.steps.into_iter().map(Into::into).collect(),
            lines: split.lines.into_iter().map(line).collect(),
            group_count: Some(BigInt(split.groups)),
        })
    }

    /// The largest keys, accounts, people, models or dialects: among one's own, or everybody's for administrators.
    async fn usage_leaderboard(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What groups are told apart by.")] by: UsageDimension,
        #[graphql(desc = "What makes a group large.", default)] measure: UsageMeasure,
        #[graphql(desc = "How many: 1 to 100; 20 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Only these calls.")] filter: Option<UsageFilter>,
    ) -> Result<Vec<UsageGroup>> {
        let slice = filter.unwrap_or_default().slice(ctx)?;
        if by == UsageDimension::Account {
            knows_accounts(ctx)?;
        }
        let (app, actor) = (ctx.app(), ctx.actor());
        let most = page::limit(first)?;
        let measure: service::Measure = measure.into();
        let groups = service::groups(app, actor, &slice, by.into(), measure, most).await?;
        let whole = measure.of(&service::totals(app, actor, &slice).await?);
        Ok(groups
            .into_iter()
            .enumerate()
            .map(|(index, group)| UsageGroup {
                place: place(index),
                share: if whole == 0 { 0.0 } else { measure.of(&group.sums) as f64 * 100.0 / whole as f64 },
                key: UsageGroupKey::of(by, &group.key),
                sums: group.sums.into(),
            })
            .collect())
    }

    /// The models everybody calls most, and how that changed; whoever has signed in may ask.
    async fn model_leaderboard(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Within this span.", default_with = "UsagePeriod::Last7Days")] period: UsagePeriod,
        #[graphql(desc = "Only models that make this.")] category: Option<ModelCategory>,
        #[graphql(desc = "How many: 1 to 100; 20 when nothing is said.")] first: Option<i32>,
    ) -> Result<Vec<RankedModel>> {
        let most = usize::try_from(page::limit(first)?).unwrap_or_default();
        let category = category.map(Into::into);
        let ranked = service::leaderboard(ctx.app(), ctx.actor(), period.into(), category, most).await?;
        Ok(ranked
            .into_iter()
            .enumerate()
            .map(|(index, r)| RankedModel {
                place: place(index),
                name: r.model,
                model: r.known.filter(|m| m.enabled || ctx.actor().is_admin()).map(Into::into),
                share: r.share,
                requests: BigInt(r.sums.requests),
                tokens: BigInt(r.sums.tokens()),
                requests_before: BigInt(r.before),
            })
            .collect())
    }

    /// What calls cost, and for what: one's own, or everybody's for administrators.
    async fn usage_costs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only these calls.")] filter: Option<UsageFilter>,
    ) -> Result<UsageCosts> {
        let slice = filter.unwrap_or_default().slice(ctx)?;
        let report = service::costs(ctx.app(), ctx.actor(), &slice).await?;
        let model = |m: service::ModelUse| ModelCosts { name: m.model, sums: m.sums.into(), costs: m.costs.into() };
        Ok(UsageCosts {
            total: report.total.into(),
            sums: report.sums.into(),
            models: report.models.into_iter().map(model).collect(),
        })
    }
}
