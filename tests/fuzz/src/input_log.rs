//! Keys between a person and a terminal that may be cut off.

use std::collections::VecDeque;

use gangplank_terminal::input_log::InputLog;

use crate::choices::{Choices, passage};

/// Whatever is cut and whenever, the terminal gets every byte once and in order.
pub fn input_log(data: &[u8]) {
    let mut choices = Choices::new(data);
    let mut log = InputLog::default();
    let (mut typed, mut on_the_way, mut taken) = (Vec::new(), VecDeque::new(), 0);
    while let Some(step) = choices.step(5) {
        match step {
            0 => {
                let more = passage(typed.len(), choices.below(5000));
                log.push(more.clone().into());
                typed.extend(more);
            }
            1 => {
                let (max, waiting) = (choices.below(6000), log.waiting());
                let longest = log.next_len().min(max);
                let sent = log.next(max).unwrap_or_default();
                assert_eq!(sent.len(), longest);
                assert_eq!(log.waiting(), waiting - sent.len());
                on_the_way.extend(sent);
            }
            2 => {
                let count = choices.below(6000).min(on_the_way.len());
                let came: Vec<u8> = on_the_way.drain(..count).collect();
                assert_eq!(came, typed[taken..taken + count]);
                taken += count;
            }
            3 => {
                let news = log.confirmed() < taken as u64;
                assert_eq!(log.confirm(taken as u64), Ok(news));
            }
            _ => {
                on_the_way.clear();
                assert_eq!(log.resume_at(taken as u64), Ok(()));
            }
        }
        assert_eq!(log.end(), typed.len() as u64);
        assert!(log.confirmed() <= log.sent() && log.sent() <= log.end());
    }
    assert_eq!(log.resume_at(taken as u64), Ok(()));
    while let Some(data) = log.next(777) {
        assert!(typed[taken..].starts_with(&data));
        taken += data.len();
    }
    assert_eq!(taken, typed.len());
}
