//! What the guard knows of logins: which credentials were good lately, and how each login behaves.

use std::cmp::Reverse;
use std::hash::BuildHasher as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gangplank_proto::id::{LoginId, TenantId, UserId};
use serde::Serialize;

use super::door::{Guard, State as Table};
use super::news::{News, Verdict};
use super::standing::{Change, Reason, Standing, State, Steps};
use super::{Recent, Source};
use crate::auth::Principal;
use crate::clock::Timestamp;
use crate::config::{Action, Guarding};

/// Credentials that are remembered as good, at least.
const CREDENTIALS: usize = 57_344;

/// Logins whose standing is remembered, at least.
const LOGINS: usize = 14_336;

/// Users that are blocked at a source, and names that were tried in vain, at least.
const NAMES: usize = 14_336;

/// Bytes of a program's name that are kept.
const USER_AGENT: usize = 200;

/// Failures before a good login that say nothing: people mistype.
const MISTYPED: u16 = 5;

/// How long failures are held against the login after them.
const FAILURES: Duration = Duration::from_secs(15 * 60);

/// Pause before each request of a login that is throttled.
const THROTTLE: Duration = Duration::from_millis(500);

/// Tables about logins.
#[derive(Debug)]
pub(super) struct Logins {
    good: Recent<u64, Option<LoginId>>,
    standings: Recent<LoginId, Option<Seen>>,
    blocked: Recent<(UserId, Source), Option<Timestamp>>,
    failed: Recent<(Source, u64), (u16, Option<Timestamp>)>,
}

impl Default for Logins {
    fn default() -> Self {
        Self {
            good: Recent::new(CREDENTIALS),
            standings: Recent::new(LOGINS),
            blocked: Recent::new(NAMES),
            failed: Recent::new(NAMES),
        }
    }
}

#[derive(Debug, Clone)]
struct Seen {
    tenant: TenantId,
    user: UserId,
    username: String,
    source: Option<IpAddr>,
    user_agent: Option<String>,
    since: Timestamp,
    standing: Standing,
    caution: Caution,
}

/// Whether a login is throttled, for whoever serves it. Clones are of the same login.
#[derive(Debug, Clone, Default)]
pub struct Caution(Arc<AtomicBool>);

impl Caution {
    /// The pause before the next message, if the login is throttled.
    #[must_use]
    pub fn pause(&self) -> Option<Duration> {
        self.0.load(Ordering::Relaxed).then_some(THROTTLE)
    }

    /// Waits a while, if the login is throttled.
    pub async fn wait(&self) {
        if let Some(pause) = self.pause() {
            tokio::time::sleep(pause).await;
        }
    }
}

/// Somebody who makes a request.
#[derive(Debug, Clone, Copy)]
pub struct Visitor<'a> {
    /// Who it is.
    pub who: &'a Principal,
    /// From where.
    pub source: IpAddr,
    /// The program, as it calls itself.
    pub user_agent: Option<&'a str>,
    /// Whether its credential belongs to one browser.
    pub cookie: bool,
}

/// A login as people see it.
#[derive(Debug, Clone, Serialize)]
pub struct LoginView {
    /// The login.
    pub login_id: LoginId,
    /// Whose it is.
    pub user: String,
    /// How it stands.
    pub state: State,
    /// Its points.
    pub points: u32,
    /// What was held against it.
    pub reasons: Vec<Held>,
    /// Where it was seen last.
    pub source: Option<IpAddr>,
    /// Its program.
    pub user_agent: Option<String>,
    /// Since when it is watched.
    pub since: Timestamp,
}

/// Something that was held against a login.
#[derive(Debug, Clone, Serialize)]
pub struct Held {
    /// What.
    pub reason: &'static str,
    /// How often.
    pub count: u16,
}

impl Seen {
    fn new(visitor: Visitor<'_>, now: Timestamp) -> Self {
        let who = visitor.who;
        Self {
            tenant: who.tenant,
            user: who.user,
            username: who.username.clone(),
            source: Some(visitor.source),
            user_agent: visitor.user_agent.map(cut),
            since: now,
            standing: Standing::new(now),
            caution: Caution::default(),
        }
    }
}

impl Guard {
    /// The number under which a credential is remembered; it can't be turned back.
    #[must_use]
    pub fn number(&self, credential: &[&[u8]]) -> u64 {
        self.hasher.hash_one(credential)
    }

    /// Somebody proved who they are: their source is vouched for, and the credential is let in from
    /// wherever others misbehave too.
    pub fn good(&self, source: IpAddr, credential: u64, login: Option<LoginId>) {
        let mut state = self.lock();
        state.penalties.good(source);
        *state.logins.good.touch(&credential) = login;
    }

    /// Whether a credential was good lately.
    #[must_use]
    pub fn is_known(&self, credential: u64) -> bool {
        self.lock().logins.good.peek(&credential).is_some()
    }

    /// A login makes a request. Answers whether it is to be slowed down.
    pub fn seen(&self, visitor: Visitor<'_>, now: Timestamp) -> Caution {
        let policy = self.policy();
        let steps = steps(&policy);
        let mut state = self.lock();
        let login = visitor.who.login;
        let slot = state.logins.standings.touch(&login);
        let first = slot.is_none();
        let seen = slot.get_or_insert_with(|| Seen::new(visitor, now));
        seen.source = Some(visitor.source);
        let mut change = seen.standing.active(now, steps);
        let agent = visitor.user_agent.map(cut);
        let changed = !first && agent != seen.user_agent;
        if first || changed {
            if is_suspicious(agent.as_deref(), &policy) {
                change = seen.standing.odd(Reason::SuspiciousUserAgent, 1, now, steps).or(change);
            } else if changed && visitor.cookie && seen.user_agent.is_some() {
                change = seen.standing.odd(Reason::UserAgentChanged, 1, now, steps).or(change);
            }
            seen.user_agent = agent;
        }
        let caution = seen.caution.clone();
        state.report(login, change, &policy);
        caution
    }

    /// Whether a login is throttled, now and later.
    #[must_use]
    pub fn caution(&self, login: LoginId) -> Caution {
        match self.lock().logins.standings.peek(&login) {
            Some(Some(seen)) => seen.caution.clone(),
            _ => Caution::default(),
        }
    }

    /// Holds something against a login.
    pub fn odd(&self, login: LoginId, reason: Reason, times: u16, now: Timestamp) {
        let policy = self.policy();
        let mut state = self.lock();
        let Some(seen) = state.logins.standings.touch(&login) else { return };
        let change = seen.standing.odd(reason, times, now, steps(&policy));
        state.report(login, change, &policy);
    }

    /// A page of an origin that is not allowed used a credential: that is held against its login,
    /// if the credential was good lately.
    pub fn odd_origin(&self, credential: u64, now: Timestamp) {
        let login = self.lock().logins.good.peek(&credential).copied().flatten();
        if let Some(login) = login {
            self.odd(login, Reason::DisallowedOrigin, 1, now);
        }
    }

    /// A password was tried in vain.
    pub fn login_failed(&self, source: IpAddr, name: &str, now: Timestamp) {
        let key = (Source::from(source), self.name(name));
        let mut state = self.lock();
        let (count, last) = state.logins.failed.touch(&key);
        if last.is_some_and(|last| now.since(last) > FAILURES) {
            *count = 0;
        }
        *count = count.saturating_add(1);
        *last = Some(now);
    }

    /// A password was right: what went before is held against the login.
    pub fn login_succeeded(&self, visitor: Visitor<'_>, now: Timestamp) {
        self.seen(visitor, now);
        let key = (Source::from(visitor.source), self.name(&visitor.who.username));
        let failed = {
            let mut state = self.lock();
            let failed = state.logins.failed.peek(&key).copied();
            state.logins.failed.forget(&key);
            failed
        };
        let Some((count, Some(last))) = failed else { return };
        if count > MISTYPED && now.since(last) <= FAILURES {
            self.odd(visitor.who.login, Reason::FailedAuthentications, count, now);
        }
    }

    /// How long a user is not let in from a source.
    #[must_use]
    pub fn user_blocked(&self, user: UserId, source: IpAddr, now: Timestamp) -> Option<Duration> {
        let state = self.lock();
        let until = state.logins.blocked.peek(&(user, Source::from(source))).copied().flatten()?;
        let left = until.since(now);
        (!left.is_zero()).then_some(left)
    }

    /// Does not let a user in from a source until some moment.
    pub fn block_user(&self, user: UserId, source: IpAddr, until: Timestamp) {
        *self.lock().logins.blocked.touch(&(user, Source::from(source))) = Some(until);
    }

    /// A login was ended for what it did.
    pub fn terminated(&self, login: LoginId) {
        let policy = self.policy();
        let mut state = self.lock();
        let Some(seen) = state.logins.standings.touch(&login) else { return };
        let change = seen.standing.terminate();
        state.report(login, change, &policy);
    }

    /// The logins of a tenant as they stand now, the worst first.
    #[must_use]
    pub fn logins(&self, tenant: TenantId, now: Timestamp, most: usize) -> Vec<LoginView> {
        let steps = steps(&self.policy());
        let state = self.lock();
        let mut views: Vec<_> = (state.logins.standings.iter())
            .filter_map(|(login, seen)| Some((login, seen.as_ref()?)))
            .filter(|(_, seen)| seen.tenant == tenant)
            .map(|(login, seen)| {
                // What time has made of it, without telling anybody.
                let mut standing = seen.standing.clone();
                let _ = standing.look(now, steps);
                LoginView {
                    login_id: *login,
                    user: seen.username.clone(),
                    state: standing.state(),
                    points: standing.points().round() as u32,
                    reasons: (standing.reasons())
                        .map(|(reason, count)| Held { reason: reason.as_str(), count })
                        .collect(),
                    source: seen.source,
                    user_agent: seen.user_agent.clone(),
                    since: seen.since,
                }
            })
            .collect();
        drop(state);
        views.sort_by_key(|view| Reverse((view.state, view.points, view.since)));
        views.truncate(most);
        views
    }

    fn name(&self, name: &str) -> u64 {
        self.number(&[name.to_lowercase().as_bytes()])
    }
}

impl Table {
    /// Tells of a change that matters to somebody.
    fn report(&mut self, login: LoginId, change: Option<Change>, policy: &Guarding) {
        let Some(change) = change else { return };
        let Some(Some(seen)) = self.logins.standings.peek(&login) else { return };
        let actions = match change.to {
            State::Monitored => &policy.on_monitored[..],
            State::Suspicious => &policy.on_suspicious[..],
            State::Idle | State::Active | State::Terminated => &[],
        };
        // At once: what is throttled must not wait for the store.
        seen.caution.0.store(actions.contains(&Action::Throttle), Ordering::Relaxed);
        if change.from.max(change.to) <= State::Active {
            return;
        }
        let verdict = Verdict {
            tenant: seen.tenant,
            user: seen.user,
            username: seen.username.clone(),
            login,
            source: seen.source,
            user_agent: seen.user_agent.clone(),
            change,
            reasons: seen.standing.reasons().collect(),
        };
        self.post.tell(News::Login(Box::new(verdict)));
    }
}

fn steps(policy: &Guarding) -> Steps {
    Steps {
        monitored_at: policy.monitored_at,
        suspicious_at: policy.suspicious_at,
        half_life: policy.half_life,
    }
}

fn is_suspicious(agent: Option<&str>, policy: &Guarding) -> bool {
    let Some(agent) = agent else { return false };
    let agent = agent.to_lowercase();
    policy.user_agents.iter().any(|bad| !bad.is_empty() && agent.contains(&bad.to_lowercase()))
}

fn cut(text: &str) -> String {
    text.chars().take(USER_AGENT).collect()
}
