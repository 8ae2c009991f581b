//! The routes about compliance scans show one's own and harm nobody who opens what they answer.

use gangplank_proto::scan::{Report, RuleOutcome, RuleResult, Scan, Scanner, Severity};
use http::StatusCode;

use super::guarded;
use super::world::{Person, With, World, world};
use crate::audit::By;
use crate::schedule::Timing;
use crate::store::{NewSchedule, ScanSource};

const NOT_FOUND: &[u8] = br#"{"code":"not_found","error":"not found"}"#;

/// A scan of the first tenant's host, by rules with strange words.
async fn scanned(world: &World) -> String {
    let rules = (0..450).map(|n| RuleResult {
        id: format!("rule-{n:03}").as_str().into(),
        title: "=HYPERLINK(\"https://evil.example\")".into(),
        severity: Severity::Low,
        result: RuleOutcome::Fail,
        rationale: "@SUM(1,2)".into(),
        fix: "<script>alert(1)</script>\n-rf".into(),
    });
    let report = Report::new(Scan::default(), rules.collect());
    let (first, now) = (world.app.first_tenant, world.app.clock.now());
    let source = ScanSource::Agent;
    let kept = world.app.store.keep_scan(first, world.host, source, &report, now).await;
    kept.unwrap().unwrap().to_string()
}

fn with<'a>(who: &'a Person, object: &str) -> With<'a> {
    With { bearer: Some(&who.bearer), object_id: Some(object.to_owned()), ..With::default() }
}

#[tokio::test]
async fn another_tenant_s_scan_is_one_that_does_not_exist() {
    let world = world().await;
    let scan = scanned(&world).await;
    for (name, object) in [("{scan_id}", scan.as_str()), ("{rule}", "rule-007")] {
        for route in guarded().filter(|route| route.path.contains(name)) {
            let foreign = world.ask(route, with(&world.other_admin, object)).await;
            assert_eq!(foreign, (StatusCode::NOT_FOUND, NOT_FOUND.to_vec()), "{route:?}");
            let unknown = world.ask(route, with(&world.other_admin, "not-an-id")).await;
            assert_eq!(unknown, foreign, "{route:?}");
            let (status, _) = world.ask(route, with(&world.admin, object)).await;
            assert_eq!(status, StatusCode::OK, "{route:?}");
        }
    }
    for path in ["/api/v1/compliance", "/api/v1/compliance/scans", "/api/v1/compliance/export.csv"]
    {
        let route = guarded().find(|route| route.path == path).unwrap();
        let (status, own) = world.ask(route, with(&world.admin, "")).await;
        assert_eq!(status, StatusCode::OK);
        let shows = |body: &[u8]| String::from_utf8_lossy(body).contains("openscap");
        assert!(shows(&own), "{path}");
        let (status, other) = world.ask(route, with(&world.other_admin, "")).await;
        assert_eq!(status, StatusCode::OK);
        assert!(!shows(&other), "{path}");
    }
}

#[tokio::test]
async fn a_file_has_every_rule_and_nothing_that_is_computed_or_run() {
    let world = world().await;
    let scan = scanned(&world).await;
    let route = |end: &str| guarded().find(|route| route.path.ends_with(end)).unwrap();
    let (_, csv) = world.ask(route("{scan_id}/export.csv"), with(&world.admin, &scan)).await;
    let csv = String::from_utf8(csv).unwrap();
    assert_eq!(csv.matches("\"rule-").count(), 450);
    assert_eq!(csv.matches(",\"'=HYPERLINK(\"\"https://evil.example\"\")\",").count(), 450);
    assert_eq!(csv.matches(",\"'@SUM(1,2)\",").count(), 450);
    let (_, page) = world.ask(route("report.html"), with(&world.admin, &scan)).await;
    let page = String::from_utf8(page).unwrap();
    assert_eq!(page.matches("<section>").count(), 450);
    assert!(page.ends_with("</html>\n"));
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;"));
}

#[tokio::test]
async fn another_tenant_s_schedule_is_one_that_does_not_exist() {
    let world = world().await;
    let (first, by) = (world.app.first_tenant, By::daemon(world.app.clock.now()));
    let day = std::time::Duration::from_secs(24 * 3600);
    let what = NewSchedule {
        name: "daily".to_owned(),
        labels: Vec::new(),
        scanner: Scanner::Lynis,
        profile: None,
        timing: Timing { starts_at: by.at, every: day, jitter: day },
        max_concurrent: 1,
        enabled: true,
    };
    let schedule = world.app.store.create_schedule(first, &by, what).await.unwrap().to_string();
    let routes: Vec<_> = guarded().filter(|route| route.path.contains("{schedule_id}")).collect();
    assert_eq!(routes.len(), 3);
    for route in &routes {
        let foreign = world.ask(route, with(&world.other_admin, &schedule)).await;
        assert_eq!(foreign, (StatusCode::NOT_FOUND, NOT_FOUND.to_vec()), "{route:?}");
        let unknown = world.ask(route, with(&world.other_admin, "not-an-id")).await;
        assert_eq!(unknown, foreign, "{route:?}");
    }
    // One's own is there, and is removed last.
    for route in &routes {
        let (status, _) = world.ask(route, with(&world.admin, &schedule)).await;
        assert!(status.is_success(), "{route:?}: {status}");
    }
}
