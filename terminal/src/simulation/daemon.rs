//! A daemon, as far as a terminal knows one: the links of an agent, the way to a keeper in its own
//! process, and who shows the terminal. Its bridge is in [`super::bridge`].
//!
//! The daemon itself stands above this crate and can't be run here: what it does with the channels,
//! the offsets and the log of a terminal is written down again, step by step.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use gangplank_proto::frame;
use gangplank_proto::id::{ChannelId, SessionId};
use gangplank_proto::limit;
use gangplank_proto::link::{
    FromAgent, FromTerminal, Keep, Open, PtyRequest, Size, ToAgent, ToTerminal,
};
use tokio::sync::watch;

use super::line::{End, Message};
use super::world::World;
use crate::channel::{Channel, LANE_BYTES};
use crate::keeper::Keeper;
use crate::queue::{Inlet, Item, Outlet, queue};

/// What outlives a daemon: its store.
#[derive(Debug, Default)]
pub(super) struct Store {
    pub(super) ended: AtomicBool,
}

/// What every daemon of a history is started with.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    pub(super) world: Arc<World>,
    pub(super) store: Arc<Store>,
    /// The keeper in reach without a link, if terminals are direct.
    pub(super) own: Option<Keeper>,
    pub(super) session_id: SessionId,
    pub(super) window: u32,
    pub(super) keep: Keep,
}

/// A page's place at the terminal: whether it was told to leave.
pub(super) type Ear = watch::Sender<bool>;

/// One run of the daemon.
#[derive(Debug)]
pub(super) struct Daemon {
    pub(super) setting: Setting,
    pub(super) link: watch::Sender<Option<Arc<Link>>>,
    shown: watch::Sender<Option<Ear>>,
}

/// The daemon's end of an agent's link.
#[derive(Debug)]
pub(super) struct Link {
    outbox: Inlet<ToTerminal>,
    channels: Mutex<HashMap<ChannelId, Inlet<FromTerminal>>>,
    next: AtomicU32,
    ended: AtomicBool,
}

impl Daemon {
    pub(super) fn new(setting: Setting) -> Arc<Self> {
        let (link, shown) = (watch::Sender::new(None), watch::Sender::new(None));
        Arc::new(Self { setting, link, shown })
    }

    /// Takes the place at the terminal once whoever has it has left.
    pub(super) async fn enter(self: &Arc<Self>, ear: &Ear) -> Place {
        let mut shown = self.shown.subscribe();
        loop {
            {
                let before = shown.borrow_and_update();
                match &*before {
                    Some(before) => drop(before.send_replace(true)),
                    None => break,
                }
            }
            shown.changed().await.unwrap();
        }
        self.shown.send_replace(Some(ear.clone()));
        Place(Arc::clone(self))
    }

    /// A channel to a new terminal, or to the one that is kept, from what the page has of its output
    /// and what of that the page has not shown.
    pub(super) fn channel(
        &self,
        resume: Option<(u64, u64)>,
    ) -> Option<(Channel, Option<Arc<Link>>)> {
        let Setting { own, session_id, window: whole, keep, .. } = self.setting.clone();
        let unseen = resume.map_or(0, |(_, unseen)| unseen as u32);
        if let Some(keeper) = own {
            let (channel, end) = Channel::pair(whole);
            match resume {
                Some((offset, _)) => keeper.attach(session_id, offset, 0, None, keep, end),
                None => keeper.open(session_id, open(), keep, end),
            }
            return Some((channel, None));
        }
        let link = self.live(None)?;
        let window = whole.saturating_sub(unseen);
        let first = match resume {
            Some((offset, _)) => {
                ToTerminal::Attach { session_id, window, offset, unseen, size: None, keep }
            }
            None => ToTerminal::Connect { session_id, window, open: open(), keep },
        };
        let channel = link.channel(first, whole)?;
        Some((channel.with_outstanding(whole, unseen as usize), Some(link)))
    }

    /// The agent's link, if it is another than `old`.
    fn live(&self, old: Option<&Arc<Link>>) -> Option<Arc<Link>> {
        let link = self.link.borrow().clone();
        link.filter(|link| !link.ended.load(Ordering::Relaxed))
            .filter(|link| !old.is_some_and(|old| Arc::ptr_eq(old, link)))
    }

    /// Waits for a link other than `old`.
    pub(super) async fn back(&self, old: Option<&Arc<Link>>) {
        let mut changes = self.link.subscribe();
        while self.live(old).is_none() {
            changes.changed().await.unwrap();
        }
    }

    /// Serves a link of the agent until it is gone, or another takes its place.
    pub(super) async fn serve(self: Arc<Self>, line: End) {
        let (outbox, mut outlet) = queue(ChannelId(0), LANE_BYTES);
        let link = Arc::new(Link {
            outbox,
            channels: Mutex::default(),
            next: AtomicU32::new(1),
            ended: AtomicBool::new(false),
        });
        let mut superseded = self.link.subscribe();
        self.link.send_replace(Some(Arc::clone(&link)));
        superseded.mark_unchanged();
        tokio::select! {
            biased;
            _ = superseded.wait_for(|now| !now.as_ref().is_some_and(|now| Arc::ptr_eq(now, &link))) => {}
            () = read(&self.setting.world, &link, &line) => {}
            () = write(&line, &mut outlet) => {}
        }
        link.ended.store(true, Ordering::Relaxed);
        link.channels.lock().unwrap().clear();
    }
}

/// The place is given up when this is dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<Daemon>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.shown.send_replace(None);
    }
}

impl Link {
    fn channel(&self, first: ToTerminal, window: u32) -> Option<Channel> {
        let id = ChannelId(self.next.fetch_add(1, Ordering::Relaxed));
        let (inlet, outlet) = queue(id, window as usize);
        self.channels.lock().unwrap().insert(id, inlet);
        let lane = self.outbox.lane(id);
        lane.word(first).ok()?;
        Some(Channel::new(lane, outlet, window))
    }

    fn deliver(&self, world: &World, channel: ChannelId, item: Item<FromTerminal>) {
        let Some(inlet) = self.channels.lock().unwrap().get(&channel).cloned() else { return };
        let last = matches!(&item, Item::Word(word) if word.is_last());
        let pushed = match item {
            Item::Word(word) => inlet.word(word),
            Item::Data(data) => inlet.data(data),
        };
        if pushed == Err(crate::queue::PushError::Full) {
            world.fault("a channel's window was overrun".to_owned());
        }
        if last || pushed.is_err() {
            self.channels.lock().unwrap().remove(&channel);
        }
    }
}

async fn read(world: &World, link: &Link, line: &End) {
    while let Some(message) = line.recv().await {
        match message {
            Message::Text(text) => match FromAgent::parse(&text, limit::CHANNELS_PER_LINK) {
                Ok(FromAgent::Channel(channel, word)) => {
                    link.deliver(world, channel, Item::Word(word));
                }
                other => world.fault(format!("from the agent: {other:?}")),
            },
            Message::Binary(data) => match frame::decode(data) {
                Ok((channel, data)) => link.deliver(world, channel, Item::Data(data)),
                Err(error) => world.fault(format!("from the agent: {error}")),
            },
            Message::Close(_) => return,
        }
    }
}

async fn write(line: &End, outlet: &mut Outlet<ToTerminal>) {
    while line.writable().await.is_ok() {
        let Some((channel, item)) = outlet.recv().await else { return };
        line.put(match item {
            Item::Data(data) => Message::Binary(frame::encode(channel, &data)),
            Item::Word(word) => Message::Text(ToAgent::Channel(channel, word).to_text().unwrap()),
        });
    }
}

fn open() -> Open {
    Open::Pty { username: None, pty: PtyRequest { term: "xterm".to_owned(), size: Size::DEFAULT } }
}
