//! `lab clean`: removes what killed processes left: kept clusters, and what no switch covered. It
//! leaves the hosts of processes that still run alone.

use std::io::Write as _;

use super::failure::Result;
use crate::settings::Settings;
use crate::site::leftover::Leftover;

/// Removes what was left, with `all` the templates, too; with `dry_run` only prints it.
pub(super) async fn run(all: bool, dry_run: bool) -> Result<()> {
    let settings = Settings::from_env()?;
    let mut found = false;
    for host in Leftover::all(&settings).await? {
        let location = host.location();
        if !host.is_orphan() {
            tell(&format!("kept {location}: process {} still runs", host.process));
            continue;
        }
        found = true;
        if dry_run {
            tell(&format!("would remove {location}"));
        } else {
            host.remove().await?;
            tell(&format!("removed {location}"));
        }
    }
    let (templates, did) = match (all, dry_run) {
        (false, _) => (Vec::new(), ""),
        (true, true) => (Leftover::templates(&settings).await?, "would remove"),
        (true, false) => (Leftover::remove_templates(&settings).await?, "removed"),
    };
    for template in &templates {
        tell(&format!("{did} {template}"));
    }
    if !found && templates.is_empty() {
        tell("nothing to remove");
    }
    Ok(())
}

fn tell(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
