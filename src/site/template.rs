//! A data directory that is created once per PostgreSQL version and that all nodes start from:
//! local nodes copy it from the user's cache, containers have it in their image. A cleanly stopped
//! data directory is a valid cold backup, so a primary and its standbys can start from it at the
//! same time. Copies share a system identifier. No template is ever started.
//!
//! ```text
//!   <cache>/replication-lab.lock                     who makes templates now
//!   <cache>/replication-lab/template-<version>-<key>/data, password
//! ```

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use nix::unistd::Uid;

#[cfg(feature = "container")]
use super::image::Image;
use super::installation::Installation;
use crate::error::{Error, Result, Why};
use crate::host::account::Account;
use crate::host::program;
use crate::host::script::Script;
use crate::password::Password;

/// The command that initialises every data directory of the lab. Locale and encoding are fixed;
/// otherwise messages of servers would be in the language of the machine.
pub(crate) const INITDB: &str =
    "initdb --locale=C --encoding=UTF8 --username=postgres --auth=scram-sha-256";

/// Returns the lines that initialise an empty data directory on a host. The password is in a file
/// for a moment, never in a command line.
pub(crate) fn fill() -> String {
    format!(
        "printf %s \"$PASSWORD\" >../new && {INITDB} --no-sync --pwfile=../new -D \"$PGDATA\" && rm ../new"
    )
}

/// A data directory that nodes start from, and the superuser's password in it, which is replaced
/// when a cluster has started.
#[derive(Clone, Debug)]
pub(crate) enum Template {
    /// A directory to copy.
    Directory(PathBuf, Password),
    /// An image that contains the data directory.
    #[cfg(feature = "container")]
    Image(Image, Password),
}

impl Template {
    pub(crate) fn password(&self) -> &Password {
        match self {
            Self::Directory(_, password) => password,
            #[cfg(feature = "container")]
            Self::Image(_, password) => password,
        }
    }

    /// Returns the script that fills a node's data directory.
    pub(crate) fn fill(&self) -> Script {
        match self {
            Self::Directory(data, _) => {
                let data = data.display().to_string();
                Script::new("cp -Rp \"$TEMPLATE/.\" \"$PGDATA\"").with("TEMPLATE", data)
            }
            #[cfg(feature = "container")]
            Self::Image(..) => Script::new("test -f \"$PGDATA/PG_VERSION\""),
        }
    }

    /// Returns the template of this installation, and creates it if it does not exist. Of two
    /// processes that need it at the same time, one creates it and the other waits. It is created
    /// beside its location and then renamed, so that a partial template is never used.
    pub(crate) async fn in_cache(installation: &Installation) -> Result<Self> {
        let account = Account::for_servers()?;
        let lock = lock(account.as_ref()).await?;
        let cache = cache(account.as_ref())?;
        let directory = cache.join(key(installation)?);
        let act = || format!("creating the template data directory {}", directory.display());
        let io =
            |source| Error::io(act(), source).remedy("remove the cache with cargo lab clean --all");
        if !directory.exists() {
            let new = directory.with_extension(format!("new-{}", std::process::id()));
            initdb(installation, account.as_ref(), &new).await?;
            fs::rename(&new, &directory).map_err(io)?;
        }
        drop(lock);
        let password = fs::read_to_string(directory.join("password")).map_err(io)?;
        Ok(Self::Directory(directory.join("data"), Password::known(password)))
    }
}

/// Returns the directory of the cache; none where it does not exist.
pub(crate) fn find_cache() -> Result<Option<PathBuf>> {
    let account = Account::for_servers()?;
    Ok(Some(cache_path(account.as_ref())).filter(|cache| cache.exists()))
}

/// Removes the cache under its lock, and returns where it was; none where it does not exist.
pub(crate) async fn remove_cache() -> Result<Option<PathBuf>> {
    let account = Account::for_servers()?;
    if find_cache()?.is_none() {
        return Ok(None);
    }
    let lock = lock(account.as_ref()).await?;
    let cache = cache(account.as_ref())?;
    let act = || format!("removing the cache {}", cache.display());
    fs::remove_dir_all(&cache).map_err(|source| Error::io(act(), source))?;
    drop(lock);
    Ok(Some(cache))
}

/// Locks the cache. The lock is beside the cache and not in it: as root, the cache belongs to
/// another account.
async fn lock(account: Option<&Account>) -> Result<File> {
    let path = cache_path(account).with_extension("lock");
    let act = format!("locking {}", path.display());
    let open = || {
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        File::options().create(true).truncate(false).write(true).open(&path)
    };
    let lock = open().map_err(|source| Error::io(act.as_str(), source))?;
    let locked = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock)).await;
    locked.map_err(std::io::Error::from).flatten().map_err(|source| Error::io(act.as_str(), source))
}

fn cache_path(account: Option<&Account>) -> PathBuf {
    let base = match account {
        Some(_) => PathBuf::from("/var/cache"),
        None => dirs::cache_dir().unwrap_or_else(std::env::temp_dir),
    };
    base.join("replication-lab")
}

async fn initdb(installation: &Installation, account: Option<&Account>, new: &Path) -> Result<()> {
    let password = Password::random();
    let line = format!(
        "umask 077 && mkdir \"$NEW\" && cd \"$NEW\" && printf %s \"$PASSWORD\" >password && \
         {INITDB} --no-sync --pwfile=password -D data && sync"
    );
    let mut sh = program::command("sh");
    sh.args(["-c", &line]).envs(installation.paths()).env("LC_ALL", "C");
    sh.env("PASSWORD", password.as_str()).env("NEW", new);
    sh.stdin(Stdio::null()).current_dir("/").kill_on_drop(true);
    if let Some(account) = account {
        sh.uid(account.uid).gid(account.gid);
    }
    let act = format!("creating the template data directory {}", new.display());
    let output = sh.output().await.map_err(|source| Error::io(act.clone(), source))?;
    if output.status.success() {
        return Ok(());
    }
    let status = output.status.code().map(i64::from);
    let output = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(Error::new(act, Why::Command { line: INITDB.to_owned(), status, output }))
}

/// Returns the directory of templates, with mode 0700 and owned by the account of servers. A
/// directory of another owner is refused, because its content is run.
fn cache(account: Option<&Account>) -> Result<PathBuf> {
    let cache = cache_path(account);
    let act = || format!("creating the cache directory {}", cache.display());
    let io = |source| Error::io(act(), source);
    match fs::DirBuilder::new().mode(0o700).create(&cache) {
        Ok(()) => {
            let (user, group) = account.map(|account| (account.uid, account.gid)).unzip();
            chown(&cache, user, group).map_err(io)?;
        }
        Err(there) if there.kind() == ErrorKind::AlreadyExists => {}
        Err(other) => return Err(io(other)),
    }
    let owner = account.map_or(Uid::effective().as_raw(), |account| account.uid);
    let found = fs::symlink_metadata(&cache).map_err(io)?;
    match found.is_dir() && found.uid() == owner && found.mode().trailing_zeros() >= 6 {
        true => Ok(cache),
        false => Err(io(ErrorKind::PermissionDenied.into())
            .remedy("remove it; it must be a directory of the servers' account with mode 0700")),
    }
}

/// Returns the name of a template: one for each build of PostgreSQL and each way of creating it.
fn key(installation: &Installation) -> Result<String> {
    let server = installation.bin.join("postgres");
    let built = fs::metadata(&server).map_err(|source| {
        Error::io(format!("reading the metadata of {}", server.display()), source)
    })?;
    let mut hasher = DefaultHasher::new();
    (&installation.bin, INITDB, built.len(), built.mtime()).hash(&mut hasher);
    Ok(format!("template-{}-{:016x}", installation.version, hasher.finish()))
}
