//! Administration: requests made from the command line, and their answers for people or programs.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde_json::json;

use super::output::{Failure, say, say_json, table};
use super::password::read_new;
use super::{
    Backup, HostCommand, Place, Plain, PlainWithin, RecoverAccess, TenantCommand, TokenCommand,
    UserCommand,
};
use crate::admin::{Request, Response};
use crate::clock::Timestamp;

pub(super) fn healthcheck(place: &Place) -> Result<(), Failure> {
    place.ask_running(&Request::Check)?;
    say("healthy")
}

pub(super) fn status(plain: &Plain) -> Result<(), Failure> {
    let Response::Status(status) = plain.place.ask_running(&Request::Status)? else {
        return Err(unexpected());
    };
    if plain.json {
        return say_json(&status);
    }
    let mut lines = vec![format!("gangplankd {} runs as process {}", status.version, status.pid)];
    if let Some(live) = status.live {
        lines.push(format!("console    {}", live.url));
        lines.push(format!("agents     {} connected", live.agents));
        lines.push(format!("terminals  {}", live.terminals));
    }
    say(lines.join("\n"))
}

pub(super) fn tenant(command: TenantCommand) -> Result<(), Failure> {
    let (request, place) = match command {
        TenantCommand::Ls(plain) => return tenants(&plain),
        TenantCommand::Add { name, place } => (Request::TenantAdd { name }, place),
        TenantCommand::Suspend { tenant, place } => {
            (Request::TenantActive { tenant, active: false }, place)
        }
        TenantCommand::Activate { tenant, place } => {
            (Request::TenantActive { tenant, active: true }, place)
        }
        TenantCommand::Rm { tenant, place } => (Request::TenantRemove { tenant }, place),
    };
    place.request(request)?;
    Ok(())
}

fn tenants(plain: &Plain) -> Result<(), Failure> {
    let Response::Tenants { items } = plain.place.request(Request::TenantList)? else {
        return Err(unexpected());
    };
    if plain.json {
        return say_json(&json!({ "items": items, "next_cursor": null }));
    }
    let rows: Vec<_> = items
        .into_iter()
        .map(|tenant| {
            let state = if tenant.active { "" } else { "suspended" };
            let (hosts, users) = (tenant.hosts.to_string(), tenant.users.to_string());
            vec![tenant.name, hosts, users, state.to_owned(), tenant.id]
        })
        .collect();
    say(table(&["NAME", "HOSTS", "USERS", "STATE", "ID"], &rows))
}

pub(super) fn user(command: UserCommand) -> Result<(), Failure> {
    match command {
        UserCommand::Add { username, roles, place } => {
            let password = read_new()?;
            place.request(Request::UserAdd { username, password, roles })?;
        }
        UserCommand::Passwd { username, place } => {
            let password = read_new()?;
            place.request(Request::UserPasswd { username, password })?;
        }
        UserCommand::Disable { username, place } => {
            place.request(Request::UserDisable { username, disabled: true })?;
        }
        UserCommand::Enable { username, place } => {
            place.request(Request::UserDisable { username, disabled: false })?;
        }
        UserCommand::Ls(plain) => return users(&plain),
    }
    Ok(())
}

fn users(plain: &PlainWithin) -> Result<(), Failure> {
    let Response::Users { items } = plain.place.request(Request::UserList)? else {
        return Err(unexpected());
    };
    if plain.json {
        return say_json(&json!({ "items": items, "next_cursor": null }));
    }
    let rows: Vec<_> = items
        .into_iter()
        .map(|user| {
            let state = if user.disabled { "locked out" } else { "" };
            vec![user.username, user.roles.join(","), moment(user.last_login_at), state.to_owned()]
        })
        .collect();
    say(table(&["NAME", "ROLES", "LAST LOGIN", "STATE"], &rows))
}

pub(super) fn recover(wanted: RecoverAccess) -> Result<(), Failure> {
    let request = Request::RecoverAccess { username: wanted.username };
    let Response::Password { username, password } = wanted.plain.place.request(request)? else {
        return Err(unexpected());
    };
    if wanted.plain.json {
        return say_json(&json!({ "username": username, "password": password }));
    }
    say(format!("User      {username}\nPassword  {}  (shown only now)", password.expose()))
}

pub(super) fn host(command: HostCommand) -> Result<(), Failure> {
    match command {
        HostCommand::Add { name, address, port, gateway, labels, plain } => {
            let port = Some(port);
            let request = Request::HostAdd { friendly_name: name, address, port, gateway, labels };
            let Response::Host(host) = plain.place.request(request)? else {
                return Err(unexpected());
            };
            if plain.json {
                return say_json(&host);
            }
            say(format!(
                "Id       {}\nAPI id   {}\nAPI key  {}  (shown only now)",
                host.id,
                host.api_id,
                host.api_key.expose()
            ))
        }
        HostCommand::Ls(plain) => hosts(&plain),
        HostCommand::Rm { host, place } => {
            place.request(Request::HostRemove { host })?;
            Ok(())
        }
    }
}

fn hosts(plain: &PlainWithin) -> Result<(), Failure> {
    let Response::Hosts { items } = plain.place.request(Request::HostList)? else {
        return Err(unexpected());
    };
    if plain.json {
        return say_json(&json!({ "items": items, "next_cursor": null }));
    }
    let rows: Vec<_> = items
        .into_iter()
        .map(|host| {
            let target = host.address.map(|address| format!("{address} port {}", host.port));
            vec![
                host.friendly_name,
                target.unwrap_or_default(),
                host.status.state.as_str().to_owned(),
                moment(host.last_seen_at),
                host.labels.join(","),
                host.id,
            ]
        })
        .collect();
    say(table(&["NAME", "ADDRESS", "STATE", "LAST SEEN", "LABELS", "ID"], &rows))
}

pub(super) fn token(command: TokenCommand) -> Result<(), Failure> {
    let TokenCommand::Create { uses, expires, ephemeral, approve, labels, networks, plain } =
        command;
    let life = expires.as_secs();
    let request = Request::TokenCreate { uses, life, approve, ephemeral, labels, networks };
    let Response::Token(token) = plain.place.request(request)? else { return Err(unexpected()) };
    if plain.json {
        return say_json(&token);
    }
    say(format!(
        "Token    {}  (shown only now)\nExpires  {}",
        token.token.expose(),
        token.expires_at
    ))
}

pub(super) fn backup(backup: &Backup) -> Result<(), Failure> {
    let failed =
        |error: std::io::Error| Failure::new(format!("{}: {error}", backup.file.display()));
    // Made first, as whoever asked; the copy itself may be made by somebody else.
    let mut target = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&backup.file)
        .map_err(failed)?;
    let copied = copy(&backup.place, &mut target).and_then(|()| target.sync_all().map_err(failed));
    if copied.is_err() {
        std::fs::remove_file(&backup.file).map_err(failed)?;
    }
    copied
}

fn copy(place: &Place, target: &mut File) -> Result<(), Failure> {
    let Response::Backup { file } = place.request(Request::Backup)? else {
        return Err(unexpected());
    };
    let failed = |error: std::io::Error| Failure::new(format!("{}: {error}", file.display()));
    let copied = std::io::copy(&mut File::open(&file).map_err(failed)?, target).map_err(failed);
    remove(&file)?;
    copied.map(|_| ())
}

fn remove(file: &Path) -> Result<(), Failure> {
    std::fs::remove_file(file).map_err(|error| Failure::new(format!("{}: {error}", file.display())))
}

fn moment(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "never".to_owned(), |at| at.to_string())
}

fn unexpected() -> Failure {
    Failure::new("the running gangplankd answered something else; restart it")
}
