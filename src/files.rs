//! The files of this project that its program needs when it runs: accepted pages, SQL files, and the
//! workbook. A release build contains them; any other build reads them from the checkout that it was
//! built from. Paths are those in the repository.

use std::io;
use std::path::Path;

use rust_embed::Embed;

/// The accepted pages.
#[derive(Embed)]
#[folder = "snapshots"]
#[prefix = "snapshots/"]
#[include = "*.snap"]
struct Pages;

/// The SQL files that exercises run.
#[derive(Embed)]
#[folder = "fixtures/sql"]
#[prefix = "fixtures/sql/"]
#[include = "*.sql"]
struct Sql;

/// The files of the report's workbook.
#[derive(Embed)]
#[folder = "tests/scenarios"]
#[prefix = "tests/scenarios/"]
#[include = "*workbook.toml"]
#[include = "notebook.md"]
struct Parts;

/// Returns the name of every accepted page's file, without its folder.
pub(crate) fn page_names() -> impl Iterator<Item = String> {
    Pages::iter().filter_map(|path| Some(path.strip_prefix("snapshots/")?.to_owned()))
}

/// Returns the text of an accepted page, by the name of its file; none where there is no such page.
pub(crate) fn page(file: &str) -> Option<String> {
    text::<Pages>(&format!("snapshots/{file}"))
}

/// Returns the SQL files that exercises run: path and text.
pub(crate) fn sql() -> impl Iterator<Item = (String, String)> {
    all::<Sql>()
}

/// Returns the files of the workbook: path below `tests/scenarios`, and text.
pub(crate) fn workbook() -> impl Iterator<Item = (String, String)> {
    all::<Parts>()
        .filter_map(|(path, text)| Some((path.strip_prefix("tests/scenarios/")?.to_owned(), text)))
}

/// Writes what exercises read, the accepted pages and the SQL files, below a directory.
pub(crate) fn unpack(root: &Path) -> io::Result<()> {
    for (path, text) in all::<Pages>().chain(sql()) {
        let path = root.join(path);
        path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        std::fs::write(path, text)?;
    }
    Ok(())
}

fn all<Files: Embed>() -> impl Iterator<Item = (String, String)> {
    Files::iter().filter_map(|path| Some((path.to_string(), text::<Files>(&path)?)))
}

fn text<Files: Embed>(path: &str) -> Option<String> {
    Some(String::from_utf8_lossy(&Files::get(path)?.data).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_exercises_read_can_be_written_anywhere() {
        let root = tempfile::tempdir().unwrap();
        unpack(root.path()).unwrap();
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR"));
        for folder in ["snapshots", "fixtures/sql", "fixtures/sql/monitoring"] {
            let names = |below: &Path| {
                let listed = std::fs::read_dir(below.join(folder)).unwrap();
                let paths = listed.map(|entry| entry.unwrap().path());
                let texts = paths.filter(|path| {
                    path.extension().is_some_and(|end| end == "snap" || end == "sql")
                });
                let mut names: Vec<_> =
                    texts.map(|path| path.file_name().unwrap().to_owned()).collect();
                names.sort();
                names
            };
            assert!(names(checkout).len() > 3, "{folder}");
            assert_eq!(names(root.path()), names(checkout), "{folder}");
        }
        let page = "snapshots/scenario_04_manual_failover@promote.snap";
        let read = |below: &Path| std::fs::read_to_string(below.join(page)).unwrap();
        assert_eq!(read(root.path()), read(checkout));
    }

    #[test]
    fn the_workbook_has_a_file_for_each_scenario() {
        let files: Vec<_> = workbook().map(|(path, _)| path).collect();
        let scenarios = files.iter().filter(|path| path.starts_with("scenario_")).count();
        assert_eq!(scenarios, 10, "{files:?}");
        assert!(files.contains(&"notebook.md".to_owned()), "{files:?}");
    }
}
