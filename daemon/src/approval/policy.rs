//! Which of what people ask for needs consent.

use std::time::Duration;

use gangplank_proto::id::PolicyId;
use gangplank_proto::job::Command;
use gangplank_proto::terminal::ConnectionMode;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::{Hours, Risk};
use crate::auth::{Permission, Principal};
use crate::clock::Timestamp;
use crate::config::{parse_duration, show_duration};

/// What is decided about a policy. It is about what its lists name: commands, tools by their names,
/// terminals by the way to the host; about everything when they name nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewPolicy {
    /// What people call it.
    pub name: String,
    /// Whether it counts.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Commands.
    #[serde(default)]
    pub commands: Vec<Command>,
    /// Tools of `run_tool`.
    #[serde(default)]
    pub tools: Vec<String>,
    /// Terminals.
    #[serde(default)]
    pub terminals: Vec<ConnectionMode>,
    /// Only on hosts that have all of these labels.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Only for those who have one of these roles, or one of the permissions.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Only for those who have one of these permissions, or one of the roles.
    #[serde(default)]
    pub permissions: Vec<Permission>,
    /// Only at these hours.
    #[serde(default)]
    pub hours: Option<Hours>,
    /// How much harm it may do.
    #[serde(default)]
    pub risk_level: Risk,
    /// How long a request stands.
    #[serde(default = "hour", serialize_with = "show", deserialize_with = "read")]
    pub life: Duration,
}

fn yes() -> bool {
    true
}

fn hour() -> Duration {
    Duration::from_secs(3600)
}

fn show<S: Serializer>(life: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&show_duration(*life))
}

fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let wrong = || serde::de::Error::custom("life takes a duration such as 15m, 1h or 1d");
    parse_duration(&text).ok_or_else(wrong)
}

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Policy {
    /// Its id.
    pub id: PolicyId,
    /// What was decided about it.
    #[serde(flatten)]
    pub what: NewPolicy,
    /// When it was made.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
}

/// What somebody wants to do.
#[derive(Debug, Clone, Copy)]
pub enum Act<'a> {
    /// Give a command with its params.
    Command(Command, &'a Value),
    /// Open a terminal.
    Terminal(ConnectionMode),
}

/// What consent is needed, by all policies that want it together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// The highest of their levels.
    pub risk: Risk,
    /// The shortest of their lives.
    pub life: Duration,
    /// Their names.
    pub policies: Vec<String>,
}

impl NewPolicy {
    /// Whether it is about an act of a person at a moment, on whatever host.
    fn covers(&self, who: &Principal, at: Timestamp, act: Act<'_>) -> bool {
        let everybody = self.roles.is_empty() && self.permissions.is_empty();
        let person = everybody
            || self.roles.iter().any(|role| who.roles.contains(role))
            || self.permissions.iter().any(|permission| who.may(*permission));
        let everything =
            self.commands.is_empty() && self.tools.is_empty() && self.terminals.is_empty();
        let thing = everything
            || match act {
                Act::Terminal(mode) => self.terminals.contains(&mode),
                Act::Command(command, params) => {
                    let tool = (command == Command::RunTool)
                        .then(|| params.get("tool").and_then(Value::as_str))
                        .flatten();
                    self.commands.contains(&command)
                        || tool.is_some_and(|tool| self.tools.iter().any(|named| named == tool))
                }
            };
        self.enabled && person && thing && self.hours.is_none_or(|hours| hours.contain(at))
    }

    fn means(&self, host: &[String]) -> bool {
        self.labels.iter().all(|label| host.contains(label))
    }
}

/// The consent that an act needs on any of these hosts, each given by its labels; none when no
/// policy wants any.
#[must_use]
pub fn need(
    policies: &[Policy],
    who: &Principal,
    at: Timestamp,
    act: Act<'_>,
    hosts: &[&[String]],
) -> Option<Need> {
    let wanting = policies.iter().map(|policy| &policy.what).filter(|policy| {
        policy.covers(who, at, act) && hosts.iter().any(|labels| policy.means(labels))
    });
    wanting.fold(None, |need, policy| {
        let Need { risk, life, mut policies } =
            need.unwrap_or(Need { risk: Risk::Low, life: policy.life, policies: Vec::new() });
        policies.push(policy.name.clone());
        Some(Need { risk: risk.max(policy.risk_level), life: life.min(policy.life), policies })
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use gangplank_proto::id::{LoginId, TenantId, UserId};
    use serde_json::json;

    use super::*;
    use crate::auth::Account;

    fn policy(rules: Value) -> Policy {
        Policy {
            id: PolicyId::new(),
            what: serde_json::from_value(rules).unwrap(),
            created_at: Timestamp::from_millis(0),
            created_by: "user:a".to_owned(),
        }
    }

    fn person(role: &str, permissions: &[Permission]) -> Principal {
        let (tenant, user) = (TenantId::new(), UserId::new());
        Principal {
            tenant,
            tenant_name: "t".to_owned(),
            user,
            account: Account { tenant, user },
            username: "u".to_owned(),
            login: LoginId::new(),
            must_enrol: false,
            roles: vec![role.to_owned()],
            permissions: permissions.iter().copied().collect(),
            api_token: None,
        }
    }

    const NOON: Timestamp = Timestamp::from_millis(12 * 3_600_000);

    fn needs(policy: &Policy, who: &Principal, act: Act<'_>, labels: &[&str]) -> bool {
        let labels: Vec<_> = labels.iter().map(|label| (*label).to_owned()).collect();
        need(std::slice::from_ref(policy), who, NOON, act, &[&labels]).is_some()
    }

    #[test]
    fn a_policy_is_about_what_it_names() {
        let who = person("operator", &[Permission::CanManageHosts]);
        let none = json!({});
        let restart = json!({ "tool": "restart" });
        let tool = Act::Command(Command::RunTool, &restart);
        let report = Act::Command(Command::ReportNow, &none);
        let direct = Act::Terminal(ConnectionMode::Direct);

        let tools = policy(json!({ "name": "p", "tools": ["restart"] }));
        assert!(needs(&tools, &who, tool, &[]));
        assert!(!needs(&tools, &who, report, &[]) && !needs(&tools, &who, direct, &[]));
        let other = json!({ "tool": "other" });
        assert!(!needs(&tools, &who, Act::Command(Command::RunTool, &other), &[]));

        let terminals = policy(json!({ "name": "p", "terminals": ["direct"] }));
        assert!(needs(&terminals, &who, direct, &[]));
        assert!(!needs(&terminals, &who, Act::Terminal(ConnectionMode::Pty), &[]));
        assert!(!needs(&terminals, &who, tool, &[]));

        let hosts = policy(json!({ "name": "p", "labels": ["prod", "db"] }));
        assert!(needs(&hosts, &who, report, &["db", "prod", "x"]));
        assert!(needs(&hosts, &who, direct, &["db", "prod"]));
        assert!(!needs(&hosts, &who, report, &["prod"]));

        let off = policy(json!({ "name": "p", "enabled": false }));
        assert!(!needs(&off, &who, report, &[]));
        let night = json!({ "name": "p", "hours": { "from": "20:00", "to": "06:00" } });
        assert!(!needs(&policy(night), &who, report, &[]));
    }

    #[test]
    fn a_policy_is_about_whom_it_names() {
        let none = json!({});
        let act = Act::Command(Command::ReportNow, &none);
        let roles = policy(json!({ "name": "p", "roles": ["operator"] }));
        assert!(needs(&roles, &person("operator", &[]), act, &[]));
        assert!(!needs(&roles, &person("admin", &[Permission::Admin]), act, &[]));
        let rights = policy(json!({ "name": "p", "permissions": ["can_manage_hosts"] }));
        assert!(needs(&rights, &person("x", &[Permission::CanManageHosts]), act, &[]));
        assert!(!needs(&rights, &person("x", &[Permission::JobsRun]), act, &[]));
    }

    #[test]
    fn policies_add_up() {
        let who = person("operator", &[]);
        let none = json!({});
        let policies = [
            policy(json!({ "name": "a", "risk_level": "high", "life": "2h" })),
            policy(json!({ "name": "b", "risk_level": "low", "life": "15m" })),
            policy(json!({ "name": "c", "labels": ["prod"] })),
        ];
        let (test, prod) = (vec![], vec!["prod".to_owned()]);
        let act = Act::Command(Command::ReportNow, &none);
        let need = |hosts: &[&[String]]| super::need(&policies, &who, NOON, act, hosts).unwrap();
        let found = need(&[&test]);
        assert_eq!((found.risk, found.life), (Risk::High, Duration::from_secs(900)));
        assert_eq!(found.policies, ["a", "b"]);
        assert_eq!(need(&[&test, &prod]).policies, ["a", "b", "c"]);
        assert!(super::need(&policies, &who, NOON, act, &[]).is_none());
    }
}
