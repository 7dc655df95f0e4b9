//! The arguments of `lab up`: the shape of the cluster. Nothing is started here.

use std::time::Duration;

use clap::Args;

use super::super::failure::{Failure, Result};
use super::super::location::Location;
use super::quantity::time;
use crate::topology::{PRIMARY, Standby, Topology};

/// The shape of the cluster.
#[derive(Debug, Args)]
pub(crate) struct Shape {
    /// Number of standbys
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=8))]
    standbys: u8,
    /// Make each standby follow the one before it, not the primary
    #[arg(long)]
    cascade: bool,
    /// The primary's `synchronous_standby_names`, such as 'FIRST 1 (standby1)'
    #[arg(long, value_name = "RULE")]
    pub(super) sync: Option<String>,
    /// Delay every byte on every link by this time, in each direction, such as 20ms
    #[arg(long, alias = "latency", value_name = "TIME", value_parser = time)]
    pub(super) delay: Option<Duration>,
    #[command(flatten)]
    pub(super) location: Location,
}

impl Shape {
    /// Returns each standby with its upstream, in order.
    pub(super) fn upstreams(&self) -> Result<Vec<(String, String)>> {
        if self.cascade && self.standbys < 2 {
            let there = format!("{} standby, but a cascade needs two", self.standbys);
            return Err(Failure::found("describing a cascade", there, "add --standbys 2, or more"));
        }
        let name = |number| match number {
            0 => PRIMARY.to_owned(),
            number => format!("standby{number}"),
        };
        let upstream = |number: u8| name(if self.cascade { number - 1 } else { 0 });
        Ok((1..=self.standbys).map(|number| (name(number), upstream(number))).collect())
    }

    /// Returns the topology to start.
    pub(super) fn topology(&self) -> Result<Topology> {
        let standbys = self.upstreams()?.into_iter();
        let add = |topology: Topology, (name, upstream): (String, String)| {
            topology.standby(Standby::new(name).following(upstream))
        };
        Ok(standbys.fold(Topology::alone(), add))
    }
}
