//! The table: connection strings and environments, and which server admits them. Words in braces stand for addresses,
//! ports and directories of the run.

/// Which server admits a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admitted {
    Primary,
    Standby,
    No,
}

/// One connection.
pub(super) struct Row {
    pub(super) string: &'static str,
    pub(super) environment: Vec<(&'static str, Option<&'static str>)>,
    pub(super) admitted: Admitted,
    /// The first version of psql that knows the parameters.
    pub(super) since: u32,
    /// Whether both programs must leave the same lines in the logs.
    pub(super) is_logged: bool,
}

impl Row {
    fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.environment.push((name, Some(value)));
        self
    }

    fn without(mut self, name: &'static str) -> Self {
        self.environment.push((name, None));
        self
    }

    fn since(self, since: u32) -> Self {
        Self { since, ..self }
    }

    /// psql connects before it refuses, where the check refuses the string; or a client leaves before the server
    /// has looked at it.
    fn unlogged(self) -> Self {
        Self { is_logged: false, ..self }
    }

    pub(super) fn shown_environment(&self) -> String {
        let all = self.environment.iter();
        let all = all.map(|(name, value)| format!("{name}={}", value.unwrap_or("(unset)")));
        all.collect::<Vec<_>>().join(" ")
    }
}

fn row(string: &'static str, admitted: Admitted) -> Row {
    Row { string, environment: Vec::new(), admitted, since: 13, is_logged: true }
}

fn primary(string: &'static str) -> Row {
    row(string, Admitted::Primary)
}

fn standby(string: &'static str) -> Row {
    row(string, Admitted::Standby)
}

fn refused(string: &'static str) -> Row {
    row(string, Admitted::No)
}

pub(super) fn rows() -> Vec<Row> {
    let all = [
        hosts(),
        services(),
        attributes(),
        sockets(),
        passwords(),
        restrictions(),
        encryption(),
        verification(),
        certificates(),
        variables(),
    ];
    // A client that leaves at once may be logged during the next row: those that are not compared come last.
    let (compared, others): (Vec<_>, Vec<_>) =
        all.into_iter().flatten().partition(|row: &Row| row.is_logged);
    compared.into_iter().chain(others).collect()
}

fn hosts() -> Vec<Row> {
    vec![
        primary("host={P} port={port} user=monitor dbname=postgres"),
        primary("postgresql://monitor@{P}:{port}/postgres"),
        primary("postgresql://monitor@127.0.0.1:{dead},{P}/postgres"),
        primary("postgresql://monitor@{P},127.0.0.1:{dead}/postgres"),
        standby("postgresql://monitor@127.0.0.1:{dead},{S},{P}:{port}/postgres"),
        primary("host=127.0.0.1,{P} port={dead}, user=monitor dbname=postgres"),
        primary("host=db.lab hostaddr={P} user=monitor dbname=postgres"),
        primary("hostaddr=nonsense,{P} user=monitor dbname=postgres"),
        refused("postgresql://monitor@{P},{S}:{port},{S}:1/postgres?port=1,2"),
        refused("host={P} hostaddr={P},{S} user=monitor dbname=postgres"),
        // A server that refuses the client ends the search.
        refused("host={P},{S} user=monitor password=wrong dbname=postgres"),
        refused("host={P},{S} user=secure sslmode=disable dbname=postgres"),
        refused("host={P},{S} user=monitor dbname=absent"),
        refused("host={P},{S} user=monitor dbname=postgres sslmode=verify-ca"),
        primary("host={P},{S} user=monitor dbname=postgres load_balance_hosts=disable").since(16),
        primary("host={P} user=monitor dbname=postgres load_balance_hosts=random").since(16),
    ]
}

fn services() -> Vec<Row> {
    let mine = |row: Row| row.with("HOME", "{home}/service");
    vec![
        mine(primary("service=one")),
        mine(primary("postgresql:///?service=one")),
        mine(primary("")).with("PGSERVICE", "one"),
        mine(primary("service=one")).with("PGHOST", "{S}"),
        mine(standby("service=one host={S}")),
        mine(standby("user=monitor dbname=postgres")).with("PGSERVICE", "two"),
        mine(refused("service=three")),
        primary("service=one").with("PGSERVICEFILE", "{home}/service/.pg_service.conf"),
        primary("service=one").with("PGSYSCONFDIR", "{home}/system"),
        refused("service=one host={P}").with("PGSERVICEFILE", "{home}/absent"),
    ]
}

fn attributes() -> Vec<Row> {
    vec![
        primary("host={S},{P} user=monitor dbname=postgres target_session_attrs=primary"),
        standby("host={P},{S} user=monitor dbname=postgres target_session_attrs=standby"),
        primary("host={S},{P} user=monitor dbname=postgres target_session_attrs=read-write"),
        standby("host={P},{S} user=monitor dbname=postgres target_session_attrs=read-only"),
        standby("host={P},{S} user=monitor dbname=postgres target_session_attrs=prefer-standby"),
        primary("host={P} user=monitor dbname=postgres target_session_attrs=prefer-standby"),
        refused("host={S} user=monitor dbname=postgres target_session_attrs=primary"),
        refused("host={P} user=monitor dbname=postgres target_session_attrs=standby"),
        refused("host={P} user=monitor dbname=postgres target_session_attrs=master"),
        // A primary on which transactions are read-only by default.
        primary("host={P} user=monitor dbname=postgres target_session_attrs=primary")
            .with("PGOPTIONS", "-c default_transaction_read_only=on"),
        primary("host={P} user=monitor dbname=postgres target_session_attrs=read-only")
            .with("PGOPTIONS", "-c default_transaction_read_only=on"),
        refused("host={P} user=monitor dbname=postgres")
            .with("PGOPTIONS", "-c default_transaction_read_only=on")
            .with("PGTARGETSESSIONATTRS", "read-write"),
    ]
}

fn sockets() -> Vec<Row> {
    vec![
        primary("host={socket} port={port} user=monitor dbname=postgres"),
        primary("host={socket} user=monitor dbname=postgres sslmode=verify-full"),
        primary("host={name} user=monitor dbname=postgres"),
        primary("host={socket} user=monitor dbname=postgres requirepeer=postgres"),
        refused("host={socket} user=monitor dbname=postgres requirepeer=daemon").unlogged(),
        refused("host={socket} user=monitor dbname=postgres")
            .with("PGREQUIREPEER", "daemon")
            .unlogged(),
        primary("host={P} user=monitor dbname=postgres requirepeer=daemon"),
        refused("host={socket}/absent user=monitor dbname=postgres"),
    ]
}

fn passwords() -> Vec<Row> {
    let text = "host={P} user=monitor dbname=postgres";
    vec![
        refused(text).without("PGPASSWORD"),
        refused(text).with("PGPASSWORD", ""),
        primary(text).without("PGPASSWORD").with("HOME", "{home}/password"),
        primary(text).without("PGPASSWORD").with("PGPASSFILE", "{home}/password/.pgpass"),
        refused(text).without("PGPASSWORD").with("HOME", "{home}/read"),
        primary("host={P} user=monitor dbname=postgres passfile={home}/password/.pgpass")
            .without("PGPASSWORD"),
        primary("host={P} user=clear dbname=postgres"),
        primary("host={P} user=old dbname=postgres"),
        primary("host={P} user=trusted dbname=postgres").without("PGPASSWORD"),
    ]
}

fn restrictions() -> Vec<Row> {
    let text = "host={P} user=monitor dbname=postgres";
    vec![
        primary("host={P} user=monitor dbname=postgres require_auth=scram-sha-256").since(16),
        refused("host={P} user=clear dbname=postgres require_auth=scram-sha-256").since(16),
        refused("host={P} user=old dbname=postgres require_auth=!md5").since(16),
        refused("host={P} user=trusted dbname=postgres require_auth=!none").since(16),
        primary("host={P} user=trusted dbname=postgres require_auth=none").since(16),
        refused("host={P} user=monitor dbname=postgres require_auth=md5,md5").since(16),
        refused("host={P} user=clear dbname=postgres").with("PGREQUIREAUTH", "md5").since(16),
        primary("host={P} user=monitor dbname=postgres channel_binding=require"),
        refused("host={P} user=monitor dbname=postgres channel_binding=require sslmode=disable"),
        refused("host={P} user=clear dbname=postgres channel_binding=require"),
        refused("host={P} user=trusted dbname=postgres").with("PGCHANNELBINDING", "require"),
        refused("host={P} user=monitor dbname=postgres gssencmode=require").unlogged(),
        refused(text).with("PGGSSENCMODE", "require").unlogged(),
        refused("host={P} user=monitor dbname=postgres hots=1"),
        refused("postgresql://monitor@{P}/postgres?hots=1"),
        refused("host={P} user=monitor dbname=postgres connect_timeout=soon").unlogged(),
        primary("host={P} user=monitor dbname=postgres krbsrvname=x keepalives_idle=5"),
    ]
}

fn encryption() -> Vec<Row> {
    vec![
        primary("host={P} user=secure dbname=postgres"),
        primary("host={P} user=secure dbname=postgres sslmode=allow"),
        primary("host={P} user=secure dbname=postgres sslmode=require"),
        refused("host={P} user=secure dbname=postgres sslmode=disable"),
        primary("host={P} user=open dbname=postgres"),
        primary("host={P} user=open dbname=postgres sslmode=allow"),
        refused("host={P} user=open dbname=postgres sslmode=require"),
        refused("host={P} user=open dbname=postgres").with("PGREQUIRESSL", "1"),
        refused("host={P} user=open dbname=postgres requiressl=1"),
        // With "prefer", a refused password is tried again without TLS.
        refused("host={P} user=monitor dbname=postgres password=wrong"),
        refused("host={P} user=monitor dbname=postgres").with("PGSSLMODE", ""),
        // The servers take part in TLS up to 1.2 only.
        refused("host={P} user=secure dbname=postgres ssl_min_protocol_version=TLSv1.3"),
        refused("host={P} user=secure dbname=postgres").with("PGSSLMINPROTOCOLVERSION", "TLSv1.3"),
        primary("host={P} user=monitor dbname=postgres ssl_min_protocol_version=TLSv1.3"),
        refused("host={P} user=monitor dbname=postgres ssl_max_protocol_version=TLSv1"),
        primary("host=db.lab hostaddr={P} user=secure dbname=postgres sslsni=0").since(14),
    ]
}

fn verification() -> Vec<Row> {
    let careful = |row: Row| row.with("HOME", "{home}/careful");
    let ca = |row: Row| row.with("PGSSLROOTCERT", "{home}/ca.crt");
    vec![
        ca(primary("host={P} user=secure dbname=postgres sslmode=verify-ca")),
        ca(standby("host={S} user=secure dbname=postgres sslmode=verify-ca")),
        ca(primary("host=db.lab hostaddr={P} user=secure dbname=postgres sslmode=verify-full")),
        ca(standby("host=DB.lab hostaddr={S} user=secure dbname=postgres sslmode=verify-full")),
        ca(refused("host=x.lab hostaddr={P} user=secure dbname=postgres sslmode=verify-full")),
        ca(refused("host={S} user=secure dbname=postgres sslmode=verify-full")),
        ca(refused("hostaddr={P} user=secure dbname=postgres sslmode=verify-full")),
        refused("host={P} user=secure dbname=postgres sslmode=verify-ca"),
        primary("host={P} user=secure dbname=postgres sslmode=require sslrootcert={home}/absent"),
        refused("host={P} user=secure dbname=postgres sslmode=require")
            .with("HOME", "{home}/deceived"),
        primary("host={P} user=secure dbname=postgres sslmode=require")
            .with("HOME", "{home}/trusting"),
        // libpq verifies with "prefer", too, where there is a root certificate, and then does without TLS.
        refused("host={P} user=secure dbname=postgres").with("HOME", "{home}/deceived"),
        primary("host={P} user=monitor dbname=postgres").with("HOME", "{home}/deceived"),
        refused("host={P} user=secure dbname=postgres sslrootcert=system").since(16),
        // The standby's certificate is revoked.
        careful(primary("host={P} user=secure dbname=postgres sslmode=verify-ca")),
        careful(refused("host={S} user=secure dbname=postgres sslmode=verify-ca")),
        ca(refused(
            "host={S} user=secure dbname=postgres sslmode=verify-ca sslcrl={home}/list.crl",
        )),
        ca(refused("host={S} user=secure dbname=postgres sslmode=require"))
            .with("PGSSLCRL", "{home}/list.crl"),
    ]
}

fn certificates() -> Vec<Row> {
    let text = "host={P} user=certified dbname=postgres";
    let client = |row: Row| row.with("PGSSLCERT", "{home}/client.crt");
    vec![
        primary(text).with("HOME", "{home}/client"),
        client(primary(text)).with("PGSSLKEY", "{home}/client.key"),
        client(primary(
            "host={P} user=certified dbname=postgres sslkey={home}/locked.key sslpassword=key-secret",
        )),
        client(refused(
            "host={P} user=certified dbname=postgres sslkey={home}/locked.key sslpassword=wrong",
        )),
        // psql would ask a person at the terminal for the password of the key.
        client(refused("host={P} user=certified dbname=postgres sslkey={home}/locked.key"))
            .since(u32::MAX),
        // A certificate without a key uses the usual key.
        client(primary(text)).with("HOME", "{home}/client"),
        client(refused("host={P} user=secure dbname=postgres sslmode=require")),
        refused("host={P} user=secure dbname=postgres sslmode=require")
            .with("HOME", "{home}/keyless"),
        client(refused("host={P} user=secure dbname=postgres sslkey={home}/open.key")),
        client(refused("host={P} user=secure dbname=postgres sslkey={home}/ca.crt")),
        primary("host={P} user=secure dbname=postgres sslcert={home}/absent sslkey={home}/absent"),
        refused(text),
        refused("host={P} user=certified dbname=postgres sslcertmode=disable")
            .with("HOME", "{home}/client")
            .since(16),
    ]
}

fn variables() -> Vec<Row> {
    let all = |row: Row| {
        row.with("PGHOST", "{P}").with("PGUSER", "monitor").with("PGDATABASE", "postgres")
    };
    vec![
        all(primary("")).with("PGPORT", "{port}"),
        all(standby("host={S}")),
        all(primary("")).with("PGHOSTADDR", "{P}").with("PGHOST", "elsewhere"),
        all(refused("host=''")).with("PGPORT", "{dead}"),
        all(primary("postgres")).with("PGOPTIONS", "-c work_mem=1MB"),
        // psql tries once more without application_name, for servers before 9.0.
        all(refused("")).with("PGOPTIONS", "-c nonsense=1").unlogged(),
        all(refused("")).with("PGTZ", "nowhere"),
        all(primary("")).with("PGTZ", "Asia/Tokyo").with("PGDATESTYLE", "SQL, DMY"),
        all(refused("")).with("PGCONNECT_TIMEOUT", "soon").unlogged(),
        all(primary("")).with("PGCLIENTENCODING", "LATIN1").with("PGKRBSRVNAME", "x"),
    ]
}
