//! Agents that are updated from afar: to what somebody signed, and never to anything else.

use std::fs;

use gangplank_tests::{
    agent::{Agent, Policy},
    daemon::Daemon,
    process, program,
    release::{Release, Signer, agent_program, manifest, moment, target},
    site::{BASE, Site},
};
use serde_json::{Value, json};
use time::Duration;

#[tokio::test]
async fn a_signed_version_takes_over_and_stays() {
    let site = Site::start().await;
    site.runs(BASE).await;
    let pid = site.agent.pid();
    site.offer_version("0.2.0");
    let job = site.update().await;
    assert_eq!(job["state"], "succeeded", "{job}\n{}", site.agent.log());
    let outcome = json!({ "outcome": "confirmed", "from": BASE, "to": "0.2.0" });
    assert_eq!(job["result"], outcome, "{job}");
    site.runs("0.2.0").await;
    // For whoever started it, it is the same process.
    assert_eq!(site.agent.pid(), pid);
    assert!(!site.agent.has_ended());
    assert_eq!(fs::read_to_string(site.kept("floor")).expect("a floor").trim(), "0.2.0");

    // It is what runs from now on, whatever happens to the process.
    site.kill().await;
    site.agent.start_again();
    site.runs("0.2.0").await;
    let job = site.update().await;
    assert_eq!(
        (&job["state"], &job["result"]["outcome"]),
        (&json!("succeeded"), &json!("current"))
    );

    // The next one replaces it, and it is kept; what was before is not.
    for version in ["0.3.0", "0.10.0"] {
        site.offer_version(version);
        let job = site.update().await;
        assert_eq!(job["state"], "succeeded", "{job}");
        site.runs(version).await;
    }
    let mut kept: Vec<_> = fs::read_dir(site.kept("versions"))
        .expect("versions")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .collect();
    kept.sort();
    assert_eq!(kept, ["0.10.0", "0.3.0"]);

    // Without its key nothing is run that the key signed; the installed program always is.
    let text = fs::read_to_string(site.agent.config()).expect("a configuration");
    let other = text.replace(&site.signer.key(), &Signer::new().key());
    fs::write(site.agent.config(), other).expect("our own file");
    site.kill().await;
    site.agent.start_again();
    site.runs(BASE).await;
    assert!(site.agent.log().contains("isn't signed by a key"), "{}", site.agent.log());
    fs::write(site.agent.config(), text).expect("our own file");
    site.kill().await;
    site.agent.start_again();
    site.runs("0.10.0").await;
}

/// What a daemon may try whose database, disk and operator belong to somebody else.
#[tokio::test]
async fn a_hostile_daemon_makes_no_agent_run_what_nobody_signed() {
    let site = Site::start().await;
    // Something to go back to: a version that was signed, ran, and is old now.
    site.offer_version("0.2.0");
    assert_eq!(site.update().await["state"], "succeeded");
    site.runs("0.2.0").await;
    let (pid, program) = (site.agent.pid(), agent_program());
    let signer = &site.signer;
    let good = signer.release("0.3.0", &program);
    let with = |field: &str, value: Value| {
        let mut manifest = manifest("0.3.0", &program);
        manifest[field] = value;
        signer.release_with(&program, &manifest)
    };
    let shell = b"#!/bin/sh\ntouch /tmp/owned\n".to_vec();
    let flipped = |at: usize| {
        let mut program = program.clone();
        program[at] ^= 1;
        Release { program, ..good.clone() }
    };
    let mut forged = good.manifest.clone();
    let at = forged.windows(5).position(|five| five == b"0.3.0").expect("a version");
    forged[at] = b'9';
    let unsigned = manifest("0.3.0", &shell).to_string().into_bytes();
    let other_target = if target().contains("x86_64") { "aarch64" } else { "x86_64" };
    let other_target = format!("{other_target}-unknown-linux-gnu");
    let longer = [program.clone(), vec![0]].concat();
    let cases = [
        ("other bytes", Release { program: shell.clone(), ..good.clone() }, "the program"),
        ("a flipped bit at the start", flipped(0), "not the ones that were signed"),
        ("one in the middle", flipped(program.len() / 2), "not the ones that were signed"),
        ("one at the end", flipped(program.len() - 1), "not the ones that were signed"),
        (
            "a truncated program",
            Release { program: program[..program.len() - 1].to_vec(), ..good.clone() },
            "the program",
        ),
        ("a longer program", Release { program: longer, ..good.clone() }, "the program"),
        ("no signature", Release { signature: None, ..good.clone() }, "no signed release"),
        (
            "a manifest of its own",
            Release { program: shell.clone(), manifest: unsigned.clone(), ..good.clone() },
            "isn't signed",
        ),
        ("a forged version", Release { manifest: forged, ..good.clone() }, "isn't signed"),
        (
            "another's signature",
            Release { signature: Some(Signer::new().sign(&good.manifest)), ..good.clone() },
            "isn't signed",
        ),
        ("another's release", Signer::new().release("0.3.0", &shell), "isn't signed"),
        (
            "a signature of something else",
            Release { signature: Some(signer.sign(b"something else")), ..good.clone() },
            "isn't signed",
        ),
        (
            "no signature at all",
            Release { signature: Some("nothing".to_owned()), ..good.clone() },
            "none of minisign's",
        ),
        ("an older version", signer.release("0.1.9", &program), "older than 0.2.0"),
        ("an expired one", with("expires", json!(moment(-Duration::SECOND))), "expired"),
        ("one of another system", with("target", json!(other_target)), "is for"),
        ("one of another product", with("product", json!("gangplankd")), "no manifest"),
        ("a step too far", with("minimum_version", json!("0.2.1")), "0.2.1 or newer"),
    ];
    for (what, release, reason) in cases {
        site.offer(&release);
        let job = site.update().await;
        assert_eq!(job["state"], "failed", "{what}: {job}");
        let error = job["error"].as_str().expect("a reason");
        assert!(error.contains(reason), "{what}: {error}");
        assert_eq!(site.agent.pid(), pid, "{what}");
        assert!(!site.kept("versions/0.3.0").exists(), "{what}");
    }
    // Never in between did another program run.
    assert!(!site.agent.has_ended());
    site.runs("0.2.0").await;
    let job = site.admin.job_over(&site.order(json!({ "version": "0.4.0" })).await).await;
    assert_eq!(job["state"], "failed", "nothing is there of it: {job}");
    site.offer(&good);
    assert_eq!(site.update().await["state"], "succeeded");
    site.runs("0.3.0").await;
}

#[tokio::test]
async fn a_host_decides_whether_and_by_whom_it_is_updated() {
    let daemon = Daemon::start();
    let admin = daemon.admin().await;
    let signer = Signer::new();
    signer.release("0.2.0", &agent_program()).put(daemon.directory());
    let policy = Policy::everything("localhost:22");
    for (update, keys, reason) in
        [(false, true, "policy.update = true"), (true, false, "no key of releases")]
    {
        let agent = Agent::enrol_with(&daemon, &admin, &policy, |table| {
            signer.allow(table);
            table["policy"]["update"] = update.into();
            if !keys {
                table.remove("update");
            }
        });
        let agent = agent.await;
        let id = admin.order(agent.host(), json!({ "command": "update_agent" })).await;
        let job = admin.job_over(&id).await;
        assert_eq!(job["state"], "failed", "{job}");
        assert!(job["error"].as_str().expect("a reason").contains(reason), "{job}");
        assert!(!agent.config().with_extension("update").exists());
    }
    let host = admin.add_host("nobody", None).await;
    let path = format!("/api/v1/hosts/{}/commands", host["id"].as_str().expect("an id"));
    for params in [
        json!({ "version": "newest" }),
        json!({ "url": "http://a.example/agent" }),
        json!({ "force": 1 }),
        json!({ "shell": "id" }),
    ] {
        let order = json!({ "command": "update_agent", "params": params });
        admin.post(&path, order).await.refused(400);
    }
}

#[tokio::test]
async fn a_release_is_sent_from_any_byte_on_and_only_by_names_that_exist() {
    let daemon = Daemon::start();
    let client = daemon.client();
    let signer = Signer::new();
    let program: Vec<u8> = (0..200_000u32).flat_map(u32::to_be_bytes).collect();
    let release = signer.release("0.2.0", &program);
    release.put(daemon.directory());
    let path = |file: &str| format!("/api/v1/agent/{file}?target={}", target());
    assert_eq!(client.get(&path("manifest")).await.expect(200).body, release.manifest);
    let signature = release.signature.clone().expect("a signature");
    assert_eq!(client.get(&path("signature")).await.expect(200).text(), signature);
    assert_eq!(client.get(&path("download")).await.expect(200).body, program);
    for from in [1, 4096, program.len() - 1] {
        let part = client.clone().with_header("Range", &format!("bytes={from}-"));
        let part = part.get(&path("download")).await.expect(206);
        assert_eq!(part.body, &program[from..]);
        let range = format!("bytes {from}-{}/{}", program.len() - 1, program.len());
        assert_eq!(part.header("content-range"), range);
    }
    let beyond = client.clone().with_header("Range", &format!("bytes={}-", program.len()));
    beyond.get(&path("download")).await.refused(416);
    for odd in ["bytes=5-9", "bytes=-5", "bytes=5-,9-", "lines=5-", "bytes=x-"] {
        let whole = client.clone().with_header("Range", odd).get(&path("download")).await;
        assert_eq!(whole.expect(200).body, program, "{odd}");
    }
    // A version has a directory of its own, or is what lies there.
    let other = signer.release("0.1.5", b"older");
    let home = daemon.directory().join("agents/0.1.5");
    fs::create_dir_all(&home).expect("our own directory");
    fs::write(home.join(format!("gangplank-agent-{}", target())), &other.program).expect("a file");
    let of = |version: &str| format!("{}&version={version}", path("download"));
    assert_eq!(client.get(&of("0.1.5")).await.expect(200).body, other.program);
    assert_eq!(client.get(&of("0.2.0")).await.expect(200).body, program);
    for wrong in ["..", "0.1.5/../..", "%2e%2e", "0.1", "latest"] {
        client.get(&of(wrong)).await.refused(400);
    }
    for wrong in ["../../etc/passwd", "x86_64-pc-windows-msvc", ""] {
        client.get(&format!("/api/v1/agent/manifest?target={wrong}")).await.refused(400);
    }
    client.get("/api/v1/agent/manifest").await.refused(400);
    let absent = "/api/v1/agent/signature?target=aarch64-unknown-linux-musl";
    client.get(absent).await.refused(404);
}

#[tokio::test]
async fn a_host_can_look_for_itself() {
    let site = Site::start().await;
    let look = || {
        let mut command = std::process::Command::new(program::gangplank_agent());
        command.args(["update", "--check", "--json", "--config"]).arg(site.agent.config());
        process::run(&command)
    };
    let looked = look();
    assert_eq!(looked.code, Some(1), "{looked:?}");
    assert!(looked.stderr.contains("no signed release"), "{looked:?}");
    site.offer_version("0.2.0");
    let looked = look();
    assert_eq!(looked.code, Some(0), "{looked:?}");
    let shown: Value = serde_json::from_str(&looked.stdout).expect("JSON");
    assert_eq!((&shown["offered"], &shown["newer"]), (&json!("0.2.0"), &json!(true)), "{shown}");
    site.offer(&Signer::new().release("0.2.0", b"x"));
    let looked = look();
    assert_eq!(looked.code, Some(1), "{looked:?}");
    assert!(looked.stderr.contains("isn't signed"), "{looked:?}");
    site.runs(BASE).await;
}
