//! Clients that know both servers, and the server that each of them reaches. Nothing here is measured.

use replication_lab::catchup::wait_for_streaming;
use replication_lab::{Cluster, Notebook, Result, Session, Shutdown, Topology};
use rstest::{Context, rstest};
use tokio_postgres::config::TargetSessionAttrs::{self, Any, ReadOnly, ReadWrite};

use crate::steps::shop::{ORDER, ORDERS};
use crate::support::{Lab, scenario};

const WHO: &str = "SELECT current_setting('cluster_name')";
const STANDBY: &str = "SELECT pg_is_in_recovery()";

/// One connection string leads every client to the right server.
///
/// Method: both hosts in either order, read-write and read-only; then with one server gone, and
/// with both.
#[rstest]
fn routing(#[context] test: Context) {
    let about = "One connection string leads every client to the right server";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("Both servers in the string, in either order");
        let pair = lab.start(Topology::pair()).await?;
        let orders = [BOTH, ["standby1", "primary"]];
        let found = [
            in_recovery(&pair, &orders[0], ReadWrite).await?,
            in_recovery(&pair, &orders[1], ReadWrite).await?,
        ];
        let writes = lab.must_be("read-write: does it reach a standby", found, [false, false]);
        let found = [
            in_recovery(&pair, &orders[0], ReadOnly).await?,
            in_recovery(&pair, &orders[1], ReadOnly).await?,
        ];
        let reads = lab.must_be("read-only: does it reach a standby", found, [true, true]);
        let found = [
            in_recovery(&pair, &orders[0], Any).await?,
            in_recovery(&pair, &orders[1], Any).await?,
        ];
        let any = lab.must_be("any: does it reach a standby", found, [false, true]);

        lab.step("The primary is gone");
        pair.primary().stop(Shutdown::Fast).await?;
        let found = in_recovery(&pair, &orders[0], ReadOnly).await?;
        let left = lab.must_be("read-only: does it reach a standby", found, true);
        let named = named_by(&pair, ReadWrite).await;
        let none = lab.must_be("read-write: servers that the error names", named, BOTH);

        lab.step("Both are gone");
        pair.standby()?.stop(Shutdown::Fast).await?;
        let named = named_by(&pair, ReadOnly).await;
        let gone = lab.must_be("read-only: servers that the error names", named, BOTH);

        lab.learn(
            "With target_session_attrs one string serves writers and readers, in any order of hosts.",
            [&writes, &reads],
        );
        lab.learn("Without it the first server that answers is taken, whatever it is.", [&any]);
        lab.learn(
            "Who finds nobody that fits gets an error, and no other server.",
            [&left, &none, &gone],
        );
        Ok(())
    });
}

/// Reads go on without the standby, and return to it.
///
/// Method: a reader that asks for a standby and takes any server where there is none; stop the
/// standby, write, start it.
#[rstest]
fn standby_fails(#[context] test: Context) {
    let about = "Reads go on without the standby, and return to it";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A reader that asks for a standby first, and then for any server");
        let pair = lab.start(Topology::pair()).await?;
        let (writer, standby) = (pair.primary().session().await?, pair.standby()?);
        writer.run_file("fixtures/sql/shop.sql").await?;
        writer.run("SELECT fill_shop(10)").await?;
        pair.wait_for_catchup("standby1").await?;
        let read = read_somewhere(&pair).await?;
        let before = lab.must_be("a read comes from", read, ("standby1".to_owned(), 20));

        lab.step("The standby fails, and orders come in");
        standby.crash().await?;
        writer.run(ORDER).await?;
        let read = read_somewhere(&pair).await?;
        let meanwhile = lab.must_be("a read comes from", read, ("primary".to_owned(), 21));

        lab.step("The standby returns");
        standby.start().await?;
        wait_for_streaming(&writer, &["standby1"]).await?;
        pair.wait_for_catchup("standby1").await?;
        let read = read_somewhere(&pair).await?;
        let after = lab.must_be("a read comes from", read, ("standby1".to_owned(), 21));

        lab.learn(
            "A reader that falls back to any server goes on when the standby fails, and finds it \
             again when it returns, with what was written meanwhile.",
            [&before, &meanwhile, &after],
        );
        Ok(())
    });
}

const BOTH: [&str; 2] = ["primary", "standby1"];

/// Does a client with these hosts in its string, and these attributes, reach a standby?
async fn in_recovery(pair: &Cluster, hosts: &[&str], wanted: TargetSessionAttrs) -> Result<bool> {
    let mut config = pair.config_of(hosts)?;
    config.target_session_attrs(wanted);
    Session::open(&config, "client", &Notebook::in_memory()).await?.value(STANDBY).await
}

/// The servers that are named to a client that finds none with these attributes.
async fn named_by(pair: &Cluster, wanted: TargetSessionAttrs) -> Vec<&'static str> {
    let told = pair.client(wanted).await.map_or_else(|error| error.to_string(), |_| String::new());
    BOTH.into_iter().filter(|name| told.contains(&format!("{name}: "))).collect()
}

/// Where a reader that prefers a standby reads, and how many orders it sees.
async fn read_somewhere(pair: &Cluster) -> Result<(String, u64)> {
    let client = match pair.client(ReadOnly).await {
        Ok(client) => client,
        Err(_) => pair.client(Any).await?,
    };
    Ok((client.value(WHO).await?, client.count(ORDERS).await?))
}
