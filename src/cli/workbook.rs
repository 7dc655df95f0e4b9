//! The report's workbook as the program carries it: the files beside the scenarios. No exercise is named
//! here.

use crate::error::Result;
use crate::files;
use crate::report::Workbook;

/// Reads the workbook that the program carries, with the SQL files that exercises run.
pub(super) fn read() -> Result<Workbook> {
    let (parts, sql): (Vec<_>, Vec<_>) = (files::workbook().collect(), files::sql().collect());
    Ok(Workbook::read(&borrowed(&parts))?.with_files(&borrowed(&sql)))
}

fn borrowed(files: &[(String, String)]) -> Vec<(&str, &str)> {
    files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::files;

    /// The program has the text of every file that a page runs.
    #[test]
    fn every_file_that_a_page_runs_is_there() {
        let workbook = read().unwrap_or_else(|error| panic!("{error}"));
        let pages = files::page_names().filter_map(|name| files::page(&name));
        let mut ran = 0;
        for page in pages {
            for path in page.lines().filter_map(|line| line.split_once(r"=# \i ").map(|it| it.1)) {
                ran += 1;
                assert!(workbook.files().any(|file| file == path), "{path}");
            }
        }
        assert!(ran > 50, "no page was read");
    }
}
