#![allow(clippy::unwrap_used)]

use std::time::Duration;

use super::*;
use crate::store::PageRequest;
use crate::store::tests::{Fixture, START, fixture, login, user};

async fn tickets() -> (Fixture, Tickets, Clock, Principal) {
    let fixture = fixture().await;
    let alice = user(&fixture, "alice", "operator").await;
    let principal = login(&fixture, alice, None).await;
    let clock = Clock::manual(START);
    let tickets = Tickets::new(fixture.store.clone(), clock.clone());
    (fixture, tickets, clock, principal)
}

fn unusable<T>(result: Result<T, TicketError>) -> bool {
    matches!(result, Err(TicketError::Unusable))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_hundred_takers_at_once_one_gets_the_ticket() {
    let (fixture, tickets, _, principal) = tickets().await;
    let target = Target::Terminal(HostId::new());
    let ticket = tickets.issue(&principal, None, &target).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (tickets, ticket, target) = (tickets.clone(), ticket.clone(), target.clone());
        tasks.spawn(async move { tickets.take(ticket.expose(), None, &target).await });
    }
    let results = tasks.join_all().await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert_eq!(results.iter().filter(|r| matches!(r, Err(TicketError::Unusable))).count(), 99);
    let page = PageRequest::default();
    let audit = fixture.store.audit_page(fixture.tenant, &page).await.unwrap().items;
    assert_eq!(audit.iter().filter(|row| row.action == "ticket.use").count(), 1);
    assert!(!format!("{audit:?}").contains(ticket.expose()));
}

#[tokio::test]
async fn looking_does_not_use_a_ticket_up() {
    let (_fixture, tickets, _, principal) = tickets().await;
    let target = Target::Channel("alerts".to_owned());
    let ticket = tickets.issue(&principal, None, &target).await.unwrap();
    for _ in 0..3 {
        assert_eq!(tickets.look(ticket.expose(), None, &target).await.unwrap(), principal);
    }
    assert_eq!(tickets.take(ticket.expose(), None, &target).await.unwrap(), principal);
    assert!(unusable(tickets.look(ticket.expose(), None, &target).await));
}

#[tokio::test]
async fn a_ticket_for_something_else_is_burnt() {
    let (_fixture, tickets, _, principal) = tickets().await;
    let (right, wrong) = (Target::Terminal(HostId::new()), Target::Terminal(HostId::new()));
    for look in [true, false] {
        let ticket = tickets.issue(&principal, None, &right).await.unwrap();
        let result = if look {
            tickets.look(ticket.expose(), None, &wrong).await
        } else {
            tickets.take(ticket.expose(), None, &wrong).await
        };
        assert!(matches!(result, Err(TicketError::WrongTarget)));
        assert!(unusable(tickets.take(ticket.expose(), None, &right).await));
    }
}

#[tokio::test]
async fn a_ticket_ends_with_its_time_its_login_and_its_user() {
    let (fixture, tickets, clock, principal) = tickets().await;
    let target = Target::Terminal(HostId::new());
    let ticket = tickets.issue(&principal, None, &target).await.unwrap();
    clock.advance(TICKET_LIFE - Duration::from_millis(1));
    assert!(tickets.look(ticket.expose(), None, &target).await.is_ok());
    clock.advance(Duration::from_millis(1));
    assert!(unusable(tickets.look(ticket.expose(), None, &target).await));
    assert!(unusable(tickets.take(ticket.expose(), None, &target).await));

    let ticket = tickets.issue(&principal, None, &target).await.unwrap();
    let by = By::daemon(clock.now());
    fixture.store.end_login(fixture.tenant, &by, principal.login).await.unwrap();
    assert!(unusable(tickets.take(ticket.expose(), None, &target).await));
    assert!(tickets.issue(&principal, None, &target).await.is_err(), "the login has ended");
}

#[tokio::test]
async fn a_login_holds_32_tickets_and_the_oldest_goes() {
    let (_fixture, tickets, _, principal) = tickets().await;
    let target = Target::Terminal(HostId::new());
    let mut issued = Vec::new();
    for _ in 0..34 {
        issued.push(tickets.issue(&principal, None, &target).await.unwrap());
    }
    let mut usable = Vec::new();
    for ticket in &issued {
        usable.push(tickets.look(ticket.expose(), None, &target).await.is_ok());
    }
    assert_eq!(usable.iter().position(|usable| *usable), Some(2));
    assert!(usable.iter().skip(2).all(|usable| *usable));
}

#[tokio::test]
async fn only_64_lowercase_hex_digits_are_a_ticket() {
    let (_fixture, tickets, _, principal) = tickets().await;
    let target = Target::Terminal(HostId::new());
    let ticket = tickets.issue(&principal, None, &target).await.unwrap();
    let text = ticket.expose();
    assert!(text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
    let tampered = [
        String::new(),
        text.to_uppercase(),
        format!("{text} "),
        format!(" {text}"),
        text[..63].to_owned(),
        random::token_hash(text),
        "é".repeat(32),
    ];
    for wrong in tampered {
        if wrong != text {
            assert!(unusable(tickets.take(&wrong, None, &target).await), "{wrong:?}");
        }
    }
    assert!(tickets.take(text, None, &target).await.is_ok());
}
