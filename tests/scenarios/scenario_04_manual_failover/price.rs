//! How much `pg_rewind` and `pg_basebackup` copy, by the size of the data. Nothing here judges a time.

use macro_rules_attribute::apply;
use rstest::{Context, rstest};

use super::sizes::{LARGE_ROWS, SMALL_ROWS, copied_by_both};
use crate::support::{Lab, exercise, scenario};

/// `pg_rewind` copies WAL files and changed blocks, a rebuild copies all data: which of them copies less
/// depends on the size of the data.
///
/// Method: a split brain with little data and one with 105 MB more of it; bring the old primary back by
/// `pg_rewind`, and then rebuild it from the same new primary; count the bytes over its link.
#[apply(exercise)]
#[rstest]
fn rewind_or_rebuild(#[context] test: Context) {
    let about = "What pg_rewind and pg_basebackup copy for the same split brain, on little data and on \
                 105 MB more; every WAL file is 16 MB";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("Little data: pg_rewind, and then a rebuild of the same server");
        copied_by_both(lab, "little data", SMALL_ROWS).await?;

        lab.step("105 MB more: pg_rewind, and then a rebuild of the same server");
        let large = copied_by_both(lab, "105 MB more", LARGE_ROWS).await?;

        lab.step("The comparison");
        let all = "with 105 MB more, does the rebuild copy at least these 105 MB";
        let all = lab.must_be(all, large.rebuild >= large.filler, true);
        let part = "with 105 MB more, does pg_rewind copy less than these 105 MB";
        let part = lab.must_be(part, large.rewind < large.filler, true);

        lab.learn("A rebuild copies all data, changed or not.", [&all]);
        lab.learn(
            "pg_rewind copies changed blocks, all files that are not tables or indexes, and the WAL \
             files in the new primary's pg_wal, 16 MB each. So it copies less than a rebuild where the \
             unchanged data are larger than these WAL files, and can copy more on little data.",
            [&all, &part],
        );
        Ok(())
    });
}
