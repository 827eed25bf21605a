-- CreateTable
CREATE TABLE "FeedEntry" (
    "id" TEXT NOT NULL,
    "xid" BIGINT NOT NULL,
    "changes" JSONB NOT NULL,
    "replicaId" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "FeedEntry_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Replica" (
    "id" TEXT NOT NULL,
    "host" TEXT NOT NULL,
    "pid" INTEGER NOT NULL,
    "version" TEXT NOT NULL,
    "lease" INTEGER NOT NULL,
    "joined" INTEGER NOT NULL,
    "position" TEXT NOT NULL,
    "beat" BIGINT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,
    "seenAt" TIMESTAMP(3) NOT NULL,
    "leftAt" TIMESTAMP(3),

    CONSTRAINT "Replica_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "FeedEntry_xid_idx" ON "FeedEntry"("xid");

-- CreateIndex
CREATE INDEX "Replica_createdAt_id_idx" ON "Replica"("createdAt", "id");
