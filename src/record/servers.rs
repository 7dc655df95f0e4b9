//! The settings of a cluster's servers as a page shows them: those of all servers once, then those of each.
//! Values in, lines out.

use std::collections::{BTreeMap, BTreeSet};

use super::event::Setting;

/// What is known of the servers, and what was not shown yet.
#[derive(Debug, Default)]
pub(super) struct Servers {
    /// What every server of the first start has.
    common: BTreeMap<String, String>,
    started: bool,
    new: Vec<(String, Vec<Setting>)>,
}

impl Servers {
    /// Adds what one server's files set.
    pub(super) fn add(&mut self, node: &str, settings: &[Setting]) {
        self.new.push((node.to_owned(), settings.to_vec()));
    }

    /// Returns the lines for what is new, with the person's own settings where `own` says so: a page that
    /// is compared must not depend on them.
    pub(super) fn lines(&mut self, own: bool) -> Vec<String> {
        let mut new = std::mem::take(&mut self.new);
        for (_, settings) in &mut new {
            settings.retain(|setting| own || !setting.lab_conf);
        }
        let mut lines = Vec::new();
        if !self.started {
            self.started = true;
            self.common = common(&new);
            let all = self.common.iter().map(|(name, value)| shown(name, Some(value)));
            lines.extend(line("settings of every server", all));
        }
        for (node, settings) in new {
            let is_own = |one: &&Setting| {
                one.value.is_none() || self.common.get(&one.name) != one.value.as_ref()
            };
            let own = settings.iter().filter(is_own);
            let own = own.map(|one| shown(&one.name, one.value.as_ref()));
            lines.extend(line(&format!("settings of {node}"), own));
        }
        lines
    }
}

/// Returns what all of these servers have with the same value.
fn common(servers: &[(String, Vec<Setting>)]) -> BTreeMap<String, String> {
    let of = |settings: &[Setting]| -> BTreeSet<(String, String)> {
        let given = settings.iter().filter_map(|one| Some((one.name.clone(), one.value.clone()?)));
        given.collect()
    };
    let sets = servers.iter().map(|(_, settings)| of(settings));
    let all = sets.reduce(|all, one| all.intersection(&one).cloned().collect());
    all.unwrap_or_default().into_iter().collect()
}

fn line(what: &str, settings: impl Iterator<Item = String>) -> Option<String> {
    let settings: Vec<_> = settings.collect();
    (!settings.is_empty()).then(|| format!("- {what}: {}", settings.join(", ")))
}

/// Returns a setting as a configuration file has it; one that the files no longer set has its default.
fn shown(name: &str, value: Option<&String>) -> String {
    let is_plain = |value: &str| {
        !value.is_empty() && value.chars().all(|c| c.is_alphanumeric() || "_.-".contains(c))
    };
    match value {
        None => format!("{name} = (default)"),
        Some(value) if is_plain(value) => format!("{name} = {value}"),
        Some(value) => format!("{name} = '{}'", value.replace('\'', "''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(name: &str, value: Option<&str>) -> Setting {
        Setting { name: name.into(), value: value.map(str::to_owned), lab_conf: name == "mine" }
    }

    #[test]
    fn what_all_servers_have_stands_once_and_later_only_what_changed() {
        let mut servers = Servers::default();
        let base = [setting("fsync", Some("on")), setting("mine", Some("1"))];
        servers.add("primary", &base);
        servers.add("standby1", &[base[0].clone(), setting("primary_slot_name", Some("s 1"))]);
        assert_eq!(
            servers.lines(false),
            [
                "- settings of every server: fsync = on",
                "- settings of standby1: primary_slot_name = 's 1'",
            ]
        );
        servers.add("standby1", &[setting("primary_slot_name", None)]);
        servers.add("standby2", &base);
        assert_eq!(
            servers.lines(true),
            [
                "- settings of standby1: primary_slot_name = (default)",
                "- settings of standby2: mine = 1",
            ]
        );
    }

    #[test]
    fn a_value_is_quoted_where_a_configuration_file_needs_it() {
        for (value, line) in [
            (Some("on"), "a = on"),
            (Some("1.5_x-y"), "a = 1.5_x-y"),
            (Some(""), "a = ''"),
            (Some("s 1"), "a = 's 1'"),
            (Some("it's"), "a = 'it''s'"),
            (None, "a = (default)"),
        ] {
            assert_eq!(shown("a", value.map(str::to_owned).as_ref()), line);
        }
    }

    #[test]
    fn a_value_that_one_server_has_differently_is_a_setting_of_each() {
        let mut servers = Servers::default();
        for (node, port) in [("primary", "3"), ("standby1", "1"), ("standby2", "2")] {
            servers.add(node, &[setting("fsync", Some("on")), setting("port", Some(port))]);
        }
        assert_eq!(
            servers.lines(false),
            [
                "- settings of every server: fsync = on",
                "- settings of primary: port = 3",
                "- settings of standby1: port = 1",
                "- settings of standby2: port = 2",
            ]
        );
        assert_eq!(servers.lines(false), [""; 0]);
        servers.add("standby1", &[setting("fsync", Some("on")), setting("port", Some("4"))]);
        assert_eq!(servers.lines(false), ["- settings of standby1: port = 4"]);
    }
}
