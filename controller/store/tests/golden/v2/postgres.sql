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
CREATE TABLE pool (id BIGINT PRIMARY KEY, name TEXT NOT NULL UNIQUE, body TEXT NOT NULL);
CREATE TABLE hostler_schema (version BIGINT NOT NULL);
INSERT INTO hostler_schema VALUES (2);
DELETE FROM meta;
INSERT INTO meta VALUES (1, 1, 1, '{"now":1000,"counters":{"node":2,"bmc":2,"lease":1,"tenant":1,"image":1,"run":0,"pool":1,"boot":2,"event":6},"incidents":{},"planned":1000}');
INSERT INTO bmc VALUES (1, '10.0.1.1:623', '{"id":1,"spec":{"address":"10.0.1.1:623","user":"admin","password":"sealed","cipher_suite":17,"shared":false}}');
INSERT INTO bmc VALUES (2, '10.0.1.2:623', '{"id":2,"spec":{"address":"10.0.1.2:623","user":"admin","password":"sealed","cipher_suite":17,"shared":false}}');
INSERT INTO node VALUES (1, 'n1', 'inspecting', '{"id":1,"spec":{"name":"n1","arch":"x86_64","firmware":"bios","pool":"default","mac":"02:00:00:00:00:01","address":"10.0.0.1","serial":"S1","uuid":null,"keep_disks":[],"start":"kexec","rack":null,"switch":null,"labels":{}},"bmc":1,"state":{"Inspecting":{"boot":{"id":1,"purpose":"Prepare","rung":"First","ordered":1000,"power":"Outstanding","evidence":[],"phases":[],"key":null,"token_expires":1321000,"stage":"Firmware","incarnation":0,"because":null,"host_keys":[]}}},"since":1000,"deadline":121000,"holds":{},"inventory":null,"first_wipe":"Pending","wiped":[],"last_wipe":[],"agent":"Absent","unexpected_boot":null,"vacated":null,"took":{"deployed_ms":[],"cleaned_ms":[]}}');
INSERT INTO node VALUES (2, 'n2', 'inspecting', '{"id":2,"spec":{"name":"n2","arch":"x86_64","firmware":"bios","pool":"default","mac":"02:00:00:00:00:02","address":"10.0.0.2","serial":"S2","uuid":null,"keep_disks":[],"start":"kexec","rack":null,"switch":null,"labels":{}},"bmc":2,"state":{"Inspecting":{"boot":{"id":2,"purpose":"Prepare","rung":"First","ordered":1000,"power":"Outstanding","evidence":[],"phases":[],"key":null,"token_expires":1321000,"stage":"Firmware","incarnation":0,"because":null,"host_keys":[]}}},"since":1000,"deadline":121000,"holds":{},"inventory":null,"first_wipe":"Pending","wiped":[],"last_wipe":[],"agent":"Absent","unexpected_boot":null,"vacated":null,"took":{"deployed_ms":[],"cleaned_ms":[]}}');
INSERT INTO tenant VALUES (1, 'ci', '{"id":1,"name":"ci","added":1000,"past":[],"allowance":{"share":1,"priority":"batch","machines":null,"machines_of":{},"node_hours":null,"duration_ms":null,"extension_ms":null,"hold_ms":null},"usage":{"of":{},"granted":{"at":0,"node_ms":0}}}');
INSERT INTO image VALUES (1, 'demo', 'x86_64', 'ab', '{"id":1,"name":"demo","arch":"x86_64","content":{"sha256":"ab","size_bytes":1,"encoding":"raw","disk_bytes":1},"status":"candidate","added":1000}');
INSERT INTO pool VALUES (1, 'default', '{"id":1,"name":"default","added":1000,"bounds":{"max_booting":8,"max_booting_per_rack":4}}');
INSERT INTO lease VALUES (1, 1, 'k', 'queued', false, '{"id":1,"tenant":1,"key":"k","spec":{"members":[{"role":"node","count":1,"at_most":null,"arch":[],"pool":null,"nodes":[],"image":"demo","constraint":null}],"groupings":[],"duration_ms":1,"max_wait_ms":1,"purpose":"","ssh_keys":[],"terms":{"not_before":null,"keepalive_ms":null,"hold_ms":null,"priority":"batch"}},"requested":1000,"promise":{"latest_ms":259201000,"planned":{"after_all":0}},"setback":null,"course":{"early":null,"assigned":null,"warning":null,"failure":null,"hold":null,"extensions":[]},"state":{"Queued":{"reason":"waits for 1 x any architecture for role \"node\""}}}');
INSERT INTO lease VALUES (7, 1, 'key 7', 'deploying', true, '{"id":7,"tenant":1,"key":"key 7","spec":{"members":[{"role":"node","count":1,"at_most":null,"arch":[],"pool":null,"nodes":[],"image":"demo","constraint":null}],"groupings":[],"duration_ms":1,"max_wait_ms":1,"purpose":"","ssh_keys":[],"terms":{"not_before":null,"keepalive_ms":null,"hold_ms":null,"priority":"batch"}},"requested":0,"promise":null,"setback":null,"course":{"early":null,"assigned":null,"warning":null,"failure":null,"hold":null,"extensions":[]},"state":{"Deploying":{"group":[{"node":1,"member":0,"image":1}],"since":0}}}');
INSERT INTO membership VALUES (1, 7);
INSERT INTO event VALUES (1, 1000, 'info', 'node-registered', 1, NULL, 'n1 registered by ada');
INSERT INTO event VALUES (2, 1000, 'info', 'node-registered', 2, NULL, 'n2 registered by ada');
INSERT INTO event VALUES (3, 1000, 'info', 'image-added', NULL, NULL, 'image demo for x86_64 added, sha256 ab');
INSERT INTO event VALUES (4, 1000, 'info', 'tenant-added', NULL, NULL, 'tenant ci added');
INSERT INTO event VALUES (5, 1000, 'info', 'pool-set', NULL, NULL, 'pool default: 8 of its machines may be starting at once, 4 in each rack; by ada');
INSERT INTO event VALUES (6, 1000, 'info', 'lease-requested', NULL, 1, 'lease 1 requested');
INSERT INTO event VALUES (100, 7, 'warning', 'test', 1, NULL, 'ж ''quoted'' "\
');
