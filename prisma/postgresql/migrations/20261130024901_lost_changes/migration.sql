-- AlterTable
ALTER TABLE "Replica" ADD COLUMN     "prunedBefore" TIMESTAMP(3),
ADD COLUMN     "system" TEXT,
ADD COLUMN     "timeline" INTEGER;

-- CreateTable
CREATE TABLE "LostChange" (
    "id" TEXT NOT NULL,
    "entryId" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "organizationId" TEXT,
    "changedAt" TIMESTAMP(3) NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,
    "decision" TEXT,
    "decidedAt" TIMESTAMP(3),
    "decidedBy" TEXT,

    CONSTRAINT "LostChange_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "LostChange_decision_kind_subject_idx" ON "LostChange"("decision", "kind", "subject");

-- CreateIndex
CREATE INDEX "LostChange_createdAt_id_idx" ON "LostChange"("createdAt", "id");

-- CreateIndex
CREATE UNIQUE INDEX "LostChange_entryId_kind_subject_key" ON "LostChange"("entryId", "kind", "subject");

-- CreateIndex
CREATE INDEX "FeedEntry_createdAt_idx" ON "FeedEntry"("createdAt");
