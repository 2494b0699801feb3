//! The payment pages, which need no scripts, and the providers' callbacks.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use qrcode::QrCode;
use qrcode::render::svg;
use relay::edge::Origin;
use schema::model::order::{Method, OrderStatus};
use schema::money::{from_minor, minor_digits};
use schema::service::order::{self, PayPage};
use schema::{App, Error};

crate::routes! { pages;
    GET "/pay/{no}" => page, Page;
    GET "/pay/{no}/qr.svg" => qr, Picture;
    POST "/pay/{no}" => arrive, Redirect;
    POST "/pay/notify/{provider}" => notify, Receipt;
    GET "/pay/notify/{provider}" => notify_by_query, Receipt;
}

/// Nothing but our own styles and pictures; the page cannot be framed.
const POLICY: &str = "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

fn refuse(error: &Error) -> Response {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Html(document("Payment", &format!("<p>{}</p>", escape(&error.to_string())), None))).into_response()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn document(title: &str, body: &str, refresh: Option<u32>) -> String {
    let refresh = refresh.map_or_else(String::new, |s| format!("<meta http-equiv=\"refresh\" content=\"{s}\">"));
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{title}</title>{refresh}<style>body{{font:16px/1.5 system-ui;max-width:26rem;\
         margin:3rem auto;padding:0 1rem}}dl{{display:grid;grid-template-columns:auto 1fr;gap:.3rem 1rem}}dt{{color:#666}}\
         dd{{margin:0}}img{{width:15rem;height:15rem}}</style></head><body>{body}</body></html>"
    )
}

/// The state of an order in words.
fn state(status: OrderStatus) -> &'static str {
    match status {
        OrderStatus::Pending => "waiting for payment",
        OrderStatus::Paid => "paid, being activated",
        OrderStatus::Activated => "paid and active",
        OrderStatus::Cancelled => "cancelled",
        OrderStatus::Expired => "expired",
        OrderStatus::Refunded => "refunded",
    }
}

fn shown(app: &App, found: &PayPage) -> String {
    let digits = minor_digits(&found.currency) as usize;
    let amount = format!("{:.digits$} {}", from_minor(found.amount, &found.currency), found.currency);
    let left = (found.expires_at.0 - app.clock.now().0).max(0) / 1000;
    let mut rows = vec![
        ("Order", escape(&found.no)),
        ("For", escape(&found.subject)),
        ("Amount", amount),
        ("State", state(found.status).to_owned()),
    ];
    let mut more = String::new();
    if found.status == OrderStatus::Pending {
        rows.push(("Time left", format!("{} min {:02} s", left / 60, left % 60)));
        if found.qr_content.is_some() {
            more.push_str(&format!(
                "<p><img src=\"/pay/{}/qr.svg\" alt=\"QR code to pay with\"></p>",
                escape(&found.no)
            ));
        }
        if let Some(url) = &found.pay_url {
            more.push_str(&format!("<p><a href=\"{}\" rel=\"noreferrer\">Pay now</a></p>", escape(url)));
        }
        if let Some(text) = &found.instructions {
            more.push_str(&format!("<p>{}</p>", escape(text).replace('\n', "<br>")));
        }
    }
    let list: String = rows.iter().map(|(name, value)| format!("<dt>{name}</dt><dd>{value}</dd>")).collect();
    format!("<h1>Payment</h1><dl>{list}</dl>{more}")
}

async fn page(State(app): State<App>, Path(no): Path<String>) -> Response {
    match order::page(&app, &no).await {
        Ok(found) => {
            // The page asks again by itself while there is something to wait for.
            let refresh = matches!(found.status, OrderStatus::Pending | OrderStatus::Paid).then_some(5);
            let mut response = Html(document("Payment", &shown(&app, &found), refresh)).into_response();
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
            response
        }
        Err(e) => refuse(&e),
    }
}

/// Where forms of other systems send the payer's browser: on to the page.
async fn arrive(State(app): State<App>, Path(no): Path<String>) -> Response {
    match order::page(&app, &no).await {
        Ok(found) => (StatusCode::FOUND, [(header::LOCATION, format!("/pay/{}", found.no))]).into_response(),
        Err(e) => refuse(&e),
    }
}

/// A real QR code of what the payer's application must read.
async fn qr(State(app): State<App>, Path(no): Path<String>) -> Response {
    let found = match order::page(&app, &no).await {
        Ok(found) => found,
        Err(e) => return refuse(&e),
    };
    let content = found.qr_content.or(found.pay_url).unwrap_or_else(|| order::page_url(&app, &no));
    match QrCode::new(content.as_bytes()) {
        Ok(code) => {
            let picture = code.render::<svg::Color<'_>>().min_dimensions(240, 240).build();
            ([(header::CONTENT_TYPE, "image/svg+xml"), (header::CACHE_CONTROL, "no-store")], picture).into_response()
        }
        Err(e) => refuse(&Error::internal(e)),
    }
}

/// What a provider says of a payment; answered in the provider's own form.
async fn notify(
    State(app): State<App>,
    origin: Origin,
    Path(provider): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match Method::parse(&provider).filter(|m| m.is_online()) {
        Some(method) => heard(&app, method, &headers, &body, &origin).await,
        None => (StatusCode::NOT_FOUND, "no such provider").into_response(),
    }
}

/// The same from a provider that says it in the address.
async fn notify_by_query(
    State(app): State<App>,
    origin: Origin,
    Path(provider): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    match Method::parse(&provider).filter(|m| *m == Method::Epay) {
        Some(method) => heard(&app, method, &headers, uri.query().unwrap_or_default().as_bytes(), &origin).await,
        None => (StatusCode::NOT_FOUND, "no such provider").into_response(),
    }
}

/// Hands a notification over, and answers as the provider wants it.
pub(crate) async fn heard(app: &App, method: Method, headers: &HeaderMap, said: &[u8], origin: &Origin) -> Response {
    let (status, kind, body) = order::notify(app, method, headers, said, &origin.ip).await;
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, kind)], body).into_response()
}
