//! One-time tickets: each opens one socket, for one login and one host, once.

use std::{sync::LazyLock, time::Duration};

use futures_util::future::join_all;
use gangplank_tests::{
    daemon::Daemon,
    http::Client,
    page::{V1, path},
};
use serde_json::json;

static DAEMON: LazyLock<Daemon> = LazyLock::new(Daemon::start);

async fn host(client: &Client) -> String {
    let host = client.add_host("ticket", Some(("127.0.0.1", 22))).await;
    host["id"].as_str().expect("an id").to_owned()
}

async fn status(client: &Client, host: &str, ticket: &str) -> u16 {
    match client.upgrade(&path(host, ticket)).protocol(V1).open().await {
        Ok(_) => 101,
        Err(answer) => answer.status,
    }
}

#[tokio::test]
async fn a_ticket_opens_one_socket() {
    let admin = DAEMON.admin().await;
    let host = host(&admin).await;
    let ticket = admin.ticket(&host).await;
    assert_eq!(ticket.len(), 64);
    assert!(ticket.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')), "{ticket}");
    // The ticket alone is enough: no cookie goes with it.
    let anonymous = admin.clone().anonymous();
    assert_eq!(status(&anonymous, &host, &ticket).await, 101);
    assert_eq!(status(&anonymous, &host, &ticket).await, 401);
}

#[tokio::test]
async fn a_hundred_upgrades_at_once_with_one_ticket_open_one_socket() {
    let daemon = Daemon::with(&[("limits.anonymous_sockets_per_ip", "1000")]);
    let admin = daemon.admin().await;
    let host = host(&admin).await;
    for _ in 0..3 {
        let ticket = admin.ticket(&host).await;
        let anonymous = admin.clone().anonymous();
        let tries = (0..100).map(|_| {
            let (client, path) = (anonymous.clone(), path(&host, &ticket));
            tokio::spawn(async move {
                match client.upgrade(&path).protocol(V1).open().await {
                    // The socket is kept until all have been answered.
                    Ok(socket) => (101, Some(socket)),
                    Err(answer) => (answer.status, None),
                }
            })
        });
        let answers = join_all(tries).await;
        let codes: Vec<u16> =
            answers.iter().map(|answer| answer.as_ref().expect("no panic").0).collect();
        assert_eq!(codes.iter().filter(|code| **code == 101).count(), 1, "{codes:?}");
        assert_eq!(codes.iter().filter(|code| **code == 401).count(), 99, "{codes:?}");
    }
}

#[tokio::test]
async fn a_ticket_lives_thirty_seconds() {
    let admin = DAEMON.admin().await;
    let host = host(&admin).await;
    let ticket = admin.ticket(&host).await;
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!(status(&admin.clone().anonymous(), &host, &ticket).await, 401);
}

#[tokio::test]
async fn a_refusal_leaves_the_ticket_usable_but_another_host_burns_it() {
    let admin = DAEMON.admin().await;
    let (here, there) = (host(&admin).await, host(&admin).await);
    let anonymous = admin.clone().anonymous();

    let ticket = admin.ticket(&here).await;
    let stranger = anonymous.clone().with_origin(Some("https://example.com"));
    assert_eq!(status(&stranger, &here, &ticket).await, 403);
    assert_eq!(status(&anonymous.clone().with_origin(None), &here, &ticket).await, 403);
    assert_eq!(status(&anonymous.clone().with_host("example.com"), &here, &ticket).await, 421);
    assert_eq!(status(&anonymous, &here, &ticket).await, 101);

    let ticket = admin.ticket(&here).await;
    let elsewhere = status(&anonymous, &there, &ticket).await;
    assert!([401, 404].contains(&elsewhere), "{elsewhere}");
    assert_eq!(status(&anonymous, &here, &ticket).await, 401, "a ticket for another object burns");
}

#[tokio::test]
async fn only_the_exact_text_is_a_ticket() {
    let admin = DAEMON.admin().await;
    let host = host(&admin).await;
    let ticket = admin.ticket(&host).await;
    let anonymous = admin.clone().anonymous();
    let upper = ticket.to_uppercase();
    let zeros = "0".repeat(64);
    let short = &ticket[..63];
    for wrong in [upper.as_str(), short, zeros.as_str(), "", "%00", "x", &ticket.repeat(4)] {
        if wrong != ticket {
            assert_eq!(status(&anonymous, &host, wrong).await, 401, "{wrong:?}");
        }
    }
    assert_eq!(status(&anonymous, &host, &ticket).await, 101);
}

#[tokio::test]
async fn the_first_credential_present_decides() {
    let admin = DAEMON.admin().await;
    let host = host(&admin).await;
    // A good cookie does not rescue a bad ticket.
    assert_eq!(status(&admin, &host, &"0".repeat(64)).await, 401);
    // Without a ticket the cookie itself is taken.
    let path = format!("/api/v1/ssh-terminal/{host}");
    assert!(admin.upgrade(&path).protocol(V1).open().await.is_ok());
}

#[tokio::test]
async fn the_oldest_of_too_many_tickets_goes() {
    let admin = DAEMON.admin().await;
    let host = host(&admin).await;
    let first = admin.ticket(&host).await;
    let mut last = String::new();
    for _ in 0..32 {
        last = admin.ticket(&host).await;
    }
    let anonymous = admin.clone().anonymous();
    assert_eq!(status(&anonymous, &host, &first).await, 401);
    assert_eq!(status(&anonymous, &host, &last).await, 101);
}

#[tokio::test]
async fn a_ticket_ends_with_its_login() {
    let admin = DAEMON.admin().await;
    let host = host(&admin).await;
    let ticket = admin.ticket(&host).await;
    admin.post("/api/v1/auth/logout", json!({})).await.expect(204);
    assert_eq!(status(&admin.clone().anonymous(), &host, &ticket).await, 401);
}

#[tokio::test]
async fn a_ticket_of_a_disabled_user_is_worth_nothing() {
    let admin = DAEMON.admin().await;
    let host = host(&admin).await;
    let (id, operator) = admin.add_user("ticket-operator", &["operator"]).await;
    let ticket = operator.ticket(&host).await;
    let body = json!({ "disabled": true });
    admin.patch(&format!("/api/v1/users/{id}"), body).await.expect(200);
    assert_eq!(status(&admin.clone().anonymous(), &host, &ticket).await, 401);
}

#[tokio::test]
async fn who_may_not_open_a_terminal_gets_no_ticket() {
    let admin = DAEMON.admin().await;
    let host = host(&admin).await;
    let (_, viewer) = admin.add_user("ticket-viewer", &["viewer"]).await;
    let body = json!({ "hostId": host });
    viewer.post("/api/v1/auth/ssh-ticket", body.clone()).await.refused(403);
    admin.clone().anonymous().post("/api/v1/auth/ssh-ticket", body).await.refused(401);
    let nowhere = json!({ "hostId": "00000000-0000-4000-8000-000000000000" });
    admin.post("/api/v1/auth/ssh-ticket", nowhere).await.refused(404);
    for bad in [json!({}), json!({ "hostId": 7 }), json!({ "hostId": "x" }), json!([])] {
        let answer = admin.post("/api/v1/auth/ssh-ticket", bad.clone()).await;
        assert!([400, 404, 422].contains(&answer.status), "{bad}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_ticket_is_in_no_log() {
    let admin = DAEMON.admin().await;
    let host = host(&admin).await;
    let ticket = admin.ticket(&host).await;
    assert_eq!(status(&admin.clone().anonymous(), &host, &ticket).await, 101);
    assert_eq!(status(&admin.clone().anonymous(), &host, &ticket).await, 401);
    assert!(!DAEMON.log().contains(&ticket));
    let audit = admin.get("/api/v1/audit?limit=200").await.expect(200).text();
    assert!(!audit.contains(&ticket));
}

#[tokio::test]
async fn a_refused_upgrade_leaves_a_channel_s_ticket_usable() {
    let admin = DAEMON.admin().await;
    let body = json!({ "channel": "events" });
    let made = admin.post("/api/v1/auth/ws-ticket", body).await.expect(200).json();
    let ticket = made["ticket"].as_str().expect("a ticket").to_owned();
    let anonymous = admin.clone().anonymous();
    let open = async |topics: &str| {
        let path = format!("/api/v1/ws/events?topics={topics}&ticket={ticket}");
        match anonymous.upgrade(&path).open().await {
            Ok(_) => 101,
            Err(answer) => answer.status,
        }
    };
    assert_eq!(open("no-such-topic").await, 400);
    assert_eq!(open("hosts").await, 101);
    assert_eq!(open("hosts").await, 401);
}

#[tokio::test]
async fn a_token_for_one_socket_opens_that_one_by_its_query() {
    let admin = DAEMON.admin().await;
    let (host, other) = (host(&admin).await, host(&admin).await);
    let socket = format!("/api/v1/ssh-terminal/{host}");
    let token = async |audience: Option<&str>| {
        let mut body = json!({ "username": "admin", "password": DAEMON.password() });
        body["audience"] = audience.into();
        let answer = admin.clone().anonymous().post("/api/v1/auth/token", body).await.expect(200);
        answer.json()["access_token"].as_str().expect("a token").to_owned()
    };
    let anonymous = admin.clone().anonymous();
    let open = async |path: &str, token: &str| match anonymous
        .upgrade(&format!("{path}?token={token}"))
        .open()
        .await
    {
        Ok(_) => 101,
        Err(answer) => answer.status,
    };
    let made = token(Some(&socket)).await;
    assert_eq!(open(&socket, &made).await, 101);
    assert_eq!(open(&format!("/api/v1/ssh-terminal/{other}"), &made).await, 401);
    assert_eq!(open(&socket, &token(None).await).await, 401, "the API's token is for the API");
    let as_bearer = anonymous.clone().with_bearer(&made).get("/api/v1/hosts").await;
    as_bearer.refused(401);

    let strict = Daemon::with(&[("auth.legacy_query_token", "false")]);
    let admin = strict.admin().await;
    let host = admin.add_host("strict", None).await["id"].as_str().expect("an id").to_owned();
    let socket = format!("/api/v1/ssh-terminal/{host}");
    let body = json!({ "username": "admin", "password": strict.password(), "audience": socket });
    let made = admin.clone().anonymous().post("/api/v1/auth/token", body).await.expect(200).json();
    let made = made["access_token"].as_str().expect("a token");
    let refused = admin.clone().anonymous().upgrade(&format!("{socket}?token={made}")).open().await;
    assert_eq!(refused.expect_err("the switch is off").status, 401);
}
