//! A split brain, and three ways out of it. Each way makes the old primary a standby of the new one; they
//! differ in what becomes of the old primary's own rows, and in how much they copy. Nothing here prevents
//! a split brain.

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
/// Counts the rows that were inserted on the old primary after the promotion.
pub(super) const FROM_OLD: &str =
    "SELECT count(*) FROM products WHERE name = 'written on the old primary'";
/// Counts the rows that were inserted on the new primary after the promotion.
pub(super) const FROM_NEW: &str =
    "SELECT count(*) FROM products WHERE name = 'written on the new primary'";

/// Promotes the standby of a pair with a shop while the primary runs, and inserts a row on each of them
/// that the other does not have. Returns a session on the old primary and one on the new primary.
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

/// Notes and asserts that the old primary is a standby of the new one: streaming through its slot, on
/// the new timeline, with the same rows in every table.
pub(super) async fn joined(lab: &Lab, pair: &Cluster, on_new: &Session) -> Result<[Proof; 3]> {
    let last = wait_for_no_lag(on_new, "primary").await?;
    let state = "state of the old primary in pg_stat_replication";
    let streams = lab.must_be(state, &last.state, "streaming");
    let slot = stat::slot(on_new, "primary").await?;
    lab.must_be("is the old primary's slot on the new primary active", slot.active, true);
    let reader = pair.primary().session().await?;
    let received: i32 = reader.value("SELECT received_tli FROM pg_stat_wal_receiver").await?;
    let timeline = "timeline that the old primary receives";
    let timeline = lab.must_be(timeline, received.unsigned_abs(), 2_u32);
    let same = sums(&reader).await? == sums(on_new).await?;
    let same = lab.must_be("do both servers have the same rows in every table", same, true);
    Ok([streams, timeline, same])
}

/// Checks for a while that no row of the new primary arrives on the old one.
pub(super) async fn stays_behind(reader: &Session) -> Result<()> {
    stays("no row of the new primary arrives", Duration::from_millis(300), || async {
        Ok(match reader.count(FROM_NEW).await? {
            0 => Seen::Done(()),
            rows => Seen::NotYet(format!("{rows} rows")),
        })
    })
    .await
}

/// How the diverged old primary is made a standby of the new primary.
#[derive(Clone, Copy, Debug)]
pub(super) enum Resolution {
    /// All files are copied again, with `pg_basebackup`.
    Rebuild,
    /// Only what differs is copied, with `pg_rewind`.
    Rewind,
    /// The old primary's own rows are inserted on the new primary; then it is rewound.
    Salvage,
}

impl Resolution {
    /// What the exercise of this way is about.
    pub(super) fn about(self) -> &'static str {
        match self {
            Self::Rebuild => {
                "Out of a split brain by a rebuild: pg_basebackup copies the new primary over the old \
                 one, whose own row is lost"
            }
            Self::Rewind => {
                "Out of a split brain by pg_rewind: it takes the old primary back to the fork and \
                 copies what changed since; the old primary's own row is lost"
            }
            Self::Salvage => {
                "Out of a split brain without loss: the old primary's own row is inserted on the new \
                 primary, and then pg_rewind takes the old primary back to the fork"
            }
        }
    }

    /// The title of the step that does it.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Rebuild => "The old primary is rebuilt with pg_basebackup, and started",
            Self::Rewind => {
                "The old primary is rewound with pg_rewind after a checkpoint on the new one, and started"
            }
            Self::Salvage => {
                "The old primary's own row is inserted on the new primary; then the old one is rewound"
            }
        }
    }

    /// What a reader learns of it about the old primary's own row.
    pub(super) fn learned(self) -> &'static str {
        match self {
            Self::Rebuild => "A rebuild discards the rows that only the old primary had.",
            Self::Rewind => "pg_rewind discards the rows that only the old primary had.",
            Self::Salvage => {
                "A row that only the old primary had survives if it is inserted on the new primary \
                 before the old one is rewound."
            }
        }
    }

    /// Stops the diverged primary and makes it a standby of `survivor`, to which its link leads already.
    /// Does not start it.
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

/// Returns the line of `pg_rewind`'s output that says how it ended: a server's FATAL, its own error, or
/// its last message.
pub(super) fn verdict(said: Result<String>) -> String {
    let said = said.unwrap_or_else(|error| error.output().unwrap_or_default().to_owned());
    let mut lines = said.lines();
    let servers = lines.clone().find(|line| line.contains("FATAL:"));
    let own = lines.rfind(|line| line.starts_with("pg_rewind: "));
    ServerMessage::from_log(servers.or(own).unwrap_or(&said)).message().to_owned()
}

/// The differences of a table between the old and the new primary, by kind.
pub(super) fn by_kind(drift: &Drift) -> String {
    format!(
        "{} only on the old primary, {} only on the new primary, {} changed",
        drift.only_first.len(),
        drift.only_second.len(),
        drift.changed.len()
    )
}

/// Notes and asserts the timeline in the name of the WAL file that a server writes now, and the timeline
/// in its control file.
pub(super) async fn must_be_on(
    lab: &Lab,
    session: &Session,
    when: &str,
    [wal, control]: [u32; 2],
) -> Result<[Proof; 2]> {
    let file: String = session.value("SELECT pg_walfile_name(pg_current_wal_lsn())").await?;
    let seen = Timeline::of_wal_file(&file).map_or(0, |timeline| timeline.0);
    let name = format!("timeline in the name of the current WAL file, {when}");
    let in_name = lab.must_be(&name, seen, wal);
    let seen: i32 = session.value("SELECT timeline_id FROM pg_control_checkpoint()").await?;
    let name = format!("timeline in the control file, {when}");
    Ok([in_name, lab.must_be(&name, seen.unsigned_abs(), control)])
}
