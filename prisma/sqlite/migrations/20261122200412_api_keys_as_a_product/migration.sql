-- CreateTable
CREATE TABLE "Member" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "organizationId" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "role" TEXT NOT NULL,
    "scopes" JSONB,
    "createdAt" DATETIME NOT NULL,
    "removedAt" DATETIME,
    CONSTRAINT "Member_organizationId_fkey" FOREIGN KEY ("organizationId") REFERENCES "Organization" ("id") ON DELETE RESTRICT ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "PublishableKey" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "publishable" TEXT NOT NULL,
    "organizationId" TEXT NOT NULL,
    "resourceId" TEXT NOT NULL,
    "environment" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "publicJwk" JSONB NOT NULL,
    "scopes" JSONB NOT NULL,
    "createdBy" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL,
    "revokedAt" DATETIME,
    CONSTRAINT "PublishableKey_organizationId_fkey" FOREIGN KEY ("organizationId") REFERENCES "Organization" ("id") ON DELETE RESTRICT ON UPDATE CASCADE,
    CONSTRAINT "PublishableKey_resourceId_fkey" FOREIGN KEY ("resourceId") REFERENCES "Resource" ("id") ON DELETE RESTRICT ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "WebhookToken" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "digest" TEXT NOT NULL,
    "hint" TEXT NOT NULL,
    "organizationId" TEXT NOT NULL,
    "resourceId" TEXT NOT NULL,
    "apiKeyId" TEXT NOT NULL,
    "objectType" TEXT NOT NULL,
    "objectId" TEXT NOT NULL,
    "createdBy" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL,
    "revokedAt" DATETIME,
    CONSTRAINT "WebhookToken_organizationId_fkey" FOREIGN KEY ("organizationId") REFERENCES "Organization" ("id") ON DELETE RESTRICT ON UPDATE CASCADE,
    CONSTRAINT "WebhookToken_resourceId_fkey" FOREIGN KEY ("resourceId") REFERENCES "Resource" ("id") ON DELETE RESTRICT ON UPDATE CASCADE,
    CONSTRAINT "WebhookToken_apiKeyId_fkey" FOREIGN KEY ("apiKeyId") REFERENCES "ApiKey" ("id") ON DELETE RESTRICT ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "CreditAccount" (
    "organizationId" TEXT NOT NULL,
    "environment" TEXT NOT NULL,
    "balance" BIGINT NOT NULL,

    PRIMARY KEY ("organizationId", "environment"),
    CONSTRAINT "CreditAccount_organizationId_fkey" FOREIGN KEY ("organizationId") REFERENCES "Organization" ("id") ON DELETE RESTRICT ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "CreditEntry" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "organizationId" TEXT NOT NULL,
    "environment" TEXT NOT NULL,
    "apiKeyId" TEXT,
    "amount" BIGINT NOT NULL,
    "balance" BIGINT NOT NULL,
    "reason" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL
);

-- CreateTable
CREATE TABLE "KeyUsage" (
    "apiKeyId" TEXT NOT NULL,
    "day" TEXT NOT NULL,
    "calls" BIGINT NOT NULL,
    "credits" BIGINT NOT NULL,

    PRIMARY KEY ("apiKeyId", "day")
);

-- CreateTable
CREATE TABLE "KeyAllowance" (
    "apiKeyId" TEXT NOT NULL,
    "month" TEXT NOT NULL,
    "calls" BIGINT NOT NULL,
    "credits" BIGINT NOT NULL,

    PRIMARY KEY ("apiKeyId", "month")
);

-- RedefineTables
PRAGMA defer_foreign_keys=ON;
PRAGMA foreign_keys=OFF;
CREATE TABLE "new_Organization" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "name" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "features" JSONB NOT NULL DEFAULT '[]',
    "createdAt" DATETIME NOT NULL,
    "suspendedAt" DATETIME
);
INSERT INTO "new_Organization" ("createdAt", "id", "name", "status", "suspendedAt") SELECT "createdAt", "id", "name", "status", "suspendedAt" FROM "Organization";
DROP TABLE "Organization";
ALTER TABLE "new_Organization" RENAME TO "Organization";
CREATE INDEX "Organization_createdAt_id_idx" ON "Organization"("createdAt", "id");
CREATE TABLE "new_ApiKey" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "digest" TEXT NOT NULL,
    "hint" TEXT NOT NULL,
    "organizationId" TEXT NOT NULL,
    "organizations" JSONB NOT NULL DEFAULT '[]',
    "resourceId" TEXT NOT NULL,
    "environment" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "access" TEXT NOT NULL DEFAULT 'custom',
    "scopes" JSONB NOT NULL,
    "objects" JSONB NOT NULL DEFAULT '{}',
    "allowlist" JSONB NOT NULL,
    "callsPerMonth" INTEGER,
    "creditsPerMonth" INTEGER,
    "callsPerMinute" INTEGER,
    "createdBy" TEXT NOT NULL,
    "creatorId" TEXT,
    "imported" BOOLEAN NOT NULL DEFAULT false,
    "rotatedFrom" TEXT,
    "rotatedTo" TEXT,
    "createdAt" DATETIME NOT NULL,
    "expiresAt" DATETIME,
    "revokedAt" DATETIME,
    "revokedReason" TEXT,
    "lastUsedAt" DATETIME,
    CONSTRAINT "ApiKey_organizationId_fkey" FOREIGN KEY ("organizationId") REFERENCES "Organization" ("id") ON DELETE RESTRICT ON UPDATE CASCADE,
    CONSTRAINT "ApiKey_resourceId_fkey" FOREIGN KEY ("resourceId") REFERENCES "Resource" ("id") ON DELETE RESTRICT ON UPDATE CASCADE,
    CONSTRAINT "ApiKey_creatorId_fkey" FOREIGN KEY ("creatorId") REFERENCES "Member" ("id") ON DELETE RESTRICT ON UPDATE CASCADE
);
INSERT INTO "new_ApiKey" ("allowlist", "createdAt", "createdBy", "digest", "environment", "expiresAt", "hint", "id", "lastUsedAt", "name", "organizationId", "resourceId", "revokedAt", "revokedReason", "scopes") SELECT "allowlist", "createdAt", "createdBy", "digest", "environment", "expiresAt", "hint", "id", "lastUsedAt", "name", "organizationId", "resourceId", "revokedAt", "revokedReason", "scopes" FROM "ApiKey";
DROP TABLE "ApiKey";
ALTER TABLE "new_ApiKey" RENAME TO "ApiKey";
CREATE UNIQUE INDEX "ApiKey_digest_key" ON "ApiKey"("digest");
CREATE INDEX "ApiKey_createdAt_id_idx" ON "ApiKey"("createdAt", "id");
CREATE INDEX "ApiKey_organizationId_createdAt_id_idx" ON "ApiKey"("organizationId", "createdAt", "id");
CREATE INDEX "ApiKey_resourceId_idx" ON "ApiKey"("resourceId");
CREATE INDEX "ApiKey_creatorId_idx" ON "ApiKey"("creatorId");
PRAGMA foreign_keys=ON;
PRAGMA defer_foreign_keys=OFF;

-- CreateIndex
CREATE INDEX "Member_createdAt_id_idx" ON "Member"("createdAt", "id");

-- CreateIndex
CREATE INDEX "Member_organizationId_createdAt_id_idx" ON "Member"("organizationId", "createdAt", "id");

-- CreateIndex
CREATE UNIQUE INDEX "PublishableKey_publishable_key" ON "PublishableKey"("publishable");

-- CreateIndex
CREATE INDEX "PublishableKey_organizationId_createdAt_id_idx" ON "PublishableKey"("organizationId", "createdAt", "id");

-- CreateIndex
CREATE INDEX "PublishableKey_resourceId_idx" ON "PublishableKey"("resourceId");

-- CreateIndex
CREATE UNIQUE INDEX "WebhookToken_digest_key" ON "WebhookToken"("digest");

-- CreateIndex
CREATE INDEX "WebhookToken_organizationId_createdAt_id_idx" ON "WebhookToken"("organizationId", "createdAt", "id");

-- CreateIndex
CREATE INDEX "WebhookToken_resourceId_idx" ON "WebhookToken"("resourceId");

-- CreateIndex
CREATE INDEX "WebhookToken_apiKeyId_idx" ON "WebhookToken"("apiKeyId");

-- CreateIndex
CREATE INDEX "CreditEntry_organizationId_environment_createdAt_id_idx" ON "CreditEntry"("organizationId", "environment", "createdAt", "id");
