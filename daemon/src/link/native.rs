//! `gangplank.agent.v1`: words as JSON text, bytes as binary messages. Nothing to translate.

use gangplank_proto::close::CloseCode;
use gangplank_proto::frame;
use gangplank_proto::id::ChannelId;
use gangplank_proto::job::ToJob;
use gangplank_proto::limit;
use gangplank_proto::link::{FromAgent, ToAgent, ToTerminal};
use gangplank_proto::settings::Settings;
use gangplank_terminal::queue::Item;
use tokio_tungstenite::tungstenite::protocol::Message;

use super::pump::{BadMessage, Heard};
use crate::message;
use crate::socket::{End, Received};

/// The first message to an agent.
pub(super) fn welcome(settings: Settings) -> Option<String> {
    ToAgent::Welcome(settings).to_text().ok()
}

/// Reads one message of an agent.
pub(super) fn hear(received: Received) -> Result<Heard, BadMessage> {
    Ok(match received {
        Received::Binary(message) => {
            let (channel, data) = frame::decode(message)?;
            Heard::Item(channel, Item::Data(data))
        }
        Received::Text(text) => {
            message::check(text.as_bytes())?;
            word(&text)?
        }
    })
}

fn word(text: &str) -> Result<Heard, BadMessage> {
    Ok(match FromAgent::parse(text, limit::CHANNELS_PER_LINK)? {
        FromAgent::Hello(hello) => Heard::Hello(hello),
        FromAgent::Job(_) if text.len() > limit::JOB_WORD => {
            return Err(BadMessage::TooLong(text.len()));
        }
        FromAgent::Job(word) => Heard::Job(word, text.len()),
        FromAgent::Docker(_) if text.len() > limit::PIECE => {
            return Err(BadMessage::TooLong(text.len()));
        }
        FromAgent::Docker(change) => Heard::Container(change),
        FromAgent::Channel(..) if text.len() > limit::PIECE => {
            return Err(BadMessage::TooLong(text.len()));
        }
        FromAgent::Channel(channel, word) => Heard::Item(channel, Item::Word(word)),
    })
}

/// The message for a word about a job.
pub(super) fn say_job(word: ToJob) -> Result<Message, End> {
    let text = ToAgent::Job(word).to_text();
    Ok(Message::text(text.map_err(|_| End::close(CloseCode::Internal, "internal error"))?))
}

/// The message for one item.
pub(super) fn say(channel: ChannelId, item: Item<ToTerminal>) -> Result<Message, End> {
    Ok(match item {
        Item::Data(data) => Message::Binary(frame::encode(channel, &data)),
        Item::Word(word) => {
            let text = ToAgent::Channel(channel, word).to_text();
            let fault = |_| End::close(CloseCode::Internal, "internal error");
            Message::text(text.map_err(fault)?)
        }
    })
}
