//! Routes about channels.

use gangplank_proto::channel::Channel;
use http::Method;

use super::{CHANNEL, open, person};
use crate::auth::Permission;
use crate::event::Topic;
use crate::http::route::{Credential, Handler, Kind, OriginRule, Route};
use crate::http::{channels, events, publish};

/// Who may publish, in the order in which they decide: what a page can't send comes before a cookie.
const PUBLISHER: &[Credential] =
    &[Credential::InternalToken, Credential::Bearer, Credential::Cookie];

pub(super) fn routes() -> Vec<Route> {
    let mut routes = vec![
        Route {
            kind: Kind::PersonStream,
            origin: OriginRule::Ours,
            credentials: CHANNEL,
            ..open("/api/v1/ws/events", "Topics, with a cursor", handler!(events::socket))
        },
        Route {
            credentials: PUBLISHER,
            ..person(
                Method::POST,
                "/api/v1/channels/{channel}/events",
                Some(Permission::ChannelsPublish),
                "Publish a message, or a list of them, into a channel",
                handler!(publish::publish),
            )
        },
    ];
    routes.extend(Channel::ALL.into_iter().map(|channel| Route {
        kind: Kind::PersonSocket,
        origin: OriginRule::Ours,
        credentials: CHANNEL,
        permission: Some(Topic::of(channel).permission()),
        ..open(channel.path(), summary(channel), handler!(channels::socket))
    }));
    routes
}

fn summary(channel: Channel) -> &'static str {
    match channel {
        Channel::Security => "The channel of security",
        Channel::Vpn => "The channel of terminals and tunnels",
        Channel::Alerts => "The channel of alerts",
        Channel::AgentThoughts => "The channel of automatic investigators",
        Channel::Approvals => "The channel of approvals",
        Channel::Receipts => "The channel of receipts",
    }
}
