//! A standby's data directory: a base backup over its link, or the template that its primary started
//! from; or a server told to follow. Nothing here starts one.

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

/// Empties a stopped node's data directory and fills it with `pg_basebackup -R`, with more `options`
/// of that where there are any (manual: `pg_basebackup`).
pub async fn base_backup(
    node: &Node,
    source: &Source<'_>,
    options: &str,
    conf: &Conf,
) -> Result<()> {
    let slot = source.slot.map_or(String::new(), |slot| format!(" -S {slot}"));
    let line = format!(
        "rm -rf \"$PGDATA\"/* && \
         pg_basebackup -D \"$PGDATA\" -d \"$UPSTREAM\" -R -X stream -c fast{slot} {options}"
    );
    let line = line.trim_end();
    let script = Script::new(line).with("UPSTREAM", source.conninfo());
    node.prepare(script.with("PGPASSWORD", source.password.as_str()), conf).await.map(drop)
}

/// Fills a node's empty data directory from the template, as a standby where there is somebody to
/// follow: a cold backup.
pub(crate) async fn from_template(
    node: &Node,
    template: &Template,
    source: Option<&Source<'_>>,
    conf: &Conf,
) -> Result<()> {
    let mut fill = template.fill();
    if let Some(source) = source {
        fill.line += " && ";
        fill.line += FOLLOW;
        fill = fill.with("AUTO", auto_conf(source));
    }
    node.prepare(fill, conf).await.map(drop)
}

/// Makes a stopped node a standby, as `pg_basebackup -R` would have.
pub(crate) async fn follow(node: &Node, source: &Source<'_>) -> Result<()> {
    let script = Script::new(format!("cd \"$PGDATA\" && {FOLLOW}"));
    node.run_noting(FOLLOW, &script.with("AUTO", auto_conf(source))).await.map(drop)
}

const FOLLOW: &str = ": >standby.signal && printf %s \"$AUTO\" >>postgresql.auto.conf";

/// How to reach the upstream, as lines of `postgresql.auto.conf`.
fn auto_conf(source: &Source<'_>) -> String {
    let password = conninfo(&[("password", source.password.as_str())]);
    let auto = Conf::new().set("primary_conninfo", format!("{} {password}", source.conninfo()));
    let slot = source.slot.into_iter();
    slot.fold(auto, |auto, slot| auto.set("primary_slot_name", slot)).lines()
}
