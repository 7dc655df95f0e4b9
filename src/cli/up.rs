//! A cluster to play with: brought up, shown, and taken down when the person is done.

use std::io::Write as _;

use replication_lab::{Notebook, Result, Settings, Site, Topology};
use tokio::io::AsyncReadExt as _;

/// Brings up a primary with this many standbys, and takes them down on Ctrl-C, on the end of the
/// input, or with this process.
pub(crate) async fn run(standbys: u8) -> Result<()> {
    let site = Site::choose(&Settings::from_env()?).await?;
    let names = (1..=standbys).map(|number| format!("standby{number}"));
    let topology = names.fold(Topology::alone(), Topology::standby);
    let shape = topology.to_string();
    let cluster = topology.start_at(&site, &Notebook::in_memory()).await?;
    let mut out = std::io::stdout();
    let _ = writeln!(out, "{shape}\n");
    for (node, line) in cluster.psql_lines() {
        let _ = writeln!(out, "# {node}\n{line}\n");
    }
    let _ = writeln!(out, "Ctrl-C takes them all away.");
    let _ = out.flush();
    until_done().await;
    cluster.stop().await
}

/// Ctrl-C, or the end of the input.
async fn until_done() {
    let mut input = tokio::io::stdin();
    let mut heard = [0; 256];
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = async { while input.read(&mut heard).await.is_ok_and(|bytes| bytes > 0) {} } => {}
    }
}
