//! The settings `LAB_…` by their effect: where servers run, with which programs, image and configuration,
//! and how long the lab waits. Method: the program `lab` in an environment of the test's own. What `LAB_KEEP`,
//! `LAB_SCALE` and `LAB_RECORDS` do to a run is tested in `outcome.rs`, the errors in `errors.rs`.

use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use pretty_assertions::assert_eq;
use replication_lab::tokio_postgres::Config;
use replication_lab::{HostChoice, Notebook, Session, Settings, Site};
use rstest::rstest;
use tokio::net::UnixListener;

use crate::errors::{ITS_IMAGE, bare_lab, empty_engine};
use crate::support::{Outcome, directory, lab, within_deadline};

/// `LAB_DIR` has the directories of the servers, closed to other accounts, and `LAB_CONF` configures each of
/// them.
#[test]
fn the_directory_and_the_configuration_are_used() {
    within_deadline(async move {
        if local_site().await.is_none() {
            return Ok(());
        }
        let home = directory();
        let conf = home.path().join("extra.conf");
        fs::write(&conf, "work_mem = '7MB'\n")?;
        let mut up = lab(&["up"]);
        up.env("LAB_HOST", "local").env("LAB_DIR", home.path()).env("LAB_CONF", &conf);
        up.env_remove("LAB_PG");
        let mut holder = up.stderr(std::process::Stdio::null()).spawn()?;
        let said = holder.stdout.take().map(BufReader::new).ok_or("its output is piped")?;
        let lines = said.lines().map_while(Result::ok);
        let lines: Vec<_> =
            lines.take_while(|line| !line.starts_with("help lists the verbs")).collect();
        let is_of_one_server = |line: &&String| line.starts_with("host=") && !line.contains(',');
        let strings: Vec<_> = lines.iter().filter(is_of_one_server).collect();
        let mut seen = Vec::new();
        for string in &strings {
            let config: Config = string.parse()?;
            let session = Session::open(&config, "a server", &Notebook::in_memory()).await?;
            let name: String = session.value("SHOW cluster_name").await?;
            seen.push((name, session.value::<String>("SHOW work_mem").await?));
        }
        let prefix = format!("lab-{}-", holder.id());
        let hosts = entries(home.path()).into_iter().filter(|path| path.is_dir());
        let hosts: Vec<_> =
            hosts.map(|path| (file_name(&path).starts_with(&prefix), mode(&path))).collect();
        drop(holder.stdin.take());
        assert!(holder.wait()?.success());
        let of = |name: &str| (name.to_owned(), "7MB".to_owned());
        assert_eq!(seen, [of("primary"), of("standby1")], "{lines:?}");
        assert_eq!(hosts, [(true, 0o700), (true, 0o700)]);
        assert_eq!(entries(home.path()), [conf], "its directories are removed");
        Ok(())
    });
}

/// Returns the site of local processes; none on a machine that has no PostgreSQL programs, where there is
/// nothing to see.
async fn local_site() -> Option<Site> {
    let settings = Settings { host: HostChoice::Local, ..Settings::default() };
    match Site::choose(&settings).await {
        Ok(site) => Some(site),
        Err(error) if error.is_missing() || error.is_not_found() => None,
        Err(error) => panic!("{error:?}"),
    }
}

/// Of two installations the newest is chosen, or that of `LAB_PG`, or that of `LAB_PG_BIN`, with `LAB_HOST` or
/// because it names local programs.
#[rstest]
#[case::newest(&[("LAB_HOST", "local")], "PostgreSQL 97.3 from {}/97 (LAB_HOST=local)")]
#[case::version(&[("LAB_HOST", "local"), ("LAB_PG", "96")], "PostgreSQL 96.1 from {}/96 (LAB_HOST=local)")]
#[case::bin(&[("LAB_HOST", "local"), ("LAB_PG_BIN", "{}/95")], "PostgreSQL 95.2 from {}/95 (LAB_HOST=local)")]
#[case::auto(&[("LAB_HOST", "auto"), ("LAB_PG_BIN", "{}/95")], "PostgreSQL 95.2 from {}/95 (LAB_PG_BIN is set)")]
fn the_installation_is_the_chosen_one(
    #[case] environment: &'static [(&'static str, &'static str)],
    #[case] chosen: &'static str,
) {
    within_deadline(async move {
        let home = directory();
        let at = fs::canonicalize(home.path())?;
        for (major, minor) in [(95, 2), (97, 3), (96, 1)] {
            let bin = at.join(major.to_string());
            fs::create_dir(&bin)?;
            let version = format!("postgres (PostgreSQL) {major}.{minor}");
            for name in ["postgres", "initdb", "pg_ctl", "pg_basebackup"] {
                program_in(&bin, name, &format!("[ \"$1\" = --version ] && echo '{version}'"))?;
            }
        }
        let at = at.display().to_string();
        let mut up = bare_lab();
        up.env("PATH", format!("{at}/96:{at}/97:/usr/bin:/bin"));
        up.envs(environment.iter().map(|(name, value)| (name, value.replace("{}", &at))));
        let announced = announcement(&mut up)?;
        let expected = format!("local processes, {}", chosen.replace("{}", &at));
        assert_eq!(announced, format!("replication-lab: {expected}"));
        Ok(())
    });
}

/// `LAB_IMAGE` is the image of the containers, for `LAB_HOST=container` as for `auto`. Method: an engine of the
/// test's own that has this image.
#[test]
fn the_image_is_the_chosen_one() {
    within_deadline(async move {
        let home = directory();
        let socket = home.path().join("engine.sock");
        let engine = tokio::spawn(empty_engine(UnixListener::bind(&socket)?));
        let docker_host = format!("unix://{}", socket.display());
        let announced = tokio::task::spawn_blocking(move || {
            ["container", "auto"].map(|host| {
                let mut up = bare_lab();
                up.env("DOCKER_HOST", &docker_host)
                    .env("LAB_HOST", host)
                    .env("LAB_IMAGE", ITS_IMAGE);
                announcement(&mut up).map_err(|error| error.to_string())
            })
        })
        .await?;
        engine.abort();
        for announced in announced {
            let begin =
                format!("replication-lab: containers of {ITS_IMAGE}, PostgreSQL 17.4, on engine ");
            assert!(announced.as_ref().is_ok_and(|said| said.starts_with(&begin)), "{announced:?}");
        }
        Ok(())
    });
}

/// `LAB_TIMEOUT` multiplies what the lab waits: at a ten-thousandth neither a server nor an engine is waited
/// for long enough.
#[test]
fn the_timeout_multiplies_every_wait() {
    within_deadline(async move {
        let mut up = lab(&["up"]);
        let home = directory();
        up.env("LAB_TIMEOUT", "0.0001").env("LAB_DIR", home.path());
        let said = failure(&mut up)?;
        let waited = said.split("it did not happen within ").nth(1).unwrap_or_default();
        let for_a_server = waited.lines().next().is_some_and(|waited| waited.ends_with("ms"));
        assert!(for_a_server || said.contains("because: deadline has elapsed"), "{said}");
        Ok(())
    });
}

/// Servers of another version than the programs or the tag say are an error. Method: programs that say 97.4,
/// and are those of this machine's version. The template that they made is closed to other accounts.
#[test]
fn a_server_of_another_version_is_an_error() {
    within_deadline(async move {
        let Some(real) = local_site().await else { return Ok(()) };
        let said = real.to_string();
        let bin = said.split(" from ").nth(1).and_then(|rest| rest.split(" (").next());
        let real_bin = bin.ok_or("a site of local processes names their programs")?;
        let home = directory();
        let made = home.path().join("made");
        fs::write(&made, "")?;
        fs::set_permissions(&made, Permissions::from_mode(0o666))?;
        for name in ["postgres", "initdb", "pg_ctl", "pg_basebackup"] {
            let mut line = format!("exec {real_bin}/{name} \"$@\"");
            if name == "postgres" {
                let version = "[ \"$1\" = --version ] && echo 'postgres (PostgreSQL) 97.4' && exit";
                line = format!("{version}\n{line}");
            }
            if name == "initdb" {
                line = format!("pwd >{}\n{line}", made.display());
            }
            program_in(home.path(), name, &line)?;
        }
        let mut up = bare_lab();
        up.env("LAB_HOST", "local").env("LAB_PG_BIN", home.path());
        let dir = directory();
        let said = failure(up.env("LAB_DIR", dir.path()));
        let new = PathBuf::from(fs::read_to_string(made)?.trim());
        let cache = new.parent().ok_or("a template is in the cache")?;
        let is_its = |path: &PathBuf| file_name(path).starts_with("template-97.4-");
        let template = entries(cache).into_iter().find(is_its).ok_or("there is a template")?;
        let parts = [cache, &template, &template.join("data"), &template.join("password")];
        let modes = parts.map(mode);
        fs::remove_dir_all(&template)?;
        assert_eq!(modes, [0o700, 0o700, 0o700, 0o600]);
        let said = said?;
        for part in [
            "looking for PostgreSQL 97.4",
            &format!("PostgreSQL {}", real.version()),
            "set LAB_PG to that version",
        ] {
            assert!(said.contains(part), "{part:?} is missing in:\n{said}");
        }
        assert_eq!(entries(dir.path()), Vec::<PathBuf>::new());
        Ok(())
    });
}

/// Writes a script as a program.
fn program_in(bin: &Path, name: &str, line: &str) -> Outcome {
    let path = bin.join(name);
    fs::write(&path, format!("#!/bin/sh\n{line}\n"))?;
    fs::set_permissions(&path, Permissions::from_mode(0o755))?;
    fs::set_permissions(bin, Permissions::from_mode(0o755))?;
    Ok(())
}

/// Returns the first line that names the chosen site. Method: a configuration that cannot be read ends the
/// lab after the choice.
fn announcement(up: &mut Command) -> Outcome<String> {
    let said = failure(up.env("LAB_CONF", "/nonexistent/extra.conf"))?;
    let line = said.lines().find(|line| line.starts_with("replication-lab: "));
    line.map(str::to_owned).ok_or_else(|| format!("no announcement in:\n{said}").into())
}

/// Runs the lab, which fails, and returns what it said on its standard error.
fn failure(up: &mut Command) -> Outcome<String> {
    let mut running = up.spawn()?;
    drop(running.stdin.take());
    let mut said = String::new();
    running.stderr.take().ok_or("its errors are piped")?.read_to_string(&mut said)?;
    let code = running.wait()?.code();
    match code {
        Some(1) => Ok(said),
        other => Err(format!("exit code {other:?}:\n{said}").into()),
    }
}

/// Returns the paths in a directory, in order.
fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut entries: Vec<_> = entries.map(|entry| entry.path()).collect();
    entries.sort();
    entries
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Returns the permissions of a file; 0 where there is none.
fn mode(path: &Path) -> u32 {
    fs::metadata(path).map_or(0, |found| found.permissions().mode() & 0o777)
}
