//! Steps of investigators that other programs leave in a Redis stream: each is told once, in its
//! order, whichever of the two is away for a while.

use gangplank_tests::{daemon::Daemon, redis::Redis, ws::Socket};
use redis::{AsyncCommands as _, aio::MultiplexedConnection, streams::StreamReadOptions};
use serde_json::Value;

const STREAM: &str = "aurora:audit";

async fn add(connection: &mut MultiplexedConnection, action: &str) {
    let fields = [("agent", "triage"), ("action", action), ("case_id", "C-1")];
    let _: String = connection.xadd(STREAM, "*", &fields).await.expect("an entry");
}

async fn follow(daemon: &Daemon, cursor: u64) -> Socket {
    let admin = daemon.admin().await;
    let path = format!("/api/v1/ws/events?topics=agent_thoughts&cursor=agent_thoughts:{cursor}");
    admin.upgrade(&path).open().await.expect("an upgrade")
}

/// The next event, which is to be that of an action.
async fn next(events: &mut Socket, action: &str) -> u64 {
    let event = events.next_json().await;
    assert_eq!(event["data"]["action"], action, "{event}");
    event["seq"].as_u64().expect("a number")
}

fn reading(redis: &Redis) -> Daemon {
    Daemon::with(&[("redis.url", &redis.url())])
}

#[tokio::test]
async fn steps_in_a_stream_are_told_to_those_who_follow_investigators() {
    let redis = Redis::start().await;
    let mut connection = redis.connection().await;
    add(&mut connection, "before the daemon").await;
    let daemon = reading(&redis);
    let mut events = follow(&daemon, 0).await;
    next(&mut events, "before the daemon").await;
    let json = r#"{"agent":"a","action":"as JSON","case_id":null,"details":{"why":"<b>"},
        "duration_ms":3,"timestamp":"2026-01-02T03:04:05Z"}"#;
    let _: String = connection.xadd(STREAM, "*", &[("data", json)]).await.expect("an entry");
    let _: String = connection.xadd(STREAM, "*", &[("data", "{")]).await.expect("an entry");
    let _: String = connection.xadd(STREAM, "*", &[("agent", "x\u{1b}[2J")]).await.expect("one");
    add(&mut connection, "after what is none").await;
    let event = events.next_json().await;
    let data: &Value = &event["data"];
    assert_eq!((&data["details"]["why"], &data["duration_ms"]), (&"<b>".into(), &3.into()));
    next(&mut events, "after what is none").await;
    let log = daemon.log();
    assert_eq!(log.matches("passed over").count(), 2, "{log}");
    let password = redis.url();
    let password = password.split([':', '@']).nth(2).expect("a password");
    assert!(!log.contains(password) && !log.contains('\u{1b}'), "{log}");
}

#[tokio::test]
async fn neither_a_death_of_redis_nor_of_the_daemon_loses_or_doubles_a_step() {
    let redis = Redis::start().await;
    let daemon = reading(&redis);
    let mut events = follow(&daemon, 0).await;
    let mut connection = redis.connection().await;
    add(&mut connection, "1").await;
    next(&mut events, "1").await;

    redis.kill();
    redis.start_again().await;
    let mut connection = redis.connection().await;
    add(&mut connection, "2").await;
    let seen = next(&mut events, "2").await;

    daemon.kill();
    add(&mut connection, "3").await;
    // Handed to us, and we died before we had it.
    let options = StreamReadOptions::default().group("gangplank", "gangplankd").count(1);
    let _: redis::Value =
        connection.xread_options(&[STREAM], &[">"], &options).await.expect("an entry");
    add(&mut connection, "4").await;
    daemon.start_again();
    let mut events = follow(&daemon, seen).await;
    next(&mut events, "3").await;
    next(&mut events, "4").await;

    // Redis forgets that it was told: everything is handed out again.
    let _: usize = redis::cmd("XGROUP")
        .arg(&["DESTROY", STREAM, "gangplank"])
        .query_async(&mut connection)
        .await
        .expect("a group");
    add(&mut connection, "5").await;
    next(&mut events, "5").await;
}

#[tokio::test]
async fn many_steps_keep_their_order_through_kills() {
    const STEPS: usize = 600;
    let redis = Redis::start().await;
    let daemon = reading(&redis);
    let adding = async {
        let mut connection = redis.connection().await;
        for step in 0..STEPS {
            add(&mut connection, &step.to_string()).await;
        }
    };
    let killing = async {
        for round in 1..=3 {
            let mut events = follow(&daemon, 0).await;
            while events.next_json().await["seq"].as_u64() < Some(round * 100) {}
            daemon.kill();
            daemon.start_again();
        }
    };
    tokio::join!(adding, killing);
    let mut events = follow(&daemon, 0).await;
    for step in 0..STEPS {
        assert_eq!(next(&mut events, &step.to_string()).await, step as u64 + 1);
    }
}
