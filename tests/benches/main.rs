//! The load generator behind `cargo xtask bench`: everything side by side in one run, compared by
//! ratios, each figure with the aims it has to meet.

mod crowd;
mod document;
mod ear;
mod figure;
mod plot;
mod report;
mod table;
mod usage;
mod way;

use std::{
    fs::{self, File},
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::ExitCode,
    rc::Rc,
    sync::Arc,
    time::Instant,
};

use anyhow::{Context as _, Result};
use clap::Parser;
use gangplank_tests::{fleet::Fleet, page::Page, scratch};
use serde_json::json;

use crate::{
    figure::{
        AGENT, BARE, Bench, DIRECT, beside, bulk, channels, echo, ingest, jobs, stall, start,
    },
    table::Figure,
    way::{Missing, Target, Way, bare::Bare, gangplank::Gangplank, openssh::OpenSsh, peer},
};

/// Measures Gangplank beside its peers.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench")]
struct Arguments {
    /// What is measured: terminals, commands to a whole fleet, or channels of dashboards and what devices
    /// send.
    #[arg(value_enum, default_value_t = Suite::Terminals)]
    suite: Suite,
    /// How often each figure is measured.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Look whether it works, in seconds; the numbers mean nothing.
    #[arg(long)]
    quick: bool,
    /// Measure these figures only: echo-1, echo-50, beside-bulk, bulk, stall, start.
    #[arg(long, value_name = "FIGURE", value_delimiter = ',')]
    only: Vec<String>,
    /// Where peers are installed.
    #[arg(long, value_name = "DIR")]
    peers: Option<PathBuf>,
    /// Where the results go, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write docs/performance.md and its plots.
    #[arg(long)]
    write_docs: bool,
}

/// What belongs together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Suite {
    Terminals,
    Jobs,
    Channels,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let begin = Instant::now();
    println!("{}", report::machine());
    let figures = match arguments.suite {
        Suite::Terminals => terminals(&arguments).await?,
        Suite::Jobs => {
            let rounds = if arguments.quick { 1 } else { arguments.rounds };
            let figures = jobs::run(rounds, arguments.quick).await?;
            figures.iter().for_each(|figure| print!("{}", report::text(figure)));
            figures
        }
        Suite::Channels => {
            let rounds = if arguments.quick { 1 } else { arguments.rounds };
            let peers = arguments.peers.as_deref();
            let mut figures = channels::run(rounds, arguments.quick, peers).await?;
            figures.extend(ingest::run(rounds, arguments.quick).await?);
            figures.iter().for_each(|figure| print!("{}", report::text(figure)));
            figures
        }
    };
    println!("\n{} s", begin.elapsed().as_secs());
    if let Some(file) = &arguments.json {
        let figures: Vec<_> = figures.iter().map(Figure::json).collect();
        let results = json!({
            "machine": report::machine(), "rounds": arguments.rounds, "quick": arguments.quick,
            "figures": figures,
        });
        fs::write(file, format!("{results:#}\n")).with_context(|| file.display().to_string())?;
    }
    if arguments.write_docs {
        match arguments.suite {
            Suite::Terminals => document::write(&figures, arguments.rounds)?,
            Suite::Jobs => document::write_jobs(&figures, arguments.rounds)?,
            Suite::Channels => document::write_channels(&figures, arguments.rounds)?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Terminals beside those of others.
async fn terminals(arguments: &Arguments) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let wanted =
        |id: &str| arguments.only.is_empty() || arguments.only.iter().any(|only| only == id);
    let mut show = |figure: Figure| {
        print!("{}", report::text(&figure));
        figures.push(figure);
    };
    let bench = prepare(arguments).await?;
    if wanted("echo-1") {
        show(echo::one(&bench).await);
    }
    if wanted("echo-50") {
        show(echo::many(&bench).await);
    }
    if wanted("beside-bulk") {
        show(beside::run(&bench).await);
    }
    if wanted("bulk") {
        show(bulk::run(&bench).await);
    }
    if wanted("stall") {
        show(stall::run(&bench).await);
    }
    if wanted("start") {
        show(start::run(&bench));
    }
    Ok(figures)
}

/// Starts everything that is compared.
async fn prepare(arguments: &Arguments) -> Result<Bench> {
    let fleet = Arc::new(Fleet::with(&[("limits.sockets_per_user", "1000")]).await);
    let client = fleet.admin().await;
    let mut page = Page::open(&client, fleet.host()).await;
    page.accepted(fleet.direct()).await;
    let account = fleet.sshd.account();
    let directory = scratch::directory();
    let key = directory.join("key");
    scratch::secret_file(&key, &fleet.sshd.key());
    let target = Target {
        port: fleet.sshd.port(),
        user: account.name.clone(),
        password: account.password.clone(),
        key,
    };
    let direct = json!({
        "type": "connect", "cols": 80, "rows": 24, "connection_mode": "direct",
        "username": target.user, "privateKey": fleet.sshd.key(),
    });
    let mut pty = fleet.pty();
    pty["type"] = "connect".into();
    let way = |name, connect, by_agent| {
        Rc::new(Gangplank {
            name,
            fleet: Arc::clone(&fleet),
            client: client.clone(),
            connect,
            by_agent,
        })
    };
    let bare = Missing::or(BARE, Bare::start(&target, &directory));
    let own: Vec<Rc<dyn Way>> = vec![
        Rc::new(OpenSsh(target.clone())),
        Rc::from(bare),
        way(DIRECT, direct, false),
        way(AGENT, pty, true),
    ];
    let peers = match &arguments.peers {
        Some(peers) => peer::all(peers, &target).await,
        None => Vec::new(),
    };
    Ok(Bench {
        rounds: if arguments.quick { 1 } else { arguments.rounds },
        quick: arguments.quick,
        own,
        peers: peers.into_iter().map(Rc::from).collect(),
        file: text(&scratch::shared_directory())?,
    })
}

/// A file that everybody may read: text, as much as any figure streams to a peer, and zeros.
fn text(directory: &Path) -> Result<PathBuf> {
    let path = directory.join("output");
    let mut file = File::create(&path)?;
    let line = "The quick brown fox jumps over the lazy dog; 0123456789 pack my box. ".repeat(1000);
    for _ in 0..200_000_000 / line.len() + 1 {
        file.write_all(line.as_bytes())?;
    }
    file.set_len(700_000_000)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?;
    Ok(path)
}
