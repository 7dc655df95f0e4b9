//! The relay without PostgreSQL: a byte stream arrives whole, and every fault does what it says.

use std::io::ErrorKind;
use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::wait::{Seen, elapse, stays};

/// Opens a link to a server that echoes, and a client behind the link.
async fn echo() -> (Link, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = client.into_split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    let upstream = Endpoint::Tcp("127.0.0.1".to_owned(), port);
    let link = open(upstream).await.unwrap();
    let client = TcpStream::connect(link.address()).await.unwrap();
    client.set_nodelay(true).unwrap();
    (link, client)
}

async fn open(upstream: Endpoint) -> Result<Link> {
    let book = Notebook::in_memory();
    Link::open("standby1", &book, ([127, 0, 0, 1], 0).into(), None, upstream).await
}

async fn round_trip(client: &mut TcpStream, said: &[u8]) -> Duration {
    let started = Instant::now();
    soon(client.write_all(said)).await.unwrap();
    let mut heard = vec![0; said.len()];
    soon(client.read_exact(&mut heard)).await.unwrap();
    assert_eq!(heard, said);
    started.elapsed()
}

/// Fails a test that waits for a byte that never comes, instead of letting it hang.
async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), work).await.unwrap()
}

fn passed(link: &Link) -> [u64; 2] {
    [link.bytes(Direction::ToStandby), link.bytes(Direction::ToUpstream)]
}

/// Checks that no byte passes for a while, in these directions.
async fn silent(link: &Link, directions: &[Direction]) {
    let before: Vec<_> = directions.iter().map(|direction| link.bytes(*direction)).collect();
    let watched = Duration::from_millis(100);
    stays("no byte passes", watched, || {
        let now: Vec<_> = directions.iter().map(|direction| link.bytes(*direction)).collect();
        let moved = Seen::NotYet(format!("{now:?} bytes instead of {before:?}"));
        std::future::ready(Ok(if now == before { Seen::Done(()) } else { moved }))
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn both_directions_pass_and_are_counted_and_the_end_comes_through() {
    let (link, mut client) = echo().await;
    round_trip(&mut client, b"ping").await;
    assert_eq!(passed(&link), [4, 4]);
    client.shutdown().await.unwrap();
    assert_eq!(soon(client.read(&mut [0; 1])).await.unwrap(), 0);
}

#[tokio::test]
async fn the_address_stays_when_it_leads_elsewhere() {
    let (link, _client) = echo().await;
    let (elsewhere, _) = echo().await;
    let address = link.address().1;
    let (host, port) = elsewhere.address();
    link.repoint(Endpoint::Tcp(host.to_owned(), port));
    let mut client = TcpStream::connect(link.address()).await.unwrap();
    round_trip(&mut client, b"ping").await;
    assert_eq!((link.address().1, passed(&elsewhere)), (address, [4, 4]));
}

#[tokio::test]
async fn an_upstream_that_is_down_is_a_closed_connection() {
    let nowhere = tempfile::tempdir().unwrap();
    let upstream = Endpoint::Unix(nowhere.path().to_owned(), 5432);
    let link = open(upstream).await.unwrap();
    let mut client = TcpStream::connect(link.address()).await.unwrap();
    assert_eq!(soon(client.read(&mut [0; 1])).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn a_cut_passes_nothing_and_a_heal_passes_what_was_said_meanwhile() {
    let (link, mut client) = echo().await;
    round_trip(&mut client, b"before").await;
    let cut = link.cut();
    client.write_all(b"meanwhile").await.unwrap();
    silent(&link, &[Direction::ToStandby, Direction::ToUpstream]).await;
    assert_eq!(passed(&link), [6, 6]);
    cut.heal();
    let mut heard = [0; 9];
    soon(client.read_exact(&mut heard)).await.unwrap();
    assert_eq!(&heard, b"meanwhile");
}

#[tokio::test]
async fn a_cut_lets_nobody_connect_until_it_heals() {
    let (link, _client) = echo().await;
    let cut = link.cut();
    let mut late = TcpStream::connect(link.address()).await.unwrap();
    late.write_all(b"hello").await.unwrap();
    silent(&link, &[Direction::ToStandby, Direction::ToUpstream]).await;
    drop(cut);
    let mut heard = [0; 5];
    soon(late.read_exact(&mut heard)).await.unwrap();
    assert_eq!(&heard, b"hello");
}

#[tokio::test]
async fn a_cut_of_one_way_leaves_the_other() {
    let (link, mut client) = echo().await;
    let cut = link.cut_one_way(Direction::ToStandby);
    client.write_all(b"heard?").await.unwrap();
    crate::wait::until("the upstream has got it", Duration::from_secs(10), || {
        let there = link.bytes(Direction::ToUpstream);
        std::future::ready(Ok(match there {
            6 => Seen::Done(()),
            there => Seen::NotYet(format!("{there} bytes")),
        }))
    })
    .await
    .unwrap();
    silent(&link, &[Direction::ToStandby]).await;
    assert_eq!(passed(&link), [0, 6]);
    cut.heal();
    soon(client.read_exact(&mut [0; 6])).await.unwrap();
}

#[tokio::test]
async fn a_delay_lengthens_every_round_trip_by_twice_as_much() {
    let (link, mut client) = echo().await;
    let one_way = Duration::from_millis(20);
    let slow = link.delay(one_way);
    for _ in 0..3 {
        assert!(round_trip(&mut client, b"ping").await >= 2 * one_way);
    }
    let slower = link.delay(one_way);
    assert!(round_trip(&mut client, b"ping").await >= 4 * one_way, "delays add up");
    drop((slow, slower));
    assert!(link.rules.state().faults.is_empty(), "dropped faults are gone");
}

#[tokio::test]
async fn a_throttle_is_not_exceeded() {
    let (link, mut client) = echo().await;
    let _slow = link.throttle(100_000);
    let took = round_trip(&mut client, &vec![7; 50_000]).await;
    assert!(took >= Duration::from_millis(450), "50 kB at 100 kB/s took {took:?}");
}

#[tokio::test]
async fn a_reset_is_seen_as_a_reset_and_the_next_connection_passes() {
    let (link, mut client) = echo().await;
    round_trip(&mut client, b"ping").await;
    link.reset();
    let error = soon(client.read(&mut [0; 1])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let mut next = TcpStream::connect(link.address()).await.unwrap();
    round_trip(&mut next, b"ping").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_arrives_whole_and_in_order_whatever_happens_to_the_link() {
    let (link, client) = echo().await;
    let sent: Vec<u8> =
        (0..8_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let expected = sent.clone();
    let (mut from, mut to) = client.into_split();
    let writer = tokio::spawn(async move {
        to.write_all(&sent).await.unwrap();
        to.shutdown().await.unwrap();
    });
    let faults = async {
        for round in 0..10_u32 {
            let _slow = link.delay(Duration::from_millis(u64::from(round % 3)));
            let _narrow = link.throttle(200_000_000);
            silent_for(&link, round).await;
        }
    };
    let mut heard = Vec::new();
    let (read, ()) = tokio::join!(soon(from.read_to_end(&mut heard)), faults);
    read.unwrap();
    soon(writer).await.unwrap();
    assert!(heard == expected, "{} bytes of {} arrived as they were", heard.len(), expected.len());
    assert_eq!(passed(&link), [8_000_000, 8_000_000]);
}

/// Cuts the link for a short time, in both directions or in one.
async fn silent_for(link: &Link, round: u32) {
    let _cut = match round % 3 {
        0 => link.cut(),
        1 => link.cut_one_way(Direction::ToStandby),
        _ => link.cut_one_way(Direction::ToUpstream),
    };
    elapse(Duration::from_millis(10)).await;
}

/// Opens a link to a server whose end of the connection is returned, and a client behind the link.
async fn server() -> (Link, TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let upstream = Endpoint::Tcp("127.0.0.1".to_owned(), port);
    let link = open(upstream).await.unwrap();
    let mut client = TcpStream::connect(link.address()).await.unwrap();
    let (mut server, _) = soon(listener.accept()).await.unwrap();
    // The first byte proves that the relay is connected to both sides.
    client.write_all(b"!").await.unwrap();
    soon(server.read_exact(&mut [0; 1])).await.unwrap();
    (link, client, server)
}

#[tokio::test]
async fn a_reset_by_the_server_does_not_pass_a_cut() {
    let (link, mut client, server) = server().await;
    let cut = link.cut();
    server.set_zero_linger().unwrap();
    drop(server);
    let mut byte = [0; 1];
    let early = tokio::time::timeout(Duration::from_millis(100), client.read(&mut byte)).await;
    assert!(early.is_err(), "the reset passed the cut: {early:?}");
    cut.heal();
    let error = soon(client.read(&mut byte)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn the_end_is_as_late_as_the_bytes_before_it() {
    let (link, mut client, server) = server().await;
    let one_way = Duration::from_millis(30);
    let _slow = link.delay(one_way);
    let started = Instant::now();
    drop(server);
    assert_eq!(soon(client.read(&mut [0; 1])).await.unwrap(), 0);
    assert!(started.elapsed() >= one_way);
}

#[tokio::test]
async fn last_words_before_a_reset_arrive() {
    let (link, mut client, mut server) = server().await;
    let _slow = link.delay(Duration::from_millis(10));
    server.write_all(b"FATAL").await.unwrap();
    server.set_zero_linger().unwrap();
    drop(server);
    let mut heard = [0; 5];
    soon(client.read_exact(&mut heard)).await.unwrap();
    assert_eq!(&heard, b"FATAL");
}

#[tokio::test]
async fn of_several_throttles_the_smallest_counts_until_it_is_healed() {
    let (link, _client) = echo().await;
    let throttle = || link.rules.state().throttle();
    assert_eq!(throttle(), None);
    let wide = link.throttle(300_000);
    let narrow = link.throttle(100_000);
    let middle = link.throttle(200_000);
    let slow = link.delay(Duration::from_millis(1));
    assert_eq!(throttle(), Some(100_000));
    narrow.heal();
    assert_eq!(throttle(), Some(200_000));
    middle.heal();
    assert_eq!(throttle(), Some(300_000));
    drop((wide, slow));
    assert_eq!(throttle(), None);
    let _least = link.throttle(0);
    assert_eq!(throttle(), Some(1));
}

#[tokio::test]
async fn the_narrower_of_two_throttles_limits_the_bytes() {
    let (link, mut client) = echo().await;
    let _narrow = link.throttle(100_000);
    let _wide = link.throttle(100_000_000);
    let took = round_trip(&mut client, &vec![7; 50_000]).await;
    assert!(took >= Duration::from_millis(450), "50 kB at 100 kB/s took {took:?}");
}

#[tokio::test]
async fn delays_add_up_and_each_is_healed_by_itself() {
    let (link, _client) = echo().await;
    let millis = Duration::from_millis;
    let (first, second) = (link.delay(millis(20)), link.delay(millis(50)));
    let third = link.delay(millis(30));
    assert_eq!(link.rules.state().delay(), millis(100));
    second.heal();
    assert_eq!(link.rules.state().delay(), millis(50));
    drop(first);
    assert_eq!(link.rules.state().delay(), millis(30));
    drop(third);
    assert_eq!(link.rules.state().delay(), Duration::ZERO);
}

#[tokio::test]
async fn a_direction_is_cut_until_the_last_of_its_cuts_is_healed() {
    let (link, _client) = echo().await;
    let is_cut = || {
        let state = link.rules.state();
        [Direction::ToStandby, Direction::ToUpstream].map(|direction| state.is_cut(direction))
    };
    let both = link.cut();
    let one_way = link.cut_one_way(Direction::ToUpstream);
    assert_eq!(is_cut(), [true, true]);
    both.heal();
    assert_eq!(is_cut(), [false, true]);
    let other_way = link.cut_one_way(Direction::ToStandby);
    one_way.heal();
    assert_eq!(is_cut(), [true, false]);
    other_way.heal();
    assert_eq!(is_cut(), [false, false]);
}

#[tokio::test]
async fn every_fault_is_recorded_with_its_end_in_the_same_words() {
    let (link, _client) = echo().await;
    drop(link.cut());
    drop(link.cut_one_way(Direction::ToStandby));
    drop(link.cut_one_way(Direction::ToUpstream));
    drop(link.delay(Duration::from_millis(20)));
    drop(link.throttle(5_000));
    link.reset();
    let recorded = link.rules.notebook.entries().into_iter().map(|entry| match entry.event {
        Event::Fault { what } => format!("fault: {what}"),
        Event::Heal { what } => format!("heal: {what}"),
        event => format!("{event:?}"),
    });
    let faults = [
        "cut",
        "cut towards the standby",
        "cut towards the upstream",
        "takes 20ms each way",
        "passes 5000 bytes per second",
    ];
    let pair = |what| ["fault", "heal"].map(|kind| format!("{kind}: the link of standby1 {what}"));
    let mut expected: Vec<_> = faults.into_iter().flat_map(pair).collect();
    expected.push("fault: the link of standby1 reset".to_owned());
    assert_eq!(recorded.collect::<Vec<_>>(), expected);
    assert_eq!(link.rules.state().resets, 1);
}

#[tokio::test]
async fn the_bytes_of_each_direction_are_counted_apart() {
    let (link, mut client, mut server) = server().await;
    client.write_all(b"report").await.unwrap();
    soon(server.read_exact(&mut [0; 6])).await.unwrap();
    server.write_all(b"WAL").await.unwrap();
    soon(client.read_exact(&mut [0; 3])).await.unwrap();
    assert_eq!(passed(&link), [3, 1 + 6]);
}
