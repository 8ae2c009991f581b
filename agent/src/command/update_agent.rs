//! `update_agent {version?, url?, force?}`: a newer, signed program in place of this one. The job's end
//! is told by whichever program runs afterwards.

use gangplank_proto::release::Version;
use serde::Deserialize;
use serde_json::Value;

use super::{Context, failed};
use crate::update::state::Ordered;
use crate::update::{End, KeyError, Order, Updates};

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Params {
    version: Option<Version>,
    url: Option<String>,
    force: bool,
}

pub(super) async fn run(params: &Value, context: &Context, updates: &Updates, job: Ordered) -> End {
    if !context.local.policy.update {
        let why = "this host's agent is not updated from afar; its owner can set \
                   policy.update = true";
        return End::Done(failed(why));
    }
    let keys = &context.local.keys;
    if keys.is_empty() {
        return End::Done(failed(&KeyError::NoKeys.to_string()));
    }
    let params = match params {
        Value::Null => Ok(Params::default()),
        given => Params::deserialize(given),
    };
    let Params { version, url, force } = match params {
        Ok(params) => params,
        Err(error) => {
            let why = format!("update_agent takes version, url and force: {error}");
            return End::Done(failed(&why));
        }
    };
    let order = Order { version, url, force, job };
    let say = |progress| context.progress.say(progress);
    updates.carry_out(&order, keys, &context.cancel, &say).await
}
