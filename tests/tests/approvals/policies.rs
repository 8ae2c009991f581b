//! What needs approval is said by administrators.

use serde_json::{Value, json};

use super::World;

#[tokio::test]
async fn policies_are_the_administrators_business() {
    let world = World::of("policies").await;
    let path = "/api/v1/approval-policies";
    let policy = json!({ "name": "x", "labels": ["nowhere"] });
    world.alice.post(path, policy.clone()).await.refused(403);
    world.alice.get(path).await.refused(403);
    let made = world
        .policy(json!({ "hours": { "from": "18:00", "to": "08:00",
        "utc_offset": "+01:00" }, "terminals": ["direct"], "roles": ["operator"] }))
        .await;
    let one = format!("{path}/{}", made["id"].as_str().expect("an id"));
    world.alice.patch(&one, json!({ "enabled": false })).await.refused(403);
    world.alice.delete(&one).await.refused(403);
    for wrong in [
        json!({ "labels": ["x"] }),
        json!({ "name": "x", "life": "8d" }),
        json!({ "name": "x", "life": "0s" }),
        json!({ "name": "x", "commands": ["rm"] }),
        json!({ "name": "x", "hours": { "from": "18:00", "to": "18:00" } }),
        json!({ "name": "x", "terminals": ["telnet"] }),
        json!({ "name": "x", "permissions": ["root"] }),
        json!({ "name": "x", "unknown": 1 }),
    ] {
        world.admin.post(path, wrong).await.refused(400);
    }
    world.admin.patch(&one, json!({ "id": "x" })).await.refused(400);
    let changed = world.admin.patch(&one, json!({ "hours": null, "life": "30m" })).await;
    let changed = changed.expect(200).json();
    assert_eq!((&changed["hours"], &changed["life"]), (&Value::Null, &json!("30m")), "{changed}");
    assert_eq!(changed["terminals"], json!(["direct"]));
    world.admin.delete(&one).await.expect(204);
}
