//! The page that holds for a version of PostgreSQL, among the accepted ones. It reads the names of
//! pages, and never a page.

use std::path::{Path, PathBuf};

/// Returns the name of the page by the since-rule: of `name.snap` (from 13 on) and `name.pgN.snap`
/// (from N on), the one with the largest N that is not above this version.
pub(super) fn page_name(pages: &Path, name: &str, major: u16) -> String {
    let of_version = |path: PathBuf| -> Option<u16> {
        let file = path.file_name()?.to_str()?;
        file.strip_prefix(name)?.strip_prefix(".pg")?.strip_suffix(".snap")?.parse().ok()
    };
    let files = std::fs::read_dir(pages).into_iter().flatten().flatten();
    let since = files.filter_map(|entry| of_version(entry.path())).filter(|since| *since <= major);
    since.max().map_or(name.to_owned(), |since| format!("{name}.pg{since}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_holds_from_its_version_on() {
        let pages = tempfile::tempdir().unwrap();
        for page in ["a@b.snap", "a@b.pg15.snap", "a@b.pg18.snap", "a@bc.pg16.snap"] {
            std::fs::write(pages.path().join(page), "").unwrap();
        }
        let name = |major| page_name(pages.path(), "a@b", major);
        assert_eq!(name(13), "a@b");
        assert_eq!(name(15), "a@b.pg15");
        assert_eq!(name(17), "a@b.pg15");
        assert_eq!(name(19), "a@b.pg18");
    }
}
