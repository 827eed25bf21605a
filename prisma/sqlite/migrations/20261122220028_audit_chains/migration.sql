-- CreateTable
CREATE TABLE "AuditChain" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "createdAt" DATETIME NOT NULL,
    "sequence" BIGINT NOT NULL,
    "hash" TEXT NOT NULL,
    "mac" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "pruned" BIGINT NOT NULL,
    "prunedHash" TEXT NOT NULL
);

-- CreateTable
CREATE TABLE "TokenUsage" (
    "clientId" TEXT NOT NULL,
    "minute" DATETIME NOT NULL,
    "organizationId" TEXT,
    "tokens" BIGINT NOT NULL,

    PRIMARY KEY ("clientId", "minute")
);

-- RedefineTables
PRAGMA defer_foreign_keys=ON;
PRAGMA foreign_keys=OFF;
CREATE TABLE "new_AuditEvent" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "createdAt" DATETIME NOT NULL,
    "type" TEXT NOT NULL,
    "actor" TEXT NOT NULL,
    "organizationId" TEXT,
    "subject" TEXT,
    "address" TEXT,
    "requestId" TEXT,
    "detail" JSONB NOT NULL,
    "chain" TEXT NOT NULL,
    "sequence" BIGINT NOT NULL,
    "previous" TEXT NOT NULL,
    "hash" TEXT NOT NULL,
    "mac" TEXT NOT NULL,
    "key" TEXT NOT NULL
);
-- The rows that exist get their place in a chain. They stay without hash and seal: the server's next start closes them off.
INSERT INTO "new_AuditEvent" ("actor", "address", "createdAt", "detail", "id", "organizationId", "requestId", "subject", "type", "chain", "sequence", "previous", "hash", "mac", "key")
SELECT "actor", "address", "createdAt", "detail", "id", "organizationId", "requestId", "subject", "type", COALESCE("organizationId", 'deployment'),
    ROW_NUMBER() OVER (PARTITION BY COALESCE("organizationId", 'deployment') ORDER BY "createdAt", "id"), '', '', '', ''
FROM "AuditEvent";
DROP TABLE "AuditEvent";
ALTER TABLE "new_AuditEvent" RENAME TO "AuditEvent";
CREATE INDEX "AuditEvent_organizationId_createdAt_id_idx" ON "AuditEvent"("organizationId", "createdAt", "id");
CREATE INDEX "AuditEvent_createdAt_id_idx" ON "AuditEvent"("createdAt", "id");
CREATE INDEX "AuditEvent_subject_createdAt_id_idx" ON "AuditEvent"("subject", "createdAt", "id");
CREATE INDEX "AuditEvent_actor_createdAt_id_idx" ON "AuditEvent"("actor", "createdAt", "id");
CREATE UNIQUE INDEX "AuditEvent_chain_sequence_key" ON "AuditEvent"("chain", "sequence");
PRAGMA foreign_keys=ON;
PRAGMA defer_foreign_keys=OFF;

-- CreateIndex
CREATE INDEX "AuditChain_createdAt_id_idx" ON "AuditChain"("createdAt", "id");

-- CreateIndex
CREATE INDEX "TokenUsage_minute_clientId_idx" ON "TokenUsage"("minute", "clientId");

-- CreateIndex
CREATE INDEX "TokenUsage_organizationId_minute_clientId_idx" ON "TokenUsage"("organizationId", "minute", "clientId");

INSERT INTO "AuditChain" ("id", "createdAt", "sequence", "hash", "mac", "key", "pruned", "prunedHash")
SELECT "chain", MIN("createdAt"), MAX("sequence"), '', '', '', 0, '' FROM "AuditEvent" GROUP BY "chain";

-- Rows are added and never changed. Only those that retention has taken out of the chain can be removed.
CREATE TRIGGER "AuditEvent_unchangeable" BEFORE UPDATE ON "AuditEvent"
BEGIN
    SELECT RAISE(ABORT, 'audit rows are never changed');
END;
CREATE TRIGGER "AuditEvent_unremovable" BEFORE DELETE ON "AuditEvent"
WHEN OLD."sequence" > COALESCE((SELECT "pruned" FROM "AuditChain" WHERE "id" = OLD."chain"), 0)
BEGIN
    SELECT RAISE(ABORT, 'audit rows are removed by retention alone');
END;
