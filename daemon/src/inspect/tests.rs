//! What the parts promise each other, without any socket.

use gangplank_proto::id::ApprovalId;
use tokio_tungstenite::tungstenite::protocol::Message;

use super::frame::{CONTENT, FRAMES};
use super::*;

fn about(tenant: TenantId, user: UserId) -> About {
    About {
        tenant,
        user: Some((user, "alice".to_owned())),
        host: None,
        path: "/bullboard",
        source: "192.0.2.1".parse().unwrap(),
    }
}

fn wanted(id: Uuid, contents: bool) -> Wanted {
    Wanted { id, span: Duration::from_secs(60), contents }
}

#[tokio::test(start_paused = true)]
async fn frames_are_seen_for_a_while_and_in_bounds() {
    let inspector = Inspector::new(Clock::manual(Timestamp::from_millis(0)));
    let (tenant, user) = (TenantId::new(), UserId::new());
    let place = inspector.enter(about(tenant, user));
    let id = place.slot.id;
    place.slot.saw(Direction::In, &Message::text("before"));
    let prepared = inspector.prepare(tenant, user, wanted(id, true)).unwrap();
    assert!(!prepared.consent);
    prepared.begin();
    let inspection = Arc::clone(&prepared.inspection);
    drop(prepared);
    place.slot.saw(Direction::In, &Message::text("hello"));
    place.slot.saw(Direction::Out, &Message::binary(vec![0xff; 2000]));
    let seen = inspection.after(0, Duration::ZERO).await;
    let first = seen.items.first().unwrap();
    assert_eq!((first.number, first.size), (1, 5));
    assert_eq!((first.content.as_deref(), &first.hex), (Some("hello"), &None));
    let second = seen.items.get(1).unwrap();
    assert!(second.content.as_ref().unwrap().len() <= 3 * CONTENT);
    assert_eq!(second.hex.as_ref().unwrap(), &"ff".repeat(CONTENT));
    for _ in 0..3000 {
        place.slot.saw(Direction::Out, &Message::text("x"));
    }
    let seen = inspection.after(2, Duration::ZERO).await;
    assert_eq!((seen.items.len(), seen.lost, seen.over), (FRAMES, 1000, false));
    assert_eq!(inspection.after(u64::MAX, Duration::ZERO).await.lost, 0);
    tokio::time::advance(Duration::from_secs(61)).await;
    place.slot.saw(Direction::In, &Message::text("after"));
    assert!(!place.slot.is_looked_into());
    let seen = inspection.after(3002, Duration::from_secs(9)).await;
    assert!(seen.items.is_empty() && seen.over);
    assert_eq!(seen.standing.ended, Some(Ending::TimeOver));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_kept_before_somebody_agreed() {
    let inspector = Inspector::new(Clock::manual(Timestamp::from_millis(0)));
    let (tenant, user) = (TenantId::new(), UserId::new());
    let place = inspector.enter(about(tenant, user));
    let prepared = inspector.prepare(tenant, UserId::new(), wanted(place.slot.id, true)).unwrap();
    assert!(prepared.consent);
    let inspection = Arc::clone(&prepared.inspection);
    inspection.wait(ApprovalId::new(), Timestamp::from_millis(9));
    place.slot.saw(Direction::In, &Message::text("secret"));
    assert!(!place.slot.is_looked_into());
    // Its time begins with the consent.
    tokio::time::advance(Duration::from_secs(600)).await;
    let seen = inspection.after(0, Duration::ZERO).await;
    assert!(seen.items.is_empty() && seen.standing.state == "waiting" && !seen.over);
    let waits = tokio::spawn({
        let inspection = Arc::clone(&inspection);
        async move { inspection.after(0, Duration::from_secs(9)).await.standing.state }
    });
    tokio::task::yield_now().await;
    prepared.begin();
    assert_eq!(waits.await.unwrap(), "running", "whoever waits hears of it");
    place.slot.saw(Direction::In, &Message::text("told"));
    assert_eq!(inspection.after(0, Duration::ZERO).await.items.len(), 1);
    // The end of the socket is the end of it, and nothing begins after that.
    drop(place);
    prepared.begin();
    assert_eq!(inspection.standing().ended, Some(Ending::SocketClosed));
}

#[tokio::test]
async fn contents_are_one_s_own_and_sockets_one_s_tenant_s() {
    let inspector = Inspector::new(Clock::system());
    let (tenant, user) = (TenantId::new(), UserId::new());
    let place = inspector.enter(about(tenant, user));
    let id = place.slot.id;
    let ask = |tenant, user, contents| {
        inspector.prepare(tenant, user, wanted(id, contents)).map(|ready| {
            ready.begin();
            (ready.consent, ready.inspection.id)
        })
    };
    assert_eq!(ask(TenantId::new(), user, false), Err(InspectError::NoSocket));
    let (consent, found) = ask(tenant, UserId::new(), false).unwrap();
    assert!(!consent && inspector.find(tenant, user, found).is_none(), "another's inspection");
    assert_eq!(inspector.sockets(tenant, user, 9).first().map(|socket| socket.own), Some(true));
    // One that is not begun leaves its place.
    drop(inspector.prepare(tenant, user, wanted(id, true)).unwrap());
    for _ in 1..AT_ONCE {
        ask(tenant, user, true).unwrap();
    }
    assert_eq!(ask(tenant, user, true), Err(InspectError::Busy));
    drop(place);
    assert!(inspector.sockets(tenant, user, 9).is_empty());
    assert_eq!(ask(tenant, user, false), Err(InspectError::NoSocket));
}
