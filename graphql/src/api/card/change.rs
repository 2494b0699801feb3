//! Making, redeeming, changing and removing cards.

use async_graphql::{Context, Enum, ID, InputObject, MaybeUndefined, Object, SimpleObject};
use schema::model::card as model;
use schema::service::{card as service, plan as plans};
use schema::{Micros, Time};

use super::Card;
use crate::api::api_key::ApiKey;
use crate::api::ledger::{WalletPayload, paid};
use crate::api::subscription::PlanSubscription;
use crate::context::{Reach, once, to_admins};
use crate::fault::{Result, UserError, gather, split};
use crate::node;
use crate::scalar::{BigInt, DateTime, Decimal};

/// How codes are to look.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
pub enum CardCodeForm {
    /// `CRD-A1B2-C3D4-E5F6`, with a prefix of one's own.
    Grouped,
    /// 32 hexadecimal digits.
    Hex,
    /// Letters and digits in one piece.
    Plain,
    /// A code of one's own, for one card.
    Given,
}

/// Cards to be made: worth money, a longer life of a key, both of them, or time on a plan.
#[derive(InputObject)]
pub struct CardsGenerateInput {
    /// How many, 1 to 10000.
    pub count: i32,
    /// What each is worth, in US dollars.
    pub value: Option<Decimal>,
    /// By how many milliseconds each makes the life of a key longer, an hour to ten years; with a value it does both.
    pub key_ms: Option<BigInt>,
    /// Or the plan each gives time on.
    pub plan_id: Option<ID>,
    /// Days on that plan; a period of it when absent.
    pub plan_days: Option<BigInt>,
    /// How the codes are to look; GROUPED when absent.
    pub form: Option<CardCodeForm>,
    /// The prefix of grouped codes; CRD when absent.
    pub prefix: Option<String>,
    /// The length of plain codes, 12 to 64; 16 when absent.
    pub length: Option<i32>,
    /// The code itself, where it is given.
    #[graphql(secret)]
    pub code: Option<String>,
    /// By how many people each can be redeemed.
    pub uses: Option<BigInt>,
    /// When they end.
    pub expires_at: Option<DateTime>,
    /// Their name.
    pub name: Option<String>,
    /// Note.
    pub note: Option<String>,
    /// Repeating the request with this key makes nothing twice and gives the same cards; remembered for a day.
    pub client_mutation_key: Option<String>,
}

/// A code to be redeemed.
#[derive(InputObject)]
pub struct CardRedeemInput {
    /// The code.
    #[graphql(secret)]
    pub code: String,
    /// For which of one's own keys: the one whose life a card of time makes longer. Other cards do without.
    pub api_key_id: Option<ID>,
    /// Repeating the request with this key gives the answer it had; remembered for a day.
    pub client_mutation_key: Option<String>,
}

/// A redemption whose worth is to be taken back.
#[derive(InputObject)]
pub struct CardRedemptionTakeBackInput {
    /// Which.
    pub id: ID,
    /// Why, for the ledger.
    pub note: Option<String>,
    /// Repeating the request with this key gives the answer it had; remembered for a day.
    pub client_mutation_key: Option<String>,
}

/// What of a card changes. What is absent stays as it is.
#[derive(InputObject)]
pub struct CardChangeInput {
    /// Which.
    pub id: ID,
    /// What it is worth, in US dollars; only while nobody has redeemed it.
    pub value: Option<Decimal>,
    /// Whether it is switched on.
    pub enabled: Option<bool>,
    /// When it ends; null means never.
    pub expires_at: MaybeUndefined<DateTime>,
    /// Its name.
    pub name: Option<String>,
    /// Note.
    pub note: Option<String>,
    /// Refuses the change when the card was changed since this version was read.
    pub expected_version: Option<BigInt>,
}

/// Cards to be removed.
#[derive(InputObject)]
pub struct CardsDeleteInput {
    /// Which; at most 500. Only those nobody has redeemed can be removed.
    pub ids: Vec<ID>,
}

/// A fresh card and its code.
#[derive(SimpleObject)]
pub struct IssuedCard {
    /// The card.
    pub card: Card,
    /// Its code.
    pub code: String,
}

/// The answer to cards that were made: all, or none.
#[derive(SimpleObject)]
pub struct CardsGeneratePayload {
    /// The cards; empty when refused.
    pub issued: Vec<IssuedCard>,
    /// Why it was refused.
    pub user_errors: Vec<UserError>,
}

/// The answer to a redemption.
#[derive(SimpleObject)]
pub struct CardRedeemPayload {
    /// The card; null when refused.
    pub card: Option<Card>,
    /// What the wallet gained, in US dollars; nothing for a card of a plan or of time alone.
    pub amount: Option<Decimal>,
    /// What the wallet holds now, in US dollars.
    pub balance: Option<Decimal>,
    /// The subscription, for a plan card.
    pub subscription: Option<PlanSubscription>,
    /// The key whose life became longer, for a card of time.
    pub api_key: Option<ApiKey>,
    /// Why it was refused.
    pub user_errors: Vec<UserError>,
}

/// The answer to a change of a card.
#[derive(SimpleObject)]
pub struct CardPayload {
    /// The card after the change; null when refused.
    pub card: Option<Card>,
    /// Why it was refused.
    pub user_errors: Vec<UserError>,
}

/// The answer to a removal of cards, each by itself.
#[derive(SimpleObject)]
pub struct CardsDeletePayload {
    /// The ids of those that were removed.
    pub deleted_ids: Vec<ID>,
    /// Why others were not; `index` tells which.
    pub user_errors: Vec<UserError>,
}

impl CardsGenerateInput {
    fn order(&self, plan_days: Option<i64>) -> Result<service::Mint> {
        let worth = match (self.value, self.key_ms, &self.plan_id) {
            (Some(value), None, None) => service::Worth::Credit(value.0),
            (value, Some(ms), None) => {
                service::Worth::Time { credit: value.map_or(Micros::ZERO, |v| v.0), ms: ms.into() }
            }
            (None, None, Some(id)) => service::Worth::Plan {
                plan_id: node::row("Plan", id, "planId")?,
                days: self.plan_days.map_or(plan_days.unwrap_or_default(), Into::into),
            },
            _ => {
                let why = "give a value, a longer life of a key, both of these, or a plan";
                return Err(schema::Error::invalid("value", why).into());
            }
        };
        let form = match self.form.unwrap_or(CardCodeForm::Grouped) {
            CardCodeForm::Grouped => {
                service::CodeForm::Grouped { prefix: self.prefix.clone().unwrap_or_else(|| "CRD".into()) }
            }
            CardCodeForm::Hex => service::CodeForm::Hex,
            CardCodeForm::Plain => {
                service::CodeForm::Plain { length: usize::try_from(self.length.unwrap_or(16)).unwrap_or_default() }
            }
            CardCodeForm::Given => service::CodeForm::Given(self.code.clone().unwrap_or_default()),
        };
        Ok(service::Mint {
            count: usize::try_from(self.count).unwrap_or_default(),
            worth,
            form,
            uses: self.uses.map_or(1, Into::into),
            expires_at: self.expires_at.map(|t| t.0),
            name: self.name.clone().unwrap_or_default(),
            note: self.note.clone().unwrap_or_default(),
        })
    }
}

/// A refusal of an order, naming its fields as they are asked for here.
fn as_asked(error: schema::Error) -> schema::Error {
    match error {
        schema::Error::Invalid { field, why } => {
            let field = match field.as_str() {
                "timeAmount" => "keyMs".to_owned(),
                "planDuration" => "planDays".to_owned(),
                _ => field,
            };
            schema::Error::Invalid { field, why }
        }
        other => other,
    }
}

#[derive(Default)]
pub struct CardMutation;

#[Object]
impl CardMutation {
    /// Makes cards: all of them, or none.
    #[graphql(visible = "to_admins")]
    async fn cards_generate(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, and what they are worth.")] input: CardsGenerateInput,
    ) -> Result<CardsGeneratePayload> {
        let usual = match (&input.plan_id, input.plan_days) {
            (Some(id), None) => {
                let plan = plans::get_by_id(ctx.app(), ctx.actor(), node::row("Plan", id, "planId")?).await;
                plan.ok().map(|p| p.cycle_days)
            }
            _ => None,
        };
        let order = input.order(usual)?;
        let whole = format!("{order:?}");
        let made = once(
            ctx,
            "cardsGenerate",
            input.client_mutation_key.as_deref(),
            &whole,
            async |actor| service::mint(ctx.app(), actor, order).await,
            async |thing| service::batch(ctx.app(), ctx.actor(), &thing.id).await,
        );
        let (made, user_errors) = split(made.await.map_err(as_asked))?;
        let issued = made.unwrap_or_default().into_iter();
        Ok(CardsGeneratePayload {
            issued: issued.map(|m| IssuedCard { card: m.card.into(), code: m.code }).collect(),
            user_errors,
        })
    }

    /// Redeems a code for oneself; a card of time for one of one's own keys. Of two people with one card, one wins;
    /// wrong codes are limited.
    async fn card_redeem(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The code.")] input: CardRedeemInput,
    ) -> Result<CardRedeemPayload> {
        let key = node::row_if("ApiKey", input.api_key_id.as_ref(), "apiKeyId")?;
        let whole = key.map_or_else(|| input.code.clone(), |key| format!("{} {key}", input.code));
        let redeemed = once(
            ctx,
            "cardRedeem",
            input.client_mutation_key.as_deref(),
            &whole,
            async |actor| service::redeem_for(ctx.app(), actor, &input.code, key).await,
            async |_| service::redeemed(ctx.app(), ctx.actor(), &input.code).await,
        );
        let (done, user_errors) = split(redeemed.await)?;
        Ok(match done {
            None => CardRedeemPayload {
                card: None,
                amount: None,
                balance: None,
                subscription: None,
                api_key: None,
                user_errors,
            },
            Some(done) => CardRedeemPayload {
                card: Some(done.card.into()),
                amount: Some(Decimal(done.amount)),
                balance: Some(Decimal(done.balance)),
                subscription: done.subscription.map(|(s, _)| s.into()),
                api_key: done.key.map(ApiKey::from),
                user_errors,
            },
        })
    }

    /// Takes what a redeemed card brought out of the wallet it went to: once, and only what is still there.
    #[graphql(visible = "to_admins")]
    async fn card_redemption_take_back(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which, and why.")] input: CardRedemptionTakeBackInput,
    ) -> Result<WalletPayload> {
        let row = node::row("CardRedemption", &input.id, "id")?;
        let note = input.note.unwrap_or_default();
        let whole = format!("{row} {note}");
        let taken = once(
            ctx,
            "cardRedemptionTakeBack",
            input.client_mutation_key.as_deref(),
            &whole,
            async |actor| service::take_back(ctx.app(), actor, row, &note).await,
            async |_| {
                let taken = service::taken_back(ctx.app(), ctx.actor(), row).await?;
                taken.ok_or(schema::Error::NotFound { what: "redemption" })
            },
        );
        let taken = taken.await;
        let user = taken.as_ref().map(|taken| taken.user_id).unwrap_or_default();
        paid(ctx, user, taken.map(|taken| taken.entry)).await
    }

    /// Changes a card.
    #[graphql(visible = "to_admins")]
    async fn card_change(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which, and what changes.")] input: CardChangeInput,
    ) -> Result<CardPayload> {
        let row = node::row("Card", &input.id, "id")?;
        let ends: Option<Option<DateTime>> = input.expires_at.into();
        let change = model::CardChange {
            value: input.value.map(|v| v.0),
            enabled: input.enabled,
            expires_at: ends.map(|t| t.map(|t| -> Time { t.0 })),
            name: input.name,
            note: input.note,
        };
        let version = input.expected_version.map(Into::into);
        let (card, user_errors) = split(service::change(ctx.app(), ctx.actor(), row, change, version).await)?;
        Ok(CardPayload { card: card.map(Into::into), user_errors })
    }

    /// Removes cards nobody has redeemed, each by itself.
    #[graphql(visible = "to_admins")]
    async fn cards_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: CardsDeleteInput,
    ) -> Result<CardsDeletePayload> {
        let rows = node::rows("Card", &input.ids, "ids", 500)?;
        let answers = service::delete_many(ctx.app(), ctx.actor(), &rows).await?;
        let (deleted_ids, user_errors) =
            gather(answers.into_iter().map(|(id, answer)| answer.map(|()| node::id("Card", id))))?;
        Ok(CardsDeletePayload { deleted_ids, user_errors })
    }
}
