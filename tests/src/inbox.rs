//! Alerts, as those who raise them have them.

use serde_json::{Value, json};

use crate::http::Client;

/// An alert.
pub fn alert(id: &str, title: &str) -> Value {
    json!({
        "id": id, "title": title, "severity": "high", "status": "new", "source": "sensor-3",
        "iocs": ["192.0.2.17", { "type": "port", "value": 22 }],
        "mitre_techniques": ["T1110"], "timestamp": "2026-01-15T09:30:00Z",
    })
}

impl Client {
    /// Publishes a message, or a list of them.
    pub async fn tell(&self, channel: &str, message: Value) {
        self.post(&format!("/api/v1/channels/{channel}/events"), message).await.expect(202);
    }
}
