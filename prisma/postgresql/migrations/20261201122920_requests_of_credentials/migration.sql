-- CreateTable
CREATE TABLE "LoggedRequest" (
    "id" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,
    "requestId" TEXT NOT NULL,
    "party" TEXT NOT NULL,
    "organizationId" TEXT,
    "resourceId" TEXT,
    "resourceOwner" TEXT,
    "route" TEXT NOT NULL,
    "status" INTEGER NOT NULL,
    "refused" BOOLEAN NOT NULL,
    "reason" TEXT,
    "block" TEXT NOT NULL,

    CONSTRAINT "LoggedRequest_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "LoggedRequest_party_refused_createdAt_idx" ON "LoggedRequest"("party", "refused", "createdAt");

-- CreateIndex
CREATE INDEX "LoggedRequest_requestId_idx" ON "LoggedRequest"("requestId");

-- CreateIndex
CREATE INDEX "LoggedRequest_block_createdAt_idx" ON "LoggedRequest"("block", "createdAt");

-- CreateIndex
CREATE INDEX "LoggedRequest_createdAt_idx" ON "LoggedRequest"("createdAt");

-- CreateIndex
CREATE INDEX "AuditEvent_requestId_idx" ON "AuditEvent"("requestId");

-- CreateIndex
CREATE INDEX "AuditEvent_address_createdAt_id_idx" ON "AuditEvent"("address", "createdAt", "id");
