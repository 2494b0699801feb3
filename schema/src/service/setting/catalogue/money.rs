//! Prices as people see them, and what cards may be tried.

use super::super::{Definition, Kind};
use super::{names, row};

pub(super) const ROWS: &[Definition] = &[
    row("money", names::WAITING_PRICES, Kind::Json, "{}", "What tables of prices say of models and has no effect yet"),
    row(
        "money",
        names::GROUP_RATIOS,
        Kind::Json,
        r#"{"default":1}"#,
        "Multiplies prices by the group a key uses; groups that are not named count 1",
    ),
    row(
        "money",
        names::USER_RATIOS,
        Kind::Json,
        "{}",
        "Multiplies prices by username, further to the group; people who are not named count 1",
    ),
    row(
        "money",
        names::MODEL_RATIOS,
        Kind::Json,
        "{}",
        "Multiplies prices by model; models that are not named count 1",
    ),
    row(
        "money",
        names::SERVICE_RATES,
        Kind::Json,
        "{}",
        "Multiplies prices by service (claude, openai …); services that are not named count 1",
    ),
    row("money", names::CREDITS_PER_USD, Kind::Int(1, 1_000_000), "1000", "Credits shown for one US dollar"),
    row("money", names::CNY_PER_USD, Kind::Number(0.01, 1000.0), "7.2", "Yuan for one US dollar"),
    row(
        "money",
        names::CURRENCY_RATES,
        Kind::Json,
        "{}",
        "Units of further currencies for one US dollar, such as {\"EUR\": 0.92}",
    ),
    row("money", names::REPORT_CURRENCY, Kind::Text(3), "CNY", "Currency in which revenue is reported"),
    row("money", names::CARD_ATTEMPTS, Kind::Int(1, 100_000), "20", "Wrong card codes per user within the window"),
    row("money", names::CARD_WINDOW_SECONDS, Kind::Int(1, 86_400), "600", "Length of that window"),
    row("money", names::CARD_LIMITS, Kind::Bool, "false", "Whether new cards keep to the two limits below"),
    row("money", names::CARD_MOST_USD, Kind::Number(0.0, 1e9), "1000", "The most dollars a new card may be worth"),
    row(
        "money",
        names::CARD_MOST_DAYS,
        Kind::Int(1, 3_660),
        "90",
        "The most days a new card may be kept, and may make the life of a key longer",
    ),
];
