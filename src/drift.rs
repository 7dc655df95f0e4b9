//! What differs between the same table on two servers: rows are put into buckets by a hash of their
//! key, buckets are compared by a hash of their rows, and only the rows of unequal buckets are
//! fetched. It repairs nothing.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::session::Session;

/// How many buckets a table is cut into: a power of two.
const BUCKETS: u32 = 16384;

/// The differences of one table, by the key of the row, as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drift {
    /// Rows that only the first server has.
    pub only_first: Vec<String>,
    /// Rows that only the second server has.
    pub only_second: Vec<String>,
    /// Rows that both have, with other values.
    pub changed: Vec<String>,
    /// The bytes of hashes, keys and row hashes that were compared.
    pub compared: u64,
}

impl Drift {
    /// How many rows differ.
    pub fn rows(&self) -> usize {
        self.only_first.len() + self.only_second.len() + self.changed.len()
    }
}

/// Hashes by what they are of: a bucket's number, or a row's key.
type Hashes = BTreeMap<String, String>;

/// Compares a table whose rows are told apart by the column `key`. Both names are used in SQL as they
/// are. Nobody should write meanwhile, or rows that changed in between count as drift. The hashes of
/// buckets are PostgreSQL's own, so both servers must be of the same major version.
pub async fn drift(first: &Session, second: &Session, table: &str, key: &str) -> Result<Drift> {
    let buckets = format!(
        "SELECT ({bucket})::text, \
         count(*) || ' ' || sum(hashtextextended(t::text, 0)::numeric) \
         FROM {table} AS t GROUP BY 1",
        bucket = bucket(key),
    );
    let (ours, theirs) = (hashes(first, &buckets).await?, hashes(second, &buckets).await?);
    let unequal = compare(&ours, &theirs);
    let numbers: Vec<_> = [&unequal.only_first, &unequal.only_second, &unequal.changed]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect();
    if numbers.is_empty() {
        return Ok(unequal);
    }
    let rows = format!(
        "SELECT t.{key}::text, md5(t::text) FROM {table} AS t WHERE {bucket} IN ({numbers})",
        bucket = bucket(key),
        numbers = numbers.join(", "),
    );
    let (ours, theirs) = (hashes(first, &rows).await?, hashes(second, &rows).await?);
    let mut found = compare(&ours, &theirs);
    found.compared += unequal.compared;
    Ok(found)
}

/// The bucket of a row: by its key, so that it is the same on both servers whatever else is there.
fn bucket(key: &str) -> String {
    format!("(hashtext(t.{key}::text) & {})", BUCKETS - 1)
}

async fn hashes(session: &Session, sql: &str) -> Result<Hashes> {
    let rows = session.rows_unrecorded(sql).await?;
    let read = rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
    let read: Result<Hashes, tokio_postgres::Error> = read.collect();
    read.map_err(|source| Error::sql("reading hashes", source))
}

/// Which keys are on one side only, and which have another hash.
fn compare(first: &Hashes, second: &Hashes) -> Drift {
    let size = |(key, hash): (&String, &String)| (key.len() + hash.len()) as u64;
    let compared = first.iter().chain(second).map(size).sum();
    let mut drift = Drift { compared, ..Drift::default() };
    for (key, hash) in first {
        match second.get(key) {
            None => drift.only_first.push(key.clone()),
            Some(theirs) if theirs != hash => drift.changed.push(key.clone()),
            Some(_) => {}
        }
    }
    drift.only_second.extend(second.keys().filter(|key| !first.contains_key(*key)).cloned());
    drift
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashes_of(rows: &[(&str, &str)]) -> Hashes {
        rows.iter().map(|(key, hash)| ((*key).to_owned(), (*hash).to_owned())).collect()
    }

    #[test]
    fn every_kind_of_difference_is_found_and_none_is_invented() {
        let first = hashes_of(&[("1", "a"), ("2", "b"), ("3", "c")]);
        let second = hashes_of(&[("2", "b"), ("3", "x"), ("4", "d")]);
        let found = compare(&first, &second);
        assert_eq!(found.only_first, ["1"]);
        assert_eq!(found.only_second, ["4"]);
        assert_eq!(found.changed, ["3"]);
        assert_eq!((found.rows(), found.compared), (3, 12));
        assert_eq!(compare(&first, &first).rows(), 0);
    }
}
