-- What is queried has a column of its own; the rest of a row is its body, as JSON. It is text and not jsonb: it comes
-- back as it was written, and the NUL that a string may contain is an escape in it, which jsonb refuses.
CREATE TABLE meta (
    id    BIGINT PRIMARY KEY CHECK (id = 1),
    epoch BIGINT NOT NULL,
    batch BIGINT NOT NULL,
    body  TEXT   NOT NULL
);
INSERT INTO meta VALUES (1, 0, 0, '');

CREATE TABLE bmc (id BIGINT PRIMARY KEY, address TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE node (id BIGINT PRIMARY KEY, name TEXT NOT NULL, state TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE tenant (id BIGINT PRIMARY KEY, name TEXT NOT NULL UNIQUE, body TEXT NOT NULL);
CREATE TABLE image (
    id     BIGINT PRIMARY KEY,
    name   TEXT NOT NULL,
    arch   TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    body   TEXT NOT NULL
);

CREATE TABLE lease (
    id         BIGINT  PRIMARY KEY,
    tenant     BIGINT  NOT NULL,
    key        TEXT    NOT NULL,
    state      TEXT    NOT NULL,
    remembered BOOLEAN NOT NULL,  -- in the controller's memory
    body       TEXT    NOT NULL
);
CREATE UNIQUE INDEX lease_key ON lease (tenant, key) WHERE remembered;
CREATE INDEX lease_tenant ON lease (tenant, id);
CREATE INDEX lease_remembered ON lease (id) WHERE remembered;

-- Who has which node now. Invariant 1: a node is in at most one lease that is not closed.
CREATE TABLE membership (
    node  BIGINT NOT NULL,
    lease BIGINT NOT NULL REFERENCES lease (id)
);
CREATE UNIQUE INDEX membership_node ON membership (node);
CREATE INDEX membership_lease ON membership (lease);

CREATE TABLE run (
    id         BIGINT  PRIMARY KEY,
    lease      BIGINT  NOT NULL,
    remembered BOOLEAN NOT NULL,
    body       TEXT    NOT NULL
);
CREATE INDEX run_remembered ON run (id) WHERE remembered;

CREATE TABLE event (
    id       BIGINT PRIMARY KEY,
    at       BIGINT NOT NULL,
    severity TEXT   NOT NULL,
    kind     TEXT   NOT NULL,
    node     BIGINT,
    lease    BIGINT,
    message  TEXT   NOT NULL
);
CREATE INDEX event_node ON event (node, id) WHERE node IS NOT NULL;
CREATE INDEX event_lease ON event (lease, id) WHERE lease IS NOT NULL;

-- Each transaction begins with it. It is an error, not a result, so that what is sent behind it without waiting is not
-- carried out either.
CREATE FUNCTION hostler_advance(mine BIGINT, next BIGINT, new_body TEXT) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE meta SET batch = next, body = coalesce(new_body, body) WHERE epoch = mine AND batch < next;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the store has the epoch % and the batch %', (SELECT epoch FROM meta), (SELECT batch FROM meta)
            USING ERRCODE = 'HS001';
    END IF;
END
$$;
