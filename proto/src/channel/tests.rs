use std::path::PathBuf;

use serde_json::json;

use super::*;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixture {
    channel: Channel,
    path: String,
    taken: Vec<Taken>,
    refused: Vec<Refused>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Taken {
    name: String,
    message: Value,
}

/// What is refused is kept as text: not all of it is JSON that every reader understands alike.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refused {
    name: String,
    text: String,
}

fn fixture(channel: Channel) -> Fixture {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/channels");
    let text = std::fs::read(folder.join(format!("{channel}.json"))).unwrap();
    let fixture: Fixture = serde_json::from_slice(&text).unwrap();
    assert_eq!((fixture.channel, fixture.path.as_str()), (channel, channel.path()));
    fixture
}

#[test]
fn messages_of_the_fixtures_are_taken_or_refused_as_they_say() {
    for channel in Channel::ALL {
        assert_eq!(channel.as_str().parse::<Channel>(), Ok(channel));
        let fixture = fixture(channel);
        assert!(!fixture.taken.is_empty() && !fixture.refused.is_empty());
        for taken in fixture.taken {
            let read = channel.parse(taken.message.to_string().as_bytes());
            let read = read.unwrap_or_else(|error| panic!("{channel}: {}: {error}", taken.name));
            assert_eq!(read, taken.message, "{channel}: {}", taken.name);
        }
        for refused in fixture.refused {
            let read = channel.parse(refused.text.as_bytes());
            assert!(read.is_err(), "{channel}: {}", refused.name);
        }
    }
}

/// Every field of a message, at its top: missing, null, of another type; and one that isn't known.
#[test]
fn no_field_can_be_bent() {
    let optional = ["case_id", "network_attack_id", "expires_at"];
    for channel in Channel::ALL {
        let fixture = fixture(channel);
        let message = fixture.taken[0].message.as_object().unwrap().clone();
        for (name, value) in &message {
            let mut bent = message.clone();
            bent.remove(name);
            let refused = channel.check(&bent.clone().into()).is_err();
            assert!(refused || optional.contains(&name.as_str()), "{channel}: no {name}");
            bent.insert(name.clone(), Value::Null);
            let refused = channel.check(&bent.clone().into()).is_err();
            assert!(refused || optional.contains(&name.as_str()), "{channel}: {name} is null");
            for other in [json!(true), json!(["x"]), json!({ "x": 1 }), json!("x".repeat(70_000))] {
                // An object whose keys are free, and a list of words, take another of their kind.
                if std::mem::discriminant(&other) == std::mem::discriminant(value)
                    && !value.is_string()
                    && (name != "data" || channel != Channel::Vpn)
                {
                    continue;
                }
                bent.insert(name.clone(), other.clone());
                assert!(channel.check(&bent.clone().into()).is_err(), "{channel}: {name}");
            }
        }
        let mut more = message.clone();
        more.insert("tenant_id".to_owned(), json!("another"));
        assert!(channel.check(&more.into()).is_err(), "{channel}: a field too many");
    }
}

#[test]
fn lists_texts_and_the_whole_are_bounded() {
    let alert = fixture(Channel::Alerts).taken.remove(0).message;
    let with = |name: &str, value: Value| {
        let mut alert = alert.clone();
        alert[name] = value;
        Channel::Alerts.parse(alert.to_string().as_bytes()).is_ok()
    };
    assert!(with("iocs", json!(vec!["192.0.2.1"; 256])));
    assert!(!with("iocs", json!(vec!["192.0.2.1"; 257])));
    assert!(with("title", json!("x".repeat(1024))) && !with("title", json!("x".repeat(1025))));
    assert!(!with("title", json!("two\nlines")) && !with("title", json!(" ")));
    assert!(!with("timestamp", json!("yesterday")));
    let thought = fixture(Channel::AgentThoughts).taken.remove(0).message;
    let mut large = thought.clone();
    large["details"] = json!({ "text": "x".repeat(BOUNDS.bytes) });
    assert!(Channel::AgentThoughts.parse(large.to_string().as_bytes()).is_err());
    let mut deep = thought;
    deep["details"] = json!({ "x": (0..BOUNDS.depth).fold(json!(1), |value, _| json!([value])) });
    assert!(Channel::AgentThoughts.parse(deep.to_string().as_bytes()).is_err());
}

#[test]
fn enveloped_messages_are_as_the_fixture_shows_them() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/channels");
    let text = std::fs::read(folder.join("enveloped.json")).unwrap();
    let fixture: Value = serde_json::from_slice(&text).unwrap();
    let read: crate::event::Positions =
        serde_json::from_value(fixture["positions"].clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), fixture["positions"]);
    for event in fixture["events"].as_array().unwrap() {
        let read: crate::event::Event = serde_json::from_value(event.clone()).unwrap();
        assert_eq!(&serde_json::to_value(&read).unwrap(), event);
        let channel: Channel = read.topic.parse().unwrap();
        channel.check(&read.data).unwrap();
    }
    for gap in fixture["gaps"].as_array().unwrap() {
        let read: crate::event::Gap = serde_json::from_value(gap.clone()).unwrap();
        assert_eq!(&serde_json::to_value(&read).unwrap(), gap);
    }
}
