//! `lab up`: a cluster to try things on, until Ctrl-C. It shows how to connect and the lag of the
//! standbys, does what a person types, and removes everything at the end. A typed line is parsed by
//! `verb`, done by the `Sandbox`, and shown by the `Screen`; nothing here knows PostgreSQL.
//!
//! ```text
//!   input ─ line ─▶ verb (words, quantity) ─▶ act ─▶ faults, servers, follow, load ─ answer ─▶ screen
//!                                                       │ sandbox (state)                        ▲
//!                                       watch ─ seen ───┴─▶ board ───────────────────────────────┘
//!   shape: the arguments
//! ```

mod act;
mod answer;
mod board;
mod faults;
mod follow;
mod input;
mod load;
mod quantity;
mod sandbox;
mod screen;
mod seen;
mod servers;
pub(super) mod shape;
mod sql;
mod state;
mod verb;
mod watch;
mod words;

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::Interval;

use self::answer::Answer;
use self::input::{Complete, Input, Typed};
use self::sandbox::Sandbox;
use self::screen::Screen;
use self::shape::Shape;
use self::verb::Verb;
use super::failure::{Failure, Result};
use super::install;
use super::view::View;
use crate::record::notebook::Notebook;
use crate::settings::Settings;
use crate::topology::Topology;

/// The schema and the data that every server begins with.
const SHOP: &str = include_str!("../../fixtures/sql/shop.sql");
const FILL: &str = "SELECT fill_shop(100)";

const THE_SHOP: &str = "

Every server has the shop: the tables users, products and orders (psql: \\d).
help lists the verbs; Ctrl-C or quit removes all servers.";

/// The interval at which the screen is drawn.
const STEP: Duration = Duration::from_millis(250);

/// Brings the cluster up, and removes it on Ctrl-C, at the end of the input, or with this process.
pub(super) async fn run(shape: &Shape) -> Result<()> {
    let topology = shape.topology()?;
    let settings = Settings::from_env_with(&shape.location.environment())?;
    let view = View::new(false, false);
    let (send, news) = mpsc::unbounded_channel();
    let sandbox = bring_up(topology, &settings, &view, send).await;
    view.ends();
    let sandbox = sandbox?;
    let played = prepare_and_play(shape, &sandbox, news).await;
    let ended = sandbox.ends().await;
    played?;
    Ok(ended?)
}

async fn bring_up(
    topology: Topology,
    settings: &Settings,
    view: &View,
    news: mpsc::UnboundedSender<String>,
) -> Result<Sandbox> {
    view.preparing("choosing where to run");
    let site = install::choose(settings, false, view).await?;
    view.say(&site.announcement());
    view.preparing(&format!("bringing up {topology}"));
    let follows = topology.standbys().iter();
    let follows = follows.map(|standby| (standby.name.clone(), standby.upstream.clone())).collect();
    let notebook = Notebook::in_memory();
    let cluster = topology.start_at(&site, &notebook).await?;
    let shop = cluster.primary().session_unrecorded().await?;
    shop.run(SHOP).await?;
    shop.run(FILL).await?;
    // A link that is cut right away must not leave a standby without the shop.
    for standby in cluster.nodes().iter().skip(1) {
        cluster.wait_for_catchup(standby.name()).await?;
    }
    Ok(Sandbox::over(cluster, notebook, follows, news).await)
}

/// Applies the arguments, shows how to connect, and does what is typed.
async fn prepare_and_play(
    shape: &Shape,
    sandbox: &Sandbox,
    news: mpsc::UnboundedReceiver<String>,
) -> Result<()> {
    let mut answers = Vec::new();
    for (node, _) in shape.upstreams()? {
        if let Some(time) = shape.delay {
            answers.push(first(sandbox, Verb::Delay(node, time), "--delay").await?);
        }
    }
    if let Some(rule) = &shape.sync {
        answers.push(first(sandbox, Verb::Sync(rule.clone()), "--sync").await?);
    }
    let connections = sandbox.connections()?;
    let screen = Screen::new();
    let input = Input::listen(screen.is_live(), names(sandbox));
    let mut stage = Stage::open(sandbox, screen, input.typed.clone(), news)?;
    stage.screen.say(&format!("{}\n", shape.topology()?));
    for answer in &answers {
        stage.screen.answer(answer);
    }
    stage.screen.say(&(connections + THE_SHOP));
    stage.play(input).await;
    stage.screen.ends();
    Ok(())
}

/// Returns what completes a word that is typed.
fn names(sandbox: &Sandbox) -> Complete {
    let nodes: Vec<_> = sandbox.names().into_iter().map(str::to_owned).collect();
    Box::new(move |line| verb::complete(line, &nodes))
}

/// Runs the verb of an argument, or fails with the reason.
async fn first(sandbox: &Sandbox, verb: Verb, argument: &str) -> Result<Answer> {
    sandbox.act(verb).await.map_err(|why| {
        Failure::found(
            format!("applying {argument}"),
            why,
            "see the examples in cargo lab up --help",
        )
    })
}

/// A sandbox, its screen and its input.
struct Stage<'a> {
    sandbox: &'a Sandbox,
    screen: Screen,
    typed: Typed,
    news: mpsc::UnboundedReceiver<String>,
    endings: [Signal; 3],
    steps: Interval,
}

impl<'a> Stage<'a> {
    fn open(
        sandbox: &'a Sandbox,
        screen: Screen,
        typed: Typed,
        news: mpsc::UnboundedReceiver<String>,
    ) -> Result<Self> {
        let hear = |kind| {
            signal(kind).map_err(|source| Failure::io("listening for signals", source, "try again"))
        };
        let endings = [
            hear(SignalKind::interrupt())?,
            hear(SignalKind::terminate())?,
            hear(SignalKind::hangup())?,
        ];
        #[expect(clippy::disallowed_methods, reason = "a view is drawn in steps")]
        let steps = tokio::time::interval(STEP);
        Ok(Self { sandbox, screen, typed, news, endings, steps })
    }

    /// Reads and does lines until a signal, the end of the input, or quit.
    async fn play(&mut self, mut input: Input) {
        while let Some(Some(line)) = self.meanwhile(input.line()).await {
            let verb = match verb::parse(&line, &self.sandbox.names()) {
                Ok(None) => continue,
                Ok(Some(Verb::Quit)) => break,
                Ok(Some(verb)) => Ok(verb),
                Err(why) => Err(why),
            };
            self.screen.echo(line.trim());
            let answered = match verb {
                Ok(verb) => self.meanwhile(self.sandbox.act(verb)).await,
                Err(why) => Some(Err(why)),
            };
            match answered {
                Some(Ok(answer)) => self.screen.answer(&answer),
                Some(Err(why)) => self.screen.tell(&format!("error: {why}")),
                None => break,
            }
        }
    }

    /// Waits for work and draws meanwhile; none when a signal ends the waiting.
    async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(work);
        let [interrupt, terminate, hang_up] = &mut self.endings;
        loop {
            tokio::select! {
                done = &mut work => return Some(done),
                _ = interrupt.recv() => return None,
                _ = terminate.recv() => return None,
                _ = hang_up.recv() => return None,
                Some(news) = self.news.recv() => self.screen.tell(&format!("- {news}")),
                _ = self.steps.tick() => {}
                () = self.typed.changed() => {}
            }
            self.screen.show(self.sandbox.board(), &self.typed.line());
        }
    }
}
