//! `lab check` as monitoring systems run it: its output and its exit code. Method: run the program against
//! healthy, unhealthy and unreachable servers, and against one that is not PostgreSQL.

use std::fs::Permissions;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use pretty_assertions::assert_eq;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use replication_lab::catchup::wait_for_no_lag;
use replication_lab::wait::{PATIENCE, Seen, until};
use replication_lab::{
    Link, Node, Notebook, Result, Session, Settings, Shutdown, Site, Topology, stat,
};
use tokio::net::TcpSocket;

use crate::support::{Outcome, directory, lab, within_deadline};

const PASSWORD: &str = "look-and-see";
const ROLE: &str = "CREATE ROLE monitor LOGIN PASSWORD 'look-and-see' IN ROLE pg_monitor";

/// A pair is judged by its state, from both ends. Method: cause each alert, run the check, and undo what
/// can be undone.
#[test]
fn a_pair_is_judged_by_its_state() {
    within_deadline(async move {
        let small = Topology::pair().set("wal_keep_size", "0").set("max_wal_size", "32MB");
        let small = small.set("min_wal_size", "32MB").set("max_slot_wal_keep_size", "16MB");
        let pair = small.start().await?;
        let (primary, standby) = (pair.primary(), pair.standby()?);
        let (writer, reader) = (primary.session().await?, standby.session().await?);
        writer.run(ROLE).await?;
        wait_for_no_lag(&writer, "standby1").await?;
        let (up, down) = (Front::of(primary).await?, Front::of(standby).await?);

        a_healthy_pair_is_ok(&up, &down)?;
        reader.run("SELECT pg_wal_replay_pause()").await?;
        says(
            &down.check(&[])?,
            1,
            &["REPLICATION WARNING - replay is paused | ", "'replay_paused'=1"],
        );
        reader.run("SELECT pg_wal_replay_resume()").await?;
        says(&down.check(&[])?, 0, &["replay is not paused"]);

        drop(reader);
        standby.stop(Shutdown::Fast).await?;
        wait_for_idle_slot(&writer).await?;
        says(&up.check(&[])?, 1, &["REPLICATION WARNING - slot standby1 is inactive | "]);
        says(
            &up.check(&["--standbys", "1"])?,
            2,
            &[
                "REPLICATION CRITICAL - standbys that stream: 0, where 1 are expected; slot standby1 is inactive",
            ],
        );
        says(&down.check(&[])?, 2, &["REPLICATION CRITICAL - "]);
        lose_the_slot(&writer).await?;
        says(
            &up.check(&[])?,
            2,
            &[
                "its standby must be rebuilt or fed from a WAL archive",
                "\nNONE     slot_active: slot standby1 is beyond use\n",
                "\nOK       slot_retained: slot standby1 retains 0 B of WAL\n",
            ],
        );
        Ok(pair.stop().await?)
    });
}

/// A server that cannot be judged is reported with its cause: by the exit code, in one line, within the
/// deadline, and without a password.
#[test]
fn a_server_that_cannot_be_judged_is_reported() {
    within_deadline(async move {
        let alone = Topology::alone().start().await?;
        alone.primary().session().await?.run(ROLE).await?;
        let front = Front::of(alone.primary()).await?;
        a_password_is_found(&front)?;
        // A port that is bound, so that no other program gets it, and refuses connections.
        let closed = TcpSocket::new_v4()?;
        closed.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let dead = closed.local_addr()?.port();
        let refusing = format!("host=127.0.0.1 port={dead} user=monitor");
        says(
            &check_of(&refusing, &[]).output()?,
            2,
            &["CRITICAL - connecting to 127.0.0.1:", "refused"],
        );
        let both = format!(
            "host=127.0.0.1,127.0.0.1 port={dead},{} dbname=postgres user=monitor",
            front.port()
        );
        says(&check_of(&both, &[]).env("PGPASSWORD", PASSWORD).output()?, 0, &["REPLICATION OK"]);

        let stranger = stranger()?;
        let string = format!("host=127.0.0.1 port={stranger} user=monitor");
        says(
            &check_of(&string, &[]).output()?,
            3,
            &["this is not a PostgreSQL server, it answers \"HTTP/1.1 400 Bad Request\""],
        );
        says(
            &check_of("host=h hots=secret", &[]).output()?,
            3,
            &["reading the connection string: ", "hots"],
        );
        says(
            &check_of("", &["--warning", "lots"]).output()?,
            3,
            &["\"lots\" is not a level of lag"],
        );

        let cut = front.link.cut();
        let began = Instant::now();
        says(
            &front.check(&["--timeout", "1"])?,
            2,
            &["CRITICAL - connecting to 127.0.0.1:", "no answer within 1.0 s"],
        );
        assert!(
            began.elapsed() >= Duration::from_secs(1),
            "it did not wait: {:?}",
            began.elapsed()
        );
        drop(cut);
        says(&front.check(&[])?, 0, &["REPLICATION OK"]);
        let holder = alone.primary().session().await?;
        // A lock on the first view stops every new connection, a lock on the second one the queries.
        for (view, part) in [
            ("pg_replication_slots", "the server accepts connections and does not answer"),
            ("pg_stat_wal_receiver", "no answer within the time of the check"),
        ] {
            holder.run(&format!("BEGIN; LOCK TABLE {view} IN ACCESS EXCLUSIVE MODE")).await?;
            says(&front.check(&["--timeout", "1"])?, 2, &[part]);
            holder.run("ROLLBACK").await?;
        }
        alone.primary().stop(Shutdown::Fast).await?;
        says(
            &front.check(&["--format", "prometheus"])?,
            2,
            &[&format!("pg_replication_up{{server=\"127.0.0.1:{}\"}} 0\n", front.port())],
        );
        Ok(alone.stop().await?)
    });
}

/// TLS works as in libpq: a refused connection names the remedy, and a certificate is verified as far as
/// `sslmode` requires. Method: a server that accepts connections over TLS only, with a self-signed
/// certificate, as in the manual's example.
#[test]
fn tls_is_used_and_certificates_are_verified() {
    within_deadline(async move {
        let site = Site::choose(&Settings::from_env()?).await?;
        // A loopback address that only this test uses: a local server listens on its default port there.
        let [_, _, a, b] = std::process::id().to_be_bytes();
        let own = Ipv4Addr::new(127, 77, a.max(1), b.max(1));
        let address = if site.kind() == "local" { own.to_string() } else { "*".to_owned() };
        let topology = Topology::alone().set("listen_addresses", address);
        let alone = topology.start_at(&site, &Notebook::in_memory()).await?;
        let primary = alone.primary();
        primary.session().await?.run(ROLE).await?;
        let (host, port) = primary.endpoint().host_and_port();
        let host = if host.starts_with('/') { own.to_string() } else { host };
        let home = directory();
        let (right, wrong) = (certificate(&[&host])?, certificate(&["db.example.org"])?);
        let root = home.path().join("root.crt");
        std::fs::write(&root, &right.0)?;
        serve(primary, &right).await?;

        let check = |words: &str| -> Outcome<Output> {
            let string = format!("host={host} port={port} dbname=postgres user=monitor {words}");
            let mut command = lab(&["check", &string]);
            command.env("PGPASSWORD", PASSWORD).env("HOME", home.path());
            Ok(command.output()?)
        };
        let with_root = format!("sslrootcert={}", root.display());
        says(&check("sslmode=disable")?, 3, &["28000 no pg_hba.conf entry", "sslmode=require"]);
        for good in
            ["", "sslmode=allow", "sslmode=require", &format!("sslmode=verify-ca {with_root}")]
        {
            says(&check(good)?, 0, &["REPLICATION OK"]);
        }
        says(&check(&format!("sslmode=verify-full {with_root}"))?, 0, &["REPLICATION OK"]);
        says(&check("sslmode=verify-full")?, 3, &["there is no root certificate", "sslrootcert="]);
        says(
            &check("sslrootcert=system")?,
            3,
            &["certificate is not trusted: self-signed certificate"],
        );

        // A root that did not sign the server's certificate; then a certificate with another name.
        std::fs::write(&root, &wrong.0)?;
        says(
            &check(&format!("sslmode=require {with_root}"))?,
            3,
            &["certificate is not trusted: self-signed certificate"],
        );
        serve(primary, &wrong).await?;
        says(&check(&format!("sslmode=verify-ca {with_root}"))?, 0, &["REPLICATION OK"]);
        says(
            &check(&format!("sslmode=verify-full {with_root}"))?,
            3,
            &["is for \"db.example.org\", not for the host"],
        );
        Ok(alone.stop().await?)
    });
}

/// A healthy pair is OK from both ends, in every format.
fn a_healthy_pair_is_ok(up: &Front, down: &Front) -> Outcome {
    says(
        &up.check(&["--expect", "primary", "--standbys", "1"])?,
        0,
        &[
            "REPLICATION OK - a primary on timeline 1; standbys that stream: 1 | ",
            "\nNONE     synchronous: synchronous_standby_names is empty: commits wait for no standby\n",
            "\nNONE     archiver: this server does not archive WAL\n",
            "'standby_lag standby1'=0B;10000000;100000000;0",
            "'slot_active standby1'=1;;;0",
            "\nOK       slot_wal: slot standby1 is reserved: the WAL that it retains is available\n",
        ],
    );
    says(
        &down.check(&["--expect", "standby"])?,
        0,
        &[
            "REPLICATION OK - a standby on timeline 1; ",
            "the walreceiver streams",
            "'replay_lag'=0B;10000000;100000000;0",
        ],
    );
    says(
        &down.check(&["--expect", "primary"])?,
        2,
        &["a standby on timeline 1, where a primary is expected"],
    );
    says(
        &up.check(&["--format", "prometheus"])?,
        0,
        &[
            &format!("pg_replication_up{{server=\"127.0.0.1:{}\"}} 1\n", up.port()),
            "# TYPE pg_replication_standby_lag_bytes gauge\n",
            ",application_name=\"standby1\"} 0\n",
            "pg_replication_is_replica{server=",
        ],
    );
    the_names_of_standbys_and_slots_matter(up)?;
    a_file_has_the_labels(up)?;
    let object: serde_json::Value = {
        let ran = up.check(&["--format", "json"])?;
        serde_json::from_slice(&ran.stdout)?
    };
    let seen = ["/state", "/exit_code"].map(|path| object.pointer(path).cloned());
    assert_eq!(seen, [Some("OK".into()), Some(0.into())], "{object}");
    Ok(())
}

fn the_names_of_standbys_and_slots_matter(up: &Front) -> Outcome {
    let named = up.check(&["--standby", "standby1", "--standby", "standby9"])?;
    says(&named, 2, &["CRITICAL - standby standby9 is expected, and does not stream | "]);
    let left_out = up.check(&["--exclude-standby", "stand*", "--standbys", "1"])?;
    says(&left_out, 2, &["standbys that stream: 0, where 1 are expected"]);
    let slots = up.check(&["--exclude-slot", "standby?"])?;
    says(
        &slots,
        0,
        &["\nNONE     slot_active: the replication slots of this server are excluded: 1\n"],
    );
    Ok(())
}

/// A file for a collector has the labels that were asked for in every series, and each series once.
fn a_file_has_the_labels(up: &Front) -> Outcome {
    let home = directory();
    let file = home.path().join("replication.prom");
    let path = file.display().to_string();
    let labels = ["--label", "server=db1", "--label", "cluster=main"];
    let ran = up.check(&[&labels[..], &["--format", "prometheus", "--output", &path]].concat())?;
    assert!(ran.status.success() && ran.stdout.is_empty(), "{ran:?}");
    let text = std::fs::read_to_string(&file)?;
    let samples: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let labelled = |line: &&str| line.contains("{server=\"db1\",cluster=\"main\"");
    assert!(samples.len() > 20 && samples.iter().all(labelled), "{text}");
    let series = samples.iter().filter_map(|line| line.rsplit_once(' ')).map(|(series, _)| series);
    let different: std::collections::BTreeSet<_> = series.collect();
    assert_eq!(different.len(), samples.len(), "{text}");
    let nowhere = up.check(&["--output", "/nonexistent/replication.prom"])?;
    assert_eq!(nowhere.status.code(), Some(3), "{nowhere:?}");
    Ok(())
}

/// The password comes from the variable, the string, or a file that only its owner can read.
fn a_password_is_found(front: &Front) -> Outcome {
    let home = directory();
    says(
        &check_of(&front.string(), &[]).env("PGPASSWORD", "a-secret").output()?,
        3,
        &["REPLICATION UNKNOWN - ", "28P01 password authentication failed for user \"monitor\""],
    );
    says(
        &check_of(&front.string(), &[]).output()?,
        3,
        &["REPLICATION UNKNOWN", "password missing"],
    );
    let uri = format!("postgresql://monitor:{PASSWORD}@127.0.0.1:{}/postgres", front.port());
    says(&check_of(&uri, &[]).output()?, 0, &["REPLICATION OK"]);
    let file = home.path().join("passwords");
    std::fs::write(&file, format!("127.0.0.1:*:postgres:monitor:{PASSWORD}\n"))?;
    std::fs::set_permissions(&file, Permissions::from_mode(0o600))?;
    let with_file = || {
        let mut command = check_of(&front.string(), &[]);
        command.env("PGPASSFILE", &file);
        command
    };
    says(&with_file().output()?, 0, &["REPLICATION OK"]);
    std::fs::set_permissions(&file, Permissions::from_mode(0o644))?;
    says(
        &with_file().output()?,
        3,
        &["password missing; set PGPASSWORD", "; the password file ", "chmod 600"],
    );
    Ok(())
}

/// A server behind a relay, which gives it a port and a network that can be cut.
struct Front {
    link: Link,
}

impl Front {
    async fn of(node: &Node) -> Result<Self> {
        let (bind, book) = (SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), Notebook::in_memory());
        Ok(Self { link: Link::open("the check", &book, bind, None, node.endpoint()).await? })
    }

    fn port(&self) -> u16 {
        self.link.address().1
    }

    fn string(&self) -> String {
        format!("host=127.0.0.1 port={} dbname=postgres user=monitor", self.port())
    }

    fn check(&self, options: &[&str]) -> Outcome<Output> {
        Ok(check_of(&self.string(), options).env("PGPASSWORD", PASSWORD).output()?)
    }
}

fn check_of(string: &str, options: &[&str]) -> Command {
    let mut command = lab(&["check", string]);
    command.args(options).env("HOME", "/nonexistent").env_remove("PGPASSWORD");
    command
}

/// Asserts the exit code, and that the standard output contains these parts and no password.
#[track_caller]
fn says(ran: &Output, code: i32, parts: &[&str]) {
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    let errors = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert_eq!(ran.status.code(), Some(code), "{said}{errors}");
    for part in parts {
        assert!(said.contains(part), "{part:?} is missing in:\n{said}{errors}");
    }
    for secret in [PASSWORD, "a-secret"] {
        assert!(!said.contains(secret) && !errors.contains(secret), "{said}{errors}");
    }
}

/// A server that speaks HTTP.
fn stranger() -> Outcome<u16> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    Ok(port)
}

/// Makes a self-signed certificate and its key, as PEM.
fn certificate(names: &[&str]) -> Outcome<(String, String)> {
    let mut parameters =
        CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())?;
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate()?;
    Ok((parameters.self_signed(&key)?.pem(), key.serialize_pem()))
}

/// Restarts a server with this certificate, and lets the role monitor connect over TLS only.
async fn serve(node: &Node, (certificate, key): &(String, String)) -> Result<()> {
    node.session_unrecorded().await?.run("ALTER SYSTEM SET ssl = on").await?;
    node.stop(Shutdown::Fast).await?;
    node.run(&format!(
        "umask 077 && cd \"$PGDATA\" && printf '%s' '{certificate}' >server.crt && \
         printf '%s' '{key}' >server.key && printf '%s\\n' 'local all all scram-sha-256' \
         'host all postgres all scram-sha-256' 'hostssl all monitor all scram-sha-256' >pg_hba.conf"
    ))
    .await?;
    node.start().await
}

async fn wait_for_idle_slot(writer: &Session) -> Result<()> {
    until("the slot is inactive", PATIENCE, || async {
        let slot = stat::slot(writer, "standby1").await?;
        let busy = Seen::NotYet(format!("{slot:?}"));
        Ok(if slot.active { busy } else { Seen::Done(()) })
    })
    .await
}

/// Fills WAL segments and makes checkpoints until the slot is lost.
async fn lose_the_slot(writer: &Session) -> Result<()> {
    until("the slot is lost", PATIENCE, || async {
        for _ in 0..3 {
            writer.run("SELECT pg_switch_wal()").await?;
            writer.run("SELECT pg_create_restore_point('next')").await?;
        }
        writer.run("CHECKPOINT").await?;
        let slot = stat::slot(writer, "standby1").await?;
        let there = Seen::NotYet(format!("{slot:?}"));
        Ok(if slot.wal_status.as_deref() == Some("lost") { Seen::Done(()) } else { there })
    })
    .await
}
