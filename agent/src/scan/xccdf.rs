//! Reads XCCDF 1.1 and 1.2, alone, in a SCAP data stream or in an ARF: the profiles and rules of a
//! benchmark, and the results of a test. It streams: what is kept is what is asked for, within
//! [`Bounds`]. Document types are refused and no entity is expanded but the five of XML itself.
//!
//! Elements are known by their local name and by what they stand in, not by namespace: that is
//! unambiguous in these formats, and a hostile file can't make the bindings cost anything.

mod bounded;
mod gather;

use std::io::BufRead;

use gangplank_proto::scan::{LongText, RuleOutcome, Severity};
use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};

use bounded::{Bounded, Exceeded};
use gather::Gather;

/// How much of a document is read and kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of the document.
    pub bytes: u64,
    /// Bytes of one tag, or of the text between two.
    pub token: usize,
    /// Elements within each other.
    pub depth: usize,
    /// Bytes of an element's or attribute's name, and of an attribute's value.
    pub attribute: usize,
    /// Attributes of one element.
    pub attributes: usize,
    /// Rules, and results of rules.
    pub rules: usize,
    /// Bytes kept of one text; the rest of it is cut off.
    pub text: usize,
    /// Bytes kept of all texts.
    pub texts: usize,
}

impl Default for Bounds {
    /// Enough for the largest content of the SCAP Security Guide, several times over.
    fn default() -> Self {
        Self {
            bytes: 256 << 20,
            token: 4 << 20,
            depth: 256,
            attribute: 4096,
            attributes: 64,
            rules: 16_384,
            text: 16 << 10,
            texts: 64 << 20,
        }
    }
}

/// What a document has.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Document {
    /// Profiles of its first benchmark.
    pub profiles: Vec<Profile>,
    /// Rules of its first benchmark.
    pub rules: Vec<Rule>,
    /// Its first test result.
    pub test: Option<TestResult>,
}

/// A profile: which rules are looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile {
    /// Its full id.
    pub id: String,
    /// For people.
    pub title: String,
    /// The profile on which it builds.
    pub extends: Option<String>,
    /// What it takes in and leaves out, by id.
    pub selects: Vec<(String, bool)>,
}

/// A rule as the benchmark has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its full id.
    pub id: String,
    /// What it asks for.
    pub title: String,
    /// How bad it is when it fails.
    pub severity: Severity,
    /// Whether it is looked at when the profile doesn't say.
    pub selected: bool,
    /// Why it asks for it.
    pub rationale: LongText,
    /// What to do.
    pub fix: LongText,
}

/// What a scanner found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TestResult {
    /// The profile's full id.
    pub profile: String,
    /// The scanner's version.
    pub scanner_version: String,
    /// The scanner's own score, in percent.
    pub score: Option<f64>,
    /// What became of each rule, in the scanner's order.
    pub results: Vec<Judged>,
}

/// What became of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// Which rule.
    pub id: String,
    /// How bad it is when it fails, if the profile changes that.
    pub severity: Option<Severity>,
    /// How it came out.
    pub outcome: RuleOutcome,
    /// What to do, with this host's values filled in.
    pub fix: LongText,
}

/// Why a document can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum XmlError {
    /// More than a bound allows.
    #[error("the document has too {0}")]
    TooMuch(&'static str),
    /// A document type, which could define entities.
    #[error("the document has a document type, which is not taken")]
    Doctype,
    /// A reference to an entity that is not XML's own.
    #[error("the document refers to an entity")]
    Entity,
    /// It ended too early.
    #[error("the document ends in the middle")]
    Truncated,
    /// It is no XML.
    #[error("the document is not well-formed at byte {0}")]
    Syntax(u64),
    /// The source failed.
    #[error("the document can't be read: {0}")]
    Io(std::io::ErrorKind),
}

/// Reads a document to its end.
///
/// # Errors
/// [`XmlError`], and then nothing of it is told: half a result would look like a whole one.
pub fn parse(source: impl BufRead, bounds: &Bounds) -> Result<Document, XmlError> {
    let mut reader = Reader::from_reader(Bounded::new(source, bounds.bytes, bounds.token));
    // An empty element is a start and an end.
    reader.config_mut().expand_empty_elements = true;
    let mut gather = Gather::new(*bounds);
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        let event = match reader.read_event_into(&mut buffer) {
            Ok(event) => event,
            Err(error) => {
                let at = reader.error_position();
                return Err(failure(error, reader.get_ref().exceeded(), at));
            }
        };
        match event {
            Event::Start(tag) | Event::Empty(tag) => gather.start(&tag)?,
            Event::End(_) => gather.end()?,
            Event::Text(text) => gather.text(&text.xml10_content()),
            Event::CData(text) => gather.text(&text.xml10_content()),
            Event::GeneralRef(reference) => gather.character(referred(&reference)?),
            Event::DocType(_) => return Err(XmlError::Doctype),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => return gather.finish(),
        }
        reader.get_mut().next_token();
    }
}

fn failure(error: quick_xml::Error, exceeded: Option<Exceeded>, at: u64) -> XmlError {
    use quick_xml::errors::{Error, IllFormedError, SyntaxError};

    match (exceeded, error) {
        (Some(Exceeded::Document), _) => XmlError::TooMuch("many bytes"),
        (Some(Exceeded::Token), _) => XmlError::TooMuch("long a tag or text"),
        (None, Error::Io(error)) => XmlError::Io(error.kind()),
        (None, Error::Syntax(SyntaxError::UnclosedDoctype)) => XmlError::Doctype,
        (None, Error::Syntax(_) | Error::IllFormed(IllFormedError::MissingEndTag(_))) => {
            XmlError::Truncated
        }
        (None, _) => XmlError::Syntax(at),
    }
}

/// The character that a reference stands for.
fn referred(reference: &BytesRef<'_>) -> Result<char, XmlError> {
    match reference.resolve_char_ref() {
        Ok(Some(character)) => return Ok(character),
        Ok(None) => {}
        Err(_) => return Err(XmlError::Entity),
    }
    match reference.xml10_content().as_ref() {
        "amp" => Ok('&'),
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "apos" => Ok('\''),
        "quot" => Ok('"'),
        _ => Err(XmlError::Entity),
    }
}

/// The value of one attribute, if it is there.
fn attribute(
    tag: &BytesStart<'_>,
    name: &str,
    bounds: &Bounds,
) -> Result<Option<String>, XmlError> {
    let mut attributes = tag.attributes();
    // Looking for double names takes the square of their number.
    attributes.with_checks(false);
    for (index, attribute) in attributes.enumerate() {
        if index >= bounds.attributes {
            return Err(XmlError::TooMuch("many attributes"));
        }
        let attribute = attribute.map_err(|_| XmlError::Syntax(0))?;
        if attribute.key.as_ref() != name {
            continue;
        }
        if attribute.value.len() > bounds.attribute {
            return Err(XmlError::TooMuch("long an attribute"));
        }
        let value = attribute.normalized_value(quick_xml::XmlVersion::Implicit1_0);
        return value.map(|value| Some(value.into_owned())).map_err(|_| XmlError::Entity);
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
