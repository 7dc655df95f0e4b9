//! The ways in which clients find the primary: a connection string that names every server, and a proxy
//! with one address. What leads each way to the new primary is here; what clients then see is the
//! scenario's to say.

use std::sync::Arc;

use replication_lab::ledger::Ledger;
use replication_lab::proxy::{Check, HaProxy, PgBouncer};
use replication_lab::record::Reading;
use replication_lab::{Cluster, Companion, Proof, Result, Session, Writers};
use tokio_postgres::config::TargetSessionAttrs::ReadWrite;

use crate::steps::crash::WRITERS;
use crate::steps::reads::SERVER;
use crate::support::Lab;

/// How clients find the primary.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    /// Their connection string names both servers, with `target_session_attrs=read-write`.
    Attributes,
    /// They connect to HAProxy, whose check asks every server for its role.
    HaProxy,
    /// They connect to PgBouncer, whose configuration names one server.
    PgBouncer,
}

/// A way that is open: the proxy that runs, if there is one.
pub(super) enum Front {
    Attributes,
    HaProxy(HaProxy),
    PgBouncer(PgBouncer),
}

impl Way {
    /// Returns the programs that it needs on this machine.
    pub(super) fn needs(self) -> &'static [Companion] {
        match self {
            Self::Attributes => &[],
            Self::HaProxy => &[Companion::HaProxy, Companion::Psql],
            Self::PgBouncer => &[Companion::PgBouncer],
        }
    }

    /// Opens it in front of a pair.
    pub(super) async fn open(self, lab: &Lab, pair: &Cluster) -> Result<Front> {
        Ok(match self {
            Self::Attributes => Front::Attributes,
            Self::HaProxy => Front::HaProxy(HaProxy::start(lab.site(), pair).await?),
            Self::PgBouncer => {
                Front::PgBouncer(PgBouncer::start(lab.site(), pair, "primary").await?)
            }
        })
    }
}

impl Front {
    /// Starts writers that take this way, and notes how many servers or proxies they know.
    pub(super) fn writers(&self, lab: &Lab, pair: &Arc<Cluster>) -> Result<(Writers, Proof)> {
        let (writers, hosts) = match self {
            Self::Attributes => {
                let hosts = pair.config_of(&["primary", "standby1"])?.get_hosts().len();
                (Writers::start(pair, WRITERS), hosts)
            }
            Self::HaProxy(proxy) => at(pair, &proxy.config()),
            Self::PgBouncer(proxy) => at(pair, &proxy.config()),
        };
        let known = lab.fact("addresses in the clients' connection string", hosts as u64);
        Ok((writers, known))
    }

    /// Returns the server that a new client reaches.
    pub(super) async fn reached(&self, pair: &Cluster) -> Result<String> {
        let client = match self {
            Self::Attributes => pair.client(ReadWrite).await?,
            Self::HaProxy(proxy) => proxy.session().await?,
            Self::PgBouncer(proxy) => proxy.session().await?,
        };
        client.text(SERVER).await
    }

    /// Leads clients to the new primary, where the way does not lead there by itself, and waits until it does.
    pub(super) async fn lead_to(&self, pair: &Cluster, node: &str) -> Result<()> {
        match self {
            Self::Attributes => Ok(()),
            Self::HaProxy(proxy) => proxy.wait_for_up(Check::Role, &[node]).await.map(drop),
            Self::PgBouncer(proxy) => {
                proxy.configure(pair, node).await?;
                proxy.console().await?.run("RELOAD").await
            }
        }
    }
}

fn at(pair: &Cluster, config: &tokio_postgres::Config) -> (Writers, usize) {
    (Writers::start_at(pair, config, WRITERS), config.get_hosts().len())
}

/// Notes the errors that clients got, by the class of their SQLSTATE, and how many were of another
/// class than those of broken connections.
pub(super) fn note_errors(lab: &Lab, writers: &Writers) -> Proof {
    let classes = ["08 (connection exception)", "57 (operator intervention)"];
    let errors = writers.errors();
    let of = |fits: &dyn Fn(&str) -> bool| -> u64 {
        errors.iter().filter(|(code, _)| fits(code)).map(|(_, count)| count).sum()
    };
    let is_without = |code: &str| code.contains(' ');
    for class in classes {
        let start = class.split(' ').next().unwrap_or(class);
        let count = of(&|code| code.starts_with(start));
        lab.measure(&format!("errors of class {class}"), Reading::Count(count));
    }
    let closed = of(&is_without);
    lab.measure("errors without an SQLSTATE, of connections", Reading::Count(closed));
    let others =
        of(&|code| !is_without(code) && !code.starts_with("08") && !code.starts_with("57"));
    lab.must_be("errors of other classes", others, 0_u64)
}

/// Returns the number of acked orders that are on the old primary and not on the new one.
pub(super) fn only_on_the_old(ledger: &Ledger, new: &[i64], old: &[i64]) -> u64 {
    let lost = ledger.compare(new.iter().copied()).lost;
    lost.iter().filter(|id| old.contains(id)).count() as u64
}

/// Opens two sessions and returns the servers that they reached, by name, with the session on `wanted`.
pub(super) async fn two_clients(
    first: Session,
    second: Session,
    wanted: &str,
) -> Result<([String; 2], Session)> {
    let names = [first.text(SERVER).await?, second.text(SERVER).await?];
    let on_wanted = if names[0] == wanted { first } else { second };
    let mut sorted = names;
    sorted.sort();
    Ok((sorted, on_wanted))
}
