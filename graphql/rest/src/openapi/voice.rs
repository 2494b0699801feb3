//! How each system's answers look and whom it believes, as its `Dialect` says them.

use serde_json::{Value, json};

use crate::dialect::Dialect;
use crate::dialect::commercial::Commercial;
use crate::dialect::crs::Crs;
use crate::dialect::ledger::Ledger;
use crate::dialect::massrouter::Massrouter;
use crate::dialect::newapi::Newapi;

/// What is the same for all endpoints of a system.
pub struct Voice {
    /// The system's name.
    pub tag: &'static str,
    /// What it is, in a sentence.
    pub about: &'static str,
    /// The ways to prove oneself, each with the name it has in this document.
    pub schemes: fn() -> Vec<(&'static str, Value)>,
    /// Which of them, alone or together, suffice.
    pub proofs: &'static [&'static [&'static str]],
    /// A success.
    pub yes: fn() -> Value,
    /// A refusal.
    pub no: fn() -> Value,
    /// True when business refusals come with status 200.
    pub refuses_in_200: bool,
}

/// A dialect that can be described.
pub trait Spoken: Dialect {
    /// How it speaks.
    const VOICE: &'static Voice;
}

fn bearer(about: &str) -> Value {
    json!({ "type": "http", "scheme": "bearer", "description": about })
}

fn header(name: &str, about: &str) -> Value {
    json!({ "type": "apiKey", "in": "header", "name": name, "description": about })
}

fn cookie(name: &str, about: &str) -> Value {
    json!({ "type": "apiKey", "in": "cookie", "name": name, "description": about })
}

/// An object with these fields, all of them there.
fn object(properties: Value) -> Value {
    let required: Vec<&String> = properties.as_object().map(|p| p.keys().collect()).unwrap_or_default();
    json!({ "type": "object", "required": required, "properties": properties })
}

impl Spoken for Crs {
    const VOICE: &'static Voice = &Voice {
        tag: "crs",
        about: "Administration of keys and accounts, reports, and what keys may ask about themselves.",
        schemes: || {
            vec![
                ("crsToken", bearer("A token of `POST /web/auth/login`.")),
                ("crsHeader", header("x-admin-token", "The same token in a header of its own.")),
                ("crsCookie", cookie("adminToken", "The same token in a cookie.")),
            ]
        },
        proofs: &[&["crsToken"], &["crsHeader"], &["crsCookie"]],
        yes: || json!({ "type": "object", "required": ["success"], "properties": { "success": { "type": "boolean" } } }),
        no: || {
            object(json!({
                "success": { "const": false },
                "error": { "type": "string" },
                "message": { "type": "string" },
            }))
        },
        refuses_in_200: false,
    };
}

impl Spoken for Commercial {
    const VOICE: &'static Voice = &Voice {
        tag: "commercial",
        about: "Plans, subscriptions, orders, keys, card keys and revenue.",
        schemes: || vec![("commercialToken", bearer("A token of `POST /auth/login`."))],
        proofs: &[&["commercialToken"]],
        yes: || json!({ "type": "object", "required": ["success"], "properties": { "success": { "const": true } } }),
        no: || {
            json!({
                "type": "object",
                "required": ["message"],
                "properties": {
                    "success": { "const": false },
                    "error": { "type": "string" },
                    "message": { "type": "string" },
                },
            })
        },
        refuses_in_200: false,
    };
}

impl Spoken for Massrouter {
    const VOICE: &'static Voice = &Voice {
        tag: "massrouter",
        about: "People and their keys, models, billing, statistics and live topics.",
        schemes: || {
            vec![(
                "massrouterToken",
                bearer(
                    "An access token of `POST /api/v1/auth/login`, or an API key; for refreshing, the refresh token.",
                ),
            )]
        },
        proofs: &[&["massrouterToken"]],
        yes: || {
            json!({
                "type": "object",
                // The document's own example leaves the words and the time out.
                "required": ["success", "data"],
                "properties": {
                    "success": { "const": true },
                    "data": {},
                    "message": { "type": "string" },
                    "timestamp": { "type": "string", "format": "date-time" },
                },
            })
        },
        no: || {
            object(json!({
                "success": { "const": false },
                "error": object(json!({
                    "code": {
                        "enum": [
                            "ERR_001", "ERR_002", "ERR_003", "ERR_004", "ERR_005",
                            "BILL_001", "BILL_002", "MODEL_001", "APIKEY_001", "USER_001",
                        ],
                    },
                    "message": { "type": "string" },
                    "details": { "type": "object" },
                })),
                "timestamp": { "type": "string", "format": "date-time" },
            }))
        },
        refuses_in_200: false,
    };
}

impl Spoken for Newapi {
    const VOICE: &'static Voice = &Voice {
        tag: "newapi",
        about: "People, tokens, channels, logs, redemption codes and options, as its web front ends call them.",
        schemes: || {
            vec![
                ("newapiSession", cookie("session", "The cookie of `POST /api/user/login`.")),
                ("newapiToken", bearer("The access token of `GET /api/user/token`.")),
                ("newapiUser", header("New-Api-User", "The caller's own number, together with either proof.")),
            ]
        },
        proofs: &[&["newapiSession", "newapiUser"], &["newapiToken", "newapiUser"]],
        yes: || {
            json!({
                "type": "object",
                "required": ["success", "message"],
                "properties": { "success": { "type": "boolean" }, "message": { "type": "string" }, "data": {} },
            })
        },
        no: || object(json!({ "success": { "const": false }, "message": { "type": "string" } })),
        refuses_in_200: true,
    };
}

impl Spoken for Ledger {
    const VOICE: &'static Voice = &Voice {
        tag: "ledger",
        about: "The administrators' desk: people, settings, the model service, announcements and logs.",
        schemes: || vec![("ledgerToken", bearer("A token of `POST /api/admin/auth/login`."))],
        proofs: &[&["ledgerToken"]],
        yes: || {
            json!({
                "type": "object",
                "required": ["success"],
                "properties": { "success": { "const": true }, "message": { "type": "string" }, "data": { "type": "object" } },
                "anyOf": [{ "required": ["data"] }, { "required": ["message"] }],
            })
        },
        no: || {
            object(json!({
                "success": { "const": false },
                "error": object(json!({
                    "code": {
                        "enum": [
                            "UNAUTHORIZED", "FORBIDDEN", "NOT_FOUND", "VALIDATION_ERROR", "INTERNAL_ERROR",
                            "RATE_LIMIT_EXCEEDED",
                        ],
                    },
                    "message": { "type": "string" },
                    "details": { "type": "string" },
                })),
            }))
        },
        refuses_in_200: false,
    };
}

/// Every system's voice.
pub const VOICES: &[&Voice] =
    &[Crs::VOICE, Commercial::VOICE, Massrouter::VOICE, Newapi::VOICE, Ledger::VOICE, PAGES, super::relay::VOICE];

/// The pages and callbacks that belong to no system.
pub const PAGES: &Voice = &Voice {
    tag: "pages",
    about: "Payment pages and the payment providers' callbacks.",
    schemes: Vec::new,
    proofs: &[],
    yes: || json!({}),
    no: || json!({}),
    refuses_in_200: false,
};
