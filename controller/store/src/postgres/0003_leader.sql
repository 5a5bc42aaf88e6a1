-- Who leads, of the controllers on this database. A change of leaders takes a new epoch in the same transaction, so
-- that nothing is written any more by the one before. All times are the database's.
CREATE TABLE leader (
    id       BIGINT      PRIMARY KEY CHECK (id = 1),
    epoch    BIGINT      NOT NULL,
    renewals BIGINT      NOT NULL,  -- since it leads: whoever stands by watches this number
    name     TEXT        NOT NULL,
    since    TIMESTAMPTZ NOT NULL,
    renewed  TIMESTAMPTZ NOT NULL,
    resigned BOOLEAN     NOT NULL   -- it does nothing more
);
INSERT INTO leader VALUES (1, 0, 0, '', clock_timestamp(), clock_timestamp(), true);

-- Those who lead or stand by, each of which says so every second.
CREATE TABLE controller (
    name    TEXT        PRIMARY KEY,
    address TEXT        NOT NULL,  -- for clients and agents
    place   TEXT        NOT NULL,  -- who has locked it is the only process of this controller
    keys    TEXT        NOT NULL,  -- a digest: all must have the same
    seen    TIMESTAMPTZ NOT NULL
);

-- Takes the leadership, unless somebody else took or renewed it meanwhile; then there is no epoch.
CREATE FUNCTION hostler_lead(seen_epoch BIGINT, seen_renewals BIGINT, new_name TEXT) RETURNS BIGINT LANGUAGE plpgsql AS $$
DECLARE
    taken BIGINT;
BEGIN
    PERFORM 1 FROM leader WHERE epoch = seen_epoch AND renewals = seen_renewals FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    UPDATE meta SET epoch = epoch + 1, batch = 0 RETURNING epoch INTO taken;
    UPDATE leader SET epoch = taken, renewals = 0, name = new_name, since = clock_timestamp(),
                      renewed = clock_timestamp(), resigned = false;
    RETURN taken;
END
$$;
