//! Bad settings and missing things: each has its own error, which names what is wrong, what was found
//! and what to do next; and nothing is left running. Method: the program `lab` in an environment
//! of the test's own, its exit code and its output.

use std::fs::Permissions;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use pretty_assertions::assert_eq;
use rstest::rstest;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

use crate::support::{Outcome, directory, lab, within_deadline};

/// The image that an engine of the tests has.
pub(crate) const ITS_IMAGE: &str = "mine:17";

/// What the engine says of the template of its image.
const ITS_TEMPLATE: &str = r#"{"Id":"sha256:2","Config":{"Labels":{
    "replication-lab.template-password":"x","replication-lab.base":"mine:17",
    "replication-lab.version":"17.4","replication-lab.programs":"/bin","replication-lab.libraries":"","replication-lab.user":"me"}}}"#;

/// Variables and their values.
type Environment = &'static [(&'static str, &'static str)];

const NO_ENGINE: (&str, &str) = ("DOCKER_HOST", "unix:///nonexistent/docker.sock");
const NO_PROGRAMS: (&str, &str) = ("LAB_PG_BIN", "/nonexistent/bin");

#[rstest]
#[case::host(&[("LAB_HOST", "podman")], &["LAB_HOST", "podman", "auto, container, local"])]
#[case::version(&[("LAB_PG", "12")], &["LAB_PG", "12", "from 13 on"])]
#[case::no_version(&[("LAB_PG", "newest")], &["LAB_PG", "newest", "from 13 on"])]
#[case::keep(&[("LAB_KEEP", "yes")], &["LAB_KEEP", "yes", "0, 1"])]
#[case::timeout(&[("LAB_TIMEOUT", "slow")], &["LAB_TIMEOUT", "slow", "a number above 0"])]
#[case::no_engine(
    &[("LAB_HOST", "container"), NO_ENGINE],
    &["container engine", "because:", "start Docker", "LAB_HOST=local"]
)]
#[case::no_postgresql(
    &[("LAB_HOST", "local"), NO_PROGRAMS],
    &["PostgreSQL on this machine", "/nonexistent/bin", "install", "LAB_PG_BIN"]
)]
#[case::neither(
    &[("LAB_HOST", "auto"), NO_ENGINE, ("LAB_PG", "98")],
    &["choosing where to run PostgreSQL", "container engine", "PostgreSQL 98 on this", "one of the two"]
)]
fn says(#[case] environment: Environment, #[case] expected: &'static [&'static str]) {
    within_deadline(async move { refused(bare_lab().envs(environment.iter().copied()), expected) });
}

const LONG: &str =
    "/tmp/a-directory-whose-name-is-far-too-long-for-the-path-of-a-unix-socket-in-it";

/// Errors on a machine that has PostgreSQL 17. Method: programs that only report that version.
#[rstest]
#[case::version(&[("LAB_PG", "98")], &["PostgreSQL 98 on this machine", "17.0 in", "postgresql-98"])]
#[case::directory(&[("LAB_DIR", "/nonexistent/dir")], &["/nonexistent/dir", "set LAB_DIR"])]
#[case::long_directory(&[("LAB_DIR", LONG)], &["bytes", "set LAB_DIR to a shorter path"])]
#[case::conf(&[("LAB_CONF", "/nonexistent/extra.conf")], &["LAB_CONF=/nonexistent/extra.conf"])]
fn says_where_postgresql_is(
    #[case] environment: Environment,
    #[case] expected: &'static [&'static str],
) {
    within_deadline(async move {
        let bin = directory();
        for program in ["postgres", "initdb", "pg_ctl", "pg_basebackup"] {
            let path = bin.path().join(program);
            let says = "#!/bin/sh\n[ \"$1\" = --version ] && echo 'postgres (PostgreSQL) 17.0'\n";
            std::fs::write(&path, says)?;
            std::fs::set_permissions(&path, Permissions::from_mode(0o755))?;
        }
        let mut lab = bare_lab();
        lab.env("LAB_HOST", "local").env("LAB_PG_BIN", bin.path());
        refused(lab.envs(environment.iter().copied()), expected)
    });
}

/// An engine without the image and without a registry: the error says how to build the image. Method: an
/// engine of the test's own that has no image and cannot pull one.
#[test]
fn an_image_that_cannot_be_had() {
    within_deadline(async move {
        let home = directory();
        let socket = home.path().join("engine.sock");
        let engine = tokio::spawn(empty_engine(UnixListener::bind(&socket)?));
        let docker_host = format!("unix://{}", socket.display());
        tokio::task::spawn_blocking(move || -> Result<(), String> {
            let mut lab = bare_lab();
            lab.envs([("LAB_HOST", "container"), ("LAB_PG", "17"), ("DOCKER_HOST", &docker_host)]);
            let expected =
                ["pulling the image postgres:17", "no such host", "fixtures/images/build 17"];
            refused(&mut lab, &expected).map_err(|error| error.to_string())
        })
        .await??;
        engine.abort();
        Ok(())
    });
}

/// A server that cannot start is reported with the last lines of its log, at once and not at a
/// deadline.
#[test]
fn a_server_that_does_not_start() {
    within_deadline(async move {
        let home = directory();
        let conf = home.path().join("extra.conf");
        std::fs::write(&conf, "shared_buffers = 'lots'\n")?;
        let expected = ["exited by itself", "last lines of the server's log", "shared_buffers"];
        refused(lab(&["up"]).env("LAB_CONF", conf), &expected)
    });
}

/// Arguments of `lab up` that are refused. Method: arguments that are not understood, that contradict
/// each other, and that only PostgreSQL can refuse.
#[rstest]
#[case::delay(2, &["--delay", "soon"], &["--delay <TIME>", "\"soon\" is not a time such as 20ms"])]
#[case::standbys(2, &["--standbys", "9"], &["--standbys <STANDBYS>", "9 is not in 0..=8"])]
#[case::cascade(1, &["--cascade"], &["a cascade", "1 standby", "add --standbys 2"])]
#[case::sync(1, &["--sync", "FIRST 1 ("], &["--sync", "42601", "syntax error", "--help"])]
fn says_what_cannot_be_brought_up(
    #[case] code: i32,
    #[case] arguments: &'static [&'static str],
    #[case] expected: &'static [&'static str],
) {
    let command = move || lab(&[&["up"], arguments].concat());
    within_deadline(async move { refused_with(code, &mut command(), expected) });
}

/// Returns `lab up` without the environment's choice of a host and a version.
pub(crate) fn bare_lab() -> Command {
    let mut command = lab(&["up"]);
    for name in ["LAB_HOST", "LAB_PG", "LAB_IMAGE", "LAB_PG_BIN", "LAB_CONF"] {
        command.env_remove(name);
    }
    command
}

/// Checks that the lab refuses, that its error contains all of this, and that it leaves no directory.
fn refused(command: &mut Command, expected: &[&str]) -> Outcome {
    refused_with(1, command, expected)
}

fn refused_with(code: i32, command: &mut Command, expected: &[&str]) -> Outcome {
    let home = directory();
    if command.get_envs().all(|(name, _)| name != "LAB_DIR") {
        command.env("LAB_DIR", home.path());
    }
    let mut running = command.spawn()?;
    drop(running.stdin.take());
    let mut said = String::new();
    running.stderr.take().ok_or("its errors are piped")?.read_to_string(&mut said)?;
    let status = running.wait()?;
    assert_eq!(status.code(), Some(code), "{said}");
    for part in expected {
        assert!(said.contains(part), "{part:?} is missing in what it said:\n{said}");
    }
    assert!(!said.contains("panicked"), "{said}");
    assert_eq!(entries(home.path()), Vec::<String>::new());
    Ok(())
}

fn entries(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// An engine that has no image but [`ITS_IMAGE`] with its template, which it does not list, and cannot
/// reach a registry.
pub(crate) async fn empty_engine(listener: UnixListener) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(answer(client));
    }
}

async fn answer(mut client: UnixStream) {
    let mut heard = vec![0; 16 * 1024];
    while let Ok(bytes) = client.read(&mut heard).await {
        let request = String::from_utf8_lossy(heard.get(..bytes).unwrap_or_default()).into_owned();
        let path = request.split_whitespace().nth(1).unwrap_or_default().to_owned();
        let (status, body) = match path.split('?').next().unwrap_or_default() {
            path if path.ends_with("/version") => ("200 OK", r#"{"Version":"0.0-empty"}"#),
            path if path.ends_with("/images/json") => ("200 OK", "[]"),
            path if path.ends_with(&format!("/images/{ITS_IMAGE}/json")) => {
                ("200 OK", r#"{"Id":"sha256:1"}"#)
            }
            path if path.contains("/images/replication-lab/template:") => ("200 OK", ITS_TEMPLATE),
            path if path.ends_with("/containers/json") => ("200 OK", "[]"),
            path if path.ends_with("/images/create") => {
                ("500 Internal Server Error", r#"{"message":"lookup registry: no such host"}"#)
            }
            _ => ("404 Not Found", r#"{"message":"not here"}"#),
        };
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        if bytes == 0 || client.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}
