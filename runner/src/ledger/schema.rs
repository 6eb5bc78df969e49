//! The tables, and how an older ledger becomes one of today.

use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};

use super::{BUSY, LedgerError, Result, history};

/// `rwch`: says what kind of SQLite file it is.
const APPLICATION: i32 = 0x7277_6368;

/// Each step takes a ledger from the version of its position to the next.
/// A published step never changes.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE alert (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        project TEXT NOT NULL,
        run TEXT NOT NULL,
        detector TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        episode INTEGER NOT NULL,
        severity INTEGER NOT NULL, -- 0 info, 1 warning, 2 critical
        firing INTEGER NOT NULL,
        step INTEGER,
        made INTEGER NOT NULL, -- milliseconds since 1970, as all times here
        over INTEGER NOT NULL DEFAULT 0, -- the run has ended since
        body TEXT NOT NULL -- the alert's JSON
    ) STRICT;
    CREATE INDEX alert_of_trouble ON alert (fingerprint, episode);
    CREATE INDEX alert_of_run ON alert (project, run, seq);
    -- Each start asks for what is too old to be kept.
    CREATE INDEX alert_by_age ON alert (made);

    -- Findings that did not become alerts, by trouble and reason.
    CREATE TABLE muted (
        fingerprint TEXT NOT NULL,
        reason TEXT NOT NULL,
        project TEXT NOT NULL,
        run TEXT NOT NULL,
        detector TEXT NOT NULL,
        key TEXT NOT NULL,
        severity INTEGER NOT NULL, -- the highest
        title TEXT NOT NULL,
        count INTEGER NOT NULL,
        first_step INTEGER,
        last_step INTEGER,
        first_at INTEGER NOT NULL,
        last_at INTEGER NOT NULL,
        PRIMARY KEY (fingerprint, reason)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX muted_of_run ON muted (project, run);

    -- One alert on its way to one sink.
    CREATE TABLE delivery (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        key TEXT NOT NULL UNIQUE, -- names alert, sink, notice and ordinal
        alert TEXT NOT NULL REFERENCES alert (id) ON DELETE CASCADE,
        sink TEXT NOT NULL,
        notice TEXT NOT NULL, -- new, reminder, ended
        ordinal INTEGER NOT NULL,
        route INTEGER NOT NULL,
        grouping TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        episode INTEGER NOT NULL,
        severity INTEGER NOT NULL,
        urgent INTEGER NOT NULL, -- a firing critical
        state TEXT NOT NULL CHECK (state IN ('pending', 'held', 'sending',
            'delivered', 'accepted', 'dead', 'expired', 'dropped', 'suppressed')),
        reason TEXT,
        made INTEGER NOT NULL,
        due INTEGER NOT NULL, -- when its group is to be told
        retry INTEGER NOT NULL DEFAULT 0, -- not before, after a failure
        attempts INTEGER NOT NULL DEFAULT 0,
        message TEXT, -- the idempotency key of what it is sent in
        plain INTEGER NOT NULL DEFAULT 0,
        doubtful INTEGER NOT NULL DEFAULT 0,
        owner TEXT,
        lease INTEGER,
        done INTEGER,
        error TEXT,
        remote TEXT
    ) STRICT;
    -- In the order in which they are taken: a storm must not make each take
    -- look at everything that waits.
    CREATE INDEX delivery_in_state ON delivery (state, sink, urgent DESC);
    CREATE INDEX delivery_of_alert ON delivery (alert);
    CREATE INDEX delivery_of_trouble ON delivery (fingerprint, episode, sink);
    CREATE INDEX delivery_of_message ON delivery (message);
    CREATE INDEX delivery_of_group ON delivery (sink, grouping, done);

    CREATE TABLE attempt (
        message TEXT NOT NULL,
        sink TEXT NOT NULL,
        at INTEGER NOT NULL,
        took INTEGER NOT NULL, -- milliseconds
        outcome TEXT NOT NULL,
        error TEXT
    ) STRICT;
    CREATE INDEX attempt_of_message ON attempt (message);
    CREATE INDEX attempt_by_age ON attempt (at);

    CREATE TABLE sink (
        name TEXT PRIMARY KEY,
        failures INTEGER NOT NULL DEFAULT 0, -- in a row
        blocked INTEGER NOT NULL DEFAULT 0, -- nothing is sent before
        broken TEXT -- why nothing is sent at all
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE silence (
        id TEXT PRIMARY KEY,
        body TEXT NOT NULL,
        made INTEGER NOT NULL,
        removed INTEGER
    ) STRICT, WITHOUT ROWID;
",
    "
    -- Runs are counted without reading their alerts.
    CREATE INDEX alert_tally ON alert (project, run, firing, severity, made, step, over);

    -- A run with a history.
    CREATE TABLE run (
        id INTEGER PRIMARY KEY,
        project TEXT NOT NULL,
        run TEXT NOT NULL,
        made INTEGER NOT NULL, -- when its first row was written
        seen INTEGER NOT NULL, -- and its last
        ended INTEGER,
        owner TEXT, -- the process that watches it
        rows INTEGER NOT NULL DEFAULT 0, -- all that there were
        bytes INTEGER NOT NULL DEFAULT 0, -- of what is kept
        first_step INTEGER,
        last_step INTEGER,
        UNIQUE (project, run)
    ) STRICT;

    -- How far a file was read, so that reading it again adds nothing.
    CREATE TABLE input (
        run INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
        input TEXT NOT NULL,
        first TEXT NOT NULL, -- names its first row
        line INTEGER NOT NULL,
        PRIMARY KEY (run, input)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE metric (
        id INTEGER PRIMARY KEY,
        run INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
        source TEXT NOT NULL, -- as the job printed it
        name TEXT NOT NULL, -- the canonical name
        rows INTEGER NOT NULL,
        nonfinite INTEGER NOT NULL,
        first_step INTEGER NOT NULL,
        last_step INTEGER NOT NULL,
        first ANY, -- a number, or NaN, Infinity, -Infinity as text
        last ANY,
        low REAL,
        high REAL,
        UNIQUE (run, source)
    ) STRICT;

    -- Some rows of a run: runner/src/ledger/history/chunk.rs has their form.
    CREATE TABLE chunk (
        id INTEGER PRIMARY KEY,
        run INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
        level INTEGER NOT NULL DEFAULT 0, -- how often it was thinned
        rows INTEGER NOT NULL,
        low_step INTEGER NOT NULL,
        high_step INTEGER NOT NULL,
        low_time REAL, -- seconds since 1970
        high_time REAL,
        steps BLOB NOT NULL,
        times BLOB,
        ranks BLOB
    ) STRICT;
    CREATE INDEX chunk_of_run ON chunk (run, level, rows);

    -- The values of a metric in these rows.
    CREATE TABLE series (
        metric INTEGER NOT NULL REFERENCES metric (id) ON DELETE CASCADE,
        chunk INTEGER NOT NULL,
        places BLOB, -- the rows that have one; none: all
        data BLOB NOT NULL
    ) STRICT;
    -- Not its primary key: to compare keys there, SQLite reads whole rows.
    CREATE UNIQUE INDEX series_of_metric ON series (metric, chunk);

    -- What a detector did in one watch, and what it cost.
    CREATE TABLE detector (
        owner TEXT NOT NULL, -- the process that watches
        name TEXT NOT NULL,
        version TEXT NOT NULL,
        digest TEXT NOT NULL,
        summary TEXT NOT NULL,
        project TEXT, -- of the run that came last
        run TEXT,
        calls INTEGER NOT NULL,
        rows INTEGER NOT NULL,
        nanos INTEGER NOT NULL, -- that the calls took
        memory INTEGER NOT NULL, -- bytes, at most
        faults INTEGER NOT NULL,
        last_fault TEXT,
        quarantined INTEGER NOT NULL,
        updated INTEGER NOT NULL,
        PRIMARY KEY (owner, name)
    ) STRICT, WITHOUT ROWID;

    -- Every value, for questions in SQL. The function is runwatch's own.
    CREATE VIEW history AS
        SELECT r.project, r.run, m.source AS metric, p.value ->> 0 AS step,
            p.value ->> 1 AS time, p.value ->> 2 AS rank, p.value ->> 3 AS value
        FROM run r JOIN metric m ON m.run = r.id JOIN series s ON s.metric = m.id
            JOIN chunk c ON c.id = s.chunk,
            json_each(points(c.rows, c.steps, c.times, c.ranks, s.places, s.data)) p;
",
    "
    -- Who halts a start of a run: the first to write it here.
    CREATE TABLE halt (
        project TEXT NOT NULL,
        run TEXT NOT NULL,
        token TEXT NOT NULL, -- names the start
        alert TEXT NOT NULL, -- the cause
        type TEXT NOT NULL,
        reason TEXT NOT NULL,
        reach TEXT NOT NULL, -- file, signal, kill
        owner TEXT NOT NULL, -- the process that halts it
        rank INTEGER,
        at INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('preparing', 'halting', 'over')),
        PRIMARY KEY (project, run, token)
    ) STRICT, WITHOUT ROWID;
",
    "
    -- Rows that wait for a detector, and those that were not given to it.
    ALTER TABLE detector ADD COLUMN behind INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE detector ADD COLUMN left_out INTEGER NOT NULL DEFAULT 0;
",
];

/// Sets the connection up and brings the tables up to date.
pub(super) fn prepare(connection: &mut Connection, remote: bool) -> Result<()> {
    connection.busy_timeout(BUSY)?;
    // A file that is something else must not be touched. In one transaction,
    // because another process may be about to make the tables.
    let look = connection.transaction()?;
    let (application, version) = identity(&look)?;
    let empty = is_empty(&look)?;
    drop(look);
    if application != APPLICATION && !empty {
        return Err(LedgerError("it is another program's database".to_owned()));
    }
    not_newer(version)?;
    if remote {
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        connection.pragma_update(None, "journal_mode", "TRUNCATE")?;
    } else {
        write_ahead(connection)?;
    }
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    connection.pragma_update(None, "trusted_schema", "OFF")?;
    history::register(connection)?;
    migrate(connection)
}

/// Whether there is nothing in the file yet.
pub(super) fn is_empty(connection: &Connection) -> Result<bool> {
    let query = "SELECT count(*) = 0 FROM sqlite_schema";
    Ok(connection.query_row(query, [], |row| row.get(0))?)
}

/// Whether the tables are those of today, rather than of an older runwatch.
pub(super) fn is_current(connection: &Connection) -> Result<bool> {
    let (application, version) = identity(connection)?;
    if application != APPLICATION {
        return Err(LedgerError("it is no ledger of runwatch".to_owned()));
    }
    not_newer(version)?;
    Ok(version == MIGRATIONS.len())
}

fn not_newer(version: usize) -> Result<()> {
    if version <= MIGRATIONS.len() {
        return Ok(());
    }
    Err(LedgerError(format!(
        "it was made by a newer runwatch (version {version}, this one knows {}); update \
         runwatch, or give another place with --ledger",
        MIGRATIONS.len()
    )))
}

/// Switches to the write-ahead log. Only one process at a time can, and SQLite
/// does not wait here by itself, whatever its timeout.
fn write_ahead(connection: &Connection) -> Result<()> {
    let until = Instant::now() + BUSY;
    loop {
        match connection.pragma_update(None, "journal_mode", "WAL") {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && Instant::now() < until =>
            {
                std::thread::sleep(Duration::from_millis(5));
            }
            result => return Ok(result?),
        }
    }
}

fn identity(connection: &Connection) -> Result<(i32, usize)> {
    let application =
        connection.query_row("PRAGMA application_id", [], |row| row.get::<_, i32>(0))?;
    let version = connection.query_row("PRAGMA user_version", [], |row| row.get::<_, u32>(0))?;
    Ok((application, version as usize))
}

fn migrate(connection: &mut Connection) -> Result<()> {
    if identity(connection)?.1 == MIGRATIONS.len() {
        return Ok(());
    }
    super::write_in(connection, |tx| {
        // Another process may have been faster.
        let (_, version) = identity(tx)?;
        for step in MIGRATIONS.iter().skip(version) {
            tx.execute_batch(step)?;
        }
        tx.pragma_update(None, "application_id", APPLICATION)?;
        tx.pragma_update(None, "user_version", MIGRATIONS.len() as u32)?;
        Ok(())
    })
}
