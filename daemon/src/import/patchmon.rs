//! PatchMon's tables in our own words. Keys and passwords stay in the form that they have, and are
//! brought into ours when they are first used.

use std::collections::HashMap;

use gangplank_proto::fact::{FactText, HostFacts};
use gangplank_proto::secret::Secret;

use super::table::{Row, Tables};
use super::{Import, ImportError, ImportedHost, ImportedUser, Summary};

/// Longest name of a host, in characters.
const NAME: usize = 255;

/// Longest key that is compared, in bytes.
const KEY: usize = 256;

/// Makes what is brought over.
pub(super) fn import(tables: &Tables) -> Result<(Import, Summary), ImportError> {
    let mut import = Import::default();
    let mut summary = Summary::default();
    for row in tables.required("hosts", &["api_id", "api_key", "friendly_name"])?.rows() {
        let name = name(&row);
        match host(&row, &name) {
            Ok(host) => import.hosts.push(host),
            Err(why) => summary.hosts.refuse(&name, why),
        }
    }
    let roles = roles(tables);
    for row in tables.required("users", &["username", "password_hash", "role"])?.rows() {
        match user(&row, &roles) {
            Ok(user) => import.users.push(user),
            Err(why) => {
                let name = FactText::from(row.text("username").unwrap_or("without a name"));
                summary.users.refuse(name.as_str(), why);
            }
        }
    }
    Ok((import, summary))
}

fn name(row: &Row<'_>) -> String {
    let said = ["friendly_name", "hostname", "api_id"].into_iter();
    let said = said.filter_map(|column| row.text(column)).map(FactText::from);
    let name = said.into_iter().find(|name| !name.is_empty());
    let name = name.unwrap_or_else(|| "unnamed host".into());
    name.as_str().chars().take(NAME).collect::<String>().trim_end().to_owned()
}

/// The address that PatchMon has is one that the agent said of itself: nothing is ever dialled there.
fn host(row: &Row<'_>, name: &str) -> Result<ImportedHost, &'static str> {
    let api_id = row.text("api_id").unwrap_or_default();
    let api_id = api_id.parse().map_err(|_| "its api_id is none")?;
    let key = row.text("api_key").unwrap_or_default();
    if key.is_empty() {
        return Err("it has no key");
    }
    // What looks like a hash of another kind would never be right.
    if (key.contains('$') && !is_bcrypt(key)) || key.len() > KEY {
        return Err("its key is in a form that nobody knows");
    }
    let fact = |column: &str| FactText::from(row.text(column).unwrap_or_default());
    let facts = HostFacts {
        hostname: fact("hostname"),
        os: fact("os_type"),
        os_version: fact("os_version"),
        kernel: fact("kernel_version"),
        arch: fact("architecture"),
        agent_version: fact("agent_version"),
        run_as: FactText::default(),
    };
    Ok(ImportedHost { api_id, key: Secret::new(key.to_owned()), name: name.to_owned(), facts })
}

fn user(
    row: &Row<'_>,
    roles: &HashMap<String, &'static str>,
) -> Result<ImportedUser, &'static str> {
    let username = row.text("username").unwrap_or_default();
    let form = "the name is not one to log in with here: add this user by hand";
    let username = username.parse().map_err(|_| form)?;
    let hash = row.text("password_hash").unwrap_or_default();
    if !is_bcrypt(hash) {
        return Err(
            "there is no password, as with a login by another service: add this user by hand",
        );
    }
    let role = row.text("role").unwrap_or_default();
    let role = roles.get(role).copied().unwrap_or_else(|| known_role(role));
    let disabled = row.text("is_active").is_some() && !row.is("is_active");
    let password = Secret::new(hash.to_owned());
    Ok(ImportedUser { username, password, role: role.to_owned(), disabled })
}

/// Our role for each of theirs, by what it may do.
fn roles(tables: &Tables) -> HashMap<String, &'static str> {
    let Some(table) = tables.get("role_permissions") else { return HashMap::new() };
    let rows = table.rows().filter_map(|row| {
        let name = row.text("role")?;
        let manages = row.is("can_manage_hosts") || row.is("can_use_remote_access");
        let role = match known_role(name) {
            "admin" => "admin",
            _ if manages => "operator",
            _ => "viewer",
        };
        Some((name.to_owned(), role))
    });
    rows.collect()
}

/// Our role for one of theirs of which only the name is known.
fn known_role(name: &str) -> &'static str {
    match name {
        "admin" | "superadmin" => "admin",
        "host_manager" => "operator",
        _ => "viewer",
    }
}

fn is_bcrypt(text: &str) -> bool {
    text.len() == 60 && ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| text.starts_with(prefix))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const HASH: &str = "$2b$10$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234";

    fn fill(tables: &mut Tables, name: &'static str, columns: &[&str], rows: &[&[&str]]) {
        let columns = columns.iter().map(|column| (*column).to_owned()).collect();
        let table = tables.begin(name, columns);
        rows.iter().for_each(|row| table.push(&row.join("\t")));
    }

    #[test]
    fn hosts_and_users_are_told_in_our_words() {
        let mut tables = Tables::default();
        let columns = ["api_id", "api_key", "friendly_name", "hostname", "ip", "agent_version"];
        fill(
            &mut tables,
            "hosts",
            &columns,
            &[
                &["patchmon_1", HASH, "web\\t1", "web1", "192.0.2.1", "1.4.2"],
                &["patchmon_2", "plainkey", "", "web2", "\\N", "\\N"],
                &["patchmon_3", "$argon2id$x", "web3", "", "", ""],
                &["patchmon_4", "gpk1$00", "web4", "", "", ""],
                &["no id", HASH, "web5", "", "", ""],
                &["patchmon_6", "\\N", "web6", "", "", ""],
            ],
        );
        let columns = ["username", "password_hash", "role", "is_active"];
        fill(
            &mut tables,
            "users",
            &columns,
            &[
                &["root", HASH, "superadmin", "t"],
                &["ops", HASH, "custom", "f"],
                &["guest", HASH, "readonly", "t"],
                &["sso", "\\N", "admin", "t"],
                &["two words", HASH, "admin", "t"],
            ],
        );
        let columns = ["role", "can_manage_hosts", "can_view_hosts"];
        fill(
            &mut tables,
            "role_permissions",
            &columns,
            &[&["custom", "t", "t"], &["readonly", "f", "t"]],
        );
        let (import, summary) = import(&tables).unwrap();
        let hosts: Vec<_> = import.hosts.iter().map(|h| (h.api_id.as_str(), &*h.name)).collect();
        assert_eq!(hosts, [("patchmon_1", "web\u{fffd}1"), ("patchmon_2", "web2")]);
        let users = import.users.iter();
        let users: Vec<_> = users.map(|u| (u.username.as_str(), &*u.role, u.disabled)).collect();
        assert_eq!(
            users,
            [("root", "admin", false), ("ops", "operator", true), ("guest", "viewer", false)]
        );
        assert_eq!((summary.hosts.refused.len(), summary.users.refused.len()), (4, 2));
    }

    #[test]
    fn another_database_is_none_of_patchmon_s() {
        let mut tables = Tables::default();
        assert!(matches!(import(&tables), Err(ImportError::NoTable("hosts"))));
        fill(&mut tables, "hosts", &["id"], &[]);
        assert!(matches!(import(&tables), Err(ImportError::NoColumn { column: "api_id", .. })));
    }
}
