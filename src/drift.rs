//! Differences between the same table on two servers. Rows are put into buckets by a hash of their
//! key, buckets are compared by a hash of their rows, and only the rows of unequal buckets are
//! fetched. Nothing here repairs a difference.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::session::Session;

/// The number of buckets that a table is divided into: a power of two.
const BUCKETS: u32 = 16384;

/// The differences of one table, by the key of the row, as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drift {
    /// Rows that only the first server has.
    pub only_first: Vec<String>,
    /// Rows that only the second server has.
    pub only_second: Vec<String>,
    /// Rows that both have, with other values.
    pub changed: Vec<String>,
    /// The bytes of hashes and keys that were compared.
    pub compared: u64,
}

impl Drift {
    /// Returns the number of rows that differ.
    pub fn rows(&self) -> usize {
        self.only_first.len() + self.only_second.len() + self.changed.len()
    }
}

/// Hashes, by the number of a bucket or by the key of a row.
type Hashes = BTreeMap<String, String>;

/// Compares a table whose column `key` identifies its rows. Both names are used in SQL as they are.
/// No client may write meanwhile, or rows that changed in between count as drift. The hashes of
/// buckets are PostgreSQL's own, so both servers must be of the same major version.
///
/// # Errors
///
/// A server has no such table or column, or a connection is lost.
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

/// Returns the SQL expression for the bucket of a row. It depends on the key alone, so that a row
/// is in the same bucket on both servers.
fn bucket(key: &str) -> String {
    format!("(hashtext(t.{key}::text) & {})", BUCKETS - 1)
}

async fn hashes(session: &Session, sql: &str) -> Result<Hashes> {
    let rows = session.rows_unrecorded(sql).await?;
    let read = rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
    let read: Result<Hashes, tokio_postgres::Error> = read.collect();
    read.map_err(|source| Error::sql("reading hashes", source))
}

/// Compares hashes: which keys are on one side only, and which have another hash.
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

    #[test]
    fn the_kinds_of_difference_are_counted_apart() {
        let first =
            hashes_of(&[("1", "a"), ("12", "b"), ("3", "ccc"), ("4", "d"), ("5", "e"), ("7", "z")]);
        let second = hashes_of(&[("4", "xx"), ("5", "y"), ("6", "f"), ("7", "z")]);
        let found = compare(&first, &second);
        let numbers = [found.only_first.len(), found.only_second.len(), found.changed.len()];
        assert_eq!(numbers, [3, 1, 2]);
        assert_eq!(found.only_first, ["1", "12", "3"]);
        assert_eq!(found.only_second, ["6"]);
        assert_eq!(found.changed, ["4", "5"]);
        assert_eq!(found.rows(), 6);
        assert_eq!(found.compared, 15 + 9);
        let empty = compare(&Hashes::new(), &Hashes::new());
        assert_eq!(empty, Drift::default());
    }

    #[test]
    fn a_bucket_depends_on_the_key_alone_and_is_one_of_a_power_of_two() {
        assert_eq!(bucket("id"), "(hashtext(t.id::text) & 16383)");
    }
}
