//! Where the hosts of this run come from: a container engine with an image, or an installation on
//! this machine. A site is chosen from the settings and from what is there, and told in one line; a
//! choice is never changed in the middle of a cluster.
//!
//! ```text
//!   Site ─┬─ containers of an Image   containers.rs, image.rs, route.rs (back to this process)
//!         └─ an Installation          installation.rs
//!
//!   what every host is for            guest.rs      PostgreSQL, as hosts know it
//!   what every node starts from       template.rs   a data directory in the cache
//!                                     layer.rs      a data directory in an image
//!   for people who ask first          survey.rs     what this machine offers
//!   what a dead process left          leftover.rs
//! ```

#[cfg(feature = "container")]
mod containers;
mod guest;
#[cfg(feature = "container")]
pub(crate) mod image;
pub(crate) mod installation;
#[cfg(feature = "container")]
mod layer;
pub(crate) mod leftover;
#[cfg(feature = "container")]
mod route;
#[cfg(feature = "cli")]
pub(crate) mod survey;
pub(crate) mod template;

use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Once};

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

/// Hears, in a few words, how something goes that takes long.
pub(crate) type Tell<'a> = dyn Fn(&str) + Sync + 'a;

/// Where hosts come from, and why.
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
    /// Chooses as the settings say. With `LAB_HOST=auto`: an engine that answers and has the image;
    /// else an installation that fits; else an image that the engine can pull. Says what it chose on
    /// standard error, once per process.
    pub async fn choose(settings: &Settings) -> Result<Self> {
        let site = Self::choose_telling(settings, &|_| {}).await?;
        site.announce();
        Ok(site)
    }

    /// The same without a word on standard error; `tell` hears how the pull of an image goes.
    pub async fn choose_telling(settings: &Settings, tell: &Tell<'_>) -> Result<Self> {
        Self::find(settings, Some(tell)).await
    }

    /// Chooses among what is there: nothing is pulled, and nothing is said.
    #[cfg(feature = "cli")]
    async fn there(settings: &Settings) -> Result<Self> {
        Self::find(settings, None).await
    }

    async fn find(settings: &Settings, pull: Option<&Tell<'_>>) -> Result<Self> {
        match settings.host {
            HostChoice::Local => Self::local(settings, "LAB_HOST=local").await,
            HostChoice::Container => Self::container(settings, pull).await,
            HostChoice::Auto => Self::auto(settings, pull).await,
        }
    }

    /// Makes now what the first cluster would have to wait for: the template of its nodes.
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
    async fn container(_: &Settings, _: Option<&Tell<'_>>) -> Result<Self> {
        let act = "looking for a container engine";
        Err(Error::missing(act, "a lab that was built without the feature \"container\"")
            .remedy("build it with the feature \"container\", or set LAB_HOST=local"))
    }

    #[cfg(not(feature = "container"))]
    async fn auto(settings: &Settings, _: Option<&Tell<'_>>) -> Result<Self> {
        Self::local(settings, "this lab was built without the feature \"container\"").await
    }

    #[cfg(feature = "container")]
    async fn container(settings: &Settings, pull: Option<&Tell<'_>>) -> Result<Self> {
        let containers = Containers::of_process().await?;
        let image = match image::find(containers.engine(), settings).await? {
            Some(image) => image,
            None => image::pull(containers.engine(), settings, pull).await?,
        };
        Ok(Self::on(containers, image, "LAB_HOST=container", settings))
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
            return Self::container(settings, pull).await;
        }
        match Self::containers_that_serve(settings).await {
            Ok(Some(site)) => Ok(site),
            Ok(None) => {
                match Self::local(settings, "the container engine has no image of it").await {
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

    /// Containers of an image that is there, which can reach this process.
    #[cfg(feature = "container")]
    async fn containers_that_serve(settings: &Settings) -> Result<Option<Self>> {
        let containers = Containers::of_process().await?;
        let Some(image) = image::find(containers.engine(), settings).await? else {
            return Ok(None);
        };
        containers.probe(&image, settings).await?;
        Ok(Some(Self::on(containers, image, "a container engine answers and has it", settings)))
    }

    #[cfg(feature = "container")]
    async fn pulled(settings: &Settings, pull: Option<&Tell<'_>>) -> Result<Self> {
        let containers = Containers::of_process().await?;
        let image = image::pull(containers.engine(), settings, pull).await?;
        containers.probe(&image, settings).await?;
        Ok(Self::on(containers, image, "it was pulled just now", settings))
    }

    /// The PostgreSQL version that servers here are of; the minor one only where it is known
    /// before a server runs.
    pub fn version(&self) -> &Version {
        match &self.ground {
            #[cfg(feature = "container")]
            Ground::Container(_, image) => &image.version,
            Ground::Local(installation) => &installation.version,
        }
    }

    /// `container` or `local`.
    pub fn kind(&self) -> &'static str {
        match &self.ground {
            #[cfg(feature = "container")]
            Ground::Container(..) => "container",
            Ground::Local(_) => "local",
        }
    }

    /// The settings it was chosen with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The lines of `LAB_CONF`.
    pub(crate) fn extra_conf(&self) -> Result<String> {
        let Some(path) = &self.settings.conf else { return Ok(String::new()) };
        std::fs::read_to_string(path).map_err(|source| {
            Error::io(format!("reading LAB_CONF={}", path.display()), source)
                .remedy("set LAB_CONF to a file of postgresql.conf lines, or unset it")
        })
    }

    /// What every node here starts from.
    pub(crate) async fn template(&self) -> Result<Template> {
        match &self.ground {
            #[cfg(feature = "container")]
            Ground::Container(containers, image) => {
                containers.template(image, &self.settings).await
            }
            Ground::Local(installation) => Template::in_cache(installation).await,
        }
    }

    /// A new host for a node that starts from `template`, or from nothing at all.
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

    /// Where a relay for a server on this host listens: the address to bind, and the one under which
    /// the server knows it, where that is another one.
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

    /// What was chosen, and a warning where this lab may not know what it chose.
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

    /// The machine, what servers run on there, and the settings that change figures: what a record
    /// says of the place, for who compares two.
    pub fn place(&self) -> String {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let (system, processor) = (std::env::consts::OS, std::env::consts::ARCH);
        let mut place = format!("{system} {processor}, {cores} cores; {}", self.ground);
        #[expect(clippy::float_cmp, reason = "it is the default, or was set")]
        if self.settings.scale != 1.0 {
            let _ = write!(place, "; LAB_SCALE={}", self.settings.scale);
        }
        if let Some(conf) = &self.settings.conf {
            let _ = write!(place, "; LAB_CONF={}", conf.display());
        }
        place
    }

    /// Says it once per process, past the capture of test harnesses.
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
                write!(f, "containers of {}:{} on engine {version}", image.name, image.tag)
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
    Error::missing("looking for somewhere to run PostgreSQL", there)
        .remedy("either of the two will do; the shortest way is cargo lab --install")
}
