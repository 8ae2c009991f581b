//! Tenants that go, people of several tenants, and roles.

use std::collections::BTreeSet;

use sqlx::Row as _;

use super::*;
use crate::store::tenant::PURGED;

#[tokio::test]
async fn nothing_of_a_deleted_tenant_is_left_but_its_id() {
    let f = fixture().await;
    let tables: Vec<String> = sqlx::query("SELECT name FROM sqlite_master WHERE type = 'table'")
        .fetch_all(&f.store.reader)
        .await
        .unwrap()
        .iter()
        .map(|row| row.get("name"))
        .collect();
    let mut gone: BTreeSet<String> = PURGED.iter().map(|table| (*table).to_owned()).collect();
    gone.insert("roles".to_owned());
    let mut left = BTreeSet::new();
    for table in &tables {
        let sql = format!("SELECT name FROM pragma_table_info('{table}')");
        let columns = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&f.store.reader).await;
        if columns.unwrap().iter().any(|row| row.get::<&str, _>("name") == "tenant_id") {
            left.insert(table.clone());
        }
    }
    // What goes with what it refers to.
    loop {
        let before = gone.len();
        for table in &left {
            let sql = format!(
                "SELECT \"table\" AS parent FROM pragma_foreign_key_list('{table}') \
                 WHERE on_delete = 'CASCADE'"
            );
            let parents = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&f.store.reader).await;
            if parents.unwrap().iter().any(|row| gone.contains(row.get::<&str, _>("parent"))) {
                gone.insert(table.clone());
            }
        }
        if gone.len() == before {
            break;
        }
    }
    left.retain(|table| !gone.contains(table));
    let kept = BTreeSet::from(["audit".to_owned()]);
    assert_eq!(left, kept, "name these tables in store/tenant/purge.rs");

    let new = NewUser {
        username: "bob".parse().unwrap(),
        password_hash: "$argon2id$".to_owned(),
        roles: vec!["admin".to_owned()],
    };
    f.store.create_user(f.other, &by(START), new.clone()).await.unwrap();
    f.store.append_event(f.other, "hosts", json!({}), START).await.unwrap();
    let bob = "bob".parse().unwrap();
    assert!(f.store.add_member(f.tenant, &by(START), &bob, &[]).await.unwrap().is_some());
    assert!(!f.store.purge_tenants().await.unwrap());
    assert!(f.store.delete_tenant(&by(START), f.other).await.unwrap());
    assert!(!f.store.delete_tenant(&by(START), f.other).await.unwrap());
    assert!(f.store.delete_tenant(&by(START), f.tenant).await.is_err(), "the first one stays");
    assert!(!f.store.is_active(f.other).await.unwrap());
    assert!(f.store.tenant_called("other").await.unwrap().is_none());
    assert!(f.store.purge_tenants().await.unwrap());
    assert!(!f.store.purge_tenants().await.unwrap());
    for table in gone.iter().filter(|table| tables.contains(table)) {
        let sql = format!("SELECT COUNT(*) AS rows FROM {table} WHERE tenant_id = $1");
        let Ok(row) = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(f.other.to_string())
            .fetch_one(&f.store.reader)
            .await
        else {
            continue;
        };
        assert_eq!(row.get::<i64, _>("rows"), 0, "{table}");
    }
    assert!(f.store.users(f.tenant, &PageRequest::default()).await.unwrap().items.is_empty());
    // Names are free again, ids are not.
    let again = f.store.create_tenant(&by(START), "other").await.unwrap();
    assert_ne!(again.id, f.other);
    f.store.create_user(again.id, &by(START), new).await.unwrap();
    assert!(f.store.tenant_called(&f.other.to_string()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_person_of_two_tenants_is_somebody_else_in_each() {
    let f = fixture().await;
    let alice = user(&f, "alice", "admin").await;
    let name: Username = "alice".parse().unwrap();
    let viewer = [Grant::from("viewer".to_owned())];
    let guest = f.store.add_member(f.other, &by(START), &name, &viewer).await.unwrap().unwrap();
    let twice = f.store.add_member(f.other, &by(START), &name, &viewer).await;
    assert!(matches!(twice, Err(StoreError::Exists(_))));
    let home = f.store.add_member(f.tenant, &by(START), &name, &viewer).await;
    assert!(matches!(home, Err(StoreError::Exists(_))));
    let nobody = "nobody".parse().unwrap();
    assert!(f.store.add_member(f.other, &by(START), &nobody, &viewer).await.unwrap().is_none());
    let found = f.store.user_named(f.other, &name).await.unwrap().unwrap();
    assert!(found.id == guest && found.guest && found.roles == viewer);
    assert!(f.store.set_password(f.other, &by(START), guest, "x").await.is_err());
    assert_eq!(f.store.candidate(&name).await.unwrap().unwrap().user, alice);

    let cookie = "c".repeat(64);
    let here = login(&f, alice, Some(&cookie)).await;
    let memberships = f.store.memberships(&here).await.unwrap();
    assert_eq!(memberships.iter().map(|m| m.user).collect::<Vec<_>>(), [alice, guest]);
    let there = memberships.iter().find(|m| m.id == f.other).unwrap();
    let hash = Some(token_hash("other cookie"));
    let switched = f.store.switch_login(&by(START), &here, there, hash).await.unwrap().unwrap();
    let who = f.store.principal_of_login(f.other, switched, false, START).await.unwrap().unwrap();
    assert!(who.user == guest && !who.may(Permission::Admin) && who.may(Permission::HostsRead));
    assert!(f.store.principal_of_cookie(&token_hash(&cookie), START).await.unwrap().is_none());
    assert!(f.store.switch_login(&by(START), &here, there, None).await.unwrap().is_none());
    // Locked out at home is locked out everywhere; locked out there is at home still.
    let still = |held| f.store.principal_of_login(f.other, switched, held, START);
    f.store.set_disabled(f.other, &by(START), guest, true).await.unwrap();
    assert!(still(true).await.unwrap().is_none());
    assert_eq!(f.store.memberships(&login(&f, alice, None).await).await.unwrap().len(), 1);
    f.store.set_disabled(f.other, &by(START), guest, false).await.unwrap();
    user(&f, "second", "admin").await;
    f.store.set_disabled(f.tenant, &by(START), alice, true).await.unwrap();
    assert!(still(true).await.unwrap().is_none());
    assert!(f.store.permissions_of_user(f.other, guest, START).await.unwrap().is_none());
}

#[tokio::test]
async fn a_tenant_s_own_role_becomes_no_built_in_one() {
    let f = fixture().await;
    let (t, b) = (f.tenant, by(START));
    let mut write = f.store.write().await.unwrap();
    for table in ["role_permissions WHERE role", "roles WHERE name"] {
        let sql = format!("DELETE FROM {table} = 'approver'");
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut *write).await.unwrap();
    }
    write.commit().await.unwrap();
    f.store.create_role(t, &b, "approver", &[Permission::HostsRead]).await.unwrap();
    f.store.bootstrap(&b).await.unwrap();
    let own = f.store.role(t, "approver").await.unwrap().unwrap();
    assert_eq!((own.built_in, own.permissions), (false, vec![Permission::HostsRead]));
    let built_in = f.store.role(f.other, "approver").await.unwrap().unwrap();
    assert!(built_in.built_in && built_in.permissions.contains(&Permission::ApprovalsManage));
}

#[tokio::test]
async fn own_roles_are_the_tenant_s_own() {
    let f = fixture().await;
    let (t, b) = (f.tenant, by(START));
    let read = [Permission::HostsRead];
    f.store.create_role(t, &b, "auditor", &[Permission::AuditRead]).await.unwrap();
    let twice = f.store.create_role(t, &b, "auditor", &read).await;
    assert!(matches!(twice, Err(StoreError::Exists(_))));
    for wrong in ["", "a b", "ä", &"x".repeat(65)] {
        assert!(f.store.create_role(t, &b, wrong, &read).await.is_err(), "{wrong}");
    }
    assert!(f.store.role(f.other, "auditor").await.unwrap().is_none());
    assert_eq!(f.store.set_role(f.other, &b, "auditor", &read).await.unwrap(), None);
    assert!(!f.store.delete_role(f.other, &b, "auditor").await.unwrap());
    for built_in in ["admin", "viewer", "platform"] {
        assert!(f.store.set_role(t, &b, built_in, &read).await.is_err(), "{built_in}");
        assert!(f.store.delete_role(t, &b, built_in).await.is_err(), "{built_in}");
    }
    assert!(f.store.role(f.other, "platform").await.unwrap().is_none());
    let carol = user(&f, "carol", "auditor").await;
    let who = login(&f, carol, None).await;
    assert!(who.may(Permission::AuditRead) && !who.may(Permission::HostsRead));
    assert_eq!(f.store.set_role(t, &b, "auditor", &read).await.unwrap(), Some(vec![carol]));
    let who = login(&f, carol, None).await;
    assert!(!who.may(Permission::AuditRead) && who.may(Permission::HostsRead));
    assert!(f.store.delete_role(t, &b, "auditor").await.is_err(), "somebody has it");
    f.store.set_roles(t, &b, carol, &[]).await.unwrap();
    assert!(f.store.delete_role(t, &b, "auditor").await.unwrap());
    // Whoever is an administrator by a role of the tenant's own counts as one.
    f.store.create_role(t, &b, "owner", &[Permission::Admin]).await.unwrap();
    user(&f, "dora", "owner").await;
    assert!(f.store.set_role(t, &b, "owner", &read).await.is_err(), "the last one stays");
}
