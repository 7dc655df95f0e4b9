//! `lab check` as monitoring systems run it: its output and its exit code. Method: it is run, against
//! servers that are well, unwell, unreachable, or no servers at all.

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

/// Every state of a pair that a person gets up for, from both ends. Method: bring each about, run the
/// check, and undo it where it can be.
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
        says(&down.check(&[])?, 0, &["replay goes on"]);

        drop(reader);
        standby.stop(Shutdown::Fast).await?;
        wait_for_idle_slot(&writer).await?;
        says(&up.check(&[])?, 1, &["REPLICATION WARNING - slot standby1 is used by nobody | "]);
        says(
            &up.check(&["--standbys", "1"])?,
            2,
            &[
                "REPLICATION CRITICAL - standbys that stream: 0, and 1 are expected; slot standby1 is used",
            ],
        );
        says(&down.check(&[])?, 2, &["REPLICATION CRITICAL - "]);
        lose_the_slot(&writer).await?;
        says(&up.check(&[])?, 2, &["slot standby1 is lost: its standby must be made anew"]);
        Ok(pair.stop().await?)
    });
}

/// Whoever cannot be asked is told apart: by the exit code, in one line, within the deadline, and
/// without a password.
#[test]
fn who_cannot_be_asked_is_told() {
    within_deadline(async move {
        let alone = Topology::alone().start().await?;
        alone.primary().session().await?.run(ROLE).await?;
        let front = Front::of(alone.primary()).await?;
        a_password_comes_from_where_it_should(&front)?;
        // A port that is taken, and where nobody listens.
        let closed = TcpSocket::new_v4()?;
        closed.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let dead = closed.local_addr()?.port();
        let nobody = format!("host=127.0.0.1 port={dead} user=monitor");
        says(
            &check_of(&nobody, &[]).output()?,
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
            &["is no PostgreSQL: it says \"HTTP/1.1 400 Bad Request\""],
        );
        says(
            &check_of("host=h hots=secret", &[]).output()?,
            3,
            &["the connection string is not understood", "hots"],
        );
        says(&check_of("", &["--warning", "lots"]).output()?, 3, &["\"lots\" is no size"]);

        let cut = front.link.cut();
        let began = Instant::now();
        says(
            &front.check(&["--timeout", "1"])?,
            2,
            &["CRITICAL - no answer from 127.0.0.1:", "within 1.0 s"],
        );
        assert!(
            began.elapsed() >= Duration::from_secs(1),
            "it did not wait: {:?}",
            began.elapsed()
        );
        drop(cut);
        says(&front.check(&[])?, 0, &["REPLICATION OK"]);
        let holder = alone.primary().session().await?;
        // The first keeps everybody from connecting, the second one from looking.
        for (view, part) in [
            ("pg_replication_slots", "takes connections and says nothing"),
            ("pg_stat_wal_receiver", "does not answer any more"),
        ] {
            holder.run(&format!("BEGIN; LOCK TABLE {view} IN ACCESS EXCLUSIVE MODE")).await?;
            says(&front.check(&["--timeout", "1"])?, 2, &[part]);
            holder.run("ROLLBACK").await?;
        }
        alone.primary().stop(Shutdown::Fast).await?;
        says(&front.check(&["--format", "prometheus"])?, 2, &["pg_replication_up 0\n"]);
        Ok(alone.stop().await?)
    });
}

/// TLS as libpq has it: who asks for none is told what helps, and a certificate is believed as far as
/// `sslmode` says. Method: a server that takes connections over TLS only, with a certificate that signs
/// for itself, as the manual makes them.
#[test]
fn tls_is_used_and_certificates_are_verified() {
    within_deadline(async move {
        let site = Site::choose(&Settings::from_env()?).await?;
        // An address of this test's own: a local server listens on its usual port there.
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
        says(&check("sslrootcert=system")?, 3, &["invalid peer certificate: UnknownIssuer"]);

        // The same key holder, another name; and a stranger's.
        std::fs::write(&root, &wrong.0)?;
        says(
            &check(&format!("sslmode=require {with_root}"))?,
            3,
            &["invalid peer certificate: UnknownIssuer"],
        );
        serve(primary, &wrong).await?;
        says(&check(&format!("sslmode=verify-ca {with_root}"))?, 0, &["REPLICATION OK"]);
        says(&check(&format!("sslmode=verify-full {with_root}"))?, 3, &["not valid for name"]);
        Ok(alone.stop().await?)
    });
}

/// Both ends of it, in every format.
fn a_healthy_pair_is_ok(up: &Front, down: &Front) -> Outcome {
    says(
        &up.check(&["--expect", "primary", "--standbys", "1"])?,
        0,
        &[
            "REPLICATION OK - a primary on timeline 1; standbys that stream: 1 | ",
            "'standby_lag standby1'=0B;10000000;100000000;0",
            "'slot_active standby1'=1;;;0",
            "\nOK       slot_wal: slot standby1 is reserved: its WAL is there\n",
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
    says(&down.check(&["--expect", "primary"])?, 2, &["a standby on timeline 1, and a primary"]);
    says(
        &up.check(&["--format", "prometheus"])?,
        0,
        &[
            "pg_replication_up 1\n",
            "# TYPE pg_replication_standby_lag_bytes gauge\n",
            "pg_replication_standby_lag_bytes{application_name=\"standby1\"} 0\n",
            "pg_replication_is_replica 0\n",
        ],
    );
    let object: serde_json::Value = {
        let ran = up.check(&["--format", "json"])?;
        serde_json::from_slice(&ran.stdout)?
    };
    let seen = ["/state", "/exit_code"].map(|path| object.pointer(path).cloned());
    assert_eq!(seen, [Some("OK".into()), Some(0.into())], "{object}");
    Ok(())
}

/// From the variable, the string or a file that nobody else can read.
fn a_password_comes_from_where_it_should(front: &Front) -> Outcome {
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
    says(&with_file().output()?, 3, &["password missing; the password file", "chmod 600"]);
    Ok(())
}

/// A server behind a relay, so that it has a port and a network that can be cut.
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

/// Asserts the exit code, and what is said where a monitoring system reads it.
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

/// A certificate that signs for itself, and its key, as PEM.
fn certificate(names: &[&str]) -> Outcome<(String, String)> {
    let mut parameters =
        CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())?;
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate()?;
    Ok((parameters.self_signed(&key)?.pem(), key.serialize_pem()))
}

/// Lets a server take the monitor's connections over TLS only, with this certificate.
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
    until("nobody uses the slot", PATIENCE, || async {
        let slot = stat::slot(writer, "standby1").await?;
        let busy = Seen::NotYet(format!("{slot:?}"));
        Ok(if slot.active { busy } else { Seen::Done(()) })
    })
    .await
}

/// Fills WAL files, and makes checkpoints, until the slot is beyond its limit.
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
