-- +goose Up

-- Every policy ever used: content-addressed, never changed. A decision can be
-- recomputed years later.
CREATE TABLE policies (
    version    text PRIMARY KEY,
    body       bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Which master keys sealed something here, each with a value only it opens: a
-- process with another key refuses to start.
CREATE TABLE master_keys (
    key_id     bytea PRIMARY KEY,
    sealed     bytea       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- One row per onboarding. Bucket stands first in every key (design section 3):
-- it is the last byte of the id. Sealed columns hold AEAD ciphertexts.
CREATE TABLE onboardings (
    bucket         smallint    NOT NULL CHECK (bucket BETWEEN 0 AND 255),
    id             uuid        NOT NULL,
    client_id      text        NOT NULL,
    application_id text        NOT NULL,
    state          text        NOT NULL,
    version        bigint      NOT NULL,
    policy         text        NOT NULL,
    facts          json        NOT NULL,
    kyc_level      text        CHECK (kyc_level IN ('premium', 'standard')),
    decline_reason text        CHECK (decline_reason IN ('ktp_failed', 'ktp_rejected', 'biometric_mismatch',
                                      'dukcapil_rejected', 'aml_rejected', 'fraud_block', 'fraud_rejected')),
    data_key       bytea       NOT NULL,  -- sealed under the master key; seals the columns below
    applicant      bytea       NOT NULL,  -- sealed: what the form said
    identity       bytea,                 -- sealed: what was read from the KTP
    verdict        bytea,                 -- sealed: a Dukcapil verdict that QE has not recorded yet
    nik_index      bytea,                 -- keyed blind index of the KTP's NIK
    chain_head     bytea       NOT NULL,  -- hash of the last event
    due_at         timestamptz,           -- when the resumer may take the row; while leased, the lease's end
    lease          uuid,                  -- the claim that holds the row now
    attempts       integer     NOT NULL DEFAULT 0,
    last_error     text,
    last_error_at  timestamptz,
    parked_at      timestamptz,
    park_cause     text,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    state_since    timestamptz NOT NULL DEFAULT now(),
    status_since   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (bucket, id),
    CONSTRAINT onboardings_state_known CHECK (state IN (
        'registering', 'awaiting_ktp', 'verifying_ktp', 'ktp_review', 'awaiting_selfie', 'verifying_selfie',
        'checking_dukcapil', 'recording_dukcapil', 'dukcapil_review', 'screening_aml', 'aml_review', 'aml_signoff',
        'evaluating_fraud', 'fraud_review', 'approved', 'upgrading', 'recording_upgrade',
        'declined', 'expired', 'cancelled')),
    CONSTRAINT onboardings_final_is_at_rest CHECK (
        state NOT IN ('approved', 'declined', 'expired', 'cancelled') OR (due_at IS NULL AND lease IS NULL AND parked_at IS NULL)),
    CONSTRAINT onboardings_parked_has_cause CHECK ((parked_at IS NULL) = (park_cause IS NULL)),
    CONSTRAINT onboardings_parked_is_not_due CHECK (parked_at IS NULL OR due_at IS NULL),
    CONSTRAINT onboardings_declined_has_reason CHECK ((state = 'declined') = (decline_reason IS NOT NULL)),
    CONSTRAINT onboardings_approved_has_level CHECK (
        state NOT IN ('approved', 'upgrading', 'recording_upgrade') OR kyc_level IS NOT NULL)
) WITH (fillfactor = 60);

-- No index names a column that changes with every step, so steps stay heap-only.
CREATE INDEX onboardings_due ON onboardings (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX onboardings_by_client ON onboardings (client_id, id DESC);
CREATE INDEX onboardings_same_nik ON onboardings (client_id, nik_index) WHERE nik_index IS NOT NULL;
CREATE INDEX onboardings_parked ON onboardings (park_cause, parked_at) WHERE parked_at IS NOT NULL;

-- What makes creation idempotent.
CREATE TABLE applications (
    bucket         smallint    NOT NULL,
    client_id      text        NOT NULL,
    application_id text        NOT NULL,
    onboarding_id  uuid        NOT NULL,
    content_mac    bytea       NOT NULL,  -- keyed: a form has few secrets to guess
    created_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (bucket, client_id, application_id),
    FOREIGN KEY (bucket, onboarding_id) REFERENCES onboardings (bucket, id)
);

-- The audit trail: one row per transition, chained by hash.
CREATE TABLE events (
    bucket        smallint    NOT NULL,
    onboarding_id uuid        NOT NULL,
    seq           bigint      NOT NULL,
    at            timestamptz NOT NULL,
    event         text        NOT NULL,
    from_state    text        NOT NULL,
    to_state      text        NOT NULL,
    actor         text        NOT NULL,
    payload       bytea       NOT NULL,  -- JSON evidence without personal data
    sealed        bytea,                 -- personal part of the evidence
    commitment    bytea,                 -- keyed; stands for the personal part in the chain
    hash          bytea       NOT NULL,
    PRIMARY KEY (bucket, onboarding_id, seq),
    FOREIGN KEY (bucket, onboarding_id) REFERENCES onboardings (bucket, id),
    CHECK ((sealed IS NULL) = (commitment IS NULL))
);

CREATE TABLE captures (
    bucket        smallint    NOT NULL,
    onboarding_id uuid        NOT NULL,
    purpose       text        NOT NULL CHECK (purpose IN ('ktp', 'face')),
    n             integer     NOT NULL,  -- the n-th submission, part of the external id
    mac           bytea       NOT NULL,  -- keyed; recognises the same bundle again
    nonce         text        NOT NULL,
    bundle        bytea,                 -- sealed; gone once the verdict is committed
    hmac_key      bytea,                 -- sealed, likewise
    created_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (bucket, onboarding_id, purpose, n),
    UNIQUE (bucket, onboarding_id, purpose, mac),
    FOREIGN KEY (bucket, onboarding_id) REFERENCES onboardings (bucket, id)
);
ALTER TABLE captures ALTER COLUMN bundle SET STORAGE EXTERNAL;  -- ciphertext does not compress

CREATE TABLE challenges (
    bucket        smallint    NOT NULL,
    onboarding_id uuid        NOT NULL,
    purpose       text        NOT NULL CHECK (purpose IN ('ktp', 'face')),
    nonce         text        NOT NULL,
    vendor_id     text        NOT NULL,
    expires_at    timestamptz NOT NULL,
    consumed_at   timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (bucket, onboarding_id, purpose, nonce),
    FOREIGN KEY (bucket, onboarding_id) REFERENCES onboardings (bucket, id)
);

CREATE TABLE reviews (
    bucket        smallint    NOT NULL,
    id            uuid        NOT NULL,
    onboarding_id uuid        NOT NULL,
    client_id     text        NOT NULL,
    kind          text        NOT NULL CHECK (kind IN ('ktp', 'dukcapil', 'aml', 'aml_signoff', 'fraud')),
    state         text        NOT NULL CHECK (state IN ('open', 'decided', 'withdrawn')),
    version       bigint      NOT NULL,  -- of the onboarding: when opened, then when decided
    opened_at     timestamptz NOT NULL DEFAULT now(),
    sla_at        timestamptz NOT NULL,
    claimed_by    text,
    claimed_until timestamptz,
    decided_at    timestamptz,
    decided_by    text,
    decision      text        CHECK (decision IN ('approve', 'reject', 'recapture')),
    reason_code   text,
    note          bytea,                 -- sealed
    PRIMARY KEY (bucket, id),
    FOREIGN KEY (bucket, onboarding_id) REFERENCES onboardings (bucket, id),
    CHECK ((state = 'decided') = (decision IS NOT NULL AND decided_by IS NOT NULL AND decided_at IS NOT NULL))
);
CREATE UNIQUE INDEX reviews_one_open ON reviews (bucket, onboarding_id) WHERE state = 'open';
CREATE INDEX reviews_queue ON reviews (client_id, state, opened_at, id);

CREATE TABLE api_keys (
    id           text PRIMARY KEY,
    client_id    text        NOT NULL,
    role         text        NOT NULL,
    subject      text        NOT NULL DEFAULT '',  -- the person, for a person's key
    secret_hash  bytea       NOT NULL,             -- SHA-256 of a 256-bit secret
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,
    revoked_at   timestamptz
);

-- +goose StatementBegin
CREATE FUNCTION events_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'events is append-only' USING ERRCODE = 'insufficient_privilege';
END $$;
-- +goose StatementEnd
CREATE TRIGGER events_append_only BEFORE UPDATE OR DELETE ON events
    FOR EACH ROW EXECUTE FUNCTION events_append_only();
CREATE TRIGGER events_no_truncate BEFORE TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION events_append_only();

-- The table of legal moves, once more: the code's bugs stop here. A test
-- compares it with internal/fsm.
-- +goose StatementBegin
CREATE FUNCTION onboardings_legal_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.version <> OLD.version + 1 THEN
        RAISE EXCEPTION 'a move must grow the version by one' USING ERRCODE = 'check_violation';
    END IF;
    IF NOT (NEW.state = ANY (CASE OLD.state
        WHEN 'registering'        THEN ARRAY['awaiting_ktp', 'cancelled']
        WHEN 'awaiting_ktp'       THEN ARRAY['verifying_ktp', 'expired', 'cancelled']
        WHEN 'verifying_ktp'      THEN ARRAY['awaiting_selfie', 'ktp_review', 'declined', 'awaiting_ktp', 'cancelled']
        WHEN 'ktp_review'         THEN ARRAY['awaiting_selfie', 'declined', 'awaiting_ktp', 'cancelled']
        WHEN 'awaiting_selfie'    THEN ARRAY['verifying_selfie', 'expired', 'cancelled']
        WHEN 'verifying_selfie'   THEN ARRAY['checking_dukcapil', 'recording_dukcapil', 'screening_aml', 'awaiting_selfie', 'declined', 'ktp_review', 'cancelled']
        WHEN 'checking_dukcapil'  THEN ARRAY['recording_dukcapil', 'screening_aml', 'dukcapil_review', 'cancelled']
        WHEN 'recording_dukcapil' THEN ARRAY['screening_aml', 'dukcapil_review', 'cancelled']
        WHEN 'dukcapil_review'    THEN ARRAY['screening_aml', 'approved', 'declined', 'cancelled']
        WHEN 'screening_aml'      THEN ARRAY['evaluating_fraud', 'approved', 'upgrading', 'aml_review', 'cancelled']
        WHEN 'aml_review'         THEN ARRAY['evaluating_fraud', 'approved', 'upgrading', 'aml_signoff', 'declined', 'cancelled']
        WHEN 'aml_signoff'        THEN ARRAY['evaluating_fraud', 'approved', 'upgrading', 'declined', 'cancelled']
        WHEN 'evaluating_fraud'   THEN ARRAY['approved', 'upgrading', 'fraud_review', 'declined', 'cancelled']
        WHEN 'fraud_review'       THEN ARRAY['approved', 'upgrading', 'declined', 'cancelled']
        WHEN 'upgrading'          THEN ARRAY['recording_upgrade', 'dukcapil_review', 'approved']
        WHEN 'recording_upgrade'  THEN ARRAY['approved', 'dukcapil_review']
        ELSE ARRAY[]::text[]
    END)) THEN
        RAISE EXCEPTION 'illegal move from % to %', OLD.state, NEW.state USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER onboardings_legal_move BEFORE UPDATE OF state ON onboardings
    FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION onboardings_legal_move();

-- +goose Down
DROP TABLE api_keys, reviews, challenges, captures, events, applications, onboardings, master_keys, policies;
DROP FUNCTION events_append_only, onboardings_legal_move;
