//! What newapi's dashboard shows beside the figures.

use super::super::{Definition, Kind};
use super::{names, row};

const fn switch(name: &'static str, description: &'static str) -> Definition {
    row("panel", name, Kind::Bool, "false", description)
}

const fn list(name: &'static str, description: &'static str) -> Definition {
    row("panel", name, Kind::Json, "[]", description)
}

pub(super) const ROWS: &[Definition] = &[
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
