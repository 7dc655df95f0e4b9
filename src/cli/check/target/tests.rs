//! Parameters as people write them, and what they mean.

use pretty_assertions::assert_eq;

use super::*;
use crate::cli::check::words::words_of;

fn read(text: &str) -> Result<Target, BadTarget> {
    read_with(text, &[])
}

fn read_with(text: &str, settings: &[(&'static str, &str)]) -> Result<Target, BadTarget> {
    let socket = |port: u16| if port == 1 { "/tmp".to_owned() } else { "/run/pg".to_owned() };
    let settings = settings.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    let me = Me { name: "me", home: Path::new("/home/me"), socket: &socket, settings };
    Target::read(words_of(text)?, &me)
}

fn places_of(text: &str) -> Vec<String> {
    read(text).unwrap().places.iter().map(Place::to_string).collect()
}

#[test]
fn hosts_are_read_in_either_form() {
    for (text, expected) in [
        ("", &["/run/pg:5432"][..]),
        ("port=1", &["/tmp:1"]),
        ("host=db", &["db:5432"]),
        ("host=a,b port=1", &["a:1", "b:1"]),
        ("host = a,b port = '1,2'", &["a:1", "b:2"]),
        ("host=a,b port=,2", &["a:5432", "b:2"]),
        ("hostaddr=10.0.0.1", &["10.0.0.1:5432"]),
        ("postgresql://", &["/run/pg:5432"]),
        ("postgresql:///shop", &["/run/pg:5432"]),
        ("postgres://a:1,b:2/shop", &["a:1", "b:2"]),
        ("postgres://a,b:2/shop", &["a:5432", "b:2"]),
        ("postgres://a:1,b/shop", &["a:1", "b:5432"]),
        ("postgres://a:1,b,c:3/shop", &["a:1", "b:5432", "c:3"]),
        ("postgres://,b:2/shop", &["/run/pg:5432", "b:2"]),
        ("postgres://,/shop", &["/run/pg:5432", "/run/pg:5432"]),
        ("postgres://a,b/shop?port=7", &["a:7", "b:7"]),
        ("postgres://u:p@[::1]:7/shop", &["::1:7"]),
        ("postgres://%2Ftmp%2Fs/shop?port=7", &["/tmp/s:7"]),
        ("postgres:///shop?host=/tmp/s", &["/tmp/s:5432"]),
        ("host=@lab port=3", &["@lab:3"]),
    ] {
        assert_eq!(places_of(text), expected, "{text}");
    }
}

#[test]
fn user_database_and_password_are_read_in_either_form() {
    for (text, user, database, password) in [
        ("", "me", "me", ""),
        ("shop", "me", "shop", ""),
        ("user=u", "u", "u", ""),
        ("user='' dbname='' password=''", "me", "me", ""),
        (r"user=u password='it\'s \\' dbname=d", "u", "d", r"it's \"),
        (r"password=a\ b user=u", "u", "u", "a b"),
        ("postgres://u:p%40%3A@h/d", "u", "d", "p@:"),
    ] {
        let target = read(text).unwrap();
        assert_eq!((target.user.as_str(), target.database.as_str()), (user, database), "{text}");
        let given = target.config.get_password().unwrap_or_default();
        assert_eq!(given, password.as_bytes(), "{text}");
        assert_eq!(target.has_password, !password.is_empty());
    }
    assert_eq!(read("passfile=/p").unwrap().passfile, Path::new("/p"));
    assert_eq!(read("").unwrap().passfile, Path::new("/home/me/.pgpass"));
}

#[test]
fn tls_parameters_have_libpqs_defaults() {
    let tls = |text: &str| read(text).map(|target| target.tls);
    let modes = |text: &str| tls(text).map(|tls| (tls.mode, tls.roots));
    let usual = Roots::File("/home/me/.postgresql/root.crt".into());
    assert_eq!(modes(""), Ok((Mode::Prefer, usual.clone())));
    assert_eq!(modes("postgres://h/?ssl=true"), Ok((Mode::Require, usual)));
    assert_eq!(modes("sslrootcert=system"), Ok((Mode::VerifyFull, Roots::System)));
    let file = Roots::File("/ca".into());
    assert_eq!(modes("sslmode=verify-ca sslrootcert=/ca"), Ok((Mode::VerifyCa, file)));
    let own = |text: &str| {
        let own = tls(text).unwrap().own.unwrap();
        (own.certificate, own.key, own.password)
    };
    let usual = |file: &str| Path::new("/home/me/.postgresql").join(file);
    assert_eq!(own(""), (usual("postgresql.crt"), usual("postgresql.key"), String::new()));
    assert_eq!(own("sslcert=/c").1, usual("postgresql.key"));
    assert_eq!(own("sslkey=/k").0, usual("postgresql.crt"));
    assert_eq!(own("sslcert=/c sslkey=/k sslpassword=s"), ("/c".into(), "/k".into(), "s".into()));
    assert_eq!(tls("sslcertmode=disable sslcert=/c").unwrap().own, None);
    let defaults = tls("").unwrap();
    assert_eq!(defaults.revoked, Revoked::Usual(usual("root.crl")));
    assert_eq!(defaults.versions, (Some(Protocol::Tls12), None));
    assert!(defaults.tells_name && !defaults.is_direct);
    let named = Revoked::Named { file: Some("/r".into()), directory: Some("/d".into()) };
    assert_eq!(tls("sslcrl=/r sslcrldir=/d").unwrap().revoked, named);
    assert!(!tls("sslsni=0").unwrap().tells_name);
    assert!(tls("sslmode=require sslnegotiation=direct").unwrap().is_direct);
    let shown = format!("{:?}", tls("sslpassword=secret").unwrap());
    assert!(!shown.contains("secret"), "{shown}");
}

#[test]
fn versions_of_tls_are_read_in_any_case_and_in_order() {
    let versions = |text: &str| read(text).map(|target| target.tls.versions);
    for (text, expected) in [
        ("ssl_min_protocol_version=TLSv1", (Some(Protocol::Tls10), None)),
        ("ssl_min_protocol_version=tlsV1.3", (Some(Protocol::Tls13), None)),
        ("ssl_min_protocol_version=''", (None, None)),
        ("ssl_max_protocol_version=TLSv1.2", (Some(Protocol::Tls12), Some(Protocol::Tls12))),
    ] {
        assert_eq!(versions(text), Ok(expected), "{text}");
    }
    for text in [
        "ssl_min_protocol_version=TLSv2",
        "ssl_max_protocol_version=1.2",
        "ssl_max_protocol_version=TLSv1.1",
        "ssl_min_protocol_version=TLSv1.3 ssl_max_protocol_version=TLSv1.2",
    ] {
        assert!(versions(text).is_err(), "{text}");
    }
}

#[test]
fn an_invalid_value_is_refused_with_the_valid_ones() {
    for (text, part) in [
        ("host=h sslmode=maybe", "verify-full"),
        ("host=h sslmode=''", "verify-full"),
        ("sslmode=require sslrootcert=system", "verify-full"),
        ("sslmode=verify-ca sslrootcert=system", "verify-full"),
        ("sslnegotiation=direct", "require"),
        ("sslcertmode=never", "allow"),
        ("host=h port=none", "65535"),
        ("host=a port=0", "65535"),
        ("host=a port=65536", "65535"),
        ("host=a,b,c port=1,2", "ports"),
        ("host=a port=1,2", "ports"),
        ("host=a,b hostaddr=10.0.0.1", "hostaddr"),
        ("connect_timeout=soon", "whole number"),
        ("connect_timeout=1.5", "whole number"),
        ("keepalives_idle=x", "keepalives_idle"),
        ("tcp_user_timeout=x", "tcp_user_timeout"),
        ("target_session_attrs=master", "prefer-standby"),
        ("load_balance_hosts=yes", "random"),
        ("channel_binding=yes", "prefer"),
        ("gssencmode=yes", "prefer"),
        ("require_auth=scram", "scram-sha-256"),
        ("max_protocol_version=2.0", "3.0"),
    ] {
        let BadTarget(why) = read(text).err().unwrap_or(BadTarget(String::new()));
        assert!(why.contains(part), "{text}: {why}");
    }
}

/// What restricts a connection, and is not done, is refused: never ignored.
#[test]
fn what_is_not_done_is_refused() {
    for text in [
        "gssencmode=require",
        "sslcertmode=require",
        "min_protocol_version=3.2",
        "replication=database",
        "replication=true",
        "sslkeylogfile=/k",
        "scram_client_key=secret",
        "scram_server_key=secret",
    ] {
        let BadTarget(why) = read(text).err().unwrap_or(BadTarget(String::new()));
        assert!(why.contains("is not supported here") && !why.contains("secret"), "{text}: {why}");
        assert!(why.contains(text.split('=').next().unwrap()), "{text}: {why}");
    }
    let allowed = "gssencmode=prefer sslcertmode=allow min_protocol_version=3.0 replication=off \
        krbsrvname=x gsslib=gssapi gssdelegation=1 client_encoding=UTF8 sslcompression=1 \
        max_protocol_version=latest oauth_issuer=x sslkeylogfile='' keepalives=1 \
        channel_binding=disable";
    let target = read(allowed).unwrap();
    assert_eq!(target.config.get_channel_binding(), ChannelBinding::Disable);
    assert_eq!(target.config.get_application_name(), Some("lab check"));
}

#[test]
fn restrictions_are_kept_for_the_connection() {
    let target = read("require_auth=md5 requirepeer=postgres channel_binding=require").unwrap();
    assert!(
        target.allowed.refuses(10, false).is_some() && target.allowed.refuses(5, false).is_none()
    );
    assert_eq!(target.peer.as_deref(), Some("postgres"));
    assert_eq!(target.config.get_channel_binding(), ChannelBinding::Require);
    let target = read("requirepeer=''").unwrap();
    assert_eq!((target.peer, target.allowed.refuses(3, false)), (None, None));
}

#[test]
fn every_mode_of_tls_and_every_attribute_is_read() {
    for (word, mode) in MODES {
        assert_eq!(read(&format!("sslmode={word}")).unwrap().tls.mode, mode);
    }
    for (word, attributes) in ATTRIBUTES {
        let text = format!("target_session_attrs={word}");
        assert_eq!(read(&text).unwrap().attributes, attributes);
    }
    assert_eq!(read("").unwrap().attributes, Attributes::Any);
    assert!(read("load_balance_hosts=random").unwrap().is_shuffled);
    assert!(!read("").unwrap().is_shuffled);
}

#[test]
fn hosts_addresses_and_ports_are_paired_in_order() {
    let place = |host: &str, address: Option<&str>, port| {
        let (host, address) = (host.to_owned(), address.map(str::to_owned));
        Place { host, address, port }
    };
    for (text, expected) in [
        (
            "host=c,a,b hostaddr=10.0.0.3,10.0.0.1,10.0.0.2 port=3,1,2",
            vec![
                place("c", Some("10.0.0.3"), 3),
                place("a", Some("10.0.0.1"), 1),
                place("b", Some("10.0.0.2"), 2),
            ],
        ),
        (
            "host=a,,b hostaddr=,10.0.0.1,",
            vec![place("a", None, 5432), place("", Some("10.0.0.1"), 5432), place("b", None, 5432)],
        ),
        (
            "hostaddr=10.0.0.1,10.0.0.2 port=7",
            vec![place("", Some("10.0.0.1"), 7), place("", Some("10.0.0.2"), 7)],
        ),
        ("host='a, b'", vec![place("a", None, 5432), place(" b", None, 5432)]),
        ("port=65535", vec![place("/run/pg", None, 65535)]),
    ] {
        assert_eq!(read(text).unwrap().places, expected, "{text}");
    }
}

#[test]
fn a_place_is_local_where_its_host_is_a_directory_or_abstract_and_it_has_no_address() {
    for (text, local) in [
        ("host=/tmp", true),
        ("host=@lab", true),
        ("host=db", false),
        ("host=/tmp hostaddr=10.0.0.1", false),
        ("hostaddr=10.0.0.1", false),
    ] {
        assert_eq!(read(text).unwrap().places[0].is_local(), local, "{text}");
    }
    let socket = |text: &str| read(text).unwrap().places[0].socket();
    assert_eq!(socket("host=/tmp port=7"), "/tmp/.s.PGSQL.7");
    assert_eq!(socket("host=@lab/x port=7"), "\0lab/x/.s.PGSQL.7");
}

#[test]
fn a_wait_is_at_least_two_seconds_or_without_limit() {
    for (text, wait) in [("1", Some(2)), ("90", Some(90)), ("0", None), ("-1", None)] {
        let target = read(&format!("connect_timeout={text}")).unwrap();
        assert_eq!(target.patience, wait.map(Duration::from_secs), "{text}");
    }
    assert_eq!(read("").unwrap().patience, None);
}

#[test]
fn settings_of_the_environment_follow_the_options_of_the_string() {
    let options = |text: &str, settings: &[(&'static str, &str)]| {
        let target = read_with(text, settings).unwrap();
        target.config.get_options().unwrap_or_default().to_owned()
    };
    assert_eq!(options("", &[]), "");
    assert_eq!(options("options='-c a=b'", &[("timezone", r"x y\")]), r"-c a=b -c timezone=x\ y\\");
    assert_eq!(read("application_name=a").unwrap().config.get_application_name(), Some("a"));
    let fallback = read("application_name='' fallback_application_name=f").unwrap();
    assert_eq!(fallback.config.get_application_name(), Some("f"));
}
