//! Single sign-on, at a provider of the test's own that signs real tokens: in a real browser, and
//! with everything that must not let anybody in.

use std::sync::LazyLock;

use gangplank_tests::{
    account::canary,
    browser::Browser,
    daemon::Daemon,
    http::{Answer, Client, session_cookie},
    provider::{Provider, SECRET, Twist},
};
use serde_json::json;
use tokio::sync::{Mutex, MutexGuard};
use url::Url;

static PROVIDER: LazyLock<Provider> = LazyLock::new(Provider::start);

static DAEMON: LazyLock<Daemon> = LazyLock::new(|| {
    let mut settings = PROVIDER.settings();
    settings.push(("oidc.roles", "staff=viewer,ops=operator,bosses=admin,lost=nowhere/admin"));
    settings.push(("oidc.label", "the test's provider"));
    Daemon::with(&settings)
});

/// The provider has one person and one kind of fault at a time.
static TURN: LazyLock<Mutex<()>> = LazyLock::new(|| Mutex::new(()));

async fn turn() -> MutexGuard<'static, ()> {
    let turn = TURN.lock().await;
    PROVIDER.twist(Twist::None);
    turn
}

/// A login under way: the cookie by which the browser is known, and where it was sent.
struct Away {
    client: Client,
    cookie: String,
    url: Url,
}

impl Away {
    async fn start(next: &str) -> Self {
        let client = DAEMON.client().with_origin(None);
        let answer = client.get(&format!("/api/v1/auth/oidc/start{next}")).await.expect(303);
        Self::sent(client, &answer, answer.header("location"))
    }

    /// Somebody who is logged in, sent away to link their account.
    async fn to_link(who: &Client, proof: serde_json::Value) -> Self {
        let answer = who.post("/api/v1/account/sign-on", proof).await.expect(200);
        let url = answer.json()["url"].as_str().expect("an address").to_owned();
        Self::sent(DAEMON.client().with_origin(None), &answer, &url)
    }

    fn sent(client: Client, answer: &Answer, url: &str) -> Self {
        let set = answer.header("set-cookie");
        assert!(set.starts_with("__Host-oidc="), "{set}");
        for attribute in ["Secure", "HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=300"] {
            assert!(set.contains(attribute), "{set}");
        }
        let cookie = set.split(';').next().expect("a cookie").to_owned();
        let url = Url::parse(url).expect("an address");
        Self { client, cookie, url }
    }

    /// What the provider sends the browser back with: path and query.
    async fn asked(&self) -> String {
        let ca = std::fs::read(PROVIDER.ca()).expect("a CA");
        let provider = Client::new(PROVIDER.issuer(), &ca);
        let path = format!("/authorize?{}", self.url.query().expect("a query"));
        let answer = provider.get(&path).await.expect(303);
        let back = Url::parse(answer.header("location")).expect("an address");
        assert_eq!(back.path(), "/api/v1/auth/oidc/callback");
        format!("{}?{}", back.path(), back.query().expect("a query"))
    }

    async fn comes_back(&self, path: &str) -> Answer {
        self.client.clone().with_header("Cookie", &self.cookie).get(path).await.expect(303)
    }
}

async fn whole(next: &str) -> Answer {
    let away = Away::start(next).await;
    let back = away.asked().await;
    away.comes_back(&back).await
}

#[track_caller]
fn refused(answer: &Answer, why: &str) {
    assert_eq!(answer.header("location"), format!("/login?sso={why}"));
    let cookies = answer.headers.get_all("set-cookie").iter();
    let cookies: Vec<_> = cookies.filter_map(|cookie| cookie.to_str().ok()).collect();
    assert!(!cookies.iter().any(|cookie| cookie.starts_with("__Host-session")), "{cookies:?}");
    // What was begun is over.
    assert!(cookies.iter().any(|cookie| cookie.starts_with("__Host-oidc=;")), "{cookies:?}");
}

async fn roles(answer: &Answer) -> serde_json::Value {
    let client = DAEMON.client().with_header("Cookie", &session_cookie(answer));
    let me = client.get("/api/v1/auth/me").await.expect(200).json();
    json!([me["user"]["username"], me["user"]["roles"]])
}

#[tokio::test]
async fn a_person_comes_in_through_the_browser_and_goes_where_they_wanted() {
    let _turn = turn().await;
    PROVIDER.is("subject-1", "ada", &["staff", "bosses", "other"]);
    let mut browser = Browser::start(&[DAEMON.ca(), PROVIDER.ca()]).await;
    browser.goto(&format!("{}/audit", DAEMON.url())).await;
    browser.click_text("Continue with the test's provider").await;
    browser.click_text("Account of ada").await;
    browser.shows("Account of ada").await;
    let visited = browser.requests();
    assert!(visited.iter().any(|url| url.starts_with(PROVIDER.issuer())), "{visited:?}");
    assert!(visited.iter().any(|url| url.ends_with("/audit")), "{visited:?}");
    assert!(!DAEMON.log().contains(SECRET));
    assert_eq!(browser.problems(), Vec::<String>::new());
}

#[tokio::test]
async fn roles_follow_groups_and_accounts_follow_subjects() {
    let _turn = turn().await;
    PROVIDER.is("subject-2", "grace", &["ops"]);
    let first = whole("?next=/jobs").await;
    assert_eq!(first.header("location"), "/jobs");
    assert!(first.header("set-cookie").len() > 20);
    assert_eq!(roles(&first).await, json!(["grace", ["operator"]]));

    // The name at the provider is not who somebody is.
    PROVIDER.twist(Twist::Curve);
    PROVIDER.is("subject-2", "renamed", &["staff", "ops"]);
    assert_eq!(roles(&whole("").await).await, json!(["grace", ["operator", "viewer"]]));
    PROVIDER.twist(Twist::None);
    PROVIDER.is("subject-3", "grace", &["bosses"]);
    refused(&whole("").await, "name");
    PROVIDER.is("subject-3", "admin", &["bosses"]);
    refused(&whole("").await, "name");

    // Who is in no group any more stays out, and what they had is gone.
    for groups in [&["strangers"][..], &[], &["lost"]] {
        PROVIDER.is("subject-2", "grace", groups);
        refused(&whole("").await, "no_access");
        PROVIDER.is("subject-4", "nobody", groups);
        refused(&whole("").await, "no_access");
    }
    // Nobody logs in to such an account by password.
    for password in ["", "!", "grace"] {
        DAEMON.client().from_address(41).try_login("grace", password).await.refused(401);
    }
}

#[tokio::test]
async fn nothing_but_a_right_token_lets_anybody_in() {
    let _turn = turn().await;
    PROVIDER.is("subject-5", "eve", &["bosses"]);
    for twist in [
        Twist::WrongNonce,
        Twist::NoNonce,
        Twist::NoSignature,
        Twist::OtherKey,
        Twist::ClientSecret,
        Twist::PublicKeyAsSecret,
        Twist::Changed,
        Twist::OtherAudience,
        Twist::MoreAudience,
        Twist::OtherIssuer,
        Twist::Expired,
        Twist::NotYet,
        Twist::Future,
    ] {
        PROVIDER.twist(twist);
        let answer = whole("").await;
        assert_eq!(answer.header("location"), "/login?sso=refused", "{twist:?}");
        refused(&answer, "refused");
    }
    PROVIDER.twist(Twist::Denies);
    refused(&whole("").await, "denied");
    let admin = DAEMON.admin().await;
    let users = admin.get("/api/v1/users?limit=500").await.expect(200).json();
    let names = users["items"].as_array().expect("users");
    assert!(!names.iter().any(|user| user["username"] == "eve"), "{users}");
}

#[tokio::test]
async fn what_one_browser_began_another_can_not_end() {
    let _turn = turn().await;
    PROVIDER.is("subject-6", "mallory", &["staff"]);
    let (mine, theirs) = (Away::start("").await, Away::start("").await);
    // The way of an attacker who wants somebody else to be logged in as them.
    let planted = mine.asked().await;
    refused(&theirs.comes_back(&planted).await, "refused");
    let alone = DAEMON.client().with_origin(None).get(&planted).await.expect(303);
    refused(&alone, "refused");
    // The right browser still can, once.
    let answer = mine.comes_back(&planted).await;
    assert_eq!(answer.header("location"), "/");
    refused(&mine.comes_back(&planted).await, "refused");

    let away = Away::start("").await;
    let back = away.asked().await;
    let other = back.replace("state=", "state=0");
    refused(&away.comes_back(&other).await, "refused");
    // A guess uses it up.
    refused(&away.comes_back(&back).await, "refused");
    for odd in ["", "?code=x", "?state=x", "?error=x&state=", "?state=%ff&code=%00"] {
        let away = Away::start("").await;
        refused(&away.comes_back(&format!("/api/v1/auth/oidc/callback{odd}")).await, "refused");
    }
}

#[tokio::test]
async fn a_code_counts_once_and_for_its_own_verifier() {
    let _turn = turn().await;
    PROVIDER.is("subject-7", "trudy", &["staff"]);
    let (first, second) = (Away::start("").await, Away::start("").await);
    let stolen = first.asked().await;
    let code = Url::parse(&format!("https://x{stolen}")).expect("an address");
    let code = code.query_pairs().find(|(name, _)| name == "code").expect("a code").1.into_owned();
    let state = second.url.query_pairs().find(|(name, _)| name == "state").expect("a state").1;
    let path = format!("/api/v1/auth/oidc/callback?code={code}&state={state}");
    refused(&second.comes_back(&path).await, "refused");
}

#[tokio::test]
async fn a_login_leads_to_a_page_of_ours_and_nowhere_else() {
    let _turn = turn().await;
    PROVIDER.is("subject-8", "peggy", &["staff"]);
    for next in [
        "https://evil.example/",
        "//evil.example",
        "/%5cevil.example",
        "/%2f%2fevil.example",
        "/x/..//evil.example",
        "/%09/evil.example",
        "/%0d%0aX-Injected:%20yes",
        "javascript:alert(1)",
        "hosts",
    ] {
        let answer = whole(&format!("?next={next}")).await;
        let location = answer.header("location");
        assert!(location == "/" || location.starts_with("/%"), "{next}: {location}");
        assert_eq!(answer.header("x-injected"), "");
    }
    assert_eq!(whole("?next=/host%3Fid%3D1").await.header("location"), "/host?id=1");
}

#[tokio::test]
async fn who_is_logged_in_links_their_own_account_and_takes_it_back() {
    let _turn = turn().await;
    let password = canary("local");
    let admin = DAEMON.admin().await;
    let body = json!({ "username": "lena", "password": password, "roles": ["operator"] });
    admin.post("/api/v1/users", body).await.expect(201);
    let lena = DAEMON.client().login("lena", &password).await;
    let mine = lena.get("/api/v1/account").await.expect(200).json();
    assert_eq!(mine["sign_on"], json!({ "label": "the test's provider", "linked": false }));

    // Neither her name nor her address at the provider makes her account somebody's.
    PROVIDER.is("subject-l", "lena", &["staff"]);
    refused(&whole("").await, "name");
    let proof = json!({ "password": password });
    lena.post("/api/v1/account/sign-on", json!({ "password": "wrong" })).await.refused(400);
    let (_, recovery) = lena.enrol_codes(&password).await;
    lena.post("/api/v1/account/sign-on", proof.clone()).await.refused(400);
    let proof = |n: usize| json!({ "password": password, "code": recovery[n] });

    // Another browser can't end it, nor one that is logged out meanwhile.
    let away = Away::to_link(&lena, proof(0)).await;
    let back = away.asked().await;
    refused(&Away::start("").await.comes_back(&back).await, "refused");
    let other = DAEMON.client();
    let login = json!({ "username": "lena", "password": password, "totp": recovery[1] });
    let other = other.with_header(
        "Cookie",
        &session_cookie(&DAEMON.client().post("/api/v1/auth/login", login).await.expect(200)),
    );
    let gone = Away::to_link(&other, proof(2)).await;
    let late = gone.asked().await;
    other.post("/api/v1/auth/logout", json!({})).await.expect(204);
    assert_eq!(gone.comes_back(&late).await.header("location"), "/account?sso=refused");

    let linked = away.comes_back(&back).await;
    assert_eq!(linked.header("location"), "/account?sso=linked");
    assert!(!linked.header("set-cookie").starts_with("__Host-session"));
    assert_eq!(lena.get("/api/v1/account").await.expect(200).json()["sign_on"]["linked"], true);
    // Whatever her groups are, she has the roles that she was given here.
    PROVIDER.is("subject-l", "somebody", &["strangers"]);
    assert_eq!(roles(&whole("").await).await, json!(["lena", ["operator"]]));
    DAEMON.client().try_login("lena", &password).await.refused(401);
    let audit = admin.get("/api/v1/audit?limit=200").await.expect(200).text();
    assert!(audit.contains("sign_on.link"), "{audit}");

    // Neither of the two is linked twice.
    let again = Away::to_link(&lena, proof(3)).await;
    let back = again.asked().await;
    assert_eq!(again.comes_back(&back).await.header("location"), "/account?sso=taken");
    let body = json!({ "username": "lars", "password": password, "roles": ["viewer"] });
    admin.post("/api/v1/users", body).await.expect(201);
    let lars = DAEMON.client().login("lars", &password).await;
    let his = Away::to_link(&lars, json!({ "password": password })).await;
    let back = his.asked().await;
    assert_eq!(his.comes_back(&back).await.header("location"), "/account?sso=taken");

    let unlink = "/api/v1/account/sign-on/unlink";
    lena.post(unlink, json!({ "password": password })).await.refused(400);
    lena.post(unlink, proof(4)).await.expect(204);
    lena.post(unlink, proof(5)).await.refused(404);
    refused(&whole("").await, "no_access");
    // Who came from the provider has nothing else to come by.
    PROVIDER.is("subject-m", "only-there", &["staff"]);
    let only = whole("").await;
    let only = DAEMON.client().with_header("Cookie", &session_cookie(&only));
    only.post(unlink, json!({ "password": "" })).await.refused(400);
}

#[tokio::test]
async fn an_account_is_linked_in_the_console() {
    let _turn = turn().await;
    PROVIDER.is("subject-c", "carla", &["staff"]);
    let password = canary("carla");
    let body = json!({ "username": "carla", "password": password, "roles": ["viewer"] });
    DAEMON.admin().await.post("/api/v1/users", body).await.expect(201);
    let mut browser = Browser::start(&[DAEMON.ca(), PROVIDER.ca()]).await;
    browser.goto(&DAEMON.url()).await;
    browser.until("the login form", "document.activeElement?.name === 'username'").await;
    browser.keys(&format!("carla\t{password}\r")).await;
    browser.click_text("Account of carla").await;
    browser.click_text("Link my account").await;
    browser.until("the question", "document.activeElement?.name === 'password'").await;
    browser.keys(&format!("{password}\r")).await;
    browser.shows("Your account is linked now").await;
    browser.click_text("Take the link back").await;
    browser.until("the question", "document.activeElement?.name === 'password'").await;
    browser.keys(&format!("{password}\r")).await;
    browser.shows("Not linked").await;
    assert_eq!(browser.problems(), Vec::<String>::new());
}

#[tokio::test]
async fn who_names_a_tenant_comes_in_there_if_it_is_theirs() {
    let _turn = turn().await;
    PROVIDER.is("subject-9", "bruno", &["staff"]);
    whole("").await;
    let admin = DAEMON.admin().await;
    let branch = admin.post("/api/v1/tenants", json!({ "name": "branch" })).await.expect(201);
    let branch = branch.json()["id"].as_str().expect("an id").to_owned();
    refused(&whole("?tenant=branch").await, "refused");
    refused(&whole("?tenant=nowhere").await, "refused");
    let join = json!({ "username": "bruno", "roles": ["viewer"] });
    admin.post(&format!("/api/v1/tenants/{branch}/members"), join).await.expect(201);
    let there = whole("?tenant=branch&next=/jobs").await;
    assert_eq!(there.header("location"), "/jobs");
    let there = DAEMON.client().with_header("Cookie", &session_cookie(&there));
    let me = there.get("/api/v1/auth/me").await.expect(200).json();
    assert_eq!(me["user"]["tenant"]["name"], "branch");
}

#[tokio::test]
async fn a_provider_that_speaks_only_tls_1_2_is_asked_all_the_same() {
    let provider = Provider::speaking(&rustls::version::TLS12);
    let daemon = Daemon::with(&provider.settings());
    let client = daemon.client().with_origin(None);
    let answer = client.get("/api/v1/auth/oidc/start").await.expect(303);
    assert!(answer.header("location").starts_with(provider.issuer()), "{:?}", answer.headers);
}

#[tokio::test]
async fn a_provider_may_change_its_keys_and_may_be_away() {
    let provider = Provider::start();
    let settings = provider.settings();
    let daemon = Daemon::with(&settings);
    let client = daemon.client().with_origin(None);
    let methods = client.get("/api/v1/auth/methods").await.expect(200).json();
    assert_eq!(methods["oidc"]["label"], "Single sign-on");
    client.get("/api/v1/auth/oidc/start").await.expect(303);
    let asked = provider.requests();
    client.get("/api/v1/auth/oidc/start").await.expect(303);
    assert_eq!(provider.requests(), asked, "what is known is not asked again");

    let away = Daemon::with(&[("oidc.issuer", "https://127.0.0.1:1"), ("oidc.client_id", "x")]);
    let client = away.client().with_origin(None);
    let answer = client.get("/api/v1/auth/oidc/start").await.expect(303);
    assert_eq!(answer.header("location"), "/login?sso=unavailable");
    // By password one comes in all the same.
    away.admin().await.get("/api/v1/auth/me").await.expect(200);

    let none = Daemon::start();
    let client = none.client().with_origin(None);
    client.get("/api/v1/auth/oidc/start").await.refused(404);
    client.get("/api/v1/auth/oidc/callback").await.refused(404);
    let methods = client.get("/api/v1/auth/methods").await.expect(200).json();
    assert_eq!(methods["oidc"], json!(null));
}
