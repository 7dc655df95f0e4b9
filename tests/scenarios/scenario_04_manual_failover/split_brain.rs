//! A split brain, and the ways out of it. Each way makes the diverged server follow the other one; they
//! differ in what becomes of its rows, and in what they copy. Nothing here stops a split brain.

use std::time::Duration;

use replication_lab::catchup::wait_for_no_lag;
use replication_lab::drift::Drift;
use replication_lab::wait::{Seen, stays};
use replication_lab::wal::Timeline;
use replication_lab::{Cluster, Proof, Result, ServerMessage, Session, Shutdown, stat};

use crate::steps::shop::sums;
use crate::support::Lab;

pub(super) const FILL: &str = "INSERT INTO products (name, price) \
                    SELECT 'product ' || n, n / 100.0 FROM generate_series(1, 1000) AS n";
pub(super) const THEIRS: &str =
    "SELECT count(*) FROM products WHERE name = 'written on the old primary'";
pub(super) const OURS: &str =
    "SELECT count(*) FROM products WHERE name = 'written on the new primary'";

/// A pair with a shop, promoted while the primary runs, and a row on each that the other has not.
pub(super) async fn diverge(pair: &Cluster) -> Result<(Session, Session)> {
    let (old, new) = (pair.primary().session().await?, pair.standby()?.session().await?);
    old.run_file("fixtures/sql/shop.sql").await?;
    old.run(FILL).await?;
    pair.wait_for_catchup("standby1").await?;
    pair.standby()?.promote().await?;
    old.run("INSERT INTO products (name, price) VALUES ('written on the old primary', 1)").await?;
    new.run("INSERT INTO products (name, price) VALUES ('written on the new primary', 1)").await?;
    Ok((old, new))
}

/// Notes and asserts that the old primary follows the new one: streaming, slot, timeline, and every
/// row of every table.
pub(super) async fn joined(lab: &Lab, pair: &Cluster, on_new: &Session) -> Result<Proof> {
    let last = wait_for_no_lag(on_new, "primary").await?;
    lab.must_be("state of its walsender", &last.state, "streaming");
    let slot = stat::slot(on_new, "primary").await?;
    lab.must_be("is its slot active", slot.active, true);
    let reader = pair.primary().session().await?;
    let received: i32 = reader.value("SELECT received_tli FROM pg_stat_wal_receiver").await?;
    lab.must_be("timeline it receives", received.unsigned_abs(), 2_u32);
    let same = sums(&reader).await? == sums(on_new).await?;
    Ok(lab.must_be("are all tables the same on both", same, true))
}

pub(super) async fn stays_behind(reader: &Session) -> Result<()> {
    stays("no row of the new primary arrives", Duration::from_millis(300), || async {
        Ok(match reader.count(OURS).await? {
            0 => Seen::Done(()),
            rows => Seen::NotYet(format!("{rows} rows")),
        })
    })
    .await
}

/// How the diverged primary is brought back.
#[derive(Clone, Copy, Debug)]
pub(super) enum Resolution {
    /// Everything anew, with `pg_basebackup`.
    Rebuild,
    /// Only what differs, with `pg_rewind`.
    Rewind,
    /// The rows that only it has are copied first, then it is rewound.
    Salvage,
}

impl Resolution {
    /// Stops the diverged primary and makes it a standby of `survivor`, whose link is led there
    /// already. It is not started.
    pub(super) async fn apply(self, pair: &Cluster, survivor: &Session) -> Result<()> {
        let diverged = pair.primary();
        if let Self::Salvage = self {
            let session = diverged.session().await?;
            for row in session.rows("SELECT name FROM products WHERE id > 1000").await? {
                let name: String = row.get(0);
                survivor.execute(SALVAGE, &[&name]).await?;
            }
        }
        diverged.stop(Shutdown::Fast).await?;
        match self {
            Self::Rebuild => pair.rebuild("primary").await,
            Self::Rewind | Self::Salvage => {
                survivor.run("CHECKPOINT").await?;
                pair.rewind("primary").await?;
                pair.configure_standby("primary").await
            }
        }
    }
}

const SALVAGE: &str = "INSERT INTO products (name, price) VALUES ($1, 1)";

/// What `pg_rewind` says at last: its refusal, or what it did.
pub(super) fn verdict(said: Result<String>) -> String {
    let said = said.unwrap_or_else(|error| error.output().unwrap_or_default().to_owned());
    let mut lines = said.lines();
    let servers = lines.clone().find(|line| line.contains("FATAL:"));
    let own = lines.rfind(|line| line.starts_with("pg_rewind: "));
    ServerMessage::from_log(servers.or(own).unwrap_or(&said)).message().to_owned()
}

/// Rows only on the first, only on the second, and changed.
pub(super) fn kinds(drift: &Drift) -> [u64; 3] {
    [&drift.only_first, &drift.only_second, &drift.changed].map(|rows| rows.len() as u64)
}

/// The timeline of the WAL file that is written now, and that of the control file.
pub(super) async fn timelines(session: &Session) -> Result<[u32; 2]> {
    let file: String = session.value("SELECT pg_walfile_name(pg_current_wal_lsn())").await?;
    let control: i32 = session.value("SELECT timeline_id FROM pg_control_checkpoint()").await?;
    Ok([Timeline::of_wal_file(&file).map_or(0, |timeline| timeline.0), control.unsigned_abs()])
}
