//! `report_now`: the host in full. The report is what the command prints.

use gangplank_proto::job::{Done, Outcome};

use super::{Context, print};
use crate::report;

pub(super) async fn run(context: &Context) -> Done {
    let report = tokio::select! {
        report = report::collect() => report,
        () = context.cancel.cancelled() => {
            return Done::new(Outcome::Cancelled, Some("called off while it ran"));
        }
    };
    print(&report, context).await
}
