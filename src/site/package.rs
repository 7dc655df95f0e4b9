//! The command that installs what a machine lacks: PostgreSQL, and the programs beside it. Nothing
//! here runs the command.

use nix::unistd::Uid;

use super::companion::Companion;
use crate::settings::{self, Settings};
use crate::version::Version;

/// Returns the command line that installs PostgreSQL in the requested version, if `postgresql` is
/// set, and these programs; none where no package manager is known or nothing is to be installed.
pub(crate) fn how_to_install(
    postgresql: bool,
    companions: &[Companion],
    settings: &Settings,
) -> Option<String> {
    let there =
        |program: &str| settings::search_path().iter().any(|dir| dir.join(program).exists());
    let manager = ["apt-get", "dnf", "apk", "brew"].into_iter().find(|name| there(name))?;
    let major = settings.version.as_ref().map(Version::major);
    let servers = if postgresql { server(manager, major) } else { Vec::new() };
    let others = companions.iter().map(|companion| companion.package(manager).to_owned());
    let packages: Vec<_> = servers.into_iter().chain(others).collect();
    if packages.is_empty() {
        return None;
    }
    let line = install_with(manager, &packages) + &services_off(manager, companions);
    match manager != "brew" && !Uid::effective().is_root() {
        true => Some(format!("sudo sh -c '{line}'")),
        false => Some(line),
    }
}

/// Returns the packages of PostgreSQL's server for a package manager.
fn server(manager: &str, major: Option<u16>) -> Vec<String> {
    let of_major = |name: &str, mark: &str| match major {
        Some(major) => format!("{name}{mark}{major}"),
        None => name.to_owned(),
    };
    match manager {
        "apt-get" => vec![of_major("postgresql", "-")],
        "dnf" => ["postgresql-server", "postgresql-contrib"].map(str::to_owned).to_vec(),
        "apk" => {
            let package = of_major("postgresql", "");
            vec![package.clone(), format!("{package}-contrib")]
        }
        _ => vec![of_major("postgresql", "@")],
    }
}

/// Returns the command of a package manager. It contains nothing that needs quoting within single
/// quotes.
fn install_with(manager: &str, packages: &[String]) -> String {
    let packages = packages.join(" ");
    match manager {
        "apt-get" => format!(
            "apt-get update && DEBIAN_FRONTEND=noninteractive \
             apt-get install -y --no-install-recommends {packages}"
        ),
        "dnf" => format!("dnf install -y {packages}"),
        "apk" => format!("apk add {packages}"),
        _ => format!("brew install {packages}"),
    }
}

/// Returns the end of the line that stops and disables the services that Debian's packages start:
/// the lab starts processes of its own.
fn services_off(manager: &str, companions: &[Companion]) -> String {
    let services = companions.iter().filter(|companion| companion.is_a_service());
    let off = |one: &Companion| {
        format!(" && {{ service {one} stop; systemctl disable {one}; true; }} >/dev/null 2>&1")
    };
    match manager {
        "apt-get" => services.map(off).collect(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_manager_has_its_command() {
        let line = |manager, major| install_with(manager, &server(manager, major));
        assert!(line("apt-get", None).ends_with(" postgresql"));
        assert!(line("apt-get", Some(17)).ends_with(" postgresql-17"));
        assert_eq!(line("apk", Some(17)), "apk add postgresql17 postgresql17-contrib");
        assert_eq!(line("brew", Some(17)), "brew install postgresql@17");
        assert!(!line("dnf", None).contains('\''));
    }

    /// A package that starts a service is followed by the end of that service, on Debian alone.
    #[test]
    fn a_companion_is_installed_without_its_service() {
        let packages = Companion::ALL.map(|one| one.package("apt-get"));
        assert_eq!(packages, ["haproxy", "pgbouncer", "postgresql-client"]);
        let off = services_off("apt-get", &Companion::ALL);
        for part in ["service haproxy stop", "systemctl disable haproxy", "service pgbouncer stop"]
        {
            assert!(off.contains(part), "{part:?} is missing in: {off}");
        }
        assert!(!off.contains("psql") && !off.contains('\''), "{off}");
        assert_eq!(services_off("brew", &Companion::ALL), "");
    }
}
