//! A standby turned into a logical subscriber of the server that it followed, with
//! `pg_createsubscriber`. Nothing here starts or stops a node.

use super::Cluster;
use crate::conf::conninfo;
use crate::error::Result;
use crate::host::script::Script;

impl Cluster {
    /// Turns a stopped standby into a server of its own, with a new system identifier and with
    /// subscriptions to the database `postgres` of the server that its link leads to; returns the
    /// program's output (manual: `pg_createsubscriber`, from PostgreSQL 17 on). Does not start it.
    ///
    /// The publication, the slot and the subscription get the name `moved`.
    ///
    /// # Errors
    ///
    /// The cluster has no such node, the version does not have the program, or the program finds that
    /// a condition is not met: the error has its output.
    pub async fn create_subscriber(&self, node: &str) -> Result<String> {
        self.run_create_subscriber(node, false).await
    }

    /// Checks the conditions of [`create_subscriber`](Self::create_subscriber) with `--dry-run`, and
    /// changes nothing.
    ///
    /// # Errors
    ///
    /// As those of [`create_subscriber`](Self::create_subscriber).
    pub async fn create_subscriber_dry_run(&self, node: &str) -> Result<String> {
        self.run_create_subscriber(node, true).await
    }

    async fn run_create_subscriber(&self, node: &str, dry_run: bool) -> Result<String> {
        let (host, port) = self.link(node)?.address();
        let server = conninfo(&[("host", host), ("port", &port.to_string()), ("user", "postgres")]);
        let script = Script::new(line(dry_run)).with("UPSTREAM", server);
        self.node(node)?.run_as_client(script).await
    }
}

/// Returns the command line. The program starts the server for a while, with a socket in `$PGHOST`. The
/// subscription connects with the same string later: a password file keeps the password out of it, and out
/// of the command line.
fn line(dry_run: bool) -> String {
    let option = if dry_run { " --dry-run" } else { "" };
    format!(
        "(umask 077 && echo \"*:*:*:*:$PGPASSWORD\" >../passfile) && \
         pg_createsubscriber -D \"$PGDATA\" -P \"$UPSTREAM passfile=$PGHOST/passfile\" \
         -d postgres -U postgres -s \"$PGHOST\" \
         --publication=moved --replication-slot=moved --subscription=moved{option} 2>&1"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_dry_run_has_the_option() {
        assert!(line(true).ends_with(" --dry-run 2>&1"), "{}", line(true));
        assert_eq!(line(true).replace(" --dry-run", ""), line(false));
        assert!(!line(false).contains("--dry-run"), "{}", line(false));
    }
}
