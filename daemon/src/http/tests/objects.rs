//! What belongs to another tenant doesn't exist.

use gangplank_proto::id::HostId;
use gangplank_proto::job::Command;
use http::{Method, StatusCode};

use super::guarded;
use super::world::{With, world};
use crate::audit::By;
use crate::http::route::Kind;
use crate::http::routes;
use crate::job;
use crate::store::{NewBatch, NewJob, Selector};

#[tokio::test]
async fn another_tenant_s_host_is_one_that_does_not_exist() {
    let world = world().await;
    for route in guarded().filter(|route| route.path.contains("{host_id}")) {
        for (who, host) in [
            (&world.admin, world.other_host.to_string()),
            (&world.other_admin, world.host.to_string()),
            (&world.admin, HostId::new().to_string()),
            (&world.admin, "not-an-id".to_owned()),
        ] {
            let with = |bearer| With {
                bearer: Some(bearer),
                host_id: Some(host.clone()),
                ..With::default()
            };
            let (status, body) = world.ask(route, with(&who.bearer)).await;
            assert_eq!(status, StatusCode::NOT_FOUND, "{route:?} with {host}");
            assert_eq!(body, br#"{"code":"not_found","error":"not found"}"#, "{route:?}");
        }
    }
    // Lists show one's own.
    for (who, host) in [(&world.admin, world.host), (&world.other_admin, world.other_host)] {
        let list = routes().iter().find(|r| r.path == "/api/v1/hosts" && r.method == Method::GET);
        let with = With { bearer: Some(&who.bearer), ..With::default() };
        let (_, body) = world.ask(list.unwrap(), with).await;
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["items"].as_array().unwrap().len(), 1);
        assert_eq!(body["items"][0]["id"], host.to_string());
    }
}

#[tokio::test]
async fn another_tenant_s_job_is_one_that_does_not_exist() {
    let world = world().await;
    let (first, by) = (world.app.first_tenant, By::daemon(world.app.clock.now()));
    let new = NewJob {
        command: Command::ReportNow,
        params: serde_json::json!({}),
        priority: 5,
        retries: 0,
        not_before: by.at,
        deadline: by.at.plus(std::time::Duration::from_secs(60)),
        idempotency_key: None,
    };
    let job = job::order(&world.app, first, &by, world.host, &new).await.unwrap().unwrap();
    let spread = std::time::Duration::ZERO;
    let new = NewBatch {
        job: new,
        selector: Selector::Hosts(vec![world.host]),
        rings: true,
        max_failures: 0,
    };
    let batch = job::order_many(&world.app, first, &by, &new, spread).await.unwrap().batch;
    let ids = [("{job_id}", job.to_string()), ("{batch_id}", batch.to_string())];
    for (name, id) in ids {
        let routes = guarded().filter(|route| route.path.contains(name));
        for route in routes.filter(|route| route.kind == Kind::Person) {
            let with = With {
                bearer: Some(&world.other_admin.bearer),
                object_id: Some(id.clone()),
                ..With::default()
            };
            let (status, body) = world.ask(route, with).await;
            assert_eq!(status, StatusCode::NOT_FOUND, "{route:?}");
            assert_eq!(body, br#"{"code":"not_found","error":"not found"}"#, "{route:?}");
        }
        let own = With {
            bearer: Some(&world.admin.bearer),
            object_id: Some(id.clone()),
            ..With::default()
        };
        let get = guarded().find(|r| r.path.ends_with(name) && r.method == Method::GET);
        assert_eq!(world.ask(get.unwrap(), own).await.0, StatusCode::OK);
    }
    // Nor is it on another tenant's board.
    let other = world.app.auth.cookie(&world.other_admin.cookie).await.unwrap().tenant;
    let board = world.app.store.job_board(other).await.unwrap();
    assert_eq!((board.seq, board.counts.len()), (0, 0));
    assert!(board.queued.is_empty() && board.batches.is_empty());
    let tally = world.app.store.job_tally(other, [batch]).await.unwrap();
    assert!(tally.counts.is_empty() && tally.batches.is_empty());
    let board = world.app.store.job_board(first).await.unwrap();
    assert_eq!((board.queued.len(), board.batches.len()), (2, 1));
    // An agent posts about its own host's jobs only.
    let result = guarded().find(|r| r.path == "/api/v1/commands/{job_id}/result").unwrap();
    let posts = |device: &str, job: String| {
        let device = device.to_owned();
        let world = &world;
        async move {
            let with = With { device: Some(&device), object_id: Some(job), ..With::default() };
            world.ask(result, with).await
        }
    };
    let own = format!("{}.{}", world.agent.0, world.agent.1);
    let (status, unknown) = posts(&own, HostId::new().to_string()).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(posts(&world.other_agent, job.to_string()).await, (status, unknown));
    // Its own is found, and the empty body is not a result.
    assert_eq!(posts(&own, job.to_string()).await.0, StatusCode::BAD_REQUEST);
}
