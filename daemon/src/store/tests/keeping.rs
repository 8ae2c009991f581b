//! One tenant's retention reaches nothing of another's.

use gangplank_proto::id::{HostId, TenantId};

use super::*;
use crate::ingest::Batch;
use crate::retention::Keeping;
use crate::store::{Ages, Ingested, Names, Parcel};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn keeping(text: serde_json::Value) -> Keeping {
    serde_json::from_value(text).unwrap()
}

async fn host_of(f: &Fixture, tenant: TenantId) -> HostId {
    let enrolment = Enrolment {
        api_id: ApiId::from_random(crate::random::bytes().unwrap()),
        key_hash: "key".to_owned(),
        state: HostState::Live,
        ephemeral: false,
    };
    let new = NewHost { friendly_name: "one".to_owned(), ..NewHost::default() };
    f.store.create_host(tenant, &by(START), new, enrolment).await.unwrap()
}

async fn has_records(f: &Fixture, (tenant, host): (TenantId, HostId)) -> bool {
    let page = PageRequest { limit: Some(10), cursor: None };
    let measured = f.store.telemetry(tenant, host, START.minus(DAY), START.plus(DAY)).await;
    let records = f.store.records(tenant, host, None, &page).await.unwrap();
    assert_eq!(measured.unwrap().is_empty(), records.items.is_empty());
    !records.items.is_empty()
}

#[tokio::test]
async fn a_sweep_of_one_tenant_leaves_the_others_alone() {
    let f = fixture().await;
    let mut hosts = Vec::new();
    for tenant in [f.tenant, f.other] {
        let host = host_of(&f, tenant).await;
        let body = r#"[{"kind":"metrics","cpu":5},{"kind":"door"}]"#;
        let batch = Batch::parse(body.as_bytes(), START).unwrap();
        let parcel = Parcel { key: None, hash: String::new(), batch };
        let names = Names { of_host: 1, of_tenant: 1 };
        let kept = f.store.ingest(tenant, host, parcel, names, START).await.unwrap();
        assert_eq!(kept, Ingested::Kept(None));
        hosts.push((tenant, host));
    }
    let wish = keeping(json!({ "records": "1d", "telemetry": "1d" }));
    f.store.wish_retention(f.tenant, &by(START), &wish).await.unwrap();
    let said = f.store.retentions().await.unwrap();
    assert_eq!(said, [(f.tenant, Said { granted: Keeping::default(), own: wish })]);
    assert_eq!(f.store.retention_said(f.other).await.unwrap(), Said::default());

    let (day, later) = (Ages::new(DAY, DAY), START.plus(2 * DAY));
    f.store.age_telemetry(Whose::Tenant(f.tenant), day, START).await.unwrap();
    assert!(has_records(&f, hosts[0]).await, "it is not old enough");
    // Who says something is none of the others.
    f.store.age_telemetry(Whose::Others, day, later).await.unwrap();
    assert!(has_records(&f, hosts[0]).await);
    assert!(!has_records(&f, hosts[1]).await);
    f.store.age_telemetry(Whose::Tenant(f.tenant), day, later).await.unwrap();
    assert!(!has_records(&f, hosts[0]).await);
}

#[tokio::test]
async fn what_is_said_of_a_tenant_is_taken_back() {
    let f = fixture().await;
    let granted = keeping(json!({ "jobs": "90d" }));
    let patch = |retention| TenantPatch { retention: Some(retention), ..TenantPatch::default() };
    assert!(f.store.patch_tenant(&by(START), f.other, patch(granted.clone())).await.unwrap());
    f.store.wish_retention(f.other, &by(START), &keeping(json!({ "jobs": "60d" }))).await.unwrap();
    let said = f.store.retention_said(f.other).await.unwrap();
    assert_eq!((said.granted, said.own.jobs.is_some()), (granted, true));
    f.store.wish_retention(f.other, &by(START), &Keeping::default()).await.unwrap();
    f.store.patch_tenant(&by(START), f.other, patch(Keeping::default())).await.unwrap();
    assert!(f.store.retentions().await.unwrap().is_empty());
}
