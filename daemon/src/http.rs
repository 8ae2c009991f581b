//! HTTP: the route table and the way from it to answers. Nothing below this module names HTTP.

mod account;
mod agent;
mod api_tokens;
mod approval_policies;
mod approvals;
mod audit;
mod batches;
mod board;
mod channels;
mod claims;
mod commands;
mod compliance;
mod console;
mod csv;
mod devices;
pub mod error;
mod events;
mod export;
pub mod gate;
mod head;
mod history;
mod host_keys;
mod host_settings;
mod hosts;
mod inbox;
mod ingest;
mod inspections;
mod install;
mod jobs;
mod license;
mod login;
mod oidc;
mod openapi;
mod passkeys;
mod patchmon;
mod public;
mod publish;
mod qr;
mod release;
mod roles;
pub mod route;
mod schedules;
mod security;
mod sessions;
mod settings;
mod signed;
mod sse;
mod subscriber;
mod table;
mod telemetry;
mod tell;
mod tenants;
mod terminal;
mod tickets;
pub mod upgrade;
mod users;
mod webhooks;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{RawPathParams, Request};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, MethodRouter};
use axum::{Router, middleware};
use http::{HeaderValue, Method, StatusCode, header};
use serde::Serialize;

pub use signed::REMEMBERED;
pub use table::routes;

use crate::app::App;
use error::Refusal;
use route::Route;

/// The service behind every listener.
pub fn router(app: &Arc<App>) -> Router {
    let mut paths: BTreeMap<&'static str, (MethodRouter, Vec<String>)> = BTreeMap::new();
    for route in routes() {
        let entry = paths.entry(route.path).or_insert_with(|| (MethodRouter::new(), Vec::new()));
        entry.1.push(route.method.to_string());
        let added = std::mem::take(&mut entry.0).on(filter(&route.method), serve(app, route));
        entry.0 = added;
    }
    let mut router = Router::new();
    for (path, (methods, allowed)) in paths {
        let allowed = allowed.join(", ");
        let fallback = move || {
            let allowed = HeaderValue::from_str(&allowed);
            async move { wrong_method(allowed.ok()) }
        };
        router = router.route(path, methods.fallback(fallback));
    }
    let shared = Arc::clone(app);
    router.fallback(|| async { Refusal::not_found() }).layer(middleware::from_fn(
        move |request: Request, next: middleware::Next| {
            let app = Arc::clone(&shared);
            async move {
                let asked = head::Asked::of(&request);
                let response = match head::check_host(&app, &request) {
                    Ok(()) => match head::redirect(&request) {
                        Some(redirect) => redirect,
                        None => next.run(request).await,
                    },
                    Err(refusal) => {
                        let mut response = refusal.into_response();
                        let close = HeaderValue::from_static("close");
                        response.headers_mut().insert(header::CONNECTION, close);
                        response
                    }
                };
                head::secure(asked, response)
            }
        },
    ))
}

fn serve(
    app: &Arc<App>,
    route: &'static Route,
) -> impl Fn(RawPathParams, Request) -> std::pin::Pin<Box<dyn Future<Output = Response> + Send>>
+ Clone
+ Send
+ Sync
+ 'static
+ use<> {
    let app = Arc::clone(app);
    move |params, request| Box::pin(gate::pass(Arc::clone(&app), route, params, request))
}

fn filter(method: &Method) -> MethodFilter {
    MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::GET)
}

fn wrong_method(allowed: Option<HeaderValue>) -> Refusal {
    let status = StatusCode::METHOD_NOT_ALLOWED;
    let mut refusal = Refusal::new(status, "wrong_method", "this path takes another method");
    refusal.header = allowed.map(|allowed| Box::new((header::ALLOW, allowed)));
    refusal
}

/// An answer in JSON.
fn json(status: StatusCode, body: &impl Serialize) -> Result<Response, Refusal> {
    let body = serde_json::to_vec(body).map_err(|error| {
        tracing::error!(%error, "an answer that is not JSON");
        Refusal::internal()
    })?;
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// An answer without a body.
fn no_content() -> Result<Response, Refusal> {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// Nothing to answer, or 404 when there was nothing to do it to.
fn done(found: bool) -> Result<Response, Refusal> {
    if found { no_content() } else { Err(Refusal::not_found()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
mod tests;
