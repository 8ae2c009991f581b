//! Alerts of our own, on the channel `alerts`. What happens again is the same alert again: its id
//! says what it is about.

use gangplank_proto::id::{HostId, TenantId};
use serde_json::{Value, json};

use crate::app::App;
use crate::event::Topic;

/// A host shows another SSH key than the known ones, or its agent reports other keys than before.
pub async fn host_key_changed(app: &App, tenant: TenantId, host: HostId, shown: Option<&str>) {
    let name = match app.store.host(tenant, host).await {
        Ok(found) => found.map(|host| host.friendly_name),
        Err(_) => None,
    };
    let name = name.unwrap_or_else(|| host.to_string());
    raise(app, tenant, key_alert(host, &name, shown, &app.clock.now().to_string())).await;
}

fn key_alert(host: HostId, name: &str, shown: Option<&str>, now: &str) -> Value {
    let iocs: Vec<_> =
        shown.map(|shown| json!({ "type": "ssh_host_key", "value": shown })).into_iter().collect();
    json!({
        "id": format!("host_key_changed:{host}:{}", shown.unwrap_or("reported")),
        "title": format!("{name} shows another SSH host key than before"),
        "severity": "critical",
        "status": "new",
        "source": "gangplank",
        "iocs": iocs,
        // Adversary-in-the-Middle.
        "mitre_techniques": ["T1557"],
        "timestamp": now,
    })
}

async fn raise(app: &App, tenant: TenantId, alert: Value) {
    if let Err(error) = app.events.publish(tenant, Topic::Alerts, &alert).await {
        tracing::error!(%error, "an alert could not be published");
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use gangplank_proto::channel::Channel;

    use super::*;

    #[test]
    fn our_own_alerts_are_of_the_channel_s_form() {
        let host = HostId::new();
        for shown in [None, Some("SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU")] {
            let alert = key_alert(host, "web-1", shown, "2026-01-15T09:30:00Z");
            Channel::Alerts.check(&alert).unwrap();
        }
    }
}
