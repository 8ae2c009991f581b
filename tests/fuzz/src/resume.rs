//! Where a terminal and its viewer go on after a cut, when either may claim anything.

use gangplank_proto::limit;
use gangplank_terminal::input_log::InputLog;
use gangplank_terminal::playback::Playback;

use crate::choices::{Choices, passage};

/// Any claim is refused, and then changes nothing, or the bytes follow exactly where it says.
pub fn resume(data: &[u8]) {
    let mut choices = Choices::new(data);
    match choices.step(2) {
        Some(0) => output(&mut choices),
        _ => input(&mut choices),
    }
}

/// A viewer claims what it has of the output and what of that it has not shown.
fn output(choices: &mut Choices<'_>) {
    let bound = 1 + choices.below(4000);
    let mut playback = Playback::new(bound);
    let mut said = Vec::new();
    while let Some(step) = choices.step(4) {
        let window = choices.below(3000);
        match step {
            0 => {
                let data = passage(said.len(), playback.room(window).min(5000));
                playback.push(&data);
                said.extend(data);
            }
            1 => playback.acknowledge(choices.around(window as u64) as u32),
            2 => playback.run_on(),
            _ => attach(&mut playback, bound, &said, choices),
        }
        assert_eq!(playback.end(), said.len() as u64);
    }
}

fn attach(playback: &mut Playback, bound: usize, said: &[u8], choices: &mut Choices<'_>) {
    let (end, start) = (said.len() as u64, said.len().saturating_sub(bound) as u64);
    let (asked, unseen) = (choices.around(end), choices.around(bound as u64) as u32);
    playback.detach();
    let Ok(attached) = playback.attach(asked, unseen) else {
        assert!(asked > end, "refused for nothing");
        return;
    };
    assert_eq!((attached.offset, attached.end), (asked.max(start), end));
    let mut replayed = Vec::new();
    while let Some(data) = playback.replay(777) {
        replayed.extend_from_slice(&data);
    }
    assert_eq!(replayed, said[attached.offset as usize..]);
    assert!(playback.is_caught_up());
    // Should it be lost now, what it has not shown is kept for it.
    playback.detach();
    let kept = asked.saturating_sub(unseen.into()).max(start).min(attached.offset);
    assert_eq!(playback.room(0), (bound - (end - kept) as usize).min(limit::OUTPUT));
    if choices.step(2) == Some(0) {
        assert_eq!(playback.attach(kept, 0).map(|back| back.offset), Ok(kept));
    }
}

/// A terminal claims what it has of the input.
fn input(choices: &mut Choices<'_>) {
    let base = choices.around(0);
    let mut log = InputLog::starting_at(base);
    let (mut typed, mut next) = (Vec::new(), 0);
    while let Some(step) = choices.step(4) {
        let before = (log.confirmed(), log.sent(), log.end());
        let claim = choices.around(before.1);
        match step {
            0 => {
                let more = passage(typed.len(), choices.below(5000));
                log.push(more.clone().into());
                typed.extend(more);
            }
            1 => {
                let data = log.next(choices.below(6000)).unwrap_or_default();
                assert!(typed[next..].starts_with(&data));
                next += data.len();
            }
            2 => match log.confirm(claim) {
                Ok(news) => assert_eq!(log.confirmed(), if news { claim } else { before.0 }),
                Err(_) => assert!(claim > before.1, "refused for nothing"),
            },
            _ => match log.resume_at(claim) {
                Ok(()) => {
                    assert_eq!((log.confirmed(), log.sent()), (claim, claim));
                    next = (claim - base) as usize;
                }
                Err(_) => {
                    assert!(claim < before.0 || claim > before.1, "refused for nothing");
                    assert_eq!((log.confirmed(), log.sent(), log.end()), before);
                }
            },
        }
    }
}
