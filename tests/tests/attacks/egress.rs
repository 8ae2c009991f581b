//! Addresses inside, for everything by which the daemon reaches out: nobody there may be called.

use std::net::{IpAddr, SocketAddr};

use gangplank_proto::channel::Channel;
use gangplank_tests::{channel::alert, eventually, farm::Farm, http::Client, page::Page};
use serde_json::{Value, json};

use crate::{RIG, TURN};

/// The many ways to write an address, each of which some parser takes.
fn spellings(address: SocketAddr) -> Vec<String> {
    let mut all = vec![address.ip().to_string()];
    match address.ip() {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            let number = u32::from(ip);
            all.extend([
                format!("::ffff:{ip}"),
                number.to_string(),
                format!("0x{number:x}"),
                format!("0{a:o}.{b}.{c}.{d}"),
                format!("0x{a:x}.{b}.{c}.{d}"),
                format!("{a}.{}", number & 0xff_ffff),
                format!("64:ff9b::{ip}"),
            ]);
            if ip.is_loopback() && d == 1 {
                all.extend(
                    ["localhost", "LOCALHOST", "localhost.", "0.0.0.0", "0"].map(Into::into),
                );
            }
        }
        IpAddr::V6(_) => all.extend(["0:0:0:0:0:0:0:1", "::", "ip6-localhost"].map(Into::into)),
    }
    all
}

#[tokio::test]
async fn a_terminal_of_another_tenant_dials_nothing_inside() {
    let _turn = TURN.lock().await;
    let control = RIG.control().await;
    let admin = &RIG.b().await.admin;
    let farm = Farm::open().await;
    let mut tried = 0;
    for address in farm.addresses() {
        for spelling in spellings(*address) {
            let body =
                json!({ "friendly_name": "inside", "address": spelling, "port": address.port() });
            let made = admin.post("/api/v1/hosts", body).await;
            if made.status == 400 {
                continue;
            }
            let id = made.expect(201).json()["id"].as_str().expect("an id").to_owned();
            let mut page = Page::open(admin, &id).await;
            let refused =
                page.refused(json!({ "username": "x", "password": "CANARY-inside" })).await;
            let code = refused["code"].as_str().unwrap_or_default();
            assert!(["not_allowed", "unreachable"].contains(&code), "{spelling}: {refused}");
            admin.delete(&format!("/api/v1/hosts/{id}")).await.expect(204);
            tried += 1;
        }
    }
    assert!(tried > farm.addresses().len(), "{tried} addresses");
    farm.nobody_came().await;
    RIG.holds(control).await;
}

#[tokio::test]
async fn a_webhook_reaches_nothing_inside() {
    let _turn = TURN.lock().await;
    let control = RIG.control().await;
    let farm = Farm::open().await;
    let mut number = 0;
    for tenant in [RIG.a().await, RIG.b().await] {
        for address in farm.addresses() {
            let mut hooks = Vec::new();
            for spelling in spellings(*address) {
                let host = if spelling.contains(':') { format!("[{spelling}]") } else { spelling };
                for url in [
                    format!("https://{host}:{}/", address.port()),
                    format!("https://example.com@{host}:{}/", address.port()),
                    format!("http://{host}:{}/", address.port()),
                    format!("gopher://{host}:{}/_x", address.port()),
                ] {
                    let name = format!("inside-{}", hooks.len());
                    let body = json!({ "name": name, "url": url, "topics": ["alerts"] });
                    let made = tenant.admin.post("/api/v1/webhooks", body).await;
                    if made.status == 400 {
                        continue;
                    }
                    assert!(url.starts_with("https://") && !url.contains('@'), "{url} was taken");
                    hooks.push(made.expect(201).json());
                }
            }
            assert!(!hooks.is_empty());
            number += 1;
            tenant.admin.publish(Channel::Alerts, alert(number)).await.expect(202);
            for hook in hooks {
                is_given_up(&tenant.admin, &hook).await;
            }
        }
    }
    farm.nobody_came().await;
    RIG.holds(control).await;
}

/// Waits until a webhook's delivery is a dead letter that nobody answered, and removes the webhook.
async fn is_given_up(admin: &Client, hook: &Value) {
    let path = format!("/api/v1/webhooks/{}", hook["id"].as_str().expect("an id"));
    let deliveries = format!("{path}/deliveries?state=dead");
    let dead = eventually::until(eventually::patience(), "a refusal", || async {
        let list = admin.get(&deliveries).await.expect(200).json();
        list["items"].as_array().and_then(|items| items.first().cloned())
    })
    .await;
    assert!(dead["status"].is_null(), "{} answered: {dead}", hook["url"]);
    admin.delete(&path).await.expect(204);
}
