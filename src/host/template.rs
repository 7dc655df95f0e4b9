//! A data directory made once per PostgreSQL version and kept in the user's cache, from which local
//! nodes are copied: a cleanly stopped data directory is a valid cold backup, so a primary and its
//! standbys can start from it at the same time. Copies share a system identifier, and no template
//! is ever started.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rand::Rng as _;
use rand::distr::Alphanumeric;

use super::installation::Installation;
use super::local::Account;
use crate::error::{Error, Result, Why};

/// What every data directory of the lab is made with. Locale and encoding are pinned: else every
/// refusal would be told in the language of the machine.
pub(crate) const INITDB: &str =
    "initdb --locale=C --encoding=UTF8 --username=postgres --auth=scram-sha-256";

/// A data directory to copy from.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    pub(crate) data: PathBuf,
    /// The superuser's password in it; only until a cluster made of it is up.
    pub(crate) password: String,
}

impl Template {
    /// The template of this installation, made if it is not there yet. Two processes that need it
    /// at once: one makes it, the other waits.
    pub(crate) async fn of(installation: &Installation) -> Result<Self> {
        let account = Account::for_servers()?;
        let cache = cache(account.as_ref())?;
        let place = cache.join(key(installation));
        let act = || format!("making the template data directory {}", place.display());
        let io = |source| Error::io(act(), source).remedy("remove it: cargo lab clean --all");
        let lock = File::create(cache.join("lock")).map_err(io)?;
        let lock = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock))
            .await
            .map_err(|source| io(source.into()))?
            .map_err(io)?;
        if !place.join("password").exists() {
            let _ = fs::remove_dir_all(&place);
            initdb(installation, account.as_ref(), &place).await?;
        }
        drop(lock);
        let password = fs::read_to_string(place.join("password")).map_err(io)?;
        Ok(Self { data: place.join("data"), password })
    }
}

/// The password file is written last: it marks a template that is whole.
async fn initdb(
    installation: &Installation,
    account: Option<&Account>,
    place: &Path,
) -> Result<()> {
    let password = random_password();
    let line = format!(
        "umask 077 && mkdir '{place}' && cd '{place}' && printf %s \"$PASSWORD\" >new && \
         {INITDB} --no-sync --pwfile=new -D data && sync && mv new password",
        place = place.display()
    );
    let mut sh = super::local::command("sh");
    sh.args(["-c", &line]).env("PATH", installation.path()).env("PASSWORD", &password);
    sh.env("LC_ALL", "C").stdin(Stdio::null()).current_dir("/");
    if let Some(account) = account {
        sh.uid(account.uid).gid(account.gid);
    }
    let act = format!("making the template data directory {}", place.display());
    let output = sh.output().await.map_err(|source| Error::io(act.clone(), source))?;
    if output.status.success() {
        return Ok(());
    }
    let status = output.status.code().map(i64::from);
    let output = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(Error::new(act, Why::Command { line: INITDB.to_owned(), status, output }))
}

/// The directory of templates, 0700 and of the account that servers run under.
pub(crate) fn cache(account: Option<&Account>) -> Result<PathBuf> {
    use std::os::unix::fs::{DirBuilderExt as _, chown};
    let base = match account {
        Some(_) => PathBuf::from("/var/cache"),
        None => dirs::cache_dir().unwrap_or_else(std::env::temp_dir),
    };
    let cache = base.join("replication-lab");
    let act = || format!("making the cache directory {}", cache.display());
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&cache)
        .map_err(|source| Error::io(act(), source))?;
    if let Some(account) = account {
        chown(&cache, Some(account.uid), Some(account.gid))
            .map_err(|source| Error::io(act(), source))?;
    }
    Ok(cache)
}

/// One template for each build of PostgreSQL and each way of making one.
fn key(installation: &Installation) -> String {
    let mut hasher = DefaultHasher::new();
    (&installation.bin, INITDB).hash(&mut hasher);
    format!("template-{}-{:016x}", installation.version, hasher.finish())
}

/// A password that nobody needs to remember.
pub(crate) fn random_password() -> String {
    rand::rng().sample_iter(Alphanumeric).take(24).map(char::from).collect()
}
