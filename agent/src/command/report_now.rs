//! `report_now`: the host in full. The report is what the command prints.

use gangplank_proto::job::{Done, Outcome};

use super::{Context, failed};
use crate::report;

pub(super) async fn run(context: &Context) -> Done {
    let report = tokio::select! {
        report = report::collect() => report,
        () = context.cancel.cancelled() => {
            return Done::new(Outcome::Cancelled, Some("called off while it ran"));
        }
    };
    match serde_json::to_vec(&report) {
        Ok(text) => {
            context.output.print(&text).await;
            Done::new(Outcome::Succeeded, None)
        }
        Err(error) => failed(&format!("the report can't be written: {error}")),
    }
}
