-- CreateTable
CREATE TABLE "SpendBudget" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "kind" TEXT NOT NULL,
    "holder" TEXT NOT NULL,
    "day" BIGINT,
    "month" BIGINT,
    "createdBy" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL,
    "revision" INTEGER NOT NULL DEFAULT 1
);

-- CreateTable
CREATE TABLE "SpendTotal" (
    "kind" TEXT NOT NULL,
    "holder" TEXT NOT NULL,
    "period" TEXT NOT NULL,
    "spent" BIGINT NOT NULL,
    "reserved" BIGINT NOT NULL,

    PRIMARY KEY ("kind", "holder", "period")
);

-- CreateTable
CREATE TABLE "SpendReservation" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "clientId" TEXT NOT NULL,
    "reference" TEXT NOT NULL,
    "fingerprint" TEXT NOT NULL,
    "organizationId" TEXT NOT NULL,
    "credentialId" TEXT NOT NULL,
    "account" TEXT,
    "model" TEXT NOT NULL,
    "estimate" BIGINT NOT NULL,
    "amount" BIGINT,
    "inputTokens" BIGINT NOT NULL DEFAULT 0,
    "outputTokens" BIGINT NOT NULL DEFAULT 0,
    "status" TEXT NOT NULL,
    "day" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL,
    "expiresAt" DATETIME NOT NULL,
    "endedAt" DATETIME
);

-- CreateTable
CREATE TABLE "SpendLine" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "organizationId" TEXT NOT NULL,
    "day" TEXT NOT NULL,
    "credentialId" TEXT NOT NULL,
    "model" TEXT NOT NULL,
    "amount" BIGINT NOT NULL,
    "calls" BIGINT NOT NULL,
    "inputTokens" BIGINT NOT NULL,
    "outputTokens" BIGINT NOT NULL,
    "createdAt" DATETIME NOT NULL
);

-- CreateTable
CREATE TABLE "ProviderKey" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "organizationId" TEXT,
    "provider" TEXT NOT NULL,
    "sealedKey" TEXT NOT NULL,
    "fingerprint" TEXT NOT NULL,
    "hint" TEXT NOT NULL,
    "createdBy" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL,
    "replacedAt" DATETIME,
    "lastLeasedAt" DATETIME,
    "revision" INTEGER NOT NULL DEFAULT 1,
    CONSTRAINT "ProviderKey_organizationId_fkey" FOREIGN KEY ("organizationId") REFERENCES "Organization" ("id") ON DELETE RESTRICT ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "VirtualKey" (
    "organizationId" TEXT NOT NULL PRIMARY KEY,
    "keyChainId" TEXT NOT NULL,
    "createdBy" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL,
    CONSTRAINT "VirtualKey_organizationId_fkey" FOREIGN KEY ("organizationId") REFERENCES "Organization" ("id") ON DELETE RESTRICT ON UPDATE CASCADE
);

-- CreateIndex
CREATE INDEX "SpendBudget_createdAt_id_idx" ON "SpendBudget"("createdAt", "id");

-- CreateIndex
CREATE UNIQUE INDEX "SpendBudget_kind_holder_key" ON "SpendBudget"("kind", "holder");

-- CreateIndex
CREATE INDEX "SpendTotal_period_idx" ON "SpendTotal"("period");

-- CreateIndex
CREATE INDEX "SpendReservation_createdAt_id_idx" ON "SpendReservation"("createdAt", "id");

-- CreateIndex
CREATE INDEX "SpendReservation_organizationId_createdAt_id_idx" ON "SpendReservation"("organizationId", "createdAt", "id");

-- CreateIndex
CREATE INDEX "SpendReservation_status_expiresAt_idx" ON "SpendReservation"("status", "expiresAt");

-- CreateIndex
CREATE INDEX "SpendReservation_endedAt_idx" ON "SpendReservation"("endedAt");

-- CreateIndex
CREATE UNIQUE INDEX "SpendReservation_clientId_reference_key" ON "SpendReservation"("clientId", "reference");

-- CreateIndex
CREATE INDEX "SpendLine_createdAt_id_idx" ON "SpendLine"("createdAt", "id");

-- CreateIndex
CREATE INDEX "SpendLine_organizationId_createdAt_id_idx" ON "SpendLine"("organizationId", "createdAt", "id");

-- CreateIndex
CREATE UNIQUE INDEX "SpendLine_organizationId_day_credentialId_model_key" ON "SpendLine"("organizationId", "day", "credentialId", "model");

-- CreateIndex
CREATE INDEX "ProviderKey_createdAt_id_idx" ON "ProviderKey"("createdAt", "id");

-- CreateIndex
CREATE INDEX "ProviderKey_organizationId_createdAt_id_idx" ON "ProviderKey"("organizationId", "createdAt", "id");

-- CreateIndex
CREATE UNIQUE INDEX "ProviderKey_organizationId_provider_key" ON "ProviderKey"("organizationId", "provider");
