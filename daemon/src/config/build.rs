//! From values that were found to the configuration's own types.

use std::path::PathBuf;

use super::{
    Compliance, Config, ConfigError, Guarding, Ingest, Internal, Jobs, Limits, Problem, RunMode,
    Sources, Ssh, Webhooks, memory,
};

mod access;
mod oidc;
mod serving;
mod values;

pub(super) use values::Values;

pub(super) fn build(
    sources: &Sources,
    mode: RunMode,
    machine: Option<u64>,
) -> Result<Config, ConfigError> {
    let (production, problem) = match production(sources) {
        Ok(production) => (production, None),
        Err(problem) => (true, Some(problem)),
    };
    let mut values = Values::gather(sources, mode, production);
    values.problems.extend(problem);
    let data_dir = PathBuf::from(values.text("data_dir").unwrap_or_default());
    if data_dir.as_os_str().is_empty() {
        values.wrong("data_dir", "no directory is given and there is no home", "write a path");
    }
    let mut limits = limits(&mut values);
    let budget = memory::settle(&mut limits, machine);
    values.settled("limits.connections", limits.connections);
    values.settled("limits.terminals", limits.terminals);
    if !budget.fits() {
        let reason = format!("the limits add up to more than this machine has ({budget})");
        values.wrong(
            "limits",
            &reason,
            "lower limits.connections, limits.terminals or limits.replay_ring",
        );
    }
    let config = Config {
        data_dir,
        production,
        listen: values.listen(),
        server: values.server(),
        tls: values.tls(),
        auth: values.auth(),
        oidc: values.oidc(),
        ssh: Ssh {
            allow: values.parsed("ssh.allow", "write networks, such as [\"10.0.0.0/8\"]"),
            deny: values.parsed("ssh.deny", "write networks, such as [\"10.0.0.0/8\"]"),
            allow_unverified: values.switch("ssh.allow_unverified"),
        },
        jobs: Jobs {
            per_host: values.small("jobs.per_host"),
            per_tenant: values.small("jobs.per_tenant"),
            lease: values.time("jobs.lease"),
            deadline: values.time("jobs.deadline"),
            kept: values.time("jobs.kept"),
            report_every: values.time("jobs.report_every"),
        },
        compliance: Compliance {
            scans_per_host: values.small("compliance.scans_per_host"),
            kept: values.time("compliance.kept"),
        },
        ingest: Ingest {
            rows_per_host: values.number("ingest.rows_per_host"),
            bytes_per_host: values.number("ingest.bytes_per_host"),
            rows_per_tenant: values.number("ingest.rows_per_tenant"),
            bytes_per_tenant: values.number("ingest.bytes_per_tenant"),
            names_per_host: values.small("ingest.names_per_host"),
            names_per_tenant: values.small("ingest.names_per_tenant"),
            telemetry_kept: values.time("ingest.telemetry_kept"),
            records_kept: values.time("ingest.records_kept"),
        },
        channels: values.retention(),
        patchmon_programs: values.text("patchmon.programs").map(PathBuf::from),
        keeper_socket: values.keeper_socket(),
        limits,
        guard: values.guarding(),
        log: values.log(),
        internal: Internal {
            hmac_secret: values.long_secret("internal.hmac_secret", true),
            token: values.long_secret("internal.token", true),
        },
        webhooks: Webhooks {
            allow: values.parsed("webhooks.allow", "write networks, such as [\"10.0.0.0/8\"]"),
            ca: values.text("webhooks.ca").map(PathBuf::from),
            attempts: values.small("webhooks.attempts"),
            retry: values.time("webhooks.retry"),
        },
        redis: values.redis(),
        budget,
        effective: values.lines(),
    };
    if production {
        values.forbid_insecure(&config);
    }
    if values.problems.is_empty() { Ok(config) } else { Err(ConfigError(values.problems)) }
}

pub(super) fn default_limits() -> Limits {
    limits(&mut Values::gather(&Sources::default(), RunMode::Serve, false))
}

pub(super) fn default_guarding() -> Guarding {
    Values::gather(&Sources::default(), RunMode::Serve, false).guarding()
}

fn limits(values: &mut Values) -> Limits {
    Limits {
        message: values.number("limits.message"),
        channel_messages_per_minute: values.number("limits.channel_messages_per_minute"),
        pending_per_ip: values.number("limits.pending_per_ip"),
        anonymous_sockets_per_ip: values.number("limits.anonymous_sockets_per_ip"),
        sockets_per_user: values.number("limits.sockets_per_user"),
        channel_subscribers: values.number("limits.channel_subscribers"),
        connections: values.number("limits.connections"),
        terminals: values.number("limits.terminals"),
        establish: values.time("limits.establish"),
        first_message: values.time("limits.first_message"),
        terminal_window: values.number("limits.terminal_window"),
        replay_ring: values.number("limits.replay_ring"),
        lossless_hold: values.time("limits.lossless_hold"),
        detached_life: values.time("limits.detached_life"),
        channel_write: values.time("limits.channel_write"),
        channel_idle: values.time("limits.channel_idle"),
        terminal_idle: values.time("limits.terminal_idle"),
        heartbeat: values.time("limits.heartbeat"),
        auth_failures_per_minute_per_ip: values.number("limits.auth_failures_per_minute_per_ip"),
        registrations_per_minute_per_ip: values.number("limits.registrations_per_minute_per_ip"),
        channel_bytes_per_minute: values.number("limits.channel_bytes_per_minute"),
        terminal_bytes_per_second: values.number("limits.terminal_bytes_per_second"),
        tickets_per_minute: values.number("limits.tickets_per_minute"),
    }
}

/// Whether this is production. Anything that is not a known word must not quietly mean "no".
fn production(sources: &Sources) -> Result<bool, Problem> {
    match sources.environment.get("GANGPLANK_ENV").map(String::as_str) {
        Some("production") => Ok(true),
        None | Some("" | "development") => Ok(false),
        Some(other) => Err(Problem {
            key: "GANGPLANK_ENV".to_owned(),
            place: "variable GANGPLANK_ENV".to_owned(),
            reason: format!("{other:?} is no known environment"),
            fix: "set it to production or development, or not at all".to_owned(),
        }),
    }
}
