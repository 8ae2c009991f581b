//! What a host can do beside terminals and reports, as it says when it is asked: a claim of a
//! possibly hostile host, bounded when it is read and shown as text only.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::fact::FactText;

/// Integrations kept of one host.
const INTEGRATIONS: usize = 16;

/// Components and profiles kept of one integration.
const PARTS: usize = 128;

/// What `refresh_integration_status` comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Integrations {
    /// One for each.
    pub integrations: Vec<Integration>,
}

/// One integration of a host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Integration {
    /// `docker`, `compliance`, `tools`, `packages` or `update`.
    pub name: FactText,
    /// Whether the host's own file switches it on.
    pub enabled: bool,
    /// `ready`, `partial`, `disabled`, `unavailable`, `installing`, `removing`, `error` or `failed`.
    pub status: FactText,
    /// For people: what is missing, or what is there.
    pub message: FactText,
    /// Its parts, such as `openscap`, and how they are.
    pub components: BTreeMap<String, FactText>,
    /// What can be asked of it, such as the profiles of a scanner or the names of tools.
    pub choices: Vec<FactText>,
}

impl Integrations {
    /// Cuts every list to its bound; the texts bound themselves.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        self.integrations.truncate(INTEGRATIONS);
        self.integrations.iter_mut().for_each(Integration::bound);
        self
    }
}

impl Integration {
    fn bound(&mut self) {
        self.choices.truncate(PARTS);
        let components = std::mem::take(&mut self.components).into_iter().take(PARTS);
        self.components =
            components.map(|(name, state)| (FactText::from(name).into(), state)).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integrations_are_bounded() {
        let components = (0..999).map(|n| (format!("\u{1b}{n}"), "ready".into())).collect();
        let one =
            Integration { components, choices: vec!["x".into(); 999], ..Integration::default() };
        let all = Integrations { integrations: vec![one; 99] }.bounded();
        assert_eq!(all.integrations.len(), INTEGRATIONS);
        for one in &all.integrations {
            assert_eq!((one.components.len(), one.choices.len()), (PARTS, PARTS));
            assert!(one.components.keys().all(|name| !name.contains('\u{1b}')));
        }
    }
}
