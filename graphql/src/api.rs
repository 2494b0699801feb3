//! The graph: one file a resource, merged here.

mod account;
mod announcement;
mod api_key;
mod audit;
mod card;
pub mod cost;
mod events;
mod export;
mod ledger;
mod llm;
mod model;
mod node;
mod order;
mod plan;
mod request_log;
mod revenue;
mod route;
mod session;
mod setting;
mod subscription;
mod system;
mod task;
pub mod usage;
mod user;

use async_graphql::{MergedObject, MergedSubscription, SDLExportOptions, Schema};

/// Everything that can be read.
#[derive(MergedObject, Default)]
pub struct Query(
    account::AccountQuery,
    account::AccountGroupQuery,
    announcement::AnnouncementQuery,
    api_key::ApiKeyQuery,
    audit::AuditQuery,
    card::CardQuery,
    export::ExportQuery,
    ledger::LedgerQuery,
    llm::ModelServiceQuery,
    model::ModelQuery,
    model::PriceRatioQuery,
    node::NodeQuery,
    order::OrderQuery,
    plan::PlanQuery,
    request_log::RequestLogQuery,
    revenue::RevenueQuery,
    route::RouteQuery,
    setting::SettingQuery,
    subscription::PlanSubscriptionQuery,
    system::SystemQuery,
    task::TaskQuery,
    usage::UsageRecordQuery,
    usage::UsageReportQuery,
    user::UserQuery,
);

/// Everything that can be changed. Every change takes one `input` and answers with what it changed, or with
/// `userErrors` that say why it did not.
#[derive(MergedObject, Default)]
pub struct Mutation(
    account::AccountMutation,
    account::AccountGroupMutation,
    account::ConnectMutation,
    announcement::AnnouncementMutation,
    api_key::ApiKeyMutation,
    card::CardMutation,
    export::ExportMutation,
    ledger::LedgerMutation,
    llm::ModelServiceMutation,
    model::ModelMutation,
    model::PriceRatioMutation,
    order::OrderMutation,
    plan::PlanMutation,
    session::SessionMutation,
    setting::SettingMutation,
    subscription::PlanSubscriptionMutation,
    usage::UsageRecordMutation,
    user::UserMutation,
);

/// Everything that can be watched.
#[derive(MergedSubscription, Default)]
pub struct Subscription(
    events::AccountSubscription,
    events::CallSubscription,
    events::ExportSubscription,
    events::SpendSubscription,
    events::ThingSubscription,
    events::WalletSubscription,
);

/// The whole graph.
pub type Graph = Schema<Query, Mutation, Subscription>;

/// Builds the graph.
pub fn graph() -> Graph {
    Schema::build(Query::default(), Mutation::default(), Subscription::default()).disable_suggestions().finish()
}

/// The graph in the schema language, sorted, as it is kept in `schema.graphql`.
pub fn sdl() -> String {
    graph().sdl_with_options(
        SDLExportOptions::new()
            .sorted_fields()
            .sorted_arguments()
            .sorted_enum_items()
            .include_specified_by()
            .prefer_single_line_descriptions()
            .use_space_ident(),
    )
}
