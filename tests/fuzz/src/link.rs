//! The words between a daemon and a keeper.

use gangplank_proto::fact::is_unfit;
use gangplank_proto::job::Said;
use gangplank_proto::limit;
use gangplank_proto::link::{FromAgent, FromTerminal, Keep, Open, Size, ToAgent, ToTerminal};

use crate::word;

/// Sessions that are kept of a hello.
const SESSIONS: usize = 3;

/// Any text is read or refused; what is read has its bounds, and lasts.
pub fn link(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(said) = FromAgent::parse(text, SESSIONS) {
        from_agent(&said);
        word::lasts(&said, FromAgent::to_text, |text| FromAgent::parse(text, SESSIONS));
    }
    if let Ok(said) = ToAgent::parse(text) {
        to_agent(&said);
        word::lasts(&said, ToAgent::to_text, ToAgent::parse);
    }
}

fn from_agent(said: &FromAgent) {
    match said {
        FromAgent::Hello(hello) => {
            let (host, policy) = (&hello.host, &hello.policy);
            let lists = [&policy.terminal, &policy.targets, &policy.users];
            assert!(lists.iter().all(|list| list.len() <= 64));
            assert!(hello.host_keys.len() <= 64 && hello.ssh_ports.len() <= 64);
            assert!(hello.host_keys.iter().all(|line| line.len() <= 4096));
            assert!(hello.sessions.len() <= SESSIONS);
            assert!(hello.jobs.len() <= limit::JOBS_HELD);
            let facts = [&host.hostname, &host.os, &host.os_version, &host.kernel, &host.arch];
            let facts = facts.into_iter().chain([&host.agent_version, &host.run_as]);
            facts.chain(lists.into_iter().flatten()).for_each(|fact| fit(fact.as_str()));
        }
        FromAgent::Channel(_, FromTerminal::Error(error)) => {
            fit(&error.message);
            if let Some(key) = &error.host_key {
                fit(&key.key_type);
                fit(&key.fingerprint);
            }
        }
        FromAgent::Channel(_, FromTerminal::Close(exit)) => {
            exit.reason.iter().chain(&exit.signal).for_each(|text| fit(text));
        }
        FromAgent::Channel(..) => {}
        FromAgent::Docker(change) => {
            let texts = [&change.container_id, &change.name, &change.status, &change.timestamp];
            let texts = texts.into_iter().chain([&change.event.kind, &change.event.image]);
            texts.for_each(|text| fit(text.as_str()));
        }
        FromAgent::Job(word) => match &word.said {
            Said::Done(done) => done.error.iter().for_each(|text| fit(text.as_str())),
            Said::Progress(progress) => {
                let texts = progress.phase.iter().chain(&progress.message);
                texts.for_each(|text| fit(text.as_str()));
            }
            _ => {}
        },
    }
}

fn to_agent(said: &ToAgent) {
    let ToAgent::Channel(_, said) = said else { return };
    match said {
        ToTerminal::Connect { open, keep, .. } => {
            if let Open::Ssh { pty, .. } | Open::Pty { pty, .. } = open {
                possible(pty.size);
            }
            short(*keep);
        }
        ToTerminal::Attach { size, keep, .. } => {
            size.iter().for_each(|size| possible(*size));
            short(*keep);
        }
        ToTerminal::Resize(size) => possible(*size),
        _ => {}
    }
}

fn fit(text: &str) {
    assert!(text.chars().count() <= 256 && !text.chars().any(is_unfit), "{text:?}");
}

fn possible(size: Size) {
    assert!([size.cols(), size.rows()].iter().all(|n| (1..=limit::TERMINAL_CELLS).contains(n)));
}

fn short(keep: Keep) {
    assert!(keep.life() <= limit::LONGEST_LIFE);
}
