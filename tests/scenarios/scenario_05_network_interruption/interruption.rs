//! Kinds of interruption: how each is brought about, and what the two ends of a replication connection
//! make of it. What they should make of it is the scenario's to say.

use std::time::{Duration, Instant};

use replication_lab::catchup::wait_for_no_lag;
use replication_lab::wait::{PATIENCE, Seen, until};
use replication_lab::{Cluster, Direction, Fault, Frozen, Link, Node, Result, Session};

use crate::support::Lab;

/// What happens to the way between primary and standby.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// No byte passes, nobody is told.
    Cut,
    /// The connection is reset.
    Reset,
    /// The standby's host stands still.
    Frozen,
    /// Few bytes per second pass.
    Slow,
    /// Every byte takes long.
    Far,
    /// Nothing from the primary reaches the standby.
    TowardsStandby,
    /// Nothing from the standby reaches the primary.
    TowardsPrimary,
}

const BYTES_PER_SECOND: u32 = 10_000;
const ONE_WAY: Duration = Duration::from_millis(100);

/// Large enough to take its time on a slow link.
const ROW: &str = "INSERT INTO products (name, price) VALUES (repeat('meanwhile', 100), 1)";

/// What is wrong for as long as this lives.
enum Trouble {
    Link(Fault),
    Server(Frozen),
    Over,
}

impl Kind {
    /// What a table calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::Reset => "reset",
            Self::Frozen => "frozen standby",
            Self::Slow => "slow link",
            Self::Far => "far away",
            Self::TowardsStandby => "one way, nothing reaches the standby",
            Self::TowardsPrimary => "one way, nothing reaches the primary",
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

    /// The least time that so many bytes take with it; a slow link lets a fiftieth of a second through
    /// at once.
    fn least(self, bytes: u64) -> Duration {
        let limit = u64::from(BYTES_PER_SECOND);
        match self {
            Self::Far => ONE_WAY,
            Self::Slow => Duration::from_millis(bytes.saturating_sub(limit / 50) * 1000 / limit),
            _ => Duration::ZERO,
        }
    }

    /// Does the connection end, sooner or later?
    fn ends(self) -> bool {
        !matches!(self, Self::Slow | Self::Far)
    }

    /// Does what is written meanwhile reach the standby?
    fn arrives(self) -> bool {
        matches!(self, Self::Reset | Self::Slow | Self::Far | Self::TowardsPrimary)
    }
}

/// Brings an interruption about, writes a row, and looks until each end has noticed, where it does, and
/// the row is on the standby, where it gets there; then heals it, and waits until the standby has
/// everything. Gives what walsender and walreceiver made of it, and whether the row came.
pub(super) async fn suffered(lab: &Lab, pair: &Cluster, kind: Kind) -> Result<String> {
    let (primary, standby) = (pair.primary(), pair.standby()?);
    let (writer, reader) =
        (primary.session_unrecorded().await?, standby.session_unrecorded().await?);
    wait_for_no_lag(&writer, "standby1").await?;
    let (sends, receives) = (End::of(&writer, SENDERS).await?, End::of(&reader, RECEIVERS).await?);
    let trouble = kind.put_on(pair).await?;
    let began = Instant::now();
    let row = arrival(lab, kind, pair.link("standby1")?, &writer, &reader).await?;
    let walsender = sends.noticed(lab, kind, primary, &writer, began).await?;
    let walreceiver = match kind {
        Kind::Frozen => "nothing",
        _ => receives.noticed(lab, kind, standby, &reader, began).await?,
    };
    // What a frozen server has, nobody can ask.
    let row = match kind != Kind::Frozen && !kind.arrives() && is_there(&writer, &reader).await? {
        true => "yes, through what is cut",
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
    Ok(format!("walsender {walsender}; walreceiver {walreceiver}; row arrived: {row}"))
}

/// Writes a row and waits until it is on the standby, where it gets there. It must not be earlier than
/// the link can be.
async fn arrival(
    lab: &Lab,
    kind: Kind,
    link: &Link,
    writer: &Session,
    reader: &Session,
) -> Result<&'static str> {
    let (began, before) = (Instant::now(), link.bytes(Direction::ToStandby));
    writer.run(ROW).await?;
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
        (false, true) => "late",
        (false, false) => "earlier than it can be",
    })
}

/// Are all rows of the primary on the standby?
async fn is_there(writer: &Session, reader: &Session) -> Result<bool> {
    const SQL: &str = "SELECT count(*) FROM products";
    Ok(reader.count(SQL).await? == writer.count(SQL).await?)
}

const SENDERS: &str = "SELECT coalesce(max(pid), 0) FROM pg_stat_replication";
const RECEIVERS: &str = "SELECT coalesce(max(pid), 0) FROM pg_stat_wal_receiver";

/// One end of the connection: the process that has it, and how it is found.
struct End {
    process: i32,
    sql: &'static str,
}

impl End {
    async fn of(session: &Session, sql: &'static str) -> Result<Self> {
        Ok(Self { process: session.value(sql).await?, sql })
    }

    /// Waits until this process has gone, where it goes, and gives what it said at last.
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
            return Ok(if is_on().await? { "streams on" } else { "has gone" });
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
            true => "gave up waiting",
            false => "was told",
        })
    }
}
