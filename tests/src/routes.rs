//! The routes of a daemon, out of its own document, so that a test over all of them forgets none.

use crate::http::Client;

/// An entry of the document.
#[derive(Debug, Clone)]
pub struct Route {
    /// Method.
    pub method: String,
    /// Path, with parameters in braces.
    pub path: String,
    /// Whether it opens a socket.
    pub socket: bool,
    takes: Vec<String>,
}

impl Route {
    /// Names of the path's parameters.
    pub fn parameters(&self) -> Vec<&str> {
        let parts = self.path.split('/').filter_map(|part| part.strip_prefix('{'));
        parts.filter_map(|part| part.strip_suffix('}')).collect()
    }

    /// Whether it takes a kind of credential, by its name in the document.
    pub fn takes(&self, scheme: &str) -> bool {
        self.takes.iter().any(|taken| taken == scheme)
    }
}

impl Client {
    /// Every route.
    pub async fn routes(&self) -> Vec<Route> {
        let document = self.get("/api/v1/openapi.json").await.expect(200).json();
        let mut routes = Vec::new();
        for (path, methods) in document["paths"].as_object().expect("paths") {
            for (method, operation) in methods.as_object().expect("methods") {
                let security = operation["security"].as_array().expect("a list");
                let names = security.iter().filter_map(|one| one.as_object());
                let takes = names.flat_map(|one| one.keys().cloned()).collect();
                let socket = operation["responses"]["101"].is_object();
                let (method, path) = (method.to_uppercase(), path.clone());
                routes.push(Route { method, path, socket, takes });
            }
        }
        routes
    }
}
