//! What the installation shows of itself, and whom it asks and tells.

use super::super::{Definition, Kind};
use super::{fixed, names, row, secret};

pub(super) const ROWS: &[Definition] = &[
    row("site", names::SITE_NAME, Kind::Text(100), "Tollgate", "Name shown to users"),
    fixed("site", names::PUBLIC_URL, Kind::Text(2_000), "Address under which people reach this; PUBLIC_URL decides it"),
    row("site", names::SITE_LOGO, Kind::Text(350_000), "", "Address or data URL of the logo"),
    row("site", names::FOOTER, Kind::Text(20_000), "", "Text at the foot of pages"),
    row("site", names::NOTICE, Kind::Text(50_000), "", "Notice shown to everybody"),
    row("site", names::ABOUT, Kind::Text(50_000), "", "Text or address of the about page"),
    row("site", names::HOME_PAGE, Kind::Text(50_000), "", "Text or address of the home page"),
    row("site", names::TOP_UP_LINK, Kind::Text(2_000), "", "Where people buy cards"),
    row("site", names::CHAT_LINK, Kind::Text(2_000), "", "A chat client that people may open with their key"),
    row("site", names::TIME_ZONE, Kind::Text(64), "UTC", "Time zone in which days and months are cut"),
    row(
        "site",
        names::CRS_CONSOLE,
        Kind::Json,
        "{}",
        "What the crs console shows of itself: icon, notice, admin button",
    ),
    row(
        "site",
        names::RELEASES_URL,
        Kind::Text(500),
        "",
        "Address of the feed that names the newest release; empty: not asked",
    ),
    secret("site", names::WEBHOOKS, Kind::Json, "Who is told of accounts that stop serving, spent quotas and alerts"),
    row(
        "site",
        names::WEBHOOK_ALLOWED_HOSTS,
        Kind::Text(4_000),
        "",
        "Hosts, separated by commas, that may be told although they are not public",
    ),
    row(
        "site",
        names::PRICES_URL,
        Kind::Text(500),
        "https://raw.githubusercontent.com/BerriAI/litellm/main/model_prices_and_context_window.json",
        "Address of the price list that is read when somebody asks for a refresh; empty: not asked",
    ),
];
