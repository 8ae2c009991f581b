//! An agent's end of its link: the keeper's [`Channels`] behind a line, pumped as
//! `gangplank-agent` does it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use gangplank_proto::frame;
use gangplank_proto::id::ChannelId;
use gangplank_proto::limit;
use gangplank_proto::link::{FromAgent, FromTerminal, ToAgent};

use tokio::sync::watch;
use tokio::time::sleep;

use super::daemon::Daemon;
use super::line::{Cutter, End, Message, Quality, line};
use super::random::Random;
use super::world::World;
use crate::keeper::Keeper;
use crate::link::Channels;
use crate::queue::Item;

/// An agent, which comes back whenever its link is gone.
#[derive(Debug)]
pub(super) struct Agent {
    pub(super) world: Arc<World>,
    pub(super) keeper: Keeper,
    pub(super) daemon: watch::Receiver<Option<Arc<Daemon>>>,
    pub(super) quality: Quality,
    pub(super) random: Random,
    /// Bytes that may wait in its link.
    pub(super) bound: usize,
    /// Cuts its present link.
    pub(super) cutter: Arc<Mutex<Option<Cutter>>>,
}

impl Agent {
    pub(super) async fn run(mut self) {
        loop {
            let Ok(daemon) = self.daemon.wait_for(Option::is_some).await.map(|now| now.clone())
            else {
                return;
            };
            let (mine, theirs, cutter) = line(&self.quality, &mut self.random);
            *self.cutter.lock().unwrap() = Some(cutter);
            if let Some(daemon) = daemon {
                tokio::spawn(daemon.serve(theirs));
            }
            serve(self.keeper.clone(), mine, self.bound, &self.world).await;
            let pause = self.random.pick(&[0, 200, 1_000, 30_000]);
            sleep(Duration::from_millis(pause)).await;
        }
    }
}

/// Serves one link until it is gone.
async fn serve(keeper: Keeper, line: End, bound: usize, world: &World) {
    let (mut channels, mut output) =
        Channels::new(keeper, Box::new(|_| Ok(())), limit::CHANNELS_PER_LINK);
    let mut writable = false;
    loop {
        let waits = output.waiting();
        if waits > bound {
            world.fault(format!("{waits} bytes wait in the agent's link, over {bound}"));
        }
        tokio::select! {
            biased;
            message = line.recv() => {
                let taken = match message {
                    Some(Message::Text(text)) => match ToAgent::parse(&text) {
                        Ok(ToAgent::Channel(channel, word)) => channels.word(channel, word),
                        other => return world.fault(format!("to the agent: {other:?}")),
                    },
                    Some(Message::Binary(data)) => match frame::decode(data) {
                        Ok((channel, data)) => channels.data(channel, data),
                        Err(error) => return world.fault(format!("to the agent: {error}")),
                    },
                    Some(Message::Close(_)) | None => return,
                };
                if let Err(broken) = taken {
                    return world.fault(format!("the agent's link broke: {broken}"));
                }
            }
            ready = line.writable(), if !writable => match ready {
                Ok(()) => writable = true,
                Err(_) => return,
            },
            Some((channel, item)) = output.recv(), if writable => {
                if channels.leaves(channel, &item) {
                    line.put(message(channel, item));
                    writable = false;
                }
            }
        }
    }
}

fn message(channel: ChannelId, item: Item<FromTerminal>) -> Message {
    match item {
        Item::Data(data) => Message::Binary(frame::encode(channel, &data)),
        Item::Word(word) => Message::Text(FromAgent::Channel(channel, word).to_text().unwrap()),
    }
}
