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
    "publishedUntil" DATETIME,
    "revokedAt" DATETIME,
    "revokedReason" TEXT,
    "revision" INTEGER NOT NULL DEFAULT 1
);
INSERT INTO "new_SigningKey" ("activatedAt", "algorithm", "createdAt", "kid", "publicJwk", "publishedUntil", "retiredAt", "sealedPrivateKey") SELECT "activatedAt", "algorithm", "createdAt", "kid", "publicJwk", "publishedUntil", "retiredAt", "sealedPrivateKey" FROM "SigningKey";
DROP TABLE "SigningKey";
ALTER TABLE "new_SigningKey" RENAME TO "SigningKey";
PRAGMA foreign_keys=ON;
PRAGMA defer_foreign_keys=OFF;
