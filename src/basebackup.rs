//! A standby's data directory: a base backup over its link, or on the local host a copy of the
//! template that its primary was made of. Nothing here starts a server.

use crate::conf::{Conf, conninfo};
use crate::error::Result;
use crate::host::Script;
use crate::host::template::Template;
use crate::link::Link;
use crate::node::Node;
use crate::password::Password;

/// The role standbys connect as; it has REPLICATION and nothing else.
pub(crate) const REPLICATOR: &str = "replicator";

/// How a standby reaches its upstream.
#[derive(Clone, Debug)]
pub struct Source<'a> {
    /// The relay it connects to.
    pub link: &'a Link,
    /// The password of the role `replicator`.
    pub password: &'a Password,
    /// The slot that keeps WAL for it, if there is one.
    pub slot: Option<&'a str>,
}

impl Source<'_> {
    /// `primary_conninfo`, without the password. The standby's `cluster_name` is its
    /// `application_name`; a base backup has another, or it could count as a synchronous standby.
    pub fn conninfo(&self) -> String {
        let (host, port) = self.link.address();
        conninfo(&[("host", host), ("port", &port.to_string()), ("user", REPLICATOR)])
    }
}

/// Fills a node's empty data directory with `pg_basebackup -R` (manual: `pg_basebackup`).
pub async fn base_backup(node: &Node, source: &Source<'_>, conf: &Conf) -> Result<()> {
    let slot = source.slot.map_or(String::new(), |slot| format!(" -S {slot}"));
    let line = format!("pg_basebackup -D \"$PGDATA\" -d \"$UPSTREAM\" -R -X stream -c fast{slot}");
    let script = Script::new(line).with("UPSTREAM", source.conninfo());
    node.prepare(script.with("PGPASSWORD", source.password.as_str()), conf).await
}

/// Fills a node's empty data directory with a copy of the template, as a standby where there is
/// somebody to follow: a cold backup.
pub(crate) async fn copy_template(
    node: &Node,
    template: &Template,
    source: Option<&Source<'_>>,
    conf: &Conf,
) -> Result<()> {
    const COPY: &str = "cp -Rp \"$TEMPLATE/.\" \"$PGDATA\"";
    let data = template.data.display().to_string();
    let Some(source) = source else {
        return node.prepare(Script::new(COPY).with("TEMPLATE", data), conf).await;
    };
    let password = conninfo(&[("password", source.password.as_str())]);
    let upstream = format!("{} {password}", source.conninfo());
    let auto = Conf::new().set("primary_conninfo", upstream);
    let auto = source.slot.into_iter().fold(auto, |auto, slot| auto.set("primary_slot_name", slot));
    let line = format!("{COPY} && : >standby.signal && printf %s \"$AUTO\" >>postgresql.auto.conf");
    let script = Script::new(line).with("TEMPLATE", data).with("AUTO", auto.lines());
    node.prepare(script, conf).await
}
