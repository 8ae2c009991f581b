//! Which profile is meant. Never is one taken for another.

use std::collections::HashMap;

use super::ScanError;
use super::content::Content;
use super::xccdf::{Document, Profile};

/// What stands between the publisher's name and the short one in a full id.
const MARK: &str = "_profile_";

/// Finds the profile that is asked for by its full id or its short name; nothing when the content
/// has no such profile.
pub(super) fn find<'a>(
    document: &'a Document,
    asked: &str,
) -> Result<Option<&'a Profile>, ScanError> {
    if let Some(profile) = document.profiles.iter().find(|profile| profile.id == asked) {
        return Ok(Some(profile));
    }
    let mut alike = document.profiles.iter().filter(|profile| short(profile) == asked);
    match (alike.next(), alike.next()) {
        (Some(_), Some(_)) => {
            let all = document.profiles.iter().filter(|profile| short(profile) == asked);
            let ids: Vec<&str> = all.map(|profile| profile.id.as_str()).collect();
            let profile = asked.escape_debug().to_string();
            Err(ScanError::Ambiguous { profile, offered: ids.join(", ") })
        }
        (found, _) => Ok(found),
    }
}

/// The profile for whoever names none.
pub(super) fn default<'a>(
    content: &Content,
    document: &'a Document,
) -> Result<&'a Profile, ScanError> {
    let word = if content.is_own() { "basic" } else { "standard" };
    find(document, word)?.ok_or_else(|| ScanError::NameProfile {
        content: content.name.clone(),
        offered: offered(document),
    })
}

/// The profiles that there are, for people.
pub(super) fn offered(document: &Document) -> String {
    let names: Vec<&str> = document.profiles.iter().map(short).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// How many rules a profile looks at: what it and those on which it builds say of each, or else the
/// rule itself.
pub(super) fn rules(document: &Document, profile: &Profile) -> usize {
    let mut selects: HashMap<&str, bool> = HashMap::new();
    let mut next = Some(profile);
    // No chain of profiles is longer than their number, unless it bites its own tail.
    for _ in 0..document.profiles.len() {
        let Some(profile) = next else { break };
        // The last word counts, and that of a profile more than what it builds on.
        for (id, selected) in profile.selects.iter().rev() {
            selects.entry(id).or_insert(*selected);
        }
        let base = profile.extends.as_deref();
        next = base.and_then(|id| document.profiles.iter().find(|other| other.id == id));
    }
    let looked_at =
        |rule: &super::xccdf::Rule| selects.get(rule.id.as_str()).copied().unwrap_or(rule.selected);
    document.rules.iter().filter(|rule| looked_at(rule)).count()
}

/// Its name without the publisher's.
pub(super) fn short(profile: &Profile) -> &str {
    profile.id.split_once(MARK).map_or(profile.id.as_str(), |(_, short)| short)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::scan::xccdf::Rule;

    fn profile(id: &str, extends: Option<&str>, selects: &[(&str, bool)]) -> Profile {
        Profile {
            id: id.to_owned(),
            extends: extends.map(ToOwned::to_owned),
            selects: selects.iter().map(|(id, on)| ((*id).to_owned(), *on)).collect(),
            ..Profile::default()
        }
    }

    fn rule(id: &str, selected: bool) -> Rule {
        Rule {
            id: id.to_owned(),
            title: String::new(),
            severity: Default::default(),
            selected,
            rationale: "".into(),
            fix: "".into(),
        }
    }

    #[test]
    fn a_short_name_is_the_whole_end() {
        let document = Document {
            profiles: vec![
                profile("xccdf_org.a_profile_standard", None, &[]),
                profile("xccdf_org.a_profile_anssi_high", None, &[]),
                profile("xccdf_org.b_profile_twice", None, &[]),
                profile("xccdf_org.c_profile_twice", None, &[]),
            ],
            ..Document::default()
        };
        let id = |asked| find(&document, asked).unwrap().map(|profile| profile.id.as_str());
        assert_eq!(id("standard"), Some("xccdf_org.a_profile_standard"));
        assert_eq!(id("xccdf_org.a_profile_anssi_high"), Some("xccdf_org.a_profile_anssi_high"));
        for other in ["high", "stand", "xccdf_org.a_profile_stand", "", "_profile_"] {
            assert_eq!(id(other), None, "{other}");
        }
        let error = find(&document, "twice").unwrap_err().to_string();
        assert!(error.contains("xccdf_org.b_profile_twice, xccdf_org.c_profile_twice"), "{error}");
        assert_eq!(offered(&document), "standard, anssi_high, twice, twice");
    }

    #[test]
    fn the_rules_of_a_profile_are_counted() {
        let document = Document {
            profiles: vec![
                profile("base", None, &[("a", true), ("b", true)]),
                profile("more", Some("base"), &[("b", false), ("c", true)]),
                profile("odd", Some("odd"), &[]),
            ],
            rules: vec![rule("a", false), rule("b", false), rule("c", false), rule("d", true)],
            test: None,
        };
        let count = |index: usize| rules(&document, &document.profiles[index]);
        assert_eq!([count(0), count(1), count(2)], [3, 3, 1]);
    }
}
