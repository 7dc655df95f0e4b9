//! Reads a connection string with everything that completes it, in libpq's order: a service, the environment, the
//! defaults of the account and the machine. It opens no connection.

use std::fs;
use std::path::{Path, PathBuf};

use nix::unistd::{User, geteuid};

use super::service::service;
use super::sockets;
use super::target::{Me, Target};
use super::words::{BadTarget, Words, set, words_of};
use crate::settings;

/// The directories of the service file of all accounts, as packages compile them into libpq.
const SYSTEM: [&str; 3] =
    ["/etc/postgresql-common", "/etc/sysconfig/pgsql", "/usr/local/pgsql/etc"];

/// Reads a connection string.
///
/// # Errors
///
/// It, a service or a variable is invalid, or asks for what is not supported here.
pub(super) fn read(text: &str) -> Result<Target, BadTarget> {
    let name = User::from_uid(geteuid()).ok().flatten().map(|user| user.name).unwrap_or_default();
    let home = dirs::home_dir().unwrap_or_else(|| PathBuf::from("/"));
    let given = words_of(text)?;
    let mut variables = Words::new();
    for (word, value) in settings::libpq() {
        // Of PGREQUIRESSL, only "1" counts; PGSSLMODE comes after it and wins.
        if word != "requiressl" || value.starts_with('1') {
            set(&mut variables, word, value)?;
        }
    }
    let wanted = |word: &str| given.get(word).or_else(|| variables.get(word)).cloned();
    let of_service = match wanted("service") {
        Some(name) => of_service(&name, wanted("servicefile"), &home)?,
        None => Words::new(),
    };
    let mut words = variables;
    words.extend(of_service);
    words.extend(given);
    let settings = settings::libpq_session().collect();
    Target::read(words, &Me { name: &name, home: &home, socket: &sockets::directory, settings })
}

/// Returns the parameters of a service, from the account's file, else from that of all accounts.
fn of_service(name: &str, named: Option<String>, home: &Path) -> Result<Words, BadTarget> {
    let is_named = named.is_some();
    let own = named.map_or_else(|| home.join(".pg_service.conf"), PathBuf::from);
    if (is_named || own.exists())
        && let Some(words) = in_file(&own, name)?
    {
        return Ok(words);
    }
    let system = match settings::libpq_directory() {
        Some(directory) => vec![directory],
        None => SYSTEM.iter().map(PathBuf::from).collect(),
    };
    let mut files = system.into_iter().map(|directory| directory.join("pg_service.conf"));
    let found = files.find(|file| file.exists()).map(|file| in_file(&file, name)).transpose()?;
    found
        .flatten()
        .ok_or_else(|| BadTarget(format!("there is no service {name:?} in a service file")))
}

fn in_file(file: &Path, name: &str) -> Result<Option<Words>, BadTarget> {
    let text = fs::read_to_string(file).map_err(|error| {
        BadTarget(format!("reading the service file {}: {error}", file.display()))
    })?;
    let found = service(&text, name);
    found.map_err(|BadTarget(why)| BadTarget(format!("{}: {why}", file.display())))
}
