//! PatchMon's hashes of what a host reports: SHA-256 over one canonical form that agent and server
//! make alike. Texts are trimmed and in NFC, lists are sorted, and the JSON is written as Go does.

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use unicode_normalization::UnicodeNormalization as _;

use super::update::{Interface, Package, Repository};

/// The hash of a list of packages. Of two with one name the later counts.
pub(super) fn packages(packages: &[Package]) -> String {
    let mut rows: Vec<_> = packages.iter().map(PackageRow::of).collect();
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    last_of_each(&mut rows, |row| row.name.clone());
    of_json(&rows)
}

/// The hash of a list of sources. Of two for the same place the later counts.
pub(super) fn repositories(repositories: &[Repository]) -> String {
    let mut rows: Vec<_> = repositories.iter().map(RepositoryRow::of).collect();
    let place =
        |row: &RepositoryRow| (row.url.clone(), row.distribution.clone(), row.components.clone());
    rows.sort_by_key(place);
    last_of_each(&mut rows, place);
    of_json(&rows)
}

/// The hash of a list of network interfaces.
pub(super) fn interfaces(interfaces: &[Interface]) -> String {
    let mut rows: Vec<_> = interfaces.iter().map(InterfaceRow::of).collect();
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    of_json(&rows)
}

/// The hash of a host's name.
pub(super) fn hostname(name: &str) -> String {
    hex::encode(Sha256::digest(text(name)))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PackageRow {
    name: String,
    description: String,
    category: String,
    current_version: String,
    available_version: String,
    needs_update: bool,
    is_security_update: bool,
    source_repository: String,
    wua_guid: String,
    wua_kb: String,
    wua_severity: String,
    /// An empty list is `null`.
    wua_categories: Option<Vec<String>>,
    wua_support_url: String,
    wua_revision_number: i32,
}

impl PackageRow {
    fn of(package: &Package) -> Self {
        let mut categories = package.wua_categories.clone();
        // Sorted as they came, and only then normalised.
        categories.sort();
        let categories: Vec<_> = categories.iter().map(|one| text(one)).collect();
        Self {
            name: text(&package.name),
            description: text(&package.description),
            category: text(&package.category),
            current_version: text(&package.current_version),
            available_version: text(&package.available_version),
            needs_update: package.needs_update,
            is_security_update: package.is_security_update,
            source_repository: text(&package.source_repository),
            wua_guid: text(&package.wua_guid),
            wua_kb: text(&package.wua_kb),
            wua_severity: text(&package.wua_severity),
            wua_categories: (!categories.is_empty()).then_some(categories),
            wua_support_url: text(&package.wua_support_url),
            wua_revision_number: package.wua_revision_number,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RepositoryRow {
    name: String,
    url: String,
    distribution: String,
    components: String,
    repo_type: String,
    is_enabled: bool,
    is_secure: bool,
}

impl RepositoryRow {
    fn of(repository: &Repository) -> Self {
        Self {
            name: text(&repository.name),
            url: text(&repository.url),
            distribution: text(&repository.distribution),
            components: text(&repository.components),
            repo_type: text(&repository.repo_type),
            is_enabled: repository.is_enabled,
            is_secure: repository.is_secure,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InterfaceRow {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    mac_address: String,
    addresses: Vec<AddressRow>,
}

#[derive(Serialize)]
struct AddressRow {
    address: String,
    family: String,
    netmask: String,
    gateway: String,
}

impl InterfaceRow {
    fn of(interface: &Interface) -> Self {
        let addresses = interface.addresses.iter().map(|address| AddressRow {
            address: text(&address.address),
            family: text(&address.family),
            netmask: text(&address.netmask),
            gateway: text(&address.gateway),
        });
        let mut addresses: Vec<_> = addresses.collect();
        addresses.sort_by(|a, b| (&a.family, &a.address).cmp(&(&b.family, &b.address)));
        Self {
            name: text(&interface.name),
            kind: text(&interface.kind),
            mac_address: text(&interface.mac_address).to_lowercase(),
            addresses,
        }
    }
}

fn text(text: &str) -> String {
    text.nfc().collect::<String>().trim().to_owned()
}

/// Of neighbours with the same key keeps the last.
fn last_of_each<T, K: PartialEq>(rows: &mut Vec<T>, key: impl Fn(&T) -> K) {
    rows.reverse();
    rows.dedup_by(|a, b| key(a) == key(b));
    rows.reverse();
}

fn of_json(rows: &impl Serialize) -> String {
    // Texts, numbers and switches: there is no value that can't be written.
    let json = serde_json::to_string(rows).unwrap_or_default();
    let mut hasher = Sha256::new();
    let mut buffer = [0; 4];
    // Go escapes what could end a script; outside of texts there is none of it.
    for c in json.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                hasher.update(format!("\\u{:04x}", u32::from(c)));
            }
            c => hasher.update(c.encode_utf8(&mut buffer)),
        }
    }
    hex::encode(hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::super::update::Address;
    use super::*;

    fn package(name: &str, description: &str) -> Package {
        Package {
            name: name.to_owned(),
            description: description.to_owned(),
            current_version: "1".to_owned(),
            ..Package::default()
        }
    }

    #[test]
    fn order_and_forms_of_a_text_do_not_count() {
        let here = [package("b", "caf\u{e9}"), package("a", "")];
        let there = [package("a", " "), package("b", "old"), package("b", " cafe\u{301} ")];
        assert_eq!(packages(&here), packages(&there));
        assert_eq!(hostname("caf\u{e9}.host"), hostname(" cafe\u{301}.host\n"));
        assert_ne!(packages(&here), packages(&here[..1]));
    }

    #[test]
    fn the_canonical_form_is_go_s() {
        let form = concat!(
            r#"[{"name":"a\u0026b","description":"\u003ci\u003e\u2028x","category":"","#,
            r#""currentVersion":"1","availableVersion":"","needsUpdate":false,"#,
            r#""isSecurityUpdate":false,"sourceRepository":"","wuaGuid":"","wuaKb":"","#,
            r#""wuaSeverity":"","wuaCategories":null,"wuaSupportUrl":"","wuaRevisionNumber":0}]"#
        );
        let expected = hex::encode(Sha256::digest(form));
        assert_eq!(packages(&[package("a&b", "<i>\u{2028}x")]), expected);
        let address = |address: &str, family: &str| Address {
            address: address.to_owned(),
            family: family.to_owned(),
            ..Address::default()
        };
        let interface = Interface {
            name: "eth0".to_owned(),
            mac_address: "AA:00".to_owned(),
            status: "up".to_owned(),
            addresses: vec![address("::1", "inet6"), address("10.0.0.2", "inet")],
            ..Interface::default()
        };
        let form = concat!(
            r#"[{"name":"eth0","type":"","macAddress":"aa:00","addresses":["#,
            r#"{"address":"10.0.0.2","family":"inet","netmask":"","gateway":""},"#,
            r#"{"address":"::1","family":"inet6","netmask":"","gateway":""}]}]"#
        );
        assert_eq!(interfaces(&[interface]), hex::encode(Sha256::digest(form)));
        assert_eq!(repositories(&[]), hex::encode(Sha256::digest("[]")));
    }
}
