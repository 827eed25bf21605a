-- AlterTable
ALTER TABLE "Organization" ADD COLUMN "callsPerMinute" INTEGER;
ALTER TABLE "Organization" ADD COLUMN "callsPerMonth" INTEGER;
ALTER TABLE "Organization" ADD COLUMN "creditsPerMonth" INTEGER;

-- CreateTable
CREATE TABLE "Allowance" (
    "holder" TEXT NOT NULL,
    "month" TEXT NOT NULL,
    "calls" BIGINT NOT NULL,
    "credits" BIGINT NOT NULL,

    PRIMARY KEY ("holder", "month")
);

-- RedefineTables
PRAGMA defer_foreign_keys=ON;
PRAGMA foreign_keys=OFF;
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
    "chainId" TEXT NOT NULL,
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
INSERT INTO "new_ApiKey" ("chainId", "access", "allowlist", "callsPerMinute", "callsPerMonth", "createdAt", "createdBy", "creatorId", "creditsPerMonth", "digest", "environment", "expiresAt", "hint", "id", "imported", "lastUsedAt", "name", "objects", "organizationId", "organizations", "resourceId", "revokedAt", "revokedReason", "rotatedFrom", "rotatedTo", "scopes") SELECT "id", "access", "allowlist", "callsPerMinute", "callsPerMonth", "createdAt", "createdBy", "creatorId", "creditsPerMonth", "digest", "environment", "expiresAt", "hint", "id", "imported", "lastUsedAt", "name", "objects", "organizationId", "organizations", "resourceId", "revokedAt", "revokedReason", "rotatedFrom", "rotatedTo", "scopes" FROM "ApiKey";
DROP TABLE "ApiKey";
ALTER TABLE "new_ApiKey" RENAME TO "ApiKey";
CREATE UNIQUE INDEX "ApiKey_digest_key" ON "ApiKey"("digest");
CREATE INDEX "ApiKey_createdAt_id_idx" ON "ApiKey"("createdAt", "id");
CREATE INDEX "ApiKey_organizationId_createdAt_id_idx" ON "ApiKey"("organizationId", "createdAt", "id");
CREATE INDEX "ApiKey_resourceId_idx" ON "ApiKey"("resourceId");
CREATE INDEX "ApiKey_creatorId_idx" ON "ApiKey"("creatorId");
CREATE INDEX "ApiKey_chainId_idx" ON "ApiKey"("chainId");
-- Every key is the first of its chain but for those that replaced another.
CREATE INDEX "ApiKey_rotatedFrom_filling" ON "ApiKey"("rotatedFrom");
WITH RECURSIVE "chain" ("id", "first") AS (
    SELECT "id", "id" FROM "ApiKey" WHERE "rotatedFrom" IS NULL AND "rotatedTo" IS NOT NULL
    UNION ALL
    SELECT "next"."id", "chain"."first" FROM "ApiKey" AS "next" JOIN "chain" ON "next"."rotatedFrom" = "chain"."id"
)
UPDATE "ApiKey" SET "chainId" = "chain"."first" FROM "chain" WHERE "chain"."id" = "ApiKey"."id";
DROP INDEX "ApiKey_rotatedFrom_filling";
PRAGMA foreign_keys=ON;
PRAGMA defer_foreign_keys=OFF;

-- CreateIndex
CREATE INDEX "PublishableKey_createdAt_id_idx" ON "PublishableKey"("createdAt", "id");

-- CreateIndex
CREATE INDEX "WebhookToken_createdAt_id_idx" ON "WebhookToken"("createdAt", "id");

-- What keys have taken is taken by their chains, and what they have spent by their organizations too.
INSERT INTO "Allowance" ("holder", "month", "calls", "credits")
SELECT "ApiKey"."chainId", "KeyAllowance"."month", SUM("KeyAllowance"."calls"), SUM("KeyAllowance"."credits")
FROM "KeyAllowance" JOIN "ApiKey" ON "ApiKey"."id" = "KeyAllowance"."apiKeyId"
GROUP BY "ApiKey"."chainId", "KeyAllowance"."month";
INSERT INTO "Allowance" ("holder", "month", "calls", "credits")
SELECT "ApiKey"."organizationId" || ':' || "ApiKey"."environment", "KeyAllowance"."month", 0, SUM("KeyAllowance"."credits")
FROM "KeyAllowance" JOIN "ApiKey" ON "ApiKey"."id" = "KeyAllowance"."apiKeyId"
GROUP BY "ApiKey"."organizationId", "ApiKey"."environment", "KeyAllowance"."month";

-- DropTable
PRAGMA foreign_keys=off;
DROP TABLE "KeyAllowance";
PRAGMA foreign_keys=on;
