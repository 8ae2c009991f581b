//! Bringing hosts and users over: read here, as whoever asks, and written by the daemon.

use gangplank_proto::secret::Secret;

use super::ImportCommand;
use super::output::{Failure, say, say_json};
use crate::admin::{Request, Response};
use crate::import::{self, From, Summary, Tally};

pub(super) fn import(command: ImportCommand) -> Result<(), Failure> {
    let ImportCommand::Patchmon { from, dry_run, plain } = command;
    let is_url = from.starts_with("postgres://") || from.starts_with("postgresql://");
    let from = if is_url { From::Database(Secret::new(from)) } else { From::Dump(from.into()) };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::new)?;
    let (import, unread) = runtime.block_on(import::read(from)).map_err(Failure::new)?;
    drop(runtime);
    let response = plain.place.request(Request::Import { import, dry_run })?;
    let Response::Imported(mut summary) = response else {
        return Err(Failure::new("the running gangplankd answered something else; restart it"));
    };
    summary.hosts.refused.extend(unread.hosts.refused);
    summary.users.refused.extend(unread.users.refused);
    if plain.json { say_json(&summary) } else { say(text(&summary)) }
}

fn text(summary: &Summary) -> String {
    let mut lines = vec![tally("Hosts", &summary.hosts), tally("Users", &summary.users)];
    for (what, tally) in [("host", &summary.hosts), ("user", &summary.users)] {
        let refused = tally.refused.iter();
        lines.extend(refused.map(|one| format!("Not taken: {what} {}: {}", one.name, one.why)));
    }
    lines.push("Passwords and agents' keys stay what they are.".to_owned());
    if summary.dry_run {
        lines.push("This was a dry run: nothing was changed.".to_owned());
    }
    lines.join("\n")
}

fn tally(what: &str, tally: &Tally) -> String {
    let (taken, present, refused) = (tally.taken.len(), tally.present.len(), tally.refused.len());
    format!("{what}  {taken} taken, {present} here already, {refused} not taken")
}
