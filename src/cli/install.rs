//! Installs PostgreSQL where nothing can run it, and the programs that some exercises need beside
//! it: by the system's package manager, with one command that is shown before it is run, and only
//! when a person asks for it.

use std::io::{IsTerminal as _, Write as _};
use std::process::Stdio;

use super::view::View;
use crate::error::{Error, Result, Why};
use crate::host::program;
use crate::settings::{HostChoice, Settings};
use crate::site::Site;
use crate::site::companion::Companion;
use crate::site::installation::Installation;
use crate::site::package;

/// Chooses where to run. Where nothing can run PostgreSQL, installs it if `install` is set or a
/// person at the terminal agrees, and chooses again. With `install`, programs beside it that are
/// missing are installed, too.
pub(super) async fn choose(settings: &Settings, install: bool, view: &View) -> Result<Site> {
    let tell = |news: &str| view.preparing(news);
    let nothing = match Site::choose_telling(settings, &tell).await {
        Ok(site) => {
            if let Some(line) = beside(settings).filter(|_| install) {
                view.hide();
                let _ = writeln!(std::io::stderr(), "lab: {line}");
                run(&line).await?;
                view.show();
            }
            return Ok(site);
        }
        Err(nothing) => nothing,
    };
    view.hide();
    match command(settings).await {
        Some(line) if install || agreed(&nothing, &line).await => {
            let _ = writeln!(std::io::stderr(), "lab: {line}");
            run(&line).await?;
            view.show();
            Site::choose_telling(settings, &tell).await
        }
        _ => Err(nothing),
    }
}

/// Runs the command; its output goes where this process's output goes.
async fn run(line: &str) -> Result<()> {
    let act = "installing what is missing";
    let mut sh = program::command("sh");
    let status = sh.args(["-c", line]).stdin(Stdio::null()).kill_on_drop(true).status().await;
    match status.map_err(|source| Error::io(act, source))? {
        done if done.success() => Ok(()),
        failed => {
            let (line, output) = (line.to_owned(), String::new());
            let status = failed.code().map(i64::from);
            Err(Error::new(act, Why::Command { line, status, output }))
        }
    }
}

/// Returns the command that installs what is missing. There is none where an installation fits and
/// the reason is another one, nor where the settings name containers, an image or a directory of
/// programs.
pub(super) async fn command(settings: &Settings) -> Option<String> {
    let elsewhere = settings.host == HostChoice::Container
        || settings.bin.is_some()
        || settings.image.is_some();
    if elsewhere || Installation::find(settings).await.is_ok() {
        return None;
    }
    package::how_to_install(true, &Companion::missing_of(&Companion::ALL, settings), settings)
}

/// Returns the command that installs the programs beside PostgreSQL that are missing; none where
/// there are none.
pub(super) fn beside(settings: &Settings) -> Option<String> {
    package::how_to_install(false, &Companion::missing_of(&Companion::ALL, settings), settings)
}

/// Asks the person at the terminal. Ctrl-C ends the program meanwhile: the read of the answer is
/// abandoned.
async fn agreed(nothing: &Error, line: &str) -> bool {
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        return false;
    }
    let _ = write!(std::io::stderr(), "lab: {nothing:?}\n\nRun this now?  {line}  [y/N] ");
    let answer = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).map(|_| answer)
    });
    let heard = answer.await.ok().and_then(std::result::Result::ok);
    heard.is_some_and(|answer| matches!(answer.trim(), "y" | "Y" | "yes"))
}
