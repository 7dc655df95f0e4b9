//! What a version of PostgreSQL has for replication: columns of its views, settings, functions. It
//! changes nothing and judges nothing; a page of its own for each version shows the differences.

use std::collections::BTreeMap;

use macro_rules_attribute::apply;
use replication_lab::{Proof, Result, Session, Topology};
use rstest::{Context, rstest};

use crate::support::{Lab, exercise, scenario};

const COLUMNS: &str = "SELECT 'columns of ' || relname, string_agg(attname, ', ' ORDER BY attnum) \
                       FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid \
                       WHERE relnamespace = 'pg_catalog'::regnamespace AND attnum > 0 AND relname ~ \
                       '^pg_(stat_(replication|wal|recovery|subscription|archiver|database_conflicts)|\
                       replication_slots)' GROUP BY relname ORDER BY relname";

/// The setting that is left out came with a minor release, 15.19 or 15.20 among them: it is there in some
/// servers of a major version only.
const SETTINGS: &str = "SELECT 'settings in ' || category, string_agg(name, ', ' ORDER BY name) \
                        FROM pg_settings WHERE category ~ '^(Replication|Write-Ahead Log)' \
                        AND name <> 'output_plugin_libraries' GROUP BY category ORDER BY category";

const FUNCTIONS: &str = "SELECT 'functions with ' || word || ' in their name', \
                         string_agg(DISTINCT proname, ', ' ORDER BY proname) \
                         FROM pg_proc, unnest('{backup,lsn,promote,recovery,slot,standby,wal}'::text[]) word \
                         WHERE pronamespace = 'pg_catalog'::regnamespace \
                         AND proname ~ ('(^|_)' || word || '(s|_|$)') GROUP BY word ORDER BY word";

const DEFAULTS: &str = "SELECT name, coalesce(current_setting(name, true), 'no such setting') \
                        FROM unnest('{data_checksums,wal_level,max_wal_senders,max_slot_wal_keep_size,\
                        idle_replication_slot_timeout,recovery_prefetch}'::text[]) name";

/// What monitoring and set-up of replication can rely on in this version.
///
/// Method: read the catalog of a primary that was just initialised.
#[apply(exercise)]
#[rstest]
fn what_the_version_has(#[context] test: Context) {
    let about = "The views, settings and functions for replication that this version has, and the defaults \
                 that replication depends on";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("The views and their columns");
        let pair = lab.start(Topology::pair()).await?;
        let session = pair.primary().session().await?;
        let views = noted(lab, &session, COLUMNS).await?;

        lab.step("The settings, by category");
        let settings = noted(lab, &session, SETTINGS).await?;

        lab.step("The functions, by words in their names");
        noted(lab, &session, FUNCTIONS).await?;

        lab.step("Values of a new cluster; the lab sets wal_level and max_wal_senders itself");
        let defaults = noted(lab, &session, DEFAULTS).await?;

        lab.learn(
            "Which columns a monitoring query may name, and which settings a set-up may use, depends on the major \
             version: these are those of this version.",
            [
                views.proof("columns of pg_replication_slots"),
                views.proof("columns of pg_stat_replication"),
                settings.proof("settings in Replication / Standby Servers"),
            ],
        );
        lab.learn(
            "pg_rewind needs data checksums or wal_log_hints; this is whether a cluster has checksums where \
             initdb was called without an option for them.",
            [defaults.proof("data_checksums")],
        );
        Ok(())
    });
}

/// The facts of a query, by their names.
struct Noted(BTreeMap<String, Proof>);

impl Noted {
    fn proof(&self, name: &str) -> &Proof {
        self.0.get(name).unwrap_or_else(|| panic!("no row has the name {name:?}"))
    }
}

/// Notes each row of a query, a name and a value, as a fact.
async fn noted(lab: &Lab, session: &Session, query: &str) -> Result<Noted> {
    let rows = session.rows(query).await?.into_iter();
    let pairs = rows.map(|row| (row.get::<_, String>(0), row.get::<_, String>(1)));
    Ok(Noted(pairs.map(|(name, value)| (name.clone(), lab.fact(&name, value))).collect()))
}
