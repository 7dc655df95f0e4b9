//! The source of the hosts of a run: a container engine with an image, or an installation on this
//! machine. A site is chosen from the settings and from what is available; it never changes within
//! a cluster.
//!
//! ```text
//!   Site ─┬─ containers of an Image   containers.rs, image.rs, contents.rs (what is in one),
//!         │                           route.rs (back to this process)
//!         └─ an Installation          installation.rs
//!
//!   programs beside the server        companion.rs  HAProxy, PgBouncer, psql
//!   where programs are                directory.rs
//!   what installs a missing one       package.rs
//!   what every host is for            guest.rs      PostgreSQL, as hosts know it
//!   what every node starts from       template.rs   a data directory in the cache
//!                                     layer.rs      a data directory in an image
//!   for people who ask first          survey.rs     what this machine offers
//!   what a dead process left          leftover.rs
//! ```

pub(crate) mod companion;
#[cfg(feature = "container")]
mod containers;
#[cfg(feature = "container")]
mod contents;
mod directory;
mod guest;
#[cfg(feature = "container")]
pub(crate) mod image;
pub(crate) mod installation;
#[cfg(feature = "container")]
mod layer;
pub(crate) mod leftover;
pub(crate) mod package;
#[cfg(feature = "container")]
mod route;
#[cfg(feature = "cli")]
pub(crate) mod survey;
pub(crate) mod template;

use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Once};

use self::companion::Companion;
#[cfg(feature = "container")]
use self::containers::Containers;
#[cfg(feature = "container")]
use self::image::Image;
use self::installation::Installation;
use self::template::Template;
use crate::error::{Error, Result};
use crate::host::Host;
use crate::host::local::{self, Local};
use crate::settings::{HostChoice, Settings};
use crate::topology::PRIMARY;
use crate::version::{NEWEST_KNOWN, Version};

/// A callback for the progress of something that takes long, in a few words.
pub(crate) type Tell<'a> = dyn Fn(&str) + Sync + 'a;

/// The source of hosts, and the reason why it was chosen.
#[derive(Clone, Debug)]
pub struct Site {
    ground: Ground,
    why: String,
    settings: Settings,
}

#[derive(Clone, Debug)]
enum Ground {
    #[cfg(feature = "container")]
    Container(Arc<Containers>, Image),
    Local(Arc<Installation>),
}

impl Site {
    /// Chooses a site as the settings say, and announces it on standard error, once per process.
    /// With `LAB_HOST=auto` it is an engine that answers and has the image; else an installation
    /// that fits; else an image that the engine can pull.
    ///
    /// # Errors
    ///
    /// Nothing that the settings allow can run PostgreSQL: the error says what was tried. See
    /// [`Error::is_missing`].
    pub async fn choose(settings: &Settings) -> Result<Self> {
        let site = Self::choose_telling(settings, &|_| {}).await?;
        site.announce();
        Ok(site)
    }

    /// Chooses a site as [`choose`](Self::choose) does, without the announcement; `tell` is called
    /// with the progress of a pull.
    ///
    /// # Errors
    ///
    /// As those of [`choose`](Self::choose).
    pub async fn choose_telling(settings: &Settings, tell: &Tell<'_>) -> Result<Self> {
        Self::find(settings, Some(tell)).await
    }

    /// Chooses among what is available, without a pull and without an announcement.
    #[cfg(feature = "cli")]
    async fn there(settings: &Settings) -> Result<Self> {
        Self::find(settings, None).await
    }

    async fn find(settings: &Settings, pull: Option<&Tell<'_>>) -> Result<Self> {
        match settings.host {
            HostChoice::Local => Self::local(settings, "LAB_HOST=local").await,
            HostChoice::Container => Self::container(settings, "LAB_HOST=container", pull).await,
            HostChoice::Auto => Self::auto(settings, pull).await,
        }
    }

    /// Creates the template of the nodes now; otherwise the first cluster would wait for it.
    ///
    /// # Errors
    ///
    /// The template cannot be created.
    pub async fn prepare(&self) -> Result<()> {
        self.template().await.map(drop)
    }

    async fn local(settings: &Settings, why: &str) -> Result<Self> {
        let installation = Installation::find(settings).await?;
        local::check_directory(&settings.dir, PRIMARY, &guest::socket())?;
        let settings = settings.clone();
        Ok(Self { ground: Ground::Local(Arc::new(installation)), why: why.to_owned(), settings })
    }

    #[cfg(not(feature = "container"))]
    async fn container(_: &Settings, _: &str, _: Option<&Tell<'_>>) -> Result<Self> {
        let act = "looking for a container engine";
        Err(Error::missing(act, "a lab that was built without the feature \"container\"")
            .remedy("build it with the feature \"container\", or set LAB_HOST=local"))
    }

    #[cfg(not(feature = "container"))]
    async fn auto(settings: &Settings, _: Option<&Tell<'_>>) -> Result<Self> {
        Self::local(settings, "this lab was built without the feature \"container\"").await
    }

    #[cfg(feature = "container")]
    async fn container(settings: &Settings, why: &str, pull: Option<&Tell<'_>>) -> Result<Self> {
        let containers = Containers::of_process().await?;
        let image = match containers.find(settings).await? {
            Some(image) => image,
            None => containers.pull(settings, pull).await?,
        };
        Ok(Self::on(containers, image, why, settings))
    }

    #[cfg(feature = "container")]
    fn on(
        containers: Arc<Containers>,
        image: Image,
        why: impl Into<String>,
        settings: &Settings,
    ) -> Self {
        let ground = Ground::Container(containers, image);
        Self { ground, why: why.into(), settings: settings.clone() }
    }

    #[cfg(feature = "container")]
    async fn auto(settings: &Settings, pull: Option<&Tell<'_>>) -> Result<Self> {
        if settings.bin.is_some() {
            return Self::local(settings, "LAB_PG_BIN is set").await;
        }
        if settings.image.is_some() {
            return Self::container(settings, "LAB_IMAGE is set", pull).await;
        }
        match Self::containers_that_serve(settings).await {
            Ok(Some(site)) => Ok(site),
            Ok(None) => {
                match Self::local(settings, "the container engine has no image of this version")
                    .await
                {
                    Ok(local) => Ok(local),
                    Err(missing) => {
                        Self::pulled(settings, pull).await.map_err(|no| neither(&no, &missing))
                    }
                }
            }
            Err(broken) => {
                let why = match broken.is_no_route() {
                    true => "containers do not reach this process",
                    false => "no container engine answers",
                };
                let local = Self::local(settings, why).await;
                local.map_err(|missing| neither(&broken, &missing))
            }
        }
    }

    /// Returns the containers of an available image, if they can reach this process.
    #[cfg(feature = "container")]
    async fn containers_that_serve(settings: &Settings) -> Result<Option<Self>> {
        let containers = Containers::of_process().await?;
        let Some(image) = containers.find(settings).await? else {
            return Ok(None);
        };
        containers.probe(&image, settings).await?;
        Ok(Some(Self::on(
            containers,
            image,
            "a container engine answers and has the image",
            settings,
        )))
    }

    #[cfg(feature = "container")]
    async fn pulled(settings: &Settings, pull: Option<&Tell<'_>>) -> Result<Self> {
        let containers = Containers::of_process().await?;
        let image = containers.pull(settings, pull).await?;
        containers.probe(&image, settings).await?;
        Ok(Self::on(containers, image, "the image was pulled just now", settings))
    }

    /// Returns the PostgreSQL version of servers here, as `postgres --version` reports it.
    pub fn version(&self) -> &Version {
        match &self.ground {
            #[cfg(feature = "container")]
            Ground::Container(_, image) => &image.contents.version,
            Ground::Local(installation) => &installation.version,
        }
    }

    /// Returns the kind of host: `container` or `local`.
    pub fn kind(&self) -> &'static str {
        match &self.ground {
            #[cfg(feature = "container")]
            Ground::Container(..) => "container",
            Ground::Local(_) => "local",
        }
    }

    /// Returns the settings that it was chosen with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns the lines of `LAB_CONF`.
    pub(crate) fn extra_conf(&self) -> Result<String> {
        let Some(path) = &self.settings.conf else { return Ok(String::new()) };
        std::fs::read_to_string(path).map_err(|source| {
            Error::io(format!("reading LAB_CONF={}", path.display()), source)
                .remedy("set LAB_CONF to a file with lines of postgresql.conf, or unset it")
        })
    }

    /// Returns the template of every node here.
    pub(crate) async fn template(&self) -> Result<Template> {
        match &self.ground {
            #[cfg(feature = "container")]
            Ground::Container(containers, image) => {
                containers.template(image, &self.settings).await
            }
            Ground::Local(installation) => Template::in_cache(installation).await,
        }
    }

    /// Creates a host for a node that starts from `template`, or with an empty data directory.
    pub(crate) async fn host(&self, node: &str, template: Option<&Template>) -> Result<Host> {
        let host = match (&self.ground, template) {
            #[cfg(feature = "container")]
            (Ground::Container(containers, image), None)
            | (Ground::Container(containers, _), Some(Template::Image(image, _))) => {
                image.start(containers.engine(), &self.settings, node).await.map(Host::from)
            }
            #[cfg(feature = "container")]
            (Ground::Container(..), Some(Template::Directory(..))) => {
                Err(Error::missing("starting a container", "a template for local hosts"))
            }
            (Ground::Local(installation), _) => {
                let guest = guest::installed(&installation.bin);
                Local::create(guest, &self.settings, node).map(Host::from)
            }
        };
        host.map_err(|error| error.on(node))
    }

    /// Creates a host for a proxy, a process of this machine also where the servers run in
    /// containers: a proxy stands in front of its servers.
    pub(crate) fn host_of_a_proxy(&self, name: &str, needed: &[Companion]) -> Result<Host> {
        let directories = needed.iter().map(|one| one.find(&self.settings));
        let guest = guest::proxy(directories.collect::<Result<_>>()?);
        let host = Local::create(guest, &self.settings, name);
        host.map(Host::from).map_err(|error| error.on(name))
    }

    /// Returns where a relay for a server on this host listens: the address to bind, and the
    /// address at which the server connects, where that is another one.
    pub(crate) async fn relay(&self, host: &Host) -> Result<(IpAddr, Option<String>)> {
        #[cfg(feature = "container")]
        if let (Ground::Container(containers, _), Some(container)) =
            (&self.ground, host.container())
        {
            let route = containers.route(container, &self.settings).await?;
            return Ok((route.bind, Some(route.address)));
        }
        #[cfg(not(feature = "container"))]
        let _ = host;
        Ok((Ipv4Addr::LOCALHOST.into(), None))
    }

    /// Returns a line that says what was chosen, with a warning for a PostgreSQL that is newer than
    /// this lab.
    pub fn announcement(&self) -> String {
        let version = self.version();
        let warning = match version.major() > NEWEST_KNOWN {
            true => format!(
                "\nreplication-lab: warning: PostgreSQL {version} is newer than this lab knows; \
                 its pages may differ"
            ),
            false => String::new(),
        };
        format!("replication-lab: {self}{warning}")
    }

    /// Returns the machine, what servers run on there, and the settings that change figures: a
    /// record keeps it, so that figures of two machines can be compared.
    pub fn location(&self) -> String {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let (system, processor) = (std::env::consts::OS, std::env::consts::ARCH);
        let mut location = format!("{system} {processor}, {cores} cores; {}", self.ground);
        #[expect(clippy::float_cmp, reason = "it is the default, or was set")]
        if self.settings.scale != 1.0 {
            let _ = write!(location, "; LAB_SCALE={}", self.settings.scale);
        }
        if let Some(conf) = &self.settings.conf {
            let _ = write!(location, "; LAB_CONF={}", conf.display());
        }
        location
    }

    /// Prints the announcement once per process, past the capture of test harnesses.
    fn announce(&self) {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            let _ = writeln!(std::io::stderr(), "{}", self.announcement());
        });
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.ground, self.why)
    }
}

impl fmt::Display for Ground {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            #[cfg(feature = "container")]
            Self::Container(containers, image) => {
                let version = &containers.engine().version;
                let (image, server) = (&image.reference, &image.contents.version);
                write!(f, "containers of {image}, PostgreSQL {server}, on engine {version}")
            }
            Self::Local(installation) => {
                let Installation { bin, version } = installation.as_ref();
                write!(f, "local processes, PostgreSQL {version} from {}", bin.display())
            }
        }
    }
}

#[cfg(feature = "container")]
fn neither(engine: &Error, installation: &Error) -> Error {
    let there = format!("{engine:?}\n  and {installation:?}").replace('\n', "\n  ");
    Error::missing("choosing where to run PostgreSQL", there)
        .remedy("provide one of the two; the shortest way is to run cargo lab --install")
}
