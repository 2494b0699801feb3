//! What newapi's pages show, and its dashboard beside the figures.

use super::super::{Definition, Kind};
use super::{names, row};

const fn switch(name: &'static str, description: &'static str) -> Definition {
    row("panel", name, Kind::Bool, "false", description)
}

const fn list(name: &'static str, description: &'static str) -> Definition {
    row("panel", name, Kind::Json, "[]", description)
}

/// What is seen unless it is switched off.
const fn seen(name: &'static str, description: &'static str) -> Definition {
    row("panel", name, Kind::Bool, "true", description)
}

pub(super) const ROWS: &[Definition] = &[
    seen(names::PANEL_IN_CURRENCY, "Whether newapi's pages show money rather than quota"),
    seen(names::PANEL_DRAWING, "Whether newapi's pages have one of drawings"),
    seen(names::PANEL_TASKS, "Whether newapi's pages have one of tasks"),
    seen(names::PANEL_CHARTS, "Whether newapi's dashboard has charts"),
    row("panel", names::PANEL_CHARTS_STEP, Kind::Choice(&["hour", "day", "week"]), "hour", "The step of those charts"),
    switch(names::PANEL_COLLAPSED, "Whether the side bar of newapi's pages is narrow at first"),
    row(
        "panel",
        names::PANEL_DOCS_LINK,
        Kind::Text(500),
        "",
        "Where newapi's pages lead for documentation; empty: to our own",
    ),
    switch(names::PANEL_API_INFO_ENABLED, "Whether the dashboard shows the addresses of the interface"),
    list(names::PANEL_API_INFO, "Those addresses: a list of {url, route, description, color}"),
    switch(names::PANEL_ANNOUNCEMENTS_ENABLED, "Whether the dashboard shows its own announcements"),
    list(
        names::PANEL_ANNOUNCEMENTS,
        "Those announcements: a list of {content, publishDate, type, extra}; the twenty newest are shown",
    ),
    switch(names::PANEL_FAQ_ENABLED, "Whether the dashboard shows questions and their answers"),
    list(names::PANEL_FAQ, "Those questions: a list of {question, answer}"),
    switch(names::PANEL_UPTIME_ENABLED, "Whether the dashboard shows what an Uptime Kuma watches"),
    list(names::PANEL_UPTIME, "Its status pages: a list of {categoryName, url, slug}"),
];
