"""The tables of the database, as numbered migrations. A migration that has landed is never edited."""

import contextlib
import sqlite3

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE jobs (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        identity TEXT NOT NULL,
        experiment TEXT NOT NULL,           -- canonical JSON of the resolved experiment
        provenance TEXT NOT NULL,           -- JSON: versions, host, devices, git revision
        source TEXT NOT NULL,               -- file it was read from, for display only
        state TEXT NOT NULL CHECK (state IN ('queued','running','paused','done','failed','cancelled')),
        position REAL NOT NULL,             -- order in the queue
        created REAL NOT NULL,
        started REAL,
        finished REAL,
        active REAL NOT NULL DEFAULT 0,     -- seconds in which at least one of its batches ran
        error TEXT
    ) STRICT;

    CREATE TABLE trials (
        id INTEGER PRIMARY KEY,
        job INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE,
        arm TEXT NOT NULL,
        round INTEGER NOT NULL,
        seed INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('waiting','running','done','failed','blocked','cancelled')),
        batch INTEGER REFERENCES batches,
        step INTEGER NOT NULL DEFAULT 0,    -- environment steps or updates trained so far
        density REAL,                       -- of the prunable scope
        model_density REAL,                 -- of all parameters
        score REAL,
        tensors TEXT,                       -- path within the workspace
        sha256 TEXT,
        started REAL,
        finished REAL,
        error TEXT,
        UNIQUE (job, arm, round, seed)
    ) STRICT;
    CREATE INDEX trials_by_state ON trials (job, state);

    CREATE TABLE waits (
        trial INTEGER NOT NULL REFERENCES trials ON DELETE CASCADE,
        waits_for INTEGER NOT NULL REFERENCES trials,
        PRIMARY KEY (trial, waits_for)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX waits_reverse ON waits (waits_for);

    CREATE TABLE batches (
        id INTEGER PRIMARY KEY,
        job INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE,
        state TEXT NOT NULL CHECK (state IN ('pending','running','done','failed','cancelled')),
        attempt INTEGER NOT NULL DEFAULT 0,
        failures INTEGER NOT NULL DEFAULT 0,
        slot TEXT,
        fraction REAL NOT NULL DEFAULT 0,   -- of its training done
        rate REAL,                          -- steps per second, all its tickets together
        records_read INTEGER NOT NULL DEFAULT 0,  -- bytes of the current attempt's records
        started REAL,
        finished REAL,
        error TEXT
    ) STRICT;

    CREATE TABLE metric_names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
    CREATE TABLE metrics (
        trial INTEGER NOT NULL,
        name INTEGER NOT NULL,
        step INTEGER NOT NULL,
        value REAL,                         -- NULL is not-a-number
        PRIMARY KEY (trial, name, step)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE layers (
        trial INTEGER NOT NULL REFERENCES trials ON DELETE CASCADE,
        position INTEGER NOT NULL,
        layer TEXT NOT NULL,
        shape TEXT NOT NULL,
        size INTEGER NOT NULL,
        kept INTEGER NOT NULL,
        prunable INTEGER NOT NULL,
        PRIMARY KEY (trial, position)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE audits (
        trial INTEGER NOT NULL REFERENCES trials ON DELETE CASCADE,
        moment TEXT NOT NULL CHECK (moment IN ('before','after')),
        name TEXT NOT NULL,
        passed INTEGER NOT NULL,
        detail TEXT NOT NULL,
        PRIMARY KEY (trial, moment, name)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE events (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at REAL NOT NULL,
        job INTEGER,
        trial INTEGER,
        kind TEXT NOT NULL,
        text TEXT NOT NULL
    ) STRICT;
    CREATE INDEX events_by_job ON events (job, id);

    CREATE TABLE commands (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at REAL NOT NULL,
        kind TEXT NOT NULL,
        payload TEXT NOT NULL,
        answer TEXT                         -- JSON, written by the engine
    ) STRICT;

    CREATE TABLE engine (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        pid INTEGER NOT NULL,
        host TEXT NOT NULL,
        started REAL NOT NULL,
        beat REAL NOT NULL,
        state TEXT NOT NULL                 -- running, stopping, stopped
    ) STRICT;

    CREATE TABLE slots (
        name TEXT PRIMARY KEY,
        device TEXT NOT NULL,
        pid INTEGER,
        batch INTEGER
    ) STRICT, WITHOUT ROWID;
    """,
    # The suite that a job belongs to; NULL for a job of its own.
    """
    ALTER TABLE jobs ADD COLUMN suite TEXT
    """,
    # Jobs of a higher priority run first. A deleted job is hidden from then on, and can be brought back for a day.
    """
    ALTER TABLE jobs ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE jobs ADD COLUMN deleted REAL
    """,
    # What each attempt ran with, as its worker says; how many threads the workers of a job have, once it has begun.
    """
    CREATE TABLE attempts (
        batch INTEGER NOT NULL REFERENCES batches ON DELETE CASCADE,
        attempt INTEGER NOT NULL,
        facts TEXT NOT NULL,                -- JSON: versions, threads, device, git revision
        PRIMARY KEY (batch, attempt)
    ) STRICT, WITHOUT ROWID;
    ALTER TABLE jobs ADD COLUMN threads INTEGER
    """,
    # The engine asks for these many times a second.
    """
    CREATE INDEX commands_unanswered ON commands (id) WHERE answer IS NULL
    """,
    # Each attempt's audits are kept; attempt 0 is of earlier versions.
    """
    ALTER TABLE audits RENAME TO earlier_audits;
    CREATE TABLE audits (
        trial INTEGER NOT NULL REFERENCES trials ON DELETE CASCADE,
        moment TEXT NOT NULL CHECK (moment IN ('before','after')),
        name TEXT NOT NULL,
        batch INTEGER NOT NULL,
        attempt INTEGER NOT NULL,
        passed INTEGER NOT NULL,
        detail TEXT NOT NULL,
        PRIMARY KEY (trial, moment, name, batch, attempt)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO audits SELECT trial, moment, name, 0, 0, passed, detail FROM earlier_audits;
    DROP TABLE earlier_audits
    """,
    # What is stored of a trial, and a job's experiment, each with a digest (`digests`); NULL is unchecked.
    """
    ALTER TABLE trials ADD COLUMN digest TEXT;
    ALTER TABLE jobs ADD COLUMN digest TEXT
    """,
    # Seconds that a batch's training takes in all at its pace so far; JSON of what stacks cost in comparison, by their
    # tickets, as measured beside it.
    """
    ALTER TABLE batches ADD COLUMN whole REAL;
    ALTER TABLE batches ADD COLUMN costs TEXT
    """,
    # What a paused job waits for (NULL: to be resumed); whether a batch is to run alone; whether it was split. Earlier
    # versions said these by how an error begins.
    """
    ALTER TABLE jobs ADD COLUMN waits_for TEXT CHECK (waits_for IN ('space'));
    ALTER TABLE batches ADD COLUMN alone INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE batches ADD COLUMN split INTEGER NOT NULL DEFAULT 0;
    UPDATE jobs SET waits_for = 'space' WHERE state = 'paused' AND error LIKE 'disk full%';
    UPDATE batches SET alone = 1, error = NULL WHERE error = 'out of memory: to be run alone';
    UPDATE batches SET split = 1 WHERE state = 'failed' AND error LIKE 'stack too large%'
    """,
    # Seconds from the beginning of a batch's attempt to that of its training, without the start of its worker.
    """
    ALTER TABLE batches ADD COLUMN before REAL
    """,
)


NEWEST_AUDITS = """(
    SELECT x.* FROM audits x JOIN trials o ON o.id = x.trial AND x.batch IN (0, o.batch) WHERE NOT EXISTS (
        SELECT 1 FROM audits y WHERE y.trial = x.trial AND y.moment = x.moment AND y.name = x.name
        AND (y.batch, y.attempt) > (x.batch, x.attempt) AND y.batch IN (0, o.batch)))
"""
"""In the place of the table: of each check the last result in a trial's present batch, not of those before a retry."""


def lacking(connection: sqlite3.Connection) -> set[str]:
    """Columns, as `table.column`, that the newest schema has and this database has not."""
    with contextlib.closing(sqlite3.connect(":memory:")) as whole:
        for script in MIGRATIONS:
            whole.executescript(script)
        return _columns(whole) - _columns(connection)


def _columns(connection: sqlite3.Connection) -> set[str]:
    rows = connection.execute(
        "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'"
    )
    return {f"{row[0]}.{row[1]}" for row in rows}
