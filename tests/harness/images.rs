//! Images of other people: what is in one is found out, and an image that cannot serve is refused with
//! what is missing. The images are made from the one of this run, in the shapes that others have.

use pretty_assertions::assert_eq;
use replication_lab::record::Notebook;
use replication_lab::{Settings, Site, Topology};

use crate::support::{Outcome, program, within_deadline};

/// An image in another shape, with its template removed at the end.
struct Reshaped {
    reference: String,
}

impl Reshaped {
    /// Makes the image; none where the run has no containers. `shape` is one of
    /// `fixtures/images/reshape`.
    async fn of(shape: &str, tag: &str) -> Outcome<Option<Self>> {
        let site = Site::choose(&Settings::from_env()?).await?;
        let chosen = site.to_string();
        let base = chosen.strip_prefix("containers of ").and_then(|rest| rest.split_once(", "));
        let Some((base, _)) = base else { return Ok(None) };
        let reference = format!("lab-harness-{shape}:{tag}");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/images/reshape");
        let made = program("sh").args([script, shape, base, &reference]).output()?;
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Ok(Some(Self { reference }))
    }

    fn settings(&self) -> Outcome<Settings> {
        let given = [("LAB_IMAGE", self.reference.clone()), ("LAB_PG", String::new())];
        Ok(Settings::from_env_with(&given)?)
    }

    /// Returns the error of a run with these settings.
    async fn refusal(&self, settings: &Settings) -> String {
        match Site::choose_telling(settings, &|_| {}).await {
            Ok(site) => panic!("{} was taken: {site}", self.reference),
            Err(error) => format!("{error:?}"),
        }
    }

    fn docker(arguments: &[&str]) -> String {
        let output = program("docker").args(arguments).output();
        output.map_or_else(|_| String::new(), |said| String::from_utf8_lossy(&said.stdout).into())
    }
}

impl Drop for Reshaped {
    fn drop(&mut self) {
        let label = format!("label=replication-lab.base={}", self.reference);
        for template in Self::docker(&["images", "-q", "--filter", &label]).lines() {
            Self::docker(&["rmi", template]);
        }
        Self::docker(&["rmi", &self.reference]);
    }
}

/// Starts a pair from the image, and returns what its primary says of itself.
async fn streams(image: &Reshaped, settings: &Settings) -> Outcome<Vec<String>> {
    let site = Site::choose_telling(settings, &|_| {}).await?;
    assert!(site.to_string().contains(&image.reference), "{site}");
    let pair = Topology::pair().start_at(&site, &Notebook::in_memory()).await?;
    let primary = pair.primary().session().await?;
    primary.run("CREATE TABLE t AS SELECT 1 AS a").await?;
    pair.wait_for_catchup("standby1").await?;
    let standby = pair.node("standby1")?.session().await?;
    let mut said = vec![standby.value::<i32>("SELECT a FROM t").await?.to_string()];
    for asked in ["port", "lc_messages", "data_directory"] {
        said.push(primary.value::<String>(&format!("SELECT current_setting('{asked}')")).await?);
    }
    pair.stop().await?;
    Ok(said)
}

/// No bash, another user id, programs outside `PATH`, a volume, an entry point that fails, and
/// variables that change what the programs do: a pair streams all the same.
#[test]
fn an_image_in_another_shape_serves() {
    within_deadline(async {
        let Some(image) = Reshaped::of("foreign", "latest").await? else { return Ok(()) };
        let said = streams(&image, &image.settings()?).await?;
        assert_eq!(said, ["1", "5432", "C", "/tmp/lab/data"]);
        Ok(())
    });
}

#[test]
fn a_user_without_an_entry_in_passwd_runs_the_server() {
    within_deadline(async {
        let Some(image) = Reshaped::of("numbered", "latest").await? else { return Ok(()) };
        let said = streams(&image, &image.settings()?).await?;
        assert_eq!(said.first().map(String::as_str), Some("1"));
        Ok(())
    });
}

#[test]
fn an_image_without_a_user_is_told_one() {
    within_deadline(async {
        let Some(image) = Reshaped::of("renamed", "latest").await? else { return Ok(()) };
        let settings = image.settings()?;
        let refused = image.refusal(&settings).await;
        for part in [&image.reference, "no user for the server", "LAB_IMAGE_USER"] {
            assert!(refused.contains(part), "{part:?} is missing in: {refused}");
        }
        let wrong = Settings { image_user: Some("someone".to_owned()), ..settings.clone() };
        let site = Site::choose_telling(&wrong, &|_| {}).await?;
        let pair = Topology::pair().start_at(&site, &Notebook::in_memory()).await;
        let refused = pair.err().map(|error| format!("{error:?}")).unwrap_or_default();
        assert!(refused.contains("LAB_IMAGE_USER"), "{refused}");
        let settings = Settings { image_user: Some("database".to_owned()), ..settings };
        streams(&image, &settings).await?;
        Ok(())
    });
}

/// A page would be compared under a wrong version.
#[test]
fn a_tag_that_names_another_version_is_refused_with_both() {
    within_deadline(async {
        let Some(image) = Reshaped::of("numbered", "14.1").await? else { return Ok(()) };
        let settings = image.settings()?;
        let site = Site::choose(&Settings::from_env()?).await?;
        let found = site.version().to_string();
        let refused = image.refusal(&settings).await;
        for part in [&image.reference, "PostgreSQL 14.1, as its tag says", &found, "set LAB_PG="] {
            assert!(refused.contains(part), "{part:?} is missing in: {refused}");
        }
        let named = Settings { version: Some("13.1".parse()?), ..settings.clone() };
        let refused = image.refusal(&named).await;
        for part in ["PostgreSQL 13.1, as LAB_PG says", &found] {
            assert!(refused.contains(part), "{part:?} is missing in: {refused}");
        }
        // Who says what is in it is believed, once it is so.
        let known =
            Settings { version: Some(site.version().major().to_string().parse()?), ..settings };
        assert_eq!(Site::choose_telling(&known, &|_| {}).await?.version(), site.version());
        Ok(())
    });
}

#[test]
fn an_image_without_a_server_is_refused() {
    within_deadline(async {
        let Some(image) = Reshaped::of("no-server", "latest").await? else { return Ok(()) };
        let refused = image.refusal(&image.settings()?).await;
        for part in [&image.reference, "no postgres, initdb and pg_basebackup", "LAB_IMAGE"] {
            assert!(refused.contains(part), "{part:?} is missing in: {refused}");
        }
        Ok(())
    });
}
