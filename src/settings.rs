//! The only reader of the environment. Every setting is named `LAB_…`. A value that is not
//! understood is an error that lists the allowed values; it never becomes a silent default.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::LazyLock;

use crate::error::{Error, Result, Why};
use crate::version::Version;

/// Where a run happens, and on which PostgreSQL. The shape of the cluster is a
/// [`Topology`](crate::Topology).
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `LAB_HOST`: where nodes run.
    pub host: HostChoice,
    /// `LAB_PG`: the PostgreSQL version; none stands for the newest stable one that is available.
    pub version: Option<Version>,
    /// `LAB_IMAGE`: a container image to use instead of `postgres:<major>`.
    pub image: Option<String>,
    /// `LAB_IMAGE_USER`: the user of an image that runs the server, where the image does not say.
    pub image_user: Option<String>,
    /// `LAB_PG_BIN`: the directory of PostgreSQL's programs, instead of the search for it.
    pub bin: Option<PathBuf>,
    /// `LAB_DIR`: the directory below which local clusters are created; by default the temporary
    /// directory.
    pub dir: PathBuf,
    /// `LAB_KEEP`: keep the cluster of a test that failed, or of a process that was killed.
    pub keep: bool,
    /// `LAB_SCALE`: multiplies row counts and load durations.
    pub scale: f64,
    /// `LAB_RECORDS`: the directory that records are written to; by default `target/lab` of the Rust
    /// package around the current directory, or `lab-records` where there is no package.
    pub records: PathBuf,
    /// `LAB_CONF`: a file of extra lines for every node's configuration.
    pub conf: Option<PathBuf>,
    /// `LAB_RELAY_ADDRESS`: the address under which containers reach this process.
    pub relay_address: Option<String>,
    /// `LAB_DRIVER`: what runs the scenarios.
    pub driver: Driver,
}

/// What runs the scenarios. Tests that run at the same time share the machine, so their figures are
/// not comparable; a record says how its test ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    /// `cargo test`, which runs several tests at a time.
    Cargo,
    /// The program `lab`, which runs one scenario at a time. The standard input is a pipe from
    /// `lab`; its end ends the run, so that no scenario goes on when `lab` is killed.
    Lab,
    /// A person, who runs one scenario at a time and presses Enter after each step.
    Person,
}

/// Where nodes run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostChoice {
    /// In containers where a container engine answers and has, or can pull, the image; else as
    /// local processes.
    Auto,
    /// In containers, or not at all.
    Container,
    /// As processes on this machine, or not at all.
    Local,
}

impl Default for Settings {
    /// Returns the settings of an environment without any `LAB_…` variable.
    fn default() -> Self {
        Self {
            host: HostChoice::Auto,
            version: None,
            image: None,
            image_user: None,
            bin: None,
            dir: std::env::temp_dir(),
            keep: false,
            scale: 1.0,
            records: default_records(&std::env::current_dir().unwrap_or_default()),
            conf: None,
            relay_address: None,
            driver: Driver::Cargo,
        }
    }
}

impl Settings {
    /// Reads the settings from this process's environment.
    ///
    /// # Errors
    ///
    /// A value is not understood: the error names the setting and the values it takes.
    pub fn from_env() -> Result<Self> {
        Self::from_env_with(&[])
    }

    /// Reads the settings from the environment; the variables in `given` override it.
    ///
    /// # Errors
    ///
    /// As those of [`from_env`](Self::from_env).
    pub fn from_env_with(given: &[(&str, String)]) -> Result<Self> {
        let settings = Self::read(|asked| {
            let given = given.iter().find(|(name, _)| *name == asked);
            given.map(|(_, value)| value.clone()).or_else(|| environment(asked).map(to_text))
        })?;
        timeout(environment("LAB_TIMEOUT").map(to_text))?;
        Ok(settings)
    }

    fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let default = Self::default();
        let given = |name: &str| lookup(name).filter(|value| !value.is_empty());
        Ok(Self {
            host: parse(given("LAB_HOST"), "LAB_HOST", "auto, container, local", host)?
                .unwrap_or(default.host),
            version: parse(
                given("LAB_PG"),
                "LAB_PG",
                "a version from 13 on, such as 17, 17.4, 19rc1, or of an image 17-alpine",
                |text| text.parse().ok(),
            )?,
            image: given("LAB_IMAGE"),
            image_user: given("LAB_IMAGE_USER"),
            bin: given("LAB_PG_BIN").map(PathBuf::from),
            dir: given("LAB_DIR").map_or(default.dir, PathBuf::from),
            keep: switch(given("LAB_KEEP"), "LAB_KEEP")?,
            scale: factor(given("LAB_SCALE"), "LAB_SCALE")?,
            records: given("LAB_RECORDS").map_or(default.records, PathBuf::from),
            conf: given("LAB_CONF").map(PathBuf::from),
            relay_address: given("LAB_RELAY_ADDRESS"),
            driver: parse(given("LAB_DRIVER"), "LAB_DRIVER", "cargo, lab, person", driver)?
                .unwrap_or(default.driver),
        })
    }
}

/// Returns where records are written by default, from a current directory.
fn default_records(current: &Path) -> PathBuf {
    let package = current.ancestors().find(|above| above.join("Cargo.toml").is_file());
    match package {
        Some(root) if root == current => PathBuf::from("target/lab"),
        Some(root) => root.join("target/lab"),
        None => PathBuf::from("lab-records"),
    }
}

fn host(text: &str) -> Option<HostChoice> {
    match text {
        "auto" => Some(HostChoice::Auto),
        "container" => Some(HostChoice::Container),
        "local" => Some(HostChoice::Local),
        _ => None,
    }
}

fn driver(text: &str) -> Option<Driver> {
    match text {
        "cargo" => Some(Driver::Cargo),
        "lab" => Some(Driver::Lab),
        "person" => Some(Driver::Person),
        _ => None,
    }
}

fn switch(given: Option<String>, name: &str) -> Result<bool> {
    let value = parse(given, name, "0, 1", |text| match text {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    })?;
    Ok(value.unwrap_or(false))
}

fn factor(given: Option<String>, name: &str) -> Result<f64> {
    let value = parse(given, name, "a number above 0 and up to 1000, such as 2 or 0.5", |text| {
        f64::from_str(text).ok().filter(|factor| *factor > 0.0 && *factor <= 1000.0)
    })?;
    Ok(value.unwrap_or(1.0))
}

fn timeout(given: Option<String>) -> Result<f64> {
    factor(given.filter(|value| !value.is_empty()), "LAB_TIMEOUT")
}

fn parse<T>(
    given: Option<String>,
    name: &str,
    allowed: &'static str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>> {
    let Some(value) = given else { return Ok(None) };
    match read(&value) {
        Some(read) => Ok(Some(read)),
        None => {
            Err(Error::new(format!("reading the setting {name}"), Why::Setting { value, allowed })
                .remedy(format!("set {name} to one of these, or unset it")))
        }
    }
}

/// Returns `LAB_TIMEOUT`, the factor that multiplies every deadline. An invalid value counts as 1
/// here, because [`Settings::from_env`] has refused it before anything waits.
pub fn timeout_factor() -> f64 {
    static FACTOR: LazyLock<f64> =
        LazyLock::new(|| timeout(environment("LAB_TIMEOUT").map(to_text)).unwrap_or(1.0));
    *FACTOR
}

/// Returns the directories in which programs are searched, from `PATH`.
pub(crate) fn search_path() -> Vec<PathBuf> {
    environment("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default()
}

/// Returns `PATH` with these directories in front.
pub(crate) fn search_path_behind(first: &[PathBuf]) -> OsString {
    path_behind("PATH", first)
}

/// Returns the variable that names directories of libraries, with these in front; none where there
/// are none to add. Only Linux has such a variable that reaches the programs of a shell.
pub(crate) fn library_path_behind(first: &[PathBuf]) -> Option<(&'static str, OsString)> {
    let name = "LD_LIBRARY_PATH";
    (!first.is_empty()).then(|| (name, path_behind(name, first)))
}

fn path_behind(name: &str, first: &[PathBuf]) -> OsString {
    // An empty path would stand for the current directory.
    let own = environment(name).filter(|own| !own.is_empty());
    let split = |own| std::env::split_paths(own).collect::<Vec<_>>();
    let all = first.iter().cloned().chain(own.as_ref().map(split).unwrap_or_default());
    std::env::join_paths(all).unwrap_or(own.unwrap_or_default())
}

/// Returns the variables that a server and its tools inherit from this process: enough to load
/// their libraries, and nothing that changes their behaviour (no `PG…`, no `LC_…`, no `LANG`).
pub(crate) fn inherited() -> impl Iterator<Item = (&'static str, OsString)> {
    ["PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR", "SYSTEMROOT"]
        .into_iter()
        .filter_map(|name| Some((name, environment(name)?)))
}

/// Returns `DOCKER_HOST`, the address of the container engine.
#[cfg(feature = "container")]
pub(crate) fn docker_host() -> Option<String> {
    environment("DOCKER_HOST").map(to_text)
}

/// Returns the variables with which the engine's command line client finds the same engine.
#[cfg(feature = "container")]
pub(crate) fn for_docker() -> impl Iterator<Item = (&'static str, OsString)> {
    ["HOME", "XDG_RUNTIME_DIR", "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG"]
        .into_iter()
        .filter_map(|name| Some((name, environment(name)?)))
}

/// Tells whether cargo runs this program.
#[cfg(feature = "cli")]
pub(crate) fn is_run_by_cargo() -> bool {
    environment("CARGO").is_some()
}

/// Returns the names of cargo's variables of the running program. A cargo that is started from this
/// program must not inherit them: build scripts would run again at every switch.
#[cfg(feature = "cli")]
pub(crate) fn cargo_variables() -> Vec<OsString> {
    #[expect(clippy::disallowed_methods, reason = "the one reader of the environment")]
    let names = std::env::vars_os().map(|(name, _)| name);
    let of_cargo = |name: &OsString| {
        let name = name.to_string_lossy();
        let set = ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];
        set.iter().any(|prefix| name.starts_with(prefix))
    };
    names.filter(of_cargo).collect()
}

/// Returns the values of libpq's variables, each with the keyword of a connection string that it
/// stands for (manual: libpq, Environment Variables). As in libpq, a variable may be set and empty.
#[cfg(feature = "cli")]
pub(crate) fn libpq() -> impl Iterator<Item = (&'static str, String)> {
    [
        ("PGAPPNAME", "application_name"),
        ("PGCHANNELBINDING", "channel_binding"),
        ("PGCLIENTENCODING", "client_encoding"),
        ("PGCONNECT_TIMEOUT", "connect_timeout"),
        ("PGDATABASE", "dbname"),
        ("PGGSSDELEGATION", "gssdelegation"),
        ("PGGSSENCMODE", "gssencmode"),
        ("PGGSSLIB", "gsslib"),
        ("PGHOST", "host"),
        ("PGHOSTADDR", "hostaddr"),
        ("PGKRBSRVNAME", "krbsrvname"),
        ("PGLOADBALANCEHOSTS", "load_balance_hosts"),
        ("PGMAXPROTOCOLVERSION", "max_protocol_version"),
        ("PGMINPROTOCOLVERSION", "min_protocol_version"),
        ("PGOPTIONS", "options"),
        ("PGPASSFILE", "passfile"),
        ("PGPASSWORD", "password"),
        ("PGPORT", "port"),
        ("PGREQUIREAUTH", "require_auth"),
        ("PGREQUIREPEER", "requirepeer"),
        ("PGREQUIRESSL", "requiressl"),
        ("PGSERVICE", "service"),
        ("PGSERVICEFILE", "servicefile"),
        ("PGSSLCERT", "sslcert"),
        ("PGSSLCERTMODE", "sslcertmode"),
        ("PGSSLCOMPRESSION", "sslcompression"),
        ("PGSSLCRL", "sslcrl"),
        ("PGSSLCRLDIR", "sslcrldir"),
        ("PGSSLKEY", "sslkey"),
        ("PGSSLMAXPROTOCOLVERSION", "ssl_max_protocol_version"),
        ("PGSSLMINPROTOCOLVERSION", "ssl_min_protocol_version"),
        ("PGSSLMODE", "sslmode"),
        ("PGSSLNEGOTIATION", "sslnegotiation"),
        ("PGSSLROOTCERT", "sslrootcert"),
        ("PGSSLSNI", "sslsni"),
        ("PGTARGETSESSIONATTRS", "target_session_attrs"),
        ("PGUSER", "user"),
    ]
    .into_iter()
    .filter_map(|(name, keyword)| Some((keyword, to_text(environment(name)?))))
}

/// Returns the settings of a session that libpq takes from variables, with their values.
#[cfg(feature = "cli")]
pub(crate) fn libpq_session() -> impl Iterator<Item = (&'static str, String)> {
    [("PGDATESTYLE", "datestyle"), ("PGTZ", "timezone"), ("PGGEQO", "geqo")]
        .into_iter()
        .filter_map(|(name, setting)| Some((setting, to_text(environment(name)?))))
        .filter(|(_, value)| !value.eq_ignore_ascii_case("default"))
}

/// Returns `PGSYSCONFDIR`, the directory of the service file of all accounts.
#[cfg(feature = "cli")]
pub(crate) fn libpq_directory() -> Option<PathBuf> {
    environment("PGSYSCONFDIR").map(PathBuf::from)
}

#[expect(clippy::disallowed_methods, reason = "the one reader of the environment")]
fn environment(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// Replaces what is not UTF-8, so that an error can show the value.
#[expect(clippy::needless_pass_by_value, reason = "it is mapped over an Option")]
fn to_text(value: OsString) -> String {
    value.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &'static str, value: &'static str) -> Result<Settings> {
        Settings::read(move |asked| (asked == name).then(|| value.to_owned()))
    }

    #[test]
    fn records_are_below_the_target_directory_of_a_package_only() {
        let root = tempfile::tempdir().unwrap();
        let below = root.path().join("src");
        std::fs::create_dir(&below).unwrap();
        assert_eq!(default_records(&below), PathBuf::from("lab-records"));
        std::fs::write(root.path().join("Cargo.toml"), "").unwrap();
        assert_eq!(default_records(root.path()), PathBuf::from("target/lab"));
        assert_eq!(default_records(&below), root.path().join("target/lab"));
    }

    #[test]
    fn nothing_set_is_the_default_and_so_is_an_empty_value() {
        assert_eq!(Settings::read(|_| None).unwrap(), Settings::default());
        assert_eq!(Settings::read(|_| Some(String::new())).unwrap(), Settings::default());
    }

    #[test]
    fn every_setting_is_read() {
        assert_eq!(with("LAB_HOST", "local").unwrap().host, HostChoice::Local);
        assert_eq!(with("LAB_PG", "19rc1").unwrap().version.unwrap().major(), 19);
        assert_eq!(with("LAB_IMAGE", "mine:1").unwrap().image.unwrap(), "mine:1");
        assert_eq!(with("LAB_IMAGE_USER", "1001").unwrap().image_user.unwrap(), "1001");
        assert_eq!(with("LAB_PG_BIN", "/opt/pg").unwrap().bin.unwrap(), PathBuf::from("/opt/pg"));
        assert_eq!(with("LAB_DIR", "/dev/shm").unwrap().dir, PathBuf::from("/dev/shm"));
        assert!(with("LAB_KEEP", "1").unwrap().keep);
        assert!((with("LAB_SCALE", "0.5").unwrap().scale - 0.5).abs() < f64::EPSILON);
        assert_eq!(with("LAB_RECORDS", "out").unwrap().records, PathBuf::from("out"));
        assert_eq!(with("LAB_CONF", "x.conf").unwrap().conf.unwrap(), PathBuf::from("x.conf"));
        assert_eq!(
            with("LAB_RELAY_ADDRESS", "10.0.0.1").unwrap().relay_address.unwrap(),
            "10.0.0.1"
        );
        assert_eq!(with("LAB_DRIVER", "lab").unwrap().driver, Driver::Lab);
        assert_eq!(with("LAB_DRIVER", "person").unwrap().driver, Driver::Person);
    }

    #[test]
    fn a_value_that_is_not_understood_lists_those_that_are() {
        for (name, value, allowed) in [
            ("LAB_HOST", "podman", "auto, container, local"),
            ("LAB_PG", "12", "from 13 on"),
            ("LAB_PG", "latest", "from 13 on"),
            ("LAB_KEEP", "yes", "0, 1"),
            ("LAB_SCALE", "0", "above 0"),
            ("LAB_SCALE", "inf", "up to 1000"),
        ] {
            let error = with(name, value).unwrap_err();
            assert!(error.is_bad_input());
            let said = error.to_string();
            for part in [name, value, allowed, "what to do:"] {
                assert!(said.contains(part), "{part:?} is missing in: {said}");
            }
        }
        assert!(timeout(Some("fast".into())).unwrap_err().to_string().contains("LAB_TIMEOUT"));
    }

    #[test]
    fn libraries_are_named_only_where_programs_bring_them_along() {
        assert_eq!(library_path_behind(&[]), None);
        let (name, path) = library_path_behind(&["/opt/pg/lib".into()]).unwrap();
        assert_eq!(name, "LD_LIBRARY_PATH");
        let first = std::env::split_paths(&path).next();
        assert_eq!(first, Some("/opt/pg/lib".into()));
        assert!(std::env::split_paths(&path).all(|one| !one.as_os_str().is_empty()));
    }

    #[test]
    fn without_a_setting_a_run_has_these() {
        let default = Settings::default();
        assert_eq!((default.host, default.driver), (HostChoice::Auto, Driver::Cargo));
        assert_eq!((default.keep, default.records), (false, PathBuf::from("target/lab")));
        assert!((default.scale - 1.0).abs() < f64::EPSILON);
        assert_eq!((default.version, default.image, default.bin), (None, None, None));
        assert_eq!((default.conf, default.relay_address), (None, None));
    }

    #[test]
    fn every_word_of_a_setting_has_its_meaning() {
        for (word, choice) in [
            ("auto", HostChoice::Auto),
            ("container", HostChoice::Container),
            ("local", HostChoice::Local),
        ] {
            assert_eq!(with("LAB_HOST", word).unwrap().host, choice);
        }
        for (word, driver) in
            [("cargo", Driver::Cargo), ("lab", Driver::Lab), ("person", Driver::Person)]
        {
            assert_eq!(with("LAB_DRIVER", word).unwrap().driver, driver);
        }
        assert!(!with("LAB_KEEP", "0").unwrap().keep);
        assert!(with("LAB_DRIVER", "ci").is_err());
    }

    #[test]
    fn a_factor_is_above_0_and_up_to_1000() {
        for (value, factor) in [
            ("0.001", Some(0.001)),
            ("2", Some(2.0)),
            ("1000", Some(1000.0)),
            ("1000.1", None),
            ("-1", None),
            ("NaN", None),
        ] {
            assert_eq!(with("LAB_SCALE", value).ok().map(|settings| settings.scale), factor);
            assert_eq!(timeout(Some(value.to_owned())).ok(), factor, "{value}");
        }
        for unset in [None, Some(String::new())] {
            assert_eq!(timeout(unset).ok(), Some(1.0));
        }
    }

    #[test]
    fn what_is_given_overrides_the_environment() {
        let given = [("LAB_RECORDS", "b"), ("LAB_KEEP", "1"), ("LAB_IMAGE", "a")];
        let given = given.map(|(name, value)| (name, value.to_owned()));
        let settings = Settings::from_env_with(&given).unwrap();
        assert_eq!((settings.records, settings.keep), (PathBuf::from("b"), true));
        assert_eq!(settings.image.as_deref(), Some("a"));
        assert!(Settings::from_env_with(&[("LAB_KEEP", "yes".to_owned())]).is_err());
    }

    /// Reads `PATH`, which every process of the tests has.
    #[test]
    fn programs_are_searched_in_the_given_directories_first() {
        let path = search_path();
        assert!(path.iter().any(|directory| directory.join("sh").exists()), "{path:?}");
        let first = ["/b", "/a"].map(PathBuf::from);
        let both = std::env::split_paths(&search_path_behind(&first)).collect::<Vec<_>>();
        assert_eq!(both, [first.as_slice(), &path].concat());
    }

    #[test]
    fn a_server_inherits_the_search_path_and_no_setting_of_postgresql_or_of_a_language() {
        let names: Vec<_> = inherited().map(|(name, _)| name).collect();
        assert!(names.contains(&"PATH"), "{names:?}");
        for name in names {
            assert!(!["PG", "LC_", "LANG", "LAB_"].iter().any(|other| name.starts_with(other)));
        }
        let path = inherited().find(|(name, _)| *name == "PATH").map(|(_, value)| value);
        assert_eq!(path, environment("PATH"));
    }

    #[cfg(unix)]
    #[test]
    fn a_value_that_is_not_utf_8_can_be_shown() {
        use std::os::unix::ffi::OsStringExt as _;
        let value = OsString::from_vec(b"a\xffb".to_vec());
        assert_eq!(to_text(value), "a\u{fffd}b");
        assert_eq!(to_text("abc".into()), "abc");
    }
}
