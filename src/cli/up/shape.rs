//! The arguments of `lab up`: the cluster that is wanted. It starts nothing.

use std::time::Duration;

use clap::Args;

use super::super::failure::{Failure, Result};
use super::super::location::Location;
use super::quantity::time;
use crate::topology::{PRIMARY, Standby, Topology};

/// The cluster that is wanted.
#[derive(Debug, Args)]
pub(crate) struct Shape {
    /// How many standbys
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=8))]
    standbys: u8,
    /// Each standby follows the one before it, not the primary
    #[arg(long)]
    cascade: bool,
    /// The primary's `synchronous_standby_names`, such as 'FIRST 1 (standby1)'
    #[arg(long, value_name = "RULE")]
    pub(super) sync: Option<String>,
    /// Put this much latency on every link, each way, such as 20ms
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) latency: Option<Duration>,
    #[command(flatten)]
    pub(super) location: Location,
}

impl Shape {
    /// Whom each standby follows, in order.
    pub(super) fn upstreams(&self) -> Result<Vec<(String, String)>> {
        if self.cascade && self.standbys < 2 {
            let there = format!("{} standby, and a chain needs two", self.standbys);
            return Err(Failure::found("describing a cascade", there, "add --standbys 2, or more"));
        }
        let name = |number| match number {
            0 => PRIMARY.to_owned(),
            number => format!("standby{number}"),
        };
        let upstream = |number: u8| name(if self.cascade { number - 1 } else { 0 });
        Ok((1..=self.standbys).map(|number| (name(number), upstream(number))).collect())
    }

    /// The topology to start.
    pub(super) fn topology(&self) -> Result<Topology> {
        let standbys = self.upstreams()?.into_iter();
        let add = |topology: Topology, (name, upstream): (String, String)| {
            topology.standby(Standby::new(name).following(upstream))
        };
        Ok(standbys.fold(Topology::alone(), add))
    }
}
