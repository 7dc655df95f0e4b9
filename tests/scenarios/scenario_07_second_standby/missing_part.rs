//! The parts of a set-up for replication, and what the servers say while one of them is missing. Nothing here
//! asserts, but that each refusal has its SQLSTATE.

use replication_lab::wait::{PATIENCE, Seen, until};
use replication_lab::{
    Cluster, Node, Proof, Result, ServerMessage, Session, Shutdown, Standby, Topology,
};

use crate::support::Lab;

/// The prefix of log lines with the SQLSTATE at its end.
const STATES: &str = "%m [%p] %e ";
/// Replaces `pg_hba.conf` by lines for databases: the word `all` does not mean replication.
const FOR_DATABASES: &str = "printf '%s\\n' 'local all all scram-sha-256' \
     'host all all all scram-sha-256' >\"$PGDATA/pg_hba.conf\"";
/// Adds the lines for replication to `pg_hba.conf`.
pub(super) const FOR_REPLICATION: &str = "printf '%s\\n' 'local replication replicator scram-sha-256' \
     'host replication replicator all scram-sha-256' >>\"$PGDATA/pg_hba.conf\"";

/// The name of the server from `initdb` that becomes the primary of `standby1`.
const NEW_PRIMARY: &str = "new_primary";

/// Describes two empty machines: for `new_primary`, and for its standby `standby1`.
pub(super) fn two_machines() -> Topology {
    let primary = Standby::new(NEW_PRIMARY).without_slot().deferred();
    let standby = Standby::new("standby1").following(NEW_PRIMARY).deferred();
    Topology::alone().standby(primary).standby(standby).set("log_line_prefix", STATES)
}

/// Initialises and starts `new_primary`, with lines for databases in `pg_hba.conf`, a shop of ten users and
/// twenty orders, and a role `replicator` that may log in. Returns the server, and a session there.
pub(super) async fn from_initdb(cluster: &Cluster) -> Result<(&Node, Session)> {
    cluster.initdb(NEW_PRIMARY).await?;
    let primary = cluster.node(NEW_PRIMARY)?;
    primary.run(FOR_DATABASES).await?;
    primary.start().await?;
    let writer = primary.session().await?;
    writer.run_file("fixtures/sql/shop.sql").await?;
    writer.run("SELECT fill_shop(10)").await?;
    writer.run("CREATE ROLE replicator LOGIN").await?;
    let password = cluster.source("standby1")?.password.as_str();
    let sql = format!("ALTER ROLE replicator PASSWORD '{password}'");
    primary.session_unrecorded().await?.run(&sql).await?;
    Ok((primary, writer))
}

/// Stops a server and starts it again; returns a session there.
pub(super) async fn restart(node: &Node) -> Result<Session> {
    node.stop(Shutdown::Fast).await?;
    node.start().await?;
    node.session().await
}

/// Runs `pg_basebackup`, which `new_primary` must refuse; notes its message, and the SQLSTATE that the primary
/// logged with it, which must be the expected one.
pub(super) async fn must_refuse(
    lab: &Lab,
    cluster: &Cluster,
    missing: &str,
    sqlstate: &str,
) -> Result<Proof> {
    let primary = cluster.node(NEW_PRIMARY)?;
    let logged = primary.log().await?.len();
    let said = match cluster.rebuild("standby1").await {
        Err(refused) => refused.output().unwrap_or_default().to_owned(),
        Ok(()) => panic!("pg_basebackup is not refused: {missing}"),
    };
    let refusal = |line: &&str| ["FATAL:", "ERROR:"].iter().any(|severity| line.contains(severity));
    let message = ServerMessage::from_log(said.lines().find(refusal).unwrap_or(&said));
    lab.fact(&format!("pg_basebackup, {missing}"), &message);
    let seen = sqlstate_of(primary, logged, &message).await?;
    Ok(lab.must_be(&format!("SQLSTATE, {missing}"), &seen, sqlstate))
}

/// Waits until a server logs this message, and returns the SQLSTATE in the line.
async fn sqlstate_of(node: &Node, logged: usize, message: &ServerMessage) -> Result<String> {
    until(&format!("{} logs {message}", node.name()), PATIENCE, || async {
        let log = node.log().await?;
        let new = log.get(logged..).unwrap_or_default();
        let line = new.lines().find(|line| ServerMessage::from_log(line) == *message);
        // Before it: the date, the time, its zone and the process.
        let state = line.and_then(|line| line.split_whitespace().nth(4));
        let last = || new.lines().last().unwrap_or("no new line").to_owned();
        Ok(state.map_or_else(|| Seen::NotYet(last()), |state| Seen::Done(state.to_owned())))
    })
    .await
}

/// Ends the walsender of a standby that streams, so that the standby connects again, and returns the first
/// line with these words that the standby logs then.
pub(super) async fn reconnects(
    writer: &Session,
    standby: &Node,
    words: &str,
) -> Result<ServerMessage> {
    let logged = standby.log().await?.len();
    writer.run("SELECT pg_terminate_backend(pid) FROM pg_stat_replication").await?;
    standby.wait_for_log_since(logged, words).await
}

/// Waits until a server has exited by itself, and returns its exit status and the error in its log that names
/// `wal_level`.
pub(super) async fn exit_for_wal_level(node: &Node) -> Result<(String, ServerMessage)> {
    let status = until(&format!("{} has exited", node.name()), PATIENCE, || async {
        let status = node.exit_status().await?;
        Ok(status.map_or_else(|| Seen::NotYet("it runs".to_owned()), Seen::Done))
    })
    .await?;
    let log = node.log().await?;
    let names_it = |line: &&str| line.contains("FATAL:") && line.contains("wal_level");
    Ok((status, ServerMessage::from_log(log.lines().find(names_it).unwrap_or_default())))
}
