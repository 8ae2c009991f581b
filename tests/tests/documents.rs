//! What the documents name is there, and what is there is named.

use std::{fs, process::Command};

use gangplank_tests::{process, program};

#[test]
fn every_key_of_the_daemon_is_documented() {
    let text = fs::read_to_string(program::source("docs/configuration.md")).expect("a document");
    let keys = process::succeed(Command::new(program::gangplankd()).args(["config", "keys"]));
    let keys = keys.lines().filter(|line| !line.starts_with(' '));
    let keys: Vec<&str> = keys.filter_map(|line| line.split(' ').next()).collect();
    assert!(keys.len() > 30, "{keys:?}");
    for key in &keys {
        assert!(text.contains(&format!("`{key}`")), "docs/configuration.md lacks {key}");
    }
    // And no key that isn't there.
    let daemon = text.split("## Keys of the agent").next().expect("a first part");
    for row in daemon.lines().filter(|line| line.starts_with("| `")) {
        let key = row.split('`').nth(1).expect("a key");
        assert!(keys.contains(&key), "docs/configuration.md has {key}, which is no key");
    }
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let mut documents = vec!["README.md".to_owned(), ".github/CONTRIBUTING.md".to_owned()];
    documents.push(".github/SECURITY.md".to_owned());
    for entry in fs::read_dir(program::source("docs")).expect("a directory") {
        let name = entry.expect("an entry").file_name().into_string().expect("UTF-8");
        if name.ends_with(".md") {
            documents.push(format!("docs/{name}"));
        }
    }
    for document in documents {
        let path = program::source(&document);
        let text = fs::read_to_string(&path).expect("a document");
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let images = text.split("src=\"").skip(1).filter_map(|rest| rest.split('"').next());
        for target in targets.chain(images).filter(|target| !target.starts_with("http")) {
            let file = target.split('#').next().expect("a first part");
            let there = path.parent().expect("a directory").join(file);
            assert!(there.exists(), "{document} leads to {target}");
        }
    }
}

#[test]
fn every_command_in_the_documents_exists() {
    for (name, program) in
        [("gangplankd", program::gangplankd()), ("gangplank-agent", program::gangplank_agent())]
    {
        let mut seen = 0;
        for document in ["README.md", "docs/install.md", "docs/operating.md", "docs/enrolling.md"] {
            let text = fs::read_to_string(program::source(document)).expect("a document");
            for rest in text.split(&format!("{name} ")).skip(1) {
                let command = rest.split(|c: char| !c.is_ascii_lowercase() && c != '-').next();
                let Some(command) = command.filter(|word| is_command(&text, name, word)) else {
                    continue;
                };
                let help = process::run(Command::new(&program).args([command, "--help"]));
                assert_eq!(help.code, Some(0), "{document}: {name} {command}");
                seen += 1;
            }
        }
        assert!(seen > 3, "{name} is hardly documented");
    }
}

/// Whether a word stands after a program's name in code, and not in a sentence.
fn is_command(text: &str, name: &str, word: &str) -> bool {
    !word.is_empty()
        && (text.contains(&format!("`{name} {word}"))
            || text.contains(&format!("\n{name} {word}"))
            || text.contains(&format!("-- {name} {word}")))
}
