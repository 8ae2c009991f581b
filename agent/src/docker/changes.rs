//! Changes of containers as they happen.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bollard::models::{EventActor, EventMessage};
use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::{StreamExt as _, pin_mut};
use gangplank_proto::docker::{DockerEvent, DockerStatus};
use gangplank_proto::settings::Settings;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::{broadcast, watch};
use tokio::time::sleep;

use super::{DockerError, connect};
use crate::config::Local;

/// Changes that wait to be told. A link that is further behind misses the oldest; the next
/// inventory has what they came to.
const WAITING: usize = 64;

/// Wait until an engine that went is looked for again.
const AGAIN: Duration = Duration::from_secs(30);

/// What happens to a container, the event's name for it, and its state from then on.
const EVENTS: &[(&str, &str, &str)] = &[
    ("start", "container_start", "running"),
    ("stop", "container_stop", "exited"),
    ("die", "container_die", "exited"),
    ("pause", "container_pause", "paused"),
    ("unpause", "container_unpause", "running"),
    ("kill", "container_kill", "exited"),
    ("destroy", "container_destroy", "removed"),
];

/// Where changes are told.
#[derive(Debug, Clone)]
pub struct Changes(broadcast::Sender<DockerStatus>);

impl Default for Changes {
    fn default() -> Self {
        Self(broadcast::Sender::new(WAITING))
    }
}

impl Changes {
    /// Those from now on.
    #[must_use]
    pub fn listen(&self) -> Heard {
        Heard(self.0.subscribe())
    }
}

/// Changes, one after the other.
#[derive(Debug)]
pub struct Heard(broadcast::Receiver<DockerStatus>);

impl Heard {
    /// The next one.
    pub async fn next(&mut self) -> DockerStatus {
        loop {
            match self.0.recv().await {
                Ok(change) => return change,
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    tracing::info!(missed, "containers change faster than it can be told");
                }
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}

/// Follows the engine for as long as the host allows it and people want it.
pub async fn follow(
    changes: Changes,
    mut local: watch::Receiver<Arc<Local>>,
    mut settings: watch::Receiver<Settings>,
) {
    let mut said = String::new();
    loop {
        let wanted = settings.borrow_and_update().docker_events == Some(true);
        let socket = local.borrow_and_update().policy.docker.clone().filter(|_| wanted);
        let followed = async {
            let Some(socket) = socket else { return std::future::pending().await };
            let error = match tell(&changes, &socket).await {
                Ok(()) => "its events ended".to_owned(),
                Err(error) => error.to_string(),
            };
            if error != said {
                tracing::warn!(%error, "containers can't be followed; trying again");
                said = error;
            }
            sleep(AGAIN).await;
        };
        tokio::select! {
            () = followed => {}
            changed = local.changed() => if changed.is_err() { return },
            changed = settings.changed() => if changed.is_err() { return },
        }
    }
}

/// Tells what happens until the engine goes.
async fn tell(changes: &Changes, socket: &Path) -> Result<(), DockerError> {
    let docker = connect(socket).await?;
    let filters = HashMap::from([("type", vec!["container"])]);
    let events = docker.events(Some(EventsOptionsBuilder::new().filters(&filters).build()));
    pin_mut!(events);
    while let Some(event) = events.next().await {
        if let Some(change) = change(event?) {
            // Without a link nobody is told.
            let _ = changes.0.send(change);
        }
    }
    Ok(())
}

fn change(event: EventMessage) -> Option<DockerStatus> {
    let action = event.action?;
    let (_, kind, status) = EVENTS.iter().find(|(name, _, _)| *name == action)?;
    let EventActor { id, attributes } = event.actor?;
    let mut attributes = attributes.unwrap_or_default();
    let mut attribute = |name| attributes.remove(name).unwrap_or_default().into();
    let at = OffsetDateTime::from_unix_timestamp(event.time?).ok()?.format(&Rfc3339).ok()?;
    Some(DockerStatus {
        container_id: id?.into(),
        name: attribute("name"),
        status: (*status).into(),
        timestamp: at.into(),
        event: DockerEvent { kind: (*kind).into(), image: attribute("image") },
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn event(action: &str) -> EventMessage {
        let attributes = HashMap::from([("name".to_owned(), "web".to_owned())]);
        EventMessage {
            action: Some(action.to_owned()),
            actor: Some(EventActor { id: Some("a1".to_owned()), attributes: Some(attributes) }),
            time: Some(0),
            ..EventMessage::default()
        }
    }

    #[test]
    fn what_changes_a_container_is_told_and_nothing_else() {
        let told = change(event("die")).unwrap();
        assert_eq!((told.name.as_str(), told.status.as_str()), ("web", "exited"));
        assert_eq!(told.timestamp.as_str(), "1970-01-01T00:00:00Z");
        assert_eq!(change(event("exec_create: sh")), None);
    }
}
