use super::*;

async fn execute(store: &Store, sql: &'static str) {
    sqlx::query(sql).execute(&store.writer).await.unwrap();
}

async fn filled() -> Fixture {
    let fixture = fixture().await;
    for index in 0..20 {
        let entry = Entry::done(fixture.tenant, "test.run", format!("test:{index}"));
        fixture.store.audit(&by(START), entry).await.unwrap();
    }
    let anonymous = Entry::refused(None, "login.refuse", "login").with(json!({ "count": 3 }));
    fixture.store.audit(&by(START), anonymous).await.unwrap();
    fixture
}

#[tokio::test]
async fn the_audit_is_one_whole_chain() {
    let fixture = filled().await;
    let verdict = fixture.store.verify_audit().await.unwrap();
    assert_eq!(verdict, AuditVerdict::Whole { rows: 23 });
    let page = PageRequest { limit: Some(1), cursor: None };
    let newest = fixture.store.audit_page(fixture.tenant, &page).await.unwrap().items;
    assert_eq!(
        (newest[0].action.as_str(), newest[0].outcome.as_str()),
        ("login.refuse", "refused")
    );
    assert_eq!(newest[0].detail, json!({ "count": 3 }));
    // Nobody's refusals are the first tenant's to see.
    let other = fixture.store.audit_page(fixture.other, &page).await.unwrap().items;
    assert_eq!(other[0].action, "tenant.create");
}

#[tokio::test]
async fn every_kind_of_tampering_is_found_where_it_was_done() {
    let cases: [(&'static str, u64); 8] = [
        ("UPDATE audit SET outcome = 'failed' WHERE seq = 7", 7),
        ("UPDATE audit SET actor = 'user:eve' WHERE seq = 9", 9),
        ("UPDATE audit SET source = '10.0.0.1' WHERE seq = 1", 1),
        ("UPDATE audit SET detail = '{\"a\":1}' WHERE seq = 10", 10),
        ("UPDATE audit SET tenant_id = NULL WHERE seq = 11", 11),
        ("DELETE FROM audit WHERE seq = 5", 5),
        ("DELETE FROM audit WHERE seq > 21", 22),
        ("UPDATE audit SET seq = seq + 100 WHERE seq = 23", 23),
    ];
    for (tampering, seq) in cases {
        let fixture = filled().await;
        execute(&fixture.store, tampering).await;
        let verdict = fixture.store.verify_audit().await.unwrap();
        assert_eq!(verdict, AuditVerdict::BrokenAt { seq }, "{tampering}");
    }
}

#[tokio::test]
async fn rows_written_at_once_make_one_chain() {
    let fixture = fixture().await;
    let mut tasks = tokio::task::JoinSet::new();
    for index in 0..50 {
        let (store, tenant) = (fixture.store.clone(), fixture.tenant);
        tasks.spawn(async move {
            let entry = Entry::done(tenant, "test.run", format!("test:{index}"));
            store.audit(&by(START), entry).await.unwrap();
        });
    }
    tasks.join_all().await;
    let verdict = fixture.store.verify_audit().await.unwrap();
    assert_eq!(verdict, AuditVerdict::Whole { rows: 52 });
}
