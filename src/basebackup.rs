//! A standby's data directory: a base backup over its link, or on the local host a copy of the
//! template that its primary was made of. Nothing here starts a server.

use crate::conf::{Conf, conninfo};
use crate::error::Result;
use crate::host::Script;
use crate::host::template::Template;
use crate::link::Link;
use crate::node::Node;

/// The role standbys connect as; it has REPLICATION and nothing else.
pub(crate) const REPLICATOR: &str = "replicator";

/// How a standby reaches its upstream.
#[derive(Clone, Debug)]
pub struct Source<'a> {
    /// The relay it connects to.
    pub link: &'a Link,
    /// The password of the role `replicator`.
    pub password: &'a str,
    /// The slot that keeps WAL for it, if there is one.
    pub slot: Option<&'a str>,
}

impl Source<'_> {
    /// `primary_conninfo` for a standby of this name.
    pub fn conninfo(&self, standby: &str) -> String {
        let (host, port) = self.link.address();
        let port = port.to_string();
        conninfo(&[
            ("host", host),
            ("port", &port),
            ("user", REPLICATOR),
            ("application_name", standby),
        ])
    }
}

/// Fills a node's empty data directory with `pg_basebackup -R` (manual: `pg_basebackup`).
pub async fn base_backup(node: &Node, source: &Source<'_>, conf: &Conf) -> Result<()> {
    let slot = source.slot.map_or(String::new(), |slot| format!(" -S {slot}"));
    let from = source.conninfo(node.name());
    let line = format!("pg_basebackup -D \"$PGDATA\" -d \"{from}\" -R -X stream -c fast{slot}");
    node.prepare(Script::new(line).with("PGPASSWORD", source.password), conf).await
}

/// Fills a node's empty data directory with a copy of the template, as a standby where there is
/// somebody to follow: a cold backup.
pub(crate) async fn copy_template(
    node: &Node,
    template: &Template,
    source: Option<&Source<'_>>,
    conf: &Conf,
) -> Result<()> {
    let copy = format!("cp -Rp '{}/.' \"$PGDATA\"", template.data.display());
    let Some(source) = source else {
        return node.prepare(Script::new(copy), conf).await;
    };
    let upstream = format!("{} password={}", source.conninfo(node.name()), source.password);
    let auto = Conf::new().set("primary_conninfo", upstream);
    let auto = source.slot.into_iter().fold(auto, |auto, slot| auto.set("primary_slot_name", slot));
    let line = format!("{copy} && : >standby.signal && printf %s \"$AUTO\" >>postgresql.auto.conf");
    node.prepare(Script::new(line).with("AUTO", auto.lines()), conf).await
}
