//! The arguments that say where nodes run, which several commands have. They stand for settings;
//! nothing is chosen here.

use clap::{Args, ValueEnum};

/// The arguments for where nodes run.
#[derive(Debug, Args)]
pub(super) struct Location {
    /// Host on which the nodes run (`LAB_HOST`)
    #[arg(long, value_enum)]
    host: Option<Host>,
    /// Version of PostgreSQL (`LAB_PG`)
    #[arg(long, value_name = "VERSION")]
    pg: Option<String>,
    /// Container image with PostgreSQL's programs (`LAB_IMAGE`)
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
}

impl Location {
    /// Returns the settings that the arguments stand for.
    pub(super) fn environment(&self) -> Vec<(&'static str, String)> {
        let host = self.host.and_then(|host| host.to_possible_value());
        let given = [
            ("LAB_HOST", host.map(|host| host.get_name().to_owned())),
            ("LAB_PG", self.pg.clone()),
            ("LAB_IMAGE", self.image.clone()),
        ];
        given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Host {
    /// Containers where an engine answers and has the image, else local processes
    Auto,
    /// Containers only
    Container,
    /// Processes of the installed PostgreSQL only
    Local,
}
