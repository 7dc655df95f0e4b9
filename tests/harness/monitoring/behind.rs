//! A chain of servers in which no figure of the monitoring views is zero: lag at every position, slots
//! that retain WAL, a failing archiver, an open and a prepared transaction. Nothing here compares.

use replication_lab::health::{Levels, Thresholds, observe};
use replication_lab::wait::{PATIENCE, Seen, until};
use replication_lab::{
    Cluster, Fault, Frozen, Node, Notebook, Result, Script, Session, Standby, Topology, catchup,
    stat,
};

/// The files of the views, in the order of their dependencies.
pub(super) const FILES: [&str; 8] = [
    "fixtures/sql/replication_health.sql",
    "fixtures/sql/monitoring/slots.sql",
    "fixtures/sql/monitoring/wal.sql",
    "fixtures/sql/monitoring/standby.sql",
    "fixtures/sql/monitoring/logical.sql",
    "fixtures/sql/monitoring/alerts.sql",
    "fixtures/sql/monitoring/dashboard.sql",
    "fixtures/sql/monitoring/history.sql",
];

/// The physical slots of the primary, beside that of `standby1`.
const SLOTS: &str = "SELECT pg_create_physical_replication_slot('idle', true); \
     SELECT pg_create_physical_replication_slot('idle_too', true); \
     SELECT pg_create_physical_replication_slot('receiver', true); \
     SELECT pg_create_physical_replication_slot('never_used')";

/// A walsender whose client writes WAL and flushes it only at the end of a segment: the positions
/// written and flushed differ. Its client replays nothing.
const RECEIVER: &str = "mkdir ../received && \
     exec pg_receivewal -D ../received --slot=receiver --status-interval=1 --no-loop";

/// A chain whose servers are behind, for as long as this value lives.
pub(super) struct Behind {
    pub(super) chain: Cluster,
    /// A session of the primary with local commits: the rule of the synchronous standbys cannot be
    /// satisfied.
    pub(super) writer: Session,
    /// A session with an open transaction.
    _old: Session,
    walreceiver: Frozen,
    cuts: [Fault; 2],
}

impl Behind {
    /// Starts the chain `primary` → `standby1` → `standby2`, and leaves each server behind; `standby3` follows
    /// the primary without lag.
    pub(super) async fn start() -> Result<Self> {
        let chain = chain().start().await?;
        let (primary, standby) = (chain.primary(), chain.node("standby1")?);
        let writer = local(primary).await?;
        install(&writer).await?;
        let old = hold_transactions(primary, &writer).await?;
        archive_one_file(primary, &writer).await?;
        receive(primary, &writer).await?;
        next_segment(&writer).await?;
        primary.set("synchronous_standby_names", "ANY 2 (standby1, missing, other)").await?;
        let reader = standby.session().await?;
        reader.run("SELECT pg_create_physical_replication_slot('spare', true)").await?;
        wait_for_three_lags(&writer).await?;
        let second = chain.link("standby2")?.cut();
        reader.run("SELECT pg_wal_replay_pause()").await?;
        write(&writer, 300_000).await?;
        wait_for_flush(&writer).await?;
        let (walreceiver, first) = stop_half_way(&chain, &writer).await?;
        wait_for(&writer, "SELECT failed_count FROM pg_stat_archiver", 3).await?;
        Ok(Self { chain, writer, _old: old, walreceiver, cuts: [first, second] })
    }

    /// Ends the faults, waits until `standby1` has caught up, and returns the chain.
    pub(super) async fn recover(self) -> Result<Cluster> {
        drop(self.cuts);
        self.walreceiver.thaw().await?;
        let reader = self.chain.node("standby1")?.session().await?;
        reader.run("SELECT pg_wal_replay_resume()").await?;
        catchup::wait_for_catchup(&self.writer, &reader).await?;
        Ok(self.chain)
    }
}

/// Thresholds at which every severity occurs.
pub(super) fn thresholds() -> Thresholds {
    let levels = |info, warning, critical| Levels { info, warning, critical };
    Thresholds {
        lag: levels(Some(1_000), 100_000_000, 1_000_000_000),
        slot_retained: levels(Some(1_000), 20_000_000, 1_000_000_000),
        archive_waiting: levels(None, 0, 1),
        oldest_xmin: levels(None, 2, 1_000),
        // No time reaches these: a level that is passed between two readings would make them differ.
        lag_time: levels(None, 100_000, 100_000),
        commit_wait: levels(None, 100_000, 100_000),
        archive_age: levels(None, 100_000, 100_000),
        oldest_transaction: levels(None, 100_000, 100_000),
        oldest_prepared: levels(None, 100_000, 100_000),
        ..Thresholds::default()
    }
}

/// Opens a session of a role with `pg_monitor` and nothing else.
pub(super) async fn monitor(node: &Node) -> Result<Session> {
    let mut config = node.config();
    config.user("monitor").password("monitor");
    Session::open(&config, node.name(), &Notebook::in_memory()).await
}

/// Writes about this many bytes of WAL, and changes no table.
pub(super) async fn write(writer: &Session, bytes: u32) -> Result<()> {
    writer.run(&format!("SELECT pg_logical_emit_message(false, 'lab', repeat('x', {bytes}))")).await
}

fn chain() -> Topology {
    Topology::pair()
        .standby(Standby::new("standby2").following("standby1"))
        .standby("standby3")
        .set("wal_level", "logical")
        .set("hot_standby_feedback", "on")
        .set("wal_receiver_status_interval", "1s")
        .set("max_prepared_transactions", "4")
        .set("autovacuum", "off")
        .set("archive_mode", "on")
        .set("archive_command", "true")
}

async fn local(node: &Node) -> Result<Session> {
    let session = node.session().await?;
    session.run("SET synchronous_commit = local").await?;
    Ok(session)
}

/// Creates the views, the role that reads them, and their thresholds.
async fn install(writer: &Session) -> Result<()> {
    writer.run("CREATE ROLE monitor LOGIN PASSWORD 'monitor' IN ROLE pg_monitor").await?;
    for file in FILES {
        writer.run_file(file).await?;
    }
    let new = thresholds();
    for (name, levels) in [
        ("lag", new.lag),
        ("slot_retained", new.slot_retained),
        ("archive_waiting", new.archive_waiting),
        ("oldest_xmin", new.oldest_xmin),
        ("lag_time", new.lag_time),
        ("commit_wait", new.commit_wait),
        ("archive_age", new.archive_age),
        ("oldest_transaction", new.oldest_transaction),
        ("oldest_prepared", new.oldest_prepared),
    ] {
        let info = levels.info.map_or("NULL".to_owned(), |info| info.to_string());
        let (warning, critical) = (levels.warning, levels.critical);
        let sql = format!(
            "UPDATE replication_thresholds SET (info, warning, critical) = \
             ({info}, {warning}, {critical}) WHERE name = '{name}'"
        );
        writer.run(&sql).await?;
    }
    Ok(())
}

/// Creates slots, a prepared transaction and an open one, each with an xmin of another age; returns the
/// session with the open one.
async fn hold_transactions(primary: &Node, writer: &Session) -> Result<Session> {
    writer.run(SLOTS).await?;
    writer.run("SELECT pg_create_logical_replication_slot('logical', 'pgoutput')").await?;
    burn(writer, 5).await?;
    let old = local(primary).await?;
    old.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class").await?;
    burn(writer, 3).await?;
    writer.run("BEGIN; SELECT txid_current(); PREPARE TRANSACTION 'transfer'").await?;
    burn(writer, 2).await?;
    until("the slot of standby1 has an xmin", PATIENCE, || async {
        let sql = "SELECT xmin IS NOT NULL FROM pg_replication_slots WHERE slot_name = 'standby1'";
        let there: bool = writer.value(sql).await?;
        Ok(if there { Seen::Done(()) } else { Seen::NotYet("it has none".to_owned()) })
    })
    .await?;
    Ok(old)
}

/// Takes this many transaction ids.
async fn burn(writer: &Session, ids: u32) -> Result<()> {
    for _ in 0..ids {
        writer.run("SELECT txid_current()").await?;
    }
    Ok(())
}

/// Starts `pg_receivewal` on the primary's host, and waits until it has flushed less than it has written.
async fn receive(primary: &Node, writer: &Session) -> Result<()> {
    let config = primary.config();
    let password = String::from_utf8_lossy(config.get_password().unwrap_or_default()).into_owned();
    primary.host().spawn(&Script::new(RECEIVER).with("PGPASSWORD", password)).await?;
    catchup::wait_for_streaming(writer, &["pg_receivewal"]).await?;
    next_segment(writer).await?;
    until("pg_receivewal has flushed a part", PATIENCE, || async {
        let row = stat::replication_to(writer, "pg_receivewal").await?;
        let parts = row.as_ref().is_some_and(|row| {
            row.flush_lsn.is_some() && row.write_lsn > row.flush_lsn && row.write_lsn == row.own_lsn
        });
        Ok(if parts { Seen::Done(()) } else { Seen::NotYet(format!("{row:?}")) })
    })
    .await
}

/// Ends a WAL segment, and begins the next one with a record.
async fn next_segment(writer: &Session) -> Result<()> {
    writer.run("SELECT pg_switch_wal()").await?;
    write(writer, 1_000).await
}

/// Archives one file, and breaks the archive command then.
async fn archive_one_file(primary: &Node, writer: &Session) -> Result<()> {
    next_segment(writer).await?;
    wait_for(writer, "SELECT archived_count FROM pg_stat_archiver", 1).await?;
    primary.set("archive_command", "false").await
}

async fn wait_for(session: &Session, count: &str, least: u64) -> Result<()> {
    until(&format!("{count} is at least {least}"), PATIENCE, || async {
        let seen = session.count(count).await?;
        Ok(if seen >= least { Seen::Done(()) } else { Seen::NotYet(seen.to_string()) })
    })
    .await
}

/// Writes until the three times of the lag of `standby1` are there and differ.
async fn wait_for_three_lags(writer: &Session) -> Result<()> {
    until("the three times of the lag differ", PATIENCE, || async {
        write(writer, 1_000).await?;
        catchup::wait_for_no_lag(writer, "standby1").await?;
        let row = stat::replication_to(writer, "standby1").await?;
        let differ = row.as_ref().is_some_and(|row| {
            let lags = [row.write_lag, row.flush_lag, row.replay_lag];
            let [write, flush, replay] = lags;
            lags.iter().all(Option::is_some) && write != flush && flush != replay && write != replay
        });
        Ok(if differ { Seen::Done(()) } else { Seen::NotYet(format!("{row:?}")) })
    })
    .await
}

async fn wait_for_flush(writer: &Session) -> Result<()> {
    until("standby1 has flushed everything", PATIENCE, || async {
        let row = stat::replication_to(writer, "standby1").await?;
        let flushed = row.as_ref().is_some_and(|row| row.flush_lsn == row.own_lsn);
        Ok(if flushed { Seen::Done(()) } else { Seen::NotYet(format!("{row:?}")) })
    })
    .await
}

/// Stops the walreceiver of `standby1` in the middle of a long message: it knows the end of the WAL and
/// has not received it.
async fn stop_half_way(chain: &Cluster, writer: &Session) -> Result<(Frozen, Fault)> {
    let (standby, link) = (chain.node("standby1")?, chain.link("standby1")?);
    let reader = standby.session().await?;
    let before = observe(&reader).await?.replay.and_then(|replay| replay.received);
    let slow = link.throttle(200_000);
    write(writer, 3_000_000).await?;
    until("standby1 has received a part", PATIENCE, || async {
        let seen = observe(&reader).await?;
        let received = seen.replay.and_then(|replay| replay.received);
        let end = seen.receiver.and_then(|receiver| receiver.latest_end);
        let part = received > before && end > received;
        Ok(if part { Seen::Done(()) } else { Seen::NotYet(format!("{received:?} of {end:?}")) })
    })
    .await?;
    let frozen = standby.freeze_processes("walreceiver").await?;
    let cut = link.cut();
    drop(slow);
    // More than fits into the buffers between the walsender and the cut.
    write(writer, 8_000_000).await?;
    Ok((frozen, cut))
}
