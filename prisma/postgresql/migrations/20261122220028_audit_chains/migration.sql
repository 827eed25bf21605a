-- AlterTable
ALTER TABLE "AuditEvent" ADD COLUMN     "chain" TEXT,
ADD COLUMN     "hash" TEXT NOT NULL DEFAULT '',
ADD COLUMN     "key" TEXT NOT NULL DEFAULT '',
ADD COLUMN     "mac" TEXT NOT NULL DEFAULT '',
ADD COLUMN     "previous" TEXT NOT NULL DEFAULT '',
ADD COLUMN     "sequence" BIGINT;

-- The rows that exist get their place in a chain. They stay without hash and seal: the server's next start closes them off.
UPDATE "AuditEvent" SET "chain" = "placed"."chain", "sequence" = "placed"."sequence"
FROM (
    SELECT "id", COALESCE("organizationId", 'deployment') AS "chain",
        ROW_NUMBER() OVER (PARTITION BY COALESCE("organizationId", 'deployment') ORDER BY "createdAt", "id") AS "sequence"
    FROM "AuditEvent"
) AS "placed"
WHERE "placed"."id" = "AuditEvent"."id";

ALTER TABLE "AuditEvent" ALTER COLUMN "chain" SET NOT NULL,
ALTER COLUMN "sequence" SET NOT NULL,
ALTER COLUMN "hash" DROP DEFAULT,
ALTER COLUMN "key" DROP DEFAULT,
ALTER COLUMN "mac" DROP DEFAULT,
ALTER COLUMN "previous" DROP DEFAULT;

-- CreateTable
CREATE TABLE "AuditChain" (
    "id" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,
    "sequence" BIGINT NOT NULL,
    "hash" TEXT NOT NULL,
    "mac" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "pruned" BIGINT NOT NULL,
    "prunedHash" TEXT NOT NULL,

    CONSTRAINT "AuditChain_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "TokenUsage" (
    "clientId" TEXT NOT NULL,
    "minute" TIMESTAMP(3) NOT NULL,
    "organizationId" TEXT,
    "tokens" BIGINT NOT NULL,

    CONSTRAINT "TokenUsage_pkey" PRIMARY KEY ("clientId","minute")
);

-- CreateIndex
CREATE INDEX "AuditChain_createdAt_id_idx" ON "AuditChain"("createdAt", "id");

-- CreateIndex
CREATE INDEX "TokenUsage_minute_clientId_idx" ON "TokenUsage"("minute", "clientId");

-- CreateIndex
CREATE INDEX "TokenUsage_organizationId_minute_clientId_idx" ON "TokenUsage"("organizationId", "minute", "clientId");

-- CreateIndex
CREATE INDEX "AuditEvent_subject_createdAt_id_idx" ON "AuditEvent"("subject", "createdAt", "id");

-- CreateIndex
CREATE INDEX "AuditEvent_actor_createdAt_id_idx" ON "AuditEvent"("actor", "createdAt", "id");

-- CreateIndex
CREATE UNIQUE INDEX "AuditEvent_chain_sequence_key" ON "AuditEvent"("chain", "sequence");

INSERT INTO "AuditChain" ("id", "createdAt", "sequence", "hash", "mac", "key", "pruned", "prunedHash")
SELECT "chain", MIN("createdAt"), MAX("sequence"), '', '', '', 0, '' FROM "AuditEvent" GROUP BY "chain";

-- Rows are added and never changed. Only those that retention has taken out of the chain can be removed.
-- The engine cuts a script at every semicolon, whatever it stands in: here they are spelled as their code.
CREATE FUNCTION audit_event_append_only() RETURNS trigger LANGUAGE plpgsql AS E'
BEGIN
    IF TG_OP = \'DELETE\' THEN
        IF OLD."sequence" <= COALESCE((SELECT "pruned" FROM "AuditChain" WHERE "id" = OLD."chain"), 0) THEN
            RETURN OLD\x3b
        END IF\x3b
    END IF\x3b
    RAISE EXCEPTION \'audit rows are never changed, and removed by retention alone\'\x3b
END\x3b
';
CREATE TRIGGER "AuditEvent_append_only" BEFORE UPDATE OR DELETE ON "AuditEvent" FOR EACH ROW EXECUTE FUNCTION audit_event_append_only();
CREATE TRIGGER "AuditEvent_untruncatable" BEFORE TRUNCATE ON "AuditEvent" FOR EACH STATEMENT EXECUTE FUNCTION audit_event_append_only();
