//! What a release of the agent says of itself. A manifest is signed offline (minisign, over its exact
//! bytes) and names the program by length and hash, so that whoever carries the two can change neither.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use time::OffsetDateTime;

use crate::limit;

/// The systems that an agent is released for.
const TARGETS: [&str; 4] = [
    "x86_64-unknown-linux-gnu",
    "x86_64-unknown-linux-musl",
    "aarch64-unknown-linux-gnu",
    "aarch64-unknown-linux-musl",
];

/// Three numbers, compared from left to right (`2.10.0` is newer than `2.9.1`).
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct Version {
    major: u32,
    minor: u32,
    patch: u32,
}

/// The text is no version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a version is three numbers, such as 1.4.0")]
pub struct VersionError;

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let mut numbers = text.split('.').map(number);
        let mut next = || numbers.next().flatten().ok_or(VersionError);
        let version = Self { major: next()?, minor: next()?, patch: next()? };
        if numbers.next().is_some() { Err(VersionError) } else { Ok(version) }
    }
}

/// A number in the one way in which it can be written, so that two texts never mean one version.
fn number(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let padded = text.len() > 1 && text.starts_with('0');
    if !plain || padded { None } else { text.parse().ok() }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl TryFrom<String> for Version {
    type Error = VersionError;

    fn try_from(text: String) -> Result<Self, VersionError> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

/// A system that the agent is released for, by its triple. There are no others, so a file may be named
/// after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(into = "&'static str")]
pub struct Target(&'static str);

/// The text is no system that there are releases for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are releases for {} only", TARGETS.join(", "))]
pub struct TargetError;

impl Target {
    /// Every one.
    #[must_use]
    pub fn all() -> [Self; TARGETS.len()] {
        TARGETS.map(Self)
    }

    /// The triple.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.0
    }

    /// Name of the program's file in a release; `.json` follows for its manifest, and `.json.minisig`
    /// for the signature of that.
    #[must_use]
    pub fn file_name(self) -> String {
        format!("gangplank-agent-{}", self.0)
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        TARGETS.into_iter().find(|target| *target == text).map(Self).ok_or(TargetError)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

// Derived, it would borrow from what is read for ever.
impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl From<Target> for &'static str {
    fn from(target: Target) -> Self {
        target.0
    }
}

/// SHA-256, written as 64 lowercase hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256([u8; 32]);

/// The text is no SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a SHA-256 is 64 lowercase hexadecimal digits")]
pub struct Sha256Error;

impl Sha256 {
    /// A hash out of its bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl FromStr for Sha256 {
    type Err = Sha256Error;

    fn from_str(text: &str) -> Result<Self, Sha256Error> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(Sha256Error),
        };
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let mut bytes = [0; 32];
        if !rest.is_empty() || pairs.len() != bytes.len() {
            return Err(Sha256Error);
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for Sha256 {
    type Error = Sha256Error;

    fn try_from(text: String) -> Result<Self, Sha256Error> {
        text.parse()
    }
}

impl From<Sha256> for String {
    fn from(hash: Sha256) -> Self {
        hash.to_string()
    }
}

/// What is released. A manifest for anything else can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Product {
    /// The program `gangplank-agent`.
    #[serde(rename = "gangplank-agent")]
    Agent,
}

/// What is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// What it is.
    pub product: Product,
    /// Which one.
    pub version: Version,
    /// What it runs on.
    pub target: Target,
    /// Length of the program in bytes.
    pub length: u64,
    /// Hash of the program.
    pub sha256: Sha256,
    /// The oldest version that may put this one in its place.
    pub minimum_version: Version,
    /// Until when it may be installed: nobody is kept on an old release by being shown it for ever.
    #[serde(with = "time::serde::rfc3339")]
    pub expires: OffsetDateTime,
}

/// The bytes are no manifest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// Too many of them.
    #[error("a manifest has at most {limit} bytes", limit = limit::RELEASE_MANIFEST)]
    TooLong,
    /// Not the fields of one.
    #[error("it is no manifest: {0}")]
    Malformed(#[from] serde_json::Error),
    /// A program of a length that none has.
    #[error("a program has 1 to {limit} bytes", limit = limit::RELEASE)]
    Length,
    /// It could replace nothing older than itself.
    #[error("it is older than the oldest version that it replaces")]
    Minimum,
}

impl Manifest {
    /// Reads a manifest whose signature was checked.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        if bytes.len() > limit::RELEASE_MANIFEST {
            return Err(ManifestError::TooLong);
        }
        let manifest: Self = serde_json::from_slice(bytes)?;
        if manifest.length == 0 || manifest.length > limit::RELEASE {
            return Err(ManifestError::Length);
        }
        if manifest.minimum_version > manifest.version {
            return Err(ManifestError::Minimum);
        }
        Ok(manifest)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    fn good() -> serde_json::Value {
        serde_json::json!({
            "product": "gangplank-agent",
            "version": "1.2.3",
            "target": "x86_64-unknown-linux-gnu",
            "length": 5,
            "sha256": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "minimum_version": "1.0.0",
            "expires": "2030-01-02T03:04:05Z",
        })
    }

    fn parse(value: &serde_json::Value) -> Result<Manifest, ManifestError> {
        Manifest::parse(value.to_string().as_bytes())
    }

    #[test]
    fn versions_are_numbers_and_not_texts() {
        assert!(version("2.10.0") > version("2.9.1"));
        assert!(version("1.0.0") > version("0.99.99"));
        assert!(version("0.0.2") > version("0.0.1"));
        let wrong = ["", "1", "1.2", "1.2.3.4", "1.2.x", "01.2.3", "1..3", "+1.2.3", "1.2.3-rc1"];
        for wrong in wrong.into_iter().chain(["1.2.4294967296", " 1.2.3", "1.2.3\n", "1.2.٣"]) {
            assert_eq!(wrong.parse::<Version>(), Err(VersionError), "{wrong:?}");
        }
    }

    #[test]
    fn a_manifest_is_read_and_written() {
        let manifest = parse(&good()).unwrap();
        assert_eq!(manifest.version, version("1.2.3"));
        assert_eq!(manifest.expires.unix_timestamp(), 1_893_553_445);
        assert_eq!(serde_json::to_value(&manifest).unwrap(), good());
    }

    #[test]
    fn whatever_else_it_says_is_no_manifest() {
        for (field, wrong) in [
            ("product", serde_json::json!("gangplankd")),
            ("version", serde_json::json!("1.2")),
            ("version", serde_json::json!(1)),
            ("target", serde_json::json!("x86_64-pc-windows-msvc")),
            ("target", serde_json::json!("../../etc/passwd")),
            ("length", serde_json::json!(0)),
            ("length", serde_json::json!(-1)),
            ("length", serde_json::json!(limit::RELEASE + 1)),
            ("sha256", serde_json::json!("0123")),
            ("sha256", serde_json::json!("X".repeat(64))),
            ("sha256", serde_json::json!("A".repeat(64))),
            ("minimum_version", serde_json::json!("1.2.4")),
            ("expires", serde_json::json!("tomorrow")),
            ("expires", serde_json::json!(1_893_553_445)),
            ("another", serde_json::json!("field")),
        ] {
            let mut manifest = good();
            manifest[field] = wrong.clone();
            assert!(parse(&manifest).is_err(), "{field}: {wrong}");
        }
        for missing in good().as_object().unwrap().keys() {
            let mut manifest = good();
            manifest.as_object_mut().unwrap().remove(missing);
            assert!(parse(&manifest).is_err(), "{missing}");
        }
        let twice = good().to_string().replacen('{', "{\"version\":\"9.9.9\",", 1);
        assert!(Manifest::parse(twice.as_bytes()).is_err());
        let long = format!("{}{}", " ".repeat(limit::RELEASE_MANIFEST), good());
        assert!(matches!(Manifest::parse(long.as_bytes()), Err(ManifestError::TooLong)));
    }

    proptest! {
        #[test]
        fn versions_round_trip(a: u32, b: u32, c: u32) {
            let text = format!("{a}.{b}.{c}");
            prop_assert_eq!(version(&text).to_string(), text);
        }

        #[test]
        fn hashes_round_trip(bytes: [u8; 32]) {
            let hash = Sha256::new(bytes);
            prop_assert_eq!(hash.to_string().parse::<Sha256>(), Ok(hash));
        }

        #[test]
        fn no_bytes_break_the_reader(bytes: Vec<u8>) {
            let _ = Manifest::parse(&bytes);
        }
    }
}
