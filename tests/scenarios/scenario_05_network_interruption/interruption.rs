//! Kinds of interruption: how each is brought about, and how the two ends of a replication connection
//! react. Nothing here decides how they should react.

use std::time::{Duration, Instant};

use replication_lab::catchup::wait_for_no_lag;
use replication_lab::wait::{PATIENCE, Seen, until};
use replication_lab::{Cluster, Direction, Fault, Frozen, Link, Node, Result, Session};

use crate::support::Lab;

/// An interruption between primary and standby.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// No byte passes, and no end or reset is sent.
    Cut,
    /// The connection is reset.
    Reset,
    /// The standby's processes are stopped; their sockets stay open.
    Frozen,
    /// Few bytes per second pass.
    Slow,
    /// Every byte is delayed.
    Far,
    /// Nothing from the primary reaches the standby.
    TowardsStandby,
    /// Nothing from the standby reaches the primary.
    TowardsPrimary,
}

const BYTES_PER_SECOND: u32 = 10_000;
const ONE_WAY: Duration = Duration::from_millis(100);

/// A row that takes noticeably long on a throttled link.
const ROW: &str = "INSERT INTO products (name, price) VALUES (repeat('meanwhile', 100), 1)";

/// The fault, for as long as this value lives.
enum Trouble {
    Link(Fault),
    Server(Frozen),
    Over,
}

impl Kind {
    /// Returns its name in facts, figures and step titles.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Cut => "link cut",
            Self::Reset => "connection reset",
            Self::Frozen => "standby frozen",
            Self::Slow => "link throttled",
            Self::Far => "link delayed",
            Self::TowardsStandby => "link cut towards the standby",
            Self::TowardsPrimary => "link cut towards the primary",
        }
    }

    async fn put_on(self, pair: &Cluster) -> Result<Trouble> {
        let link = pair.link("standby1")?;
        Ok(match self {
            Self::Cut => Trouble::Link(link.cut()),
            Self::Slow => Trouble::Link(link.throttle(BYTES_PER_SECOND)),
            Self::Far => Trouble::Link(link.delay(ONE_WAY)),
            Self::TowardsStandby => Trouble::Link(link.cut_one_way(Direction::ToStandby)),
            Self::TowardsPrimary => Trouble::Link(link.cut_one_way(Direction::ToUpstream)),
            Self::Frozen => Trouble::Server(pair.standby()?.freeze().await?),
            Self::Reset => {
                link.reset();
                Trouble::Over
            }
        })
    }

    /// Returns the least time that this number of bytes takes. A throttled link passes the bytes of a
    /// fiftieth of a second at once.
    fn least(self, bytes: u64) -> Duration {
        let limit = u64::from(BYTES_PER_SECOND);
        match self {
            Self::Far => ONE_WAY,
            Self::Slow => Duration::from_millis(bytes.saturating_sub(limit / 50) * 1000 / limit),
            _ => Duration::ZERO,
        }
    }

    /// Whether the connection ends, at once or by a timeout.
    fn ends(self) -> bool {
        !matches!(self, Self::Slow | Self::Far)
    }

    /// Whether a row that is inserted meanwhile reaches the standby before the heal.
    fn arrives(self) -> bool {
        matches!(self, Self::Reset | Self::Slow | Self::Far | Self::TowardsPrimary)
    }
}

/// Interrupts the connection, inserts a row, and waits until each end has ended the connection, where it
/// does, and the row is on the standby, where it gets there; then heals, and waits until there is no lag.
/// Returns how each end reacted, and whether the row arrived before the heal.
pub(super) async fn reactions(lab: &Lab, pair: &Cluster, kind: Kind) -> Result<String> {
    let (primary, standby) = (pair.primary(), pair.standby()?);
    let (writer, reader) =
        (primary.session_unrecorded().await?, standby.session_unrecorded().await?);
    wait_for_no_lag(&writer, "standby1").await?;
    let (sends, receives) = (End::of(&writer, SENDERS).await?, End::of(&reader, RECEIVERS).await?);
    lab.step(&format!("Kind of interruption: {}", kind.name()));
    let trouble = kind.put_on(pair).await?;
    let began = Instant::now();
    primary.session().await?.run(ROW).await?;
    let row = arrival(lab, kind, pair.link("standby1")?, &writer, &reader).await?;
    let walsender = sends.noticed(lab, kind, primary, &writer, began).await?;
    let walreceiver = match kind {
        Kind::Frozen => "frozen",
        _ => receives.noticed(lab, kind, standby, &reader, began).await?,
    };
    // A frozen server answers no query.
    let row = match kind != Kind::Frozen && !kind.arrives() && is_there(&writer, &reader).await? {
        true => "yes, although the link is cut",
        false => row,
    };
    match trouble {
        Trouble::Server(frozen) => frozen.thaw().await?,
        Trouble::Link(fault) => fault.heal(),
        Trouble::Over => {}
    }
    let healed = Instant::now();
    wait_for_no_lag(&writer, "standby1").await?;
    lab.measure(&format!("{}: from the heal until no lag", kind.name()), healed.elapsed());
    Ok(format!("walsender: {walsender}; walreceiver: {walreceiver}; row on the standby: {row}"))
}

/// Waits until the row that was just inserted is on the standby, where it gets there, and checks that it
/// did not arrive faster than the link allows.
async fn arrival(
    lab: &Lab,
    kind: Kind,
    link: &Link,
    writer: &Session,
    reader: &Session,
) -> Result<&'static str> {
    let (began, before) = (Instant::now(), link.bytes(Direction::ToStandby));
    if !kind.arrives() {
        return Ok("no");
    }
    until("the row is on the standby", PATIENCE, || async {
        let missing = Seen::NotYet("it is not".to_owned());
        Ok(if is_there(writer, reader).await? { Seen::Done(()) } else { missing })
    })
    .await?;
    let took = began.elapsed();
    lab.measure(&format!("{}: the row arrived after", kind.name()), took);
    let least = kind.least(link.bytes(Direction::ToStandby) - before);
    Ok(match (least.is_zero(), took >= least) {
        (true, _) => "yes",
        (false, true) => "late, as the link is slow",
        (false, false) => "earlier than the link allows",
    })
}

/// Whether all products of the primary are on the standby.
async fn is_there(writer: &Session, reader: &Session) -> Result<bool> {
    const SQL: &str = "SELECT count(*) FROM products";
    Ok(reader.count(SQL).await? == writer.count(SQL).await?)
}

const SENDERS: &str = "SELECT coalesce(max(pid), 0) FROM pg_stat_replication";
const RECEIVERS: &str = "SELECT coalesce(max(pid), 0) FROM pg_stat_wal_receiver";

/// One end of the connection: its process, and the query that finds it.
struct End {
    process: i32,
    sql: &'static str,
}

impl End {
    async fn of(session: &Session, sql: &'static str) -> Result<Self> {
        Ok(Self { process: session.value(sql).await?, sql })
    }

    /// Waits until this process has ended, where it does, and returns what ended it: its log line says so
    /// if that was a timeout.
    async fn noticed(
        &self,
        lab: &Lab,
        kind: Kind,
        node: &Node,
        session: &Session,
        began: Instant,
    ) -> Result<&'static str> {
        let is_on = || async { Ok(session.value::<i32>(self.sql).await? == self.process) };
        if !kind.ends() {
            return Ok(if is_on().await? { "streams" } else { "has ended" });
        }
        until(&format!("the connection ends on {}", node.name()), PATIENCE, || async {
            let there = Seen::NotYet(format!("process {} has it", self.process));
            Ok(if is_on().await? { there } else { Seen::Done(()) })
        })
        .await?;
        let noticed = format!("{}: noticed by {} after", kind.name(), node.name());
        lab.measure(&noticed, began.elapsed());
        let process = format!("[{}]", self.process);
        let log = node.log().await?;
        let timeout = |line: &str| line.contains(&process) && line.contains("due to");
        Ok(match log.lines().any(|line| timeout(line) && line.contains("timeout")) {
            true => "ended by its timeout",
            false => "ended by the other side",
        })
    }
}
