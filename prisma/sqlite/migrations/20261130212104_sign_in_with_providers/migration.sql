-- AlterTable
ALTER TABLE "PersonSession" ADD COLUMN "providerSession" TEXT;

-- CreateTable
CREATE TABLE "EmailDomain" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "domain" TEXT NOT NULL,
    "organizationId" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL,
    CONSTRAINT "EmailDomain_organizationId_fkey" FOREIGN KEY ("organizationId") REFERENCES "Organization" ("id") ON DELETE RESTRICT ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "TrustedProvider" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "organizationId" TEXT NOT NULL,
    "provider" TEXT NOT NULL,
    "joinsAs" TEXT,
    "groupsClaim" TEXT NOT NULL DEFAULT 'groups',
    "groupMapping" JSONB NOT NULL DEFAULT '[]',
    "createdBy" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL,
    "revision" INTEGER NOT NULL DEFAULT 1,
    CONSTRAINT "TrustedProvider_organizationId_fkey" FOREIGN KEY ("organizationId") REFERENCES "Organization" ("id") ON DELETE RESTRICT ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "Invitation" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "organizationId" TEXT NOT NULL,
    "email" TEXT NOT NULL,
    "normalEmail" TEXT NOT NULL,
    "role" TEXT NOT NULL,
    "groups" JSONB NOT NULL DEFAULT '[]',
    "memberId" TEXT,
    "createdBy" TEXT NOT NULL,
    "creatorId" TEXT,
    "createdAt" DATETIME NOT NULL,
    "expiresAt" DATETIME NOT NULL,
    "acceptedAt" DATETIME,
    "revokedAt" DATETIME,
    "revision" INTEGER NOT NULL DEFAULT 1,
    CONSTRAINT "Invitation_organizationId_fkey" FOREIGN KEY ("organizationId") REFERENCES "Organization" ("id") ON DELETE RESTRICT ON UPDATE CASCADE
);

-- RedefineTables
PRAGMA defer_foreign_keys=ON;
PRAGMA foreign_keys=OFF;
CREATE TABLE "new_Organization" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "name" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "features" JSONB NOT NULL DEFAULT '[]',
    "callsPerMonth" INTEGER,
    "creditsPerMonth" INTEGER,
    "callsPerMinute" INTEGER,
    "createdAt" DATETIME NOT NULL,
    "suspendedAt" DATETIME,
    "deletedAt" DATETIME,
    "requiresProvider" BOOLEAN NOT NULL DEFAULT false,
    "revision" INTEGER NOT NULL DEFAULT 1
);
INSERT INTO "new_Organization" ("callsPerMinute", "callsPerMonth", "createdAt", "creditsPerMonth", "deletedAt", "features", "id", "name", "revision", "status", "suspendedAt") SELECT "callsPerMinute", "callsPerMonth", "createdAt", "creditsPerMonth", "deletedAt", "features", "id", "name", "revision", "status", "suspendedAt" FROM "Organization";
DROP TABLE "Organization";
ALTER TABLE "new_Organization" RENAME TO "Organization";
CREATE INDEX "Organization_createdAt_id_idx" ON "Organization"("createdAt", "id");
CREATE TABLE "new_GroupMember" (
    "groupId" TEXT NOT NULL,
    "memberId" TEXT NOT NULL,
    "source" TEXT NOT NULL DEFAULT '',

    PRIMARY KEY ("groupId", "memberId", "source"),
    CONSTRAINT "GroupMember_groupId_fkey" FOREIGN KEY ("groupId") REFERENCES "Group" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
    CONSTRAINT "GroupMember_memberId_fkey" FOREIGN KEY ("memberId") REFERENCES "Member" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);
INSERT INTO "new_GroupMember" ("groupId", "memberId") SELECT "groupId", "memberId" FROM "GroupMember";
DROP TABLE "GroupMember";
ALTER TABLE "new_GroupMember" RENAME TO "GroupMember";
CREATE INDEX "GroupMember_memberId_idx" ON "GroupMember"("memberId");
PRAGMA foreign_keys=ON;
PRAGMA defer_foreign_keys=OFF;

-- CreateIndex
CREATE UNIQUE INDEX "EmailDomain_domain_key" ON "EmailDomain"("domain");

-- CreateIndex
CREATE INDEX "EmailDomain_createdAt_id_idx" ON "EmailDomain"("createdAt", "id");

-- CreateIndex
CREATE INDEX "EmailDomain_organizationId_createdAt_id_idx" ON "EmailDomain"("organizationId", "createdAt", "id");

-- CreateIndex
CREATE INDEX "TrustedProvider_createdAt_id_idx" ON "TrustedProvider"("createdAt", "id");

-- CreateIndex
CREATE INDEX "TrustedProvider_organizationId_createdAt_id_idx" ON "TrustedProvider"("organizationId", "createdAt", "id");

-- CreateIndex
CREATE UNIQUE INDEX "TrustedProvider_organizationId_provider_key" ON "TrustedProvider"("organizationId", "provider");

-- CreateIndex
CREATE INDEX "Invitation_createdAt_id_idx" ON "Invitation"("createdAt", "id");

-- CreateIndex
CREATE INDEX "Invitation_organizationId_createdAt_id_idx" ON "Invitation"("organizationId", "createdAt", "id");

-- CreateIndex
CREATE INDEX "Invitation_normalEmail_acceptedAt_idx" ON "Invitation"("normalEmail", "acceptedAt");

-- CreateIndex
CREATE INDEX "PersonSession_providerSession_idx" ON "PersonSession"("providerSession");
