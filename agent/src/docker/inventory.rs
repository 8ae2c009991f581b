//! Everything that the engine has.

use bollard::models::{
    ContainerSummary, ImageSummary, Network as FoundNetwork, PortSummary, SystemVersion,
    Volume as FoundVolume,
};
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListImagesOptions, ListNetworksOptions, ListVolumesOptions,
};
use gangplank_proto::docker::{Container, DockerInventory, Engine, Image, Network, Volume};
use gangplank_proto::fact::FactText;

use super::{DockerError, connect};
use crate::policy::Policy;

/// The label that compose puts on what it makes.
const PROJECT: &str = "com.docker.compose.project";

/// Finds everything out. What the engine can't tell is told in the inventory.
///
/// # Errors
/// When the host doesn't allow it, or no engine answers.
pub async fn collect(policy: &Policy) -> Result<DockerInventory, DockerError> {
    let socket = policy.docker.as_deref().ok_or(DockerError::NotAllowed)?;
    let docker = connect(socket).await?;
    let mut problems = Vec::new();
    let engine = docker.version().await?;
    let every = ListContainersOptionsBuilder::new().all(true).build();
    let containers = docker.list_containers(Some(every)).await?;
    let images =
        or_problem(docker.list_images(None::<ListImagesOptions>).await, "images", &mut problems);
    let volumes = docker.list_volumes(None::<ListVolumesOptions>).await;
    let volumes = volumes.map(|list| list.volumes.unwrap_or_default());
    let volumes = or_problem(volumes, "volumes", &mut problems);
    let networks = docker.list_networks(None::<ListNetworksOptions>).await;
    let networks = or_problem(networks, "networks", &mut problems);
    Ok(DockerInventory {
        engine: of_engine(engine),
        containers: containers.into_iter().map(of_container).collect(),
        images: images.into_iter().map(of_image).collect(),
        volumes: volumes.into_iter().map(of_volume).collect(),
        networks: networks.into_iter().map(of_network).collect(),
        updates: Vec::new(),
        problems,
    }
    .bounded())
}

fn or_problem<T>(
    found: Result<Vec<T>, bollard::errors::Error>,
    what: &str,
    problems: &mut Vec<FactText>,
) -> Vec<T> {
    found.unwrap_or_else(|error| {
        problems.push(format!("the engine does not tell its {what}: {error}").into());
        Vec::new()
    })
}

fn text(text: Option<String>) -> FactText {
    text.unwrap_or_default().into()
}

fn of_engine(found: SystemVersion) -> Engine {
    Engine {
        version: text(found.version),
        api_version: text(found.api_version),
        os: text(found.os),
        arch: text(found.arch),
    }
}

fn of_container(found: ContainerSummary) -> Container {
    let name = found.names.unwrap_or_default().into_iter().next().unwrap_or_default();
    let labels = found.labels.unwrap_or_default();
    let network = found.host_config.and_then(|config| config.network_mode);
    Container {
        id: text(found.id),
        // The engine's own names begin with a slash.
        name: name.trim_start_matches('/').into(),
        image: text(found.image),
        image_id: text(found.image_id),
        state: text(found.state.map(|state| state.to_string())),
        status: text(found.status),
        ports: found.ports.unwrap_or_default().iter().map(of_port).collect(),
        network: text(network),
        project: labels.get(PROJECT).map(|project| project.as_str().into()),
        created_at: found.created,
    }
}

fn of_port(found: &PortSummary) -> FactText {
    let protocol = found.typ.map(|protocol| protocol.to_string()).unwrap_or_default();
    let inside = format!("{}/{protocol}", found.private_port);
    match (&found.ip, found.public_port) {
        (Some(ip), Some(port)) if ip.contains(':') => format!("[{ip}]:{port}->{inside}").into(),
        (Some(ip), Some(port)) => format!("{ip}:{port}->{inside}").into(),
        (None, Some(port)) => format!("{port}->{inside}").into(),
        (_, None) => inside.into(),
    }
}

fn of_image(found: ImageSummary) -> Image {
    Image {
        id: found.id.into(),
        tags: found.repo_tags.into_iter().map(Into::into).collect(),
        size: u64::try_from(found.size).unwrap_or(0),
        created_at: Some(found.created),
    }
}

fn of_volume(found: FoundVolume) -> Volume {
    let size = found.usage_data.and_then(|usage| u64::try_from(usage.size).ok());
    Volume { name: found.name.into(), driver: found.driver.into(), size }
}

fn of_network(found: FoundNetwork) -> Network {
    Network {
        id: text(found.id),
        name: text(found.name),
        driver: text(found.driver),
        internal: found.internal.unwrap_or(false),
    }
}
