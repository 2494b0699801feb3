//! Settings: what the operator may decide, and the few of them that everybody sees.

use std::collections::BTreeMap;

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use schema::service::setting::{self as service, Kind, names};

use crate::context::{Reach, to_super_admins};
use crate::fault::{Result, UserError, split};
use crate::node;
use crate::scalar::{BigInt, DateTime};

/// Something the operator may decide.
#[derive(SimpleObject, Clone)]
pub struct Setting {
    /// Opaque id.
    pub id: ID,
    /// Its name.
    pub name: String,
    /// What it belongs to.
    pub category: String,
    /// What it does.
    pub description: String,
    /// What kind of value it takes.
    pub kind: SettingKind,
    /// Its value; `***` for a secret that is set.
    pub value: String,
    /// Its value when nobody decided.
    pub default_value: String,
    /// Whether somebody decided.
    pub is_set: bool,
    /// Whether it is sealed and never shown.
    pub is_secret: bool,
    /// Whether it can be changed here.
    pub is_editable: bool,
    /// The least a number may be.
    pub minimum: Option<f64>,
    /// The most a number may be.
    pub maximum: Option<f64>,
    /// The most characters a text may have.
    pub max_length: Option<i32>,
    /// The words to choose from.
    pub choices: Vec<String>,
    /// Grows with every change.
    pub version: BigInt,
    /// When it was decided.
    pub updated_at: Option<DateTime>,
}

/// What kind of value a setting takes.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
pub enum SettingKind {
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Integer,
    /// A figure.
    Number,
    /// Text.
    Text,
    /// A JSON document.
    Json,
    /// One of a few words.
    Choice,
}

impl From<service::Shown> for Setting {
    fn from(shown: service::Shown) -> Self {
        let definition = shown.definition;
        let (mut minimum, mut maximum, mut max_length, mut choices) = (None, None, None, Vec::new());
        let kind = match definition.kind {
            Kind::Bool => SettingKind::Boolean,
            Kind::Int(low, high) => {
                (minimum, maximum) = (Some(low as f64), Some(high as f64));
                SettingKind::Integer
            }
            Kind::Number(low, high) => {
                (minimum, maximum) = (Some(low), Some(high));
                SettingKind::Number
            }
            Kind::Text(most) => {
                max_length = i32::try_from(most).ok();
                SettingKind::Text
            }
            Kind::Json => SettingKind::Json,
            Kind::Choice(words) => {
                choices = words.iter().map(|&w| w.to_owned()).collect();
                SettingKind::Choice
            }
        };
        Self {
            id: node::id("Setting", definition.name),
            name: definition.name.to_owned(),
            category: definition.category.to_owned(),
            description: definition.description.to_owned(),
            kind,
            value: shown.value,
            default_value: definition.default.to_owned(),
            is_set: shown.is_set,
            is_secret: definition.secret,
            is_editable: definition.editable,
            minimum,
            maximum,
            max_length,
            choices,
            version: BigInt(shown.version),
            updated_at: shown.updated_at.map(DateTime),
        }
    }
}

/// What everybody sees of the settings, signed in or not.
#[derive(SimpleObject)]
pub struct PublicSettings {
    /// Name of the site.
    pub site_name: String,
    /// Address or data URL of its logo; empty when there is none.
    pub site_logo: String,
    /// Text at the foot of pages.
    pub footer: String,
    /// Time zone in which days and months are cut.
    pub time_zone: String,
    /// Whether people may register themselves.
    pub registration_enabled: bool,
    /// Credits shown for one US dollar.
    pub credits_per_usd: i32,
}

#[derive(Default)]
pub struct SettingQuery;

#[Object]
impl SettingQuery {
    /// All settings, for super administrators; secrets masked.
    #[graphql(visible = "to_super_admins")]
    async fn settings(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only of this category.")] category: Option<String>,
    ) -> Result<Vec<Setting>> {
        let shown = service::list(ctx.app(), ctx.actor(), category.as_deref())?;
        Ok(shown.into_iter().map(Setting::from).collect())
    }

    /// One setting by its name, for super administrators; null when there is none.
    #[graphql(visible = "to_super_admins")]
    async fn setting(&self, ctx: &Context<'_>, #[graphql(desc = "Its name.")] name: String) -> Result<Option<Setting>> {
        node::found(service::get(ctx.app(), ctx.actor(), &name), Setting::from)
    }

    /// What everybody sees of the settings.
    async fn public_settings(&self, ctx: &Context<'_>) -> PublicSettings {
        let settings = service::current(ctx.app());
        PublicSettings {
            site_name: settings.text(names::SITE_NAME).to_owned(),
            site_logo: settings.text(names::SITE_LOGO).to_owned(),
            footer: settings.text(names::FOOTER).to_owned(),
            time_zone: settings.text(names::TIME_ZONE).to_owned(),
            registration_enabled: settings.bool(names::REGISTRATION_ENABLED),
            credits_per_usd: i32::try_from(settings.int(names::CREDITS_PER_USD)).unwrap_or(i32::MAX),
        }
    }
}

/// One setting and its new value.
#[derive(InputObject)]
pub struct SettingPutInput {
    /// Its name.
    pub name: String,
    /// Its value; null returns to the default, `***` leaves a secret as it is.
    #[graphql(secret)]
    pub value: Option<String>,
    /// Refuses when the setting was changed since this version was read; 0 for one that has its default.
    pub expected_version: Option<BigInt>,
}

/// Several settings to be changed together.
#[derive(InputObject)]
pub struct SettingsPutInput {
    /// Which; at most 100. All are changed, or none.
    pub settings: Vec<SettingPutInput>,
}

/// The answer to a change of settings.
#[derive(SimpleObject)]
pub struct SettingsPutPayload {
    /// The settings after the change; null when refused.
    pub settings: Option<Vec<Setting>>,
    /// Why it was refused.
    pub user_errors: Vec<UserError>,
}

#[derive(Default)]
pub struct SettingMutation;

#[Object]
impl SettingMutation {
    /// Changes several settings together: all of them, or none.
    #[graphql(visible = "to_super_admins")]
    async fn settings_put(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which, and to what.")] input: SettingsPutInput,
    ) -> Result<SettingsPutPayload> {
        if input.settings.len() > 100 {
            return Err(schema::Error::invalid("settings", "at most 100 at once").into());
        }
        let (mut changes, mut expected) = (BTreeMap::new(), BTreeMap::new());
        for change in input.settings {
            if let Some(version) = change.expected_version {
                expected.insert(change.name.clone(), version.0);
            }
            if changes.insert(change.name.clone(), change.value).is_some() {
                return Err(schema::Error::invalid("settings", "a setting is named twice").into());
            }
        }
        let (done, user_errors) = split(service::put_over(ctx.app(), ctx.actor(), &changes, &expected).await)?;
        let settings = match done {
            None => None,
            Some(()) => Some(
                service::list(ctx.app(), ctx.actor(), None)?
                    .into_iter()
                    .filter(|s| changes.contains_key(s.definition.name))
                    .map(Setting::from)
                    .collect(),
            ),
        };
        Ok(SettingsPutPayload { settings, user_errors })
    }
}
