-- RedefineTables
PRAGMA defer_foreign_keys=ON;
PRAGMA foreign_keys=OFF;
CREATE TABLE "new_Client" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "organizationId" TEXT,
    "name" TEXT NOT NULL,
    "origin" TEXT NOT NULL,
    "metadata" JSONB NOT NULL,
    "allowlist" JSONB NOT NULL,
    "introspects" JSONB NOT NULL,
    "assertionProfile" TEXT NOT NULL DEFAULT 'strict',
    "pkceRequired" BOOLEAN NOT NULL DEFAULT true,
    "idTokenAlgorithm" TEXT,
    "generation" INTEGER NOT NULL,
    "createdAt" DATETIME NOT NULL,
    "lastUsedAt" DATETIME,
    "revokedAt" DATETIME,
    "revokedReason" TEXT,
    "registrationAccessDigest" TEXT,
    "registrationTokenId" TEXT,
    "creatorId" TEXT,
    "revision" INTEGER NOT NULL DEFAULT 1,
    CONSTRAINT "Client_organizationId_fkey" FOREIGN KEY ("organizationId") REFERENCES "Organization" ("id") ON DELETE RESTRICT ON UPDATE CASCADE,
    CONSTRAINT "Client_creatorId_fkey" FOREIGN KEY ("creatorId") REFERENCES "Member" ("id") ON DELETE RESTRICT ON UPDATE CASCADE,
    CONSTRAINT "Client_registrationTokenId_fkey" FOREIGN KEY ("registrationTokenId") REFERENCES "RegistrationToken" ("id") ON DELETE RESTRICT ON UPDATE CASCADE
);
INSERT INTO "new_Client" ("allowlist", "assertionProfile", "createdAt", "creatorId", "generation", "id", "introspects", "lastUsedAt", "metadata", "name", "organizationId", "origin", "registrationAccessDigest", "registrationTokenId", "revision", "revokedAt", "revokedReason") SELECT "allowlist", "assertionProfile", "createdAt", "creatorId", "generation", "id", "introspects", "lastUsedAt", "metadata", "name", "organizationId", "origin", "registrationAccessDigest", "registrationTokenId", "revision", "revokedAt", "revokedReason" FROM "Client";
DROP TABLE "Client";
ALTER TABLE "new_Client" RENAME TO "Client";
CREATE UNIQUE INDEX "Client_registrationAccessDigest_key" ON "Client"("registrationAccessDigest");
CREATE INDEX "Client_createdAt_id_idx" ON "Client"("createdAt", "id");
CREATE INDEX "Client_organizationId_createdAt_id_idx" ON "Client"("organizationId", "createdAt", "id");
CREATE INDEX "Client_registrationTokenId_idx" ON "Client"("registrationTokenId");
CREATE INDEX "Client_creatorId_idx" ON "Client"("creatorId");
CREATE INDEX "Client_origin_lastUsedAt_createdAt_idx" ON "Client"("origin", "lastUsedAt", "createdAt");
PRAGMA foreign_keys=ON;
PRAGMA defer_foreign_keys=OFF;
