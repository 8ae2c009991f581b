use std::time::Duration;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_cookie_lives_by_use_and_not_for_ever() {
    let f = fixture().await;
    let user = user(&f, "alice", "operator").await;
    let principal = login(&f, user, Some("cookie")).await;
    let find = async |after: Duration| {
        f.store.principal_of_cookie(&token_hash("cookie"), START.plus(after)).await.unwrap()
    };
    assert_eq!(find(HOUR * 11).await, Some(principal.clone()));
    assert!(find(HOUR * 22).await.is_some());
    assert!(find(HOUR * 35).await.is_none(), "idle for thirteen hours");
    for hour in (30..168).step_by(10) {
        assert!(find(HOUR * hour).await.is_some(), "in use at hour {hour}");
    }
    assert!(find(HOUR * 168).await.is_none(), "a week old");
    assert!(f.store.principal_of_cookie("cookie", START).await.unwrap().is_none());
    f.store.remove_expired(START.plus(HOUR * 168)).await.unwrap();
    assert!(!f.store.end_login(f.tenant, &by(START), principal.login).await.unwrap());
}

#[tokio::test]
async fn an_access_tokens_end_keeps_open_what_it_opened() {
    let f = fixture().await;
    let user = user(&f, "alice", "operator").await;
    let new = NewLogin {
        tenant: f.tenant,
        user,
        account: Account { tenant: f.tenant, user },
        token_hash: None,
        source: None,
        expires_at: START.plus(HOUR),
        factor: None,
        must_enrol: false,
    };
    let login = f.store.create_login(&by(START), new).await.unwrap();
    let find =
        async |held, at| f.store.principal_of_login(f.tenant, login, held, at).await.unwrap();
    let later = START.plus(HOUR * 24);
    f.store.remove_expired(later).await.unwrap();
    assert!(find(false, START).await.is_some());
    assert!(find(false, later).await.is_none());
    assert!(find(true, later).await.is_some());
    assert!(f.store.set_disabled(f.tenant, &by(START), user, true).await.unwrap());
    assert!(find(true, later).await.is_none());
}

#[tokio::test]
async fn changing_password_or_disabling_ends_logins() {
    let f = fixture().await;
    let user = user(&f, "alice", "operator").await;
    let find = async |p: &Principal| {
        f.store.principal_of_login(f.tenant, p.login, true, START).await.unwrap()
    };
    let first = login(&f, user, Some("a")).await;
    f.store.rehash_password(f.tenant, user, "$argon2id$", "newer").await.unwrap();
    f.store.rehash_password(f.tenant, user, "stale", "wrong").await.unwrap();
    let hash = f.store.candidate(&"alice".parse().unwrap()).await.unwrap().unwrap().password_hash;
    assert_eq!(hash, "newer");
    assert!(find(&first).await.is_some());
    assert!(f.store.set_password(f.tenant, &by(START), user, "x").await.unwrap());
    assert!(find(&first).await.is_none());
    let second = login(&f, user, Some("b")).await;
    assert!(f.store.set_disabled(f.tenant, &by(START), user, true).await.unwrap());
    assert!(find(&second).await.is_none());
    assert!(!f.store.candidate(&"alice".parse().unwrap()).await.unwrap().unwrap().enabled);
    assert!(f.store.set_disabled(f.tenant, &by(START), user, false).await.unwrap());
    assert!(find(&second).await.is_none(), "enabling brings no login back");
}

#[tokio::test]
async fn a_gateway_is_another_host_of_the_same_tenant_that_has_none() {
    let f = fixture().await;
    let (inner, gateway, third) =
        (host(&f, "inner").await, host(&f, "gateway").await, host(&f, "third").await);
    let change = async |tenant, host, gateway| {
        let patch = HostPatch { gateway: Some(Some(gateway)), ..HostPatch::default() };
        f.store.patch_host(tenant, &by(START), host, patch).await.map_err(|e| e.to_string())
    };
    assert_eq!(change(f.tenant, inner, gateway).await, Ok(true));
    let row = f.store.host(f.tenant, inner).await.unwrap().unwrap();
    assert_eq!(row.gateway, Some(gateway));
    // Another tenant's host is no more than one that never was.
    let foreign = change(f.other, HostId::new(), gateway).await.unwrap_err();
    assert_eq!(foreign, change(f.tenant, third, HostId::new()).await.unwrap_err());
    for (host, gateway) in [(inner, inner), (gateway, third), (third, inner)] {
        assert!(change(f.tenant, host, gateway).await.is_err());
    }
    let used = f.store.delete_host(f.tenant, &by(START), gateway).await;
    assert!(matches!(used, Err(StoreError::Refused(_))));
    assert!(f.store.delete_host(f.tenant, &by(START), inner).await.unwrap());
    assert!(f.store.delete_host(f.tenant, &by(START), gateway).await.unwrap());
}

#[tokio::test]
async fn a_host_is_made_changed_reported_and_removed() {
    let f = fixture().await;
    let host = host(&f, "web").await;
    let row = f.store.host(f.tenant, host).await.unwrap().unwrap();
    assert_eq!((row.port, row.address.as_deref(), row.state), (22, None, HostState::Live));
    let patch = HostPatch {
        friendly_name: Some("web 1".to_owned()),
        address: Some(Some("10.0.0.1".to_owned())),
        port: Some(2222),
        labels: Some(vec!["prod".to_owned()]),
        ..HostPatch::default()
    };
    assert!(f.store.patch_host(f.tenant, &by(START), host, patch).await.unwrap());
    let none = HostPatch { address: Some(None), ..HostPatch::default() };
    assert!(f.store.patch_host(f.tenant, &by(START), host, none).await.unwrap());
    let wrong = HostPatch { address: Some(Some("a b".to_owned())), ..HostPatch::default() };
    assert!(f.store.patch_host(f.tenant, &by(START), host, wrong).await.is_err());

    let facts = HostFacts { hostname: "web-1".into(), ..HostFacts::default() };
    let policy = PolicyFacts { terminal: vec!["pty".into()], ..PolicyFacts::default() };
    for first in [true, false] {
        let reported =
            f.store.put_report(f.tenant, host, &facts, &policy, &[22, 2222], START).await;
        assert_eq!(reported.unwrap(), Some(first));
    }
    let presence = Presence { since: START.plus(HOUR), reason: "gone".to_owned(), secure: true };
    assert!(f.store.put_presence(f.tenant, host, &presence).await.unwrap());
    let row = f.store.host(f.tenant, host).await.unwrap().unwrap();
    assert_eq!((row.friendly_name.as_str(), row.address, row.port), ("web 1", None, 2222));
    assert_eq!((row.facts, row.policy, row.ssh_ports), (facts, policy, vec![22, 2222]));
    assert_eq!((row.first_report_at, row.last_seen_at), (Some(START), Some(START.plus(HOUR))));
    assert_eq!((row.presence, row.labels), (Some(presence), vec!["prod".to_owned()]));

    let stored = f.store.stored_key(&row.api_id).await.unwrap().unwrap();
    assert_eq!((stored.host, stored.key_hash.as_str()), (host, "key"));
    f.store.upgrade_key(&by(START), &stored, "upgraded").await.unwrap();
    f.store.upgrade_key(&by(START), &stored, "too late").await.unwrap();
    let upgraded = f.store.stored_key(&row.api_id).await.unwrap().unwrap();
    assert_eq!(upgraded.key_hash, "upgraded");
    let fresh = ApiId::from_random([3; 8]);
    assert!(f.store.set_key(f.tenant, &by(START), host, &fresh, "fresh").await.unwrap());
    assert!(f.store.stored_key(&row.api_id).await.unwrap().is_none());
    assert!(f.store.delete_host(f.tenant, &by(START), host).await.unwrap());
    assert!(f.store.stored_key(&fresh).await.unwrap().is_none());
    assert!(f.store.host(f.tenant, host).await.unwrap().is_none());
}

fn key(name: &str) -> NewHostKey {
    NewHostKey {
        key_type: "ssh-ed25519".to_owned(),
        openssh: format!("ssh-ed25519 {name}"),
        fingerprint: format!("SHA256:{name}"),
    }
}

#[tokio::test]
async fn attested_keys_need_one_in_common_or_a_person() {
    let f = fixture().await;
    let host = host(&f, "web").await;
    let attest = async |names: &[&str]| {
        let keys: Vec<_> = names.iter().map(|name| key(name)).collect();
        f.store.attest_host_keys(f.tenant, &by(START), host, &keys).await.unwrap()
    };
    let held = async |source| {
        let keys = f.store.host_keys(f.tenant, host).await.unwrap();
        let of = keys.into_iter().filter(|key| key.source == source);
        let mut names: Vec<_> = of.map(|key| key.fingerprint).collect();
        names.sort();
        names
    };
    assert_eq!(attest(&["a", "b"]).await, Attestation::First);
    assert_eq!(attest(&["b", "a"]).await, Attestation::Same);
    assert_eq!(attest(&[]).await, Attestation::Same);
    assert_eq!(attest(&["b", "c"]).await, Attestation::Renewed);
    assert_eq!(held(HostKeySource::Attested).await, ["SHA256:b", "SHA256:c"]);
    for _ in 0..2 {
        assert_eq!(attest(&["x", "y"]).await, Attestation::Pending);
        assert_eq!(held(HostKeySource::Attested).await, ["SHA256:b", "SHA256:c"]);
        assert_eq!(held(HostKeySource::Pending).await, ["SHA256:x", "SHA256:y"]);
    }
    let accept = async |names: &[&str]| {
        let names: Vec<_> = names.iter().map(|name| format!("SHA256:{name}")).collect();
        f.store.accept_attested(f.tenant, &by(START), host, &names).await.unwrap()
    };
    assert!(!accept(&["x"]).await);
    assert!(!accept(&["x", "z"]).await);
    assert!(accept(&["y", "x"]).await);
    assert_eq!(held(HostKeySource::Attested).await, ["SHA256:x", "SHA256:y"]);
    assert!(held(HostKeySource::Pending).await.is_empty());
    assert_eq!(attest(&["q"]).await, Attestation::Pending);
    assert_eq!(attest(&["x", "y"]).await, Attestation::Same);
    assert!(held(HostKeySource::Pending).await.is_empty());
}

#[tokio::test]
async fn a_pin_belongs_to_one_target_and_can_be_removed() {
    let f = fixture().await;
    let host = host(&f, "web").await;
    for _ in 0..2 {
        let key = key("a");
        f.store.pin_host_key(f.tenant, &by(START), host, "db:22", &key).await.unwrap();
    }
    let keys = f.store.host_keys(f.tenant, host).await.unwrap();
    assert_eq!(keys.len(), 1);
    assert_eq!(keys[0].target.as_deref(), Some("db:22"));
    assert!(f.store.delete_host_key(f.tenant, &by(START), host, keys[0].id).await.unwrap());
    assert!(!f.store.delete_host_key(f.tenant, &by(START), host, keys[0].id).await.unwrap());
}

#[tokio::test]
async fn a_provisioning_key_brings_in_as_many_hosts_as_it_says() {
    let f = fixture().await;
    let new = NewProvisioningKey {
        hash: token_hash("token"),
        uses: 3,
        expires_at: START.plus(HOUR),
        approve: true,
        ephemeral: true,
        labels: vec!["lab".to_owned()],
        networks: Vec::new(),
    };
    f.store.create_provisioning_key(f.tenant, &by(START), new).await.unwrap();
    let enrol = |store: Store, name: &'static str, at: Timestamp| async move {
        let host = NewHost { friendly_name: name.to_owned(), ..NewHost::default() };
        let enrolment = Enrolment {
            api_id: ApiId::from_random(crate::random::bytes().unwrap()),
            key_hash: "key".to_owned(),
            state: HostState::Live,
            ephemeral: false,
        };
        let arrival = Arrival { host, ..Arrival::default() };
        store.enrol(&token_hash("token"), arrival, enrolment, at).await
    };
    let late = enrol(f.store.clone(), "late", START.plus(HOUR)).await.unwrap();
    assert_eq!(late, Enrolled::No);
    // A host with a bad name uses nothing up.
    assert!(enrol(f.store.clone(), "\u{1b}", START).await.is_err());
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        tasks.spawn(enrol(f.store.clone(), "web", START));
    }
    let enrolled = tasks.join_all().await;
    let enrolled: Vec<_> = enrolled
        .into_iter()
        .filter_map(|enrolled| match enrolled.unwrap() {
            Enrolled::New(tenant, host, state) => Some((tenant, host, state)),
            _ => None,
        })
        .collect();
    assert_eq!(enrolled.len(), 3);
    let (tenant, host, state) = enrolled[0];
    assert_eq!((tenant, state), (f.tenant, HostState::Pending));
    let row = f.store.host(tenant, host).await.unwrap().unwrap();
    assert!(row.ephemeral && row.labels == ["lab"]);
    assert_eq!(f.store.abandoned_hosts(START.plus(HOUR)).await.unwrap().len(), 3);
    assert!(f.store.abandoned_hosts(START).await.unwrap().is_empty());
    let accepted = f.store.accept_host(tenant, &by(START), host, false).await.unwrap();
    assert_eq!(accepted, Accepted::In);
    assert_eq!(f.store.host(tenant, host).await.unwrap().unwrap().state, HostState::Live);
    assert!(f.store.provisioning_keys(f.tenant, START).await.unwrap().is_empty());
}

#[tokio::test]
async fn sessions_begin_and_end_once() {
    let f = fixture().await;
    let user = user(&f, "alice", "operator").await;
    let owner = login(&f, user, None).await;
    let id = SessionId::new();
    let new = NewSession {
        id,
        host: HostId::new(),
        host_name: "web".to_owned(),
        mode: "pty",
        gateway: None,
        username: "root".to_owned(),
        host_key: "none",
        size: Size::DEFAULT,
    };
    f.store.start_session(&owner, &by(START), &new).await.unwrap();
    f.store.detach_session(f.tenant, id, &left(START.plus(HOUR))).await.unwrap();
    let open = f.store.open_sessions().await.unwrap();
    assert_eq!((open.len(), open[0].1.state.as_str()), (1, "detached"));
    assert_eq!(open[0].1.expires_at, Some(START.plus(HOUR)));
    assert_eq!(open[0].1.size, Some((100, 30)));
    assert!(f.store.attach_session(f.tenant, id).await.unwrap());
    f.store.detach_all_sessions(START).await.unwrap();
    let shown = f.store.session(f.tenant, id).await.unwrap().unwrap();
    assert_eq!((shown.state.as_str(), shown.expires_at), ("detached", Some(START)));
    assert!(f.store.end_session(f.tenant, &by(START), id, "exit").await.unwrap());
    assert!(!f.store.end_session(f.tenant, &by(START), id, "again").await.unwrap());
    assert!(!f.store.attach_session(f.tenant, id).await.unwrap(), "ended is ended");
    let page = PageRequest::default();
    assert!(f.store.sessions(f.tenant, None, true, &page).await.unwrap().items.is_empty());
    let listed = f.store.sessions(f.tenant, Some(user), false, &page).await.unwrap().items;
    assert_eq!(
        (listed[0].state.as_str(), listed[0].end_reason.as_deref()),
        ("ended", Some("exit"))
    );
    assert_eq!(listed[0].login, owner.login);
    let others = f.store.sessions(f.tenant, Some(UserId::new()), false, &page).await.unwrap();
    assert!(others.items.is_empty());
    assert!(f.store.open_sessions().await.unwrap().is_empty());
    assert_ne!(owner.login, LoginId::new());
}

#[tokio::test]
async fn events_are_numbered_without_holes_and_gaps_are_told() {
    let f = fixture().await;
    let mut tasks = tokio::task::JoinSet::new();
    for index in 0..20 {
        let (store, tenant) = (f.store.clone(), f.tenant);
        tasks.spawn(async move {
            let event = store.append_event(tenant, "hosts", json!({ "n": index }), START).await;
            event.unwrap().seq
        });
    }
    let mut numbers = tasks.join_all().await;
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=20).collect::<Vec<u64>>());
    let after = async |seq| f.store.events_after(f.tenant, "hosts", seq, 5).await.unwrap();
    let missed = after(10).await;
    let seqs: Vec<_> = missed.events.iter().map(|event| event.seq).collect();
    assert_eq!((seqs, missed.gap, missed.last_seq), (vec![11, 12, 13, 14, 15], None, 20));
    assert_eq!(missed.events[0].at, START.to_string());
    assert!(after(20).await.events.is_empty());
    assert_eq!(after(99).await.gap, None);
    sqlx::query("DELETE FROM events WHERE seq <= 12").execute(&f.store.writer).await.unwrap();
    let missed = after(10).await;
    let gap = missed.gap.unwrap();
    assert_eq!((gap.from, gap.to, missed.events[0].seq), (11, 12, 13));
    sqlx::query("DELETE FROM events").execute(&f.store.writer).await.unwrap();
    let gap = after(10).await.gap.unwrap();
    assert_eq!((gap.from, gap.to), (11, 20));
}

#[tokio::test]
async fn a_tenant_decides_how_long_its_terminals_live() {
    let f = fixture().await;
    assert_eq!(f.store.detached_life(f.tenant).await.unwrap(), None);
    f.store.set_detached_life(f.tenant, &by(START), Some(HOUR)).await.unwrap();
    assert_eq!(f.store.detached_life(f.tenant).await.unwrap(), Some(HOUR));
    f.store.set_detached_life(f.tenant, &by(START), None).await.unwrap();
    assert_eq!(f.store.detached_life(f.tenant).await.unwrap(), None);
}
