//! Getting PostgreSQL where nothing serves: by the system's package manager, with one command that
//! is shown before it is run, and never without being told to.

use std::io::{IsTerminal as _, Write as _};

use replication_lab::{Error, Installation, Result, Settings, Site};

use super::view::View;

/// Chooses where to run. Where nothing serves, installs PostgreSQL if `install` says so or a person
/// at the terminal does, and chooses again.
pub(super) async fn choose(settings: &Settings, install: bool, view: &View) -> Result<Site> {
    let tell = |news: &str| view.preparing(news);
    let nothing = match Site::choose_telling(settings, &tell).await {
        Ok(site) => return Ok(site),
        Err(nothing) => nothing,
    };
    view.hide();
    match command(settings, &nothing) {
        Some(line) if install || agreed(&nothing, &line) => {
            let _ = writeln!(std::io::stderr(), "lab: {line}");
            Installation::install(&line).await?;
            view.show();
            Site::choose_telling(settings, &tell).await
        }
        _ => Err(nothing),
    }
}

/// The command that helps: there is none where containers were asked for, or one setting is wrong.
fn command(settings: &Settings, nothing: &Error) -> Option<String> {
    use replication_lab::HostChoice::{Auto, Local};
    let helps = matches!(settings.host, Auto | Local) && nothing.is_missing();
    let elsewhere = settings.bin.is_some() || settings.image.is_some();
    Installation::how_to_install(settings).filter(|_| helps && !elsewhere)
}

fn agreed(nothing: &Error, line: &str) -> bool {
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        return false;
    }
    let _ = write!(std::io::stderr(), "lab: {nothing:?}\n\nRun this now?  {line}  [y/N] ");
    let mut answer = String::new();
    let heard = std::io::stdin().read_line(&mut answer).is_ok();
    heard && matches!(answer.trim(), "y" | "Y" | "yes")
}
