#![allow(clippy::unwrap_used, clippy::panic)]

use std::net::Ipv4Addr;

use super::*;
use crate::auth::AccessToken;
use crate::clock::Clock;
use crate::store::tests::{Fixture, START, fixture};

const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const STEP: Duration = Duration::from_secs(30);

struct Bench {
    fixture: Fixture,
    auth: Auth,
    clock: Clock,
    password: Secret,
}

async fn bench() -> Bench {
    let fixture = fixture().await;
    let clock = Clock::manual(START);
    let auth = Auth::new(fixture.store.clone(), clock.clone(), &ServerSecret::new(vec![5; 32]));
    let password = Secret::new("correct horse".to_owned());
    let (by, name) = (By::daemon(START), "alice".parse().unwrap());
    auth.create_user(fixture.tenant, &by, name, &password, vec!["viewer".into()]).await.unwrap();
    Bench { fixture, auth, clock, password }
}

impl Bench {
    async fn login(&self, code: Option<&str>) -> Result<Principal, AuthError> {
        let code = code.map(|code| Secret::new(code.to_owned()));
        let proof = Proof { password: &self.password, code: code.as_ref(), tenant: None };
        Ok(self.auth.login("alice", proof, SOURCE).await?.principal)
    }

    async fn token(&self, code: Option<&str>) -> Result<AccessToken, AuthError> {
        let code = code.map(|code| Secret::new(code.to_owned()));
        let proof = Proof { password: &self.password, code: code.as_ref(), tenant: None };
        self.auth.token("alice", proof, SOURCE).await
    }

    fn code(&self, offer: &TotpOffer) -> Secret {
        let totp = totp_rs::Totp::from_url(offer.uri.expose()).unwrap();
        Secret::new(totp.generate(self.clock.now().seconds()).to_string())
    }

    async fn enrol(&self) -> (Principal, TotpOffer, Vec<Secret>) {
        let who = self.login(None).await.unwrap();
        let by = who.by(Some(SOURCE), self.clock.now());
        let offer = self.auth.offer_totp(&who, &by).await.unwrap();
        let codes = self.auth.confirm_totp(&who, &by, &self.code(&offer)).await.unwrap();
        (who, offer, codes)
    }
}

#[tokio::test]
async fn a_code_is_needed_after_the_right_password_and_counts_once() {
    let bench = bench().await;
    let (_, offer, _) = bench.enrol().await;
    assert!(matches!(bench.login(None).await, Err(AuthError::CodeNeeded)));
    let wrong = Secret::new("wrong".to_owned());
    let login = bench.auth.login("alice", &wrong, SOURCE).await;
    assert!(matches!(login, Err(AuthError::Invalid)), "a wrong password says nothing of codes");
    let code = bench.code(&offer);
    let again = bench.login(Some(code.expose())).await;
    assert!(matches!(again, Err(AuthError::CodeWrong)), "the code that confirmed is used");
    bench.clock.advance(STEP);
    let code = bench.code(&offer);
    bench.login(Some(code.expose())).await.unwrap();
    assert!(matches!(bench.token(Some(code.expose())).await, Err(AuthError::CodeWrong)));
    bench.clock.advance(STEP);
    bench.token(Some(bench.code(&offer).expose())).await.unwrap();
}

#[tokio::test]
async fn one_code_at_many_doors_opens_one() {
    let bench = bench().await;
    let (_, offer, _) = bench.enrol().await;
    bench.clock.advance(STEP);
    let code = bench.code(&offer);
    let tries = (0..4).map(|_| bench.login(Some(code.expose())));
    let opened = futures_util::future::join_all(tries).await;
    assert_eq!(opened.iter().filter(|login| login.is_ok()).count(), 1);
}

#[tokio::test]
async fn a_recovery_code_counts_once() {
    let bench = bench().await;
    let (_, _, codes) = bench.enrol().await;
    let code = codes.first().unwrap().expose().to_uppercase();
    bench.login(Some(&code)).await.unwrap();
    assert!(matches!(bench.login(Some(&code)).await, Err(AuthError::CodeWrong)));
    let last = codes.last().unwrap();
    let who = bench.login(Some(last.expose())).await.unwrap();
    assert_eq!(bench.auth.second_factors(&who).await.unwrap().recovery_codes, 8);
}

#[tokio::test]
async fn codes_are_not_guessed_but_recovery_stays_possible() {
    let bench = bench().await;
    let (_, offer, codes) = bench.enrol().await;
    bench.clock.advance(STEP);
    let right = bench.code(&offer);
    let wrong = if right.expose() == "000000" { "000001" } else { "000000" };
    for _ in 0..TRIES {
        assert!(matches!(bench.login(Some(wrong)).await, Err(AuthError::CodeWrong)));
    }
    let late = bench.login(Some(right.expose())).await;
    assert!(matches!(late, Err(AuthError::Throttled { .. })), "{late:?}");
    bench.login(Some(codes.first().unwrap().expose())).await.unwrap();
    bench.clock.advance(WINDOW);
    bench.login(Some(bench.code(&offer).expose())).await.unwrap();
}

#[tokio::test]
async fn who_has_to_enrol_can_do_that_first() {
    let bench = bench().await;
    let by = By::daemon(START);
    let tenant = bench.fixture.tenant;
    bench.fixture.store.require_second_factor(tenant, &by, true).await.unwrap();
    assert!(matches!(bench.token(None).await, Err(AuthError::EnrolmentNeeded)));
    let (who, _, _) = bench.enrol().await;
    assert!(who.must_enrol);
    let after = bench.auth.recheck(&who).await.unwrap().unwrap();
    assert!(!after.must_enrol);
}

#[tokio::test]
async fn codes_go_by_a_code_or_by_an_administrator() {
    let bench = bench().await;
    let (who, offer, codes) = bench.enrol().await;
    let by = who.by(Some(SOURCE), bench.clock.now());
    let used = bench.code(&offer);
    let kept = bench.auth.disable_totp(&who, &by, &used).await;
    assert!(matches!(kept, Err(AuthError::CodeWrong)));
    bench.auth.disable_totp(&who, &by, codes.first().unwrap()).await.unwrap();
    bench.login(None).await.unwrap();
    let (who, _, _) = bench.enrol().await;
    let other = bench.auth.reset_second_factors(TenantId::new(), &by, who.user).await.unwrap();
    assert!(!other, "a user of another tenant");
    assert!(bench.auth.reset_second_factors(who.tenant, &by, who.user).await.unwrap());
    assert_eq!(bench.auth.recheck(&who).await.unwrap(), None);
    bench.login(None).await.unwrap();
}
