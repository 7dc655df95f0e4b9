//! A host in a container. Its main process sleeps, and servers are started in it by command: so a
//! server can stop, crash, be rewound and start again on the same host. Any image works that has
//! the server's programs, a shell and a user that can run them; its entry point is never used.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use futures_util::{Stream, StreamExt as _};
use testcontainers_modules::testcontainers::bollard::container::LogOutput;
use testcontainers_modules::testcontainers::bollard::errors::Error as DockerError;
use testcontainers_modules::testcontainers::bollard::exec::{
    CreateExecOptions, StartExecOptions, StartExecResults,
};
use testcontainers_modules::testcontainers::bollard::models::{HostConfig, PortBinding};
use testcontainers_modules::testcontainers::core::IntoContainerPort as _;
use testcontainers_modules::testcontainers::runners::AsyncRunner as _;
use testcontainers_modules::testcontainers::{ContainerAsync, GenericImage, ImageExt as _};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::engine::{self, Engine};
use super::guest::Guest;
use super::script::{Endpoint, Output, Script};
use super::switch;
use crate::error::{Error, Result};
use crate::settings::{self, Settings};
use crate::wait::{PATIENCE, Seen, until};

/// The directory of the server's socket; the data directory is `data` in it. It lies outside of
/// every volume that images declare, so that it can become part of an image.
pub(crate) const HOME: &str = "/tmp/lab";

/// The seconds after which a container without an armed switch ends.
const FUSE: f64 = 10.0;

/// The shared memory of a container, in bytes: parallel queries need more than the engine's 64 MB.
const SHARED_MEMORY: u64 = 1 << 30;

/// The image that a container is started from.
#[derive(Debug)]
pub(crate) struct Base<'a> {
    /// The image as a person names it.
    pub(crate) reference: &'a str,
    /// The engine's id of it.
    pub(crate) id: &'a str,
    /// The user of every program.
    pub(crate) user: &'a str,
    /// The variables of the image that no program may have.
    pub(crate) unwanted: &'a [String],
}

/// A container that is removed with this process.
pub struct Container {
    engine: Arc<Engine>,
    id: String,
    inner: Option<ContainerAsync<GenericImage>>,
    guest: Guest,
    /// The lines that begin every script.
    prologue: String,
    published: (String, u16),
    _switch: Mutex<Attached>,
    keep: bool,
}

/// A running command in a container whose input this process holds.
pub(crate) struct Attached {
    output: Pin<Box<dyn Stream<Item = Result<LogOutput, DockerError>> + Send>>,
    input: Pin<Box<dyn AsyncWrite + Send>>,
}

impl Attached {
    /// Starts a command and waits for the first line of its output.
    async fn start(
        act: &str,
        engine: &Engine,
        id: &str,
        options: CreateExecOptions<String>,
    ) -> Result<Self> {
        let options = CreateExecOptions { attach_stdin: Some(true), ..options };
        let (_, started) = exec(engine, id, options, false).await?;
        let StartExecResults::Attached { mut output, input } = started else {
            return Err(Error::engine(act, "the engine detached the command"));
        };
        match output.next().await {
            Some(Ok(LogOutput::StdErr { message })) => {
                Err(Error::engine(act, String::from_utf8_lossy(&message)))
            }
            Some(Ok(_)) => Ok(Self { output, input }),
            Some(Err(source)) => Err(Error::engine(act, source)),
            None => Err(Error::engine(act, "the command exited at once")),
        }
    }

    /// Sends the line that the command waits for, and waits until it has exited.
    pub(crate) async fn end(mut self) -> Result<()> {
        let act = "ending a command in a container";
        self.input.write_all(b"\n").await.map_err(|source| Error::io(act, source))?;
        while let Some(said) = self.output.next().await {
            said.map_err(|source| Error::engine(act, source))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Attached")
    }
}

impl Container {
    /// Starts a container of an image, and arms its switch.
    pub(crate) async fn start(
        engine: Arc<Engine>,
        base: &Base<'_>,
        guest: Guest,
        settings: &Settings,
        node: &str,
    ) -> Result<Self> {
        let act = format!("starting a container of {}", base.reference);
        let fuse = FUSE * settings::timeout_factor();
        let (bind, listens) = (engine.published.bind.clone(), guest.port);
        // An id such as sha256:4bc1… has the form of a name with a tag.
        let (name, tag) = base.id.split_once(':').unwrap_or((base.id, "latest"));
        let request = GenericImage::new(name, tag)
            .with_entrypoint("sh")
            .with_cmd(["-c", switch::FUSE, "fuse", &fuse.to_string()])
            .with_ready_conditions(Vec::new())
            .with_user(base.user)
            .with_mapped_port(0, listens.tcp())
            .with_hostname(node)
            .with_labels([engine::label()])
            .with_shm_size(SHARED_MEMORY)
            .with_host_config_modifier(move |config| configure(config, &bind, listens));
        let prologue = prologue(base, &guest);
        engine.creations.begins();
        let inner = request.start().await.map_err(|source| cannot_start(&act, source))?;
        let port = inner
            .get_host_port_ipv4(listens)
            .await
            .map_err(|source| Error::engine(act.as_str(), source))?;
        let published = (engine.published.connect.clone(), port);
        let switch = arm(&engine, inner.id(), settings.keep).await?;
        engine.creations.is_armed();
        let (id, keep) = (inner.id().to_owned(), settings.keep);
        let inner = Some(inner);
        Ok(Self {
            engine,
            id,
            inner,
            guest,
            prologue,
            published,
            _switch: Mutex::new(switch),
            keep,
        })
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::Tcp(self.published.0.clone(), self.published.1)
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn location(&self) -> String {
        format!("container {}, {HOME}", self.id.get(..12).unwrap_or(&self.id))
    }

    pub(crate) async fn run(&self, script: &Script) -> Result<Output> {
        self.run_with(self.options(script)).await
    }

    /// Runs a script as root: for what the server's user may not do in its image.
    pub(crate) async fn run_as_root(&self, script: &Script) -> Result<Output> {
        let user = Some("0".to_owned());
        self.run_with(CreateExecOptions { user, ..self.options(script) }).await
    }

    async fn run_with(&self, options: CreateExecOptions<String>) -> Result<Output> {
        let act = "running a command in a container";
        let (exec, started) = self.exec(options, false).await?;
        let StartExecResults::Attached { mut output, .. } = started else {
            return Err(Error::engine(act, "the engine detached the command"));
        };
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        while let Some(said) = output.next().await {
            match said.map_err(|source| Error::engine(act, source))? {
                LogOutput::StdErr { message } => stderr.extend_from_slice(&message),
                said => stdout.extend_from_slice(&said.into_bytes()),
            }
        }
        Ok(Output {
            status: self.status_of(&exec).await?,
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
        })
    }

    /// Waits for the exit status. The engine reports the end of the output and the end of the
    /// command as two events, so the status may be missing for a moment.
    async fn status_of(&self, exec: &str) -> Result<Option<i64>> {
        let act = "asking for the exit status of a command in a container";
        until("the command has ended", PATIENCE, || async {
            let seen = self.engine.docker.inspect_exec(exec).await;
            let seen = seen.map_err(|source| Error::engine(act, source))?;
            Ok(match seen.running {
                Some(true) => Seen::NotYet("it runs".to_owned()),
                _ => Seen::Done(seen.exit_code),
            })
        })
        .await
    }

    pub(crate) async fn spawn(&self, script: &Script) -> Result<()> {
        self.exec(self.options(script), true).await.map(drop)
    }

    pub(crate) async fn hold(&self, script: &Script) -> Result<Attached> {
        let act = "starting a command in a container";
        Attached::start(act, &self.engine, &self.id, self.options(script)).await
    }

    async fn exec(
        &self,
        options: CreateExecOptions<String>,
        detach: bool,
    ) -> Result<(String, StartExecResults)> {
        let (stdout, stderr) = (Some(!detach), Some(!detach));
        let options = CreateExecOptions { attach_stdout: stdout, attach_stderr: stderr, ..options };
        exec(&self.engine, &self.id, options, detach).await
    }

    fn options(&self, script: &Script) -> CreateExecOptions<String> {
        let own = (self.guest.environment)(HOME);
        let environment = own.iter().chain(&script.environment);
        let environment = environment.map(|(name, value)| format!("{name}={value}")).collect();
        let line = format!("{}{}", self.prologue, script.line);
        CreateExecOptions {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            env: Some(environment),
            cmd: Some(["sh".to_owned(), "-c".to_owned(), line].to_vec()),
            working_dir: Some(format!("{HOME}/data")),
            ..CreateExecOptions::default()
        }
    }

    /// Removes the container and waits until it is removed.
    pub(crate) async fn remove(mut self) -> Result<()> {
        match self.inner.take() {
            Some(inner) => {
                inner.rm().await.map_err(|source| Error::engine("removing a container", source))
            }
            None => Ok(()),
        }
    }
}

impl Drop for Container {
    /// Leaves the removal to the switch outside of a runtime, where nothing can wait for the
    /// engine; the switch also respects that a container is to be kept.
    fn drop(&mut self) {
        let waiting = tokio::runtime::Handle::try_current().is_ok();
        match self.inner.take() {
            Some(inner) if !self.keep && waiting => drop(inner),
            inner => std::mem::forget(inner),
        }
    }
}

impl fmt::Debug for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Container").field(&self.id).finish()
    }
}

/// Returns the lines that begin every script: they drop variables of the image, and put the programs
/// of its server, and their libraries, before others.
fn prologue(base: &Base<'_>, guest: &Guest) -> String {
    let own = (guest.environment)(HOME);
    let unwanted = base.unwanted.iter().filter(|name| own.iter().all(|(kept, _)| kept != name));
    let unset: Vec<_> = unwanted.map(|name| format!("unset {name}; ")).collect();
    let path: Vec<_> = guest.programs.iter().map(|one| format!("{}:", one.display())).collect();
    let libraries = guest.libraries.iter().map(|one| {
        let own = "${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}";
        format!("LD_LIBRARY_PATH={}{own}; export LD_LIBRARY_PATH; ", one.display())
    });
    let libraries: String = libraries.collect();
    format!("{}PATH={}$PATH; export PATH; {libraries}", unset.concat(), path.concat())
}

/// Returns the error of a container that does not start.
fn cannot_start(act: &str, source: impl std::error::Error + Send + Sync + 'static) -> Error {
    let said = source.to_string();
    let error = Error::engine(act, source);
    // The engine runs its own process 1, which some of its packages leave out.
    if said.contains("docker-init") || said.contains("catatonit") {
        error.remedy("install the engine's init: the package tini or docker-init, or catatonit")
    } else if said.contains("unable to find user") {
        error.remedy("set LAB_IMAGE_USER to a user of the image that can run its programs")
    } else {
        error
    }
}

fn configure(config: &mut HostConfig, bind: &str, port: u16) {
    let binding = PortBinding { host_ip: Some(bind.to_owned()), host_port: None };
    config.init = Some(true);
    config.auto_remove = Some(true);
    config.publish_all_ports = Some(false);
    config.port_bindings = Some([(format!("{port}/tcp"), Some(vec![binding]))].into());
    config.extra_hosts = Some(vec!["host.docker.internal:host-gateway".to_owned()]);
}

/// Arms the switch. The end of this process closes the connection to the engine, the engine closes
/// the switch's input, and the switch ends the container.
async fn arm(engine: &Engine, id: &str, keep: bool) -> Result<Attached> {
    let act = "arming the dead man's switch of a container";
    let command = ["sh", "-c", switch::IN_CONTAINER, "switch", switch::otherwise(keep)];
    let options = CreateExecOptions {
        attach_stdout: Some(true),
        cmd: Some(command.map(str::to_owned).to_vec()),
        ..CreateExecOptions::default()
    };
    Attached::start(act, engine, id, options).await
}

async fn exec(
    engine: &Engine,
    id: &str,
    options: CreateExecOptions<String>,
    detach: bool,
) -> Result<(String, StartExecResults)> {
    let act = "starting a command in a container";
    let created = engine.docker.create_exec(id, options).await;
    let exec = created.map_err(|source| Error::engine(act, source))?.id;
    let how = StartExecOptions { detach, ..StartExecOptions::default() };
    let started = engine.docker.start_exec(&exec, Some(how)).await;
    Ok((exec, started.map_err(|source| Error::engine(act, source))?))
}
