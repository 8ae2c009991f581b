//! SSH servers that mean no good, and addresses that no terminal may dial.

use std::time::Duration;

use gangplank_tests::page::Page;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::{
    RIG, TURN,
    malice::{self, Malice},
};

#[tokio::test]
async fn a_hostile_ssh_server_hurts_its_own_page_only() {
    let _turn = TURN.lock().await;
    let control = RIG.control().await;
    let admin = RIG.daemon().admin().await;
    for (number, Malice { name, first, ever }) in malice::all().into_iter().enumerate() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let server = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("a client");
            let (mut reader, mut writer) = stream.into_split();
            let mut alive = writer.write_all(&first).await.is_ok() && !ever.is_empty();
            while alive {
                alive = writer.write_all(&ever).await.is_ok();
            }
            // Until the daemon has had enough.
            while reader.read(&mut [0; 4096]).await.is_ok_and(|length| length > 0) {}
        });
        let host = admin.add_host(&format!("hostile-{number}"), Some(("127.0.0.1", port))).await;
        let id = host["id"].as_str().expect("an id");
        let mut page = Page::open(&admin, id).await;
        let login = json!({ "username": "somebody", "password": "CANARY-for-nobody" });
        let refused = tokio::time::timeout(Duration::from_secs(30), page.refused(login)).await;
        let code = refused.expect("an error in time")["code"].clone();
        assert!(code == "unreachable" || code == "timeout", "{name}: {code}");
        tokio::time::timeout(Duration::from_secs(30), server)
            .await
            .unwrap_or_else(|_| panic!("{name}: not cut off"))
            .expect("a server");
        admin.delete(&format!("/api/v1/hosts/{id}")).await.expect(204);
    }
    RIG.holds(control).await;
}

#[tokio::test]
async fn link_local_and_strange_addresses_are_never_dialled() {
    let _turn = TURN.lock().await;
    let control = RIG.control().await;
    let admin = RIG.daemon().admin().await;
    for address in
        ["169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "0.0.0.0", "2852039166", "::"]
    {
        let body = json!({ "friendly_name": "metadata", "address": address, "port": 80 });
        let made = admin.post("/api/v1/hosts", body).await;
        if made.status == 400 {
            continue;
        }
        let id = made.expect(201).json()["id"].as_str().expect("an id").to_owned();
        let mut page = Page::open(&admin, &id).await;
        let refused = page.refused(json!({ "username": "x", "password": "y" })).await;
        let code = refused["code"].as_str().unwrap_or_default();
        assert!(["not_allowed", "unreachable"].contains(&code), "{address}: {refused}");
        admin.delete(&format!("/api/v1/hosts/{id}")).await.expect(204);
    }
    RIG.holds(control).await;
}
