//! What a person asks for, held against the policies of their tenant.

use gangplank_proto::id::{ApprovalId, BatchId, HostId};
use gangplank_proto::terminal::Connect;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::{Act, BATCH, COMMAND, HOSTS, Need, Policy, Subject, TERMINAL, need};
use crate::app::App;
use crate::auth::Principal;
use crate::clock::Timestamp;
use crate::store::{Chosen, Host, NewApproval, NewBatch, NewJob, StoreError};

/// Hosts of a batch that a request names; of the others it has the number.
const NAMED: usize = 20;

/// A person who is about to do something.
#[derive(Debug)]
pub struct Asker<'a> {
    who: &'a Principal,
    at: Timestamp,
    policies: Vec<Policy>,
}

impl<'a> Asker<'a> {
    /// That person, at this moment, under the policies of their tenant.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn of(app: &App, who: &'a Principal) -> Result<Self, StoreError> {
        let policies = app.store.approval_policies(who.tenant).await?;
        Ok(Self { who, at: app.clock.now(), policies })
    }

    /// What an order to one host asks for.
    #[must_use]
    pub fn command_subject(new: &NewJob, host: HostId) -> Subject {
        Subject {
            action: COMMAND.to_owned(),
            object: format!("host:{host}"),
            payload: json!({ "command": new.command, "params": new.params }),
        }
    }

    /// The request that an order to one host needs, if it needs one.
    #[must_use]
    pub fn command(&self, new: &NewJob, host: &Host) -> Option<NewApproval> {
        let act = Act::Command(new.command, &new.params);
        let need = need(&self.policies, self.who, self.at, act, &[&host.labels])?;
        let mut context = Map::new();
        context.insert("host_id".to_owned(), json!(host.id));
        context.insert("host_name".to_owned(), json!(host.friendly_name));
        context.insert("command".to_owned(), json!(new.command));
        context.extend(tool(new));
        let subject = Self::command_subject(new, host.id);
        Some(self.request(need, subject, context, Some(new)))
    }

    /// What an order to many hosts asks for, when it is asked for in advance: exactly these hosts, in
    /// whatever order they were named or by whatever label they were found.
    #[must_use]
    pub fn batch_subject(new: &NewBatch, hosts: &[Chosen]) -> Subject {
        let mut ids: Vec<_> = hosts.iter().map(|host| host.id.to_string()).collect();
        ids.sort_unstable();
        let digest = hex::encode(Sha256::digest(ids.join("\n")));
        Subject {
            action: BATCH.to_owned(),
            object: HOSTS.to_owned(),
            payload: json!({
                "command": new.job.command,
                "params": new.job.params,
                "rings": new.rings,
                "max_failures": new.max_failures,
                "hosts": hosts.len(),
                "hosts_sha256": digest,
            }),
        }
    }

    /// What helps to decide on an order to many hosts.
    #[must_use]
    pub fn batch_context(new: &NewJob, hosts: &[Chosen]) -> Map<String, Value> {
        let names: Vec<_> = hosts.iter().take(NAMED).map(|host| host.name.as_str()).collect();
        let mut context = Map::new();
        context.insert("hosts".to_owned(), json!(hosts.len()));
        context.insert("host_names".to_owned(), json!(names));
        context.insert("command".to_owned(), json!(new.command));
        context.extend(tool(new));
        context
    }

    /// The request that an order to many hosts needs, if it needs one for any of them.
    #[must_use]
    pub fn batch(&self, new: &NewJob, id: BatchId, hosts: &[Chosen]) -> Option<NewApproval> {
        let labels: Vec<_> = hosts.iter().map(|host| host.labels.as_slice()).collect();
        let act = Act::Command(new.command, &new.params);
        let need = need(&self.policies, self.who, self.at, act, &labels)?;
        let context = Self::batch_context(new, hosts);
        // Its jobs are written down together with the request, so they can't be others later.
        let payload = json!({ "command": new.command, "params": new.params, "hosts": hosts.len() });
        let object = format!("batch:{id}");
        let subject = Subject { action: BATCH.to_owned(), object, payload };
        Some(self.request(need, subject, context, Some(new)))
    }

    /// The request that a terminal needs, if it needs one. It names no credential.
    #[must_use]
    pub fn terminal(&self, connect: &Connect, host: &Host) -> Option<NewApproval> {
        let mode = connect.connection_mode;
        let need = need(&self.policies, self.who, self.at, Act::Terminal(mode), &[&host.labels])?;
        let mut context = Map::new();
        context.insert("host_id".to_owned(), json!(host.id));
        context.insert("host_name".to_owned(), json!(host.friendly_name));
        context.insert("connection_mode".to_owned(), json!(mode));
        let subject = Subject {
            action: TERMINAL.to_owned(),
            object: format!("host:{}", host.id),
            payload: json!({
                "connection_mode": mode,
                "username": connect.username,
                "address": host.address,
                "port": host.port,
                "proxy_host": connect.proxy_host,
                "proxy_port": connect.proxy_port,
            }),
        };
        Some(self.request(need, subject, context, None))
    }

    fn request(
        &self,
        need: Need,
        subject: Subject,
        mut context: Map<String, Value>,
        job: Option<&NewJob>,
    ) -> NewApproval {
        context.insert("policies".to_owned(), json!(need.policies));
        let until = self.at.plus(need.life);
        let case_id = job.and_then(|job| job.params.get("case_id")).and_then(Value::as_str);
        NewApproval {
            id: ApprovalId::new(),
            requester: self.who.user,
            requested_by: self.who.username.clone(),
            subject,
            risk: need.risk,
            // A case of a name that no channel takes is in the payload.
            case_id: case_id.filter(|case| (1..=64).contains(&case.len())).map(str::to_owned),
            context: Value::Object(context),
            // What can't start any more needs no consent.
            expires_at: job.map_or(until, |job| until.min(job.deadline)),
            job: None,
            batch: None,
        }
    }
}

/// Which tool is to be run, as far as it can be told in a word.
fn tool(new: &NewJob) -> Option<(String, Value)> {
    let name = new.params.get("tool").and_then(Value::as_str)?;
    Some(("tool".to_owned(), name.chars().take(128).collect::<String>().into()))
}
