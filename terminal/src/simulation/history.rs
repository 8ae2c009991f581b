//! One history: what is there, what happens to it, and what must hold in the end.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use gangplank_proto::id::SessionId;
use gangplank_proto::limit;
use gangplank_proto::link::Keep;
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::agent::Agent;
use super::daemon::{Daemon, Setting, Store};
use super::line::{Cutter, Quality};
use super::page::{Disturbances, Order, Page, Seen, Surroundings};
use super::random::Random;
use super::shell::{Script, Shell};
use super::world::World;
use crate::keeper::{Keeper, KeeperConfig};

/// Within this time everything comes to an end once nothing disturbs it any more: megabytes by the
/// smallest window over the slowest lines.
const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);

/// How long an end may take to notice that the other is gone: two heartbeats and what is added.
const NOTICE: u64 = 70_000;

/// Runs the history of a seed and answers what went wrong.
pub(super) fn run(seed: u64, tells: bool) -> Vec<String> {
    let mut builder = Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let world = Arc::new(World::new(tells));
        let mut random = Random::new(seed);
        History::new(&world, &mut random).happen(&mut random).await;
        world.faults()
    })
}

struct History {
    world: Arc<World>,
    keeper: Keeper,
    shell: Arc<Shell>,
    setting: Setting,
    daemon: watch::Sender<Option<Arc<Daemon>>>,
    disturbances: Arc<Disturbances>,
    /// Cuts the agent's link.
    link: Arc<Mutex<Option<Cutter>>>,
    page_quality: Quality,
    pages: Vec<Page>,
    slowness: u64,
}

fn quality(random: &mut Random) -> Quality {
    let delay = random.pick(&[(0, 1), (1, 30), (20, 200), (200, 2_000)]);
    Quality { delay, capacity: random.pick(&[4 << 10, 64 << 10, 1 << 20]) }
}

impl History {
    fn new(world: &Arc<World>, random: &mut Random) -> Self {
        let config = KeeperConfig {
            replay_ring: random.pick(&[1, 300 << 10, 1 << 20]),
            ..KeeperConfig::default()
        };
        let keeper = Keeper::new(config, TaskTracker::new(), CancellationToken::new());
        let says = random.pick(&[0, 50, 5_000, 200_000, 1_500_000]);
        let echoes = random.chance(50);
        // Not so many pauses that its output takes days.
        let least = if echoes { 5_000 } else { 10 + says / 100 };
        let script = Script {
            says,
            echoes,
            burst: least + random.pick(&[0, 3_000, 100_000]),
            pause: random.pick(&[0, 20, 3_000]),
            deaf: random.pick(&[0, 50, 20_000]),
            ends_after: random.chance(30).then(|| Duration::from_millis(random.within(0, 300_000))),
            status: random.within(0, 255) as u32,
        };
        world.note(|| format!("{script:?}"));
        let shell = Shell::prepare(script, world, random);
        let direct = random.chance(15);
        let hold = Duration::from_secs(random.pick(&[0, 20, 60]));
        let life = Duration::from_secs(random.pick(&[90, 300]));
        let setting = Setting {
            world: Arc::clone(world),
            store: Arc::new(Store::default()),
            own: direct.then(|| keeper.clone()),
            session_id: SessionId::from(Uuid::from_u128(1)),
            window: random.pick(&[1_000, 50_000, limit::TERMINAL_WINDOW]),
            keep: Keep::new(life, hold),
        };
        Self {
            world: Arc::clone(world),
            keeper,
            shell,
            setting,
            daemon: watch::Sender::new(None),
            disturbances: Arc::new(Disturbances::default()),
            link: Arc::default(),
            page_quality: quality(random),
            pages: Vec::new(),
            slowness: random.pick(&[0, 50, 5_000]),
        }
    }

    async fn happen(mut self, random: &mut Random) {
        self.start_daemon();
        self.start_agent(random);
        self.add_page("first", true, random);
        self.until("the terminal to open", |history| history.seen().any(|seen| seen.reached > 0))
            .await;
        for _ in 0..random.within(1, 12) {
            self.step(random).await;
        }
        self.end().await;
    }

    async fn step(&mut self, random: &mut Random) {
        let page = self.pages.last().unwrap();
        match random.within(0, 11) {
            0 | 1 => page.order(Order::Type(random.within(1, 20))),
            2 => page.order(Order::Type(random.pick(&[1_000, 40_000, 600_000]))),
            3 => page.order(Order::Show(random.chance(40))),
            4 | 5 => {
                self.disturbances.now();
                page.cut(notice(random), notice(random));
                self.world.note(|| "the page's socket is cut".to_owned());
            }
            6 | 7 if self.setting.own.is_none() => self.cut_link(notice(random), notice(random)),
            8 if self.setting.own.is_none() => self.restart(random).await,
            9 => self.take_over(random),
            _ => {}
        }
        let longest = random.pick(&[0, 10, 1_000, 1_000, 10_000, 10_000, 100_000, 400_000]);
        sleep(Duration::from_millis(random.within(0, longest))).await;
    }

    fn start_agent(&self, random: &mut Random) {
        if self.setting.own.is_some() {
            return;
        }
        let agent = Agent {
            world: Arc::clone(&self.world),
            keeper: self.keeper.clone(),
            daemon: self.daemon.subscribe(),
            quality: quality(random),
            random: random.fork(),
            bound: self.setting.window as usize,
            cutter: Arc::clone(&self.link),
        };
        tokio::spawn(agent.run());
    }

    fn start_daemon(&self) {
        self.world.note(|| "the daemon starts".to_owned());
        self.daemon.send_replace(Some(Daemon::new(self.setting.clone())));
    }

    fn cut_link(&self, daemon: Duration, agent: Duration) {
        self.disturbances.now();
        self.world.note(|| "the link is cut".to_owned());
        if let Some(cutter) = &*self.link.lock().unwrap() {
            cutter.cut(agent, daemon);
        }
    }

    async fn restart(&mut self, random: &mut Random) {
        self.disturbances.now();
        self.world.note(|| "the daemon stops".to_owned());
        self.daemon.send_replace(None);
        for page in &self.pages {
            page.cut(notice(random), Duration::ZERO);
        }
        self.cut_link(Duration::ZERO, notice(random));
        sleep(Duration::from_millis(random.pick(&[0, 300, 5_000, 80_000]))).await;
        self.start_daemon();
    }

    /// Another page, or the one before, shows the terminal.
    fn take_over(&mut self, random: &mut Random) {
        self.disturbances.now();
        if self.pages.len() < 2 {
            self.add_page("second", false, random);
            return;
        }
        self.pages.swap(0, 1);
        self.pages[1].order(Order::Return);
    }

    fn add_page(&mut self, name: &'static str, new: bool, random: &mut Random) {
        let around = Surroundings {
            world: Arc::clone(&self.world),
            daemon: self.daemon.subscribe(),
            disturbances: Arc::clone(&self.disturbances),
            quality: self.page_quality.clone(),
            window: self.setting.window,
            hold: self.setting.keep.hold(),
            life: self.setting.keep.life(),
            slowness: self.slowness,
        };
        self.pages.push(Page::open(name, new, around, random));
    }

    fn seen(&self) -> impl Iterator<Item = Seen> {
        self.pages.iter().map(Page::look)
    }

    /// A page heard of the end, or had nothing to come back to.
    fn is_over(&self) -> bool {
        self.seen().any(|seen| seen.in_vain || !seen.ends.is_empty())
    }

    /// Nothing disturbs any more: everything arrives, the shell ends, and a page hears so. Which
    /// page shows the terminal is left to them: one that never heard that it was replaced comes back.
    async fn end(self) {
        self.world.note(|| "peace".to_owned());
        for page in &self.pages {
            page.order(Order::Show(true));
        }
        if !self.seen().any(|seen| !seen.replaced) {
            self.pages[0].order(Order::Return);
        }
        self.until("all bytes to arrive", |history| {
            let (said, heard) = (history.shell.said(), history.shell.heard());
            let has_all =
                |seen: Seen| seen.connected && seen.received == said && seen.typed <= heard;
            history.is_over() || (history.shell.is_quiet() && history.seen().any(has_all))
        })
        .await;
        self.world.note(|| "the shell is told to exit".to_owned());
        self.shell.exit();
        self.until("the end to be heard", Self::is_over).await;
        self.until("the terminal to be gone", |history| history.keeper.is_empty()).await;
        let told = |seen: &Seen| seen.ends.iter().any(Option::is_some);
        if !self.seen().any(|seen| seen.in_vain || told(&seen)) {
            self.world.fault("nobody heard the end".to_owned());
        }
        for seen in self.seen().filter(told) {
            let wrong = seen.ends != [Some(self.shell.status())];
            if wrong || seen.received != self.shell.said() {
                self.world.fault(format!("the end was heard as {seen:?} of {:?}", self.shell));
            }
        }
    }

    async fn until(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let started = Instant::now();
        let wait = async {
            while !holds(self) {
                sleep(Duration::from_millis(500)).await;
            }
        };
        if timeout(PATIENCE, wait).await.is_err() {
            let state = (self.seen().collect::<Vec<_>>(), &self.shell);
            self.world
                .fault(format!("waited {:?} in vain for {what}: {state:?}", started.elapsed()));
        }
    }
}

/// How long an end takes to notice a cut: at once when it is told, else when a heartbeat is missed.
fn notice(random: &mut Random) -> Duration {
    let longest = random.pick(&[0, 500, 10_000, NOTICE]);
    Duration::from_millis(random.within(0, longest))
}
