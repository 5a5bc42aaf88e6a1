-- What is queried has a column of its own; the rest of a row is its body, as JSON.
CREATE TABLE meta (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    epoch INTEGER NOT NULL,
    batch INTEGER NOT NULL,
    body  TEXT    NOT NULL
) STRICT;
INSERT INTO meta VALUES (1, 0, 0, '');

CREATE TABLE bmc (id INTEGER PRIMARY KEY, address TEXT NOT NULL, body TEXT NOT NULL) STRICT;
CREATE TABLE node (id INTEGER PRIMARY KEY, name TEXT NOT NULL, state TEXT NOT NULL, body TEXT NOT NULL) STRICT;
CREATE TABLE tenant (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, body TEXT NOT NULL) STRICT;
CREATE TABLE image (
    id     INTEGER PRIMARY KEY,
    name   TEXT NOT NULL,
    arch   TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    body   TEXT NOT NULL
) STRICT;

CREATE TABLE lease (
    id         INTEGER PRIMARY KEY,
    tenant     INTEGER NOT NULL,
    key        TEXT    NOT NULL,
    state      TEXT    NOT NULL,
    remembered INTEGER NOT NULL,  -- in the controller's memory
    body       TEXT    NOT NULL
) STRICT;
CREATE UNIQUE INDEX lease_key ON lease (tenant, key) WHERE remembered;
CREATE INDEX lease_tenant ON lease (tenant, id);
CREATE INDEX lease_remembered ON lease (id) WHERE remembered;

-- Who has which node now. Invariant 1: a node is in at most one lease that is not closed.
CREATE TABLE membership (
    node  INTEGER NOT NULL,
    lease INTEGER NOT NULL REFERENCES lease (id)
) STRICT;
CREATE UNIQUE INDEX membership_node ON membership (node);
CREATE INDEX membership_lease ON membership (lease);

CREATE TABLE run (
    id         INTEGER PRIMARY KEY,
    lease      INTEGER NOT NULL,
    remembered INTEGER NOT NULL,
    body       TEXT    NOT NULL
) STRICT;
CREATE INDEX run_remembered ON run (id) WHERE remembered;

CREATE TABLE event (
    id       INTEGER PRIMARY KEY,
    at       INTEGER NOT NULL,
    severity TEXT    NOT NULL,
    kind     TEXT    NOT NULL,
    node     INTEGER,
    lease    INTEGER,
    message  TEXT    NOT NULL
) STRICT;
CREATE INDEX event_node ON event (node, id) WHERE node IS NOT NULL;
CREATE INDEX event_lease ON event (lease, id) WHERE lease IS NOT NULL;
