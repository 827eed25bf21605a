-- AlterTable
ALTER TABLE "Replica" ADD COLUMN "prunedBefore" DATETIME;
ALTER TABLE "Replica" ADD COLUMN "system" TEXT;
ALTER TABLE "Replica" ADD COLUMN "timeline" INTEGER;

-- CreateTable
CREATE TABLE "LostChange" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "entryId" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "organizationId" TEXT,
    "changedAt" DATETIME NOT NULL,
    "createdAt" DATETIME NOT NULL,
    "decision" TEXT,
    "decidedAt" DATETIME,
    "decidedBy" TEXT
);

-- CreateIndex
CREATE INDEX "LostChange_decision_kind_subject_idx" ON "LostChange"("decision", "kind", "subject");

-- CreateIndex
CREATE INDEX "LostChange_createdAt_id_idx" ON "LostChange"("createdAt", "id");

-- CreateIndex
CREATE UNIQUE INDEX "LostChange_entryId_kind_subject_key" ON "LostChange"("entryId", "kind", "subject");

-- CreateIndex
CREATE INDEX "FeedEntry_createdAt_idx" ON "FeedEntry"("createdAt");
