//! `settings_update`: what people set this agent to. It lasts as long as the agent runs; the daemon
//! says it again with each link.

use gangplank_proto::job::{Done, Outcome};
use gangplank_proto::settings::Settings;
use serde::Deserialize as _;
use serde_json::Value;

use super::{Context, failed};

pub(super) fn run(params: &Value, context: &Context) -> Done {
    let said = Settings::deserialize(params).map_err(|error| error.to_string());
    match said.and_then(|said| said.checked().map_err(|error| error.to_string())) {
        Ok(said) => {
            context.settings.send_modify(|settings| *settings = said.over(*settings));
            Done::new(Outcome::Succeeded, None)
        }
        Err(error) => failed(&format!("settings_update takes no such params: {error}")),
    }
}
