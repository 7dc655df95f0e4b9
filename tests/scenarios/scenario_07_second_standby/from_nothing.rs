//! The set-up of replication, part by part: what the servers say while a part is missing, and the standby that
//! streams once all of them are there.

use macro_rules_attribute::apply;
use replication_lab::catchup::wait_for_no_lag;
use replication_lab::{Cluster, Node, Proof, Result, Session, Shutdown, Topology, stat};
use rstest::{Context, rstest};

use super::missing_part::{
    FOR_REPLICATION, exit_for_wal_level, from_initdb, must_refuse, reconnects, restart,
    two_machines,
};
use crate::steps::shop::{ORDERS, shop};
use crate::support::{Lab, exercise, scenario};

/// A standby needs lines for replication in `pg_hba.conf`, a role with REPLICATION, walsenders, a sufficient
/// `wal_level` and, if it is to use one, a slot; `pg_basebackup` says which of them is missing.
///
/// Method: a server from `initdb` where all of them are missing; run `pg_basebackup`, add one, run it again
/// (manual: Streaming Replication).
#[apply(exercise)]
#[rstest]
fn setup_from_nothing(#[context] test: Context) {
    let about = "From initdb to a standby that streams: the answer of pg_basebackup while a part of the set-up \
                 is missing, and the set-up once every part is there";
    scenario(&test, about, async |lab: &Lab| {
        lab.step(
            "new_primary is a server from initdb: pg_hba.conf has lines for databases, and the role replicator \
             may log in",
        );
        let cluster = lab.start(two_machines()).await?;
        let standby = cluster.node("standby1")?;
        let (primary, writer) = from_initdb(&cluster).await?;

        lab.step("The line for replication in pg_hba.conf is missing");
        let missing = "pg_hba.conf without a line for replication";
        let hba = must_refuse(lab, &cluster, missing, "28000").await?;

        lab.step(
            "The lines for replication are added; the attribute REPLICATION of the role is missing",
        );
        primary.run(FOR_REPLICATION).await?;
        primary.reload().await?;
        let missing = "a role without REPLICATION";
        let role = must_refuse(lab, &cluster, missing, "42501").await?;
        writer.run("ALTER ROLE replicator REPLICATION").await?;

        let [senders, level, starts, stays_down] =
            without_senders(lab, &cluster, primary, &writer).await?;

        lab.step("wal_level is replica, max_wal_senders has its default; the slot is missing");
        primary.run("echo \"wal_level = replica\" >>\"$PGDATA/postgresql.auto.conf\"").await?;
        primary.start().await?;
        let slot = must_refuse(lab, &cluster, "a slot that does not exist", "42704").await?;

        lab.step("The slot is created: pg_basebackup succeeds, and the standby streams");
        let writer = primary.session().await?;
        writer.run("SELECT pg_create_physical_replication_slot('standby1')").await?;
        cluster.rebuild("standby1").await?;
        standby.start().await?;
        let state = wait_for_no_lag(&writer, "standby1").await?.state;
        let streams =
            lab.must_be("state of the standby in pg_stat_replication", &state, "streaming");
        let active = stat::slot(&writer, "standby1").await?.active;
        let active = lab.must_be("is the slot of the standby active", active, true);
        let orders = standby.session().await?.count(ORDERS).await?;
        let orders = lab.must_be("orders on the standby", orders, 20_u64);

        lab.learn(
            "The word all in the database column of pg_hba.conf does not match replication: pg_basebackup and \
             standbys need a line with the word replication.",
            [&hba, &role],
        );
        lab.learn(
            "The role that a standby connects as needs the attribute REPLICATION, unless it is a superuser; \
             LOGIN is not enough.",
            [&role, &senders],
        );
        lab.learn(
            "With max_wal_senders = 0 a server refuses every replication connection.",
            [&senders],
        );
        lab.learn(
            "With wal_level = minimal a server starts only with max_wal_senders = 0. So it cannot have a \
             standby.",
            [&starts, &level, &stays_down],
        );
        lab.learn(
            "A role with REPLICATION, lines for replication in pg_hba.conf, a slot, pg_basebackup -R and a \
             start: with the default wal_level and max_wal_senders the standby streams.",
            [&slot, &streams, &active, &orders],
        );
        Ok(())
    });
}

/// The log of a standby says which part of the set-up its primary no longer has. WAL that was written with
/// `wal_level = minimal` ends the standby for good.
///
/// Method: a pair that streams; take a part away, make the standby connect again, read its log; put it back.
#[apply(exercise)]
#[rstest]
fn setup_taken_apart(#[context] test: Context) {
    let about = "What a standby logs when its primary loses a part of the set-up: the standby tries again until \
                 the part is back, but WAL of wal_level = minimal ends it";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair that streams; wal_keep_size, because its slot is dropped later");
        let pair = lab.start(Topology::pair().set("wal_keep_size", "256MB")).await?;
        let (primary, standby) = (pair.primary(), pair.standby()?);
        let writer = primary.session().await?;
        shop(&writer, 10).await?;

        lab.step("The lines for replication are removed from pg_hba.conf, and are put back");
        primary.run("cp \"$PGDATA/pg_hba.conf\" ../whole").await?;
        primary.run("grep -v replication ../whole >\"$PGDATA/pg_hba.conf\"").await?;
        primary.reload().await?;
        let line = reconnects(&writer, standby, "no pg_hba.conf entry").await?;
        let hba = lab.fact("log of the standby, pg_hba.conf without a line for replication", line);
        primary.run("cp ../whole \"$PGDATA/pg_hba.conf\"").await?;
        primary.reload().await?;
        let again = wait_for_no_lag(&writer, "standby1").await?.state;
        let again = lab.must_be("state of the standby after that", &again, "streaming");

        lab.step("The role loses REPLICATION, and gets it back");
        writer.run("ALTER ROLE replicator NOREPLICATION").await?;
        let line = reconnects(&writer, standby, " to start ").await?;
        let role = lab.fact("log of the standby, a role without REPLICATION", line);
        writer.run("ALTER ROLE replicator REPLICATION").await?;
        wait_for_no_lag(&writer, "standby1").await?;

        let [senders, slot] = without_a_slot(lab, &pair, &writer).await?;

        lab.step("The slot is created again: the standby receives the WAL of wal_level = minimal");
        let writer = primary.session().await?;
        writer.run("SELECT pg_create_physical_replication_slot('standby1')").await?;
        let (status, line) = exit_for_wal_level(standby).await?;
        let ended = lab.must_be("exit status of the standby", &status, "1");
        let minimal = lab.fact("log of the standby, WAL of wal_level = minimal", line);

        lab.step("The standby is rebuilt");
        pair.rebuild("standby1").await?;
        standby.start().await?;
        let state = wait_for_no_lag(&writer, "standby1").await?.state;
        let rebuilt = lab.must_be("state of the rebuilt standby", &state, "streaming");
        let orders = standby.session().await?.count(ORDERS).await?;
        lab.must_be("orders on the rebuilt standby", orders, 20_u64);

        lab.learn(
            "A standby that its primary refuses tries again, logs the primary's answer each time, and streams \
             when the missing part is back.",
            [&hba, &role, &senders, &slot, &again],
        );
        lab.learn(
            "A change of pg_hba.conf or of the attribute REPLICATION matters when a standby connects: \
             this standby streamed until its connection was ended.",
            [&hba, &role],
        );
        lab.learn(
            "A hot standby that receives the WAL of a primary with wal_level = minimal exits, also when the primary has \
             another wal_level by then; a rebuild makes it stream again.",
            [&ended, &minimal, &rebuilt],
        );
        Ok(())
    });
}

/// Asserts that a primary without walsenders refuses a base backup, also with `wal_level = minimal`, and that
/// it does not start with walsenders then. Leaves it stopped.
async fn without_senders(
    lab: &Lab,
    cluster: &Cluster,
    primary: &Node,
    writer: &Session,
) -> Result<[Proof; 4]> {
    lab.step("max_wal_senders is 0");
    writer.run("ALTER SYSTEM SET max_wal_senders = 0").await?;
    let writer = restart(primary).await?;
    let senders = must_refuse(lab, cluster, "max_wal_senders = 0", "53300").await?;

    lab.step(
        "wal_level is minimal: the server starts with max_wal_senders = 0, and not without it",
    );
    writer.run("ALTER SYSTEM SET wal_level = 'minimal'").await?;
    let writer = restart(primary).await?;
    let level: String = writer.value("SHOW wal_level").await?;
    let starts = lab.must_be("wal_level of the server that started", &level, "minimal");
    writer.run("ALTER SYSTEM RESET max_wal_senders").await?;
    primary.stop(Shutdown::Fast).await?;
    let fails = primary.start().await.is_err_and(|error| error.is_ended());
    let stays_down = "does the server exit at its start with wal_level = minimal and walsenders";
    let stays_down = lab.must_be(stays_down, fails, true);
    let (status, line) = exit_for_wal_level(primary).await?;
    lab.must_be("its exit status", &status, "1");
    let level = lab.fact("its log", line);
    Ok([senders, level, starts, stays_down])
}

/// Takes walsenders and slot from the primary of a pair that streams, lets it run with `wal_level = minimal`,
/// and gives it its walsenders back. The slot stays missing.
async fn without_a_slot(lab: &Lab, pair: &Cluster, writer: &Session) -> Result<[Proof; 2]> {
    let (primary, standby) = (pair.primary(), pair.standby()?);
    lab.step("max_wal_senders is 0");
    let logged = standby.log().await?.len();
    writer.run("ALTER SYSTEM SET max_wal_senders = 0").await?;
    let writer = restart(primary).await?;
    let line = standby.wait_for_log_since(logged, "max_wal_senders").await?;
    let senders = lab.fact("log of the standby, max_wal_senders = 0", line);

    lab.step("The slot is dropped, and the primary runs with wal_level = minimal for a moment");
    writer.run("SELECT pg_drop_replication_slot('standby1')").await?;
    writer.run("ALTER SYSTEM SET wal_level = 'minimal'").await?;
    let writer = restart(primary).await?;
    let level: String = writer.value("SHOW wal_level").await?;
    lab.must_be("wal_level of the primary", &level, "minimal");

    lab.step("wal_level and max_wal_senders have their defaults again; the slot is missing");
    writer.run("ALTER SYSTEM RESET wal_level").await?;
    writer.run("ALTER SYSTEM RESET max_wal_senders").await?;
    restart(primary).await.map(drop)?;
    let line = standby.wait_for_log_since(logged, "\"standby1\" does not exist").await?;
    Ok([senders, lab.fact("log of the standby, a slot that does not exist", line)])
}
