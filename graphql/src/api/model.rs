//! Models and what they cost.

mod change;
mod list;
mod price;
mod ratio;

use async_graphql::{Enum, ID, SimpleObject};
use schema::model::catalog as model;

use crate::node;
use crate::scalar::{BigInt, DateTime};

pub use change::ModelMutation;
pub use list::ModelQuery;
pub use price::ModelPrice;
pub use ratio::{PriceRatioMutation, PriceRatioQuery};

/// A model that can be called.
#[derive(SimpleObject, Clone)]
pub struct Model {
    /// Opaque id.
    pub id: ID,
    /// The number other faces know this model by.
    pub database_id: BigInt,
    /// The name it is called by.
    pub name: String,
    /// Its name as it is shown; empty for its own.
    pub display_name: String,
    /// Who makes it.
    pub provider: String,
    /// What it makes.
    pub category: ModelCategory,
    /// What it is.
    pub description: String,
    /// Whether it is offered.
    pub enabled: bool,
    /// Tokens it can look at.
    pub context_window: Option<BigInt>,
    /// Tokens it can answer with.
    pub max_output: Option<BigInt>,
    /// What it costs: the administrator's price, or else the imported one.
    pub price: Option<ModelPrice>,
    /// The imported price.
    pub imported_price: Option<ModelPrice>,
    /// The administrator's price.
    pub own_price: Option<ModelPrice>,
    /// When it was added.
    pub created_at: DateTime,
    /// When it was last changed.
    pub updated_at: DateTime,
    /// Grows with every change; send it back as `expectedVersion`.
    pub version: BigInt,
}

impl From<model::Model> for Model {
    fn from(row: model::Model) -> Self {
        let imported = row.price.as_ref().map(|p| ModelPrice::from(&p.0));
        let own = row.override_price.as_ref().and_then(|own| own.price()).map(ModelPrice::from);
        let price = row.effective_price().map(ModelPrice::from);
        Self {
            id: node::id("Model", row.id),
            database_id: BigInt(row.id),
            name: row.name,
            display_name: row.display_name,
            provider: row.provider,
            category: row.category.into(),
            description: row.description,
            enabled: row.enabled,
            context_window: row.context_window.map(BigInt),
            max_output: row.max_output.map(BigInt),
            price,
            imported_price: imported,
            own_price: own,
            created_at: DateTime(row.created_at),
            updated_at: DateTime(row.updated_at),
            version: BigInt(row.version),
        }
    }
}

/// What a model makes.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
#[graphql(remote = "model::Category")]
pub enum ModelCategory {
    /// Answers in a conversation.
    Chat,
    /// Continues a text.
    Completion,
    /// Turns text into numbers.
    Embedding,
    /// Sorts by fitness.
    Rerank,
    /// Pictures.
    Image,
    /// Speech.
    Speech,
    /// Text from speech.
    Transcription,
    /// Films.
    Video,
    /// Music.
    Music,
    /// Judgements.
    Moderation,
    /// Conversations by voice.
    Realtime,
}
