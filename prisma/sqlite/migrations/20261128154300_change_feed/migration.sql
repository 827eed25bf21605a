-- CreateTable
CREATE TABLE "FeedEntry" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "xid" BIGINT NOT NULL,
    "changes" JSONB NOT NULL,
    "replicaId" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL
);

-- CreateTable
CREATE TABLE "Replica" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "host" TEXT NOT NULL,
    "pid" INTEGER NOT NULL,
    "version" TEXT NOT NULL,
    "lease" INTEGER NOT NULL,
    "joined" INTEGER NOT NULL,
    "position" TEXT NOT NULL,
    "beat" BIGINT NOT NULL,
    "createdAt" DATETIME NOT NULL,
    "seenAt" DATETIME NOT NULL,
    "leftAt" DATETIME
);

-- CreateIndex
CREATE INDEX "FeedEntry_xid_idx" ON "FeedEntry"("xid");

-- CreateIndex
CREATE INDEX "Replica_createdAt_id_idx" ON "Replica"("createdAt", "id");
