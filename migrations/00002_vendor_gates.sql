-- +goose Up

-- One row per rate limit of a vendor, shared by all replicas. Grants are
-- counted by ticks of half a second, for as long as the vendor's minute can
-- still hold them, so that no window of 60 seconds has more calls than the
-- limit: a full token bucket plus its refill would have nearly twice as many.
CREATE TABLE vendor_gates (
    name          text PRIMARY KEY,
    ticks         bigint[]    NOT NULL DEFAULT '{}',
    grants        integer[]   NOT NULL DEFAULT '{}',
    blocked_until timestamptz NOT NULL DEFAULT 'epoch'
);

-- take_tokens grants up to `want` calls and says how many are left, and how
-- long until the next one is to be had when none was granted. The window is
-- 61.5 s: the vendor's minute, half a tick's rounding, and a second for calls
-- that arrive later than they were granted.
-- +goose StatementBegin
CREATE FUNCTION take_tokens(gate text, want integer, per_minute integer)
RETURNS TABLE (granted integer, remaining integer, retry_us bigint) LANGUAGE plpgsql AS $$
DECLARE
    g       vendor_gates;
    tick    bigint;
    kept_t  bigint[] := '{}';
    kept_g  integer[] := '{}';
    used    integer := 0;
BEGIN
    INSERT INTO vendor_gates (name) VALUES (gate) ON CONFLICT DO NOTHING;
    SELECT * INTO g FROM vendor_gates WHERE name = gate FOR UPDATE;
    tick := floor(extract(epoch FROM clock_timestamp()) * 2);
    FOR i IN 1 .. cardinality(g.ticks) LOOP
        IF g.ticks[i] > tick - 123 THEN
            kept_t := kept_t || g.ticks[i];
            kept_g := kept_g || g.grants[i];
            used := used + g.grants[i];
        END IF;
    END LOOP;
    granted := CASE WHEN g.blocked_until > clock_timestamp() THEN 0 ELSE greatest(least(want, per_minute - used), 0) END;
    remaining := greatest(per_minute - used - granted, 0);
    retry_us := 0;
    IF granted > 0 THEN
        IF cardinality(kept_t) > 0 AND kept_t[cardinality(kept_t)] = tick THEN
            kept_g[cardinality(kept_g)] := kept_g[cardinality(kept_g)] + granted;
        ELSE
            kept_t := kept_t || tick;
            kept_g := kept_g || granted;
        END IF;
        UPDATE vendor_gates SET ticks = kept_t, grants = kept_g WHERE name = gate;
    ELSE
        retry_us := greatest(
            extract(epoch FROM g.blocked_until - clock_timestamp()) * 1000000,
            CASE WHEN used >= per_minute AND cardinality(kept_t) > 0
                 THEN (kept_t[1] + 123 - extract(epoch FROM clock_timestamp()) * 2) * 500000 ELSE 0 END,
            1000)::bigint;
    END IF;
    RETURN NEXT;
END $$;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION take_tokens;
DROP TABLE vendor_gates;
