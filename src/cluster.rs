//! A topology brought to life: nodes, the links between them, and the roles they share. (In
//! PostgreSQL's manual a "cluster" is one data directory; here it is the group, and a data
//! directory is never called one.) It never changes who follows whom by itself.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{join_all, try_join_all};
use tokio_postgres::config::TargetSessionAttrs;

use crate::basebackup::{REPLICATOR, Source, base_backup, follow, from_template};
use crate::catchup::{wait_for_catchup, wait_for_streaming, wait_for_sync};
use crate::conf::{Conf, conninfo};
use crate::error::{Error, Result};
use crate::host::site::Site;
use crate::host::template::Template;
use crate::link::Link;
use crate::node::{Node, superuser};
use crate::notebook::Notebook;
use crate::password::Password;
use crate::record::Event;
use crate::rewind::{REWINDER, dry_run, rewind};
use crate::session::Session;
use crate::settings::{self, Settings};
use crate::stat;
use crate::topology::{PRIMARY, Standby, Topology};

/// How long the story of a failure waits for a node that does not answer.
const STORY: Duration = Duration::from_secs(2);

/// Running servers, as a [`Topology`] describes them. They go away when it is dropped; with
/// `LAB_KEEP=1` only by [`stop`](Cluster::stop).
#[derive(Debug)]
pub struct Cluster {
    topology: Topology,
    conf: Conf,
    nodes: Vec<Node>,
    links: Vec<Link>,
    passwords: Passwords,
    notebook: Notebook,
}

#[derive(Debug)]
struct Passwords {
    superuser: Password,
    replicator: Password,
    rewinder: Password,
}

/// The only functions that the role of `pg_rewind` may call beside everybody's (manual:
/// `pg_rewind`, Notes).
const FOR_REWIND: &str = "pg_ls_dir(text, boolean, boolean), pg_stat_file(text, boolean), \
                          pg_read_binary_file(text), \
                          pg_read_binary_file(text, bigint, bigint, boolean)";

impl Topology {
    /// Starts the cluster where the environment says (see [`Settings`]), and gives it once every
    /// standby streams.
    pub async fn start(self) -> Result<Cluster> {
        let site = Site::choose(&Settings::from_env()?).await?;
        self.start_at(&site, &Notebook::in_memory()).await
    }

    /// Starts the cluster at a chosen site, noting what is typed for it.
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
        let standby = |standby: &Standby| (standby.name.clone(), !standby.later);
        let standbys = topology.standbys().iter().map(standby);
        let names: Vec<_> = std::iter::once((PRIMARY.to_owned(), true)).chain(standbys).collect();
        // All to their end, also when one fails: a start that is cancelled half-way is hard to undo.
        let hosts = names
            .iter()
            .map(|(name, filled)| site.host(name, Some(&template).filter(|_| *filled)).boxed());
        let hosts = join_all(hosts).await.into_iter().collect::<Result<Vec<_>>>()?;
        let nodes: Vec<_> = std::iter::zip(&names, hosts)
            .map(|((name, _), host)| Node::new(name, host, &passwords.superuser, notebook))
            .collect();
        let notebook = notebook.clone();
        let topology = topology.clone();
        let mut cluster = Self { topology, conf, nodes, links: Vec::new(), passwords, notebook };
        cluster.open_links(site).await?;
        cluster.launch(&template).await?;
        cluster.settle().await?;
        Ok(cluster)
    }

    /// What the primary says its version is; an image may have another in it than its tag says.
    async fn server_version(&self, site: &Site) -> Result<String> {
        let session = self.primary().session_unnoted().await?;
        let version: String = session.look_at("SHOW server_version").await?;
        let major: i32 =
            session.look_at("SELECT current_setting('server_version_num')::int / 10000").await?;
        match major == i32::from(site.version().major()) {
            true => Ok(version),
            false => Err(Error::missing(
                format!("looking for PostgreSQL {}", site.version()),
                format!("PostgreSQL {version} in {site}"),
            )
            .remedy("set LAB_PG to the version that is there")),
        }
    }

    /// Every node has a way to whom it follows, the primary too: it may follow somebody one day.
    async fn open_links(&mut self, site: &Site) -> Result<()> {
        for node in &self.nodes {
            let standby = self.topology.standbys().iter().find(|one| one.name == node.name());
            let upstream = self.node(standby.map_or(PRIMARY, |standby| &standby.upstream))?;
            self.links.push(site.link(node, &self.notebook, upstream.endpoint()).await?);
        }
        Ok(())
    }

    /// All nodes at once but those that come later: each starts from the same cold backup, and the
    /// standbys wait for the roles and slots to come.
    async fn launch(&self, template: &Template) -> Result<()> {
        let nodes = self.first_nodes();
        try_join_all(nodes.map(|node| self.launch_node(node, template).boxed())).await?;
        self.make_roles(template.password()).await?;
        let standbys = self.topology.standbys().iter();
        let slots = standbys.map(|standby| self.make_slot_on_standby(standby).boxed());
        try_join_all(slots).await.map(drop)
    }

    fn first_nodes(&self) -> impl Iterator<Item = &Node> {
        let comes_later = |name| {
            self.topology.standbys().iter().any(|standby| standby.later && standby.name == name)
        };
        self.nodes.iter().filter(move |node| !comes_later(node.name()))
    }

    async fn launch_node(&self, node: &Node, template: &Template) -> Result<()> {
        let source = (node.name() != PRIMARY).then(|| self.source(node.name())).transpose()?;
        from_template(node, template, source.as_ref(), &self.conf_of(node)).await?;
        node.launch().await
    }

    /// The configuration of a node: the topology's, and the synchronous rule on the primary.
    pub(crate) fn conf_of(&self, node: &Node) -> Conf {
        let names = self.topology.synchronous_names().filter(|_| node.name() == PRIMARY);
        let own = names.map(|names| Conf::new().set("synchronous_standby_names", names));
        own.unwrap_or_default().and(&self.conf)
    }

    /// Roles with passwords of this cluster, and the slots of the standbys of the primary. Nobody is
    /// there yet who could confirm a synchronous commit, so these are local.
    async fn make_roles(&self, password: &Password) -> Result<()> {
        let session = self.primary().ready_for(password).await?;
        let direct = self.topology.standbys().iter().filter(|standby| standby.upstream == PRIMARY);
        let slots: String = direct.filter_map(make_slot).collect();
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
        session.run_secretly("making the cluster's roles and slots", &sql).await
    }

    /// Slots do not replicate: that of a cascading standby is made on the standby it follows.
    async fn make_slot_on_standby(&self, standby: &Standby) -> Result<()> {
        match make_slot(standby).filter(|_| standby.upstream != PRIMARY) {
            Some(sql) => {
                let upstream = self.node(&standby.upstream)?;
                upstream.ready().await?;
                upstream.session().await?.run(&sql).await
            }
            None => Ok(()),
        }
    }

    /// Waits until everybody takes connections and streams, and a synchronous rule is in effect.
    async fn settle(&self) -> Result<()> {
        for upstream in self.first_nodes() {
            upstream.ready().await?;
            let follows =
                |standby: &&Standby| standby.upstream == upstream.name() && !standby.later;
            let followers = self.topology.standbys().iter().filter(follows);
            let followers: Vec<_> = followers.map(|standby| standby.name.as_str()).collect();
            let session = upstream.session_unnoted().await?;
            if let Err(late) = wait_for_streaming(&session, &followers).await {
                return Err(self.node(followers.first().unwrap_or(&PRIMARY))?.with_log(late).await);
            }
        }
        match self.topology.synchronous_names() {
            Some(_) => wait_for_sync(&self.primary().session_unnoted().await?).await,
            None => Ok(()),
        }
    }

    /// The node that was the primary when the cluster started.
    pub fn primary(&self) -> &Node {
        #[expect(clippy::indexing_slicing, reason = "build puts the primary first")]
        &self.nodes[0]
    }

    /// A node by its name.
    pub fn node(&self, name: &str) -> Result<&Node> {
        self.nodes.iter().find(|node| node.name() == name).ok_or_else(|| {
            let names: Vec<_> = self.nodes.iter().map(Node::name).collect();
            Error::missing(format!("looking for a node {name:?}"), names.join(", "))
        })
    }

    /// Every node, the primary first.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Makes a stopped node anew from its upstream, with a base backup over its link. It is a standby
    /// then.
    pub async fn rebuild(&self, node: &str) -> Result<()> {
        self.rebuild_with(node, "").await
    }

    /// The same with more options of `pg_basebackup`, such as `--max-rate=8M`. They become part of a
    /// shell's command line as they are.
    pub async fn rebuild_with(&self, node: &str, options: &str) -> Result<()> {
        let source = self.source(node)?;
        let node = self.node(node)?;
        base_backup(node, &source, options, &self.conf_of(node)).await
    }

    /// Rewinds a stopped node that diverged to the history of its upstream, over its link (manual:
    /// `pg_rewind`), and gives what that said. The upstream must have made a checkpoint since it was
    /// promoted. It is no standby yet: see [`follow`](Self::follow).
    pub async fn rewind(&self, node: &str) -> Result<String> {
        let source = self.source(node)?;
        let node = self.node(node)?;
        rewind(node, &source, &self.passwords.rewinder, &self.conf_of(node)).await
    }

    /// What `pg_rewind` says it would do to a stopped node; nothing is changed. As for
    /// [`rewind`](Self::rewind), the upstream must have made a checkpoint since it was promoted.
    pub async fn rewind_dry_run(&self, node: &str) -> Result<String> {
        let source = self.source(node)?;
        dry_run(self.node(node)?, &source, &self.passwords.rewinder).await
    }

    /// Leads a node's link to another upstream from now on, and makes its slot there if it uses one.
    /// The node itself is told nothing.
    pub async fn lead(&self, node: &str, upstream: &str) -> Result<()> {
        let (source, upstream) = (self.source(node)?, self.node(upstream)?);
        source.link.lead_to(upstream.endpoint());
        let Some(slot) = source.slot else { return Ok(()) };
        let sql = format!(
            "SELECT pg_create_physical_replication_slot('{slot}', true) \
             WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = '{slot}')"
        );
        upstream.session().await?.run(&sql).await
    }

    /// Makes a stopped node a standby of whom its link leads to, with the data it has.
    pub async fn follow(&self, node: &str) -> Result<()> {
        follow(self.node(node)?, &self.source(node)?).await
    }

    /// How a node reaches its upstream: for a base backup of one's own. That of a node that is the
    /// primary leads to itself until [`lead`](Self::lead) says otherwise.
    pub fn source(&self, node: &str) -> Result<Source<'_>> {
        let name = self.node(node)?.name();
        let standby = self.topology.standbys().iter().find(|standby| standby.name == name);
        let slot = standby.is_none_or(|standby| standby.slot).then_some(name);
        Ok(Source { link: self.link(node)?, password: &self.passwords.replicator, slot })
    }

    /// The way from a node to its upstream.
    pub fn link(&self, node: &str) -> Result<&Link> {
        let known = self.node(node)?.name();
        let mut links = std::iter::zip(&self.nodes, &self.links);
        let link = links.find(|(node, _)| node.name() == known).map(|(_, link)| link);
        link.ok_or_else(|| Error::missing(format!("looking for the link of {node:?}"), "none yet"))
    }

    pub(crate) fn notebook(&self) -> &Notebook {
        &self.notebook
    }

    /// Waits until this standby has replayed all that the primary has written by now.
    pub async fn wait_for_catchup(&self, standby: &str) -> Result<crate::wal::Lsn> {
        let standby = self.node(standby)?.session_unnoted().await?;
        wait_for_catchup(&self.primary().session_unnoted().await?, &standby).await
    }

    /// How a client connects that has these nodes in its connection string, in this order (manual:
    /// Specifying Multiple Hosts). Its first server that answers and fits is taken.
    pub fn config_of(&self, nodes: &[&str]) -> Result<tokio_postgres::Config> {
        let mut config = superuser(&self.passwords.superuser);
        for name in nodes {
            let (host, port) = self.node(name)?.endpoint().host_and_port();
            config.host(host).port(port);
        }
        Ok(config)
    }

    /// The same as libpq reads it (manual: Connection Strings). The password in it is this cluster's own
    /// and goes with it.
    pub fn connection_string(&self, nodes: &[&str]) -> Result<String> {
        let (mut hosts, mut ports) = (Vec::new(), Vec::new());
        for name in nodes {
            let (host, port) = self.node(name)?.endpoint().host_and_port();
            hosts.push(host);
            ports.push(port.to_string());
        }
        let password = self.passwords.superuser.as_str();
        Ok(conninfo(&[
            ("host", &hosts.join(",")),
            ("port", &ports.join(",")),
            ("user", "postgres"),
            ("password", password),
            ("dbname", "postgres"),
        ]))
    }

    /// A client that knows every node, tries one after the other and stays where the session has
    /// these attributes, as libpq does with several hosts in a connection string (manual:
    /// `target_session_attrs`). A node that accepts a connection and then says nothing costs the
    /// time of one attempt, not the whole search.
    ///
    /// # Errors
    ///
    /// No node will do: the error has what each of them said.
    pub async fn client(&self, attributes: TargetSessionAttrs) -> Result<Session> {
        self.client_with(attributes, &self.notebook).await
    }

    /// The same, for one whose statements are too many to note.
    pub(crate) async fn client_unnoted(&self, attributes: TargetSessionAttrs) -> Result<Session> {
        self.client_with(attributes, &Notebook::in_memory()).await
    }

    async fn client_with(
        &self,
        attributes: TargetSessionAttrs,
        notebook: &Notebook,
    ) -> Result<Session> {
        let mut said = Vec::new();
        for node in &self.nodes {
            let mut config = node.config();
            config.target_session_attrs(attributes);
            match Session::open(&config, "client", notebook).await {
                Ok(session) => return Ok(session),
                Err(error) => said.push(format!("{}: {error:?}", node.name())),
            }
        }
        let act = format!("looking for a server with target_session_attrs={attributes:?}");
        Err(Error::missing(act, said.join("\n  ")))
    }

    /// How `pg_rewind` connects to this node as its source: with a role that has no right but to
    /// read files by the functions that the manual lists.
    pub fn rewinder(&self, node: &str) -> Result<tokio_postgres::Config> {
        let mut config = self.node(node)?.config();
        config.user(REWINDER).password(self.passwords.rewinder.as_str());
        Ok(config)
    }

    /// A line for each node to paste into a shell. The password in it is this cluster's own and
    /// goes with it.
    pub fn psql_lines(&self) -> Vec<(String, String)> {
        let line = |node: &Node| {
            let (host, port) = node.endpoint().host_and_port();
            let password = self.passwords.superuser.as_str();
            let to =
                conninfo(&[("host", &host), ("port", &port.to_string()), ("user", "postgres")]);
            (
                format!("{}, {}", node.name(), node.host().place()),
                format!("PGPASSWORD={password} psql \"{to}\""),
            )
        };
        self.nodes.iter().map(line).collect()
    }

    /// What a person needs to see after a failure: each node's role, timeline and position, the
    /// last lines of its log, and where it is.
    pub async fn story(&self) -> String {
        join_all(self.nodes.iter().map(|node| story_of(node).boxed())).await.concat()
    }

    /// Takes every server away, and waits until they are gone.
    pub async fn stop(self) -> Result<()> {
        drop(self.links);
        let hosts = self.nodes.into_iter().map(Node::into_host);
        let removed = join_all(hosts.map(|host| host.remove().boxed())).await;
        removed.into_iter().collect()
    }
}

async fn story_of(node: &Node) -> String {
    let state = tokio::time::timeout(STORY.mul_f64(settings::timeout_factor()), async {
        stat::position(&node.session_unnoted().await?).await
    });
    let state = match state.await {
        Ok(Ok(position)) => format!("{position:?}"),
        Ok(Err(error)) => format!("{error:?}"),
        Err(_) => "no answer".to_owned(),
    };
    let log = node.log_tail().await.replace('\n', "\n    | ");
    format!("{}: {state}\n  in {}\n    | {log}\n", node.name(), node.host().place())
}

fn make_slot(standby: &Standby) -> Option<String> {
    let name = &standby.name;
    (standby.slot && !standby.later)
        .then(|| format!("SELECT pg_create_physical_replication_slot('{name}');"))
}
