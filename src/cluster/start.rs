//! The start of a cluster: hosts, nodes and links, the roles and slots they need, and the wait
//! until every standby streams. Nothing that fails is started again.

use futures_util::FutureExt as _;
use futures_util::future::{join_all, try_join_all};

use super::basebackup::{REPLICATOR, from_template};
use super::catchup::{wait_for_streaming, wait_for_sync};
use super::rewind::REWINDER;
use super::{Cluster, Passwords};
use crate::conf::Conf;
use crate::error::{Error, Result};
use crate::link::Link;
use crate::node::Node;
use crate::password::Password;
use crate::record::event::Event;
use crate::record::notebook::Notebook;
use crate::settings::Settings;
use crate::site::Site;
use crate::site::template::Template;
use crate::topology::{PRIMARY, Standby, Topology};

/// The functions that the role of `pg_rewind` may call, beside those that every role may call
/// (manual: `pg_rewind`, Notes).
const FOR_REWIND: &str = "pg_ls_dir(text, boolean, boolean), pg_stat_file(text, boolean), \
                          pg_read_binary_file(text), \
                          pg_read_binary_file(text, bigint, bigint, boolean)";

impl Topology {
    /// Starts the cluster where the environment says (see [`Settings`]), and returns it once every
    /// standby streams.
    ///
    /// # Errors
    ///
    /// A setting or the topology is not understood, nothing on this machine can run PostgreSQL, or
    /// a server does not start or does not stream in time.
    pub async fn start(self) -> Result<Cluster> {
        let site = Site::choose(&Settings::from_env()?).await?;
        self.start_at(&site, &Notebook::in_memory()).await
    }

    /// Starts the cluster at a chosen site, and records in the notebook what is typed for it.
    ///
    /// # Errors
    ///
    /// The topology is not understood, or a server does not start or does not stream in time.
    pub async fn start_at(self, site: &Site, notebook: &Notebook) -> Result<Cluster> {
        self.check()?;
        notebook.note(Event::Provision { topology: self.to_string() });
        let cluster = Cluster::build(&self, site, notebook).await?;
        let server_version = cluster.server_version(site).await?;
        notebook.note(Event::Ready { server_version });
        Ok(cluster)
    }
}

impl Cluster {
    async fn build(topology: &Topology, site: &Site, notebook: &Notebook) -> Result<Self> {
        let conf = topology.conf().clone().with_lines(&site.extra_conf()?);
        let passwords = Passwords {
            superuser: Password::random(),
            replicator: Password::random(),
            rewinder: Password::random(),
        };
        let template = site.template().await?;
        let standby = |standby: &Standby| (standby.name.clone(), !standby.deferred);
        let standbys = topology.standbys().iter().map(standby);
        let names: Vec<_> = std::iter::once((PRIMARY.to_owned(), true)).chain(standbys).collect();
        // All starts are waited for, even when one fails: a container whose start is cancelled
        // half-way may be left behind.
        let hosts = names
            .iter()
            .map(|(name, filled)| site.host(name, Some(&template).filter(|_| *filled)).boxed());
        let hosts = join_all(hosts).await.into_iter().collect::<Result<Vec<_>>>()?;
        let nodes: Vec<_> = std::iter::zip(&names, hosts)
            .map(|((name, _), host)| Node::new(name, host, &passwords.superuser, &conf, notebook))
            .collect();
        let notebook = notebook.clone();
        let topology = topology.clone();
        let mut cluster = Self { topology, conf, nodes, links: Vec::new(), passwords, notebook };
        cluster.open_links(site).await?;
        cluster.launch(&template).await?;
        cluster.settle().await?;
        Ok(cluster)
    }

    /// Returns the version that the primary reports; an image may hold another version than its tag
    /// says.
    async fn server_version(&self, site: &Site) -> Result<String> {
        let session = self.primary().session_unrecorded().await?;
        let version: String = session.value_unrecorded("SHOW server_version").await?;
        let major: i32 = session
            .value_unrecorded("SELECT current_setting('server_version_num')::int / 10000")
            .await?;
        match major == i32::from(site.version().major()) {
            true => Ok(version),
            false => Err(Error::missing(
                format!("looking for PostgreSQL {}", site.version()),
                format!("PostgreSQL {version} in {site}"),
            )
            .remedy("set LAB_PG to that version")),
        }
    }

    /// Opens a link for every node, for the primary, too: after a failover it can become a standby.
    async fn open_links(&mut self, site: &Site) -> Result<()> {
        for node in &self.nodes {
            let standby = self.topology.standbys().iter().find(|one| one.name == node.name());
            let upstream = self.node(standby.map_or(PRIMARY, |standby| &standby.upstream))?;
            let (bind, address) = site.relay(node.host()).await?;
            let (bind, upstream) = ((bind, 0).into(), upstream.endpoint());
            let link = Link::open(node.name(), &self.notebook, bind, address, upstream).await?;
            self.links.push(link);
        }
        Ok(())
    }

    /// Starts all nodes but the deferred ones at the same time, each from the same cold backup; the
    /// standbys retry until the roles and slots exist.
    async fn launch(&self, template: &Template) -> Result<()> {
        let nodes = self.first_nodes();
        try_join_all(nodes.map(|node| self.launch_node(node, template).boxed())).await?;
        self.create_roles(template.password()).await?;
        let standbys = self.topology.standbys().iter();
        let slots = standbys.map(|standby| self.create_slot_on_standby(standby).boxed());
        try_join_all(slots).await.map(drop)
    }

    fn first_nodes(&self) -> impl Iterator<Item = &Node> {
        let is_deferred = |name| {
            self.topology.standbys().iter().any(|standby| standby.deferred && standby.name == name)
        };
        self.nodes.iter().filter(move |node| !is_deferred(node.name()))
    }

    async fn launch_node(&self, node: &Node, template: &Template) -> Result<()> {
        let source = (node.name() != PRIMARY).then(|| self.source(node.name())).transpose()?;
        from_template(node, template, source.as_ref(), &self.conf_of(node)).await?;
        node.launch().await
    }

    /// Returns the configuration of a node: the topology's, and `synchronous_standby_names` on the
    /// primary.
    pub(crate) fn conf_of(&self, node: &Node) -> Conf {
        let names = self.topology.synchronous_names().filter(|_| node.name() == PRIMARY);
        let own = names.map(|names| Conf::new().set("synchronous_standby_names", names));
        own.unwrap_or_default().and(&self.conf)
    }

    /// Creates the roles with this cluster's passwords, and the slots of the standbys that follow
    /// the primary. Its commits are local, because no standby streams yet that could confirm them.
    async fn create_roles(&self, password: &Password) -> Result<()> {
        let session = self.primary().ready_for(password).await?;
        let direct = self.topology.standbys().iter().filter(|standby| standby.upstream == PRIMARY);
        let slots: String = direct.filter_map(create_slot).collect();
        let sql = format!(
            "SET synchronous_commit = local; {slots} \
             CREATE ROLE {REPLICATOR} LOGIN REPLICATION PASSWORD '{}'; \
             CREATE ROLE {REWINDER} LOGIN PASSWORD '{}'; \
             GRANT EXECUTE ON FUNCTION {FOR_REWIND} TO {REWINDER}; \
             ALTER ROLE postgres PASSWORD '{}';",
            self.passwords.replicator.as_str(),
            self.passwords.rewinder.as_str(),
            self.passwords.superuser.as_str(),
        );
        session.run_without_trace("creating the cluster's roles and slots", &sql).await
    }

    /// Creates the slot of a cascading standby on its upstream: slots do not replicate.
    async fn create_slot_on_standby(&self, standby: &Standby) -> Result<()> {
        match create_slot(standby).filter(|_| standby.upstream != PRIMARY) {
            Some(sql) => {
                let upstream = self.node(&standby.upstream)?;
                upstream.ready().await?;
                upstream.session().await?.run(&sql).await
            }
            None => Ok(()),
        }
    }

    /// Waits until every server takes connections, every standby streams, and
    /// `synchronous_standby_names` is in effect.
    async fn settle(&self) -> Result<()> {
        for upstream in self.first_nodes() {
            upstream.ready().await?;
            let follows =
                |standby: &&Standby| standby.upstream == upstream.name() && !standby.deferred;
            let followers = self.topology.standbys().iter().filter(follows);
            let followers: Vec<_> = followers.map(|standby| standby.name.as_str()).collect();
            let session = upstream.session_unrecorded().await?;
            if let Err(late) = wait_for_streaming(&session, &followers).await {
                return Err(self.node(followers.first().unwrap_or(&PRIMARY))?.with_log(late).await);
            }
        }
        match self.topology.synchronous_names() {
            Some(_) => wait_for_sync(&self.primary().session_unrecorded().await?).await,
            None => Ok(()),
        }
    }
}

/// Returns the statement that creates the slot of a standby that is not deferred.
fn create_slot(standby: &Standby) -> Option<String> {
    let name = &standby.name;
    (standby.slot && !standby.deferred)
        .then(|| format!("SELECT pg_create_physical_replication_slot('{name}');"))
}
