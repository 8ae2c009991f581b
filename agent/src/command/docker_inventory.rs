//! `docker_inventory`: the host's containers. The inventory is what the command prints.

use gangplank_proto::job::Done;

use super::{Context, failed, print};
use crate::docker;

pub(super) async fn run(context: &Context) -> Done {
    match docker::collect(&context.local.policy).await {
        Ok(inventory) => print(&inventory, context).await,
        Err(error) => failed(&error.to_string()),
    }
}
