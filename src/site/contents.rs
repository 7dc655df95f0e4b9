//! What is in an image: the version of its server, the directory of its programs, and the user that
//! runs them. A tag may say anything, so a container of the image is asked, once: the labels of the
//! image's template keep the answer. Nothing here starts a server.

use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::host::script::Output;
use crate::version::Version;

/// The lines for `sh` that find the programs and a user; `$IMAGE_USER` is the user that the image
/// names, or that `LAB_IMAGE_USER` does. They run as root. The directories are those of packages, of
/// the manual's installation from source, and of images that build their own.
pub(super) const ASK: &str = r#"
programs=
try() { [ -x "$1/postgres" ] && [ -x "$1/initdb" ] && [ -x "$1/pg_basebackup" ] && programs=$1; }
if found=$(command -v postgres); then try "$(dirname "$(readlink -f "$found")")" || :; fi
if [ -z "$programs" ]
then
    for directory in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /usr/libexec/postgresql* \
        /usr/local/pgsql*/bin /opt/*/bin /opt/*/postgres*/bin
    do try "$directory" || :
    done
fi
echo "programs $programs"
if [ -e "$programs/../lib/libpq.so.5" ]; then echo "libraries ${programs%/*}/lib"; fi
echo "version $("$programs/postgres" --version 2>&1)"
case $IMAGE_USER in
'' | 0 | 0:* | root | root:*)
    user=
    if id -u postgres >/dev/null 2>&1; then user=postgres; fi
    if [ -z "$user" ] && [ -d "$PGDATA" ]; then user=$(stat -c %u:%g "$PGDATA"); fi
    case $user in 0:*) user= ;; esac
    ;;
*) user=$IMAGE_USER ;;
esac
echo "user $user"
"#;

/// The lines for `sh` that give a user without an entry in `/etc/passwd` one, because `initdb` looks
/// it up. They run as root; `$IMAGE_USER` is the user.
pub(super) const ENTER: &str = r#"
user=${IMAGE_USER%%:*}
case $user in *[!0-9]*) exit 0 ;; esac
grep -q "^[^:]*:[^:]*:$user:" /etc/passwd || echo "lab:x:$user:0::/tmp/lab:/bin/sh" >>/etc/passwd
"#;

/// What was found in an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Contents {
    /// The version that its server reports.
    pub(crate) version: Version,
    /// The directory of its programs.
    pub(crate) programs: PathBuf,
    /// The directory of the libraries that they bring along; none where the system's serve.
    pub(crate) libraries: Option<PathBuf>,
    /// The user that runs them, as `docker run --user` takes it.
    pub(crate) user: String,
}

/// Reads what [`ASK`] printed in a container of an image.
///
/// # Errors
///
/// The image lacks the programs or a user for them: the error says how to give what is missing.
pub(super) fn read(reference: &str, output: &Output) -> Result<Contents> {
    let line = |name: &str| {
        let found = output.stdout.lines().find_map(|line| line.strip_prefix(name));
        found.map_or("", str::trim)
    };
    let missing = |what: &str, remedy: &str| {
        let act = format!("looking at what is in the image {reference}");
        Error::missing(act, what.to_owned()).remedy(remedy)
    };
    let (programs, answer, user) = (line("programs "), line("version "), line("user "));
    if programs.is_empty() {
        let what = format!(
            "no postgres, initdb and pg_basebackup in its PATH or the usual directories {}",
            output.stderr.trim()
        );
        return Err(missing(
            what.trim_end(),
            "name an image of a PostgreSQL server with LAB_IMAGE; if its programs are elsewhere, \
             add their directory to the PATH of the image",
        ));
    }
    let Some(version) = Version::of_program(answer) else {
        let what =
            format!("an answer of {programs}/postgres --version that is no version: {answer}");
        return Err(missing(&what, "name an image of PostgreSQL 13 or newer with LAB_IMAGE"));
    };
    if user.is_empty() {
        let what = "no user for the server: the image names none, and has no user postgres";
        return Err(missing(
            what,
            "set LAB_IMAGE_USER to a user that can run its programs, such as 1001",
        ));
    }
    let libraries = Some(line("libraries ")).filter(|found| !found.is_empty()).map(PathBuf::from);
    Ok(Contents { version, programs: programs.into(), libraries, user: user.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(stdout: &str) -> Result<Contents> {
        let output =
            Output { status: Some(0), stdout: stdout.to_owned(), stderr: "sh: 1".to_owned() };
        read("ours:1", &output)
    }

    #[test]
    fn an_image_is_what_its_programs_say() {
        let found = said(
            "programs /opt/pg/bin\nlibraries /opt/pg/lib\nversion postgres (PostgreSQL) 17.4 (Debian 17.4-1)\nuser 26\n",
        );
        let found = found.unwrap();
        assert_eq!(found.version.to_string(), "17.4");
        assert_eq!((found.programs, found.user), ("/opt/pg/bin".into(), "26".to_owned()));
        assert_eq!(found.libraries, Some("/opt/pg/lib".into()));
    }

    #[test]
    fn what_an_image_lacks_is_named_with_what_to_do() {
        for (stdout, lacks, remedy) in [
            ("programs \nversion \nuser postgres\n", "no postgres, initdb", "LAB_IMAGE"),
            ("programs /a\nversion exec format error\nuser postgres\n", "exec format", "LAB_IMAGE"),
            (
                "programs /a\nversion postgres (PostgreSQL) 17.4\nuser \n",
                "no user",
                "LAB_IMAGE_USER",
            ),
            ("programs /a\nversion postgres (PostgreSQL) 12.4\nuser x\n", "12.4", "13 or newer"),
        ] {
            let error = said(stdout).unwrap_err();
            assert!(error.is_missing());
            let error = error.to_string();
            for part in ["ours:1", lacks, remedy] {
                assert!(error.contains(part), "{part:?} is missing in: {error}");
            }
        }
    }
}
