//! No tenant reaches what is another's: every route that names an object × every kind of credential ×
//! the objects of another tenant answers what it answers for an object that nobody has, byte by byte.
//!
//! The routes come from the daemon's own document and the tables from its database, so that a new
//! parameter, list or table has to be said here before the test passes.

#[path = "isolation/estate.rs"]
mod estate;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use estate::Estate;
use gangplank_tests::{
    http::{Answer, Client},
    internal::Service,
    routes::Route,
};
use serde_json::{Value, json};
use sqlx::{Row as _, SqlitePool, sqlite::SqliteConnectOptions};

/// Routes whose parameters name nothing of a tenant, or whose callers are above tenants.
const ABOVE: [(&str, &str); 5] = [
    ("/{path}", "files of the console"),
    ("/internal/v1/license/{tenant}", "of services that look after tenants"),
    ("/api/v1/tenants/{tenant_id}", "of those who look after tenants: names and counts"),
    ("/api/v1/tenants/{tenant_id}/members", "of those who look after tenants"),
    ("/api/v1/channels/{channel}/events", "channels have the same names everywhere"),
];

/// What a person does for themselves alone: an API token of theirs is refused before anything is
/// looked up.
const OWN: [&str; 3] = [
    "/api/v1/account/",
    "/api/v1/approvals/{approval_id}/cancel",
    "/api/v1/approvals/{approval_id}/use",
];

/// A body that would be taken if the object were there, where an empty one would not be.
fn body(route: &Route, of: &Estate) -> Value {
    match (route.method.as_str(), route.path.as_str()) {
        ("PATCH", "/api/v1/users/{user_id}") => json!({ "disabled": true }),
        ("PATCH", "/api/v1/roles/{role}") => json!({ "permissions": ["hosts:read"] }),
        ("POST", "/api/v1/commands/{job_id}/result") => json!({ "status": "succeeded" }),
        ("POST", "/api/v1/hosts/{host_id}/commands") => json!({ "command": "report_now" }),
        ("PATCH", "/api/v1/account/passkeys/{passkey_id}") => json!({ "name": "key" }),
        ("PATCH" | "PUT", "/api/v1/compliance/schedules/{schedule_id}") => of.schedule(),
        ("POST", "/api/v1/approvals/{approval_id}/use") => {
            let mut what = estate::consent();
            what.as_object_mut().expect("an object").remove("risk_level");
            what
        }
        _ => json!({}),
    }
}

async fn ask(client: &Client, route: &Route, path: &str, body: Value) -> Answer {
    if route.socket {
        return match client.upgrade(path).open().await {
            Ok(_) => panic!("{path} was opened"),
            Err(answer) => *answer,
        };
    }
    client.send(&route.method, path, Some(body)).await
}

/// All of an answer that a caller sees, but for the time.
fn seen(answer: &Answer) -> (u16, BTreeMap<String, String>, String) {
    let headers = answer.headers.iter();
    let headers = headers
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
        .filter(|(name, _)| name != "date")
        .collect();
    (answer.status, headers, answer.text())
}

#[tokio::test]
async fn what_is_another_tenant_s_is_what_does_not_exist() {
    let service = Service::start(&[]);
    let theirs = Estate::of_the_first(&service.daemon).await;
    let mine = Estate::of_a_new_tenant(&service.daemon, &theirs.admin, "mine").await;
    let (mut asked, mut times) = (0, [Vec::new(), Vec::new()]);
    for route in mine.admin.routes().await {
        let parameters = route.parameters();
        if parameters.is_empty() || ABOVE.iter().any(|(path, _)| *path == route.path) {
            continue;
        }
        // Theirs, then nobody's; a path of two objects also with the first one ours.
        let last = parameters.len() - 1;
        for ours in [false, true] {
            if ours && last == 0 {
                continue;
            }
            let path = |nobody: bool| {
                let filled = parameters.iter().enumerate().map(|(n, name)| {
                    let of = if ours && n < last { &mine } else { &theirs };
                    let known = of.objects.get(*name).unwrap_or_else(|| {
                        panic!("{}: give the estates an object for {{{name}}}", route.path)
                    });
                    let value =
                        if nobody && !(ours && n < last) { nobodys(name) } else { known.clone() };
                    (format!("{{{name}}}"), value)
                });
                filled.fold(route.path.clone(), |path, (name, value)| path.replace(&name, &value))
            };
            for (kind, client, query) in mine.credentials(&route.path).await {
                let both = |path: String| format!("{path}{query}");
                let (foreign, unknown) = (both(path(false)), both(path(true)));
                let mut answers = Vec::new();
                for (n, path) in [&foreign, &unknown].into_iter().enumerate() {
                    // A ticket for another object is burnt, so each gets one of its own.
                    let (client, path) = match kind {
                        "ticket" => (client.clone(), mine.with_ticket(path).await),
                        _ => (client.clone(), path.clone()),
                    };
                    let start = Instant::now();
                    answers.push(ask(&client, &route, &path, body(&route, &mine)).await);
                    times[n].push(start.elapsed());
                }
                let what = format!("{} {} by {kind}", route.method, route.path);
                assert_eq!(seen(&answers[0]), seen(&answers[1]), "{what}");
                let status = answers[0].status;
                // What belongs to a person alone is not for their programs.
                let own = OWN.iter().any(|path| route.path.starts_with(path));
                if route.takes(kind) && kind != "ticket" && !own {
                    assert_eq!(status, 404, "{what}: {}", answers[0].text());
                } else {
                    assert!([401, 403, 404].contains(&status), "{what}: {status}");
                }
                asked += 1;
            }
        }
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 2]
    };
    let [foreign, unknown] = &mut times;
    eprintln!(
        "{asked} pairs; medians: {:?} theirs, {:?} nobody's",
        median(foreign),
        median(unknown)
    );
    theirs.is_whole().await;
}

/// An id or name of the same form that nobody has.
fn nobodys(name: &str) -> String {
    match name.ends_with("_id") {
        true => "019a0000-0000-7000-8000-00000000dead".to_owned(),
        false => "nobody-s".to_owned(),
    }
}

/// Tables with rows of tenants that the estates don't fill, and why.
const UNFILLED: [(&str, &str); 12] = [
    ("totp", "read at a login only"),
    ("recovery_codes", "used at a login only"),
    ("passkeys", "made by an authenticator; {passkey_id} is one that nobody has"),
    ("external_identities", "made by a provider of logins, read at a login and for oneself"),
    ("security_events", "what the guard saw; a list without parameters"),
    ("event_keys", "read by whoever publishes with the same key"),
    ("host_reports", "read by {host_id}"),
    ("scheduled_hosts", "the latest job of {schedule_id} on each host"),
    ("job_output", "what tools print, read by {job_id}"),
    ("tickets", "used up or over at once; the matrix uses them as credentials"),
    ("host_claims", "inventories of containers, read by {host_id}"),
    ("host_settings", "read and written by {host_id}"),
];

#[tokio::test]
async fn no_list_shows_what_is_another_tenant_s() {
    let service = Service::start(&[]);
    let theirs = Estate::of_the_first(&service.daemon).await;
    let mine = Estate::of_a_new_tenant(&service.daemon, &theirs.admin, "mine").await;
    let file = service.daemon.directory().join("gangplank.db");
    let options = SqliteConnectOptions::new().filename(file).read_only(true);
    let store = SqlitePool::connect_with(options).await.expect("the daemon's database");
    let ids = ids(&store, &theirs).await;
    assert!(ids.len() > 10, "{ids:?}");
    let mut lists = 0;
    for route in mine.admin.routes().await {
        if route.method != "GET" || !route.parameters().is_empty() || route.socket {
            continue;
        }
        for (kind, client, _) in mine.credentials(&route.path).await {
            if kind == "ticket" || route.takes("internalToken") {
                continue;
            }
            let query = if route.path.ends_with("/events") { "?topics=hosts" } else { "" };
            let path = format!("{}{query}", route.path);
            let get = client.get(&path);
            // A stream has no end; what it begins with is looked at elsewhere.
            let Ok(answer) = tokio::time::timeout(Duration::from_secs(5), get).await else {
                continue;
            };
            let text = answer.text();
            let found: Vec<_> = ids.iter().filter(|(_, id)| text.contains(id.as_str())).collect();
            assert!(found.is_empty(), "{} by {kind} shows {found:?}", route.path);
            lists += usize::from(answer.status == 200);
        }
    }
    assert!(lists > 10, "{lists} lists");
    // Nor does what names an object in its body.
    let host = theirs.objects["host_id"].clone();
    for (path, field) in [
        ("/api/v1/auth/ssh-ticket", json!({ "hostId": host })),
        ("/api/v1/hosts", json!({ "friendly_name": "x", "gateway_id": host })),
        ("/api/v1/commands", json!({ "command": "report_now", "hosts": [host] })),
        (
            "/api/v1/users",
            json!({ "username": "x", "password": "long enough", "roles": [theirs.objects["role"]] }),
        ),
        ("/api/v1/auth/tenant", json!({ "tenant": theirs.objects["tenant_id"] })),
    ] {
        let text = field.to_string();
        let unknown = text.replace(&host, &nobodys("host_id"));
        let unknown = unknown.replace(&theirs.objects["role"], &nobodys("role"));
        let unknown = unknown.replace(&theirs.objects["tenant_id"], &nobodys("tenant_id"));
        let answer = mine.admin.post(path, field).await;
        let nobody: Value = serde_json::from_str(&unknown).expect("JSON");
        let other = mine.admin.post(path, nobody).await;
        assert!((400..500).contains(&answer.status), "{path}: {}", answer.text());
        assert_eq!(seen(&answer), seen(&other), "{path}");
    }
    theirs.is_whole().await;
}

/// Every id in a row of theirs, and in which table. Each table of tenants has one, or a reason.
async fn ids(store: &SqlitePool, theirs: &Estate) -> BTreeSet<(String, String)> {
    let tenant = &theirs.objects["tenant_id"];
    let tables = sqlx::query("SELECT name FROM sqlite_master WHERE type = 'table'");
    let (mut ids, mut empty) = (BTreeSet::new(), Vec::new());
    for table in tables.fetch_all(store).await.expect("a schema") {
        let table: String = table.get("name");
        let columns = format!("SELECT name FROM pragma_table_info('{table}')");
        let columns = sqlx::query(sqlx::AssertSqlSafe(columns)).fetch_all(store).await;
        let columns: Vec<String> =
            columns.expect("columns").iter().map(|row| row.get("name")).collect();
        if !columns.iter().any(|column| column == "tenant_id") {
            continue;
        }
        let rows = format!("SELECT * FROM {table} WHERE tenant_id = $1");
        let rows = sqlx::query(sqlx::AssertSqlSafe(rows)).bind(tenant).fetch_all(store).await;
        let rows = rows.expect("rows");
        let named = UNFILLED.iter().any(|(name, _)| *name == table);
        if rows.is_empty() && !named {
            empty.push(table.clone());
        }
        for row in &rows {
            for column in columns.iter().filter(|name| *name == "id" || name.ends_with("_id")) {
                // Ids that are numbers say nothing.
                let Ok(Some(id)) = row.try_get::<Option<String>, _>(column.as_str()) else {
                    continue;
                };
                if id.len() == 36 {
                    ids.insert((table.clone(), id));
                }
            }
        }
    }
    assert!(empty.is_empty(), "fill {empty:?} in isolation/estate.rs, or name them");
    ids
}
