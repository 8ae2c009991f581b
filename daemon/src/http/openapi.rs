//! The OpenAPI 3.1 document, made from the route table.

use std::sync::Arc;

use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::error::Refusal;
use super::gate::Call;
use super::route::{Credential, Route};
use crate::app::App;

pub(super) async fn document(_app: Arc<App>, _call: Call) -> Result<Response, Refusal> {
    let mut paths = Map::new();
    for route in super::routes() {
        let path = paths.entry(route.path.replace("{*", "{")).or_insert_with(|| json!({}));
        if let Value::Object(methods) = path {
            methods.insert(route.method.as_str().to_ascii_lowercase(), operation(route));
        }
    }
    super::json(
        StatusCode::OK,
        &json!({
            "openapi": "3.1.0",
            "info": { "title": "Gangplank", "version": env!("CARGO_PKG_VERSION") },
            "paths": paths,
            "components": { "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" },
                "cookie": { "type": "apiKey", "in": "cookie", "name": super::login::COOKIE },
                "boardCookie":
                    { "type": "apiKey", "in": "cookie", "name": super::gate::BOARD_COOKIE },
                "ticket": { "type": "apiKey", "in": "query", "name": "ticket" },
                "queryToken": { "type": "apiKey", "in": "query", "name": "token" },
                "agentKey": { "type": "apiKey", "in": "header", "name": "X-API-KEY",
                    "description": "Together with X-API-ID." },
                "deviceKey": { "type": "apiKey", "in": "header", "name": "X-Device-Key",
                    "description": "API id and API key of the host's agent, with a dot between." },
                "provisioningKey":
                    { "type": "apiKey", "in": "header", "name": "X-Provisioning-Key" },
                "signature": { "type": "apiKey", "in": "header", "name": "X-Signature",
                    "description": "sha256= and HMAC-SHA256, in hex, over X-Timestamp (unix seconds), a dot and the raw body; with X-Delivery-Id." },
                "internalToken": { "type": "apiKey", "in": "header", "name": "X-Internal-Token",
                    "description": "With the tenant's id or name in X-Tenant-ID, where the path names none." },
            } },
        }),
    )
}

fn operation(route: &Route) -> Value {
    let parameters: Vec<_> = route
        .path
        .split(['/', '{', '}', '*'])
        .filter(|part| route.path.contains(&format!("{{{part}}}")) && !part.is_empty())
        .map(|name| {
            let schema = match name.ends_with("_id") {
                true => json!({ "type": "string", "format": "uuid" }),
                false => json!({ "type": "string" }),
            };
            json!({ "name": name, "in": "path", "required": true, "schema": schema })
        })
        .collect();
    let security: Vec<_> =
        route.credentials.iter().map(|credential| json!({ scheme(*credential): [] })).collect();
    let mut operation = json!({ "summary": route.summary, "parameters": parameters });
    if let Value::Object(operation) = &mut operation {
        operation.insert("security".to_owned(), json!(security));
        if let Some(permission) = route.permission {
            operation.insert("x-permission".to_owned(), json!(permission));
        }
        let answer = if route.kind.is_socket() { "101" } else { "2XX" };
        let responses = json!({ answer: { "description": "Done" }, "4XX": { "description":
            "Refused: {\"error\": text for people, \"code\": snake_case}" } });
        operation.insert("responses".to_owned(), responses);
    }
    operation
}

fn scheme(credential: Credential) -> &'static str {
    match credential {
        Credential::Ticket => "ticket",
        Credential::QueryToken => "queryToken",
        Credential::Bearer => "bearer",
        Credential::Cookie => "cookie",
        Credential::BoardCookie => "boardCookie",
        Credential::AgentKey => "agentKey",
        Credential::DeviceKey => "deviceKey",
        Credential::ProvisioningKey => "provisioningKey",
        Credential::InternalToken => "internalToken",
        Credential::Signature => "signature",
    }
}
