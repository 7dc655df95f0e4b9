//! What a server's configuration files set, for the notebook: read from the server, never repeated from
//! the lab's own code. What differs from run to run is replaced by a placeholder before it is recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use crate::conf::Conf;
use crate::error::{Error, Result};
use crate::record::event::Setting;
use crate::session::Session;

/// Every setting that a configuration file sets, but for those that only say which node this is and
/// where it listens (manual: `pg_settings`).
const FROM_FILES: &str = "SELECT name, current_setting(name) AS value FROM pg_settings \
     WHERE source = 'configuration file' \
     AND name NOT IN ('cluster_name', 'listen_addresses', 'unix_socket_directories') ORDER BY name";

/// What was recorded of a node's settings so far.
#[derive(Debug)]
pub(super) struct Shown {
    lab_conf: BTreeSet<String>,
    values: Mutex<BTreeMap<String, String>>,
}

impl Shown {
    /// Nothing so far; what the person's own lines of `conf` set is recorded as theirs.
    pub(super) fn with_lab_conf(conf: &Conf) -> Self {
        let lab_conf = conf.names_in_lines().into_iter().collect();
        Self { lab_conf, values: Mutex::default() }
    }

    /// Returns what has changed since the last call.
    pub(super) fn changed(&self, now: BTreeMap<String, String>) -> Vec<Setting> {
        let mut shown = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::replace(&mut *shown, now);
        let mut changed = Vec::new();
        for (name, value) in shown.iter() {
            if before.remove(name).as_ref() != Some(value) {
                changed.push(self.setting(name, Some(value.clone())));
            }
        }
        changed.extend(before.keys().map(|name| self.setting(name, None)));
        changed
    }

    fn setting(&self, name: &str, value: Option<String>) -> Setting {
        let lab_conf = self.lab_conf.contains(&name.to_ascii_lowercase());
        Setting { name: name.to_owned(), value, lab_conf }
    }
}

/// Returns what the configuration files of a session's server set, by name, with placeholders.
pub(super) async fn read(session: &Session) -> Result<BTreeMap<String, String>> {
    let failed = |source| Error::sql("reading pg_settings", source);
    let mut values = BTreeMap::new();
    for row in session.rows_unrecorded(FROM_FILES).await? {
        let name: String = row.try_get("name").map_err(failed)?;
        let value: String = row.try_get("value").map_err(failed)?;
        let value = placeholders(&name, &value);
        values.insert(name, value);
    }
    Ok(values)
}

/// Returns a setting's value with placeholders for what differs from run to run.
fn placeholders(name: &str, value: &str) -> String {
    match name {
        "primary_conninfo" => conninfo(value),
        "recovery_target_time" => "‹time›".to_owned(),
        "recovery_target_lsn" => "‹lsn›".to_owned(),
        "recovery_target_xid" => "‹xid›".to_owned(),
        _ => value.to_owned(),
    }
}

/// Returns a connection string with placeholders for the address, the port and the password. Of all else
/// that `pg_basebackup -R` writes, which differs by version and build, only the user and the names are
/// kept.
fn conninfo(value: &str) -> String {
    let word = |word: &str| match word.split_once('=')? {
        (key @ ("host" | "port" | "password"), _) => Some(format!("{key}=‹{key}›")),
        ("user" | "dbname" | "application_name", _) => Some(word.to_owned()),
        _ => None,
    };
    let words: Vec<_> = value.split_whitespace().map(word).collect();
    let more = words.iter().any(Option::is_none).then(|| "…".to_owned());
    words.into_iter().flatten().chain(more).collect::<Vec<_>>().join(" ")
}

/// Returns the variables of a script that a person must set to type its line: those that it names, and
/// those that PostgreSQL's programs read, with placeholders.
pub(super) fn shown_variables(line: &str, all: &[(&str, String)]) -> Vec<(String, String)> {
    let is_needed = |name: &str| line.contains(&format!("${name}")) || name == "PGPASSWORD";
    let needed = all.iter().filter(|(name, _)| is_needed(name));
    let shown = |(name, value): &(&str, String)| {
        let value = match *name {
            "UPSTREAM" => conninfo(value),
            "AUTO" => value.lines().map(|line| setting_line(line) + "\n").collect(),
            "PASSWORD" | "PGPASSWORD" => "‹password›".to_owned(),
            _ => value.clone(),
        };
        ((*name).to_owned(), value)
    };
    needed.map(shown).collect()
}

/// Returns a line of a configuration file with placeholders: `name = 'value'`.
fn setting_line(line: &str) -> String {
    match line.split_once(" = ") {
        Some((name, value)) => {
            let value = placeholders(name, value.trim_matches('\''));
            format!("{name} = '{value}'")
        }
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn later_starts_record_what_has_changed_and_what_is_no_longer_set() {
        let shown = Shown::with_lab_conf(&Conf::new().with_lines("Work_Mem = 5MB\n"));
        let first = shown.changed(values(&[("a", "1"), ("work_mem", "5MB")]));
        let setting = |name: &str, value: Option<&str>, lab_conf| Setting {
            name: name.to_owned(),
            value: value.map(str::to_owned),
            lab_conf,
        };
        assert_eq!(first, [setting("a", Some("1"), false), setting("work_mem", Some("5MB"), true)]);
        assert_eq!(shown.changed(values(&[("a", "1"), ("work_mem", "5MB")])), []);
        let later = shown.changed(values(&[("a", "2")]));
        assert_eq!(later, [setting("a", Some("2"), false), setting("work_mem", None, true)]);
    }

    #[test]
    fn addresses_and_passwords_are_not_recorded() {
        let given = "user=replicator password=secret host=10.0.0.1 port=42049 sslmode=prefer";
        assert_eq!(
            placeholders("primary_conninfo", given),
            "user=replicator password=‹password› host=‹host› port=‹port› …"
        );
        let all = [
            ("AUTO", format!("primary_conninfo = '{given}'\nprimary_slot_name = 's1'\n")),
            ("PGPASSWORD", "secret".to_owned()),
            ("HBA", "secret".to_owned()),
        ];
        let shown = shown_variables("printf %s \"$AUTO\"", &all);
        let auto = "primary_conninfo = 'user=replicator password=‹password› host=‹host› port=‹port› …'\n\
                    primary_slot_name = 's1'\n";
        let expected = [("AUTO", auto), ("PGPASSWORD", "‹password›")];
        assert_eq!(shown, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
