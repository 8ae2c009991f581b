#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use proptest::prelude::*;

use super::*;

/// As `oscap --results` writes it.
const RESULTS: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<Benchmark xmlns="http://checklists.nist.gov/xccdf/1.2" xmlns:h="http://www.w3.org/1999/xhtml" id="xccdf_a_benchmark_b">
  <title>A benchmark</title>
  <Profile id="xccdf_a_profile_base"><title>Base</title><select idref="xccdf_a_rule_one" selected="true"/></Profile>
  <Profile id="xccdf_a_profile_more" extends="xccdf_a_profile_base">
    <title override="true">More &amp; more</title>
    <select idref="xccdf_a_rule_two" selected="1"/><select idref="xccdf_a_rule_one" selected="false"/>
  </Profile>
  <Group id="xccdf_a_group_g"><title>A group</title>
    <Group id="xccdf_a_group_h">
    <Rule id="xccdf_a_rule_one" selected="false" severity="high">
      <title>Rule &#x201c;one&#8221; &lt;1&gt;</title>
      <rationale>Because of
        <h:code>root</h:code> and <![CDATA[<others>]]>.</rationale>
      <fix system="urn:xccdf:fix:script:ansible">- name: x</fix>
      <fix system="urn:xccdf:fix:script:sh">umask <sub idref="v"/>
true</fix>
    </Rule></Group>
    <Rule id="xccdf_a_rule_two"><title>Two</title><fixtext>By hand.</fixtext><fix>true</fix></Rule>
  </Group>
  <TestResult id="xccdf_t" start-time="2026-01-01T00:00:00+00:00" end-time="2026-01-01T00:00:01+00:00">
    <title>OSCAP Scan Result</title>
    <profile idref="xccdf_a_profile_more"/>
    <target-facts>
      <fact name="urn:xccdf:fact:scanner:name" type="string">OpenSCAP</fact>
      <fact name="urn:xccdf:fact:scanner:version" type="string">1.3.7</fact>
    </target-facts>
    <rule-result idref="xccdf_a_rule_one" severity="low"><result>fail</result>
      <fix system="urn:xccdf:fix:script:sh">umask 027</fix>
      <check system="x"><check-content-ref name="y" href="z"/></check></rule-result>
    <rule-result idref="xccdf_a_rule_two"><result> notapplicable </result></rule-result>
    <rule-result idref="xccdf_a_rule_three"><result>of another kind</result></rule-result>
    <score system="urn:xccdf:scoring:default" maximum="50.0">12.5</score>
  </TestResult>
</Benchmark>
"#;

fn read(text: &str) -> Result<Document, XmlError> {
    parse(text.as_bytes(), &Bounds::default())
}

fn within(bounds: Bounds) -> XmlError {
    parse(RESULTS.as_bytes(), &bounds).unwrap_err()
}

#[test]
fn benchmark_and_results_are_read() {
    let document = read(RESULTS).unwrap();
    let [base, more] = &document.profiles[..] else { unreachable!("{document:?}") };
    assert_eq!(base.selects, [("xccdf_a_rule_one".to_owned(), true)]);
    assert_eq!(more.title, "More & more");
    assert_eq!(more.extends.as_deref(), Some("xccdf_a_profile_base"));
    assert_eq!(more.selects.len(), 2);

    let [one, two] = &document.rules[..] else { unreachable!("{document:?}") };
    assert_eq!(one.title, "Rule \u{201c}one\u{201d} <1>");
    assert_eq!((one.severity, one.selected), (Severity::High, false));
    assert_eq!(one.rationale.as_str(), "Because of root and <others>.");
    assert_eq!(one.fix.as_str(), "umask \ntrue");
    assert_eq!((two.severity, two.selected), (Severity::Unknown, true));
    assert_eq!(two.fix.as_str(), "By hand.");

    let test = document.test.unwrap();
    assert_eq!(
        (test.profile.as_str(), test.scanner_version.as_str()),
        ("xccdf_a_profile_more", "1.3.7")
    );
    assert_eq!(test.score, Some(25.0));
    let outcomes: Vec<RuleOutcome> = test.results.iter().map(|judged| judged.outcome).collect();
    let expected = [RuleOutcome::Fail, RuleOutcome::Notapplicable, RuleOutcome::Unknown];
    assert_eq!(outcomes, expected);
    assert_eq!(test.results[0].severity, Some(Severity::Low));
    assert_eq!(test.results[0].fix.as_str(), "umask 027");
}

#[test]
fn an_arf_is_read_like_its_parts() {
    let start = RESULTS.find("  <TestResult").unwrap();
    let end = RESULTS.find("</Benchmark>").unwrap();
    let (head, test) = (&RESULTS[RESULTS.find("<Benchmark").unwrap()..start], &RESULTS[start..end]);
    let arf = format!(
        "<arf:asset-report-collection xmlns:arf=\"a\"><arf:report-requests><arf:report-request>\
         <arf:content><ds:data-stream-collection xmlns:ds=\"d\"><ds:component>{head}</Benchmark>\
         </ds:component><ds:component><Benchmark><Rule id=\"other\"/></Benchmark></ds:component>\
         </ds:data-stream-collection></arf:content></arf:report-request></arf:report-requests>\
         <arf:reports><arf:report><arf:content>{test}</arf:content></arf:report><arf:report>\
         <arf:content><TestResult><score>1</score></TestResult></arf:content></arf:report>\
         </arf:reports></arf:asset-report-collection>"
    );
    assert_eq!(read(&arf).unwrap(), read(RESULTS).unwrap());
}

#[test]
fn the_same_names_elsewhere_are_nothing() {
    let text = "<a><Rule id=\"x\"/><rule-result idref=\"x\"/><select idref=\"x\"/><Benchmark>\
                <Value><Rule id=\"y\"/></Value></Benchmark><score>5</score></a>";
    assert_eq!(read(text).unwrap(), Document::default());
}

#[test]
fn a_score_that_can_not_be_is_none() {
    for score in ["-1", "101", "NaN", "inf", "", "ten"] {
        let text = format!("<TestResult><score>{score}</score></TestResult>");
        assert_eq!(read(&text).unwrap().test.unwrap().score, None, "{score}");
    }
    let text = "<TestResult><score maximum=\"0\">0</score></TestResult>";
    assert_eq!(read(text).unwrap().test.unwrap().score, None);
}

#[test]
fn document_types_and_entities_are_refused() {
    for text in [
        "<!DOCTYPE a><a/>",
        "<!DOCTYPE a [<!ENTITY e \"x\"><!ENTITY f \"&e;&e;\">]><a>&f;</a>",
        "<!DOCTYPE a SYSTEM \"file:///etc/shadow\"><a/>",
    ] {
        assert_eq!(read(text), Err(XmlError::Doctype), "{text}");
    }
    assert_eq!(read("<a>&e;</a>"), Err(XmlError::Entity));
    assert_eq!(read("<a>&#0;</a>"), Err(XmlError::Entity));
    assert_eq!(read("<Benchmark><Rule id='&e;'/></Benchmark>"), Err(XmlError::Entity));
}

#[test]
fn what_is_cut_off_is_no_document() {
    for end in 0..RESULTS.trim_end().len() {
        if let Some(text) = RESULTS.get(..end) {
            assert!(read(text).is_err(), "cut at {end}");
        }
    }
    assert_eq!(read(""), Err(XmlError::Truncated));
    assert_eq!(read("<a><b>"), Err(XmlError::Truncated));
    assert!(matches!(read("<a></b>"), Err(XmlError::Syntax(_))));
    assert!(read("<a/></a>").is_err());
    assert!(read("\u{0}").is_err());
}

#[test]
fn every_bound_holds() {
    let bounds = Bounds::default();
    assert_eq!(within(Bounds { bytes: 1000, ..bounds }), XmlError::TooMuch("many bytes"));
    assert_eq!(within(Bounds { token: 100, ..bounds }), XmlError::TooMuch("long a tag or text"));
    let deep = XmlError::TooMuch("many elements within each other");
    assert_eq!(within(Bounds { depth: 3, ..bounds }), deep);
    assert_eq!(within(Bounds { attribute: 12, ..bounds }), XmlError::TooMuch("long an attribute"));
    assert_eq!(within(Bounds { attribute: 8, ..bounds }), XmlError::TooMuch("long a name"));
    assert_eq!(within(Bounds { attributes: 1, ..bounds }), XmlError::TooMuch("many attributes"));
    assert_eq!(within(Bounds { rules: 1, ..bounds }), XmlError::TooMuch("many rules"));

    let cut = parse(RESULTS.as_bytes(), &Bounds { text: 4, ..bounds }).unwrap();
    assert_eq!(cut.rules[0].title, "Rule");
    let cut = parse(RESULTS.as_bytes(), &Bounds { texts: 6, ..bounds }).unwrap();
    assert_eq!((cut.profiles[0].title.as_str(), cut.profiles[1].title.as_str()), ("Base", "Mo"));
}

#[test]
fn a_source_without_end_ends() {
    let endless = |text: &'static [u8]| std::io::BufReader::new(Endless(text));
    let bounds = Bounds { bytes: 1 << 20, token: 1 << 16, ..Bounds::default() };
    for text in [&b"<a>"[..], b"<a x='", b"x", b"<!-- ", b"<![CDATA[", b"&", b"<?x ", b"<!DOCTYPE "]
    {
        assert!(parse(endless(text), &bounds).is_err());
    }
}

/// The same again and again.
struct Endless(&'static [u8]);

impl std::io::Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        for (to, from) in buffer.iter_mut().zip(self.0.iter().cycle()) {
            *to = *from;
        }
        Ok(buffer.len())
    }
}

proptest! {
    #[test]
    fn broken_documents_break_nothing(
        flips in proptest::collection::vec((0..RESULTS.len(), any::<u8>()), 1..8),
        end in 0..=RESULTS.len(),
    ) {
        let mut bytes = RESULTS.as_bytes().to_vec();
        for (at, byte) in flips {
            bytes[at] = byte;
        }
        for text in [&bytes[..], &bytes[..end]] {
            if let Ok(document) = parse(text, &Bounds::default()) {
                prop_assert!(document.rules.len() <= 2 && document.profiles.len() <= 2);
            }
        }
    }

    #[test]
    fn any_elements_are_read_in_bounds(
        names in proptest::collection::vec(
            proptest::sample::select(vec![
                "<Benchmark>", "</Benchmark>", "<Group>", "</Group>", "<Rule id='a'>", "</Rule>",
                "<TestResult>", "</TestResult>", "<rule-result idref='a'>", "</rule-result>",
                "<result>", "</result>", "<title>", "</title>", "<fix>", "</fix>", "pass", "<fact/>",
            ]),
            0..40,
        ),
    ) {
        let bounds = Bounds { rules: 2, depth: 6, ..Bounds::default() };
        if let Ok(document) = parse(names.concat().as_bytes(), &bounds) {
            prop_assert!(document.rules.len() <= 2);
            prop_assert!(document.test.is_none_or(|test| test.results.len() <= 2));
        }
    }
}
