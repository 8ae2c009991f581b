//! From elements to a document: where in it the reader is, and what it takes along.

use gangplank_proto::scan::{RuleOutcome, Severity};
use quick_xml::events::BytesStart;

use super::{Bounds, Document, Judged, Profile, Rule, TestResult, XmlError, attribute};

/// An open element, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    Other,
    Benchmark,
    Group,
    Profile,
    Rule,
    Test,
    Facts,
    Result,
    /// Its text is wanted.
    Field(Field),
}

/// Where a text belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    ProfileTitle,
    RuleTitle,
    Rationale,
    FixText,
    /// A script; it is the fix when there is none for people.
    FixScript,
    Version,
    Score,
    Outcome,
    ResultFix,
}

/// The state between two elements.
pub(super) struct Gather {
    bounds: Bounds,
    document: Document,
    open: Vec<Element>,
    /// What is read of the text that is wanted, and how deep its element lies.
    text: Option<(usize, String)>,
    texts_left: usize,
    profile: Profile,
    rule: Rule,
    script: String,
    judged: Judged,
    /// The best that the score could be.
    maximum: f64,
    any: bool,
    benchmarks: usize,
    tests: usize,
}

impl Gather {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            document: Document::default(),
            open: Vec::new(),
            text: None,
            texts_left: bounds.texts,
            profile: Profile::default(),
            rule: rule(String::new()),
            script: String::new(),
            judged: judged(String::new()),
            maximum: 100.0,
            any: false,
            benchmarks: 0,
            tests: 0,
        }
    }

    pub(super) fn start(&mut self, tag: &BytesStart<'_>) -> Result<(), XmlError> {
        if self.open.len() >= self.bounds.depth {
            return Err(XmlError::TooMuch("many elements within each other"));
        }
        if tag.name().as_ref().len() > self.bounds.attribute {
            return Err(XmlError::TooMuch("long a name"));
        }
        self.any = true;
        // What stands within a wanted text is part of it.
        let element = if self.text.is_some() { Element::Other } else { self.enter(tag)? };
        self.open.push(element);
        if let Element::Field(_) = element {
            self.text = Some((self.open.len(), String::new()));
        }
        Ok(())
    }

    /// What an element is, and what its attributes say.
    fn enter(&mut self, tag: &BytesStart<'_>) -> Result<Element, XmlError> {
        let parent = self.open.last().copied().unwrap_or(Element::Other);
        let name = tag.local_name();
        let get = |name| attribute(tag, name, &self.bounds);
        Ok(match (parent, name.as_ref()) {
            (Element::Other, "Benchmark") => {
                self.benchmarks += 1;
                if self.benchmarks == 1 { Element::Benchmark } else { Element::Other }
            }
            (Element::Other | Element::Benchmark, "TestResult") => {
                self.tests += 1;
                if self.tests > 1 {
                    return Ok(Element::Other);
                }
                self.document.test = Some(TestResult::default());
                Element::Test
            }
            (Element::Benchmark | Element::Group, "Group") => Element::Group,
            (Element::Benchmark, "Profile") => {
                let (id, extends) = (get("id")?.unwrap_or_default(), get("extends")?);
                self.profile = Profile { id, extends, ..Profile::default() };
                Element::Profile
            }
            (Element::Benchmark | Element::Group, "Rule") => {
                let selected = get("selected")?.is_none_or(|value| truth(&value));
                let severity = get("severity")?.and_then(|value| value.parse().ok());
                self.rule = Rule {
                    selected,
                    severity: severity.unwrap_or_default(),
                    ..rule(get("id")?.unwrap_or_default())
                };
                Element::Rule
            }
            (Element::Profile, "title") => Element::Field(Field::ProfileTitle),
            (Element::Profile, "select") => {
                if self.profile.selects.len() >= self.bounds.rules {
                    return Err(XmlError::TooMuch("many rules"));
                }
                let selected = get("selected")?.is_some_and(|value| truth(&value));
                let id = get("idref")?.unwrap_or_default();
                self.profile.selects.push((id, selected));
                Element::Other
            }
            (Element::Rule, "title") => Element::Field(Field::RuleTitle),
            (Element::Rule, "rationale") => Element::Field(Field::Rationale),
            (Element::Rule, "fixtext") => Element::Field(Field::FixText),
            (Element::Rule, "fix") if is_shell(get("system")?) => Element::Field(Field::FixScript),
            (Element::Test, "profile") => {
                let id = get("idref")?.unwrap_or_default();
                self.test().profile = id;
                Element::Other
            }
            (Element::Test, "target-facts") => Element::Facts,
            (Element::Facts, "fact")
                if get("name")?.as_deref() == Some("urn:xccdf:fact:scanner:version") =>
            {
                Element::Field(Field::Version)
            }
            (Element::Test, "score") => {
                let maximum = get("maximum")?.and_then(|value| value.parse().ok());
                self.maximum = maximum.unwrap_or(100.0);
                Element::Field(Field::Score)
            }
            (Element::Test, "rule-result") => {
                let severity = get("severity")?.and_then(|value| value.parse::<Severity>().ok());
                self.judged = Judged { severity, ..judged(get("idref")?.unwrap_or_default()) };
                Element::Result
            }
            (Element::Result, "result") => Element::Field(Field::Outcome),
            (Element::Result, "fix") if is_shell(get("system")?) => {
                Element::Field(Field::ResultFix)
            }
            _ => Element::Other,
        })
    }

    /// Takes the end of what was opened last; that it is the right one is checked before.
    pub(super) fn end(&mut self) -> Result<(), XmlError> {
        let depth = self.open.len();
        let Some(element) = self.open.pop() else { return Err(XmlError::Syntax(0)) };
        match element {
            Element::Field(field) => {
                let text = self.text.take_if(|(at, _)| *at == depth).map(|(_, text)| text);
                self.take(field, text.unwrap_or_default());
            }
            Element::Profile => {
                if self.document.profiles.len() >= self.bounds.rules {
                    return Err(XmlError::TooMuch("many profiles"));
                }
                self.document.profiles.push(std::mem::take(&mut self.profile));
            }
            Element::Rule => {
                if self.document.rules.len() >= self.bounds.rules {
                    return Err(XmlError::TooMuch("many rules"));
                }
                let script = std::mem::take(&mut self.script);
                let mut rule = std::mem::replace(&mut self.rule, rule(String::new()));
                if rule.fix.is_empty() {
                    rule.fix = script.into();
                }
                self.document.rules.push(rule);
            }
            Element::Result => {
                let judged = std::mem::replace(&mut self.judged, judged(String::new()));
                let limit = self.bounds.rules;
                let results = &mut self.test().results;
                if results.len() >= limit {
                    return Err(XmlError::TooMuch("many rules"));
                }
                results.push(judged);
            }
            _ => {}
        }
        Ok(())
    }

    /// Puts a text where it belongs.
    fn take(&mut self, field: Field, text: String) {
        match field {
            Field::ProfileTitle => self.profile.title = line(&text),
            Field::RuleTitle => self.rule.title = line(&text),
            Field::Rationale => self.rule.rationale = line(&text).into(),
            Field::FixText => self.rule.fix = text.into(),
            Field::FixScript => self.script = text,
            Field::Version => self.test().scanner_version = line(&text),
            Field::Score => {
                let share = text.trim().parse::<f64>().ok().map(|score| score / self.maximum);
                let share = share.filter(|share| (0.0..=1.0).contains(share));
                self.test().score = share.map(|share| share * 100.0);
            }
            // What is no outcome that we know says nothing.
            Field::Outcome => {
                self.judged.outcome = text.trim().parse().unwrap_or(RuleOutcome::Unknown);
            }
            Field::ResultFix => self.judged.fix = text.into(),
        }
    }

    pub(super) fn text(&mut self, piece: &str) {
        let Some((_, text)) = &mut self.text else { return };
        let room = self.bounds.text.saturating_sub(text.len()).min(self.texts_left);
        let piece = piece.get(..piece.floor_char_boundary(room)).unwrap_or_default();
        text.push_str(piece);
        self.texts_left -= piece.len();
    }

    pub(super) fn character(&mut self, character: char) {
        self.text(character.encode_utf8(&mut [0; 4]));
    }

    pub(super) fn finish(self) -> Result<Document, XmlError> {
        if self.any && self.open.is_empty() { Ok(self.document) } else { Err(XmlError::Truncated) }
    }

    fn test(&mut self) -> &mut TestResult {
        self.document.test.get_or_insert_default()
    }
}

fn rule(id: String) -> Rule {
    Rule {
        id,
        title: String::new(),
        severity: Severity::Unknown,
        selected: true,
        rationale: "".into(),
        fix: "".into(),
    }
}

fn judged(id: String) -> Judged {
    Judged { id, severity: None, outcome: RuleOutcome::Unknown, fix: "".into() }
}

fn truth(value: &str) -> bool {
    matches!(value.trim(), "true" | "1")
}

/// Whether a fix is for a shell, or says nothing else; the others are for programs.
fn is_shell(system: Option<String>) -> bool {
    system.is_none_or(|system| system.is_empty() || system == "urn:xccdf:fix:script:sh")
}

/// A text in one line, as XML means it: its lines are only layout.
fn line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
