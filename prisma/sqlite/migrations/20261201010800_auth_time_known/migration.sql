-- RedefineTables
PRAGMA defer_foreign_keys=ON;
PRAGMA foreign_keys=OFF;
CREATE TABLE "new_PersonSession" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "digest" TEXT NOT NULL,
    "memberId" TEXT NOT NULL,
    "identityId" TEXT,
    "amr" JSONB NOT NULL,
    "provider" TEXT,
    "providerSession" TEXT,
    "vouchedBy" TEXT,
    "authenticatedAt" DATETIME NOT NULL,
    "authTimeKnown" BOOLEAN NOT NULL DEFAULT true,
    "createdAt" DATETIME NOT NULL,
    "lastUsedAt" DATETIME NOT NULL,
    "expiresAt" DATETIME NOT NULL,
    "endedAt" DATETIME,
    "endedReason" TEXT,
    CONSTRAINT "PersonSession_memberId_fkey" FOREIGN KEY ("memberId") REFERENCES "Member" ("id") ON DELETE RESTRICT ON UPDATE CASCADE,
    CONSTRAINT "PersonSession_identityId_fkey" FOREIGN KEY ("identityId") REFERENCES "Identity" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);
INSERT INTO "new_PersonSession" ("amr", "authenticatedAt", "createdAt", "digest", "endedAt", "endedReason", "expiresAt", "id", "identityId", "lastUsedAt", "memberId", "provider", "providerSession", "vouchedBy") SELECT "amr", "authenticatedAt", "createdAt", "digest", "endedAt", "endedReason", "expiresAt", "id", "identityId", "lastUsedAt", "memberId", "provider", "providerSession", "vouchedBy" FROM "PersonSession";
DROP TABLE "PersonSession";
ALTER TABLE "new_PersonSession" RENAME TO "PersonSession";
CREATE UNIQUE INDEX "PersonSession_digest_key" ON "PersonSession"("digest");
CREATE INDEX "PersonSession_memberId_createdAt_id_idx" ON "PersonSession"("memberId", "createdAt", "id");
CREATE INDEX "PersonSession_identityId_idx" ON "PersonSession"("identityId");
CREATE INDEX "PersonSession_providerSession_idx" ON "PersonSession"("providerSession");
CREATE INDEX "PersonSession_expiresAt_idx" ON "PersonSession"("expiresAt");
PRAGMA foreign_keys=ON;
PRAGMA defer_foreign_keys=OFF;
