//! Writes the output of `lab check` to a file that a collector reads at any time. It never leaves a part of
//! an output under the file's name.

use std::fs::{self, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Replaces a file: writes a temporary file in the same directory, and renames it. The temporary file's name
/// begins with a dot and does not end in `.prom`, so that no collector reads it.
///
/// # Errors
///
/// The directory does not exist, or the account must not write into it.
pub(super) fn replace(file: &Path, text: &str) -> io::Result<()> {
    let directory = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut part = tempfile::Builder::new().prefix(".lab-check-").tempfile_in(directory)?;
    part.write_all(text.as_bytes())?;
    part.as_file().sync_all()?;
    // A collector runs under another account; a temporary file is for its owner only.
    fs::set_permissions(part.path(), Permissions::from_mode(0o644))?;
    part.persist(file).map(drop).map_err(|error| error.error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_nothing_is_left_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("replication.prom");
        for text in ["old and longer\n", "new\n"] {
            replace(&file, text).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
        let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode, fs::read_dir(directory.path()).unwrap().count()), (0o644, 1));
        assert!(replace(&directory.path().join("missing/x.prom"), "new").is_err());
    }

    #[test]
    fn a_file_that_cannot_be_replaced_leaves_no_temporary_file() {
        let directory = tempfile::tempdir().unwrap();
        let taken = directory.path().join("taken");
        fs::create_dir(&taken).unwrap();
        assert!(replace(&taken, "new").is_err());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
