-- CreateTable
CREATE TABLE "ManagementToken" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "digest" TEXT NOT NULL,
    "hint" TEXT NOT NULL,
    "organizationId" TEXT,
    "name" TEXT NOT NULL,
    "scopes" JSONB NOT NULL,
    "allowlist" JSONB NOT NULL,
    "createdBy" TEXT NOT NULL,
    "creatorId" TEXT,
    "createdAt" DATETIME NOT NULL,
    "expiresAt" DATETIME,
    "revokedAt" DATETIME,
    "revokedReason" TEXT,
    "lastUsedAt" DATETIME,
    "revision" INTEGER NOT NULL DEFAULT 1,
    CONSTRAINT "ManagementToken_organizationId_fkey" FOREIGN KEY ("organizationId") REFERENCES "Organization" ("id") ON DELETE RESTRICT ON UPDATE CASCADE,
    CONSTRAINT "ManagementToken_creatorId_fkey" FOREIGN KEY ("creatorId") REFERENCES "Member" ("id") ON DELETE RESTRICT ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "RememberedAnswer" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "fingerprint" TEXT NOT NULL,
    "sealedAnswer" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL,
    "expiresAt" DATETIME NOT NULL
);

-- AlterTable
-- Columns are added where they can be, not tables made anew: so this migration leaves alone what it does not know of.
ALTER TABLE "Organization" ADD COLUMN "deletedAt" DATETIME;
ALTER TABLE "Organization" ADD COLUMN "revision" INTEGER NOT NULL DEFAULT 1;
ALTER TABLE "Resource" ADD COLUMN "kind" TEXT NOT NULL DEFAULT 'api';
ALTER TABLE "Resource" ADD COLUMN "defaultScopes" JSONB NOT NULL DEFAULT '[]';
ALTER TABLE "Resource" ADD COLUMN "revision" INTEGER NOT NULL DEFAULT 1;
ALTER TABLE "Client" ADD COLUMN "revision" INTEGER NOT NULL DEFAULT 1;
ALTER TABLE "ApiKey" ADD COLUMN "revision" INTEGER NOT NULL DEFAULT 1;
ALTER TABLE "Member" ADD COLUMN "revision" INTEGER NOT NULL DEFAULT 1;
ALTER TABLE "PublishableKey" ADD COLUMN "revision" INTEGER NOT NULL DEFAULT 1;
ALTER TABLE "WebhookToken" ADD COLUMN "revision" INTEGER NOT NULL DEFAULT 1;
ALTER TABLE "RegistrationToken" ADD COLUMN "revision" INTEGER NOT NULL DEFAULT 1;

-- RedefineTables
PRAGMA defer_foreign_keys=ON;
PRAGMA foreign_keys=OFF;
CREATE TABLE "new_SigningKey" (
    "kid" TEXT NOT NULL PRIMARY KEY,
    "algorithm" TEXT NOT NULL,
    "publicJwk" JSONB NOT NULL,
    "sealedPrivateKey" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL,
    "activatedAt" DATETIME NOT NULL,
    "retiredAt" DATETIME,
    "publishedUntil" DATETIME
);
INSERT INTO "new_SigningKey" ("activatedAt", "algorithm", "createdAt", "kid", "publicJwk", "retiredAt", "sealedPrivateKey") SELECT COALESCE("activatedAt", "createdAt"), "algorithm", "createdAt", "kid", "publicJwk", "retiredAt", "sealedPrivateKey" FROM "SigningKey";
DROP TABLE "SigningKey";
ALTER TABLE "new_SigningKey" RENAME TO "SigningKey";
PRAGMA foreign_keys=ON;
PRAGMA defer_foreign_keys=OFF;

-- CreateIndex
CREATE UNIQUE INDEX "ManagementToken_digest_key" ON "ManagementToken"("digest");

-- CreateIndex
CREATE INDEX "ManagementToken_createdAt_id_idx" ON "ManagementToken"("createdAt", "id");

-- CreateIndex
CREATE INDEX "ManagementToken_organizationId_createdAt_id_idx" ON "ManagementToken"("organizationId", "createdAt", "id");

-- CreateIndex
CREATE INDEX "ManagementToken_creatorId_idx" ON "ManagementToken"("creatorId");

-- CreateIndex
CREATE INDEX "RememberedAnswer_expiresAt_idx" ON "RememberedAnswer"("expiresAt");
