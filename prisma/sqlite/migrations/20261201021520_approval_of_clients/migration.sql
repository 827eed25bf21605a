-- CreateTable
CREATE TABLE "ClientApproval" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "organizationId" TEXT NOT NULL,
    "clientId" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "fingerprint" TEXT,
    "createdBy" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL,
    "revision" INTEGER NOT NULL DEFAULT 1,
    CONSTRAINT "ClientApproval_organizationId_fkey" FOREIGN KEY ("organizationId") REFERENCES "Organization" ("id") ON DELETE RESTRICT ON UPDATE CASCADE
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
    "unverifiedClients" TEXT NOT NULL DEFAULT 'allow',
    "revision" INTEGER NOT NULL DEFAULT 1
);
INSERT INTO "new_Organization" ("callsPerMinute", "callsPerMonth", "createdAt", "creditsPerMonth", "deletedAt", "features", "id", "name", "requiresProvider", "revision", "status", "suspendedAt") SELECT "callsPerMinute", "callsPerMonth", "createdAt", "creditsPerMonth", "deletedAt", "features", "id", "name", "requiresProvider", "revision", "status", "suspendedAt" FROM "Organization";
DROP TABLE "Organization";
ALTER TABLE "new_Organization" RENAME TO "Organization";
CREATE INDEX "Organization_createdAt_id_idx" ON "Organization"("createdAt", "id");
PRAGMA foreign_keys=ON;
PRAGMA defer_foreign_keys=OFF;

-- CreateIndex
CREATE INDEX "ClientApproval_createdAt_id_idx" ON "ClientApproval"("createdAt", "id");

-- CreateIndex
CREATE INDEX "ClientApproval_organizationId_createdAt_id_idx" ON "ClientApproval"("organizationId", "createdAt", "id");

-- CreateIndex
CREATE UNIQUE INDEX "ClientApproval_organizationId_clientId_key" ON "ClientApproval"("organizationId", "clientId");
