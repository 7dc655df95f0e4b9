//! Passwords and files: no connection without the right password, no password that two clusters share, and
//! no file that another account can read. Method: `psql` on the server's own machine, and its `find`.

use pretty_assertions::{assert_eq, assert_ne};
use replication_lab::wait::{PATIENCE, Seen, until};
use replication_lab::{Cluster, Node, Notebook, Result, Script, Settings, Site, Topology};

use crate::support::within_deadline;

/// The kinds of connections: of clients and for replication.
const KINDS: [&str; 2] = ["dbname=postgres", "replication=true"];

/// The roles that log in.
const ROLES: [&str; 3] = ["postgres", "replicator", "rewinder"];

/// Lists what other accounts than the server's could read, write or enter, by its path in the directory of
/// the host.
const OPEN_TO_OTHERS: &str = "cd .. && find . ! -type l \\( -perm -1 -o -perm -2 -o -perm -4 \
     -o -perm -10 -o -perm -20 -o -perm -40 \\) | sort";

/// Each role is refused without a password and with a wrong one, over the Unix socket and over TCP, as a
/// client and for replication; with its own password it is let in, and only two roles for replication.
#[test]
fn no_connection_is_made_without_the_right_password() {
    within_deadline(async move {
        let site = Site::choose(&Settings::from_env()?).await?;
        let own = own_address();
        let address = if site.kind() == "local" { own.as_str() } else { "*" };
        let topology = Topology::alone().set("listen_addresses", address);
        let alone = topology.start_at(&site, &Notebook::in_memory()).await?;
        let tcp = if site.kind() == "local" { own.as_str() } else { "127.0.0.1" };
        let (node, passwords) = (alone.primary(), passwords(&alone)?);
        for host in ["", tcp] {
            for kind in KINDS {
                for (role, password) in ROLES.iter().zip(&passwords) {
                    let of = format!("{role} with {kind} at {host:?}");
                    let said = connect(node, host, role, kind, "").await?;
                    assert!(said.contains("no password supplied"), "{of}: {said}");
                    for wrong in ["guessed", &format!("{password}x")] {
                        let said = connect(node, host, role, kind, wrong).await?;
                        let refused = format!("password authentication failed for user \"{role}\"");
                        assert!(said.contains(&refused), "{of}: {said}");
                    }
                    let said = connect(node, host, role, kind, password).await?;
                    match (*role, kind) {
                        // Up to 15 the message is another one than from 16 on.
                        ("rewinder", "replication=true") => assert!(
                            said.contains("must be superuser or replication role")
                                || said.contains("permission denied to start WAL sender"),
                            "{of}: {said}"
                        ),
                        _ => assert_eq!(said.trim(), "let in", "{of}"),
                    }
                }
            }
        }
        Ok(alone.stop().await?)
    });
}

/// The six passwords of two clusters differ, although both start from the same template.
#[test]
fn no_password_is_used_twice() {
    within_deadline(async move {
        let (one, other) = (Topology::alone().start().await?, Topology::alone().start().await?);
        let mut all = [passwords(&one)?, passwords(&other)?].concat();
        assert!(all.iter().all(|password| password.len() >= 20), "they are long");
        let other_primary = other.primary();
        let said = connect(other_primary, "", "postgres", KINDS[0], &all[0]).await?;
        assert!(said.contains("password authentication failed"), "{said}");
        all.sort();
        let number = all.len();
        all.dedup();
        assert_eq!((number, all.len()), (6, 6));
        one.stop().await?;
        Ok(other.stop().await?)
    });
}

/// Other accounts can enter no directory of a host, and read none of its files but those that hold no data:
/// the log, the exit statuses, the socket and the empty `standby.signal`, which are in a closed directory
/// themselves.
#[test]
fn other_accounts_read_no_file() {
    within_deadline(async move {
        let site = Site::choose(&Settings::from_env()?).await?;
        let pair = Topology::pair().archiving();
        let pair = pair.start_at(&site, &Notebook::in_memory()).await?;
        for node in pair.nodes() {
            let modes = node.run("ls -ld . .. | cut -c 1-10").await?;
            let home = if site.kind() == "local" { "drwx------\n" } else { "" };
            let expected = format!("drwx------\n{home}");
            assert!(modes.starts_with(&expected), "{}: data and home: {modes}", node.name());
        }
        let (primary, standby) = (pair.primary(), pair.standby()?);
        primary.session().await?.run("SELECT pg_switch_wal()").await?;
        wait_for_the_archive(primary).await?;
        pair.back_up("primary").await?;
        // A container has no other account.
        for node in pair.nodes().iter().filter(|_| site.kind() == "local") {
            let open = node.run(OPEN_TO_OTHERS).await?;
            let known = |line: &&str| {
                let files = ["./log", "./.s.PGSQL.5432", "./.s.PGSQL.5432.lock"];
                files.contains(line)
                    || *line == "./data/standby.signal"
                    || line.starts_with("./exit.")
            };
            let open: Vec<_> = open.lines().filter(|line| !known(line)).collect();
            assert_eq!(open, Vec::<&str>::new(), "{}", node.name());
        }
        let kept = primary.run("cd .. && ls -d archive/* base/PG_VERSION | wc -l").await?;
        assert_ne!(kept.trim(), "0", "there are an archive and a base backup to judge");
        the_password_is_in_one_closed_file(&pair).await?;
        let with_password = standby.run("ls -l postgresql.auto.conf | cut -c 1-10").await?;
        assert_eq!(with_password, "-rw-------\n");
        Ok(pair.stop().await?)
    });
}

/// The password of `replicator` is in one file of the standby and in none of the primary; those of the other
/// roles are in no file.
async fn the_password_is_in_one_closed_file(pair: &Cluster) -> Result<()> {
    let passwords = passwords(pair)?;
    for node in pair.nodes() {
        for (role, password) in ROLES.iter().zip(&passwords) {
            let find =
                Script::new("cd .. && grep -rlF -e \"$WORD\" . | sort").with("WORD", password);
            let expected = match (node.name(), *role) {
                ("standby1", "replicator") => "./data/postgresql.auto.conf\n",
                _ => "",
            };
            assert_eq!(node.host().run(&find).await?, expected, "{role} on {}", node.name());
        }
    }
    Ok(())
}

/// Returns the passwords of [`ROLES`], in their order.
fn passwords(cluster: &Cluster) -> Result<Vec<String>> {
    let text = |config: &replication_lab::tokio_postgres::Config| {
        String::from_utf8_lossy(config.get_password().unwrap_or_default()).into_owned()
    };
    let replicator = cluster.source("primary")?.password.as_str().to_owned();
    let superuser = text(&cluster.primary().config());
    Ok(vec![superuser, replicator, text(&cluster.rewinder("primary")?)])
}

/// Returns what `psql` says to a connection as this role: `let in`, or the error. Without a host it is the
/// Unix socket; an empty password is none.
async fn connect(
    node: &Node,
    host: &str,
    role: &str,
    kind: &str,
    password: &str,
) -> Result<String> {
    let host = if host.is_empty() { String::new() } else { format!(" host={host}") };
    let line = format!(
        "[ -n \"$PGPASSWORD\" ] || unset PGPASSWORD; \
         if said=$(psql -w -d 'user={role} {kind}{host}' -c 'SHOW server_version_num' 2>&1); \
         then echo 'let in'; else echo \"$said\"; fi"
    );
    node.host().run(&Script::new(line).with("PGPASSWORD", password)).await
}

/// Returns a loopback address that only this test uses: a local server listens on its default port there.
fn own_address() -> String {
    let [_, _, a, b] = std::process::id().to_be_bytes();
    format!("127.78.{}.{}", a.max(1), b.max(1))
}

async fn wait_for_the_archive(node: &Node) -> Result<()> {
    until("a WAL file is archived", PATIENCE, || async {
        let files = node.run("ls ../archive 2>/dev/null | wc -l").await?;
        Ok(if files.trim() == "0" { Seen::NotYet(files) } else { Seen::Done(()) })
    })
    .await
}
